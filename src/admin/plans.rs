//! Dangerous acts: the server first says what would be done, and only that is done.
//!
//! A plan is made by who wants the act, is good for ten minutes and once, and says to how much it
//! would be done. To run it takes a reason, over a hundred rows the name of what it is about, and
//! of who is logged in the password, unless it was given in the last ten minutes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::StatusCode;
use serde_json::Value;
use tokio::sync::watch;
use tonic::Status;

use super::acts::Asked;
use super::problem::ApiProblem;
use super::who::Who;
use crate::audit::Act;
use crate::clock::Clock;
use crate::operators::{By, Capability, Operators, OperatorsError};

/// How long a plan is good for.
const GOOD_FOR_MS: u64 = 10 * 60 * 1000;
/// How long it can be seen what became of one.
const SEEN_FOR_MS: u64 = 60 * 60 * 1000;
const PLANS_MAX: usize = 256;
/// Rows from which on the name must be given.
pub(super) const NAMED_ABOVE_ROWS: u64 = 100;
const WHY_BYTES_MAX: usize = 512;
/// How long who runs a plan is kept waiting for its end.
const WAIT: Duration = Duration::from_secs(2);

/// What would be done, for people, in each language of the pages; the record and programs have it
/// in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// Such as: discard 4,213 dead events for `gone`, the oldest 3 d old.
    pub english: String,
    pub chinese: String,
}

/// What would be done, by whoever can say what that is.
pub(super) struct Draft {
    pub summary: Summary,
    pub rows: u64,
    /// What must be given where it is about many rows.
    pub name: String,
    /// What it takes, when it is run too.
    pub capability: Capability,
    /// More for programs.
    pub facts: Value,
    pub run: Run,
}

/// Does it.
pub(super) type Run = Box<dyn FnOnce(Doing) -> BoxFuture<'static, Result<(), Status>> + Send>;

/// A plan that is being run.
pub(super) struct Doing {
    pub asked: Asked,
    pub why: String,
    /// Its id, for the record.
    pub plan: String,
    /// Rows that it was done to so far.
    pub done: Arc<AtomicU64>,
    /// What came of it, which stands among the facts as `came_of_it` then.
    pub came_of_it: Arc<Mutex<Value>>,
}

/// What is said by whoever runs a plan.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub why: String,
    pub name: String,
    pub password: String,
}

/// A plan as it can be seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub id: String,
    pub summary: Summary,
    pub rows: u64,
    /// What must be given to run it; `None` where it is about few rows.
    pub confirm: Option<String>,
    pub facts: Value,
    pub expires_ms: u64,
    pub state: PlanState,
    pub done: u64,
}

#[derive(Clone, Debug)]
pub(super) enum PlanState {
    Planned,
    Running,
    Done,
    Failed(Status),
}

impl PlanState {
    pub(super) fn name(&self) -> &'static str {
        match self {
            PlanState::Planned => "planned",
            PlanState::Running => "running",
            PlanState::Done => "done",
            PlanState::Failed(_) => "failed",
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self, PlanState::Done | PlanState::Failed(_))
    }
}

/// Why a plan was not run.
#[derive(Debug)]
pub(super) enum NotRun {
    /// There is none of this id, or it is somebody else's, or over.
    Unknown,
    /// It was run already.
    Used,
    NoReason,
    /// This must be given.
    NoName(String),
    /// The password must be given again, or was wrong.
    NoPassword,
    Operators(OperatorsError),
    Status(Status),
}

impl From<NotRun> for ApiProblem {
    fn from(why: NotRun) -> ApiProblem {
        let bad = |code, message: String| ApiProblem::new(StatusCode::BAD_REQUEST, code, message);
        match why {
            NotRun::Unknown => {
                ApiProblem::not_found("there is no such plan of yours; one is good for ten minutes")
            }
            NotRun::Used => ApiProblem::conflict("this plan was run already; make another"),
            NotRun::NoReason => bad(
                "why_missing",
                format!("`why` must say why: one line of at most {WHY_BYTES_MAX} bytes"),
            ),
            NotRun::NoName(name) => bad(
                "name_missing",
                format!("it is about more than {NAMED_ABOVE_ROWS} rows: give `{name}` as `name`"),
            )
            .with("name", name),
            NotRun::NoPassword => ApiProblem::new(
                StatusCode::FORBIDDEN,
                "password_missing",
                "give your password again as `password`: the last time is more than ten minutes ago",
            ),
            NotRun::Operators(OperatorsError::TooMany(seconds)) => {
                let why = "too many passwords are being tried from this network";
                let status = StatusCode::TOO_MANY_REQUESTS;
                ApiProblem::new(status, "too_many_calls", why).again_in(seconds)
            }
            NotRun::Operators(error) => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                ApiProblem::new(status, "unavailable", error.to_string())
            }
            NotRun::Status(status) => status.into(),
        }
    }
}

/// The plans that are good, and those that were run lately.
pub struct Plans {
    clock: Clock,
    kept: Mutex<BTreeMap<String, Kept>>,
}

struct Kept {
    /// Whose it is.
    of: String,
    seen: Seen,
    made_ms: u64,
    capability: Capability,
    run: Option<Run>,
    done: Arc<AtomicU64>,
    came_of_it: Arc<Mutex<Value>>,
    ended_ms: Option<u64>,
}

impl Kept {
    fn see(&self) -> Seen {
        let mut seen = Seen {
            done: self.done.load(Ordering::Relaxed),
            ..self.seen.clone()
        };
        let came_of_it = self.came_of_it.lock();
        let came_of_it = came_of_it.unwrap_or_else(PoisonError::into_inner);
        if let (Some(facts), false) = (seen.facts.as_object_mut(), came_of_it.is_null()) {
            facts.insert("came_of_it".to_owned(), came_of_it.clone());
        }
        seen
    }
}

impl Plans {
    pub fn new(clock: Clock) -> Plans {
        Plans {
            clock,
            kept: Mutex::default(),
        }
    }

    /// Keeps what would be done, on record.
    ///
    /// Errors: it cannot be recorded, or all plans that there can be are being run.
    pub(super) async fn make(&self, asked: &Asked, draft: Draft) -> Result<Seen, Status> {
        let act = Act::new("plan.make", asked.who()).on(draft.summary.english.clone());
        asked.record(act.count("rows", draft.rows)).await?;
        let now_ms = self.clock.now_ms();
        let seen = Seen {
            // Random, so that nobody runs what he has not seen.
            id: uuid::Uuid::now_v7().simple().to_string(),
            confirm: (draft.rows > NAMED_ABOVE_ROWS).then(|| draft.name.clone()),
            summary: draft.summary,
            rows: draft.rows,
            facts: draft.facts,
            expires_ms: now_ms + GOOD_FOR_MS,
            state: PlanState::Planned,
            done: 0,
        };
        let kept = Kept {
            of: owner(asked),
            seen: seen.clone(),
            made_ms: now_ms,
            capability: draft.capability,
            run: Some(draft.run),
            done: Arc::default(),
            came_of_it: Arc::default(),
            ended_ms: None,
        };
        let mut plans = self.plans(now_ms);
        if plans.len() >= PLANS_MAX {
            let oldest = plans.iter().filter(|(_, kept)| !is_running(kept));
            let oldest = oldest.min_by_key(|(_, kept)| kept.made_ms);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                return Err(Status::resource_exhausted("too many plans are being run"));
            };
            plans.remove(&oldest);
        }
        plans.insert(seen.id.clone(), kept);
        Ok(seen)
    }

    /// A plan of whoever asks.
    pub(super) fn see(&self, asked: &Asked, id: &str) -> Option<Seen> {
        let plans = self.plans(self.clock.now_ms());
        let kept = plans.get(id).filter(|kept| kept.of == owner(asked))?;
        Some(kept.see())
    }

    /// Runs a plan, and waits a little for its end; it goes on where nobody waits.
    pub(super) async fn run(
        self: &Arc<Self>,
        operators: &Operators,
        asked: &Asked,
        id: &str,
        said: Said,
    ) -> Result<Seen, NotRun> {
        let (summary, confirm, capability) = {
            let plans = self.plans(self.clock.now_ms());
            let kept = plans.get(id).filter(|kept| kept.of == owner(asked));
            let kept = kept.ok_or(NotRun::Unknown)?;
            let seen = &kept.seen;
            (
                seen.summary.english.clone(),
                seen.confirm.clone(),
                kept.capability,
            )
        };
        let act = Act::new("plan.run", asked.who()).on(summary);
        asked
            .must(capability, act.clone())
            .map_err(NotRun::Status)?;
        let why = said.why.trim();
        if why.is_empty() || why.len() > WHY_BYTES_MAX || why.chars().any(char::is_control) {
            return Err(NotRun::NoReason);
        }
        if let Some(name) = confirm.filter(|name| *name != said.name) {
            return Err(NotRun::NoName(name));
        }
        let proved = prove(operators, asked, said.password).await;
        if let Err(NotRun::NoPassword) = &proved {
            asked.refuse(act, "the password was not given, or is another");
        }
        proved?;
        let mut ended = self.start(asked, id, why.to_owned())?;
        // Both ends, late or never, are told by what is seen then.
        let _ = tokio::time::timeout(WAIT, ended.wait_for(|ended| *ended)).await;
        self.see(asked, id).ok_or(NotRun::Unknown)
    }

    /// Begins to do it; what is watched turns true at the end.
    fn start(
        self: &Arc<Self>,
        asked: &Asked,
        id: &str,
        why: String,
    ) -> Result<watch::Receiver<bool>, NotRun> {
        let (run, done, came_of_it) = {
            let mut plans = self.plans(self.clock.now_ms());
            let kept = plans.get_mut(id).ok_or(NotRun::Unknown)?;
            let run = kept.run.take().ok_or(NotRun::Used)?;
            kept.seen.state = PlanState::Running;
            (run, Arc::clone(&kept.done), Arc::clone(&kept.came_of_it))
        };
        let doing = Doing {
            asked: asked.clone(),
            why,
            plan: id.to_owned(),
            done,
            came_of_it,
        };
        let (ended, watched) = watch::channel(false);
        let ending = Ending {
            plans: Arc::clone(self),
            id: id.to_owned(),
        };
        tokio::spawn(async move {
            let done = run(doing).await;
            ending.end(done);
            let _ = ended.send(true);
        });
        Ok(watched)
    }

    /// Those that are not over.
    fn plans(&self, now_ms: u64) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        // A panic while it is held leaves a plan that is there, or one that is not.
        let mut plans = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        plans.retain(|_, kept| match (&kept.run, kept.ended_ms) {
            (Some(_), _) => now_ms < kept.seen.expires_ms,
            (None, Some(ended_ms)) => now_ms < ended_ms + SEEN_FOR_MS,
            (None, None) => true,
        });
        plans
    }
}

/// Says how a plan ended, also where it ended by a panic.
struct Ending {
    plans: Arc<Plans>,
    id: String,
}

impl Ending {
    fn end(self, done: Result<(), Status>) {
        self.set(match done {
            Ok(()) => PlanState::Done,
            Err(status) => PlanState::Failed(status),
        });
    }

    fn set(&self, state: PlanState) {
        let now_ms = self.plans.clock.now_ms();
        if let Some(kept) = self.plans.plans(now_ms).get_mut(&self.id)
            && !kept.seen.state.has_ended()
        {
            kept.seen.state = state;
            kept.ended_ms = Some(now_ms);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.set(PlanState::Failed(Status::internal("it was broken off")));
    }
}

fn is_running(kept: &Kept) -> bool {
    kept.run.is_none() && kept.ended_ms.is_none()
}

/// As whom somebody makes plans; a token is not its operator.
fn owner(asked: &Asked) -> String {
    format!("{:?}", asked.who())
}

/// Of who is logged in the password was given lately, or is now. Tokens and commands have none.
///
/// Errors: it was not.
pub(super) async fn prove(
    operators: &Operators,
    asked: &Asked,
    password: String,
) -> Result<(), NotRun> {
    let Who::Known(identity) = &asked.who else {
        return Ok(());
    };
    let By::Session { secret, .. } = &identity.by else {
        return Ok(());
    };
    if operators.is_proved(secret) {
        return Ok(());
    }
    if password.is_empty() {
        return Err(NotRun::NoPassword);
    }
    let proved = operators.prove(secret, password, asked.from).await;
    proved.map_err(|error| match error {
        OperatorsError::Wrong => NotRun::NoPassword,
        error => NotRun::Operators(error),
    })
}

/// A number as people read it: `4,213`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An age as people say it: `3 d`, in English and in Chinese.
pub(super) fn age(of: Duration) -> (String, String) {
    let seconds = of.as_secs();
    let (count, english, chinese) = match seconds {
        0..60 => (seconds, "s", "秒"),
        60..3600 => (seconds / 60, "min", "分钟"),
        3600..86400 => (seconds / 3600, "h", "小时"),
        _ => (seconds / 86400, "d", "天"),
    };
    (format!("{count} {english}"), format!("{count} {chinese}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ages_are_for_people() {
        let numbers = [0, 7, 999, 1000, 4213, 1_000_000].map(grouped);
        assert_eq!(numbers, ["0", "7", "999", "1,000", "4,213", "1,000,000"]);
        let ages = [0, 59, 60, 3599, 3600, 86399, 86400, 300_000];
        let ages = ages.map(|seconds| age(Duration::from_secs(seconds)).0);
        let expected = [
            "0 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 d", "3 d",
        ];
        assert_eq!(ages, expected);
        assert_eq!(age(Duration::from_secs(7200)).1, "2 小时");
    }
}
