//! Which events are meant: filters as messages have them, and names that nobody knows.

use std::collections::BTreeSet;

use tonic::Status;

use super::told::failed;
use crate::dialect;
use crate::outbox::{DeadFilter, Outbox, PendingFilter};
use crate::proto::v1;
use crate::settings::suggest;

pub(super) fn pending_filter(filter: Option<v1::PendingFilter>) -> PendingFilter {
    let filter = filter.unwrap_or_default();
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    PendingFilter {
        endpoint: text(filter.endpoint),
        hook: text(filter.hook),
        id: text(filter.id),
        ordering_key: text(filter.lane),
        bodies: false,
    }
}
/// The names in a filter, of dead letters or of what waits.
pub struct Named<'a> {
    pub endpoint: &'a str,
    pub hook: &'a str,
}

impl<'a> From<&'a v1::DeadFilter> for Named<'a> {
    fn from(filter: &'a v1::DeadFilter) -> Named<'a> {
        Named {
            endpoint: &filter.endpoint,
            hook: &filter.hook,
        }
    }
}

impl<'a> From<&'a v1::PendingFilter> for Named<'a> {
    fn from(filter: &'a v1::PendingFilter) -> Named<'a> {
        Named {
            endpoint: &filter.endpoint,
            hook: &filter.hook,
        }
    }
}

/// Refuses the name of a hook that no dialect has, and of an endpoint that no event was ever
/// accepted for and no policy has: an order about it would be about nothing, and say so of a slip
/// of the pen as of a job done.
pub async fn check_names<'a, F>(
    outbox: &dyn Outbox,
    configured: &[String],
    filter: Option<&'a F>,
) -> Result<(), Status>
where
    &'a F: Into<Named<'a>>,
{
    let Some(Named { endpoint, hook }) = filter.map(Into::into) else {
        return Ok(());
    };
    if !hook.is_empty() && dialect::hook(hook).is_none() {
        let hint = match dialect::near_names(hook).first() {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`callgate dialects` names them".to_owned(),
        };
        let what = format!("filter.hook: there is no hook `{hook}`; {hint}");
        return Err(Status::invalid_argument(what));
    }
    if endpoint.is_empty() {
        return Ok(());
    }
    let stats = outbox.stats().await.map_err(failed)?;
    let held = stats.endpoints.iter().map(|stats| stats.endpoint.as_str());
    let known: BTreeSet<&str> = held.chain(configured.iter().map(String::as_str)).collect();
    if known.contains(endpoint) {
        return Ok(());
    }
    let hint = match known.is_empty() {
        true => "there are no endpoints yet".to_owned(),
        false => suggest(endpoint, known),
    };
    let what = format!("filter.endpoint: there is no endpoint `{endpoint}`; {hint}");
    Err(Status::invalid_argument(what))
}
pub(in crate::admin) fn meant_dead(filter: v1::DeadFilter) -> DeadFilter {
    dead_filter(Some(filter))
}

pub(super) fn dead_filter(filter: Option<v1::DeadFilter>) -> DeadFilter {
    let filter = filter.unwrap_or_default();
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let time = |at_ms: u64| Some(at_ms).filter(|at_ms| *at_ms > 0);
    DeadFilter {
        endpoint: text(filter.endpoint),
        hook: text(filter.hook),
        id: text(filter.id),
        since_ms: time(filter.since_ms),
        until_ms: time(filter.until_ms),
        died_by_ms: None,
        reason: text(filter.reason),
        bodies: false,
    }
}
