//! Calls that callgate itself has made, come back to it: each would lead to the next.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tracing::warn;

/// Refuses calls whose `header` names this installation.
pub fn refuse_own(routes: Router, header: &'static str, installation: &str) -> Router {
    let own: Arc<str> = installation.into();
    routes.layer(from_fn(move |request: Request, next: Next| {
        let is_own = request
            .headers()
            .get_all(header)
            .iter()
            .any(|hop| hop.as_bytes() == own.as_bytes());
        async move {
            match is_own {
                true => refusal(request.uri().path()),
                false => next.run(request).await,
            }
        }
    }))
}

fn refusal(path: &str) -> Response {
    warn!(
        path,
        "a call of callgate came back to it and was refused: an endpoint leads here"
    );
    let text = "callgate made this call itself: an endpoint of its policy leads back to it\n";
    let mut response = (StatusCode::LOOP_DETECTED, text).into_response();
    let class = http::HeaderValue::from_static("loop");
    response.headers_mut().insert("x-callgate-failure", class);
    response
}
