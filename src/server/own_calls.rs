//! Calls that callgate itself has made, come back to it: each would lead to the next.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use tracing::warn;

/// How our own calls are known.
#[derive(Clone, Debug)]
pub struct OwnCalls {
    header: HeaderName,
    installation: Box<[u8]>,
}

impl OwnCalls {
    /// Calls whose `header` names this `installation`.
    pub fn new(header: &'static str, installation: &str) -> OwnCalls {
        OwnCalls {
            header: HeaderName::from_static(header),
            installation: installation.as_bytes().into(),
        }
    }

    /// The refusal of a call of ours; `None` for anybody else's.
    pub(super) fn refuse(&self, call: &Parts) -> Option<Response<Bytes>> {
        let mut hops = call.headers.get_all(&self.header).iter();
        hops.any(|hop| hop.as_bytes() == &*self.installation)
            .then(refusal)
    }
}

// The path is in no log: it may hold a secret.
fn refusal() -> Response<Bytes> {
    warn!("a call of callgate came back to it and was refused: an endpoint leads here");
    let text = "callgate made this call itself: an endpoint of its policy leads back to it\n";
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = StatusCode::LOOP_DETECTED;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    let class = HeaderValue::from_static("loop");
    headers.insert("x-callgate-failure", class);
    response
}
