//! How orders about the outbox stand in the audit, whoever gives them: a server, or a command that
//! opened the file itself.

use futures_util::stream::{self, StreamExt};
use tonic::Status;

use super::outbox::Progress;
use crate::audit::{Act, Begun, Who};
use crate::proto::v1;

/// Dead letters are sent again.
pub fn replay(who: Who, request: &v1::ReplayDeadRequest) -> Act {
    Act::new("outbox.replay", who).on(dead(request.filter.as_ref()))
}

/// Events are given up.
pub fn discard(who: Who, request: &v1::DiscardEventsRequest) -> Act {
    let filter = dead(request.filter.as_ref());
    let target = match request.pending {
        true => filter.replacen("dead", "waiting", 1),
        false => filter,
    };
    Act::new("outbox.discard", who)
        .on(target)
        .because(request.why.clone())
}

/// What waits is tried now.
pub fn retry(who: Who, request: &v1::RetryPendingRequest) -> Act {
    Act::new("outbox.retry", who).on(waiting(request.filter.as_ref()))
}

/// Bodies of dead letters are shown.
pub fn show_dead(who: Who, request: &v1::DeadLettersRequest) -> Act {
    Act::new("outbox.show", who).on(dead(request.filter.as_ref()))
}

/// Bodies of what waits are shown.
pub fn show_pending(who: Who, request: &v1::PendingEventsRequest) -> Act {
    Act::new("outbox.show", who).on(waiting(request.filter.as_ref()))
}

fn dead(filter: Option<&v1::DeadFilter>) -> String {
    let filter = filter.cloned().unwrap_or_default();
    let time = |at_ms: u64| match at_ms {
        0 => String::new(),
        at_ms => at_ms.to_string(),
    };
    describe(
        "dead events",
        &[
            ("endpoint", &filter.endpoint),
            ("hook", &filter.hook),
            ("id", &filter.id),
            ("since_ms", &time(filter.since_ms)),
            ("until_ms", &time(filter.until_ms)),
            ("reason", &filter.reason),
        ],
    )
}

fn waiting(filter: Option<&v1::PendingFilter>) -> String {
    let filter = filter.cloned().unwrap_or_default();
    describe(
        "waiting events",
        &[
            ("endpoint", &filter.endpoint),
            ("hook", &filter.hook),
            ("id", &filter.id),
            ("lane", &filter.lane),
        ],
    )
}

fn describe(what: &str, filter: &[(&str, &str)]) -> String {
    let set = filter.iter().filter(|(_, value)| !value.is_empty());
    let set = set.map(|(name, value)| format!(" {name}=`{value}`"));
    format!("{what}{}", set.collect::<String>())
}

/// Records how many events an order was carried out on, when it has ended.
pub fn audited(progress: Progress, begun: Begun) -> Progress {
    let steps = stream::unfold(
        (progress, Some(begun)),
        |(mut progress, begun)| async move {
            let step = progress.next().await;
            let begun = match (begun, &step) {
                (Some(begun), Some(step)) => follow(begun, step).await,
                (begun, _) => begun,
            };
            step.map(|step| (step, (progress, begun)))
        },
    );
    steps.boxed()
}

/// `None` when the end was recorded. Where nobody reads on, it is recorded as broken off.
async fn follow(mut begun: Begun, step: &Result<v1::OutboxProgress, Status>) -> Option<Begun> {
    let failure = match step {
        Ok(step) => {
            begun.counted("events", step.done);
            if !step.ended {
                return Some(begun);
            }
            None
        }
        Err(status) => Some(status.message().to_owned()),
    };
    let recording = tokio::task::spawn_blocking(move || match failure {
        None => begun.done(),
        Some(why) => begun.failed(&why),
    });
    // A record that cannot be written is told where it fails.
    let _ = recording.await;
    None
}
