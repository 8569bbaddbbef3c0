//! Times as the API has them: RFC 3339, to the millisecond, in UTC.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Map, Value};

/// The end of the year 9999, after which there is no such text.
const LAST_MS: u64 = 253_402_300_799_999;

/// Milliseconds since 1970 as a text.
pub(super) fn text(at_ms: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at_ms.min(LAST_MS));
    humantime::format_rfc3339_millis(at).to_string()
}

/// The same where 0 is never.
pub(super) fn or_never(at_ms: u64) -> Option<String> {
    (at_ms > 0).then(|| text(at_ms))
}

/// Reads a time with any offset, as milliseconds since 1970; `None` if it is none, or before that.
pub(super) fn read(written: &str) -> Option<u64> {
    let (day_and_time, offset_s) = offset(written)?;
    let at = humantime::parse_rfc3339(&format!("{day_and_time}Z")).ok()?;
    let at_ms = i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?;
    u64::try_from(at_ms - offset_s * 1000).ok()
}

/// What stands before the offset, and the offset in seconds: `Z`, `+08:00`, `-03:30`.
fn offset(written: &str) -> Option<(&str, i64)> {
    if let Some(rest) = written.strip_suffix(['Z', 'z']) {
        return Some((rest, 0));
    }
    let (rest, offset) = written.split_at_checked(written.len().checked_sub(6)?)?;
    let (sign, offset) = match offset.split_at_checked(1)? {
        ("+", offset) => (1, offset),
        ("-", offset) => (-1, offset),
        _ => return None,
    };
    let (hours, minutes) = offset.split_once(':')?;
    let two = |digits: &str, max: i64| -> Option<i64> {
        let is_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let value = digits.parse().ok().filter(|value| *value <= max);
        value.filter(|_| is_two)
    };
    Some((
        rest,
        sign * (two(hours, 23)? * 3600 + two(minutes, 59)? * 60),
    ))
}

/// What tells a time in a document that has times as numbers: `loaded_at_ms` becomes `loaded_at`.
/// How long something takes stays a number of milliseconds.
pub(super) fn as_texts(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().map(entry).collect::<Map<_, _>>()),
        Value::Array(all) => all.into_iter().map(as_texts).collect(),
        other => other,
    }
}

fn entry((key, value): (String, Value)) -> (String, Value) {
    const OTHERS: [&str; 4] = [
        "last_call_ms",
        "failing_since_ms",
        "not_before_ms",
        "not_after_ms",
    ];
    let is_time = key == "at_ms" || key.ends_with("_at_ms") || OTHERS.contains(&key.as_str());
    match key.strip_suffix("_ms") {
        Some(name) if is_time => {
            let at = value.as_u64().and_then(or_never);
            (name.to_owned(), at.map_or(Value::Null, Value::String))
        }
        _ => (key, as_texts(value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_with_any_offset_and_written_in_utc() {
        let check = |written: &str, expected: &str| {
            assert_eq!(read(written).map(text).unwrap_or_default(), expected);
        };
        check("2026-01-31T14:02:00Z", "2026-01-31T14:02:00.000Z");
        check("2026-01-31T14:02:00.123456z", "2026-01-31T14:02:00.123Z");
        check("2026-01-31T22:02:00+08:00", "2026-01-31T14:02:00.000Z");
        check("2026-01-31T10:32:00-03:30", "2026-01-31T14:02:00.000Z");
        check("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z");
        for none in [
            "",
            "Z",
            "2026-01-31",
            "2026-01-31T14:02:00",
            "2026-02-30T14:02:00Z",
            "2026-01-31T14:02:00+24:00",
            "2026-01-31T14:02:00+0800",
            "2026-01-31T14:02:00+-8:00",
            "1970-01-01T00:00:00+00:01",
            "1969-12-31T23:59:59Z",
            "１２３４５６",
            "1769868120",
        ] {
            check(none, "");
        }
        assert_eq!(text(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn times_of_a_document_become_texts_and_durations_stay() {
        let document = json!({
            "loaded_at_ms": 0, "timeout_ms": 5, "hooks": [{ "last_call_ms": 1000 }],
            "rejected": { "at_ms": null }, "age_ms": 7, "open_left_ms": null,
        });
        let expected = json!({
            "loaded_at": null, "timeout_ms": 5,
            "hooks": [{ "last_call": "1970-01-01T00:00:01.000Z" }],
            "rejected": { "at": null }, "age_ms": 7, "open_left_ms": null,
        });
        assert_eq!(as_texts(document), expected);
    }
}
