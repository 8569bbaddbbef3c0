//! Who calls: what the head of a call brings, looked up before anything else is done about it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::{Extensions, HeaderMap, Request, header};
use tonic::Status;

use super::connection::Peer;
use crate::callers::{Admitted, Callers, Evidence, Known, Limit};
use crate::decision::{Failure, FailureClass};
use crate::event::Hook;
use crate::hook::AtLeast;
use crate::tls::ClientCertificate;

/// Whoever watches asks this, and has nothing to show.
const HEALTH: &str = "/grpc.health.v1.Health/";
const FORWARDED_FOR: &str = "x-forwarded-for";
/// The oldest policy version that may decide.
const MIN_VERSION: &str = "x-callgate-min-version";

/// What a call brings. `address` is that of the socket's peer.
pub(super) fn evidence<'a>(
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
    address: Option<IpAddr>,
) -> Evidence<'a> {
    Evidence {
        token: headers
            .get(header::AUTHORIZATION)
            .and_then(|value| bearer(value.as_bytes())),
        path: None,
        certificate: extensions
            .get::<Arc<ClientCertificate>>()
            .map(|certificate| &**certificate),
        address,
        forwarded_for: forwarded_for(headers),
    }
}

/// Which policies may decide, as a call's headers say.
pub(super) fn wants(headers: &HeaderMap) -> AtLeast {
    let Some(version) = headers.get(MIN_VERSION) else {
        return AtLeast::Any;
    };
    version.to_str().map_or(AtLeast::Unreadable, AtLeast::read)
}

/// The token in `Bearer TOKEN`.
pub fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then_some(token.trim_ascii())
}

/// Several lines of it are one list.
fn forwarded_for(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut lines = headers.get_all(FORWARDED_FOR).iter();
    let text =
        |value: &'_ http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let first = lines.next()?;
    let Some(second) = lines.next() else {
        return Some(String::from_utf8_lossy(first.as_bytes()));
    };
    let mut all = vec![text(first), text(second)];
    all.extend(lines.map(text));
    Some(all.join(",").into())
}

/// Lets a call of the gRPC port through if somebody makes it who may, and puts the caller beside it.
///
/// Errors: `UNAUTHENTICATED`.
pub(super) fn admit<T>(callers: &Callers, request: &mut Request<T>) -> Result<(), Status> {
    if request.uri().path().starts_with(HEALTH) {
        return Ok(());
    }
    let address = request.extensions().get().map(Peer::address);
    let brought = evidence(request.headers(), request.extensions(), address);
    match callers.admit_command_line(&brought) {
        Ok(Admitted { caller, .. }) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            Ok(())
        }
        Err(_) => Err(Status::unauthenticated(
            "this call brings nothing that callgate knows a caller by; send \
             `authorization: Bearer TOKEN`",
        )),
    }
}

/// The caller beside a gRPC call; `None` where callers are not told apart.
pub(super) fn known_of<T>(request: &tonic::Request<T>) -> Option<Known> {
    request.extensions().get::<Known>().cloned()
}

/// Why a hook is not for a caller; `None` when it is.
pub(super) fn forbidden(
    callers: &Callers,
    caller: Option<&Known>,
    hook: Hook,
    address: Option<IpAddr>,
) -> Option<String> {
    let caller = caller.filter(|caller| !caller.may_call(hook))?;
    callers.note(&caller.refused(), address);
    Some(format!("`{}` may not call `{hook}`", caller.name()))
}

/// A caller is past a limit of its own: the word lists look at a before call all the same.
pub(super) fn past(caller: &Known, limit: Limit) -> Failure {
    let what = match limit {
        Limit::InFlight => "has as many calls in flight as it may",
        Limit::Rate => "makes more calls a second than it may",
    };
    Failure::new(
        FailureClass::Overloaded,
        format!("`{}` {what}", caller.name()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_behind_its_scheme() {
        let check = |value: &str, token: Option<&str>| {
            assert_eq!(
                bearer(value.as_bytes()),
                token.map(str::as_bytes),
                "{value}"
            );
        };
        check("Bearer abc", Some("abc"));
        check("bearer  abc ", Some("abc"));
        check("Basic abc", None);
        check("Bearer", None);
        check("", None);
    }

    #[test]
    fn lines_of_forwarding_are_one_list() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded_for(&headers), None);
        for (line, all) in [
            ("1.1.1.1", "1.1.1.1"),
            ("2.2.2.2, 3.3.3.3", "1.1.1.1,2.2.2.2, 3.3.3.3"),
        ] {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
            assert_eq!(forwarded_for(&headers).as_deref(), Some(all));
        }
    }
}
