//! How what the outbox holds is printed: lines for people, JSON for programs.

use std::time::{Duration, UNIX_EPOCH};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::cli::output::{self, plain};
use crate::proto::v1;

pub(super) fn print_status(status: &v1::OutboxStatusResponse, json: bool) -> anyhow::Result<()> {
    if json {
        return output::line(&status_json(status).to_string());
    }
    output::line(&format!(
        "{} events, {} bytes; {} ids of ended events are remembered",
        status.entries, status.bytes, status.remembered_ids
    ))?;
    output::line(&format!(
        "{:.1} % used of {} events and {} bytes: {}",
        status.used * 100.0,
        status.entries_max,
        status.bytes_max,
        status.level
    ))?;
    for one in &status.endpoints {
        output::line(&format!(
            "{}: accepted {} = delivered {} + dead {} + discarded {} + pending {} ({} in flight)",
            one.endpoint,
            one.accepted,
            one.delivered,
            one.dead,
            one.discarded,
            one.pending,
            one.in_flight
        ))?;
        if !one.conserved {
            output::line("  these numbers do not add up: this is a fault of callgate")?;
        }
        if one.pending > 0 {
            let age = Duration::from_millis(one.oldest_pending_age_ms);
            output::line(&format!(
                "  the oldest waits for {}",
                humantime::format_duration(age)
            ))?;
        }
        if one.paused_at_ms > 0 {
            let at = time_text(one.paused_at_ms);
            output::line(&format!("  paused since {at}: {}", one.pause_reason))?;
        } else if one.failing_since_ms > 0 {
            output::line(&format!(
                "  fails since {}",
                time_text(one.failing_since_ms)
            ))?;
        }
    }
    Ok(())
}

fn status_json(status: &v1::OutboxStatusResponse) -> serde_json::Value {
    let endpoints: Vec<_> = status
        .endpoints
        .iter()
        .map(|one| {
            json!({
                "endpoint": one.endpoint, "accepted": one.accepted, "delivered": one.delivered,
                "dead": one.dead, "discarded": one.discarded, "pending": one.pending,
                "in_flight": one.in_flight, "oldest_pending_age_ms": one.oldest_pending_age_ms,
                "conserved": one.conserved, "failing_since_ms": one.failing_since_ms,
                "paused_at_ms": one.paused_at_ms, "pause_reason": one.pause_reason,
                "bytes": one.bytes,
            })
        })
        .collect();
    json!({
        "endpoints": endpoints, "bytes": status.bytes, "entries": status.entries,
        "remembered_ids": status.remembered_ids, "bytes_max": status.bytes_max,
        "entries_max": status.entries_max, "used": status.used, "level": status.level,
    })
}

pub(super) fn letter_line(letter: &v1::DeadLetter, show: bool, json: bool) -> String {
    if json {
        let mut line = json!({
            "endpoint": letter.endpoint, "id": letter.id, "hook": letter.hook,
            "lane": letter.lane, "operation_id": letter.operation_id,
            "accepted_at_ms": letter.accepted_at_ms, "died_at_ms": letter.died_at_ms,
            "attempts": letter.attempts, "replays": letter.replays, "reason": letter.reason,
            "answer": letter.answer, "body_bytes": letter.body_bytes,
        });
        if show {
            add_body(&mut line, &letter.body);
        }
        return line.to_string();
    }
    let replays = match letter.replays {
        0 => String::new(),
        replays => format!(", replayed {replays} times"),
    };
    format!(
        "{} {} {}: accepted {}, dead {} after {} attempts{replays}: {}{}",
        letter.endpoint,
        letter.hook,
        plain(&letter.id),
        time_text(letter.accepted_at_ms),
        time_text(letter.died_at_ms),
        letter.attempts,
        plain(&letter.reason),
        body_line(&letter.body, show)
    )
}

pub(super) fn discarded_line(event: &v1::DiscardedEvent, json: bool) -> String {
    if json {
        let line = json!({
            "endpoint": event.endpoint, "id": event.id, "hook": event.hook, "lane": event.lane,
            "operation_id": event.operation_id, "accepted_at_ms": event.accepted_at_ms,
            "discarded_at_ms": event.discarded_at_ms, "reason": event.reason,
        });
        return line.to_string();
    }
    format!(
        "{} {} {}: accepted {}, discarded {}: {}",
        event.endpoint,
        event.hook,
        plain(&event.id),
        time_text(event.accepted_at_ms),
        time_text(event.discarded_at_ms),
        plain(&event.reason)
    )
}

pub(super) fn pending_line(event: &v1::PendingEvent, show: bool, json: bool) -> String {
    if json {
        let mut line = json!({
            "endpoint": event.endpoint, "id": event.id, "hook": event.hook, "lane": event.lane,
            "operation_id": event.operation_id, "accepted_at_ms": event.accepted_at_ms,
            "state": event.state, "attempts": event.attempts, "replays": event.replays,
            "due_at_ms": event.due_at_ms, "reason": event.reason, "body_bytes": event.body_bytes,
        });
        if show {
            add_body(&mut line, &event.body);
        }
        return line.to_string();
    }
    let state = match event.state.as_str() {
        "retry" => format!(
            "tried again at {} after {} attempts: {}",
            time_text(event.due_at_ms),
            event.attempts,
            plain(&event.reason)
        ),
        "in_flight" => "in flight".to_owned(),
        "waiting" => "waiting behind others of its conversation".to_owned(),
        state => state.to_owned(),
    };
    format!(
        "{} {} {}: accepted {}, {state}{}",
        event.endpoint,
        event.hook,
        plain(&event.id),
        time_text(event.accepted_at_ms),
        body_line(&event.body, show)
    )
}

/// A body as text where it is one.
pub(super) fn add_body(line: &mut Value, body: &[u8]) {
    match std::str::from_utf8(body) {
        Ok(text) => line["body"] = text.into(),
        Err(_) => line["body_base64"] = BASE64_STANDARD.encode(body).into(),
    }
}

fn body_line(body: &[u8], show: bool) -> String {
    match show {
        true => format!("\n  {}", plain(&String::from_utf8_lossy(body))),
        false => String::new(),
    }
}

fn time_text(at_ms: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at_ms);
    humantime::format_rfc3339_seconds(at).to_string()
}
