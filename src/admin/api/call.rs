//! One call of the API: what it says, held to what its route takes.

use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::about::{About, Field};
use super::{cursor, reply, times};
use crate::admin::acts::Asked;
use crate::admin::paths::Names;
use crate::admin::problem::ApiProblem;
use crate::admin::shown::Admin;
use crate::settings::suggest;

/// A call that is let in and can be read. Every field that it has is of the kind that its route
/// says, and those that must be there are.
pub(in crate::admin) struct Call {
    pub(in crate::admin) admin: Admin,
    pub(in crate::admin) asked: Asked,
    about: &'static About,
    /// What is asked, without where to go on: method, path and the rest of the query.
    question: String,
    headers: HeaderMap,
    names: Names,
    query: Map<String, Value>,
    body: Map<String, Value>,
}

impl Call {
    /// Errors: it says what the route does not take, or not what it must.
    pub(super) fn read(
        about: &'static About,
        admin: Admin,
        parts: &Parts,
        asked: Asked,
        body: &[u8],
    ) -> Result<Call, ApiProblem> {
        let names = parts.extensions.get::<Names>().cloned();
        Ok(Call {
            admin,
            asked,
            about,
            question: question(parts),
            headers: parts.headers.clone(),
            names: names.unwrap_or_default(),
            query: read_query(about, parts.uri.query().unwrap_or_default())?,
            body: read_body(about, body)?,
        })
    }

    /// What stands at a place of the path.
    pub(super) fn name(&self, place: &str) -> &str {
        let name = self.names.get(place);
        name.expect("the path of the route has this place")
    }

    /// A text of the query or the body; empty where there is none.
    pub(super) fn text(&self, field: &str) -> &str {
        let value = self.field(field).and_then(Value::as_str);
        value.unwrap_or_default()
    }

    pub(super) fn number(&self, field: &str) -> Option<u64> {
        self.field(field).and_then(Value::as_u64)
    }

    /// False where it is not there.
    pub(super) fn flag(&self, field: &str) -> bool {
        let value = self.field(field).and_then(Value::as_bool);
        value.unwrap_or_default()
    }

    /// Milliseconds since 1970.
    pub(super) fn time(&self, field: &str) -> Option<u64> {
        times::read(self.field(field)?.as_str()?)
    }

    /// A value of the query or the body as it is.
    pub(super) fn field(&self, field: &str) -> Option<&Value> {
        let fields = self.about.queries().chain(self.about.body);
        debug_assert!(
            fields.into_iter().any(|known| known.name == field),
            "`{field}` is not in the description of the route"
        );
        self.body.get(field).or_else(|| self.query.get(field))
    }

    /// Where the list goes on; `None` from its start.
    ///
    /// Errors: the cursor is none, or of another list.
    pub(super) fn cursor(&self) -> Result<Option<String>, ApiProblem> {
        let given = match self.text("cursor") {
            "" => return Ok(None),
            given => given,
        };
        let place = cursor::take(&self.question, given);
        place.map(Some).ok_or_else(bad_cursor)
    }

    /// The cursor for a place in the list.
    pub(super) fn next(&self, place: &str) -> String {
        cursor::give(&self.question, place)
    }

    /// How many are asked for.
    pub(super) fn limit(&self, unsaid: usize, max: usize) -> usize {
        let limit = self
            .number("limit")
            .and_then(|limit| usize::try_from(limit).ok());
        limit.filter(|limit| *limit > 0).unwrap_or(unsaid).min(max)
    }

    /// The state that a change is meant for, in its quotes, or `*`; `None` where none is named, or
    /// several.
    pub(super) fn tag(&self) -> Option<&str> {
        reply::only_tag(&self.headers)
    }

    /// Refuses a change that is not meant for this state.
    ///
    /// Errors: 428 and 412.
    pub(super) fn check_match(&self, tag: &str) -> Result<(), ApiProblem> {
        reply::check_match(&self.headers, tag)
    }
}

pub(super) fn bad_cursor() -> ApiProblem {
    let why = "this cursor is not of this list: take `next` of the page before, and ask with the \
               same filter";
    ApiProblem::new(StatusCode::BAD_REQUEST, "bad_cursor", why)
}

fn question(parts: &Parts) -> String {
    let query = parts.uri.query().unwrap_or_default();
    let mut pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| !matches!(&**name, "cursor" | "limit"))
        .collect();
    pairs.sort();
    format!("{} {pairs:?}", parts.uri.path())
}

fn read_query(about: &'static About, query: &str) -> Result<Map<String, Value>, ApiProblem> {
    let mut read = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let field = known(about.queries(), &name)?;
        let value = field.kind.of_text(&value);
        let value = value.ok_or_else(|| wrong_kind(field))?;
        if read.insert(name.to_string(), value).is_some() {
            let why = format!("`{name}` is there twice");
            return Err(ApiProblem::invalid(why).with("field", &*name));
        }
    }
    missing(about.queries(), &read)?;
    Ok(read)
}

fn read_body(about: &'static About, body: &[u8]) -> Result<Map<String, Value>, ApiProblem> {
    let read = match body.is_empty() {
        true => Map::new(),
        false => serde_json::from_slice(body).map_err(|error| {
            let why = format!("the body is not a JSON object: {error}");
            ApiProblem::new(StatusCode::BAD_REQUEST, "not_json", why)
        })?,
    };
    for (name, value) in &read {
        let field = known(about.body.iter(), name)?;
        if !field.kind.is(value) {
            return Err(wrong_kind(field));
        }
    }
    missing(about.body.iter(), &read)?;
    Ok(read)
}

fn known(
    mut fields: impl Iterator<Item = &'static Field> + Clone,
    name: &str,
) -> Result<&'static Field, ApiProblem> {
    let all = fields.clone();
    fields.find(|field| field.name == name).ok_or_else(|| {
        let hint = suggest(name, all.map(|field| field.name));
        let colon = if hint.is_empty() { "" } else { "; " };
        let why = format!("nothing is asked here with `{name}`{colon}{hint}");
        let status = StatusCode::BAD_REQUEST;
        ApiProblem::new(status, "unknown_field", why).with("field", name)
    })
}

fn wrong_kind(field: &Field) -> ApiProblem {
    let why = format!("`{}` must be {}", field.name, field.kind.words());
    ApiProblem::invalid(why).with("field", field.name)
}

fn missing(
    mut fields: impl Iterator<Item = &'static Field>,
    read: &Map<String, Value>,
) -> Result<(), ApiProblem> {
    let is_missing = |field: &&Field| field.required && !read.contains_key(field.name);
    match fields.find(is_missing) {
        None => Ok(()),
        Some(field) => {
            let why = format!("`{}` is missing: {}", field.name, field.about);
            Err(ApiProblem::invalid(why).with("field", field.name))
        }
    }
}
