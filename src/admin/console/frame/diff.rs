//! The lines in which two texts differ.

use maud::{Markup, html};
use similar::{ChangeTag, TextDiff};

use super::super::visit::Visit;
use super::chips::hostile;
use super::texts::TEXTS;

/// Lines of the same text around those that differ.
const AROUND: usize = 3;
/// As many lines as a page shows.
const LINES_MAX: usize = 2000;

/// What differs between two texts, line by line.
pub(in super::super) fn diff(visit: &Visit, name: &str, old: &str, new: &str) -> Markup {
    let texts = visit.say(&TEXTS);
    let diff = TextDiff::from_lines(old, new);
    let groups = diff.grouped_ops(AROUND);
    if groups.is_empty() {
        return html! { p .hint { (texts.same) } };
    }
    let mut left = LINES_MAX;
    html! {
        div .scroll tabindex="0" role="region" aria-label={ (texts.diff) " " (name) } {
            table .diff {
                thead .unseen {
                    tr {
                        th scope="col" { (texts.old_line) }
                        th scope="col" { (texts.new_line) }
                        th scope="col" { "±" }
                        th scope="col" { (texts.line) }
                    }
                }
                @for group in &groups {
                    tbody {
                        @for op in group {
                            @for change in diff.iter_changes(op) {
                                @if left > 0 {
                                    ({ left -= 1; line(visit, change.tag(), change.old_index(), change.new_index(), change.value()) })
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn line(
    visit: &Visit,
    tag: ChangeTag,
    old: Option<usize>,
    new: Option<usize>,
    text: &str,
) -> Markup {
    let texts = visit.say(&TEXTS);
    let (class, sign, meaning) = match tag {
        ChangeTag::Equal => ("", "", ""),
        ChangeTag::Delete => ("removed", "−", texts.removed),
        ChangeTag::Insert => ("added", "+", texts.added),
    };
    let number = |index: Option<usize>| index.map(|index| (index + 1).to_string());
    // The end of the line is not a part of it, but a changed one is: CR shows.
    let text = text.strip_suffix('\n').unwrap_or(text);
    html! {
        tr .(class) {
            td .number { (number(old).unwrap_or_default()) }
            td .number { (number(new).unwrap_or_default()) }
            td title=(meaning) { (sign) span .unseen { (meaning) } }
            td { (hostile(visit, text)) }
        }
    }
}
