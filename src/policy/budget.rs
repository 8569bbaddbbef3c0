//! How much a change of the policy may change: `expect`.

use std::fmt;

use crate::settings::{At, Field};

/// What recorded calls must come to under a new policy, for it to come into force.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    pub blocks: Option<Allowed>,
    pub freed: Option<Allowed>,
    /// With fewer nothing is judged.
    pub calls_min: usize,
    /// The newest of more are judged.
    pub calls_max: usize,
}

/// From this to that, both included.
#[derive(Clone, Debug)]
pub(super) struct Allowed {
    pub at: At,
    least: Amount,
    most: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Amount {
    Calls(u64),
    /// Of all that are judged, from 0 to 1.
    Share(f64),
}

impl Budget {
    /// `None`: nothing is expected of a change.
    pub(super) fn read(field: &Field<'_>) -> Option<Budget> {
        let section = field.section();
        let budget = Budget {
            blocks: Allowed::read(&section.field("blocks")),
            freed: Allowed::read(&section.field("freed")),
            calls_min: section.field("calls_min").size(CALLS_MAX),
            calls_max: section.field("calls_max").size(CALLS_MAX),
        };
        if budget.calls_min > budget.calls_max {
            section.field("calls_max").error(
                "fewer calls are judged than there must be",
                "use `calls_min` or more",
            );
        }
        section.finish();
        (budget.blocks.is_some() || budget.freed.is_some()).then_some(budget)
    }
}

/// They are all in memory while they are judged, and a reload takes no longer than it may.
const CALLS_MAX: u32 = 100_000;

impl Allowed {
    fn read(field: &Field<'_>) -> Option<Allowed> {
        let text = field.text();
        if text.is_empty() {
            return None;
        }
        let amounts = match text.split_once("..") {
            Some((least, most)) => Amount::read(least).zip(Amount::read(most)),
            None => Some(Amount::Calls(0)).zip(Amount::read(&text)),
        };
        let amounts = amounts.filter(|(least, most)| least.is_below(*most));
        match amounts {
            Some((least, most)) => Some(Allowed {
                at: field.at().clone(),
                least,
                most,
            }),
            None => {
                let what = format!("`{text}` is no part of the calls");
                let hint = "write \"+0..+0.4%\", \"0.4%\" or 0: at least and at most so many of the \
                            calls that are judged; what is no longer blocked is `freed`";
                field.error(what, hint);
                None
            }
        }
    }

    /// Whether so many of those calls are no fewer and no more than there may be.
    pub(super) fn holds(&self, count: u64, of: u64) -> bool {
        self.least.of(of) <= count as f64 && count as f64 <= self.most.of(of)
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.least {
            Amount::Calls(0) => write!(f, "at most {}", self.most),
            least => write!(f, "from {least} to {}", self.most),
        }
    }
}

impl Amount {
    fn read(text: &str) -> Option<Amount> {
        let text = text.trim();
        let text = text.strip_prefix('+').unwrap_or(text);
        let starts_well = text.starts_with(|c: char| c.is_ascii_digit());
        match text.strip_suffix('%').map(str::trim) {
            Some(percent) => {
                let percent: f64 = percent.parse().ok()?;
                let fits = starts_well && (0.0..=100.0).contains(&percent);
                fits.then_some(Amount::Share(percent / 100.0))
            }
            None => {
                let calls = text.parse().ok().filter(|_| starts_well);
                let calls = calls.filter(|calls| *calls <= u64::from(CALLS_MAX));
                calls.map(Amount::Calls)
            }
        }
    }

    /// Of calls and shares it depends on how many there are, so they pass here.
    fn is_below(self, other: Amount) -> bool {
        match (self, other) {
            (Amount::Calls(least), Amount::Calls(most)) => least <= most,
            (Amount::Share(least), Amount::Share(most)) => least <= most,
            _ => true,
        }
    }

    fn of(self, all: u64) -> f64 {
        match self {
            Amount::Calls(calls) => calls as f64,
            Amount::Share(share) => share * all as f64,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Calls(calls) => write!(f, "{calls}"),
            Amount::Share(share) => write!(f, "{} %", (share * 1e6).round() / 1e4),
        }
    }
}
