//! Word lists: edits of them, and what an edit would hit.

use serde_json::{Value, json};

use super::about::{About, Field, Shape, any, flag, number, object, objects, text, texts};
use super::call::Call;
use super::plans;
use super::reply::{self, Answer};
use crate::admin::problem::ApiProblem;
use crate::admin::{list_plans, word_lists};
use crate::editor::Op;
use crate::import::WordImport;
use crate::lists::{Base, Edit, Imported, NotSaved, Saved, Verdict, as_trial};
use crate::settings::suggest;

const OPS: Field = objects(
    "ops",
    "edits in their order: {op: add, entry, tags, options, section}, {op: set, entry, line, to, \
     tags, options}, {op: remove, entry, line}",
)
.must();
const OPS_IF: Field = objects("ops", "as of an edit");
const ENTRIES: Field = texts(
    "entries",
    "that stand in the list, in any spelling it reads as the same",
);
const TO: Field = text("to", "the list that `entries` are moved to");
const WHY: Field = text("why", "what the edit is for").must();
const TRIAL: Field = flag(
    "trial",
    "what is added or set is counted and does nothing else",
);
const FORCE: Field = flag(
    "force",
    "also where it changes more than the policy expects of a change; it takes the right to operate",
);
const SAVED: &[Field] = &[
    text("version", "of the policy that is in force now"),
    number("added", "lines"),
    number("set", "lines"),
    number("removed", "lines"),
    flag("merged", "somebody else had edited the list too"),
    number("made_already", "entries of which they had said the same"),
    object(
        "moved",
        "after a move: {to, listed, listed_entries}, of which the other list had `listed` already; \
         null after any other edit",
    ),
    objects("warnings", "of the policy"),
];

pub(super) const LISTS: About = About {
    answer: &[
        text("name", "of the list"),
        text(
            "file",
            "in the policy directory; null for words of policy.yaml",
        ),
        text("action", "block, replace, flag, shadow, or allow"),
        number("entries", "all of them"),
        number("inline", "those that stand in policy.yaml"),
    ],
    shape: Shape::List,
    ..About::new("Lists the word lists of the policy in force.")
};

pub(super) const EDIT: About = About {
    body: &[OPS, WHY, TRIAL, FORCE],
    answer: SAVED,
    matched: true,
    ..About::new("Edits a list, and answers when that is in force.")
};

pub(super) const MOVE: About = About {
    body: &[ENTRIES.must(), TO.must(), WHY, FORCE],
    answer: SAVED,
    matched: true,
    ..About::new(
        "Moves entries to another list, in one version: their lines as they are written. One that \
         is there already stays there as it is.",
    )
};

pub(super) const PREVIEW: About = About {
    body: &[
        OPS_IF,
        ENTRIES,
        TO,
        TRIAL,
        texts("texts", "to try beside those of late and everyday messages"),
    ],
    answer: &[
        object(
            "recent",
            "texts of late: {texts, blocked, masked, flagged, shadowed, freed}",
        ),
        object("everyday", "the same of everyday messages"),
        object("given", "the same of the texts that were sent"),
        any(
            "share",
            "the part of recent or of everyday texts that would be hit and are not, whichever is greater",
        ),
        objects(
            "excerpts",
            "of texts that are decided otherwise; recent ones take the right `text`",
        ),
        any(
            "overlaps",
            "entries in force that find the same texts, with how many",
        ),
        text("patch", "the edit as lines of the files"),
        number("added", "lines"),
        number("set", "lines"),
        number("removed", "lines"),
        any("problems", "what `callgate check` says of each entry"),
        flag("merged", "somebody else has edited the list too"),
        object(
            "moved",
            "of a move: {to, file, read_only, listed, listed_entries, actions: [{from, to, entries}], \
             hooks_left, hooks_new, other_options}; null of any other edit",
        ),
    ],
    ..About::new("Shows what an edit would hit, or moving `entries` to `to`; changes nothing.")
};

pub(super) const LINT: About = About {
    body: &[OPS],
    answer: &[any(
        "problems",
        "what `callgate check` says of each entry that is added or set",
    )],
    ..About::new("Looks at entries before they are added or set.")
};

pub(super) const PLAN: About = About {
    body: &[
        text(
            "act",
            "edit, which is what it is unless it is said: `ops`; promote or drop: `entries` on \
             trial; move: `entries` and `to`; import: `text`",
        ),
        OPS_IF,
        texts(
            "entries",
            "to move; or on trial, all of them where none is named",
        ),
        TO,
        text(
            "text",
            "a list in any of the forms that `callgate import words` reads",
        ),
        texts("tags", "for every entry of `text`"),
        TRIAL,
    ],
    answer: plans::PLAN,
    matched: true,
    ..About::new(
        "Plans an edit of a list: says what would happen and what it would hit, and does nothing. \
         More than 20 entries are edited by a plan alone.",
    )
};

pub(super) const PROMOTE: About = About {
    body: &[
        texts("entries", "on trial; all of them where none is named"),
        flag("drop", "they leave the list"),
        WHY,
    ],
    answer: SAVED,
    matched: true,
    ..About::new("Ends the trial of entries: they do what the list does, or leave it.")
};

pub(super) const IMPORT: About = About {
    body: &[
        text(
            "text",
            "a list in any of the forms that `callgate import words` reads",
        )
        .must(),
        texts("tags", "for every entry"),
        text("why", "what the edit is for; needed unless `dry_run`"),
        TRIAL,
        flag("dry_run", "reports and changes nothing"),
    ],
    answer: &[
        object("report", "how it was read and what was left out"),
        number("new", "entries that the list has not"),
        number("listed", "entries that it has already"),
        any("saved", "as after an edit; null after a dry run"),
    ],
    matched: true,
    ..About::new("Adds the entries of a foreign list that this one has not.")
};

pub(super) async fn lists(call: Call) -> Answer {
    let items = call.admin.lists.all().into_iter();
    reply::page(items.map(|list| json!(list)).collect(), None)
}

pub(super) async fn edit(call: Call) -> Answer {
    let edit = meant(&call, ops(&call)?, base(&call)?);
    let (admin, asked, why) = (&call.admin, &call.asked, call.text("why"));
    let saved = match call.flag("force") {
        true => word_lists::force(admin, asked, edit, why).await,
        false => word_lists::save(admin, asked, edit, why).await,
    };
    saved_as(&saved?)
}

pub(super) async fn move_to(call: Call) -> Answer {
    let edit = moving(&call, call.name("name"), base(&call)?).await?;
    let (admin, asked, why) = (&call.admin, &call.asked, call.text("why"));
    let saved = match call.flag("force") {
        true => word_lists::force(admin, asked, edit, why).await,
        false => word_lists::save(admin, asked, edit, why).await,
    };
    saved_as(&saved?)
}

pub(super) async fn preview(call: Call) -> Answer {
    let base = call.tag().map_or(Base::Any, base_of);
    let edit = match call.text("to") {
        "" => meant(&call, ops(&call)?, base),
        _ => moving_alone(&call, call.name("name"), base).await?,
    };
    let given = strings(&call, "texts");
    let preview = word_lists::preview(&call.admin, &call.asked, edit, given).await?;
    reply::found(&json!(preview))
}

pub(super) async fn lint(call: Call) -> Answer {
    let (lists, name) = (call.admin.lists.clone(), call.name("name").to_owned());
    let ops = ops(&call)?;
    let problems = blocking(move || lists.lint(&name, &ops)).await?;
    reply::found(&json!({ "problems": problems }))
}

pub(super) async fn promote(call: Call) -> Answer {
    let base = base(&call)?;
    let verdict = match call.flag("drop") {
        true => Verdict::Drop,
        false => Verdict::Promote,
    };
    let edit = Edit {
        list: call.name("name").to_owned(),
        base,
        ops: trial_ops(&call, verdict).await?,
        to: None,
    };
    let saved = word_lists::save(&call.admin, &call.asked, edit, call.text("why")).await;
    saved_as(&saved?)
}

pub(super) async fn plan(call: Call) -> Answer {
    let base = base(&call)?;
    let (mut imported, act) = (None, call.text("act"));
    if act == "move" {
        let edit = moving_alone(&call, call.name("name"), base).await?;
        let made = list_plans::make(&call.admin, &call.asked, edit, None).await;
        return reply::made(&plans::shown(made?));
    }
    let ops = match act {
        "" | "edit" => ops(&call)?,
        "promote" => trial_ops(&call, Verdict::Promote).await?,
        "drop" => trial_ops(&call, Verdict::Drop).await?,
        "import" => {
            let found = read_foreign(&call).await?;
            let ops = found.ops.clone();
            imported = Some(found);
            ops
        }
        act => {
            let hint = suggest(act, ["edit", "promote", "drop", "move", "import"]);
            let why = format!("`act`: there is no `{act}`; {hint}");
            return Err(ApiProblem::invalid(why).with("field", "act"));
        }
    };
    if ops.is_empty() {
        return Err(ApiProblem::conflict("nothing would be another"));
    }
    let edit = meant(&call, ops, base);
    let made = list_plans::make(&call.admin, &call.asked, edit, imported.as_ref()).await;
    reply::made(&plans::shown(made?))
}

/// Errors: none of these entries is on trial.
async fn trial_ops(call: &Call, verdict: Verdict) -> Result<Vec<Op>, ApiProblem> {
    let (lists, name) = (call.admin.lists.clone(), call.name("name").to_owned());
    let entries = strings(call, "entries");
    let ops = blocking(move || lists.end_trial(&name, &entries, verdict)).await?;
    match ops.is_empty() {
        true => Err(ApiProblem::not_found("no such entry is on trial")),
        false => Ok(ops),
    }
}

async fn read_foreign(call: &Call) -> Result<Imported, ApiProblem> {
    let (lists, name) = (call.admin.lists.clone(), call.name("name").to_owned());
    let text = call.text("text").to_owned();
    let settings = WordImport {
        tags: strings(call, "tags"),
        ..WordImport::default()
    };
    blocking(move || lists.import(&name, text.as_bytes(), &settings)).await
}

pub(super) async fn import(call: Call) -> Answer {
    let base = base(&call)?;
    let imported = read_foreign(&call).await?;
    let Imported {
        ops,
        report,
        listed,
    } = imported;
    let new = ops.len();
    let saved = match call.flag("dry_run") || new == 0 {
        true => None,
        false => {
            let edit = meant(&call, ops, base);
            let saved = word_lists::save(&call.admin, &call.asked, edit, call.text("why"));
            Some(saved.await?)
        }
    };
    reply::found(&json!({
        "report": report,
        "new": new,
        "listed": listed,
        "saved": saved.as_ref().map(word_lists::saved_as),
    }))
}

fn meant(call: &Call, ops: Vec<Op>, base: Base) -> Edit {
    Edit {
        list: call.name("name").to_owned(),
        base,
        ops: match call.flag("trial") {
            true => as_trial(ops),
            false => ops,
        },
        to: None,
    }
}

/// The edit that moves `entries` to the list `to`, over a route that takes `ops` too. Errors: both are there.
pub(super) async fn moving_alone(call: &Call, list: &str, base: Base) -> Result<Edit, ApiProblem> {
    if call.field("ops").is_some() {
        let why = "`ops` and `to` are not meant at once: a move is about `entries`";
        return Err(ApiProblem::invalid(why).with("field", "ops"));
    }
    moving(call, list, base).await
}

/// The edit that moves `entries` to the list `to`.
async fn moving(call: &Call, list: &str, base: Base) -> Result<Edit, ApiProblem> {
    let (list, to) = (list.to_owned(), call.text("to").to_owned());
    let entries = strings(call, "entries");
    for (field, is_empty) in [("entries", entries.is_empty()), ("to", to.is_empty())] {
        if is_empty {
            return Err(ApiProblem::invalid(format!("`{field}` is empty")).with("field", field));
        }
    }
    let (lists, name) = (call.admin.lists.clone(), list.clone());
    let ops = blocking(move || lists.taking(&name, &entries)).await?;
    Ok(Edit {
        list,
        base,
        ops,
        to: Some(to),
    })
}

pub(super) fn ops(call: &Call) -> Result<Vec<Op>, ApiProblem> {
    let ops = call.field("ops").cloned().unwrap_or_default();
    let ops: Vec<Op> = serde_json::from_value(ops).map_err(|error| {
        ApiProblem::invalid(format!("`ops` cannot be read: {error}")).with("field", "ops")
    })?;
    match ops.is_empty() {
        true => Err(ApiProblem::invalid("`ops` is empty").with("field", "ops")),
        false => Ok(ops),
    }
}

/// What the change is meant for. Errors: 428 where the call does not say it.
fn base(call: &Call) -> Result<Base, ApiProblem> {
    match call.tag() {
        Some(tag) => Ok(base_of(tag)),
        // It says what is missing.
        None => call.check_match("").map(|()| Base::Any),
    }
}

fn base_of(tag: &str) -> Base {
    match tag {
        "*" => Base::Any,
        tag => Base::Hash(tag.trim_matches('"').to_owned()),
    }
}

fn strings(call: &Call, field: &str) -> Vec<String> {
    let values = call.field(field).and_then(Value::as_array);
    let values = values.into_iter().flatten().filter_map(Value::as_str);
    values.map(str::to_owned).collect()
}

fn saved_as(saved: &Saved) -> Answer {
    reply::tagged(&word_lists::saved_as(saved), &saved.hash)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NotSaved> + Send + 'static,
) -> Result<T, ApiProblem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(ApiProblem::internal(error.to_string())),
    }
}
