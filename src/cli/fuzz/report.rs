//! What `fuzz` prints: for people, and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::trial::{Effort, FalseHit, Miss, Tally};
use crate::filter::is_pattern;
use crate::policy::WordList;

pub(super) struct Report<'a> {
    pub list: &'a WordList,
    pub effort: Effort,
    pub tallies: Vec<Tally>,
    /// Everyday messages that were read.
    pub messages: usize,
    pub false_hits: Vec<FalseHit>,
    pub min_recall: Option<f64>,
    pub max_false_hits: Option<usize>,
}

impl Report<'_> {
    /// Every threshold that is not reached, in words.
    pub(super) fn missed(&self) -> Vec<String> {
        let on = self.tallies.iter().filter(|tally| tally.on);
        let below = on.filter_map(|tally| {
            let (recall, least) = (tally.recall()?, self.min_recall?);
            (recall < least).then(|| {
                let name = tally.kind.name();
                format!(
                    "{name}: {} found, less than {}",
                    percent(recall),
                    percent(least)
                )
            })
        });
        let hits = self.false_hits.len();
        let above = self.max_false_hits.filter(|most| hits > *most);
        let above = above.map(|most| format!("{hits} false hits, more than {most}"));
        below.chain(above).collect()
    }

    /// Where an entry stands: `policies/lists/ads.txt:7`, or the list's name.
    fn place(&self, line: u32) -> String {
        match &self.list.file {
            Some(file) if line > 0 => format!("{file}:{line}"),
            _ => self.list.words.name.to_string(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let entries = &self.list.words.entries;
        let patterns = entries
            .iter()
            .filter(|entry| is_pattern(entry.text))
            .count();
        let words = entries.len() - patterns;
        write!(out, "{}: {words} words", self.place(0))?;
        if words > self.effort.entries_max {
            write!(out, ", {} of them tried", self.effort.entries_max)?;
        }
        if patterns > 0 {
            write!(out, ", {patterns} patterns left out")?;
        }
        writeln!(out, ", seed {}", self.effort.seed)?;
        writeln!(
            out,
            "{:<12} {:<18} {:<4} {:>6} {:>6} {:>7}",
            "kind", "option", "on", "tried", "found", "recall"
        )?;
        for tally in &self.tallies {
            let option = tally.kind.option().unwrap_or_else(|| "-".to_owned());
            let on = if tally.on { "yes" } else { "no" };
            let recall = tally.recall().map_or("-".to_owned(), percent);
            let (name, tried, found) = (tally.kind.name(), tally.tried, tally.found);
            writeln!(
                out,
                "{name:<12} {option:<18} {on:<4} {tried:>6} {found:>6} {recall:>7}"
            )?;
        }
        for tally in self
            .tallies
            .iter()
            .filter(|tally| tally.phrases_left_out > 0)
        {
            let (name, count) = (tally.kind.name(), tally.phrases_left_out);
            writeln!(
                out,
                "left out, {name}: {count} phrases, which it does not fit"
            )?;
        }
        let missed = self.tallies.iter().filter(|tally| tally.on);
        for tally in missed {
            for Miss { line, entry, text } in &tally.misses {
                let place = self.place(*line);
                writeln!(
                    out,
                    "not found, {}: {place}: `{entry}` in `{}`",
                    tally.kind.name(),
                    shown(text)
                )?;
            }
        }
        writeln!(
            out,
            "{} everyday messages, {} false hits",
            self.messages,
            self.false_hits.len()
        )?;
        for hit in &self.false_hits {
            let place = self.place(hit.line);
            let (entry, message) = (&hit.entry, &hit.message);
            let language = match hit.language {
                "" => String::new(),
                language => format!(" ({language})"),
            };
            writeln!(
                out,
                "false hit: {place}: `{entry}` in `{message}`{language}"
            )?;
        }
        for missed in self.missed() {
            writeln!(out, "threshold missed: {missed}")?;
        }
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let miss =
            |miss: &Miss| json!({ "line": miss.line, "entry": miss.entry, "text": miss.text });
        let kinds = self.tallies.iter().map(|tally| {
            json!({
                "kind": tally.kind.name(),
                "option": tally.kind.option(),
                "on": tally.on,
                "tried": tally.tried,
                "found": tally.found,
                "phrases_left_out": tally.phrases_left_out,
                "recall": tally.recall(),
                "misses": tally.misses.iter().map(miss).collect::<Vec<_>>(),
            })
        });
        let hits = self
            .false_hits
            .iter()
            .map(|hit| json!({ "line": hit.line, "entry": hit.entry, "message": hit.message, "language": hit.language }));
        json!({
            "list": &*self.list.words.name,
            "file": self.list.file.as_deref(),
            "entries": self.list.words.entries.len(),
            "seed": self.effort.seed,
            "kinds": kinds.collect::<Vec<_>>(),
            "messages": self.messages,
            "false_hits": hits.collect::<Vec<_>>(),
            "missed": self.missed(),
        })
    }
}

/// Rounded down, so that only all is 100 %.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", (share * 1_000.0).floor() / 10.0)
}

/// A text with its control and invisible characters written out.
pub(super) fn shown(text: &str) -> String {
    let written = |c: char| match c {
        '\u{AD}' | '\u{34F}' | '\u{3164}' | '\u{2800}' | '\u{FEFF}' => true,
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' => true,
        c => c.is_control(),
    };
    let mut shown = String::new();
    for c in text.chars() {
        match written(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_down() {
        assert_eq!(percent(1.0), "100.0%");
        assert_eq!(percent(0.9999), "99.9%");
        assert_eq!(percent(0.0), "0.0%");
    }

    #[test]
    fn what_nobody_sees_is_written_out() {
        assert_eq!(shown("赌\u{200b}博\n❤️"), "赌\\u{200b}博\\n❤️");
    }
}
