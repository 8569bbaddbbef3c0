//! How full the outbox is, and when an operator is told of it.

/// From this share on the outbox is filling up.
const HIGH: f64 = 0.70;
/// From this share on it is time to do something: at 1 events are refused.
const CRITICAL: f64 = 0.85;
/// Below this share it has room again. Lower than [`HIGH`], so that an outbox about that full
/// does not tell so again and again.
const ROOM_AGAIN: f64 = 0.60;

/// What the outbox may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageLimits {
    pub bytes_max: u64,
    pub entries_max: u64,
}

impl UsageLimits {
    /// The share that is used of the scarcer one, from 0; 1 is full.
    pub fn used(self, bytes: u64, entries: u64) -> f64 {
        // A limit of nothing is always full.
        let share = |held: u64, max: u64| match max {
            0 => 1.0,
            max => held as f64 / max as f64,
        };
        share(bytes, self.bytes_max).max(share(entries, self.entries_max))
    }
}

/// What a share means to an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum UsageLevel {
    #[default]
    Normal,
    High,
    Critical,
}

impl UsageLevel {
    pub fn of(used: f64) -> UsageLevel {
        match used {
            used if used >= CRITICAL => UsageLevel::Critical,
            used if used >= HIGH => UsageLevel::High,
            _ => UsageLevel::Normal,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            UsageLevel::Normal => "normal",
            UsageLevel::High => "high",
            UsageLevel::Critical => "critical",
        }
    }

    /// What is to be told of `used`, if anything is, after this level was told last: a higher one
    /// once, and that there is room again.
    pub fn tell(self, used: f64) -> Option<UsageLevel> {
        let level = UsageLevel::of(used);
        let has_room = self > UsageLevel::Normal && used < ROOM_AGAIN;
        (level > self || has_room).then_some(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcer_limit_counts() {
        let limits = UsageLimits {
            bytes_max: 1000,
            entries_max: 10,
        };
        assert_eq!(limits.used(0, 0), 0.0);
        assert_eq!(limits.used(700, 3), 0.7);
        assert_eq!(limits.used(100, 9), 0.9);
        let nothing = UsageLimits {
            bytes_max: 0,
            entries_max: 10,
        };
        assert_eq!(nothing.used(0, 0), 1.0);
    }

    #[test]
    fn each_level_is_told_once_until_there_is_room_again() {
        let mut told = UsageLevel::default();
        let mut seen = Vec::new();
        for percent in [
            0, 69, 70, 75, 69, 71, 60, 84, 85, 100, 80, 90, 61, 70, 59, 40, 70, 59, 99, 0,
        ] {
            if let Some(level) = told.tell(f64::from(percent) / 100.0) {
                told = level;
                seen.push((percent, level.name()));
            }
        }
        let wanted = [
            (70, "high"),
            (85, "critical"),
            (59, "normal"),
            (70, "high"),
            (59, "normal"),
            (99, "critical"),
            (0, "normal"),
        ];
        assert_eq!(seen, wanted);
    }
}
