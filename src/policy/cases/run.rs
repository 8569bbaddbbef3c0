//! Makes the decisions of a case, by the steps of a real one.

use std::time::Duration;

use serde::Serialize;

use super::super::decide::Step;
use super::super::screen::Found;
use super::super::snapshot::Snapshot;
use super::came::Came;
use super::case::{Case, Recorded, Subject};
use super::coverage::Coverage;
use super::judge;
use super::play::{Does, Play};
use crate::decision::{Answer, Decision, Failure, FailureClass, Outcome, SkipReason};
use crate::dialect::{self, Call, Decoded, Head};
use crate::event::{Event, Hook, Moment};
use crate::filter::Scratch;

/// How much time has gone by since a moment that never changes.
pub type Stopwatch<'w> = &'w dyn Fn() -> Duration;

/// Tries for a time limit: the machine may be busy, and the fastest counts.
const TIMED_TRIES: usize = 20;

/// What came of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Ran {
    pub name: String,
    pub file: String,
    pub line: u32,
    pub decisions: Vec<Made>,
}

/// One decision of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    pub hook: String,
    /// Of a short form.
    pub text: Option<String>,
    pub action: &'static str,
    /// Of the fastest of some tries; `None` where nobody looks at the clock.
    pub micros: Option<u64>,
    /// What differs from what must come out; empty is good.
    pub faults: Vec<String>,
}

impl Ran {
    pub fn is_good(&self) -> bool {
        self.decisions.iter().all(|made| made.faults.is_empty())
    }
}

/// Runs one case. Without a stopwatch nothing is said about how long it takes.
pub fn run_case(
    snapshot: &Snapshot,
    case: &Case,
    stopwatch: Option<Stopwatch<'_>>,
    coverage: &mut Coverage,
) -> Ran {
    let mut run = Run {
        snapshot,
        case,
        stopwatch,
        coverage,
        scratch: Scratch::default(),
        made: Vec::new(),
    };
    match &case.subject {
        Subject::Call(call) => run.call(call),
        Subject::Texts(texts, short) => {
            for hook in &case.hooks {
                for text in texts {
                    run.event(short.event(*hook, text), Some((*hook, text)), None);
                }
            }
        }
        Subject::Table(rows, short) => {
            for hook in &case.hooks {
                for (list, text) in rows
                    .iter()
                    .flat_map(|(list, texts)| texts.iter().map(move |text| (list, text)))
                {
                    run.event(short.event(*hook, text), Some((*hook, text)), Some(list));
                }
            }
        }
    }
    Ran {
        name: case.name.clone(),
        file: case.at.place.file.to_string(),
        line: case.at.place.line,
        decisions: run.made,
    }
}

struct Run<'a> {
    snapshot: &'a Snapshot,
    case: &'a Case,
    stopwatch: Option<Stopwatch<'a>>,
    coverage: &'a mut Coverage,
    scratch: Scratch,
    made: Vec<Made>,
}

impl Run<'_> {
    fn call(&mut self, call: &Recorded) {
        let dialect = dialect::of(call.dialect);
        let (path, query) = match call.event.as_str() {
            "" => (String::new(), String::new()),
            event => dialect.place(event),
        };
        let read = dialect.decode(&Call {
            head: Head::at(&path, &query),
            body: call.body.clone(),
        });
        match read {
            Ok(Decoded::Event(event)) => self.event(Ok(*event), None, None),
            Ok(Decoded::Batch { hook, items, .. }) => {
                for item in items {
                    let event = dialect.decode_one(hook, "", item);
                    self.event(event.map_err(|unreadable| unreadable.reason), None, None);
                }
            }
            Ok(Decoded::UnknownCommand { command, event }) => match event {
                Some(event) => self.event(Ok(*event), None, None),
                None => self.unreadable(&command, Decision::skipped(SkipReason::Disabled)),
            },
            Err(unreadable) => {
                let failure = Failure::new(FailureClass::UnreadableCall, unreadable.reason);
                let decision = self.snapshot.failed(unreadable.hook, &failure);
                let hook = unreadable.hook.map_or("unknown", |hook| hook.name);
                self.unreadable(hook, decision);
            }
        }
    }

    /// There is no event to decide on.
    fn unreadable(&mut self, hook: &str, decision: Decision) {
        if let (Some(class), Some(known)) = (decision.failure, dialect::hook(hook)) {
            self.coverage.failed(known, class);
        }
        let came = Came::of(decision);
        self.made.push(Made {
            hook: hook.to_owned(),
            text: None,
            action: came.action().name(),
            micros: None,
            faults: self.case.expect.differs(None, &came),
        });
    }

    /// `row` is the list of a table that the text stands below.
    fn event(
        &mut self,
        event: Result<Event, String>,
        short: Option<(Hook, &String)>,
        row: Option<&String>,
    ) {
        let text = short.map(|(_, text)| text.clone());
        let event = match event {
            Ok(event) => event,
            Err(why) => {
                let hook = short.map_or("unknown", |(hook, _)| hook.name);
                return self.made.push(Made {
                    hook: hook.to_owned(),
                    text,
                    action: "none",
                    micros: None,
                    faults: vec![why],
                });
            }
        };
        let came = self.decide(&event);
        self.coverage.decided(self.snapshot, &event, &came);
        let mut faults = match row {
            None => self.case.expect.differs(Some(&event), &came),
            Some(list) => self.row(list, &event, &came),
        };
        let is_unheard = came.asked.is_empty() && came.decision.failure.is_none();
        if !faults.is_empty() && !self.case.plays.is_empty() && is_unheard {
            faults.push("no endpoint was asked, so what it would do is not seen".to_owned());
        }
        let micros = self.time(&event, &mut faults);
        self.made.push(Made {
            hook: event.hook.name.to_owned(),
            text,
            action: came.action().name(),
            micros,
            faults,
        });
    }

    /// What is expected of a table is expected where a list finds something.
    fn row(&self, list: &str, event: &Event, came: &Came) -> Vec<String> {
        let mut faults = judge::row(self.snapshot, list, event, came);
        let mut lists = self.snapshot.lists();
        if lists.any(|rules| rules.name.eq_ignore_ascii_case(list) && rules.action.is_some()) {
            faults.extend(self.case.expect.differs(Some(event), came));
        }
        faults
    }

    fn decide(&mut self, event: &Event) -> Came {
        if let Some(refused) = self.refused(event) {
            return refused;
        }
        let plays = &self.case.plays;
        // One step for each message; the last goes on.
        let play = plays.get(self.made.len()).or(plays.last());
        let came = walk(self.snapshot, event, play, &mut self.scratch);
        if let Some(class) = came.decision.failure {
            self.coverage.failed(event.hook, class);
        }
        came
    }

    /// A caller that may not call this hook gets no decision.
    fn refused(&self, event: &Event) -> Option<Came> {
        let name = self.case.caller.as_ref()?;
        let mut callers = self.snapshot.callers.callers.iter();
        let caller = callers.find(|caller| caller.name.eq_ignore_ascii_case(name));
        if caller.is_some_and(|caller| caller.may_call(event.hook)) {
            return None;
        }
        Some(Came {
            is_refused: true,
            ..Came::of(Decision::acknowledged())
        })
    }

    fn time(&mut self, event: &Event, faults: &mut Vec<String>) -> Option<u64> {
        let stopwatch = self.stopwatch?;
        let most = self.case.expect.micros_max;
        let tries = if most.is_some() { TIMED_TRIES } else { 1 };
        let times = (0..tries).map(|_| {
            let started = stopwatch();
            let play = self.case.plays.first();
            let came = walk(self.snapshot, event, play, &mut self.scratch);
            drop(came);
            stopwatch() - started
        });
        let micros = times.min()?.as_micros() as u64;
        if let Some(most) = most.filter(|most| micros > *most) {
            faults.push(format!(
                "micros_max: expected at most {most} µs, took {micros} µs"
            ));
        }
        Some(micros)
    }
}

/// Takes the steps of a decision one after the other.
fn walk(snapshot: &Snapshot, event: &Event, play: Option<&Play>, scratch: &mut Scratch) -> Came {
    let failing = play.and_then(|play| match play.does {
        Does::Failure(class) => Some(class),
        Does::Answer(_) | Does::Raw { .. } => None,
    });
    if event.hook.moment == Moment::After {
        return told(snapshot, event);
    }
    // These two are the end of a call, wherever it stands.
    if let Some(class @ (FailureClass::UnreadableCall | FailureClass::Internal)) = failing {
        let failure = Failure::new(class, "as a case has it");
        return Came::of(snapshot.failed(Some(event.hook), &failure));
    }
    let mut asked = Vec::new();
    let mut step = snapshot.begin(event);
    loop {
        step = match step {
            Step::Settled(decision) => {
                return Came {
                    asked,
                    ..Came::of(decision)
                };
            }
            Step::Scan(scan) => {
                let found = match failing {
                    Some(FailureClass::Unfiltered) => Found::unfiltered("as a case has it"),
                    _ => scan.run(scratch),
                };
                scan.resume(&found)
            }
            Step::Ask(ask) => {
                asked.push(ask.endpoint().name.to_string());
                let outcome = match play {
                    None => Outcome::Answer(Answer::Allow),
                    Some(play) => play.outcome(&ask),
                };
                ask.resume(outcome)
            }
        };
    }
}

fn told(snapshot: &Snapshot, event: &Event) -> Came {
    match snapshot.select(event) {
        Err(reason) => Came::of(Decision::skipped(reason)),
        Ok(rules) => Came {
            asked: rules
                .endpoints
                .iter()
                .map(|endpoint| endpoint.name.to_string())
                .collect(),
            ..Came::of(Decision::acknowledged())
        },
    }
}

/// Says in few words what was decided: for people.
impl std::fmt::Display for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.hook)?;
        if let Some(text) = &self.text {
            write!(f, " {text:?}")?;
        }
        Ok(())
    }
}
