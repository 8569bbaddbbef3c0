//! Try: a text or a call, decided as a policy would, step by step; nobody is asked.

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::changes::aside;
use super::explained::explained;
use super::frame::{
    Choice, Tone, area, coded, empty, heading, hostile, link, notice, of_core, page, problem,
    section, select,
};
use super::trying_words::{TryWords, WORDS};
use super::visit::{Answer, Visit, path_part};
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::admin::trying::{NotTried, Wanted, before_hooks, explain, kept_texts};
use crate::event::DialectId;
use crate::history::{PlacedText, Row};
use crate::operators::Capability;
use crate::policy::Explanation;

/// What the field holds that says which hook sees a text, when all that are on do.
const EVERY_HOOK: &str = "";
/// Earlier versions that can be chosen.
const VERSIONS: usize = 20;

/// What the page is about: its form, its address, or a decision that its address names.
#[derive(Default)]
struct Meant {
    wanted: Wanted,
    /// The decision that it came from.
    decision: Option<String>,
    /// Why there is nothing of it.
    missing: Option<String>,
}

pub(in crate::admin) async fn try_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let meant = meant(&admin, &visit, words).await;
    let wanted = &meant.wanted;
    let tried = match visit.is_form || !wanted.text.is_empty() {
        true => Some(explain(&admin, wanted.clone()).await),
        false => None,
    };
    let status = match &tried {
        Some(Err(_)) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let body = html! {
        (heading(words.title, words.lead))
        @if let Some(id) = &meant.decision {
            p { (link(&format!("/decisions/{}", path_part(id)), words.from_decision)) }
        }
        @if let Some(why) = &meant.missing { (notice(Tone::Warn, html! { p { (why) } })) }
        (form(&admin, words, wanted).await)
        div #result .answer aria-live="polite" {
            @match &tried {
                None => (examples(words)),
                Some(Err(why)) => (problem(Some(&told(&visit, words, why)))),
                Some(Ok(all)) if all.is_empty() => (empty(words.no_hook, coded(words.no_hook_hint))),
                Some(Ok(all)) => {
                    @for one in all { (explained(&visit, one)) }
                    (as_case(&visit, words, wanted, all))
                }
            }
        }
    };
    Ok(page(status, &visit, words.title, &body))
}

async fn meant(admin: &Admin, visit: &Visit, words: &TryWords) -> Meant {
    let said = |name: &str| match visit.is_form {
        true => visit.field(name).to_owned(),
        false => visit.asks(name).to_owned(),
    };
    let mut meant = Meant {
        wanted: Wanted {
            text: said("text"),
            hook: said("hook"),
            form: said("form"),
            version: said("version").parse().ok(),
        },
        ..Meant::default()
    };
    let id = visit.asks("decision");
    if visit.is_form || id.is_empty() {
        return meant;
    }
    // Its text is not in the address, which browsers and proxies remember.
    match kept_texts(admin, &visit.asked, id).await {
        Ok((row, texts)) => {
            meant.wanted.hook = row.hook.to_string();
            let texts = texts.unwrap_or_default();
            match text_of(&row, texts, visit.asks("place")) {
                Some(text) => meant.wanted.text = text.value,
                None => meant.missing = Some(words.text_gone.to_owned()),
            }
            meant.decision = Some(row.id.to_string());
        }
        Err(why) if why.status == StatusCode::FORBIDDEN => {
            meant.missing = Some(words.text_right.to_owned());
        }
        Err(why) => meant.missing = Some(of_core(visit, why)),
    }
    meant
}

/// The text at a place; where none is named the one that something was found in, and not the nickname
/// that stands before it.
fn text_of(row: &Row, mut texts: Vec<PlacedText>, place: &str) -> Option<PlacedText> {
    let found = row.matches.first().map(|found| found.place.as_str());
    let place = Some(place).filter(|place| !place.is_empty()).or(found);
    let at = match place {
        Some(place) => texts.iter().position(|text| text.place == place)?,
        None => 0,
    };
    (at < texts.len()).then(|| texts.swap_remove(at))
}

fn told(visit: &Visit, words: &TryWords, why: &NotTried) -> String {
    match why {
        NotTried::UnknownHook => words.unknown_hook.to_owned(),
        NotTried::UnknownForm => words.unknown_form.to_owned(),
        NotTried::UnknownCommand(command) => format!("{}: `{command}`", words.unknown_command),
        NotTried::ABatch => words.a_batch.to_owned(),
        NotTried::Unreadable(why) => format!("{}: {why}", words.unreadable),
        NotTried::Version(why) => format!("{}: {why}", words.no_version),
        NotTried::Broken(why) => of_core(visit, ApiProblem::internal(why)),
    }
}

async fn form(admin: &Admin, words: &TryWords, wanted: &Wanted) -> Markup {
    let snapshot = admin.policies.current();
    let hooks = before_hooks(&snapshot);
    let hooks = hooks.iter().map(|hook| (hook.name, hook.name));
    let hooks: Vec<Choice<'_>> = [(EVERY_HOOK, words.every_hook)]
        .into_iter()
        .chain(hooks)
        .collect();
    let dialects = DialectId::ALL.map(|id| (id.name(), id.name()));
    let dialects: Vec<Choice<'_>> = [("", words.a_text)].into_iter().chain(dialects).collect();
    let versions = versions(admin, wanted.version).await;
    let versions = versions.iter().map(|number| (&**number, &**number));
    let versions: Vec<Choice<'_>> = [("", words.in_force)].into_iter().chain(versions).collect();
    let chosen = wanted.version.map(|number| number.to_string());
    html! {
        form method="post" action="/try" data-typing="result" data-save {
            (area(words.text, "text", 4, &wanted.text, words.text_hint, None))
            div .row {
                (select(words.hook, "hook", &hooks, &wanted.hook))
                (select(words.form, "form", &dialects, &wanted.form))
                (select(words.version, "version", &versions, chosen.as_deref().unwrap_or_default()))
                button .primary { (words.go) }
            }
        }
    }
}

/// Numbers of versions that are kept, newest first, and the one that is asked for.
async fn versions(admin: &Admin, asked: Option<u64>) -> Vec<String> {
    let store = admin.versions.store();
    let mut numbers = aside(move || store.numbers().unwrap_or_default()).await;
    let now = admin.policies.current().version.number;
    numbers.retain(|number| *number != now);
    numbers.truncate(VERSIONS);
    if let Some(asked) = asked.filter(|asked| *asked != now && !numbers.contains(asked)) {
        numbers.push(asked);
    }
    numbers.iter().map(u64::to_string).collect()
}

/// The case of a policy test that holds what came out, to be put beside the policy.
fn as_case(visit: &Visit, words: &TryWords, wanted: &Wanted, all: &[Explanation]) -> Markup {
    if !visit.may(Capability::Operate) || !wanted.form.is_empty() {
        return html! {};
    }
    // JSON is YAML, and says every character of it safely.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut case = String::from("cases:\n");
    for one in all {
        let action = one.decided.verdict.name();
        let found = one.texts.iter().flat_map(|text| &text.matches);
        let found: Vec<String> = found
            .map(|found| quoted(&format!("{}/{}", found.list, found.entry)))
            .collect();
        case.push_str(&format!(
            "  {}:\n    hook: {}\n    text: {}\n    expect: {{action: {action}, matches: [{}]}}\n",
            quoted(&format!("{} at {}: {action}", words.case_name, one.hook)),
            one.hook,
            quoted(&wanted.text),
            found.join(", "),
        ));
    }
    section(
        words.keep,
        html! {
            p .hint { (coded(words.keep_hint)) }
            details {
                summary { (words.keep_show) }
                pre tabindex="0" #case { (hostile(visit, &case)) }
            }
        },
    )
}

/// Texts that show what the filter sees through; each is a form, so that it works without a script.
fn examples(words: &TryWords) -> Markup {
    let hint = html! {
        @for text in words.examples {
            form .example method="post" action="/try" {
                input type="hidden" name="text" value=(text);
                button { bdi { (text) } }
            }
        }
    };
    empty(words.nothing_yet, hint)
}
