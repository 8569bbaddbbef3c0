//! What all pages have: their frame, their style and their script.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use super::words::Words;

pub(in crate::admin) async fn style() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("console.css")).into_response()
}

pub(in crate::admin) async fn script() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, include_str!("setup.js")).into_response()
}

/// A whole page.
pub(super) fn page(status: StatusCode, words: &Words, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang=(words.language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Without an exception for ourselves our own forms would come from nowhere.
                meta name="referrer" content="same-origin";
                title { (title) " · callgate" }
                link rel="stylesheet" href="/console/style.css";
            }
            body { (body) }
        }
    };
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, kind, page.into_string()).into_response()
}

/// Why nothing was done.
pub(super) fn problem(text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text {
            p .problem role="alert" { (text) }
        }
    }
}

/// A labelled field that must be filled in.
pub(super) fn field(label: &str, id: &str, kind: &str, autocomplete: &str, value: &str) -> Markup {
    html! {
        label for=(id) { (label) }
        input id=(id) name=(id) type=(kind) autocomplete=(autocomplete) value=(value) required;
    }
}
