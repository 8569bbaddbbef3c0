//! Asking an endpoint about what has not happened yet, within the time that its caller has.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::endpoint_client::{EndpointClient, failure_of, url_for};
use super::health::{Ending, ending_of, ending_of_status};
use super::registry::{Callbacks, Side};
use super::wire::WireError;
use crate::decision::{Failure, FailureClass, Outcome, Replacement};
use crate::dialect::{self, AnswerWarning, Outgoing, Reading};
use crate::event::Event;
use crate::policy::Endpoint;

/// Less time than this is not worth a call: it would be load without an answer.
const CALL_TIME_MIN: Duration = Duration::from_millis(5);

/// How long an answer is worth waiting for.
#[derive(Clone, Copy, Debug)]
pub struct TimeBudget {
    /// The hook's own `timeout`, counted from the call to the endpoint.
    pub timeout: Duration,
    /// When the caller's limit, less our margin, is reached.
    pub deadline: Instant,
}

/// How asking ended, with what the log should say about it.
#[derive(Debug)]
pub struct Asked {
    pub outcome: Outcome,
    /// The answer means something else than its author thinks.
    pub warning: Option<AnswerWarning>,
    pub elapsed: Duration,
}

impl Callbacks {
    /// Asks an endpoint about an event and waits no longer than `budget` allows.
    ///
    /// `replacement` is what the filters changed; the endpoint sees the event with it.
    /// Never fails: every failure is an [`Outcome::Failure`] with its class.
    pub async fn ask(
        &self,
        endpoint: &Endpoint,
        side: Side,
        event: &Event,
        replacement: Option<&Replacement>,
        budget: TimeBudget,
    ) -> Asked {
        let started = Instant::now();
        let client = self.client_of(endpoint, side);
        let (outcome, warning) = match client.ask(endpoint, event, replacement, budget).await {
            Ok(Reading { outcome, warning }) => (outcome, warning),
            Err(failure) => (Outcome::Failure(failure), None),
        };
        match &outcome {
            Outcome::Answer(_) => client.note("answered", ""),
            Outcome::Failure(failure) => client.note(failure.class.name(), &failure.detail),
        }
        Asked {
            outcome,
            warning,
            elapsed: started.elapsed(),
        }
    }
}

impl EndpointClient {
    async fn ask(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        replacement: Option<&Replacement>,
        budget: TimeBudget,
    ) -> Result<Reading, Failure> {
        let now = Instant::now();
        let until = budget.deadline.min(now + budget.timeout);
        let left = until.saturating_duration_since(now);
        if left < CALL_TIME_MIN {
            return Err(Failure::new(
                FailureClass::Deadline,
                format!("`{}` was not called: {left:?} left", endpoint.name),
            ));
        }
        let (_place, pass) = self.enter(endpoint, event, now)?;
        let mut outgoing = write_question(endpoint, event, replacement, left)?;
        if endpoint.sign.as_ref().is_some_and(|sign| sign.before) {
            self.sign(endpoint, &Uuid::now_v7().to_string(), &mut outgoing)?;
        }
        let call = async {
            let mut answer = self.post(endpoint, outgoing).await?;
            let (status, remark) = (answer.status, answer.remark.take());
            let body = answer.body(endpoint.answer_bytes_max).await?;
            Ok::<_, WireError>((status, remark, body))
        };
        let (status, remark, body) = match tokio::time::timeout_at(until, call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                pass.end(error.ending(), &endpoint.breaker, Instant::now());
                return Err(failure_of(endpoint, error));
            }
            Err(_) => {
                // Whatever bounded its time: it had some, and used it up.
                let late = FailureClass::Timeout;
                pass.end(ending_of(late), &endpoint.breaker, Instant::now());
                return Err(Failure::new(
                    late,
                    format!("`{}` did not answer within {left:?}", endpoint.name),
                ));
            }
        };
        let dialect = dialect::of(endpoint.dialect);
        let mut reading = dialect.read_answer(event, status, &body, endpoint.answers);
        if let (Outcome::Failure(failure), Some(remark)) = (&mut reading.outcome, remark) {
            failure.detail += "; ";
            failure.detail += &remark;
        }
        let ending = match &reading.outcome {
            Outcome::Answer(_) => Ending::Success,
            Outcome::Failure(failure) if failure.class == FailureClass::HttpStatus => {
                ending_of_status(status)
            }
            Outcome::Failure(failure) => ending_of(failure.class),
        };
        pass.end(ending, &endpoint.breaker, Instant::now());
        Ok(reading)
    }
}

/// Writes the call with what it has `left` of its time; its id and signature are for the one who
/// makes it.
pub(super) fn write_question(
    endpoint: &Endpoint,
    event: &Event,
    replacement: Option<&Replacement>,
    left: Duration,
) -> Result<Outgoing, Failure> {
    let url = url_for(endpoint, event)?;
    let mut outgoing = dialect::of(endpoint.dialect).request(&url, event, replacement);
    let left_ms = left.as_millis().to_string();
    outgoing.headers.push(("x-callback-timeout-ms", left_ms));
    if let Some(trace) = &event.traceparent {
        outgoing.headers.push(("traceparent", trace.clone()));
    }
    Ok(outgoing)
}
