//! The latest entries of series, which alone can be repeated.

use std::collections::{BTreeSet, HashMap};

use crate::outbox::entry::{NewEntry, Series};
use crate::outbox::rules::{SWEEP_MAX, forget_at_ms};
use crate::outbox::series;

#[derive(Default)]
pub(super) struct Latest {
    /// By name: until when they can be repeated, and the lines of the latest call.
    series: HashMap<String, (u64, Vec<String>)>,
    by_time: BTreeSet<(u64, String)>,
}

impl Latest {
    /// For each entry, whether it repeats the latest ones of its series.
    pub(super) fn repeats(&self, entries: &[NewEntry]) -> Vec<bool> {
        let mut repeats = vec![false; entries.len()];
        for (name, of) in series::by_series(entries) {
            let now_ms = entries[of[0].0].accepted_at_ms;
            let latest = self.series.get(name);
            let latest = latest.filter(|(forget_at_ms, _)| *forget_at_ms > now_ms);
            let latest = latest.map_or(&[][..], |(_, lines)| lines);
            let again = series::repeats(latest, &lines(&of));
            for ((place, _), again) in of.into_iter().zip(again) {
                repeats[place] = again;
            }
        }
        repeats
    }

    /// Notes what the entries of an accepted call say; one that only repeats says nothing.
    pub(super) fn note(&mut self, entries: &[NewEntry], repeats: &[bool]) {
        for (name, of) in series::by_series(entries) {
            if of.iter().all(|(place, _)| repeats[*place]) {
                continue;
            }
            let (place, last) = of[of.len() - 1];
            let forget_at_ms = forget_at_ms(entries[place].accepted_at_ms, last.within);
            let lines = series::kept(lines(&of));
            if let Some((old, _)) = self.series.insert(name.to_owned(), (forget_at_ms, lines)) {
                self.by_time.remove(&(old, name.to_owned()));
            }
            self.by_time.insert((forget_at_ms, name.to_owned()));
        }
    }

    /// Forgets some of those that cannot be repeated any more.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        for _ in 0..SWEEP_MAX {
            match self.by_time.first() {
                Some((forget_at_ms, _)) if *forget_at_ms <= now_ms => {}
                _ => return,
            }
            if let Some((_, name)) = self.by_time.pop_first() {
                self.series.remove(&name);
            }
        }
    }
}

fn lines(of: &[(usize, &Series)]) -> Vec<String> {
    of.iter().map(|(_, series)| series.line.clone()).collect()
}
