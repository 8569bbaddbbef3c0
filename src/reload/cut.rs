//! Whether a list that was written in place seems to be cut off: an upload that broke, or whose end is
//! still to come.
//!
//! Nothing marks the end of a list, so it is judged by what it lost. A list of less than a page is
//! written at once and is not looked at, unless nothing is left of it.

use std::collections::HashSet;

/// What is shorter arrives whole: one write, one page.
const SMALL_BYTES: usize = 4096;
/// Somebody may take away so many entries from the end of a list, or one in a hundred.
const END_MIN: usize = 10;
const END_SHARE: usize = 100;

/// Says why the content of a list seems to be cut off, beside the one in force.
pub(super) fn looks_cut(old: &[u8], new: &[u8]) -> Option<String> {
    if old == new {
        return None;
    }
    let before: Vec<&[u8]> = entries(old).collect();
    if new.trim_ascii().is_empty() && !before.is_empty() {
        return Some(format!("it is empty, and had {} entries", before.len()));
    }
    if old.len() < SMALL_BYTES {
        return None;
    }
    let (had, has) = (before.len(), entries(new).count());
    if has >= had {
        return None;
    }
    let lost = had - has;
    if 2 * has < had {
        return Some(format!("{lost} of {had} entries are gone, more than half"));
    }
    if old.ends_with(b"\n") && !new.ends_with(b"\n") {
        return Some(format!(
            "its last line has no end, and {lost} of {had} entries are gone"
        ));
    }
    let after: HashSet<&[u8]> = entries(new).collect();
    let at_end = before.iter().rev();
    let end = at_end.take_while(|entry| !after.contains(*entry)).count();
    (end >= END_MIN.max(had / END_SHARE))
        .then(|| format!("the last {end} of {had} entries are gone"))
}

fn entries(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = content.split(|byte| *byte == b'\n');
    let lines = lines.map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: std::ops::Range<usize>) -> String {
        entries.map(|number| format!("entry {number}\n")).collect()
    }

    #[test]
    fn a_list_that_is_cut_off_anywhere_but_near_its_end_shows() {
        let whole = list(0..2000);
        let edited = whole.replace("entry 7\n", "entry seven\nand another\n");
        for new in [&whole, &edited] {
            // Everywhere near the end, and at every kind of place before.
            let near_end = new.len() - 400..new.len();
            for bytes in (0..new.len()).step_by(13).chain(near_end) {
                let cut = &new.as_bytes()[..bytes];
                let lines_left = new[bytes..].lines().count();
                let shows = looks_cut(whole.as_bytes(), cut).is_some();
                // In the middle of a line it shows to the last one; between two lines somebody may
                // have taken away the rest.
                let must = match cut.ends_with(b"\n") {
                    true => lines_left > 21,
                    false => bytes + 30 < new.len(),
                };
                assert!(shows || !must, "cut at {bytes} of {}", new.len());
            }
        }
    }

    #[test]
    fn what_people_do_to_lists_is_no_cut() {
        let whole = list(0..2000);
        let check = |new: &str, why: &str| {
            assert_eq!(looks_cut(whole.as_bytes(), new.as_bytes()), None, "{why}");
        };
        check(&whole, "nothing");
        check(&list(0..1999), "the last one removed");
        check(&list(0..1985), "the last fifteen removed");
        check(&list(900..2000), "the first part removed");
        check(&(list(0..500) + &list(1400..2000)), "the middle removed");
        check(&list(0..4000), "more");
        check(whole.trim_end(), "an editor that ends no last line");
        check(&whole.replace('\n', "\r\n"), "other line ends");
        check(&list(5000..7000), "another list of the same length");
        // Small lists are written at once.
        let small = list(0..100);
        assert_eq!(looks_cut(small.as_bytes(), b"entry 3\n"), None);
        assert_eq!(looks_cut(small.as_bytes(), b"# none\n"), None);
    }

    #[test]
    fn an_emptied_list_shows_however_short_it_was() {
        for new in ["", "\n", "  \r\n"] {
            assert!(looks_cut(b"one\n", new.as_bytes()).is_some());
            assert_eq!(looks_cut(b"# none\n", new.as_bytes()), None);
        }
    }
}
