//! The frame around every page: navigation, who is logged in, the switches, and the own files.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use super::super::language::Language;
use super::super::taste::Light;
use super::super::visit::Visit;
use super::navigation::{NAVIGATION, place_of};
use super::parts::{Tone, coded, heading, notice};
use super::texts::{TEXTS, Texts};
use crate::admin::who::Who;

const WAYS_IN: [&str; 2] = ["/login", "/setup"];

pub(in crate::admin) async fn style() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    (kind, include_str!("../console.css")).into_response()
}

pub(in crate::admin) async fn script() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, include_str!("../console.js")).into_response()
}

pub(in crate::admin) async fn setup_script() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, include_str!("../setup.js")).into_response()
}

/// A whole page; `title` is what its tab is called.
pub(in super::super) fn page(
    status: StatusCode,
    visit: &Visit,
    title: &str,
    body: &Markup,
) -> Response {
    let texts = visit.say(&TEXTS);
    let light: &str = visit.taste.light.into();
    // Nobody goes elsewhere from there.
    let is_way_in = visit.asked.who == Who::Nobody || WAYS_IN.contains(&visit.path.as_str());
    let keys = if visit.taste.keys { "on" } else { "off" };
    let page = html! {
        (DOCTYPE)
        html lang=(visit.language().tag()) data-light=(light) data-keys=(keys) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Without an exception for ourselves our own forms would come from nowhere.
                meta name="referrer" content="same-origin";
                title { (title) " · callgate" }
                link rel="stylesheet" href="/console/style.css";
                script src="/console/console.js" defer {}
            }
            body .plain[is_way_in] {
                a .skip href="#content" { (texts.skip) }
                (top(visit, texts))
                main #content tabindex="-1" {
                    @if !is_way_in && visit.asked.who == Who::Anyone { (open_to_all(texts)) }
                    (body)
                }
                (key_list(texts, visit))
            }
        }
    };
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, kind, page.into_string()).into_response()
}

/// What is asked for is not there; `what` says what was looked for.
pub(in super::super) fn missing(visit: &Visit, what: &Markup) -> Response {
    let texts = visit.say(&TEXTS);
    let body = html! {
        (heading(texts.not_there, what))
        p { a .button href="/" { (texts.to_overview) } }
    };
    page(StatusCode::NOT_FOUND, visit, texts.not_there, &body)
}

fn open_to_all(texts: &Texts) -> Markup {
    let body = html! { p { strong { (texts.nobody) } " " (coded(texts.nobody_hint)) } };
    notice(Tone::Warn, body)
}

fn top(visit: &Visit, texts: &Texts) -> Markup {
    html! {
        header .top {
            a .brand href="/" { "callgate" }
            button .menu popovertarget="menu" { (texts.menu) }
            div #menu popover {
                @if !WAYS_IN.contains(&visit.path.as_str()) {
                    (navigation(visit, texts))
                    (who(visit, texts))
                }
                (switches(visit, texts))
            }
        }
    }
}

fn navigation(visit: &Visit, texts: &Texts) -> Markup {
    let here = place_of(&visit.path).map(|place| place.path);
    html! {
        nav aria-label=(texts.navigation) {
            @for group in &NAVIGATION {
                @let seen = group.places.iter().filter(|place| visit.may(place.capability));
                @if seen.clone().next().is_some() {
                    p .group { (visit.say(&group.name)) }
                    ul {
                        @for place in seen {
                            @let is_here = here == Some(place.path);
                            li { a href=(place.path) aria-current=[is_here.then_some("page")] { (visit.say(&place.name)) } }
                        }
                    }
                }
            }
        }
    }
}

fn who(visit: &Visit, texts: &Texts) -> Markup {
    html! {
        @match &visit.asked.who {
            Who::Known(identity) => {
                form .who method="post" action="/logout" {
                    p { bdi { (identity.name) } br; span .hint { (identity.grant.role.name()) } }
                    @if visit.logged_in().is_ok() { button { (texts.log_out) } }
                }
            }
            _ => p .who { a .button href="/login" { (texts.log_in) } },
        }
    }
}

/// Language, light or dark: forms, so that they work without a script.
fn switches(visit: &Visit, texts: &Texts) -> Markup {
    let back = back(visit);
    let lights = [
        (Light::Auto, texts.auto),
        (Light::Bright, texts.bright),
        (Light::Dark, texts.dark),
    ];
    html! {
        form .switches method="post" action="/console/switch" {
            input type="hidden" name="back" value=(back);
            div role="group" aria-label=(texts.language) {
                @for language in Language::ALL {
                    button name="language" value=(language.tag()) lang=(language.tag())
                        aria-pressed=(language == visit.language()) { (language.own_name()) }
                }
            }
            div role="group" aria-label=(texts.light) {
                @for (light, name) in lights {
                    @let value: &str = light.into();
                    button name="light" value=(value) aria-pressed=(light == visit.taste.light) { (name) }
                }
            }
        }
    }
}

/// Where a switch leads back to: what came of a form is not asked for again.
fn back(visit: &Visit) -> String {
    match (visit.is_form, place_of(&visit.path)) {
        (true, Some(place)) => place.path.to_owned(),
        _ => visit.with("", ""),
    }
}

/// Opened by `?`; what it says is of no use without a script.
fn key_list(texts: &Texts, visit: &Visit) -> Markup {
    let (turn, name) = match visit.taste.keys {
        true => ("off", texts.keys_off),
        false => ("on", texts.keys_on),
    };
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { (texts.keys) }
            dl .facts {
                @for (keys, meaning) in texts.key_lines {
                    dt { @for key in keys.split(' ') { kbd { (key) } " " } }
                    dd { (meaning) }
                }
            }
            form method="post" action="/console/switch" {
                input type="hidden" name="back" value=(back(visit));
                div .acts {
                    button name="keys" value=(turn) { (name) }
                    button .close type="button" { (texts.close) }
                }
            }
        }
        p #offline role="status" hidden { (texts.offline) }
    }
}
