//! One call to an endpoint, with everything that came back: for the one who wants to know how it
//! answers, and not only what.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONNECTION, CONTENT_TYPE};
use tokio::time::Instant;
use uuid::Uuid;

use super::ask::write_question;
use super::endpoint_client::failure_of;
use super::registry::Callbacks;
use crate::decision::{Failure, FailureClass, Outcome};
use crate::dialect::{self, AnswerWarning};
use crate::event::Event;
use crate::policy::Endpoint;

/// What came of one call.
#[derive(Debug)]
pub struct Probed {
    pub outcome: Outcome,
    pub warning: Option<AnswerWarning>,
    pub elapsed: Duration,
    /// `None` where no head of an answer came.
    pub heard: Option<Heard>,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Heard {
    pub status: u16,
    /// Empty where there is none.
    pub content_type: String,
    /// It redirects, or its body is compressed.
    pub remark: Option<String>,
    /// The server keeps the connection for another call.
    pub keeps_connection: bool,
    /// As far as it came.
    pub body: Bytes,
}

impl Callbacks {
    /// Asks an endpoint as [`Callbacks::ask`] does, whatever its breaker says, and counts nothing.
    pub async fn probe(&self, endpoint: &Endpoint, event: &Event, limit: Duration) -> Probed {
        let started = Instant::now();
        let mut heard = None;
        let probing = self.exchange(endpoint, event, limit, &mut heard);
        let read = tokio::time::timeout(limit, probing).await;
        let elapsed = started.elapsed();
        let failed = |failure| (Outcome::Failure(failure), None);
        let (outcome, warning) = match read {
            Ok(Ok((outcome, warning))) => (outcome, warning),
            Ok(Err(failure)) => failed(failure),
            Err(_) => {
                let detail = format!("`{}` did not answer within {limit:?}", endpoint.name);
                failed(Failure::new(FailureClass::Timeout, detail))
            }
        };
        Probed {
            outcome,
            warning,
            elapsed,
            heard,
        }
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        limit: Duration,
        heard: &mut Option<Heard>,
    ) -> Result<(Outcome, Option<AnswerWarning>), Failure> {
        let client = self.client(endpoint);
        let mut outgoing = write_question(endpoint, event, None, limit)?;
        if endpoint.sign.as_ref().is_some_and(|sign| sign.before) {
            client.sign(endpoint, &Uuid::now_v7().to_string(), &mut outgoing)?;
        }
        let answer = client.post(endpoint, outgoing).await;
        let mut answer = answer.map_err(|error| failure_of(endpoint, error))?;
        let heard = heard.insert(Heard {
            status: answer.status,
            content_type: content_type(&answer.headers),
            remark: answer.remark.take(),
            keeps_connection: keeps_connection(&answer.headers),
            body: Bytes::new(),
        });
        let body = answer.body(endpoint.answer_bytes_max).await;
        heard.body = body.map_err(|error| failure_of(endpoint, error))?;
        let dialect = dialect::of(endpoint.dialect);
        let reading = dialect.read_answer(event, heard.status, &heard.body, endpoint.answers);
        Ok((reading.outcome, reading.warning))
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE);
    value.map_or(String::new(), |value| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    })
}

fn keeps_connection(headers: &HeaderMap) -> bool {
    let said = headers.get(CONNECTION).map(|value| value.as_bytes());
    !said.is_some_and(|said| said.eq_ignore_ascii_case(b"close"))
}
