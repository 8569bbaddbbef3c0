//! How the JSON API says that something was not done.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use tonic::{Code, Status};

/// What an answer without success holds, as RFC 9457 has it: `{status, code, params, message}`.
///
/// Programs branch on `code`; `params` are what the message is about; people read `message`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApiProblem {
    pub(super) status: StatusCode,
    code: &'static str,
    params: Map<String, Value>,
    message: String,
    retry_after_s: Option<u64>,
}

impl ApiProblem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> ApiProblem {
        ApiProblem {
            status,
            code,
            params: Map::new(),
            message: message.into(),
            retry_after_s: None,
        }
    }

    /// What was asked for cannot be meant.
    pub(super) fn invalid(message: impl Into<String>) -> ApiProblem {
        ApiProblem::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> ApiProblem {
        ApiProblem::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> ApiProblem {
        ApiProblem::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// It is a fault of ours.
    pub(super) fn internal(message: impl Into<String>) -> ApiProblem {
        ApiProblem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// What it says to people.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// One more value that the message is about.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> ApiProblem {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    /// When it may be tried again, in seconds.
    pub(super) fn again_in(mut self, seconds: u64) -> ApiProblem {
        self.retry_after_s = Some(seconds);
        self.with("retry_after_s", seconds)
    }
}

impl From<Status> for ApiProblem {
    fn from(status: Status) -> ApiProblem {
        let (http, code) = match status.code() {
            Code::InvalidArgument | Code::OutOfRange => (StatusCode::BAD_REQUEST, "invalid"),
            Code::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Code::AlreadyExists => (StatusCode::CONFLICT, "exists"),
            Code::FailedPrecondition | Code::Aborted => (StatusCode::CONFLICT, "conflict"),
            Code::PermissionDenied => (StatusCode::FORBIDDEN, "forbidden"),
            Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "unknown"),
            Code::ResourceExhausted => (StatusCode::INSUFFICIENT_STORAGE, "full"),
            Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        ApiProblem::new(http, code, status.message())
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let body = json!({
            "status": self.status.as_u16(),
            "code": self.code,
            "params": self.params,
            "message": self.message,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut answer = (self.status, kind, body.to_string()).into_response();
        if let Some(seconds) = self.retry_after_s {
            let value = HeaderValue::from(seconds);
            answer.headers_mut().insert(header::RETRY_AFTER, value);
        }
        answer
    }
}
