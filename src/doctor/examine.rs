//! One endpoint: can it be reached, and what does it make of the calls.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::alone::alone;
use super::calls::{TestCall, calls};
use super::fault::{Fault, mild};
use super::judge::{is_of_reading, judge};
use super::ways_out::way_out;
use crate::callback::{Callbacks, Heard, Probed, Reached, Unreached};
use crate::decision::{Decision, FailureClass, Outcome, Verdict};
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
    pub name: &'static str,
    pub grave: bool,
    pub what: String,
    /// What to do about it; empty where `what` says it.
    pub way_out: &'static str,
    pub calls: Vec<String>,
    /// What callgate makes of it.
    pub callgate: String,
    /// What the IM server makes of it where nobody stands between.
    pub im_server: String,
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
        let (name, what) = match fault {
            None => return,
            // It is not known what would have come.
            Some(_) if self.left().is_zero() => return,
            Some(Unreached::Unresolved(why)) => ("unresolved", why),
            Some(Unreached::Unconnected(why)) => ("unreachable", why),
        };
        examined.faults.push(Found {
            name,
            grave: true,
            what,
            way_out: way_out(name, None),
            calls: Vec::new(),
            callgate: "connect: every call fails".to_owned(),
            im_server: "the IM server alone could not reach it either".to_owned(),
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
            faults: faults.iter().map(|fault| fault.name).collect(),
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
        match faults.find(|found| found.name == fault.name) {
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
            _ if matches!(fault.name, "slow" | "timeout" | "stalls") => Some(Cause::Timeout(hook)),
            Outcome::Failure(failure) if failure.class == FailureClass::TooLarge => {
                Some(Cause::AnswerBytes(&endpoint.name))
            }
            Outcome::Failure(failure) => Some(Cause::Failure(hook, failure.class)),
            Outcome::Answer(_)
                if ["charset", "compressed", "deep_nesting"].contains(&fault.name)
                    || is_of_reading(fault.name) =>
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
            name: fault.name,
            grave: fault.is_grave,
            what: fault.what,
            way_out: way_out(fault.name, probed.heard.as_ref().map(|heard| heard.status)),
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
        let what = "it closes the connection after each answer without saying so (`Connection: \
                    close`), so that each call pays for a new one, and may meet one that closes";
        Some(mild("closes_connection", what))
    }
}

impl Examined {
    /// Nothing could be asked of it.
    pub fn is_unreachable(&self) -> bool {
        let names = ["unresolved", "unreachable"];
        self.faults.iter().any(|found| names.contains(&found.name))
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

fn in_words(decision: &Decision) -> String {
    let does = match &decision.verdict {
        Verdict::Allow => "lets it through".to_owned(),
        Verdict::Block(refusal) => format!("refuses it with code {}", refusal.code),
        Verdict::Replace(_) => "lets it through changed".to_owned(),
        Verdict::Reply(_) => "replies in the room".to_owned(),
    };
    match decision.failure {
        None => format!("callgate {does}"),
        Some(class) if decision.reviewed => format!("callgate takes it for {class} and {does}"),
        Some(class) => format!("callgate takes it for {class} and {does}, not reviewed"),
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
