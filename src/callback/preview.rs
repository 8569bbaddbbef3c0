//! A call as it would be made, for the person who asks why: nothing is sent and no secret is read.

use super::ask::write_question;
use super::cloudevents::Envelope;
use super::deliver::{API_KEY, write_event};
use crate::decision::Failure;
use crate::dialect::Outgoing;
use crate::event::Moment;
use crate::policy::{Draft, SignSettings};

/// Stands for what is another with each call.
const NEW: &str = "(new with each call)";
const ID: &str = "(the event's id)";

/// Writes a call with all that callgate adds to it; what only the call itself can know, and what
/// nobody may see, is said in brackets.
pub fn preview(draft: Draft<'_>) -> Result<Outgoing, Failure> {
    let Draft {
        endpoint,
        event,
        replacement,
        timeout,
    } = draft;
    match event.hook.moment {
        Moment::Before => {
            let mut outgoing = write_question(endpoint, event, replacement, timeout)?;
            if let Some(sign) = endpoint.sign.as_ref().filter(|sign| sign.before) {
                add(&mut outgoing, "webhook-id", NEW);
                add_signature(&mut outgoing, sign);
            }
            Ok(outgoing)
        }
        Moment::After => {
            let envelope = Envelope {
                event,
                id: ID,
                accepted_at_ms: 0,
                number: 0,
                gap: 0,
                out_of_order: false,
            };
            let mut outgoing = write_event(endpoint, envelope)?;
            for (name, value) in &mut outgoing.headers {
                if *name == API_KEY {
                    "(im_api_key)".clone_into(value);
                }
            }
            add(&mut outgoing, "webhook-id", ID);
            if let Some(sign) = &endpoint.sign {
                add_signature(&mut outgoing, sign);
            }
            add(&mut outgoing, "webhook-sequence", "(the event's number)");
            Ok(outgoing)
        }
    }
}

fn add_signature(outgoing: &mut Outgoing, sign: &SignSettings) {
    add(outgoing, "webhook-timestamp", NEW);
    let signature = format!("(signed with {})", sign.secret);
    add(outgoing, "webhook-signature", &signature);
}

fn add(outgoing: &mut Outgoing, name: &'static str, value: &str) {
    outgoing.headers.push((name, value.to_owned()));
}
