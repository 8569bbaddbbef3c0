//! A change of a word list: what it would do, and saving it. The draft is the address, so it is
//! kept wherever one goes; only saving is a form that changes something.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::{StatusCode, header};
use maud::{Markup, html};

use super::draft_shown::{effect, lines, report};
use super::frame::{
    Tone, area, field, heading, hostile, link, missing, notice, of_core, of_not_saved, page,
};
use super::list_conflict::conflict_page;
use super::list_move;
use super::list_parts::{Pair, asks, encoded, failed, path, refused};
use super::lists::state;
use super::lists_words::{ListsWords, WORDS};
use super::visit::{Answer, Visit, go_to};
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::admin::word_lists::{self, NotDone};
use crate::editor::{Document, Op, Said, What, Which};
use crate::import::WordImport;
use crate::lists::{
    Base, Edit, Imported, Lists, NotSaved, Page, Preview, Verdict, Wanted, as_trial,
};

/// What stands in the address of a draft.
struct Draft {
    edit: Edit,
    imported: Option<Imported>,
    given: Vec<String>,
}

impl Draft {
    /// Errors: the list has nothing of what is meant.
    fn read(lists: &Lists, list: &str, pairs: &[Pair]) -> Result<Draft, NotSaved> {
        let which = |entry: &str| Which {
            entry: entry.to_owned(),
            line: asks(pairs, "line").parse().ok(),
        };
        let mut ops = Vec::new();
        let mut imported = None;
        let added = asks(pairs, "add");
        if !added.trim().is_empty() && !asks(pairs, "import").is_empty() {
            let found = lists.import(list, added.as_bytes(), &WordImport::default())?;
            ops.extend(found.ops.iter().cloned());
            imported = Some(found);
        } else {
            let tags = tags(asks(pairs, "tags"));
            ops.extend(added_lines(added, asks(pairs, "section"), &tags));
        }
        for (name, value) in pairs {
            match &**name {
                "remove" => ops.push(Op::Remove {
                    which: which(value),
                }),
                "set" => ops.push(Op::Set {
                    which: which(value),
                    to: Some(asks(pairs, "to").trim().to_owned()).filter(|to| !to.is_empty()),
                    tags: Some(tags(asks(pairs, "tags"))),
                    options: Some(asks(pairs, "options").trim().to_owned()),
                }),
                "promote" | "drop" => {
                    let verdict = match &**name {
                        "promote" => Verdict::Promote,
                        _ => Verdict::Drop,
                    };
                    ops.extend(lists.end_trial(list, std::slice::from_ref(value), verdict)?);
                }
                _ => {}
            }
        }
        let moving = pairs.iter().filter(|(name, _)| name == "move");
        let moving: Vec<String> = moving.map(|(_, entry)| entry.clone()).collect();
        // A move is nothing but that.
        let to = (!moving.is_empty()).then(|| asks(pairs, "into").to_owned());
        if to.is_some() {
            ops = lists.taking(list, &moving)?;
        }
        let given = asks(pairs, "texts").lines().map(str::trim);
        Ok(Draft {
            edit: Edit {
                list: list.to_owned(),
                base: base(asks(pairs, "base")),
                ops,
                to,
            },
            imported,
            given: given
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// Lines as a list file has them; a form sends them with CR.
fn added_lines(text: &str, section: &str, tags: &[String]) -> Vec<Op> {
    let section = Some(section.to_owned()).filter(|section| !section.is_empty());
    let document = Document::read(text.as_bytes());
    let entries = document.rows().filter_map(|row| match row.what {
        What::Entry(line) => {
            let mut said = Said::of(&line);
            said.tags.extend_from_slice(tags);
            Some(Op::Add {
                said,
                section: section.clone(),
            })
        }
        _ => None,
    });
    entries.collect()
}

fn tags(written: &str) -> Vec<String> {
    let tags = written.split(',').map(str::trim);
    tags.filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}

pub(in crate::admin) async fn draft_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    show(&admin, &visit, visit.query.clone(), None).await
}

/// The change as a patch, for who keeps the files elsewhere.
pub(in crate::admin) async fn draft_patch(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let (draft, _) = match read(&admin, &visit, visit.query.clone()).await {
        Ok(read) => read,
        Err(error) => return Ok(failed(&visit, &of_not_saved(&visit, &error))),
    };
    match word_lists::preview(&admin, &visit.asked, draft.edit, Vec::new()).await {
        Ok(preview) => {
            let kind = "text/x-diff; charset=utf-8";
            let name = format!(
                "attachment; filename=\"{}.patch\"",
                file_name(visit.param("name"))
            );
            let headers = [
                (header::CONTENT_TYPE, kind.to_owned()),
                (header::CONTENT_DISPOSITION, name),
            ];
            Ok((headers, preview.patch).into_response())
        }
        Err(NotDone::OtherList(why)) => Ok(refused(&visit, &why)),
        Err(error) => Ok(failed(&visit, &told(&visit, &error))),
    }
}

fn file_name(list: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    list.chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect()
}

/// The draft that a form brings, on trial if it says so.
pub(super) async fn of_form(
    admin: &Admin,
    visit: &Visit,
) -> Result<(Edit, Option<Imported>), NotSaved> {
    let (mut draft, _) = read(admin, visit, brought(visit)).await?;
    if visit.field("how") == "trial" {
        draft.edit.ops = as_trial(draft.edit.ops);
    }
    Ok((draft.edit, draft.imported))
}

/// The draft of a form that brings a whole list, in any of the forms that are read.
pub(super) async fn of_list(
    admin: &Admin,
    visit: &Visit,
) -> Result<(Edit, Option<Imported>), NotSaved> {
    let (lists, list) = (admin.lists.clone(), visit.param("name").to_owned());
    let text = visit.field("text").to_owned();
    let import = WordImport {
        tags: tags(visit.field("tags-of-all")),
        ..WordImport::default()
    };
    let base = base(visit.field("base"));
    let trial = !visit.field("trial").is_empty();
    let reading = tokio::task::spawn_blocking(move || {
        let imported = lists.import(&list, text.as_bytes(), &import)?;
        let ops = match trial {
            true => as_trial(imported.ops.clone()),
            false => imported.ops.clone(),
        };
        let edit = Edit {
            list,
            base,
            ops,
            to: None,
        };
        Ok((edit, Some(imported)))
    });
    let read = reading.await;
    read.map_err(|error| NotSaved::Io(error.to_string()))?
}

fn base(hash: &str) -> Base {
    match hash {
        "" => Base::Any,
        hash => Base::Hash(hash.to_owned()),
    }
}

fn brought(visit: &Visit) -> Vec<Pair> {
    let pairs = url::form_urlencoded::parse(visit.field("draft").as_bytes());
    pairs.into_owned().collect()
}

pub(in crate::admin) async fn save_list(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let edit = match of_form(&admin, &visit).await {
        Ok((edit, _)) => edit,
        Err(error) => return Ok(failed(&visit, &of_not_saved(&visit, &error))),
    };
    let (list, to) = (visit.param("name").to_owned(), edit.to.clone());
    match word_lists::save(&admin, &visit.asked, edit, visit.field("why")).await {
        Ok(saved) => Ok(go_to(&format!("{}?saved={}", path(&list), saved.version))),
        Err(NotDone::NotSaved(NotSaved::Conflicts(conflicts, now))) => {
            let lists = (&*list, to.as_deref());
            Ok(conflict_page(&visit, lists, &conflicts, &now))
        }
        Err(NotDone::OtherList(why)) => Ok(refused(&visit, &why)),
        Err(error) => {
            let wrong = Some(told(&visit, &error));
            show(&admin, &visit, brought(&visit), wrong).await
        }
    }
}

async fn read(admin: &Admin, visit: &Visit, pairs: Vec<Pair>) -> Result<(Draft, Page), NotSaved> {
    let (lists, name) = (admin.lists.clone(), visit.param("name").to_owned());
    let reading = tokio::task::spawn_blocking(move || {
        let none = Wanted {
            after: u32::MAX,
            rows_max: 1,
            search: String::new(),
            with_changes: false,
        };
        let page = lists.page(&name, &none)?;
        Ok((Draft::read(&lists, &name, &pairs)?, page))
    });
    match reading.await {
        Ok(read) => read,
        Err(error) => Err(NotSaved::Io(error.to_string())),
    }
}

/// The edit that a draft in an address is.
pub(super) async fn edit_of(admin: &Admin, list: &str, draft: &str) -> Result<Edit, NotSaved> {
    let (lists, name) = (admin.lists.clone(), list.to_owned());
    let pairs: Vec<Pair> = url::form_urlencoded::parse(draft.as_bytes())
        .into_owned()
        .collect();
    let reading = tokio::task::spawn_blocking(move || Draft::read(&lists, &name, &pairs));
    match reading.await {
        Ok(draft) => Ok(draft?.edit),
        Err(error) => Err(NotSaved::Io(error.to_string())),
    }
}

pub(super) fn told(visit: &Visit, error: &NotDone) -> String {
    let words = visit.say(&WORDS);
    match error {
        NotDone::NoReason => words.no_reason.to_owned(),
        NotDone::TooMany(ops) => {
            let most = word_lists::OPS_MAX;
            let why = format!("{ops} edits at once; {most} are the most");
            of_core(visit, ApiProblem::invalid(why))
        }
        NotDone::NotPlanned(_) => words.planned_first.to_owned(),
        NotDone::OtherList(why) => {
            let why = ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", why);
            of_core(visit, why)
        }
        NotDone::Unrecorded(status) => of_core(visit, status.clone()),
        NotDone::NotSaved(error) => of_not_saved(visit, error),
    }
}

/// The draft; `wrong` is why it could not be saved.
async fn show(admin: &Admin, visit: &Visit, pairs: Vec<Pair>, wrong: Option<String>) -> Answer {
    let words = visit.say(&WORDS);
    let list = visit.param("name").to_owned();
    let (draft, shown) = match read(admin, visit, pairs.clone()).await {
        Ok(read) => read,
        Err(NotSaved::NoList(..)) => return Ok(missing(visit, &html! { (words.not_there) })),
        Err(error) => return Ok(failed(visit, &of_not_saved(visit, &error))),
    };
    let is_stale =
        draft.edit.base != Base::Any && draft.edit.base != Base::Hash(shown.hash.clone());
    let (ops, to) = (draft.edit.ops.len(), draft.edit.to.clone());
    let is_empty = ops == 0;
    let preview = match is_empty {
        true => Err(words.empty_draft.to_owned()),
        false => {
            let looked = word_lists::preview(admin, &visit.asked, draft.edit, draft.given).await;
            match looked {
                Ok(preview) => Ok(preview),
                Err(NotDone::NotSaved(NotSaved::Conflicts(conflicts, now))) => {
                    let lists = (&*list, to.as_deref());
                    return Ok(conflict_page(visit, lists, &conflicts, &now));
                }
                Err(NotDone::OtherList(why)) => return Ok(refused(visit, &why)),
                Err(error) => Err(told(visit, &error)),
            }
        }
    };
    // A draft that cannot be saved now is a page as any other, and is taken anew when things change.
    let status = match &wrong {
        None => StatusCode::OK,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let title = format!("{} · {list}", words.draft);
    let body = html! {
        (heading(html! { (words.draft) ": " (shown.list.name) }, words.draft_lead))
        @if let Some(wrong) = &wrong {
            div .notice.bad role="alert" { p { strong { (words.not_saved) } } @for line in wrong.lines() { p { (hostile(visit, line)) } } }
        }
        div #live data-live="changes" {
            (state(visit, words, &shown))
            @if is_stale { (notice(Tone::Warn, html! { p { (words.edited_since) } })) }
        }
        @if let Some(imported) = &draft.imported { (report(visit, words, imported)) }
        @match &preview {
            Err(why) => {
                div .notice.bad role="alert" {
                    p { strong { (words.wrong) } }
                    @for line in why.lines() { p { (hostile(visit, line)) } }
                }
            }
            Ok(preview) => {
                @if let Some(moved) = &preview.moved { (list_move::shown(visit, moved)) }
                (lines(visit, words, preview))
                (effect(visit, words, preview))
                (save_form(admin, visit, words, &pairs, &shown, (ops, preview)))
                p { (link(&replayed(&list, &pairs), words.replay)) }
                (try_form(visit, words, &list, &pairs))
            }
        }
        div .acts { (link(&path(&list), words.back)) }
    };
    Ok(page(status, visit, &title, &body))
}

fn save_form(
    admin: &Admin,
    visit: &Visit,
    words: &ListsWords,
    pairs: &[Pair],
    shown: &Page,
    (ops, preview): (usize, &Preview),
) -> Markup {
    let (query, list) = (encoded(pairs), visit.param("name"));
    // Many entries are planned first: the reason belongs to the plan.
    let is_planned = ops > word_lists::UNPLANNED_OPS_MAX;
    let (to, save, trial) = match is_planned {
        true => ("plans", words.make_plan, words.make_trial_plan),
        false if preview.moved.is_some() => ("save", list_move::button(visit), words.trial),
        false => ("save", words.save, words.trial),
    };
    let moved = preview.moved.as_ref();
    let cannot = shown.read_only.as_ref();
    let cannot = cannot.or_else(|| moved?.read_only.as_ref());
    if cannot.is_some() {
        return html! {
            div .acts { a .button.primary href={ (path(list)) "/draft/patch?" (query) } { (words.patch) } }
        };
    }
    let is_over = preview.share > admin.preview_share_max;
    // What is moved is what it was: a trial would take it out of force.
    let adds = preview.added + preview.set > 0 && shown.list.action != "allow" && moved.is_none();
    html! {
        @if is_over && adds { (notice(Tone::Warn, html! { p { (words.over_budget) } })) }
        @if is_over && moved.is_some() { (list_move::over_budget(visit)) }
        form method="post" action={ (path(list)) "/" (to) } data-save {
            input type="hidden" name="draft" value=(query);
            @if is_planned { p { (words.planned_first) } }
            @else { (field(words.why, "why", "text", "off", visit.field("why"))) }
            div .acts {
                @if is_over && adds {
                    button .primary name="how" value="trial" { (trial) }
                    button name="how" value="save" { (save) }
                } @else {
                    button .primary name="how" value="save" { (save) }
                    @if adds { button name="how" value="trial" { (trial) } }
                }
            }
            @if adds { p .hint { (words.trial_hint) } }
        }
    }
}

fn try_form(_: &Visit, words: &ListsWords, list: &str, pairs: &[Pair]) -> Markup {
    html! {
        form method="get" action={ (path(list)) "/draft" } {
            @for (name, value) in pairs.iter().filter(|(name, _)| name != "texts") {
                input type="hidden" name=(name) value=(value);
            }
            (area(words.try_texts, "texts", 3, asks(pairs, "texts"), "", None))
            div .acts { button { (words.try_button) } }
        }
    }
}

/// Where it is seen what recorded calls would come to.
fn replayed(list: &str, pairs: &[Pair]) -> String {
    let draft = [("list", list), ("draft", &encoded(pairs))];
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(draft);
    format!("/changes/replay?{}", query.finish())
}
