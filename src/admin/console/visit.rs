//! One request for a page: who asks, in which language, and what its form says.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::words::{Words, words_for};
use crate::admin::acts::Asked;
use crate::admin::browser;
use crate::admin::shown::Admin;
use crate::admin::who::Who;
use crate::audit::{Act, Begun};
use crate::operators::{By, Identity, OperatorsError, Secret};
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
    /// The secret of the session that the browser has, good or not.
    pub cookie: Option<String>,
    /// The cookie goes over TLS alone.
    pub secure: bool,
    form: Vec<(String, String)>,
}

impl Visit {
    /// Errors: the answer to a form that cannot be read.
    pub(super) async fn of(admin: &Admin, request: Request) -> Result<Visit, Instead> {
        let (parts, body) = request.into_parts();
        let words = words_for(&parts.headers);
        let unread = || Instead::from((StatusCode::BAD_REQUEST, words.bad_form).into_response());
        let Some(asked) = parts.extensions.get::<Asked>().cloned() else {
            return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response().into());
        };
        let body = to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| unread())?;
        let form = url::form_urlencoded::parse(&body).into_owned().collect();
        Ok(Visit {
            asked,
            words,
            cookie: browser::session(&parts.headers, admin.tls).map(str::to_owned),
            secure: browser::is_secure(&parts.headers, admin.tls),
            form,
        })
    }

    /// What a field holds; empty when there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        let field = self.form.iter().find(|(key, _)| key == name);
        field.map_or("", |(_, value)| value)
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
    pub(super) fn enter(&self, secret: &Secret, path: &'static str) -> Response {
        let to = [(header::LOCATION, HeaderValue::from_static(path))];
        let cookie = [(header::SET_COOKIE, browser::set(secret, self.secure))];
        (StatusCode::SEE_OTHER, to, cookie).into_response()
    }
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
pub(super) fn go_to(path: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
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
        OperatorsError::Beyond(_) => (StatusCode::FORBIDDEN, words.beyond),
        OperatorsError::Unknown(_) => (StatusCode::NOT_FOUND, words.not_there),
        OperatorsError::Taken(_) | OperatorsError::Full(..) => (StatusCode::CONFLICT, words.full),
        OperatorsError::NoRandom
        | OperatorsError::File(_)
        | OperatorsError::Folder(_)
        | OperatorsError::Foreign(_)
        | OperatorsError::Damaged(_) => (StatusCode::SERVICE_UNAVAILABLE, words.ours),
    }
}
