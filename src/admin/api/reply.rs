//! Answers of the API.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::admin::problem::ApiProblem;

/// What a route answers.
pub(super) type Answer = Result<Response, ApiProblem>;

/// A document.
pub(super) fn found(document: &Value) -> Answer {
    Ok(with(StatusCode::OK, document))
}

/// What was made.
pub(super) fn made(document: &Value) -> Answer {
    Ok(with(StatusCode::CREATED, document))
}

/// One page of a list; `next` is where to go on, if it does.
pub(super) fn page(items: Vec<Value>, next: Option<String>) -> Answer {
    found(&json!({ "items": items, "next": next }))
}

/// Any status.
pub(super) fn with(status: StatusCode, document: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, document.to_string()).into_response()
}

/// The same with the name of the state that it shows, for `If-Match`.
pub(super) fn tagged(document: &Value, tag: &str) -> Answer {
    let mut answer = with(StatusCode::OK, document);
    let value = HeaderValue::try_from(quoted(tag)).expect("tags are made of digests and numbers");
    answer.headers_mut().insert(header::ETAG, value);
    Ok(answer)
}

pub(super) fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

/// Refuses a change that is not meant for the state that there is.
///
/// Errors: 428 where the call does not say what it is meant for, 412 where that is over.
pub(super) fn check_match(headers: &HeaderMap, tag: &str) -> Result<(), ApiProblem> {
    let mut named = tags(headers, header::IF_MATCH).peekable();
    if named.peek().is_none() {
        let why = "`If-Match` must name the state that the change is meant for: the `ETag` of \
                   what you read";
        let status = StatusCode::PRECONDITION_REQUIRED;
        return Err(ApiProblem::new(status, "if_match_required", why));
    }
    let own = quoted(tag);
    match named.any(|named| named == own || named == "*") {
        true => Ok(()),
        false => {
            let why = "somebody else changed this meanwhile: read it again";
            let status = StatusCode::PRECONDITION_FAILED;
            Err(ApiProblem::new(status, "stale", why).with("etag", own))
        }
    }
}

/// The one tag that a change names.
pub(super) fn only_tag(headers: &HeaderMap) -> Option<&str> {
    let mut named = tags(headers, header::IF_MATCH);
    named.next().filter(|_| named.next().is_none())
}

/// Whether who asks has the state that an answer shows.
pub(super) fn is_known(headers: &HeaderMap, answer: &Response) -> bool {
    let Some(tag) = answer.headers().get(header::ETAG) else {
        return false;
    };
    let is_it = |known: &str| known.trim_start_matches("W/").as_bytes() == tag.as_bytes();
    tags(headers, header::IF_NONE_MATCH).any(is_it)
}

/// The tags of a header, with their quotes. No tag of ours has a comma in it.
fn tags(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    let tags = texts.flat_map(|text| text.split(','));
    tags.map(str::trim).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_the_state_that_it_is_meant_for() {
        let check = |lines: &[&'static str], status: u16| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::IF_MATCH, HeaderValue::from_static(line));
            }
            let checked = check_match(&headers, "v1");
            let found = checked.map_or_else(|problem| problem.status.as_u16(), |()| 200);
            assert_eq!(found, status, "{lines:?}");
        };
        check(&["\"v1\""], 200);
        check(&["\"v0\", \"v1\""], 200);
        check(&["\"v0\"", "\"v1\""], 200);
        check(&["*"], 200);
        check(&[], 428);
        check(&[""], 428);
        check(&[" , "], 428);
        check(&["\"v0\""], 412);
        check(&["v1"], 412);
        // What is the same in meaning alone may have other bytes.
        check(&["W/\"v1\""], 412);
        check(&["\"V1\""], 412);
    }
}
