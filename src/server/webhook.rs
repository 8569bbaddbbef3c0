//! One call of an IM server's webhook, whatever brought it: call → event → the dialect's answer.
//!
//! A before call is always answered with status 200 and a canonical body, because IM servers do
//! not look at the status and read any other body as a failure or, worse, as an allow.

use std::net::IpAddr;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::warn;

use super::caller::{self, past};
use crate::callers::{Callers, Held, Known};
use crate::decision::{Decision, Failure, FailureClass};
use crate::dialect::{self, Call, Decoded, Dialect, Head, Options, Reply};
use crate::event::{DialectId, Event, Hook, Moment};
use crate::hook::{After, AtLeast, Before, Caller, CallerLimit, Settled};
use crate::in_flight::{InFlightLimit, InFlightPermit};
use crate::telemetry::{LogThrottle, Metrics, Stage};

/// Events of one call that are stored together. A longer call is cut: when a piece cannot be
/// stored the server repeats the whole call, and what was stored is a duplicate then.
const EVENTS_AT_ONCE: usize = 500;

/// What a call may be.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    pub in_flight_max: usize,
    /// What the events of one call may hold in memory beside their bodies.
    pub unpacked_bytes_max: usize,
    pub options: Options,
}

/// Takes calls, over HTTP and over gRPC.
pub struct Webhooks {
    settings: WebhookSettings,
    dialects: [Arc<dyn Dialect>; DialectId::ALL.len()],
    /// Before and after calls have a limit each: a stalled disk must not keep messages out.
    before_calls: InFlightLimit,
    after_calls: InFlightLimit,
    /// Events that callgate itself makes of before calls, on their way to the disk.
    follow_ups: Arc<InFlightLimit>,
    before: Arc<Before>,
    after: Arc<After>,
    metrics: Arc<Metrics>,
    callers: Arc<Callers>,
    odd_logged: LogThrottle<&'static str>,
    /// Outlives the threads that serve connections: what nobody waits for is done here.
    background: Handle,
}

/// When a call came, and from where.
#[derive(Clone, Debug)]
pub struct Origin {
    pub received: Instant,
    pub address: Option<IpAddr>,
    /// How long the caller waits, where it says so.
    pub waits: Option<Duration>,
    /// What the caller's trace says.
    pub traceparent: Option<String>,
    /// Which policies may decide, as the caller says.
    pub wants: AtLeast,
    /// `None` where callers are not told apart.
    pub caller: Option<Known>,
}

impl Origin {
    fn caller(&self) -> Caller {
        let limit = match self.waits {
            Some(limit) => CallerLimit::Said(Some(limit)),
            None => CallerLimit::Configured,
        };
        let mut caller = Caller::unknown(self.received, limit);
        caller.address = self.address;
        caller.wants = self.wants;
        caller.name = self.caller.as_ref().map(|known| Arc::clone(known.name()));
        caller
    }
}

/// Why a body could not be read.
pub struct Broken {
    pub why: String,
    /// There was no memory for it: a repeat is welcome.
    pub for_want_of_room: bool,
}

/// An answer, and the decision where there was one.
pub struct Answered {
    pub reply: Reply,
    pub settled: Option<Settled>,
}

impl Webhooks {
    /// To be made inside of the runtime that does what nobody waits for.
    pub fn new(
        settings: WebhookSettings,
        before: Arc<Before>,
        after: Arc<After>,
        metrics: Arc<Metrics>,
        callers: Arc<Callers>,
    ) -> Webhooks {
        Webhooks {
            before_calls: InFlightLimit::default(),
            after_calls: InFlightLimit::default(),
            follow_ups: Arc::default(),
            dialects: DialectId::ALL.map(|id| dialect::heard(id, &settings.options)),
            settings,
            before,
            after,
            metrics,
            callers,
            odd_logged: LogThrottle::default(),
            background: Handle::current(),
        }
    }

    /// A dialect as our callers speak it.
    pub fn dialect(&self, id: DialectId) -> &dyn Dialect {
        let heard = self.dialects.iter().find(|dialect| dialect.id() == id);
        heard.map_or_else(|| dialect::of(id), |dialect| &**dialect)
    }

    pub(super) fn callers(&self) -> &Callers {
        &self.callers
    }

    pub fn before(&self) -> &Before {
        &self.before
    }

    /// Answers a call. `broken` says why its body could not be read, if it could not.
    pub async fn take(
        &self,
        dialect: &dyn Dialect,
        call: &Call<'_>,
        broken: Option<Broken>,
        origin: Origin,
    ) -> Answered {
        let decoded = dialect.decode(call);
        self.metrics.spent(Stage::Decode, origin.received.elapsed());
        match (decoded, broken) {
            (Ok(Decoded::Event(mut event)), None) => {
                event.traceparent.clone_from(&origin.traceparent);
                self.answer(dialect, event, origin).await
            }
            (Ok(Decoded::Batch { hook, query, items }), None) => {
                let batch = Batch { hook, query, items };
                self.store(dialect, batch, call, &origin).await
            }
            (Ok(Decoded::UnknownCommand { command, event }), None) => {
                let what = format!("`{command}` is no command of {}", dialect.id());
                self.note("unknown_command", &what);
                self.metrics.unknown_commands.add(&command);
                if let Some(event) = event {
                    return self.answer(dialect, event, origin).await;
                }
                if let Some(caller) = origin.caller.filter(|caller| !caller.may_call_all()) {
                    self.callers.note(&caller.refused(), origin.address);
                    return told(dialect::refused(dialect, &call.head, None, 403));
                }
                let allow = Decision::acknowledged();
                told(dialect.reply_without_event(None, &call.body, &allow))
            }
            (Ok(_), Some(broken)) => self.unreadable(dialect, None, &call.body, broken, origin),
            (Err(unreadable), broken) => {
                let broken = broken.unwrap_or(Broken {
                    why: unreadable.reason,
                    for_want_of_room: false,
                });
                self.unreadable(dialect, unreadable.hook, &call.body, broken, origin)
            }
        }
    }

    async fn answer(&self, dialect: &dyn Dialect, event: Box<Event>, origin: Origin) -> Answered {
        // A route of one dialect may take calls of its older form, to be answered in that.
        let speaker = match event.dialect == dialect.id() {
            true => dialect,
            false => self.dialect(event.dialect),
        };
        let body = event.body.as_deref().unwrap_or_default();
        if let Some(refusal) = self.forbidden(speaker, event.hook, body, &origin) {
            return refusal;
        }
        match event.hook.moment {
            Moment::Before => {
                let caller = origin.caller();
                let settled = match self.place(&self.before_calls, origin.caller.as_ref()) {
                    Ok(_place) => self.before.decide(&event, caller).await,
                    Err(failure) => self.before.shed(&event, caller, &failure).await,
                };
                if let Some(event) = dialect.follow_up(&event, &settled.decision) {
                    self.store_follow_up(event);
                }
                Answered {
                    reply: speaker.reply(&event, &settled.decision),
                    settled: Some(settled),
                }
            }
            Moment::After => {
                let Ok(_place) = self.place(&self.after_calls, origin.caller.as_ref()) else {
                    self.metrics.accepted(event.hook, "refused");
                    return told(speaker.not_stored(&event));
                };
                let event = Arc::<Event>::from(event);
                match self.after.accept(slice::from_ref(&event), &[]).await {
                    Ok(_) => told(speaker.reply(&event, &Decision::acknowledged())),
                    Err(_) => told(speaker.not_stored(&event)),
                }
            }
        }
    }

    /// Nobody waits for it, least of all for a slow disk; that it could not be stored is logged and
    /// counted. As many may wait for the disk as after calls may.
    fn store_follow_up(&self, event: Event) {
        let (after, metrics) = (Arc::clone(&self.after), Arc::clone(&self.metrics));
        let waiting = Arc::clone(&self.follow_ups);
        let waiting_max = self.settings.in_flight_max;
        self.background.spawn(async move {
            match waiting.acquire(waiting_max) {
                Some(_place) => drop(after.accept(&[Arc::new(event)], &[]).await),
                None => metrics.accepted(event.hook, "refused"),
            }
        });
    }

    /// Stores the events of one call. One that cannot be read is noted and left out: its
    /// neighbours did nothing wrong, and a repeat would bring it again.
    async fn store(
        &self,
        dialect: &dyn Dialect,
        batch: Batch,
        call: &Call<'_>,
        origin: &Origin,
    ) -> Answered {
        let Batch { hook, query, items } = batch;
        if let Some(refusal) = self.forbidden(dialect, hook, &call.body, origin) {
            return refusal;
        }
        let mut reply =
            dialect.reply_without_event(Some(hook), &call.body, &Decision::acknowledged());
        let Ok(_place) = self.place(&self.after_calls, origin.caller.as_ref()) else {
            self.metrics.accepted(hook, "refused");
            reply.status = 503;
            return told(reply);
        };
        let operation_id = call.head.operation_id();
        let mut unpacked = 0;
        for piece in items.chunks(EVENTS_AT_ONCE) {
            let mut events = Vec::with_capacity(piece.len());
            for item in piece {
                if unpacked > self.settings.unpacked_bytes_max {
                    break;
                }
                match dialect.decode_one(hook, operation_id, item.clone()) {
                    Ok(event) => {
                        unpacked += bytes_beside_body(&event);
                        events.push(Arc::new(dialect::with_query(event, query.clone())));
                    }
                    Err(unreadable) => {
                        self.note("unreadable_event", &unreadable.reason);
                        if self.refuses(dialect, hook) {
                            reply.status = 503;
                        }
                    }
                }
            }
            if !events.is_empty() && self.after.accept(&events, &[]).await.is_err() {
                reply.status = 503;
                return told(reply);
            }
        }
        if unpacked > self.settings.unpacked_bytes_max {
            // What no IM server sends; the rest of it is not taken.
            self.note("unpacked", "a call unpacks to more than its memory");
            reply.status = 503;
        }
        told(reply)
    }

    /// Trusts nothing of a call that cannot be read: a before call gets the failure policy's
    /// answer, an after call the canonical one, with status 503 if a policy wanted the event.
    fn unreadable(
        &self,
        dialect: &dyn Dialect,
        hook: Option<Hook>,
        body: &[u8],
        broken: Broken,
        origin: Origin,
    ) -> Answered {
        let Broken {
            why,
            for_want_of_room,
        } = broken;
        self.note("unreadable_call", &why);
        if let Some(hook) = hook
            && let Some(refusal) = self.forbidden(dialect, hook, body, &origin)
        {
            return refusal;
        }
        if let Some(after) = hook.filter(|hook| hook.moment == Moment::After) {
            let mut canonical = dialect.reply_without_event(hook, body, &Decision::acknowledged());
            if self.after.wants(after) {
                self.metrics.accepted(after, "refused");
                if for_want_of_room || self.refuses(dialect, after) {
                    canonical.status = 503;
                }
            }
            return told(canonical);
        }
        let failure = Failure::new(FailureClass::UnreadableCall, why);
        let caller = origin.caller();
        let settled = self.before.fail(hook, &caller, &failure);
        Answered {
            reply: dialect.reply_without_event(hook, body, &settled.decision),
            settled: Some(settled),
        }
    }

    /// The answer to a caller that may not call a hook; `None` when it may.
    fn forbidden(
        &self,
        dialect: &dyn Dialect,
        hook: Hook,
        body: &[u8],
        origin: &Origin,
    ) -> Option<Answered> {
        caller::forbidden(&self.callers, origin.caller.as_ref(), hook, origin.address)?;
        let read = Some((hook, body));
        Some(told(dialect::refused(dialect, &Head::default(), read, 403)))
    }

    /// A place among the calls in flight, first of the caller's own, or why there is none.
    fn place<'a>(
        &self,
        calls: &'a InFlightLimit,
        caller: Option<&'a Known>,
    ) -> Result<Place<'a>, Failure> {
        let own = match caller {
            Some(caller) => Some(
                self.callers
                    .hold(caller)
                    .map_err(|limit| past(caller, limit))?,
            ),
            None => None,
        };
        let in_flight_max = self.settings.in_flight_max;
        let all = calls.acquire(in_flight_max);
        all.map(|all| Place {
            _own: own,
            _all: all,
        })
        .ok_or_else(|| shed(in_flight_max))
    }

    /// What is wanted and cannot be read is answered with a failure, where that helps.
    fn refuses(&self, dialect: &dyn Dialect, hook: Hook) -> bool {
        dialect.refuses_unreadable(hook) && self.after.wants(hook)
    }

    /// Counts and logs what is odd about a call.
    pub fn note(&self, reason: &'static str, what: &str) {
        self.metrics.odd_call(reason);
        if let Some(held_back) = self.odd_logged.pass(reason) {
            warn!(reason, held_back, "{what}");
        }
    }
}

/// Events of one hook that came in one call.
struct Batch {
    hook: Hook,
    query: String,
    items: Vec<Bytes>,
}

/// What an event holds in memory beside its body: recipients, which may have come packed.
fn bytes_beside_body(event: &Event) -> usize {
    /// Of a short text, beside its characters.
    const TEXT: usize = 40;
    let recipients = event.recipients.iter().flat_map(|them| &them.ids);
    recipients.map(|id| id.len() + TEXT).sum()
}

/// One call in flight, until it is dropped.
struct Place<'a> {
    _own: Option<Held<'a>>,
    _all: InFlightPermit<'a>,
}

pub(super) fn told(reply: Reply) -> Answered {
    Answered {
        reply,
        settled: None,
    }
}

fn shed(in_flight_max: usize) -> Failure {
    Failure::new(
        FailureClass::Overloaded,
        format!("{in_flight_max} calls are in flight already"),
    )
}
