//! Who may see more of the operators' port than probes and metrics.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use tonic::Status;

use crate::policy::Digest;
use crate::server::bearer;

/// What those see who watch, whoever they are.
const FREE: [&str; 4] = ["/healthz", "/readyz", "/readyz/after", "/metrics"];

/// Who may see the rest, and give orders.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// Whoever reaches the port.
    Open,
    /// Whoever has the token; nobody where there is none.
    Token(Option<Digest>),
}

impl Access {
    fn lets(self, request: &Request) -> bool {
        match self {
            Access::Open => true,
            Access::Token(_) if FREE.contains(&request.uri().path()) => true,
            Access::Token(token) => {
                let shown = request.headers().get(header::AUTHORIZATION);
                let shown = shown.and_then(|value| bearer(value.as_bytes()));
                match (token, shown) {
                    (Some(token), Some(shown)) => token.is(&Digest::of(shown)).into(),
                    _ => false,
                }
            }
        }
    }
}

/// Keeps everybody else out, whatever is asked for.
pub(super) async fn protect(
    State(access): State<Access>,
    request: Request,
    next: Next,
) -> Response {
    if access.lets(&request) {
        return next.run(request).await;
    }
    let why = "show the token that lies in cli.token, beside the outbox of the server: set \
               CALLGATE_TOKEN, or send `authorization: Bearer TOKEN`";
    let content_type = request.headers().get(header::CONTENT_TYPE);
    if content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        return Status::unauthenticated(why).into_http();
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, format!("{why}\n")).into_response()
}
