//! Small parts: headings, notices, badges, tables.

use maud::{Markup, Render, html};

use super::super::visit::Visit;
use super::texts::TEXTS;

/// What something means to who reads it; never told by its colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Tone {
    /// As it should be.
    Good,
    /// Somebody must do something.
    Bad,
    /// Somebody should look.
    Warn,
    /// Something was done to a message on purpose.
    Info,
    /// Of no interest now.
    Quiet,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Warn => "warn",
            Tone::Info => "info",
            Tone::Quiet => "quiet",
        }
    }
}

/// The title of a page, with one sentence that says what it is for.
pub(in super::super) fn heading(title: impl Render, lead: impl Render) -> Markup {
    html! {
        header .heading {
            h1 { (title) }
            p .lead { (lead) }
        }
    }
}

/// A part of a page with a heading of its own.
pub(in super::super) fn section(title: impl Render, body: impl Render) -> Markup {
    html! {
        section {
            h2 { (title) }
            (body)
        }
    }
}

/// A short word for a state or an outcome.
pub(in super::super) fn badge(tone: Tone, text: impl Render) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (text) } }
}

/// Something to be known before anything else on the page.
pub(in super::super) fn notice(tone: Tone, body: impl Render) -> Markup {
    html! { div class={ "notice " (tone.class()) } role="status" { (body) } }
}

/// Why nothing was done.
pub(in super::super) fn problem(text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text {
            div .notice.bad role="alert" { p { (text) } }
        }
    }
}

/// What was done.
pub(in super::super) fn done(body: impl Render) -> Markup {
    notice(Tone::Good, html! { p { (body) } })
}

/// A text of ours in which what is to be written somewhere stands between backticks.
pub(in super::super) fn coded(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

/// What stands where there is nothing yet, and how something comes there.
pub(in super::super) fn empty(text: impl Render, hint: impl Render) -> Markup {
    html! {
        div .empty {
            p { strong { (text) } }
            div .hint { (hint) }
        }
    }
}

/// A link that looks like a quiet button.
pub(in super::super) fn link(path: &str, text: impl Render) -> Markup {
    html! { a .button href=(path) { (text) } }
}

/// A table with a caption, which may be scrolled sideways alone where there is no room.
///
/// `columns`: their names; one that begins with `#` holds numbers. `rows` are `tr`s. Give the
/// first link of a row `data-row`, so that keys go from row to row.
pub(in super::super) fn table(caption: impl Render, columns: &[&str], rows: impl Render) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label=(caption.render().into_string()) {
            table {
                caption { (caption) }
                thead {
                    tr {
                        @for column in columns {
                            @match column.strip_prefix('#') {
                                Some(column) => th .number scope="col" { (column) },
                                None => th scope="col" { (column) },
                            }
                        }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}

/// The way to older rows and back to the newest; `next` is the cursor behind the last row shown.
pub(in super::super) fn pager(visit: &Visit, next: Option<&str>) -> Markup {
    let texts = visit.say(&TEXTS);
    let is_first = visit.asks("after").is_empty();
    html! {
        @if next.is_some() || !is_first {
            nav .pager aria-label=(texts.pages) {
                @if !is_first { a .button href=(visit.with("after", "")) { (texts.newest) } }
                @if let Some(next) = next {
                    a .button href=(visit.with("after", next)) rel="next" { (texts.older) }
                }
            }
        }
    }
}
