//! Which format a file is in, when nobody says.

use std::collections::BTreeSet;

use super::form::WordFormat;
use super::lines::{self, is_comment};
use super::{code, json, sql, table, yaml};

/// Lines that are looked at.
const SAMPLE: usize = 2_000;

/// Finds out the format from the name of a file and its text.
pub(super) fn format(name: &str, text: &str) -> WordFormat {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    match extension.map(str::to_ascii_lowercase).as_deref() {
        // With comments and commas at the ends it is program text.
        Some("json") if json::roots(text).is_ok() || !code::is_code(text) => {
            return WordFormat::Json;
        }
        Some("csv" | "tsv") => return WordFormat::Csv,
        Some("xml" | "plist" | "html" | "htm") => return WordFormat::Xml,
        Some("yml" | "yaml") if yaml::as_json(text).is_ok() => return WordFormat::Yaml,
        _ => {}
    }
    let start = text.trim_start();
    let is_json = start.starts_with(['[', '{']) || start.starts_with('"') && start.contains("\\n");
    if is_json && json::roots(text).is_ok() {
        return WordFormat::Json;
    }
    let mut tags = start;
    while let Some((_, behind)) = tags
        .strip_prefix("<!--")
        .and_then(|rest| rest.split_once("-->"))
    {
        tags = behind.trim_start();
    }
    // `badger<br>ferret`
    let is_broken = ["<br>", "<br/>", "<br />", "<BR>"]
        .iter()
        .any(|tag| start.contains(tag));
    if tags.starts_with('<') && !tags.starts_with("<?php") || is_broken && !code::is_code(text) {
        return WordFormat::Xml;
    }
    if yaml::is_yaml(text) {
        return WordFormat::Yaml;
    }
    if sql::is_sql(text) || code::is_code(text) {
        return WordFormat::Code;
    }
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !is_comment(line));
    format_of_lines(&lines.take(SAMPLE).collect::<Vec<_>>())
}

fn format_of_lines(lines: &[&str]) -> WordFormat {
    let most = |holds: &dyn Fn(&str) -> bool| {
        let count = lines.iter().filter(|line| holds(line)).count();
        count > 0 && count * 2 >= lines.len()
    };
    let has_open_item = |line: &str| {
        let mut items = line.split(',').map(str::trim);
        line.contains(',') && items.any(|item| item.starts_with('*') || item.ends_with('*'))
    };
    let nearly_all = |holds: &dyn Fn(&str) -> bool| {
        let count = lines.iter().filter(|line| holds(line)).count();
        count > 0 && count * 10 >= lines.len() * 9
    };
    let has_sign = |line: &str| line.contains(['，', '、', '；', '،', '؛', '፣', '፤']);
    if most(&|line| line.contains(['|', '｜'])) {
        WordFormat::Pipe
    } else if lines::has_marks(lines.iter().copied()) {
        WordFormat::Plain
    } else if table::has_header(lines) || table::is_quoted(lines) {
        WordFormat::Csv
    } else if nearly_all(&code::is_quoted) {
        WordFormat::Code
    } else if is_one_line(lines) {
        WordFormat::Separated
    } else if nearly_all(&|line| lines::split_replacement(line).is_some()) {
        WordFormat::Replacements
    } else if nearly_all(&|line| lines::split_frequency(line).is_some()) && has_many_ends(lines) {
        WordFormat::Frequencies
    } else if most(&has_sign) && !is_tagged(lines) {
        WordFormat::Separated
    } else if most(&|line| line.contains('\t')) || is_tagged(lines) {
        WordFormat::Tags
    } else if lines.iter().any(|line| has_open_item(line)) {
        WordFormat::Discord
    } else if table::is_regular(lines) {
        WordFormat::Csv
    } else if most(&|line| line.contains(',')) {
        WordFormat::Discord
    } else if most(&|line| line.contains(';')) {
        WordFormat::Separated
    } else {
        WordFormat::Plain
    }
}

/// All words stand in one line, with tabs or slashes between them.
fn is_one_line(lines: &[&str]) -> bool {
    let [line] = lines else { return false };
    let is_slashed = line.matches(['/', '／']).count() > 1 && !line.contains("//");
    let is_literal = line.starts_with('/');
    let is_dotted = line.matches('•').count() > 1 || line.matches(" · ").count() > 1;
    line.matches('\t').count() > 1 || is_dotted || is_slashed && !is_literal
}

/// The lines end in more different numbers than there are classes of words.
fn has_many_ends(lines: &[&str]) -> bool {
    let numbers = lines.iter().map(|line| {
        let mut parts = line.rsplit(char::is_whitespace);
        parts
            .find(|part| part.parse::<f64>().is_ok())
            .unwrap_or_default()
    });
    let distinct: BTreeSet<&str> = numbers.collect();
    distinct.len() * 2 > lines.len() && distinct.iter().any(|number| number.len() > 1)
}

/// Nearly every line ends in something after a blank that looks like tags: there is little of it
/// in all, or it has commas and stands behind a word that is not Latin. Phrases of several Latin
/// words end in all kinds of words, with a column behind the last or not.
fn is_tagged(lines: &[&str]) -> bool {
    let parts: Vec<(&str, &str)> = lines
        .iter()
        .filter_map(|line| line.rsplit_once(char::is_whitespace))
        .collect();
    let distinct: BTreeSet<&str> = parts.iter().map(|(_, end)| *end).collect();
    let marked = parts.iter().filter(|(word, end)| {
        let last = word.trim_end().chars().next_back();
        end.contains(',') && last.is_some_and(|c| !c.is_ascii() && c.is_alphanumeric())
    });
    let are_tags = marked.count() * 2 >= parts.len() || distinct.len() * 5 <= parts.len();
    !parts.is_empty() && parts.len() * 10 >= lines.len() * 9 && are_tags
}
