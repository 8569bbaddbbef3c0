//! The switches at the edge of every page: language, light or dark, keys on or off.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use http::{HeaderValue, StatusCode, header};

use super::taste;
use super::visit::{Answer, Visit};
use crate::admin::shown::Admin;

/// Remembers what the form says, and leads back to where it was sent from.
pub(in crate::admin) async fn switch(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let chosen = ["language", "light", "keys"]
        .into_iter()
        .filter_map(|what| taste::remember(what, visit.field(what)));
    let back = within(visit.field("back")).unwrap_or("/");
    let mut answer = StatusCode::SEE_OTHER.into_response();
    let headers = answer.headers_mut();
    for line in chosen {
        headers.append(header::SET_COOKIE, line);
    }
    let back = HeaderValue::try_from(back).unwrap_or(HeaderValue::from_static("/"));
    headers.insert(header::LOCATION, back);
    Ok(answer)
}

/// A path of ours: `//elsewhere` and `/\elsewhere` lead a browser away.
pub(super) fn within(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('/')?;
    let is_ours =
        !rest.starts_with(['/', '\\']) && path.bytes().all(|byte| byte.is_ascii_graphic());
    is_ours.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_away() {
        assert_eq!(within("/decisions?user=u1"), Some("/decisions?user=u1"));
        for path in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "",
            "/a\r\nb",
            "/\t/b",
        ] {
            assert_eq!(within(path), None, "{path}");
        }
    }
}
