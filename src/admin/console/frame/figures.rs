//! Numbers and times, as people read them.

use std::time::{Duration, UNIX_EPOCH};

use maud::{Markup, html};

use super::super::language::Language;
use super::super::visit::Visit;

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;
/// Beyond the year 9999 there is no text for a time.
const LAST_MS: u64 = 253_402_300_799_000;

/// A time as RFC 3339 in UTC, to the second, with how long ago it was when one points at it.
pub(in super::super) fn time(visit: &Visit, at_ms: u64) -> Markup {
    let exact = exact(at_ms);
    html! {
        time datetime=(exact) title=(ago(visit, at_ms)) { (exact.replace('T', " ").replace('Z', " UTC")) }
    }
}

/// How long ago something was, with the time itself when one points at it.
pub(in super::super) fn since(visit: &Visit, at_ms: u64) -> Markup {
    let exact = exact(at_ms);
    html! { time datetime=(exact) title=(exact) { (ago(visit, at_ms)) } }
}

/// `2026-11-29T00:10:00Z`
pub(in super::super) fn exact(at_ms: u64) -> String {
    let at = Duration::from_millis(at_ms.min(LAST_MS));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + at).to_string()
}

/// How long ago something was, or how soon it will be: `3 min ago`.
fn ago(visit: &Visit, at_ms: u64) -> String {
    let language = visit.language();
    match visit.now_ms.checked_sub(at_ms) {
        Some(ms) => match (language, span(language, ms)) {
            (Language::English, span) => format!("{span} ago"),
            (Language::Chinese, span) => format!("{span}前"),
        },
        None => match (language, span(language, at_ms - visit.now_ms)) {
            (Language::English, span) => format!("in {span}"),
            (Language::Chinese, span) => format!("{span}后"),
        },
    }
}

/// `45 s`, `3 min`, `2 h`, `5 d`: the greatest unit alone.
fn span(language: Language, ms: u64) -> String {
    let seconds = ms / 1000;
    let (count, english, chinese) = match seconds {
        0..MINUTE_S => (seconds, "s", "秒"),
        MINUTE_S..HOUR_S => (seconds / MINUTE_S, "min", "分钟"),
        HOUR_S..DAY_S => (seconds / HOUR_S, "h", "小时"),
        _ => (seconds / DAY_S, "d", "天"),
    };
    match language {
        Language::English => format!("{count} {english}"),
        Language::Chinese => format!("{count} {chinese}"),
    }
}

/// `1,234,567`
pub(in super::super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part of a whole in percent, with as many digits as say something: `12 %`, `1.2 %`, `0.03 %`.
pub(in super::super) fn share(part: u64, whole: u64) -> String {
    let percent = match whole {
        0 => 0.0,
        whole => part as f64 * 100.0 / whole as f64,
    };
    match percent {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.01 => "< 0.01 %".to_owned(),
        percent if percent < 1.0 => format!("{percent:.2} %"),
        percent if percent < 10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// `512 B`, `1.5 KiB`, `20 MiB`
pub(in super::super) fn bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut units = ["B", "KiB", "MiB", "GiB"].iter();
    let mut unit = "TiB";
    for smaller in &mut units {
        if size < 1024.0 {
            unit = smaller;
            break;
        }
        size /= 1024.0;
    }
    match size < 10.0 && unit != "B" {
        true => format!("{size:.1} {unit}"),
        false => format!("{size:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (given, text) in cases {
            assert_eq!(number(given), text);
        }
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (20 << 20, "20 MiB"),
            (3 << 40, "3.0 TiB"),
        ];
        for (given, text) in cases {
            assert_eq!(bytes(given), text);
        }
        let cases = [
            (0, 0, "0 %"),
            (1, 3, "33 %"),
            (12, 1000, "1.2 %"),
            (1, 100_000, "< 0.01 %"),
            (3, 1000, "0.30 %"),
        ];
        for (part, whole, text) in cases {
            assert_eq!(share(part, whole), text);
        }
    }

    #[test]
    fn times_are_in_utc_and_have_an_end() {
        assert_eq!(exact(0), "1970-01-01T00:00:00Z");
        assert_eq!(exact(u64::MAX), "9999-12-31T23:59:59Z");
        for (ms, text) in [
            (59_999, "59 s"),
            (60_000, "1 min"),
            (7_200_000, "2 h"),
            (864_000_000, "10 d"),
        ] {
            assert_eq!(span(Language::English, ms), text);
        }
    }
}
