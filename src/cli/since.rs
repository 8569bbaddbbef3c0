//! Times on the command line: so long ago, or as RFC 3339 has them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that RFC 3339 can write.
const LAST_S: u64 = 253_402_300_799;

/// Reads `2h`, `30d`, `2026-11-28T21:00:00Z` or `2026-11-29T05:00:00+08:00`, and gives it back as RFC
/// 3339 in UTC. What names no zone is in UTC; what is before 1970 is its beginning.
pub(super) fn read(text: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "`{text}` is no time: write 2h, 30d, 2026-11-28T21:00:00Z or 2026-11-29T05:00:00+08:00"
        )
    };
    let at = match humantime::parse_duration(text) {
        Ok(ago) => SystemTime::now().checked_sub(ago).unwrap_or(UNIX_EPOCH),
        Err(_) => zoned(text).ok_or_else(wrong)?,
    };
    let last = UNIX_EPOCH + Duration::from_secs(LAST_S);
    let at = at.clamp(UNIX_EPOCH, last);
    Ok(humantime::format_rfc3339_millis(at).to_string())
}

fn zoned(text: &str) -> Option<SystemTime> {
    let (local, ahead_s) = match text.split_at_checked(text.len().saturating_sub(6)) {
        // The sign of an offset stands behind a time, so it is no part of a date.
        Some((local, offset)) if local.contains(':') && offset.starts_with(['+', '-']) => {
            (local, seconds(offset)?)
        }
        _ => (text, 0),
    };
    let at = humantime::parse_rfc3339_weak(local).ok()?;
    let ahead = Duration::from_secs(ahead_s.unsigned_abs());
    match ahead_s < 0 {
        true => at.checked_add(ahead),
        false => at.checked_sub(ahead),
    }
}

/// `+08:00` in seconds.
fn seconds(offset: &str) -> Option<i64> {
    let (sign, time) = offset.split_at_checked(1)?;
    let (hours, minutes) = time.split_once(':')?;
    let two = |digits: &str, max: i64| {
        let is_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let value: Option<i64> = digits.parse().ok();
        value.filter(|value| is_two && *value <= max)
    };
    let ahead = two(hours, 23)? * 3600 + two(minutes, 59)? * 60;
    Some(if sign == "-" { -ahead } else { ahead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_names_its_zone_or_is_in_utc() {
        let check = |text: &str, expected: &str| {
            assert_eq!(read(text).as_deref().unwrap_or("none"), expected, "{text}");
        };
        check("2026-11-28T21:00:00Z", "2026-11-28T21:00:00.000Z");
        check("2026-11-28T21:00:00.5Z", "2026-11-28T21:00:00.500Z");
        check("2026-11-29T05:00:00+08:00", "2026-11-28T21:00:00.000Z");
        check("2026-11-28 17:30:00-03:30", "2026-11-28T21:00:00.000Z");
        check("2026-11-28 21:00:00", "2026-11-28T21:00:00.000Z");
        check("1970-01-01T00:00:00+08:00", "1970-01-01T00:00:00.000Z");
        check("9999-12-31T23:59:59-08:00", "9999-12-31T23:59:59.000Z");
        // Longer ago than there was a time.
        check("1000y", "1970-01-01T00:00:00.000Z");
        for none in [
            "",
            "yesterday",
            "2026-11-28T21:00:00+0800",
            "2026-11-28T21:00:00+25:00",
            "2026-13-28T21:00:00Z",
            "+08:00",
            "２０２６",
            "99999999999999999999999y",
        ] {
            check(none, "none");
        }
    }

    #[test]
    fn so_long_ago_is_before_now() {
        let ago = read("2h").unwrap();
        let ago = humantime::parse_rfc3339(&ago).unwrap();
        let since = ago.elapsed().unwrap();
        assert!(since >= Duration::from_secs(7200) && since < Duration::from_secs(7300));
    }
}
