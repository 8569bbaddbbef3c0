//! One endpoint: can it be reached, and what does it make of the calls.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::net::TcpStream;

use super::alone::alone;
use super::calls::{TestCall, calls};
use super::judge::{Fault, is_of_reading, judge};
use crate::callback::{Callbacks, Probed};
use crate::decision::{Decision, FailureClass, Outcome, Verdict};
use crate::event::{Hook, Moment};
use crate::filter::Scratch;
use crate::policy::{Cause, Compiled, Endpoint, Snapshot, Step, UrlAddress};

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Calls that fail for the same reason before the rest are left out: a dead server is not waited
/// for thirty times.
const GIVE_UP_AFTER: usize = 3;

/// All that was found about an endpoint.
#[derive(Debug, Serialize)]
pub(super) struct Examined {
    pub name: String,
    pub url: String,
    pub dialect: &'static str,
    pub reach: Reach,
    pub calls: Vec<CallResult>,
    pub faults: Vec<Found>,
    /// Calls that were left out because none before them was answered.
    pub left_out: usize,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Reach {
    pub addresses: Vec<String>,
    pub resolve_ms: f64,
    pub connect_ms: Option<f64>,
    pub tls: bool,
    pub keeps_connections: Option<bool>,
    pub median_ms: Option<f64>,
    pub slowest_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(super) struct CallResult {
    pub name: String,
    pub status: Option<u16>,
    pub ms: f64,
    /// `allow`, `block`, `replace`, `reply` or the class of failure.
    pub outcome: &'static str,
    pub faults: Vec<&'static str>,
}

/// One fault, with every call that has it.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub name: &'static str,
    pub grave: bool,
    pub what: String,
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
        };
        self.reach(endpoint, &mut examined).await;
        let all = calls(endpoint.dialect, &hooks);
        let (mut times, mut unheard) = (Vec::new(), 0);
        for (number, call) in all.iter().enumerate() {
            if unheard == GIVE_UP_AFTER {
                examined.left_out = all.len() - number;
                break;
            }
            let probed = self.play(endpoint, call, &mut examined).await;
            match &probed.heard {
                None => unheard += 1,
                Some(heard) => {
                    unheard = 0;
                    let keeps = examined.reach.keeps_connections.get_or_insert(true);
                    *keeps &= heard.keeps_connection;
                    times.push(probed.elapsed);
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

    async fn reach(&self, endpoint: &Endpoint, examined: &mut Examined) {
        let reach = &mut examined.reach;
        reach.tls = endpoint.url.starts_with("https:");
        let Some(UrlAddress { host, port }) = UrlAddress::parse(&endpoint.url) else {
            return;
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        let started = Instant::now();
        let resolved = tokio::net::lookup_host((host.as_str(), port)).await;
        reach.resolve_ms = ms(started.elapsed());
        let because_of = self.compiled.place_of(Cause::Url(&endpoint.name));
        let mut fault = |name, what| {
            examined.faults.push(Found {
                name,
                grave: true,
                what,
                calls: Vec::new(),
                callgate: "connect: every call fails".to_owned(),
                im_server: "the IM server alone could not reach it either".to_owned(),
                because_of: because_of.clone(),
            });
        };
        let addresses: Vec<_> = match resolved {
            Ok(addresses) => addresses.collect(),
            Err(why) => return fault("unresolved", format!("`{host}` cannot be resolved: {why}")),
        };
        reach.addresses = addresses
            .iter()
            .map(|address| address.ip().to_string())
            .collect();
        // Where no call is made, not even a connection is: the calls say so.
        if addresses.iter().any(|address| is_link_local(address.ip())) {
            return;
        }
        let started = Instant::now();
        let connecting = TcpStream::connect(addresses.as_slice());
        match tokio::time::timeout(CONNECT_MAX, connecting).await {
            Ok(Ok(_)) => reach.connect_ms = Some(ms(started.elapsed())),
            Ok(Err(why)) => fault(
                "unreachable",
                format!("`{host}` cannot be connected to at port {port}: {why}"),
            ),
            Err(_) => fault(
                "unreachable",
                format!("`{host}` takes no connection within {CONNECT_MAX:?}"),
            ),
        }
    }

    async fn play(&self, endpoint: &Endpoint, call: &TestCall, examined: &mut Examined) -> Probed {
        let rules = self.snapshot.rules(call.event.hook);
        let limit = rules.map_or(Duration::from_secs(5), |rules| rules.timeout);
        let probed = self.callbacks.probe(endpoint, &call.event, limit).await;
        let faults = judge(&probed, call.is_unknown, limit);
        examined.calls.push(CallResult {
            name: call.name.clone(),
            status: probed.heard.as_ref().map(|heard| heard.status),
            ms: ms(probed.elapsed),
            outcome: outcome_name(&probed.outcome),
            faults: faults.iter().map(|fault| fault.name).collect(),
        });
        for fault in faults {
            match examined
                .faults
                .iter_mut()
                .find(|found| found.name == fault.name)
            {
                Some(found) => found.calls.push(call.name.clone()),
                None => examined
                    .faults
                    .push(self.found(endpoint, call, &probed, fault)),
            }
        }
        probed
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
            Outcome::Answer(_) if fault.name == "charset" || is_of_reading(fault.name) => {
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

impl Examined {
    /// Nothing could be asked of it.
    pub(super) fn is_unreachable(&self) -> bool {
        let names = ["unresolved", "unreachable"];
        self.faults.iter().any(|found| names.contains(&found.name))
    }

    /// How many calls have each outcome.
    pub(super) fn outcomes(&self) -> BTreeMap<&'static str, usize> {
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

/// Among them are the metadata services of clouds.
fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}
