//! Commands that callgate has no hook of its own for, by name.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Names come from outside; past so many they are counted together.
const NAMES_MAX: usize = 50;
const MORE: &str = "(more)";

#[derive(Debug, Default)]
pub struct UnknownCommands(Mutex<BTreeMap<String, u64>>);

impl UnknownCommands {
    pub fn add(&self, command: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = counts.contains_key(command);
        let name = match is_known || counts.len() < NAMES_MAX {
            true => command,
            false => MORE,
        };
        *counts.entry(name.to_owned()).or_default() += 1;
    }

    /// Calls by command, since the start.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_and_limited() {
        let commands = UnknownCommands::default();
        for number in 0..200 {
            commands.add(&format!("c{number}"));
        }
        commands.add("c0");
        let counts = commands.counts();
        assert_eq!(counts.len(), NAMES_MAX + 1);
        assert_eq!((counts["c0"], counts[MORE]), (2, 150));
    }
}
