//! What a policy makes of a recorded call.

use std::sync::Arc;

use super::super::decide::Step;
use super::super::snapshot::Snapshot;
use super::call::RecordedCall;
use crate::decision::Decision;
use crate::event::Event;
use crate::filter::Scratch;

/// What comes out under one policy.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judged {
    Decided(Box<Decision>),
    /// Its caller may not call this hook.
    Refused,
    /// This endpoint would be asked, and nobody knows what it would say.
    Unknown(Arc<str>),
}

/// Takes the steps of a decision one after the other. Wherever an endpoint is asked that was asked
/// then, it says what it said.
pub(super) fn judge(
    snapshot: &Snapshot,
    call: &RecordedCall,
    event: &Event,
    scratch: &mut Scratch,
) -> Judged {
    if let Some(name) = &call.caller {
        let mut callers = snapshot.callers.callers.iter();
        let caller = callers.find(|caller| caller.name.eq_ignore_ascii_case(name));
        // One that the policy does not know any more comes in as nobody, which its token tells.
        if caller.is_some_and(|caller| !caller.may_call(event.hook)) {
            return Judged::Refused;
        }
    }
    let mut step = snapshot.begin(event);
    loop {
        step = match step {
            Step::Settled(decision) => return Judged::Decided(Box::new(decision)),
            Step::Scan(scan) => {
                let found = scan.run(scratch);
                scan.resume(&found)
            }
            Step::Ask(ask) => {
                let name = &ask.endpoint().name;
                let asked = call.asked.as_ref();
                let said = asked.filter(|asked| {
                    let endpoint = asked.endpoint.as_deref();
                    endpoint.is_none_or(|endpoint| endpoint == &**name)
                });
                match said {
                    Some(said) => ask.resume(said.outcome.clone()),
                    None => return Judged::Unknown(Arc::clone(name)),
                }
            }
        };
    }
}
