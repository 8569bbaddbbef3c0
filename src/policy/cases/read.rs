//! The cases of a policy directory: every YAML file below `tests/`.

use std::cell::Cell;

use bytes::Bytes;

use super::super::sources::FileSet;
use super::case::{Case, Expect, Recorded, Short, Subject};
use super::play::read_plays;
use crate::decision::{FailureClass, SkipReason};
use crate::dialect;
use crate::event::{DialectId, Hook};
use crate::settings::{At, Field, Problems, Section, Value, parse};

/// Where cases are, below the policy directory. Nothing there decides anything.
const FOLDER: &str = "tests/";
/// More decisions than this are no test but a load.
const TEXTS_MAX: usize = 100_000;

/// Reads every case. Everything wrong is reported; the cases are only good without errors.
pub fn read_cases(files: &FileSet, problems: &Problems) -> Vec<Case> {
    let is_cases = |path: &str| {
        path.starts_with(FOLDER) && (path.ends_with(".yaml") || path.ends_with(".yml"))
    };
    let found = files.files.iter().filter(|(path, _)| is_cases(path));
    let mut cases = Vec::new();
    for (path, content) in found {
        let file = files.shown(path);
        if let Ok(Some(node)) = parse(&file, content, problems) {
            match &node.value {
                Value::Map(map) => {
                    let root = Section::root(map, At::file(&file), problems);
                    cases.extend(read_file(&root, files, problems));
                }
                _ => problems.error(
                    &At::file(&file),
                    "the file must be a map of keys",
                    "write `cases:`",
                ),
            }
        }
    }
    let texts: usize = cases.iter().map(Case::texts).sum();
    if texts > TEXTS_MAX {
        let at = At::file(&files.shown(FOLDER));
        let what = format!("{texts} texts in all cases are too many");
        problems.error(&at, what, format!("have at most {TEXTS_MAX}"));
    }
    cases
}

/// How the folder of cases is named in problems.
pub(super) fn shown_in(files: &FileSet) -> String {
    files.shown(FOLDER).to_string()
}

fn read_file(root: &Section<'_>, files: &FileSet, problems: &Problems) -> Vec<Case> {
    let cases = root.field("cases");
    root.finish();
    if !cases.is_set() {
        let hint = "write `cases:`, and below it a name, and below that `hook`, `text`, `expect`";
        cases.error("there are no cases", hint);
    }
    let cases = cases.section().fields().into_iter();
    cases
        .filter_map(|(name, field)| read_case(name, &field, files, problems))
        .collect()
}

fn read_case(
    name: String,
    field: &Field<'_>,
    files: &FileSet,
    problems: &Problems,
) -> Option<Case> {
    let section = field.section();
    let hook = section.field("hook");
    let caller = section.field("caller");
    let plays = read_plays(&section.field("endpoint"), files, problems);
    let expect = section.field("expect");
    let subject = read_subject(&section, files, problems);
    section.finish();
    let is_table = section.field("table").is_set();
    let is_call = section.field("call").is_set();
    if !expect.is_set() && !is_table {
        let hint = "write what must come out: `expect: {action: block}`";
        field.error("nothing is expected, so this case cannot fail", hint);
    }
    if is_call && hook.is_set() {
        hook.error("a recorded call names its own hook", "remove it");
    }
    if !is_call && !hook.is_set() {
        field.error(
            "there is no `hook`",
            "write `hook: beforeSendSingleMsg`, or several in a list",
        );
    }
    Some(Case {
        name,
        at: field.at().clone(),
        hooks: read_hooks(&hook),
        subject: subject?,
        caller: caller.is_set().then(|| caller.text()),
        plays,
        expect: read_expect(&expect),
    })
}

fn read_hooks(field: &Field<'_>) -> Vec<Hook> {
    let items = field.items();
    let hooks = items.iter().filter_map(|item| {
        let hook = dialect::hook(&item.text);
        if hook.is_none() {
            let hint = match dialect::near_names(&item.text).first() {
                None => "`callgate dialects` lists every hook".to_owned(),
                Some(near) => format!("did you mean `{near}`?"),
            };
            item.error(format!("no hook named `{}`", item.text), hint);
        }
        hook
    });
    hooks.collect()
}

/// `None` after an error.
fn read_subject(section: &Section<'_>, files: &FileSet, problems: &Problems) -> Option<Subject> {
    let (text, content) = (section.field("text"), section.field("content"));
    let (table, call) = (section.field("table"), section.field("call"));
    let short = read_short(section, content.is_set());
    let kinds = [&text, &content, &table, &call];
    match kinds.map(Field::is_set) {
        [true, false, false, false] => Some(Subject::Texts(items(&text), short)),
        [false, true, false, false] => Some(Subject::Texts(items(&content), short)),
        [false, false, true, false] => {
            let rows = table.section().fields().into_iter();
            let rows = rows.map(|(list, texts)| (list, items(&texts)));
            Some(Subject::Table(rows.collect(), short))
        }
        [false, false, false, true] => read_call(&call, files, problems).map(Subject::Call),
        _ => {
            let set = kinds.into_iter().find(|kind| kind.is_set());
            let what = "a case is about one of `text`, `content`, `table` and `call`";
            set.unwrap_or(&text).error(what, "make several cases of it");
            None
        }
    }
}

fn items(field: &Field<'_>) -> Vec<String> {
    field.items().into_iter().map(|item| item.text).collect()
}

fn read_short(section: &Section<'_>, is_content: bool) -> Short {
    let text_or = |name: &'static str, default: &str| {
        let field = section.field(name);
        match field.is_set() {
            true => field.text(),
            false => default.to_owned(),
        }
    };
    let group = text_or("group", "");
    let to = text_or("to", if group.is_empty() { "user2" } else { "" });
    let (content_type, over) = (section.field("type"), section.field("over"));
    Short {
        from: text_or("from", "user1"),
        to,
        group,
        content_type: match content_type.is_set() {
            true => i32::try_from(content_type.number(0, i64::from(i32::MAX))).unwrap_or_default(),
            false => 101,
        },
        is_content,
        over_http: over.is_set()
            && over
                .one_of(&[("http", true), ("grpc", false)])
                .unwrap_or_default(),
    }
}

/// `None` after an error.
fn read_call(field: &Field<'_>, files: &FileSet, problems: &Problems) -> Option<Recorded> {
    let section = field.section();
    let (dialect, event) = (section.field("dialect"), section.field("event"));
    let (body, file) = (section.field("body"), section.field("file"));
    section.finish();
    let id = match dialect.is_set() {
        true => dialect.choice::<DialectId>()?,
        false => DialectId::OpenIm,
    };
    let bytes = match (file.is_set(), body.is_set()) {
        (true, false) => Bytes::copy_from_slice(files.named(&file.text(), file.at(), problems)?),
        (false, true) => Bytes::from(body.text()),
        _ => {
            field.error(
                "a call has a `body`, or the `file` of one",
                "write one of them",
            );
            return None;
        }
    };
    Some(Recorded {
        dialect: id,
        event: if event.is_set() {
            event.text()
        } else {
            String::new()
        },
        body: bytes,
    })
}

fn read_expect(field: &Field<'_>) -> Expect {
    let section = field.section();
    let expects = Cell::new(false);
    let set = |name: &'static str| {
        let field = section.field(name);
        expects.set(expects.get() || field.is_set());
        field.is_set().then_some(field)
    };
    let expect = Expect {
        action: set("action").and_then(|field| field.choice()),
        code: set("code").map(|field| {
            let code = field.number(i64::from(i32::MIN), i64::from(i32::MAX));
            i32::try_from(code).unwrap_or_default()
        }),
        reason: set("reason").map(|field| field.text()),
        detail: set("detail").map(|field| field.text()),
        text: set("text").map(|field| field.text()),
        content: set("content").map(|field| field.text()),
        matches: set("matches").map(|field| items(&field)),
        reviewed: set("reviewed").map(|field| field.flag()),
        failure: set("failure")
            .and_then(|field| or_none(&field, &FailureClass::ALL.map(|one| (one.name(), one)))),
        skipped: set("skipped")
            .and_then(|field| or_none(&field, &SkipReason::ALL.map(|one| (one.name(), one)))),
        decided_by: set("decided_by").and_then(|field| field.choice()),
        asks: set("asks").map(|field| items(&field)),
        micros_max: set("micros_max").map(|field| u64::from(field.count(60_000_000))),
    };
    section.finish();
    if field.is_set() && !expects.get() {
        field.error(
            "nothing is expected, so this case cannot fail",
            "write `action: block`",
        );
    }
    expect
}

/// One of a closed set, or the word `none`.
fn or_none<T: Copy>(field: &Field<'_>, choices: &[(&'static str, T)]) -> Option<Option<T>> {
    let mut all: Vec<(&'static str, Option<T>)> = choices
        .iter()
        .map(|(name, one)| (*name, Some(*one)))
        .collect();
    all.push(("none", None));
    field.one_of(&all)
}

impl Case {
    /// How many messages it decides on at each of its hooks.
    fn texts(&self) -> usize {
        match &self.subject {
            Subject::Texts(texts, _) => texts.len(),
            Subject::Table(rows, _) => rows.iter().map(|(_, texts)| texts.len()).sum(),
            Subject::Call(_) => 1,
        }
    }
}
