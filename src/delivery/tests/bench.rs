//! What delivery stands on in a test: an outbox in memory, an endpoint that is played, a clock
//! whose time of day is given.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::callback::{Delivery, DeliveryError, ReadEvent, Readiness};
use crate::clock::Clock;
use crate::decision::FailureClass;
use crate::delivery::tools::{Tools, Transport};
use crate::delivery::worker;
use crate::event::Hook;
use crate::outbox::{AsRead, Config, EndpointStats, Kind, NewEntry, Outbox, open};
use crate::policy::{self, CompileContext, Endpoint, FileSet};
use crate::telemetry::{LogThrottle, Metrics};

/// One call that the endpoint got: when, since the start of the test, and the ids.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub at: Duration,
    pub ids: Vec<String>,
}

type Answer = dyn Fn(&Call) -> Delivery + Send + Sync;

/// An endpoint that takes `time` for each call, and answers as it is told to.
struct Played {
    started: Instant,
    time: Duration,
    answer: Box<Answer>,
    /// Hooks whose breaker is open.
    resting: Vec<&'static str>,
    calls: Arc<Mutex<Vec<Call>>>,
}

#[async_trait]
impl Transport for Played {
    async fn deliver(&self, _: &Endpoint, events: &[&ReadEvent]) -> Delivery {
        let ids = events.iter().map(|event| event.stored.id.clone());
        let call = Call {
            at: self.started.elapsed(),
            ids: ids.collect(),
        };
        self.calls.lock().unwrap().push(call.clone());
        tokio::time::sleep(self.time).await;
        (self.answer)(&call)
    }

    fn readiness(&self, _: &Endpoint) -> Readiness {
        Readiness::Ready
    }

    fn hook_readiness(&self, _: &Endpoint, hook: Hook) -> Readiness {
        match self.resting.contains(&hook.name) {
            true => Readiness::Resting(Duration::from_secs(20)),
            false => Readiness::Ready,
        }
    }
}

pub(super) struct Bench {
    pub outbox: Arc<dyn Outbox>,
    pub clock: Clock,
    pub resting: Vec<&'static str>,
    /// When no policy names the endpoint, since the start of the test.
    pub unnamed: Range<Duration>,
    calls: Arc<Mutex<Vec<Call>>>,
    started: Instant,
    endpoint: Arc<Endpoint>,
    stop: CancellationToken,
}

impl Bench {
    /// With these settings of the endpoint.
    pub fn new(settings: &str) -> Bench {
        let kept = Config {
            kind: Kind::Memory,
            ..crate::config::load(None, &[]).unwrap().outbox
        };
        let outbox = open(&kept, Box::new(|_| ())).unwrap();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        Bench {
            outbox,
            clock: Clock::start_at(wall),
            resting: Vec::new(),
            unnamed: Duration::ZERO..Duration::ZERO,
            calls: Arc::default(),
            started: Instant::now(),
            endpoint: endpoint(settings),
            stop: CancellationToken::new(),
        }
    }

    /// Another process on the same outbox, whose wall clock says so.
    pub fn restart(&mut self, wall_ms: u64) {
        self.stop.cancel();
        self.stop = CancellationToken::new();
        self.clock = Clock::start_at(SystemTime::UNIX_EPOCH + Duration::from_millis(wall_ms));
        self.calls.lock().unwrap().clear();
    }

    /// Delivers in the background, to an endpoint that answers so after `time`.
    pub fn serve(
        &self,
        time: Duration,
        answer: impl Fn(&Call) -> Delivery + Send + Sync + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let played = Played {
            started: self.started,
            time,
            answer: Box::new(answer),
            resting: self.resting.clone(),
            calls: Arc::clone(&self.calls),
        };
        let endpoint = Arc::clone(&self.endpoint);
        let (started, unnamed) = (self.started, self.unnamed.clone());
        let is_named = move || !unnamed.contains(&started.elapsed());
        let tools = Tools {
            endpoints: Box::new(move |_| is_named().then(|| Arc::clone(&endpoint))),
            transport: Box::new(played),
            outbox: Arc::clone(&self.outbox),
            metrics: Arc::new(Metrics::new()),
            clock: self.clock,
            look_again: Duration::from_secs(60),
            grace: Duration::from_secs(9),
            failures_logged: LogThrottle::default(),
        };
        let (tools, stop) = (Arc::new(tools), self.stop.clone());
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                worker::serve(Arc::clone(&tools), "business".to_owned(), stop.clone()).await;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tools.outbox.appended() => {}
                }
            }
        })
    }

    /// Accepts events: `id`, `id/key`, or `id/key/hook`.
    pub async fn accept(&self, events: &[&str]) {
        let entries = events.iter().map(|event| self.entry(event)).collect();
        self.outbox.append(entries).await.unwrap();
    }

    fn entry(&self, event: &str) -> NewEntry {
        let mut parts = event.split('/');
        let id = parts.next().unwrap();
        let key = parts.next().unwrap_or_default();
        let hook = parts.next().unwrap_or("wukongim.msg.notify");
        let body = format!(
            r#"{{"message_id":1,"message_idstr":"{id}","from_uid":"a","channel_id":"g","channel_type":2,"payload":"aGk="}}"#
        );
        NewEntry {
            id: id.to_owned(),
            hook: hook.to_owned(),
            dialect: "wukongim".to_owned(),
            ordering_key: key.to_owned(),
            operation_id: String::new(),
            series: None,
            read: AsRead::default(),
            body: Bytes::from(body),
            endpoints: vec!["business".to_owned()],
            accepted_at_ms: self.clock.now_ms(),
        }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The ids of each call, as `a+b c`.
    pub fn told(&self) -> String {
        let calls = self.calls();
        let calls: Vec<String> = calls.iter().map(|call| call.ids.join("+")).collect();
        calls.join(" ")
    }

    pub async fn stats(&self) -> EndpointStats {
        let stats = self.outbox.stats().await.unwrap();
        stats.endpoints.into_iter().next().unwrap()
    }
}

fn endpoint(settings: &str) -> Arc<Endpoint> {
    let text = format!(
        "endpoints: {{business: {{url: \"http://127.0.0.1:9/\", dialect: wukongim, {settings}}}}}\n"
    );
    let files = FileSet {
        root: "policies".to_owned(),
        files: [("policy.yaml".to_owned(), Arc::from(text.as_bytes()))].into(),
    };
    let context = CompileContext::default();
    let compiled = policy::compile(&files, &context, 1);
    let Some(snapshot) = compiled.snapshot else {
        panic!("{:?}", compiled.problems);
    };
    Arc::clone(snapshot.endpoint("business").unwrap())
}

pub(super) fn failure(status: Option<u16>, retry_after: Option<Duration>) -> DeliveryError {
    DeliveryError {
        class: FailureClass::HttpStatus,
        detail: "`business` failed".to_owned(),
        status,
        retry_after,
        answer: String::new(),
    }
}

/// It answered with this status, and wants so much time.
pub(super) fn busy(status: u16, retry_after: Option<Duration>) -> Delivery {
    Delivery::Retry(failure(Some(status), retry_after))
}
