//! What a decision is known by.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use uuid::Uuid;

/// A UUIDv7 whose first bits say when, to a quarter of a microsecond, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DecisionId {
    /// Milliseconds since 1970 and 4096ths of one; no two of a process are equal.
    pub(super) number: i64,
    /// 62 bits that tell processes apart.
    pub(super) random: i64,
}

const FRACTION_BITS: u32 = 12;
const RANDOM_BITS: u32 = 62;
const MS_MAX: u64 = (1 << 48) - 1;
/// The end of the year 9999: the last second that RFC 3339 can write.
const TEXT_S_MAX: u64 = 253_402_300_799;

impl DecisionId {
    /// The next id for something that happened then, behind `last`.
    pub(super) fn next(at_us: u64, last: i64) -> DecisionId {
        DecisionId {
            number: number_of(at_us).max(last + 1),
            random: (fastrand::u64(..) >> (64 - RANDOM_BITS)) as i64,
        }
    }

    pub(super) fn new(number: i64, random: i64) -> DecisionId {
        DecisionId { number, random }
    }

    /// Milliseconds since 1970.
    pub fn at_ms(self) -> u64 {
        (self.number >> FRACTION_BITS) as u64
    }

    fn uuid(self) -> Uuid {
        let (number, random) = (self.number as u128, self.random as u128);
        let fraction = number & ((1 << FRACTION_BITS) - 1);
        let ms = number >> FRACTION_BITS;
        Uuid::from_u128((ms << 80) | (7 << 76) | (fraction << 64) | (2 << 62) | random)
    }
}

/// The number that an id of that time begins with.
pub(super) fn number_of(at_us: u64) -> i64 {
    // Of what is later than an id can say, the last one.
    let (ms, us) = ((at_us / 1000).min(MS_MAX), at_us % 1000);
    ((ms << FRACTION_BITS) | ((us << FRACTION_BITS) / 1000)) as i64
}

/// When what has this number happened, in microseconds since 1970.
pub(super) fn at_us(number: i64) -> u64 {
    let fraction = number as u64 & ((1 << FRACTION_BITS) - 1);
    // Rounded up, so that a time goes both ways unchanged.
    (number as u64 >> FRACTION_BITS) * 1000 + (fraction * 1000).div_ceil(1 << FRACTION_BITS)
}

/// RFC 3339 with milliseconds.
pub(super) fn time_text(at_us: u64) -> String {
    let at_us = at_us.min(TEXT_S_MAX * 1_000_000);
    let at = UNIX_EPOCH + Duration::from_micros(at_us);
    humantime::format_rfc3339_millis(at).to_string()
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid().hyphenated().fmt(f)
    }
}

impl FromStr for DecisionId {
    type Err = String;

    fn from_str(text: &str) -> Result<DecisionId, String> {
        let uuid = Uuid::parse_str(text).ok();
        let uuid = uuid.filter(|uuid| uuid.get_version_num() == 7);
        let bits = uuid.ok_or_else(|| format!("`{text}` is not the id of a decision"))?;
        let bits = bits.as_u128();
        let fraction = (bits >> 64) & ((1 << FRACTION_BITS) - 1);
        let number = ((bits >> 80) << FRACTION_BITS) | fraction;
        Ok(DecisionId {
            number: number as i64,
            random: (bits & ((1 << RANDOM_BITS) - 1)) as i64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_when_and_comes_back_from_its_text() {
        let mut last = 0;
        for at in [
            0,
            1,
            999,
            1_000,
            1_796_000_000_123_456,
            1_796_000_000_123_999,
        ] {
            assert_eq!(at_us(number_of(at)), at);
            let id = DecisionId::next(at, last);
            last = id.number;
            let text = id.to_string();
            assert_eq!(text.parse(), Ok(id), "{text}");
            assert_eq!(Uuid::parse_str(&text).unwrap().get_version_num(), 7);
            assert_eq!(id.at_ms(), at / 1000);
        }
    }

    #[test]
    fn ids_rise_however_the_clock_goes() {
        let mut last = DecisionId::next(5_000_000, 0);
        for at in [5_000_000, 4_000_000, 5_000_000, 5_000_001] {
            let next = DecisionId::next(at, last.number);
            assert!(next.number > last.number && next.to_string() > last.to_string());
            last = next;
        }
    }

    #[test]
    fn what_is_no_id_is_told() {
        for text in ["", "x", "00000000-0000-4000-8000-000000000000"] {
            let error = text.parse::<DecisionId>().unwrap_err();
            assert!(error.contains("is not the id of a decision"), "{error}");
        }
    }
}
