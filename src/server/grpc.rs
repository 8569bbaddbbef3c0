//! `callgate.v1.HookService`.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{FutureExt, Stream};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::caller::{forbidden, known_of, past};
use super::codes::documented_status;
use super::connection::Peer;
use super::deadline;
use super::eager::Eager;
use super::message::{
    Invalid, accepted_response, after_event, before_event, decision_response, version_of,
};
use crate::callers::{Callers, Known};
use crate::decision::{Failure, FailureClass};
use crate::dialect;
use crate::event::{Hook, Moment, traceparent};
use crate::hook::{After, AtLeast, Before, Caller, CallerLimit};
use crate::in_flight::InFlightLimit;
use crate::outbox::AppendError;
use crate::proto::v1;
use crate::proto::v1::hook_service_server::{HookService, HookServiceServer};
use crate::reload::Policies;

/// Events in one `After` call.
const EVENTS_MAX: usize = 1000;

/// What the gRPC side needs to know.
#[derive(Clone, Debug)]
pub struct GrpcSettings {
    pub message_bytes_max: usize,
    /// The longest message of WuKongIM's webhook, which brings many events at a time.
    pub wukongim_message_bytes_max: usize,
    pub in_flight_max: usize,
}

/// The service, ready to be added to a server.
pub(super) fn hook_service(
    settings: GrpcSettings,
    policies: Arc<Policies>,
    before: Arc<Before>,
    after: Arc<After>,
    callers: Arc<Callers>,
) -> HookServiceServer<impl HookService> {
    let service = Hooks {
        policies,
        asking: Arc::new(Asking {
            calls: InFlightLimit::default(),
            in_flight_max: settings.in_flight_max,
            before,
            callers: Arc::clone(&callers),
        }),
        callers,
        after,
        after_calls: InFlightLimit::default(),
        in_flight_max: settings.in_flight_max,
    };
    HookServiceServer::new(service).max_decoding_message_size(settings.message_bytes_max)
}

struct Hooks {
    policies: Arc<Policies>,
    asking: Arc<Asking>,
    after: Arc<After>,
    after_calls: InFlightLimit,
    in_flight_max: usize,
    callers: Arc<Callers>,
}

struct Asking {
    calls: InFlightLimit,
    in_flight_max: usize,
    before: Arc<Before>,
    callers: Arc<Callers>,
}

/// Why a before request has no decision.
enum Undecided {
    Invalid(Invalid),
    /// Its caller may not call this hook.
    Forbidden(String),
}

impl Undecided {
    fn status(self) -> Status {
        match self {
            Undecided::Invalid(invalid) => invalid.status(),
            Undecided::Forbidden(why) => Status::permission_denied(why),
        }
    }

    /// The same for one request of a stream.
    fn item(self) -> v1::RequestError {
        match self {
            Undecided::Invalid(invalid) => invalid.item(),
            Undecided::Forbidden(why) => v1::RequestError {
                code: tonic::Code::PermissionDenied as i32,
                message: why,
                field: "hook".to_owned(),
            },
        }
    }
}

impl Asking {
    async fn before(
        &self,
        mut request: v1::BeforeRequest,
        mut caller: Caller,
        known: Option<&Known>,
    ) -> Result<v1::BeforeResponse, (String, Undecided)> {
        let request_id = std::mem::take(&mut request.request_id);
        let explain = request.explain();
        let wants = AtLeast::number(request.min_version);
        let mut event = match before_event(request) {
            Ok(event) => event,
            Err(invalid) => return Err((request_id, Undecided::Invalid(invalid))),
        };
        if let Some(why) = forbidden(&self.callers, known, event.hook, caller.address) {
            return Err((request_id, Undecided::Forbidden(why)));
        }
        event.traceparent = caller.traceparent.take();
        caller.wants = wants;
        caller.name = known.map(|known| Arc::clone(known.name()));
        let own = known.map(|known| (known, self.callers.hold(known)));
        let settled = match (own, self.calls.acquire(self.in_flight_max)) {
            (Some((known, Err(limit))), _) => {
                let failure = past(known, limit);
                self.before.shed(&event, caller, &failure).await
            }
            (_own, Some(_permit)) => self.before.decide(&event, caller).await,
            (_own, None) => {
                let why = format!("{} calls are in flight already", self.in_flight_max);
                let failure = Failure::new(FailureClass::Overloaded, why);
                self.before.shed(&event, caller, &failure).await
            }
        };
        Ok(decision_response(settled, request_id, explain))
    }
}

#[tonic::async_trait]
impl HookService for Hooks {
    async fn before(
        &self,
        request: Request<v1::BeforeRequest>,
    ) -> Result<Response<v1::BeforeResponse>, Status> {
        let mut caller = caller_of(request.metadata());
        caller.address = address_of(&request);
        let known = known_of(&request);
        let asking = self
            .asking
            .before(request.into_inner(), caller, known.as_ref());
        match asking.await {
            Ok(response) => Ok(Response::new(response)),
            Err((_, undecided)) => Err(undecided.status()),
        }
    }

    type BeforeStreamStream =
        Pin<Box<dyn Stream<Item = Result<v1::BeforeResponse, Status>> + Send + 'static>>;

    async fn before_stream(
        &self,
        request: Request<Streaming<v1::BeforeRequest>>,
    ) -> Result<Response<Self::BeforeStreamStream>, Status> {
        let asking = Arc::clone(&self.asking);
        // A stream's `grpc-timeout` is the stream's, not one message's: each message has its
        // hook's own limits.
        let address = address_of(&request);
        let trace = traceparent_of(request.metadata());
        let known = known_of(&request);
        let answers = Eager::new(
            request.into_inner(),
            move |item: Result<v1::BeforeRequest, Status>| {
                let (asking, known) = (Arc::clone(&asking), known.clone());
                let trace = trace.clone();
                let answer = async move {
                    let mut caller = Caller::unknown(Instant::now(), CallerLimit::Said(None));
                    caller.address = address;
                    caller.traceparent = trace;
                    let request = item.map_err(documented_status)?;
                    match asking.before(request, caller, known.as_ref()).await {
                        Ok(response) => Ok(response),
                        Err((request_id, undecided)) => Ok(v1::BeforeResponse {
                            request_id,
                            error: Some(undecided.item()),
                            ..v1::BeforeResponse::default()
                        }),
                    }
                };
                answer.boxed()
            },
        );
        Ok(Response::new(Box::pin(answers)))
    }

    async fn after(
        &self,
        request: Request<v1::AfterRequest>,
    ) -> Result<Response<v1::AfterResponse>, Status> {
        let (known, address) = (known_of(&request), address_of(&request));
        let own = known
            .as_ref()
            .map(|known| (known, self.callers.hold(known)));
        if let Some((known, Err(limit))) = own {
            return Err(Status::resource_exhausted(past(known, limit).detail));
        }
        let Some(_permit) = self.after_calls.acquire(self.in_flight_max) else {
            let why = format!("{} calls are in flight already", self.in_flight_max);
            return Err(Status::resource_exhausted(why));
        };
        let limit = deadline::said(request.metadata().as_ref());
        let told = request.into_inner().events;
        if told.is_empty() || told.len() > EVENTS_MAX {
            let why = format!("{} events; 1 to {EVENTS_MAX} may come at once", told.len());
            return Err(Invalid::new("events", why).status());
        }
        let (mut events, mut ids) = (Vec::new(), Vec::new());
        for (index, event) in told.into_iter().enumerate() {
            let (event, id) = after_event(event, index).map_err(|invalid| invalid.status())?;
            let forbidden = forbidden(&self.callers, known.as_ref(), event.hook, address);
            if let Some(why) = forbidden {
                return Err(Status::permission_denied(why));
            }
            events.push(Arc::new(event));
            ids.push(id);
        }
        let storing = async {
            let stored = self.after.accept(&events, &ids).await;
            stored.map_err(|error| not_stored(&error.0))
        };
        let (accepted, version) = deadline::within(limit, storing).await?;
        Ok(Response::new(accepted_response(accepted, &version)))
    }

    async fn capabilities(
        &self,
        _: Request<v1::CapabilitiesRequest>,
    ) -> Result<Response<v1::CapabilitiesResponse>, Status> {
        let snapshot = self.policies.current();
        let hooks = snapshot
            .hooks()
            .map(|rules| v1::HookCapability {
                hook: rules.hook.name.to_owned(),
                before: rules.hook.moment == Moment::Before,
                can_block: rules.hook.moment == Moment::Before,
                can_replace: can_replace(rules.hook),
                filters: rules.list_names(),
                endpoints: rules
                    .endpoints
                    .iter()
                    .map(|endpoint| endpoint.name.to_string())
                    .collect(),
                timeout_ms: rules.timeout.as_millis() as u64,
            })
            .collect();
        Ok(Response::new(v1::CapabilitiesResponse {
            policy_version: Some(version_of(&snapshot.version)),
            hooks,
        }))
    }
}

/// Over gRPC every before hook with a message can replace it.
fn can_replace(hook: Hook) -> bool {
    let info = dialect::info(hook);
    hook.moment == Moment::Before && (info.takes_message() || info.can_replace())
}

fn not_stored(error: &AppendError) -> Status {
    match error {
        AppendError::Full { .. } => Status::resource_exhausted(error.to_string()),
        AppendError::TooLarge { .. } => Status::invalid_argument(error.to_string()),
        AppendError::Closed | AppendError::Failed(_) => Status::unavailable(error.to_string()),
    }
}

fn caller_of(metadata: &MetadataMap) -> Caller {
    let limit = deadline::said(metadata.as_ref());
    let mut caller = Caller::unknown(Instant::now(), CallerLimit::Said(limit));
    caller.traceparent = traceparent_of(metadata);
    caller
}

fn traceparent_of(metadata: &MetadataMap) -> Option<String> {
    traceparent(metadata.get("traceparent")?.to_str().ok()?)
}

fn address_of<T>(request: &Request<T>) -> Option<IpAddr> {
    let peer: Option<&Peer> = request.extensions().get();
    peer.map(Peer::address)
}
