//! Quotes of every kind around a word.

/// What stands between the quotes of any language.
pub(super) fn in_quotes(line: &str) -> Option<&str> {
    const PAIRS: [[&str; 2]; 21] = [
        ["\"", "\""],
        ["'", "'"],
        ["`", "`"],
        ["``", "''"],
        ["´", "´"],
        ["“", "”"],
        ["‘", "’"],
        ["„", "“"],
        ["„", "”"],
        ["‚", "‘"],
        ["‚", "’"],
        ["”", "”"],
        ["「", "」"],
        ["『", "』"],
        ["《", "》"],
        ["〈", "〉"],
        ["«", "»"],
        ["»", "«"],
        ["‹", "›"],
        ["›", "‹"],
        ["＂", "＂"],
    ];
    between(line, &PAIRS)
}

/// What stands between the first pair of signs that is there, and not in the text itself.
pub(super) fn between<'a>(line: &'a str, pairs: &[[&str; 2]]) -> Option<&'a str> {
    pairs.iter().find_map(|[open, close]| {
        let inner = line.strip_prefix(open)?.strip_suffix(close)?;
        let is_one = !inner.contains(open) && !inner.contains(close);
        (!inner.trim().is_empty() && is_one).then_some(inner)
    })
}
