//! What an import leaves as it is: word lists, and how they are judged.

use crate::settings::{Entry, Map, in_file_order};

/// Sections that say nothing of hooks and business servers.
const KEPT: [&str; 5] = ["lists", "each_list", "filters", "failure", "lint"];

/// The sections of a policy, as they are written, and the keys of those that are not kept.
pub(super) fn sections(text: &str, root: &Map) -> (String, Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    let entries = in_file_order(root);
    let starts: Vec<usize> = entries
        .iter()
        .map(|entry| start_of(entry, &lines))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    let mut kept = String::new();
    let mut left_out = Vec::new();
    for ((entry, start), end) in entries.iter().zip(&starts).zip(ends) {
        if KEPT.iter().any(|key| key.eq_ignore_ascii_case(&entry.key)) {
            let section = lines.get(*start..end).unwrap_or_default().join("\n");
            kept.push_str(section.trim_end());
            kept.push_str("\n\n");
        } else {
            left_out.push(entry.key.clone());
        }
    }
    (kept, left_out)
}

/// The first line of a section, with the comment right above it; from 0.
fn start_of(entry: &Entry, lines: &[&str]) -> usize {
    let mut start = (entry.key_place.line as usize).saturating_sub(1);
    while start > 0 && lines[start - 1].starts_with('#') {
        start -= 1;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::probes::map_of;

    #[test]
    fn lists_are_kept_with_their_comments_and_the_rest_is_named() {
        let policy = "# A head.\n\n# Asked.\ncallbackUrl: http://b\n\n# Words.\nlists:\n  a:\n    \
                      # of ads\n    file: lists/a.txt\n\nhooks:\n  beforeMsgModify:\nfailure: {code: 20001}\n";
        let (kept, left_out) = sections(policy, &map_of(policy));
        assert_eq!(
            kept,
            "# Words.\nlists:\n  a:\n    # of ads\n    file: lists/a.txt\n\nfailure: {code: 20001}\n\n"
        );
        assert_eq!(left_out, ["callbackUrl", "hooks"]);
    }
}
