//! Entries that go from one word list to another: choosing where, and what they would lead to there.

use maud::{Markup, html};

use super::frame::{Tone, hostile, notice, number, section, select, table};
use super::language::Both;
use super::list_parts::{action, path};
use super::visit::Visit;
use crate::admin::shown::Admin;
use crate::admin::word_lists;
use crate::lists::{MoveShown, Page};

/// The form that the boxes beside the entries belong to.
const FORM: &str = "moving";

struct MoveWords {
    title: &'static str,
    lead: &'static str,
    pick: &'static str,
    into: &'static str,
    preview: &'static str,
    moves: &'static str,
    to: &'static str,
    listed: &'static str,
    actions: &'static str,
    here: &'static str,
    there: &'static str,
    entries: &'static str,
    nothing: &'static str,
    hooks_left: &'static str,
    hooks_new: &'static str,
    other_options: &'static str,
    over_budget: &'static str,
}

static WORDS: Both<MoveWords> = Both {
    english: MoveWords {
        title: "Move entries to another list",
        lead: "Tick the entries above. Their lines go as they are written, in one version, and an entry is never in neither list. Nothing is saved yet: you see first what it would change.",
        pick: "Move the entry in line",
        into: "To the list",
        preview: "Preview the move",
        moves: "Move",
        to: "Where they go",
        listed: "in that list already; its own lines stay as they are:",
        actions: "What the entries lead to",
        here: "In this list",
        there: "In that list",
        entries: "Entries",
        nothing: "not in force",
        hooks_left: "Not looked for any more in:",
        hooks_new: "Looked for from then on in:",
        other_options: "That list folds texts otherwise: an entry may find other spellings there than here.",
        over_budget: "This hits many messages that pass today.",
    },
    chinese: MoveWords {
        title: "把词条移到另一个词表",
        lead: "勾选上面的词条。各行原样移过去，在同一个版本中生效，任何时候词条都不会两边都没有。现在还不会保存：先看看会改变什么。",
        pick: "移动此行的词条：",
        into: "移到词表",
        preview: "预览移动",
        moves: "移动",
        to: "移到哪里",
        listed: "个那里已有；那里的行保持不变：",
        actions: "词条的处理",
        here: "在这个词表",
        there: "在那个词表",
        entries: "词条数",
        nothing: "未生效",
        hooks_left: "不再查找的钩子：",
        hooks_new: "此后查找的钩子：",
        other_options: "那个词表对文本的归一化不同：词条在那里命中的写法可能不同。",
        over_budget: "这会命中许多现在能通过的消息。",
    },
};

/// The lists that entries of this one can be moved to by who asks.
pub(super) fn targets(admin: &Admin, visit: &Visit, from: &Page) -> Vec<String> {
    let all = admin.lists.all().into_iter();
    let others = all.filter(|other| other.file.is_some() && other.file != from.list.file);
    let own = others.filter(|other| word_lists::may_change(admin, &visit.asked, &other.name));
    own.map(|other| other.name).collect()
}

/// The box beside an entry.
pub(super) fn pick(visit: &Visit, line: u32, entry: &str) -> Markup {
    // By its line: an entry may be any text.
    let name = format!("{} {line}", visit.say(&WORDS).pick);
    html! {
        label .pick {
            input type="checkbox" name="move" value=(entry) form=(FORM) aria-label=(name);
            " " (line)
        }
    }
}

/// Where the chosen entries go.
pub(super) fn form(visit: &Visit, shown: &Page, targets: &[String]) -> Markup {
    let words = visit.say(&WORDS);
    let choices: Vec<(&str, &str)> = targets.iter().map(|name| (&**name, &**name)).collect();
    let form = html! {
        p .hint { (words.lead) }
        form id=(FORM) method="get" action={ (path(&shown.list.name)) "/draft" } {
            (select(words.into, "into", &choices, ""))
            input type="hidden" name="base" value=(shown.hash);
            div .acts { button { (words.preview) } }
        }
    };
    section(words.title, form)
}

/// What the button that saves a move says.
pub(super) fn button(visit: &Visit) -> &'static str {
    visit.say(&WORDS).moves
}

pub(super) fn over_budget(visit: &Visit) -> Markup {
    notice(Tone::Warn, html! { p { (visit.say(&WORDS).over_budget) } })
}

/// What becomes of entries that are moved.
pub(super) fn shown(visit: &Visit, moved: &MoveShown) -> Markup {
    let words = visit.say(&WORDS);
    let named = |action: &Option<String>| {
        html! { @match action { Some(name) => (self::action(name)), None => span .hint { (words.nothing) } } }
    };
    let columns = [words.here, words.there, &format!("#{}", words.entries)];
    let rows = html! {
        @for one in &moved.actions {
            tr {
                td { (named(&one.from)) }
                td { (named(&one.to)) }
                td .number { (number(one.entries as u64)) }
            }
        }
    };
    let body = html! {
        p { strong { (moved.to) } " " span .hint { (moved.file) } }
        @if let Some(why) = &moved.read_only { (notice(Tone::Info, hostile(visit, why))) }
        @if moved.listed > 0 {
            p {
                (number(moved.listed as u64)) " " (words.listed) " "
                @for (at, entry) in moved.listed_entries.iter().enumerate() {
                    @if at > 0 { ", " } (hostile(visit, entry))
                }
                @if moved.listed > moved.listed_entries.len() { " …" }
            }
        }
        (table(words.actions, &columns, rows))
        @for (said, hooks) in [(words.hooks_left, &moved.hooks_left), (words.hooks_new, &moved.hooks_new)] {
            @if !hooks.is_empty() { p { (said) " " (hooks.join(", ")) } }
        }
        @if moved.other_options { p { (words.other_options) } }
    };
    section(words.to, body)
}
