//! One request for a page: who asks, in which language, and what its address and its form say.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::language::{Both, Language};
use super::taste::Taste;
use super::words::{WORDS, Words};
use crate::admin::acts::Asked;
use crate::admin::browser;
use crate::admin::paths::Names;
use crate::admin::shown::Admin;
use crate::admin::who::Who;
use crate::audit::{Act, Begun};
use crate::operators::{By, Capability, Identity, OperatorsError, Secret};
use crate::policy::Digest;

const FORM_BYTES_MAX: usize = 16 * 1024;

/// What a page answers.
pub(in crate::admin) type Answer = Result<Response, Instead>;

/// An answer that comes instead of the page that was asked for.
pub(in crate::admin) struct Instead(Box<Response>);

impl From<Response> for Instead {
    fn from(answer: Response) -> Instead {
        Instead(Box::new(answer))
    }
}

impl IntoResponse for Instead {
    fn into_response(self) -> Response {
        *self.0
    }
}

pub(super) struct Visit {
    pub asked: Asked,
    pub words: &'static Words,
    pub taste: Taste,
    /// The secret of the session that the browser has, good or not.
    pub cookie: Option<String>,
    /// The cookie goes over TLS alone.
    pub secure: bool,
    /// The path of the page, and what stands behind `?`.
    pub path: String,
    pub query: Vec<(String, String)>,
    /// Where the form was sent from, as the browser says: where it reaches these pages.
    pub origin: Option<String>,
    /// It was sent by a form, and not asked for by its address alone.
    pub is_form: bool,
    /// Milliseconds since 1970, by the clock that ages are told by.
    pub now_ms: u64,
    /// The parts of the path that the table has in braces.
    names: Names,
    form: Vec<(String, String)>,
}

impl Visit {
    /// Errors: the answer to a form that cannot be read.
    pub(super) async fn of(admin: &Admin, request: Request) -> Result<Visit, Instead> {
        Visit::read(admin, request, FORM_BYTES_MAX).await
    }

    /// The same for a form that may bring as much as a call of the API.
    pub(super) async fn of_long(admin: &Admin, request: Request) -> Result<Visit, Instead> {
        Visit::read(admin, request, admin.api.body_bytes_max).await
    }

    async fn read(admin: &Admin, request: Request, bytes_max: usize) -> Result<Visit, Instead> {
        let (parts, body) = request.into_parts();
        let taste = Taste::of(&parts.headers);
        let words = WORDS.of(taste.language);
        let unread = || Instead::from((StatusCode::BAD_REQUEST, words.bad_form).into_response());
        let Some(asked) = parts.extensions.get::<Asked>().cloned() else {
            return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response().into());
        };
        let body = to_bytes(body, bytes_max).await.map_err(|_| unread())?;
        let names = parts.extensions.get::<Names>().cloned();
        Ok(Visit {
            now_ms: admin.clock.now_ms(),
            names: names.unwrap_or_default(),
            form: pairs(&body),
            ..Visit::bare(asked, &parts, admin.tls)
        })
    }

    /// Of who is told why there is no page for him: what he sent is not read.
    pub(super) fn bare(asked: Asked, parts: &Parts, tls: bool) -> Visit {
        let taste = Taste::of(&parts.headers);
        Visit {
            asked,
            words: WORDS.of(taste.language),
            taste,
            cookie: browser::session(&parts.headers, tls).map(str::to_owned),
            secure: browser::is_secure(&parts.headers, tls),
            path: parts.uri.path().to_owned(),
            query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
            origin: text_of(&parts.headers, &header::ORIGIN),
            is_form: !matches!(parts.method, http::Method::GET | http::Method::HEAD),
            // Nothing on such a page has an age.
            now_ms: 0,
            names: Names::default(),
            form: Vec::new(),
        }
    }

    /// What a field of the form holds; empty when there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        named(&self.form, name)
    }

    /// What stands in the address behind `?`; empty when nothing does.
    pub(super) fn asks(&self, name: &str) -> &str {
        named(&self.query, name)
    }

    /// A part of the path: `param("name")` of `/lists/{name}`.
    pub(super) fn param(&self, name: &str) -> &str {
        self.names.get(name).unwrap_or_default()
    }

    pub(super) fn language(&self) -> Language {
        self.taste.language
    }

    /// The texts of a page in the language of the visit.
    pub(super) fn say<'a, T>(&self, texts: &'a Both<T>) -> &'a T {
        texts.of(self.taste.language)
    }

    /// Whether to offer something at all: what one may not press is not shown.
    pub(super) fn may(&self, capability: Capability) -> bool {
        self.asked.who.may(capability)
    }

    /// The address of this page with one thing asked for differently; an empty value leaves it
    /// out.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        let kept = self.query.iter().filter(|(key, _)| key != name);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept);
        if !value.is_empty() {
            query.append_pair(name, value);
        }
        match query.finish() {
            none if none.is_empty() => self.path.clone(),
            query => format!("{}?{query}", self.path),
        }
    }

    /// Who is logged in, with the number of the operator and the digest of the session.
    ///
    /// Errors: nobody is, which the check before all pages would have told.
    pub(super) fn logged_in(&self) -> Result<(&Identity, u64, Digest), Instead> {
        if let Who::Known(identity) = &self.asked.who
            && let By::Session { operator, secret } = &identity.by
        {
            return Ok((identity, *operator, *secret));
        }
        Err(StatusCode::FORBIDDEN.into_response().into())
    }

    /// Records that nothing was done, unless very many such are.
    pub(super) fn refuse(&self, act: Act, why: &str) {
        self.asked.audit.refuse(act.from(self.asked.from), why);
    }

    /// To another page, with a new session.
    pub(super) fn enter(&self, secret: &Secret, path: &str) -> Response {
        let to = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"));
        let to = [(header::LOCATION, to)];
        let cookie = [(header::SET_COOKIE, browser::set(secret, self.secure))];
        (StatusCode::SEE_OTHER, to, cookie).into_response()
    }
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(encoded).into_owned().collect()
}

fn named<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    let found = pairs.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value)
}

/// Records how an act ended, away from who answers others.
pub(super) async fn end<T>(begun: Begun, ended: &Result<T, OperatorsError>) {
    let why = ended.as_ref().err().map(ToString::to_string);
    let record = move || match why {
        None => begun.done(),
        Some(why) => begun.failed(&why),
    };
    // What was done stays done, recorded or not; its beginning is.
    let _ = tokio::task::spawn_blocking(record).await;
}

/// To another page.
pub(super) fn go_to(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

/// A name as a part of a path.
pub(super) fn path_part(name: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_~".contains(byte);
    let parts = name.bytes().map(|byte| match is_plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    parts.collect()
}

/// How an error is told on a page.
pub(super) fn told(error: &OperatorsError, words: &Words) -> (StatusCode, &'static str) {
    match error {
        OperatorsError::Invitation => (StatusCode::GONE, words.invitation),
        OperatorsError::OtherName(_) => (StatusCode::BAD_REQUEST, words.other_name),
        OperatorsError::Name => (StatusCode::BAD_REQUEST, words.bad_name),
        OperatorsError::Password(..) => (StatusCode::BAD_REQUEST, words.bad_password),
        OperatorsError::Wrong => (StatusCode::UNAUTHORIZED, words.wrong),
        OperatorsError::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, words.too_many),
        OperatorsError::Beyond(_) | OperatorsError::Unlimited(_) => {
            (StatusCode::FORBIDDEN, words.beyond)
        }
        OperatorsError::Unknown(_) => (StatusCode::NOT_FOUND, words.not_there),
        OperatorsError::Taken(_) | OperatorsError::Full(..) => (StatusCode::CONFLICT, words.full),
        OperatorsError::NoRandom
        | OperatorsError::File(_)
        | OperatorsError::Folder(_)
        | OperatorsError::Foreign(_)
        | OperatorsError::Later(_)
        | OperatorsError::Damaged(_) => (StatusCode::SERVICE_UNAVAILABLE, words.ours),
    }
}
