//! Calls that are kept to be judged again: how it stands with them, and their texts.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use futures_util::stream;
use http::header;

use super::about::{About, any, flag, number, text, time};
use super::call::Call;
use super::reply::{self, Answer};
use crate::admin::problem::ApiProblem;
use crate::audit::Act;
use crate::recordings::Reading;

pub(super) const STATE: About = About {
    answer: &[
        flag("enabled", "false: nothing is recorded"),
        any("share", "of all calls, from 0 to 1"),
        number("bytes", "what the files hold"),
        number("bytes_max", "what they may hold"),
        number("keep_s", "seconds after which the key of a day is dropped"),
        number("files", "how many there are"),
        text(
            "error",
            "why calls are not recorded at the moment; else null",
        ),
    ],
    ..About::new("Shows how it stands with recorded calls.")
};

pub(super) const CALLS: About = About {
    query: &[
        time("since", "decided at this time or later"),
        time("until", "decided before this time"),
    ],
    answer: &[any("call", "with its text and what the endpoint said")],
    ..About::new(
        "Streams recorded calls, one JSON object a line, the oldest first, as `callgate replay \
         --calls` reads them. It is recorded.",
    )
};

pub(super) async fn state(call: Call) -> Answer {
    let recordings = Arc::clone(&call.admin.recordings);
    let state = aside(move || recordings.state()).await?;
    reply::found(&serde_json::to_value(state).unwrap_or_default())
}

/// Streams the files one by one; nothing waits in memory for a slow reader.
pub(super) async fn calls(call: Call) -> Answer {
    let (since, until) = (call.time("since").unwrap_or(0), call.time("until"));
    if !call.admin.recordings.is_on() {
        return Err(ApiProblem::conflict(
            "no call is recorded; set `recordings.enabled` in engine.yaml",
        ));
    }
    call.asked
        .record(Act::new("recordings.read", call.asked.who()))
        .await?;
    let recordings = Arc::clone(&call.admin.recordings);
    let reading = aside(move || recordings.read(since, until)).await?;
    let reading = reading.map_err(|error| {
        ApiProblem::internal(format!("the recorded calls cannot be read ({error})"))
    })?;
    let pieces = stream::try_unfold(reading, |reading| async move {
        match reading {
            None => Ok(None),
            Some(reading) => tokio::task::spawn_blocking(move || piece(reading))
                .await
                .map_err(std::io::Error::other),
        }
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(pieces)).into_response())
}

/// The lines of the next file.
fn piece(mut reading: Reading) -> Option<(Bytes, Option<Reading>)> {
    let lines = reading.next_lines()?;
    let mut piece = Vec::new();
    for line in lines {
        piece.extend_from_slice(&line);
        piece.push(b'\n');
    }
    Some((piece.into(), Some(reading)))
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiProblem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ApiProblem::internal(error.to_string()))
}
