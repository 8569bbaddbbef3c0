//! Decisions with a fake business server, in paused time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use prometheus_client::metrics::counter::Counter;
use tempfile::TempDir;
use tokio::time::{sleep, timeout_at};

use super::*;
use crate::decision::{Decider, Refusal, Replacement, RoomReply};
use crate::dialect;
use crate::event::{DialectId, Message};
use crate::policy::CompileContext;
use crate::telemetry::CallerLimits;

const LIMITS: WaitLimits = WaitLimits {
    per_key_max: 3,
    all_max: 100,
};

const NO_LIMITS: CallerLimits = CallerLimits {
    per_sender_max: 0,
    per_address_max: 0,
};

const HOOK: &str = "beforeSendSingleMsg";

/// A business server that answers the same to everything, after the same time.
#[derive(Debug)]
struct Fake {
    answer: Outcome,
    after: Duration,
    /// What it was asked about: contents, or the states of bots.
    asked: Mutex<Vec<String>>,
}

impl Fake {
    fn new(answer: Answer) -> Fake {
        Fake {
            answer: Outcome::Answer(answer),
            after: Duration::ZERO,
            asked: Mutex::default(),
        }
    }

    fn after(self, after: Duration) -> Fake {
        Fake { after, ..self }
    }
}

impl Business for Fake {
    fn ask<'a>(&'a self, question: Question<'a>, budget: TimeBudget) -> BoxFuture<'a, Asked> {
        let message = question.event.message.as_ref();
        let replaced = question.replacement.and_then(|new| new.content.clone());
        let room = question.event.room.as_ref();
        let state = room.and_then(|room| room.bot_state.clone());
        let seen = state
            .or(replaced)
            .or(message.map(|message| message.content.clone()));
        self.asked.lock().unwrap().push(seen.unwrap_or_default());
        async move {
            let started = Instant::now();
            let until = budget.deadline.min(started + budget.timeout);
            let outcome = match timeout_at(until, sleep(self.after)).await {
                Ok(()) => self.answer.clone(),
                Err(_) => Outcome::Failure(Failure::new(FailureClass::Timeout, "late")),
            };
            Asked {
                outcome,
                warning: None,
                elapsed: started.elapsed(),
            }
        }
        .boxed()
    }
}

/// The hooks' side of callgate, with everything that it stands on.
struct World {
    before: Before,
    business: Arc<Fake>,
    metrics: Arc<Metrics>,
    rooms: Arc<Rooms>,
    _directory: TempDir,
}

fn world(policy: &str, business: Fake) -> World {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("policy.yaml"), policy).unwrap();
    let metrics = Arc::new(Metrics::new());
    let surroundings = CompileContext::default();
    let policies = Policies::start(
        directory.path(),
        surroundings,
        Arc::clone(&metrics),
        crate::reload::Start::default(),
    );
    let policies = policies.unwrap_or_else(|bad| panic!("{:#?}", bad.0));
    let rooms = Arc::new(Rooms::open(&directory.path().join("rooms.db")).unwrap());
    let business = Arc::new(business);
    World {
        before: Before::asking(
            Arc::new(policies),
            Arc::<Fake>::clone(&business),
            Arc::clone(&metrics),
            RoomBots::new(Arc::clone(&rooms), LIMITS),
            CallerLines::new(NO_LIMITS, Counter::default()),
        ),
        business,
        metrics,
        rooms,
        _directory: directory,
    }
}

impl World {
    fn asked(&self) -> Vec<String> {
        self.business.asked.lock().unwrap().clone()
    }

    fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }
}

fn policy(hook: &str) -> String {
    format!(
        "callbackUrl: http://business.example/\n\
         lists: {{bad: {{words: [casino], action: block}}, soft: {{words: [darn], action: replace}}}}\n\
         hooks: {{{HOOK}: {{{hook}}}, beforeMsgModify: , funtek.MESSAGE: {{endpoint: bot}}}}\n\
         endpoints: {{bot: {{url: 'http://bot.example/', dialect: funtek}}}}\n"
    )
}

fn message(hook: &str, id: &str, text: &str) -> Event {
    let message = Message {
        send_id: "u1".to_owned(),
        recv_id: "u2".to_owned(),
        server_msg_id: id.to_owned(),
        content_type: 101,
        content: serde_json::json!({ "content": text }).to_string(),
        ..Message::default()
    };
    dialect::event_from_message(dialect::hook(hook).unwrap(), String::new(), message)
}

fn text(text: &str) -> Event {
    message(HOOK, "", text)
}

fn caller() -> Caller {
    Caller::unknown(Instant::now(), CallerLimit::Configured)
}

fn overloaded() -> Failure {
    Failure::new(FailureClass::Overloaded, "full")
}

#[tokio::test(start_paused = true)]
async fn a_word_blocks_and_nobody_is_asked() {
    let world = world(&policy(""), Fake::new(Answer::Allow));
    let settled = world.before.decide(&text("a casino"), caller()).await;
    assert_eq!(settled.decision.decider, Decider::Filter);
    assert_eq!(settled.decision.verdict.name(), "block");
    assert!(world.asked().is_empty());
    let settled = world.before.decide(&text("darn it"), caller()).await;
    assert_eq!(settled.decision.verdict.name(), "replace");
    assert_eq!(world.asked(), [r#"{"content":"**** it"}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_shed_passes_the_filters_all_the_same() {
    for action in ["allow", "block"] {
        let rules = format!("failedContinue: {{default: {action}}}");
        let world = world(&policy(&rules), Fake::new(Answer::Allow));
        for (said, verdict, decider, failure) in [
            ("a casino", "block", Decider::Filter, None),
            (
                "hello",
                action,
                Decider::FailurePolicy,
                Some(FailureClass::Overloaded),
            ),
        ] {
            let settled = world
                .before
                .shed(&text(said), caller(), &overloaded())
                .await;
            let decision = settled.decision;
            assert_eq!(decision.verdict.name(), verdict, "{said}");
            assert_eq!((decision.decider, decision.failure), (decider, failure));
        }
        assert!(world.asked().is_empty());
        let calls = "callgate_decisions_total{hook=\"beforeSendSingleMsg\",action=\"block\",decider=\"filter\"}";
        assert_eq!(world.metric(calls), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_is_answered_before_its_caller_gives_up() {
    let hang = Fake::new(Answer::Allow).after(Duration::from_secs(3600));
    let world = world(&policy("timeout: 4s, caller_timeout: 3s"), hang);
    for (limit, expected) in [
        (CallerLimit::Configured, 2850),
        (CallerLimit::Said(Some(Duration::from_secs(1))), 950),
        (CallerLimit::Said(Some(Duration::from_millis(100))), 80),
        (CallerLimit::Said(None), 4000),
    ] {
        let started = Instant::now();
        let caller = Caller::unknown(started, limit);
        let settled = world.before.decide(&text("hello"), caller).await;
        assert_eq!(started.elapsed().as_millis(), expected, "{limit:?}");
        assert_eq!(settled.decision.failure, Some(FailureClass::Timeout));
        assert!(!settled.decision.reviewed);
    }
    assert_eq!(
        world.metric("callgate_late_answers_total{hook=\"beforeSendSingleMsg\"}"),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_endpoint_writes_passes_the_filters_too() {
    for (content, expected) in [("a casino", "block"), ("fine", "replace")] {
        let content = serde_json::json!({ "content": content }).to_string();
        let answer = Answer::Replace(Replacement {
            content: Some(content),
            fields: Vec::new(),
            ..Replacement::default()
        });
        let world = world(&policy(""), Fake::new(answer));
        let settled = world.before.decide(&text("hello"), caller()).await;
        assert_eq!(settled.decision.verdict.name(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_two_calls_about_a_message_are_one_violation() {
    let world = world(&policy(""), Fake::new(Answer::Allow));
    for hook in [HOOK, "beforeMsgModify"] {
        let event = message(hook, "m1", "darn it");
        let settled = world.before.decide(&event, caller()).await;
        assert_eq!(settled.decision.hits.len(), 1);
    }
    let matches = "callgate_matches_total{list=\"soft\",action=\"replace\"}";
    assert_eq!(world.metric(matches), 1);
    assert_eq!(world.asked().len(), 2);
}

fn room_event() -> Event {
    let hook = dialect::hook("funtek.MESSAGE").unwrap();
    let body = include_bytes!("../../../tests/fixtures/dialects/funtek.MESSAGE.request.json");
    let funtek = dialect::of(DialectId::Funtek);
    let mut event = funtek.decode_one(hook, "", body.as_slice().into()).unwrap();
    if let Some(room) = &mut event.room {
        room.kept_here = true;
        room.by_robot = false;
    }
    event
}

fn to_state(state: &str) -> Answer {
    Answer::Reply(RoomReply {
        state: Some(state.to_owned()),
        ..RoomReply::default()
    })
}

#[tokio::test(start_paused = true)]
async fn a_rooms_bot_is_asked_in_the_state_that_it_went_to_one_event_at_a_time() {
    let slow = Fake::new(to_state("second")).after(Duration::from_millis(800));
    let world = world(&policy(""), slow);
    let event = room_event();
    let room = event.room.clone().unwrap().id;
    world
        .rooms
        .set(&room, "http://bot.example/room", Some("first"))
        .unwrap();
    let decide = || world.before.decide(&event, caller());
    let (first, second, third) = tokio::join!(decide(), decide(), decide());
    let class = |settled: &Settled| settled.decision.failure;
    assert_eq!(class(&first), None);
    assert_eq!(world.asked(), ["first", "second", "second"]);
    // The first took 800 of the 1900 ms that all had, the second too, and the third had the rest.
    assert_eq!(class(&second), None);
    assert_eq!(class(&third), Some(FailureClass::Timeout));
    assert_eq!(world.rooms.get(&room).unwrap().bot_state, "second");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_its_room_in_vain_was_never_asked_about() {
    let hang = Fake::new(Answer::Allow).after(Duration::from_secs(3600));
    let rules = "";
    let world = world(&policy(rules), hang);
    let event = room_event();
    let waits_long = Caller::unknown(Instant::now(), CallerLimit::Said(None));
    let (_, second) = tokio::join!(
        world.before.decide(&event, waits_long),
        world.before.decide(
            &event,
            Caller::unknown(
                Instant::now(),
                CallerLimit::Said(Some(Duration::from_secs(1)))
            )
        ),
    );
    assert_eq!(second.decision.failure, Some(FailureClass::Deadline));
    assert_eq!(world.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_decision_is_recorded_once() {
    let world = world(&policy("failedContinue: false"), Fake::new(Answer::Allow));
    world.before.decide(&text("hello"), caller()).await;
    world
        .before
        .shed(&text("hello"), caller(), &overloaded())
        .await;
    let hook = dialect::hook(HOOK);
    let unreadable = Failure::new(FailureClass::UnreadableCall, "no JSON");
    let _ = world.before.fail(hook, &caller(), &unreadable);
    let _ = world.before.fail(None, &caller(), &unreadable);
    let state = world.metrics.hooks.get(hook.unwrap()).unwrap();
    assert_eq!(state.calls(), 3);
    assert_eq!(state.last_outcome(), "blocked by failure policy");
}

/// A log that cannot be written to.
struct Broken(Arc<AtomicBool>);

impl tracing::Subscriber for Broken {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        self.0.store(true, Ordering::Relaxed);
        panic!("the disk is full");
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_log_that_panics_costs_no_answer() {
    let refusal = Refusal {
        code: 20123,
        public: "no".to_owned(),
        detail: String::new(),
    };
    let world = world(&policy(""), Fake::new(Answer::Block(refusal)));
    let written = Arc::new(AtomicBool::new(false));
    let _log = tracing::subscriber::set_default(Broken(Arc::clone(&written)));
    let settled = world.before.decide(&text("hello"), caller()).await;
    assert!(written.load(Ordering::Relaxed));
    assert_eq!(settled.decision.decider, Decider::Callback);
    let settled = world.before.decide(&text("a casino"), caller()).await;
    assert_eq!(settled.decision.decider, Decider::Filter);
    let settled = world
        .before
        .shed(&text("hello"), caller(), &overloaded())
        .await;
    assert_eq!(settled.decision.failure, Some(FailureClass::Overloaded));
    let broken = Failure::new(FailureClass::UnreadableCall, "no JSON");
    let settled = world.before.fail(dialect::hook(HOOK), &caller(), &broken);
    assert_eq!(settled.decision.failure, Some(FailureClass::UnreadableCall));
}

/// Long texts are searched on other threads, so that a thread that serves calls goes on.
#[tokio::test(start_paused = true)]
async fn a_long_text_is_searched_and_keeps_nobody_waiting() {
    let world = world(&policy(""), Fake::new(Answer::Allow));
    let long = format!("{} casino", "hello ".repeat(30_000));
    let (long, short) = (text(&long), text("hello"));
    let (long, short) = tokio::join!(
        world.before.decide(&long, caller()),
        world.before.decide(&short, caller()),
    );
    assert_eq!(long.decision.decider, Decider::Filter);
    assert_eq!(short.decision.verdict, Verdict::Allow);
}

#[tokio::test(start_paused = true)]
async fn a_long_text_without_time_is_blocked_and_not_waved_through() {
    let world = world(&policy("failedContinue: true"), Fake::new(Answer::Allow));
    let long = text(&"hello ".repeat(30_000));
    let limit = CallerLimit::Said(Some(Duration::from_millis(1)));
    let caller = Caller::unknown(Instant::now(), limit);
    let settled = world.before.decide(&long, caller).await;
    assert_eq!(settled.decision.verdict.name(), "block");
    assert_eq!(settled.decision.failure, Some(FailureClass::Unfiltered));
}

/// A room whose bot hangs takes no more places than its own.
#[tokio::test(start_paused = true)]
async fn more_events_of_a_room_than_may_wait_are_overload() {
    let hang = Fake::new(Answer::Allow).after(Duration::from_secs(3600));
    let world = world(&policy(""), hang);
    let event = room_event();
    let decide = || world.before.decide(&event, caller());
    let started = Instant::now();
    let (_, _, _, fourth) = tokio::join!(decide(), decide(), decide(), async {
        let settled = decide().await;
        (settled, started.elapsed())
    });
    assert_eq!(fourth.0.decision.failure, Some(FailureClass::Overloaded));
    assert_eq!(fourth.1, Duration::ZERO, "it waits for nobody");
}
