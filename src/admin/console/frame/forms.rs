//! Fields of forms, each with its label, and with what is wrong with it.

use maud::{Markup, Render, html};

use super::super::visit::Visit;
use super::texts::TEXTS;

/// One of the values of a field to choose from.
pub(in super::super) type Choice<'a> = (&'a str, &'a str);

/// A labelled field that must be filled in.
pub(in super::super) fn field(
    label: &str,
    id: &str,
    kind: &str,
    autocomplete: &str,
    value: &str,
) -> Markup {
    html! {
        div .field {
            label for=(id) { (label) }
            input id=(id) name=(id) type=(kind) autocomplete=(autocomplete) value=(value) required;
        }
    }
}

/// A labelled field that may stay empty.
pub(in super::super) fn optional(label: &str, id: &str, kind: &str, value: &str) -> Markup {
    html! {
        div .field {
            label for=(id) { (label) }
            input id=(id) name=(id) type=(kind) value=(value) autocomplete="off" spellcheck="false";
        }
    }
}

/// A field of several lines; `hint` and `problem` are told with it.
pub(in super::super) fn area(
    label: &str,
    id: &str,
    rows: u32,
    value: &str,
    hint: &str,
    problem: Option<&str>,
) -> Markup {
    let told = format!("{id}-told");
    html! {
        div .field.wide {
            label for=(id) { (label) }
            // A line break right behind the tag would be lost.
            textarea id=(id) name=(id) rows=(rows) spellcheck="false" dir="auto"
                aria-describedby=(told) aria-invalid=[problem.map(|_| "true")] { "\n" (value) }
            div id=(told) {
                @if let Some(problem) = problem { p .wrong { (problem) } }
                @if !hint.is_empty() { p .hint { (hint) } }
            }
        }
    }
}

/// One of several values, as `(value, name)`.
pub(in super::super) fn select(
    label: &str,
    id: &str,
    choices: &[Choice<'_>],
    chosen: &str,
) -> Markup {
    html! {
        div .field {
            label for=(id) { (label) }
            select id=(id) name=(id) {
                @for (value, name) in choices {
                    option value=(value) selected[*value == chosen] { (name) }
                }
            }
        }
    }
}

/// Yes or no.
pub(in super::super) fn tick(label: impl Render, name: &str, is_ticked: bool) -> Markup {
    html! {
        label .tick {
            input type="checkbox" name=(name) value="1" checked[is_ticked];
            span { (label) }
        }
    }
}

/// The bar above a table: a form that asks for the same page with other values.
pub(in super::super) fn filters(visit: &Visit, fields: impl Render) -> Markup {
    let texts = visit.say(&TEXTS);
    asking(visit, (texts.filters, texts.filter, texts.clear), fields)
}

/// What else a page may show, asked for by its address; `name` says what the form is for.
pub(in super::super) fn choosing(visit: &Visit, name: &str, fields: impl Render) -> Markup {
    let texts = visit.say(&TEXTS);
    asking(visit, (name, texts.show, texts.clear), fields)
}

fn asking(visit: &Visit, (name, button, clear): (&str, &str, &str), fields: impl Render) -> Markup {
    html! {
        form .filters method="get" action=(visit.path) role="search" aria-label=(name) {
            (fields)
            div .acts {
                button .primary { (button) }
                @if !visit.query.is_empty() { a .button href=(visit.path) { (clear) } }
            }
        }
    }
}
