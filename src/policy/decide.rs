//! One decision, step by step: what is to be looked for, who is to be asked, and what follows.
//!
//! Whoever decides walks the same steps: the hook that answers an IM server, `explain`, a case of
//! a policy. What a step needs of the world, a thread or an answer, is for the one who walks to
//! get.

use std::sync::Arc;

use super::endpoint::Endpoint;
use super::screen::{Found, Screening};
use super::snapshot::{HookRules, Snapshot};
use crate::decision::{Answer, Decision, Hit, Outcome, Replacement, Verdict};
use crate::dialect;
use crate::event::Event;
use crate::filter::Scratch;

/// Where a decision stands, and what it needs to go on.
#[derive(Debug)]
pub enum Step<'a> {
    /// Texts are to be searched, on whatever thread.
    Scan(Scan<'a>),
    /// An endpoint is to be asked.
    Ask(Ask<'a>),
    Settled(Decision),
}

/// What holds for the whole of one decision.
#[derive(Clone, Copy, Debug)]
struct Case<'a> {
    snapshot: &'a Snapshot,
    rules: &'a HookRules,
    event: &'a Event,
}

/// Texts that the hook's word lists are to be run over.
#[derive(Debug)]
pub struct Scan<'a> {
    case: Case<'a>,
    /// `None`: the texts of the event as it came.
    replaced: Option<Box<Replaced>>,
}

/// The event as an endpoint's answer would change it.
#[derive(Debug)]
struct Replaced {
    /// What the filters said before the endpoint was asked.
    first: Screening,
    replacement: Replacement,
    event: Event,
}

/// An endpoint, and what it is to be asked about.
#[derive(Debug)]
pub struct Ask<'a> {
    case: Case<'a>,
    endpoint: &'a Arc<Endpoint>,
    shown: Option<Replacement>,
    screening: Screening,
}

impl Snapshot {
    /// Begins to decide on an event.
    pub fn begin<'a>(&'a self, event: &'a Event) -> Step<'a> {
        match self.select(event) {
            Err(reason) => Step::Settled(Decision::skipped(reason)),
            Ok(rules) => {
                let case = Case {
                    snapshot: self,
                    rules,
                    event,
                };
                case.scan(None)
            }
        }
    }
}

impl Step<'_> {
    /// The matches so far.
    pub fn hits(&self) -> &[Hit] {
        match self {
            Step::Scan(_) => &[],
            Step::Ask(ask) => &ask.screening.hits,
            Step::Settled(decision) => &decision.hits,
        }
    }
}

impl<'a> Case<'a> {
    /// Nothing is to be scanned for where the hook has no lists.
    fn scan(self, replaced: Option<Box<Replaced>>) -> Step<'a> {
        let scan = Scan {
            case: self,
            replaced,
        };
        match self.rules.has_lists() {
            true => Step::Scan(scan),
            false => scan.resume(&Found::default()),
        }
    }

    fn screened(self, screening: Screening) -> Step<'a> {
        if let Some(refused) = self.snapshot.refuse_unfiltered(self.rules, &screening) {
            return Step::Settled(refused);
        }
        let endpoint = match &screening.verdict {
            Verdict::Block(_) | Verdict::Reply(_) => None,
            Verdict::Allow | Verdict::Replace(_) => self.rules.endpoints.first(),
        };
        match endpoint {
            None => Step::Settled(screening.alone()),
            Some(endpoint) => Step::Ask(Ask {
                case: self,
                endpoint,
                shown: screening.shown(),
                screening,
            }),
        }
    }
}

impl<'a> Scan<'a> {
    /// The rules whose lists are looked for.
    pub fn rules(&self) -> &'a HookRules {
        self.case.rules
    }

    /// The event whose texts are looked at.
    pub fn event(&self) -> &Event {
        match &self.replaced {
            None => self.case.event,
            Some(replaced) => &replaced.event,
        }
    }

    /// True for the event as it came, false for what an endpoint would make of it.
    pub fn is_first(&self) -> bool {
        self.replaced.is_none()
    }

    /// What a search usually costs, in steps; known without doing it.
    pub fn cost(&self) -> u64 {
        let Case {
            snapshot, rules, ..
        } = self.case;
        let bytes = snapshot.bytes_to_search(self.event()) as u64;
        bytes.saturating_mul(snapshot.filter.steps_per_byte(&rules.list_set))
    }

    /// Searches the texts.
    pub fn run(&self, scratch: &mut Scratch) -> Found {
        let snapshot = self.case.snapshot;
        snapshot.find(self.case.rules, self.event(), scratch)
    }

    /// The same, but no further than so many steps; `None` if that is too little for these texts,
    /// and more may be spent.
    pub fn run_within(&self, steps: u64, scratch: &mut Scratch) -> Option<Found> {
        let Case {
            snapshot, rules, ..
        } = self.case;
        let found = snapshot.find_within(rules, self.event(), scratch, steps);
        found.why_unfiltered().is_none().then_some(found)
    }

    /// Goes on with what was found in these texts, or in equal ones under the same snapshot.
    pub fn resume(self, found: &Found) -> Step<'a> {
        let Case {
            snapshot, rules, ..
        } = self.case;
        let screening = snapshot.judge(rules, self.event(), found);
        match self.replaced {
            None => self.case.screened(screening),
            Some(replaced) => {
                let Replaced {
                    first, replacement, ..
                } = *replaced;
                let refused = snapshot.refuse_unfiltered(rules, &screening);
                Step::Settled(refused.unwrap_or_else(|| first.replaced(replacement, screening)))
            }
        }
    }
}

impl<'a> Ask<'a> {
    pub fn rules(&self) -> &'a HookRules {
        self.case.rules
    }

    pub fn endpoint(&self) -> &'a Arc<Endpoint> {
        self.endpoint
    }

    /// The policy that asks is tried beside the one in force.
    pub fn is_for_candidate(&self) -> bool {
        self.case.snapshot.version.is_candidate()
    }

    pub fn event(&self) -> &'a Event {
        self.case.event
    }

    /// What the filters masked, in this call's answer or in that of the call that follows: the
    /// endpoint sees the event with it.
    pub fn replacement(&self) -> Option<&Replacement> {
        self.shown.as_ref()
    }

    /// What the filters alone say.
    pub fn screening(&self) -> &Screening {
        &self.screening
    }

    /// Goes on with how the endpoint was asked: an answer, or why there is none.
    pub fn resume(self, outcome: Outcome) -> Step<'a> {
        let Case {
            snapshot,
            rules,
            event,
        } = self.case;
        let outcome = match outcome {
            Outcome::Answer(Answer::Replace(replacement)) => {
                let replacement = rules.admit(event, &replacement, self.endpoint.answers.protect);
                if !replacement.is_empty() {
                    let event = dialect::of(event.dialect).apply(event, &replacement);
                    return self.case.scan(Some(Box::new(Replaced {
                        first: self.screening,
                        replacement,
                        event,
                    })));
                }
                // Nothing of it may reach the IM server.
                Outcome::Answer(Answer::Allow)
            }
            outcome => outcome,
        };
        Step::Settled(snapshot.answered(rules, event, self.screening, outcome))
    }
}
