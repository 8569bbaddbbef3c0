//! How what the outbox holds is printed: lines for people, JSON for programs.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use crate::proto::v1;

pub(super) fn print_status(status: &v1::OutboxStatusResponse, json: bool) {
    if json {
        println!("{}", status_json(status));
        return;
    }
    println!(
        "{} events, {} bytes; {} ids of ended events are remembered",
        status.entries, status.bytes, status.remembered_ids
    );
    println!(
        "{:.1} % used of {} events and {} bytes: {}",
        status.used * 100.0,
        status.entries_max,
        status.bytes_max,
        status.level
    );
    for one in &status.endpoints {
        println!(
            "{}: accepted {} = delivered {} + dead {} + discarded {} + pending {} ({} in flight)",
            one.endpoint,
            one.accepted,
            one.delivered,
            one.dead,
            one.discarded,
            one.pending,
            one.in_flight
        );
        if !one.conserved {
            println!("  these numbers do not add up: this is a fault of callgate");
        }
        if one.pending > 0 {
            let age = Duration::from_millis(one.oldest_pending_age_ms);
            println!("  the oldest waits for {}", humantime::format_duration(age));
        }
        if one.paused_at_ms > 0 {
            let at = time_text(one.paused_at_ms);
            println!("  paused since {at}: {}", one.pause_reason);
        } else if one.failing_since_ms > 0 {
            println!("  fails since {}", time_text(one.failing_since_ms));
        }
    }
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

pub(super) fn letter_line(letter: &v1::DeadLetter, json: bool) -> String {
    if json {
        let line = json!({
            "endpoint": letter.endpoint, "id": letter.id, "hook": letter.hook,
            "lane": letter.lane, "operation_id": letter.operation_id,
            "accepted_at_ms": letter.accepted_at_ms, "died_at_ms": letter.died_at_ms,
            "attempts": letter.attempts, "replays": letter.replays, "reason": letter.reason,
            "answer": letter.answer, "body_bytes": letter.body_bytes,
        });
        return line.to_string();
    }
    let replays = match letter.replays {
        0 => String::new(),
        replays => format!(", replayed {replays} times"),
    };
    format!(
        "{} {} {}: accepted {}, dead {} after {} attempts{replays}: {}",
        letter.endpoint,
        letter.hook,
        letter.id,
        time_text(letter.accepted_at_ms),
        time_text(letter.died_at_ms),
        letter.attempts,
        letter.reason
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
        event.id,
        time_text(event.accepted_at_ms),
        time_text(event.discarded_at_ms),
        event.reason
    )
}

fn time_text(at_ms: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at_ms);
    humantime::format_rfc3339_seconds(at).to_string()
}
