//! gRPC status codes as they are documented, where the library has its own idea of them.

use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status};

const GRPC_STATUS: &str = "grpc-status";
const GRPC_MESSAGE: &str = "grpc-message";
/// How the library's message begins when a request is no protobuf, a text in it no UTF-8.
const UNDECODED: &str = "failed to decode Protobuf message";

/// Corrects the code of an answer without a body.
pub(super) fn document(headers: &mut HeaderMap) {
    let Some(code) = headers.get(GRPC_STATUS) else {
        return;
    };
    let message = headers
        .get(GRPC_MESSAGE)
        .map_or(&[][..], HeaderValue::as_bytes);
    let code = Code::from_bytes(code.as_bytes());
    let documented = documented(code, is_undecoded(message));
    if documented != code {
        headers.insert(GRPC_STATUS, HeaderValue::from(documented as i32));
    }
}

/// Corrects the code of one item of a stream.
pub(super) fn documented_status(status: Status) -> Status {
    let code = documented(status.code(), is_undecoded(status.message().as_bytes()));
    match code == status.code() {
        true => status,
        false => Status::new(code, status.message()),
    }
}

fn documented(code: Code, is_undecoded: bool) -> Code {
    match code {
        // A message over its limit; nothing else here has a range.
        Code::OutOfRange => Code::ResourceExhausted,
        Code::Internal if is_undecoded => Code::InvalidArgument,
        other => other,
    }
}

/// In a header a message has its blanks and signs as `%20`.
fn is_undecoded(message: &[u8]) -> bool {
    let message = String::from_utf8_lossy(message).replace("%20", " ");
    message.starts_with(UNDECODED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_ones() {
        let check = |status: Status, code: Code| {
            let mut headers = status.clone().into_http::<()>().headers().clone();
            document(&mut headers);
            let seen = Status::from_header_map(&headers).unwrap();
            assert_eq!((seen.code(), seen.message()), (code, status.message()));
            assert_eq!(documented_status(status).code(), code);
        };
        check(Status::out_of_range("too large"), Code::ResourceExhausted);
        let undecoded = "failed to decode Protobuf message: Message.x: invalid UTF-8";
        check(Status::internal(undecoded), Code::InvalidArgument);
        check(Status::internal("our own fault"), Code::Internal);
        check(Status::unavailable("closed"), Code::Unavailable);
    }
}
