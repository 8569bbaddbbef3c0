//! One endpoint: can it be reached, and what does it make of the calls.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::alone::alone;
use super::calls::{TestCall, calls};
use super::fault::{Fault, FaultKind as Kind, mild};
use super::judge::judge;
use super::said::{Said, said};
use super::ways_out::way_out;
use crate::callback::{Callbacks, Heard, Probed, Reached, Unreached};
use crate::decision::{Decision, FailureClass, Outcome, Verdict};
use crate::dialect::AnswerWarning;
use crate::event::{Hook, Moment};
use crate::filter::Scratch;
use crate::policy::{Cause, Compiled, Endpoint, Snapshot, Step};

/// Answers in a row whose connections are gone before it is said that none is kept: the first call
/// always makes a new one, and a second may.
const UNKEPT_MAX: usize = 4;
/// How long a look waits for a connection; a call waits as the policy says.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a hook waits that is in no policy.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Calls in a row without an answer before the rest are left out: a dead server is not waited for
/// thirty times.
const GIVE_UP_AFTER: usize = 3;

/// All that was found about an endpoint.
#[derive(Debug, Serialize)]
pub struct Examined {
    pub name: String,
    pub url: String,
    pub dialect: &'static str,
    pub reach: Reach,
    pub calls: Vec<CallResult>,
    pub faults: Vec<Found>,
    /// Calls that were left out because none before them was answered, or the time was over.
    pub left_out: usize,
    /// The time was over before all calls were played.
    #[serde(skip_serializing_if = "is_false")]
    pub out_of_time: bool,
}

/// The way to an endpoint. Times are in milliseconds.
#[derive(Debug, Default, Serialize)]
pub struct Reach {
    pub addresses: Vec<String>,
    pub resolve_ms: f64,
    pub connect_ms: Option<f64>,
    pub tls: bool,
    pub keeps_connections: Option<bool>,
    pub median_ms: Option<f64>,
    pub slowest_ms: Option<f64>,
}

/// One call, and how it ended.
#[derive(Debug, Serialize)]
pub struct CallResult {
    pub name: String,
    pub status: Option<u16>,
    pub ms: f64,
    /// `allow`, `block`, `replace`, `reply` or the class of failure.
    pub outcome: &'static str,
    pub faults: Vec<&'static str>,
}

/// One fault, with every call that has it.
#[derive(Debug, Serialize)]
pub struct Found {
    #[serde(rename = "name")]
    pub kind: Kind,
    pub grave: bool,
    pub what: Said,
    /// What to do about it; empty where `what` says it.
    pub way_out: Said,
    pub calls: Vec<String>,
    /// What callgate makes of it.
    pub callgate: Said,
    /// What the IM server makes of it where nobody stands between.
    pub im_server: Said,
    /// The line of the policy that decides so; empty where nothing else could be written.
    pub because_of: String,
}

/// What is examined, and how.
pub(super) struct Examination<'a> {
    pub compiled: &'a Compiled,
    pub snapshot: &'a Snapshot,
    pub callbacks: &'a Callbacks,
    /// When it must be over.
    pub until: Option<Instant>,
}

impl Examination<'_> {
    pub(super) async fn examine(&self, endpoint: &Endpoint) -> Examined {
        let hooks: Vec<Hook> = self.hooks_of(endpoint);
        let mut examined = Examined {
            name: endpoint.name.to_string(),
            url: endpoint.url.clone(),
            dialect: endpoint.dialect.name(),
            reach: Reach::default(),
            calls: Vec::new(),
            faults: Vec::new(),
            left_out: 0,
            out_of_time: false,
        };
        self.reach(endpoint, &mut examined).await;
        let all = calls(endpoint.dialect, &hooks);
        let (mut times, mut unheard) = (Vec::new(), 0);
        let mut kept = Kept::default();
        for (number, call) in all.iter().enumerate() {
            if unheard == GIVE_UP_AFTER {
                examined.left_out = all.len() - number;
                break;
            }
            let Some(probed) = self.play(endpoint, call, &mut examined).await else {
                examined.out_of_time = true;
                examined.left_out = all.len() - number;
                break;
            };
            match is_given_up(&probed) {
                true => unheard += 1,
                false => unheard = 0,
            }
            if let Some(heard) = &probed.heard {
                let keeps = examined.reach.keeps_connections.get_or_insert(true);
                *keeps &= heard.keeps_connection;
                kept.saw(heard);
                times.push(probed.elapsed);
                // Where the policy keeps none, nothing is known of it.
                if endpoint.pool_idle_max > 0
                    && let Some(fault) = kept.fault()
                {
                    *keeps = false;
                    self.add(endpoint, call, &probed, fault, &mut examined);
                }
            }
        }
        times.sort();
        examined.reach.median_ms = times.get(times.len() / 2).copied().map(ms);
        examined.reach.slowest_ms = times.last().copied().map(ms);
        examined
    }

    /// The before hooks that ask it, by name.
    fn hooks_of(&self, endpoint: &Endpoint) -> Vec<Hook> {
        let asks = self.snapshot.hooks().filter(|rules| {
            let mut endpoints = rules.endpoints.iter();
            rules.hook.moment == Moment::Before && endpoints.any(|one| one.name == endpoint.name)
        });
        asks.map(|rules| rules.hook).collect()
    }

    /// How long it may go on.
    fn left(&self) -> Duration {
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        self.until.map_or(Duration::MAX, left)
    }

    async fn reach(&self, endpoint: &Endpoint, examined: &mut Examined) {
        examined.reach.tls = endpoint.url.starts_with("https:");
        let within = self.left().min(CONNECT_MAX);
        let Reached {
            addresses,
            resolve,
            connect,
            fault,
        } = self.callbacks.reach(endpoint, within).await;
        let reach = &mut examined.reach;
        reach.addresses = addresses.iter().map(ToString::to_string).collect();
        reach.resolve_ms = ms(resolve);
        reach.connect_ms = connect.map(ms);
        let (kind, what) = match fault {
            None => return,
            // It is not known what would have come.
            Some(_) if self.left().is_zero() => return,
            Some(Unreached::Unresolved(why)) => {
                (Kind::Unresolved, Said::quoted("它的主机名无法解析", why))
            }
            Some(Unreached::Unconnected(why)) => {
                (Kind::Unreachable, Said::quoted("无法与它建立连接", why))
            }
        };
        examined.faults.push(Found {
            kind,
            grave: true,
            what,
            way_out: way_out(kind, None),
            calls: Vec::new(),
            callgate: said("connect: every call fails", "connect：每次调用都失败"),
            im_server: said(
                "the IM server alone could not reach it either",
                "没有 callgate 时，IM 服务器同样无法连接它",
            ),
            because_of: self.compiled.place_of(Cause::Url(&endpoint.name)),
        });
    }

    /// `None`: the time was over before the hook's own was.
    async fn play(
        &self,
        endpoint: &Endpoint,
        call: &TestCall,
        examined: &mut Examined,
    ) -> Option<Probed> {
        let rules = self.snapshot.rules(call.event.hook);
        let limit = rules.map_or(ANSWER_MAX, |rules| rules.timeout);
        let probing = self.callbacks.probe(endpoint, &call.event, limit);
        let probed = tokio::time::timeout(self.left(), probing).await.ok()?;
        let own = &*self.snapshot.version.hash;
        let faults = judge(&probed, call.is_unknown, limit, own);
        examined.calls.push(CallResult {
            name: call.name.clone(),
            status: probed.heard.as_ref().map(|heard| heard.status),
            ms: ms(probed.elapsed),
            outcome: outcome_name(&probed.outcome),
            faults: faults.iter().map(|fault| fault.kind.name()).collect(),
        });
        for fault in faults {
            self.add(endpoint, call, &probed, fault, examined);
        }
        Some(probed)
    }

    /// A fault that was found before has one more call.
    fn add(
        &self,
        endpoint: &Endpoint,
        call: &TestCall,
        probed: &Probed,
        fault: Fault,
        examined: &mut Examined,
    ) {
        let mut faults = examined.faults.iter_mut();
        match faults.find(|found| found.kind == fault.kind) {
            Some(found) => found.calls.push(call.name.clone()),
            None => {
                let found = self.found(endpoint, call, probed, fault);
                examined.faults.push(found);
            }
        }
    }

    fn found(&self, endpoint: &Endpoint, call: &TestCall, probed: &Probed, fault: Fault) -> Found {
        let decision = self.decide(call, &probed.outcome);
        let hook = call.event.hook;
        let cause = match &probed.outcome {
            _ if matches!(fault.kind, Kind::Slow | Kind::Timeout | Kind::Stalls) => {
                Some(Cause::Timeout(hook))
            }
            Outcome::Failure(failure) if failure.class == FailureClass::TooLarge => {
                Some(Cause::AnswerBytes(&endpoint.name))
            }
            Outcome::Failure(failure) => Some(Cause::Failure(hook, failure.class)),
            Outcome::Answer(_)
                if matches!(
                    fault.kind,
                    Kind::Charset | Kind::Compressed | Kind::DeepNesting
                ) || is_of_reading(fault.kind) =>
            {
                Some(Cause::Answers(&endpoint.name))
            }
            Outcome::Answer(_) => None,
        };
        let mut because_of = cause.map_or(String::new(), |cause| self.compiled.place_of(cause));
        // What is too long or too late is a failure, about which a second line decides.
        if let (Outcome::Failure(failure), Some(Cause::Timeout(_) | Cause::AnswerBytes(_))) =
            (&probed.outcome, cause)
        {
            let then = self.compiled.place_of(Cause::Failure(hook, failure.class));
            because_of = format!("{because_of}; {then}");
        }
        Found {
            kind: fault.kind,
            grave: fault.is_grave,
            what: fault.what,
            way_out: way_out(fault.kind, probed.heard.as_ref().map(|heard| heard.status)),
            calls: vec![call.name.clone()],
            callgate: in_words(&decision),
            im_server: alone(endpoint.dialect, &call.event, probed),
            because_of,
        }
    }

    /// What callgate decides on the call when asking ends like this.
    fn decide(&self, call: &TestCall, outcome: &Outcome) -> Decision {
        let mut scratch = Scratch::default();
        let mut step = self.snapshot.begin(&call.event);
        loop {
            step = match step {
                Step::Settled(decision) => return decision,
                Step::Scan(scan) => {
                    let found = scan.run(&mut scratch);
                    scan.resume(&found)
                }
                Step::Ask(ask) => ask.resume(outcome.clone()),
            };
        }
    }
}

/// Whether connections that it says it keeps are there for the next call.
#[derive(Debug, Default)]
struct Kept {
    /// Answers that came whole, behind which the connection was to be kept, in a row.
    promised: usize,
    is_told: bool,
}

impl Kept {
    fn saw(&mut self, heard: &Heard) {
        self.promised = match heard.keeps_connection && heard.is_whole && !heard.was_kept {
            true => self.promised + 1,
            false => 0,
        };
    }

    /// Said once: none of the last was kept.
    fn fault(&mut self) -> Option<Fault> {
        if self.is_told || self.promised < UNKEPT_MAX {
            return None;
        }
        self.is_told = true;
        let what = said(
            "it closes the connection after each answer without saying so (`Connection: close`), \
             so that each call pays for a new one, and may meet one that closes",
            "每次回答后它都关闭连接，却不说明（`Connection: close`），因此每次调用都要建立新的连接，\
             还可能遇到正在关闭的连接",
        );
        Some(mild(Kind::ClosesConnection, what))
    }
}

impl Examined {
    /// Nothing could be asked of it.
    pub fn is_unreachable(&self) -> bool {
        let kinds = [Kind::Unresolved, Kind::Unreachable];
        self.faults.iter().any(|found| kinds.contains(&found.kind))
    }

    /// How many calls have each outcome.
    pub fn outcomes(&self) -> BTreeMap<&'static str, usize> {
        let mut outcomes = BTreeMap::new();
        for call in &self.calls {
            *outcomes.entry(call.outcome).or_default() += 1;
        }
        outcomes
    }
}

/// The faults that lie in how an answer is read, and not in whether there is one.
fn is_of_reading(kind: Kind) -> bool {
    AnswerWarning::ALL
        .iter()
        .any(|warning| Kind::from(*warning) == kind)
}

fn in_words(decision: &Decision) -> Said {
    let Said { english, chinese } = match &decision.verdict {
        Verdict::Allow => said("lets it through", "放行"),
        Verdict::Block(refusal) => said(
            format!("refuses it with code {}", refusal.code),
            format!("以代码 {} 拒绝", refusal.code),
        ),
        Verdict::Replace(_) => said("lets it through changed", "修改后放行"),
        Verdict::Reply(_) => said("replies in the room", "在房间中回复"),
    };
    match decision.failure {
        None => said(format!("callgate {english}"), format!("callgate {chinese}")),
        Some(class) if decision.reviewed => said(
            format!("callgate takes it for {class} and {english}"),
            format!("callgate 视为 {class}，并{chinese}"),
        ),
        Some(class) => said(
            format!("callgate takes it for {class} and {english}, not reviewed"),
            format!("callgate 视为 {class}，未经审核而{chinese}"),
        ),
    }
}

fn outcome_name(outcome: &Outcome) -> &'static str {
    use crate::decision::Answer;
    match outcome {
        Outcome::Answer(Answer::Allow) => "allow",
        Outcome::Answer(Answer::Block(_)) => "block",
        Outcome::Answer(Answer::Replace(new)) if new.is_empty() => "allow",
        Outcome::Answer(Answer::Replace(_)) => "replace",
        Outcome::Answer(Answer::Reply(_)) => "reply",
        Outcome::Failure(failure) => failure.class.name(),
    }
}

/// No answer came, or none to its end: the next would be waited for as long.
fn is_given_up(probed: &Probed) -> bool {
    let is_late = match &probed.outcome {
        Outcome::Failure(failure) => failure.class == FailureClass::Timeout,
        Outcome::Answer(_) => false,
    };
    is_late || probed.heard.is_none()
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_false(flag: &bool) -> bool {
    !flag
}
