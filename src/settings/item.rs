//! One value of a file: its text, where it stands, and what it can be read as.

use std::time::Duration;

use super::problem::{At, Problems, suggest};
use super::shown::shown_key;

/// Ten years.
pub(super) const DURATION_SECONDS_MAX: f64 = 3660.0 * 86_400.0;

/// One single value and where it stands.
#[derive(Clone)]
pub struct Item<'a> {
    pub text: String,
    pub at: At,
    pub(super) problems: &'a Problems,
}

impl Item<'_> {
    pub fn error(&self, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.error(&self.at, what, hint);
    }

    pub fn warning(&self, what: impl Into<String>, hint: impl Into<String>) {
        self.problems.warning(&self.at, what, hint);
    }

    pub fn flag(&self) -> Option<bool> {
        self.one_of(&[("true", true), ("false", false)])
    }

    pub fn number(&self, min: i64, max: i64) -> Option<i64> {
        match self.text.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Some(number),
            Ok(number) => {
                self.error(
                    format!("{number} is out of range"),
                    format!("use {min} to {max}"),
                );
                None
            }
            Err(_) => {
                let what = format!("`{}` is not a whole number", self.text);
                self.error(what, format!("use {min} to {max}"));
                None
            }
        }
    }

    pub fn duration(&self) -> Option<Duration> {
        const UNITS: [(&str, f64); 5] = [
            ("ms", 0.001),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3600.0),
            ("d", 86_400.0),
        ];
        let seconds = with_unit(&self.text, &UNITS);
        match seconds.filter(|seconds| *seconds <= DURATION_SECONDS_MAX) {
            Some(seconds) => Some(Duration::from_secs_f64(seconds)),
            None => {
                let what = format!("`{}` is not a valid duration", self.text);
                self.error(
                    what,
                    "write a number with its unit: 500ms, 2s, 5m, 1h or 1d",
                );
                None
            }
        }
    }

    pub fn bytes(&self) -> Option<u64> {
        const UNITS: [(&str, f64); 8] = [
            ("KiB", 1024.0),
            ("MiB", 1_048_576.0),
            ("GiB", 1_073_741_824.0),
            ("kB", 1e3),
            ("MB", 1e6),
            ("GB", 1e9),
            ("B", 1.0),
            ("", 1.0),
        ];
        let bytes = with_unit(&self.text, &UNITS);
        match bytes.filter(|bytes| (1.0..=1e15).contains(bytes)) {
            // The range above is far below 2^53, so the conversion is exact.
            Some(bytes) => Some(bytes as u64),
            None => {
                let what = format!("`{}` is not a valid size", self.text);
                self.error(what, "write bytes, or a number with KiB, MiB or GiB");
                None
            }
        }
    }

    pub fn one_of<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let found = choices
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&self.text));
        if found.is_none() {
            let names = choices.iter().map(|(name, _)| *name);
            self.error(
                format!("`{}` is not possible here", shown_key(&self.text)),
                suggest(&self.text, names),
            );
        }
        found.map(|(_, value)| *value)
    }
}

/// A number that is not negative times its unit.
fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim_start();
    let (_, factor) = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<f64>().ok().map(|number| number * factor)
}
