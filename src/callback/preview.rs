//! A call as it would be made, for the person who asks why: nothing is sent and no secret is read.

use super::endpoint_client::url_for;
use crate::decision::Failure;
use crate::dialect::{self, Outgoing};
use crate::event::Moment;
use crate::policy::{Draft, SignSettings};

/// Stands for what is another with each call.
const NEW: &str = "(new with each call)";

/// Writes a call with all that callgate adds to it; what only the call itself can know is said in
/// brackets.
pub fn preview(draft: Draft<'_>) -> Result<Outgoing, Failure> {
    let Draft {
        endpoint,
        event,
        replacement,
        timeout,
    } = draft;
    let dialect = dialect::of(endpoint.dialect);
    let url = url_for(endpoint, event)?;
    let mut outgoing = dialect.request(&url, event, replacement);
    let mut add = |name, value: &str| outgoing.headers.push((name, value.to_owned()));
    match event.hook.moment {
        Moment::Before => {
            add("x-callback-timeout-ms", &timeout.as_millis().to_string());
            if let Some(sign) = endpoint.sign.as_ref().filter(|sign| sign.before) {
                add("webhook-id", NEW);
                add_signature(sign, add);
            }
        }
        Moment::After => {
            if dialect.needs_api_key(event.hook) {
                add("IM-API-KEY", "(im_api_key)");
            }
            add("webhook-id", "(the event's id)");
            if let Some(sign) = &endpoint.sign {
                add_signature(sign, &mut add);
            }
            add("webhook-sequence", "(the event's number)");
        }
    }
    Ok(outgoing)
}

fn add_signature(sign: &SignSettings, mut add: impl FnMut(&'static str, &str)) {
    add("webhook-timestamp", NEW);
    add(
        "webhook-signature",
        &format!("(signed with {})", sign.secret),
    );
}
