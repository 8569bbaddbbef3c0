//! The time that a gRPC caller gives a call: `grpc-timeout`.
//!
//! A before hook answers within it by itself, with the failure policy. Every other call is given
//! up when it is over, as its caller has given it up then.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::HeaderMap;
use tokio::time::timeout;
use tonic::Status;

const HEADER: &str = "grpc-timeout";

/// What the caller said, if it said it as gRPC has it.
pub(super) fn said(headers: &HeaderMap) -> Option<Duration> {
    read(headers.get(HEADER)?.to_str().ok()?)
}

/// Gives a call up when its caller does.
///
/// Errors: `DEADLINE_EXCEEDED` when the time was over first.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match limit {
        None => call.await,
        Some(limit) => timeout(limit, call).await.unwrap_or_else(|_| Err(over())),
    }
}

/// The same for every call of a port's routes: until its answer begins.
pub fn keep_deadlines(routes: Router) -> Router {
    routes.layer(from_fn(async |request: Request, next: Next| -> Response {
        let limit = said(request.headers());
        let answered = within(limit, async { Ok(next.run(request).await) }).await;
        answered.unwrap_or_else(Status::into_http)
    }))
}

fn over() -> Status {
    Status::deadline_exceeded("the time that `grpc-timeout` gave is over")
}

/// At most eight digits and a unit.
fn read(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn times_are_read_in_every_unit() {
        let check = |value: &str, expected: Option<Duration>| {
            assert_eq!(read(value), expected, "{value}");
        };
        check("1S", Some(Duration::from_secs(1)));
        check("250m", Some(Duration::from_millis(250)));
        check("99999999u", Some(Duration::from_micros(99_999_999)));
        check("2H", Some(Duration::from_secs(7200)));
        check("123456789n", None);
        check("S", None);
        check("", None);
        check("-1S", None);
        check("1秒", None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_with_its_callers_patience() {
        let never = std::future::pending::<Result<(), Status>>;
        let given_up = within(Some(Duration::from_secs(3)), never()).await;
        assert_eq!(given_up.unwrap_err().code(), Code::DeadlineExceeded);
        let now = async { Ok(1) };
        assert_eq!(within(Some(Duration::ZERO), now).await.unwrap(), 1);
        let late = async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(2)
        };
        assert_eq!(within(None, late).await.unwrap(), 2);
    }
}
