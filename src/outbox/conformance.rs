//! The suite that every outbox passes: scripts of calls and what each must answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;

/// An outbox under test, and how to make another of it.
pub(super) struct Bench {
    pub config: Config,
    pub outbox: Arc<dyn Outbox>,
    keys: HashMap<(String, String), EntryKey>,
    _folder: TempDir,
}

impl Bench {
    pub(super) fn new(kind: Kind, adjust: impl FnOnce(&mut Config)) -> Bench {
        let folder = folder();
        let mut config = Config {
            kind,
            path: folder.path().join("outbox.db"),
            ..Config::default()
        };
        adjust(&mut config);
        Bench {
            outbox: open_or_panic(&config),
            config,
            keys: HashMap::new(),
            _folder: folder,
        }
    }

    /// Drops the outbox as a crash would, with what is in flight, and opens the file again.
    pub(super) fn crash(&mut self) {
        self.outbox = Arc::new(Nothing);
        self.outbox = open_or_panic(&self.config);
    }

    pub(super) async fn restart(&mut self) {
        self.outbox.close().await;
        self.crash();
    }

    /// Does one step of a script and says what came of it.
    async fn step(&mut self, step: &str) -> String {
        let words: Vec<&str> = step.split_whitespace().collect();
        match words[..] {
            // append <id>[/<lane>],… to <endpoint>,… @<ms>
            ["append", ids, "to", endpoints, at] => {
                let entries = ids.split(',').map(|id| entry(id, endpoints, time(at)));
                match self.outbox.append(entries.collect()).await {
                    Ok(appended) => {
                        let names = appended.iter().map(|one| format!("{one:?}").to_lowercase());
                        names.collect::<Vec<_>>().join(" ")
                    }
                    Err(error) => error.to_string(),
                }
            }
            // claim <endpoint> <limit> @<ms>: the ids, each with the number of its attempt
            ["claim", endpoint, limit, at] => {
                let limit = limit.parse().unwrap();
                let claimed = self.outbox.claim(endpoint, time(at), Room::of(limit)).await;
                let mut names = Vec::new();
                for due in claimed.unwrap() {
                    assert_eq!(due.body, body(&due.id));
                    assert_eq!(due.endpoint, endpoint);
                    names.push(format!("{}#{}", due.id, due.attempt));
                    self.keys.insert((due.id, due.endpoint), due.key);
                }
                names.join(" ")
            }
            // settle <id>@<endpoint>,… <how>[:<due ms>] @<ms>
            ["settle", pairs, how, at] => {
                let settlements = pairs.split(',').map(|pair| {
                    let (id, endpoint) = pair.split_once('@').unwrap();
                    let key = self.keys[&(id.to_owned(), endpoint.to_owned())];
                    (key, settlement(how))
                });
                match self.outbox.settle(settlements.collect(), time(at)).await {
                    Ok(()) => String::new(),
                    Err(error) => error.to_string(),
                }
            }
            // claim <endpoint> <limit>, at most <n> retries @<ms>
            ["claim", endpoint, limit, "retries", retries, at] => {
                let room = Room {
                    pairs: limit.parse().unwrap(),
                    retries: retries.parse().unwrap(),
                };
                let claimed = self.outbox.claim(endpoint, time(at), room).await;
                let names = claimed.unwrap().into_iter().map(|due| due.id);
                names.collect::<Vec<_>>().join(" ")
            }
            // dead <filter>,… : id@endpoint#attempts*replays, and the reason
            ["dead", filter] => {
                let filter = dead_filter(filter);
                let mut names = Vec::new();
                let mut from = Some(DeadCursor::default());
                while let Some(cursor) = from {
                    let page = self.outbox.dead(&filter, cursor, 2).await.unwrap();
                    names.extend(page.letters.iter().map(|letter| {
                        let DeadLetter { id, endpoint, .. } = letter;
                        assert_eq!(letter.hook, "afterSendSingleMsg");
                        assert_eq!(letter.body_bytes, body(id).len() as u64);
                        assert_eq!(letter.answer, "sorry");
                        let (attempts, replays) = (letter.attempts, letter.replays);
                        format!("{id}@{endpoint}#{attempts}*{replays}:{}", letter.reason)
                    }));
                    from = page.next;
                }
                names.join(" ")
            }
            // count|replay|discard <limit> <filter>,… @<ms>: one step, and whether there is more
            [act @ ("count" | "replay" | "discard"), limit, filter, at] => {
                let act = match act {
                    "count" => DeadAct::Count,
                    "replay" => DeadAct::Replay,
                    _ => DeadAct::Discard {
                        reason: "on purpose".to_owned(),
                    },
                };
                let filter = dead_filter(filter);
                let (limit, from) = (limit.parse().unwrap(), DeadCursor::default());
                let step = self
                    .outbox
                    .act_on_dead(&act, &filter, from, limit, time(at));
                let step = step.await.unwrap();
                let more = if step.next.is_some() { ", more" } else { "" };
                format!("{}{more}", step.done)
            }
            ["discard-pending", endpoint, limit, at] => {
                let limit = limit.parse().unwrap();
                let discarded =
                    self.outbox
                        .discard_pending(endpoint, "gone", None, limit, time(at));
                discarded.await.unwrap().to_string()
            }
            // expire <endpoint> <accepted before, ms> @<ms>
            ["expire", endpoint, before, at] => {
                let before = Some(before.parse().unwrap());
                let discarded =
                    self.outbox
                        .discard_pending(endpoint, "too old", before, 9, time(at));
                discarded.await.unwrap().to_string()
            }
            // discarded <filter>,… : id@endpoint and the reason
            ["discarded", filter] => {
                let filter = dead_filter(filter);
                let mut names = Vec::new();
                let mut from = Some(DeadCursor::default());
                while let Some(cursor) = from {
                    let page = self.outbox.discarded(&filter, cursor, 2).await.unwrap();
                    names.extend(page.events.iter().map(|event| {
                        assert_eq!(event.hook, "afterSendSingleMsg");
                        assert_eq!(event.operation_id, "operation");
                        let (accepted, ended) = (event.accepted_at_ms, event.discarded_at_ms);
                        let Discarded { id, endpoint, .. } = event;
                        format!("{id}@{endpoint}@{accepted}-{ended}:{}", event.reason)
                    }));
                    from = page.next;
                }
                names.join(" ")
            }
            // order <endpoint> <limit> @<ms>: a claim, with what is told of each one's order
            ["order", endpoint, limit, at] => {
                let limit = limit.parse().unwrap();
                let claimed = self.outbox.claim(endpoint, time(at), Room::of(limit)).await;
                let mut names = Vec::new();
                for due in claimed.unwrap() {
                    let aside = if due.aside { "!" } else { "" };
                    names.push(format!("{}{aside}-{}", due.id, due.missing));
                    self.keys.insert((due.id, due.endpoint), due.key);
                }
                names.join(" ")
            }
            ["pause", endpoint, at] => {
                let health = Health {
                    failing_since_ms: Some(time(at)),
                    paused: Some(Paused {
                        at_ms: time(at),
                        reason: "it is gone".to_owned(),
                    }),
                };
                self.outbox.set_health(endpoint, health).await.unwrap();
                String::new()
            }
            ["health", endpoint] => {
                let stats = self.outbox.stats().await.unwrap();
                let found = stats.endpoints.iter().find(|one| one.endpoint == endpoint);
                let health = &found.unwrap().health;
                let paused = health.paused.as_ref();
                let paused = paused.map(|paused| format!("{} {}", paused.at_ms, paused.reason));
                format!("{:?} {paused:?}", health.failing_since_ms)
            }
            ["entries"] => self.outbox.stats().await.unwrap().entries.to_string(),
            ["due", endpoint] => match self.outbox.next_due_ms(endpoint).await.unwrap() {
                Some(due_at_ms) => due_at_ms.to_string(),
                None => "nothing".to_owned(),
            },
            ["endpoints"] => self.outbox.endpoints().await.unwrap().join(" "),
            ["counts", endpoint] => {
                let stats = self.outbox.stats().await.unwrap();
                let found = stats.endpoints.iter().find(|one| one.endpoint == endpoint);
                let counts = found.unwrap().counts;
                assert!(counts.conserved());
                format!(
                    "accepted {} delivered {} dead {} discarded {} pending {} in flight {}",
                    counts.accepted,
                    counts.delivered,
                    counts.dead,
                    counts.discarded,
                    counts.pending,
                    counts.in_flight
                )
            }
            ["oldest", endpoint] => {
                let stats = self.outbox.stats().await.unwrap();
                let found = stats.endpoints.iter().find(|one| one.endpoint == endpoint);
                format!("{:?}", found.unwrap().oldest_pending_ms)
            }
            ["bytes"] => self.outbox.stats().await.unwrap().bytes.to_string(),
            ["ids"] => {
                let stats = self.outbox.stats().await.unwrap();
                stats.remembered_ids.to_string()
            }
            ["close"] => {
                self.outbox.close().await;
                String::new()
            }
            ["restart"] => {
                self.restart().await;
                String::new()
            }
            ["crash"] => {
                self.crash();
                String::new()
            }
            _ => panic!("no such step: {step}"),
        }
    }
}

/// Stands in while an outbox is closed and opened again: its file must be free.
struct Nothing;

#[async_trait]
impl Outbox for Nothing {
    async fn append(&self, _: Vec<NewEntry>) -> Result<Vec<Appended>, AppendError> {
        unreachable!()
    }
    async fn claim(&self, _: &str, _: u64, _: Room) -> Result<Vec<Due>, OutboxError> {
        unreachable!()
    }
    async fn settle(&self, _: Vec<(EntryKey, Settlement)>, _: u64) -> Result<(), OutboxError> {
        unreachable!()
    }
    async fn dead(&self, _: &DeadFilter, _: DeadCursor, _: usize) -> Result<DeadPage, OutboxError> {
        unreachable!()
    }
    async fn discarded(
        &self,
        _: &DeadFilter,
        _: DeadCursor,
        _: usize,
    ) -> Result<DiscardedPage, OutboxError> {
        unreachable!()
    }
    async fn act_on_dead(
        &self,
        _: &DeadAct,
        _: &DeadFilter,
        _: DeadCursor,
        _: usize,
        _: u64,
    ) -> Result<DeadStep, OutboxError> {
        unreachable!()
    }
    async fn discard_pending(
        &self,
        _: &str,
        _: &str,
        _: Option<u64>,
        _: usize,
        _: u64,
    ) -> Result<u64, OutboxError> {
        unreachable!()
    }
    async fn set_health(&self, _: &str, _: Health) -> Result<(), OutboxError> {
        unreachable!()
    }
    async fn next_due_ms(&self, _: &str) -> Result<Option<u64>, OutboxError> {
        unreachable!()
    }
    async fn endpoints(&self) -> Result<Vec<String>, OutboxError> {
        unreachable!()
    }
    async fn stats(&self) -> Result<Stats, OutboxError> {
        unreachable!()
    }
    fn wakeups(&self) -> watch::Receiver<u64> {
        unreachable!()
    }
    async fn close(&self) {}
}

/// In memory where the machine offers it: the suite asks what is done, not whether the disk
/// syncs, and syncs would be nearly all of its time.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub(super) fn open_or_panic(config: &Config) -> Arc<dyn Outbox> {
    open(config, Box::new(|why| panic!("{why}"))).unwrap()
}

/// `<id>[/<lane>]`, to endpoints with commas between them; `-` is none.
pub(super) fn entry(id: &str, endpoints: &str, accepted_at_ms: u64) -> NewEntry {
    let (id, lane) = id.split_once('/').unwrap_or((id, ""));
    let endpoints = endpoints.split(',').filter(|name| *name != "-");
    NewEntry {
        id: id.to_owned(),
        hook: "afterSendSingleMsg".to_owned(),
        dialect: "openim".to_owned(),
        lane: lane.to_owned(),
        operation_id: "operation".to_owned(),
        body: body(id),
        endpoints: endpoints.map(str::to_owned).collect(),
        accepted_at_ms,
    }
}

pub(super) fn body(id: &str) -> Bytes {
    Bytes::from(format!("body of {id} \0\u{1f600}"))
}

fn time(at: &str) -> u64 {
    at.strip_prefix('@').unwrap().parse().unwrap()
}

fn settlement(how: &str) -> Settlement {
    let reason = "because".to_owned();
    let (how, due_at_ms) = how.split_once(':').unwrap_or((how, "0"));
    let due_at_ms = due_at_ms.parse().unwrap();
    match how {
        "delivered" => Settlement::Delivered,
        "dead" => Settlement::Dead {
            reason,
            answer: "sorry".to_owned(),
        },
        "discarded" => Settlement::Discarded { reason },
        "release" => Settlement::Release,
        "retry" | "park" | "aside" => Settlement::Retry {
            due_at_ms,
            reason,
            counts: how != "park",
            aside: how == "aside",
        },
        _ => panic!("no such settlement: {how}"),
    }
}

/// `endpoint=A`, `hook=`, `id=`, `since=`, `until=`, `by=`, `reason=`, with commas; `-` is none.
fn dead_filter(text: &str) -> DeadFilter {
    let mut filter = DeadFilter::default();
    for (key, value) in text.split(',').filter_map(|part| part.split_once('=')) {
        let text = Some(value.to_owned());
        let number = value.parse().ok();
        match key {
            "endpoint" => filter.endpoint = text,
            "hook" => filter.hook = text,
            "id" => filter.id = text,
            "since" => filter.since_ms = number,
            "until" => filter.until_ms = number,
            "by" => filter.died_by_ms = number,
            "reason" => filter.reason = text,
            _ => panic!("no such filter: {key}"),
        }
    }
    filter
}

/// Runs a script, `<step> = <what comes of it>` a line, on every outbox; one that restarts, on
/// those that are still there afterwards.
async fn check_with(adjust: impl Fn(&mut Config), script: &str) {
    let restarts = script.contains("restart") || script.contains("crash");
    for kind in [Kind::Memory, Kind::Sqlite] {
        if kind == Kind::Memory && restarts {
            continue;
        }
        let mut bench = Bench::new(kind, &adjust);
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (step, wanted) = line.split_once(" =").unwrap_or((line, ""));
            let found = bench.step(step).await;
            assert_eq!(found, wanted.trim_start(), "{kind:?}: {line}");
        }
    }
}

async fn check(script: &str) {
    check_with(|_| {}, script).await;
}

#[tokio::test]
async fn what_is_appended_is_claimed_and_delivered_once() {
    check(
        "append a,b to A @10 = stored stored
        endpoints = A
        due A = 0
        claim A 9 @10 = a#1 b#1
        claim A 9 @10 =
        due A = nothing
        settle a@A,b@A delivered @11
        claim A 9 @99 =
        endpoints =
        counts A = accepted 2 delivered 2 dead 0 discarded 0 pending 0 in flight 0
        bytes = 0",
    )
    .await;
}

#[tokio::test]
async fn each_endpoint_has_its_own_pair() {
    check(
        "append a to A,B,A @10 = stored
        endpoints = A B
        claim A 9 @10 = a#1
        settle a@A delivered @10
        claim B 9 @10 = a#1
        settle a@B retry:20 @10
        endpoints = B
        append a to A @10 = duplicate
        claim B 9 @20 = a#2
        settle a@B delivered @10
        bytes = 0",
    )
    .await;
}

#[tokio::test]
async fn a_lane_keeps_its_order_with_one_in_flight() {
    check(
        "append a/x,b/x,c/x to A @10 = stored stored stored
        claim A 9 @10 = a#1
        claim A 9 @10 =
        settle a@A delivered @10
        claim A 9 @10 = b#1
        settle b@A delivered @10
        append d/x to A @10 = stored
        claim A 9 @10 = c#1
        settle c@A delivered @10
        claim A 9 @10 = d#1",
    )
    .await;
}

#[tokio::test]
async fn a_lane_that_waits_for_a_retry_blocks_itself_alone() {
    check(
        "append a1/a,b1/b,a2/a,b2/b,n to A @10 = stored stored stored stored stored
        claim A 9 @10 = a1#1 b1#1 n#1
        settle a1@A retry:500 @10
        settle b1@A,n@A delivered @10
        claim A 9 @20 = b2#1
        due A = 500
        claim A 9 @499 =
        claim A 9 @500 = a1#2
        settle a1@A delivered @500
        claim A 9 @500 = a2#1",
    )
    .await;
}

#[tokio::test]
async fn lanes_of_different_endpoints_do_not_wait_for_each_other() {
    check(
        "append a/x,b/x to A,B @10 = stored stored
        claim A 9 @10 = a#1
        claim B 9 @10 = a#1
        settle a@B delivered @10
        claim B 9 @10 = b#1
        claim A 9 @10 =",
    )
    .await;
}

#[tokio::test]
async fn a_lane_goes_on_after_a_dead_letter() {
    check(
        "append a/x,b/x to A @10 = stored stored
        claim A 9 @10 = a#1
        settle a@A dead @10
        claim A 9 @10 = b#1
        counts A = accepted 2 delivered 0 dead 1 discarded 0 pending 1 in flight 1",
    )
    .await;
}

#[tokio::test]
async fn a_long_lane_does_not_hide_what_is_behind_it() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        let mut bench = Bench::new(kind, |_| {});
        let long = (0..700).map(|n| entry(&format!("{n}/x"), "A", 10));
        bench.outbox.append(long.collect()).await.unwrap();
        bench.step("append behind to A @10").await;
        let mut found = String::new();
        while bench.step("due A").await != "nothing" {
            found += &bench.step("claim A 9 @10").await;
            found += " ";
        }
        let found: Vec<&str> = found.split_whitespace().collect();
        assert_eq!(found, ["0#1", "behind#1"], "{kind:?}");
    }
}

#[tokio::test]
async fn an_empty_lane_has_no_order() {
    check(
        "append a,b,c to A @10 = stored stored stored
        claim A 2 @10 = a#1 b#1
        claim A 9 @10 = c#1",
    )
    .await;
}

#[tokio::test]
async fn a_retry_is_due_at_its_time_and_not_before() {
    check(
        "append a to A @10 = stored
        claim A 1 @10 = a#1
        settle a@A retry:100 @10
        due A = 100
        claim A 1 @99 =
        claim A 1 @100 = a#2",
    )
    .await;
}

#[tokio::test]
async fn the_longest_due_comes_first_whether_new_or_a_retry() {
    check(
        "append old to A @10 = stored
        claim A 1 @10 = old#1
        settle old@A retry:50 @10
        append x to A @40 = stored
        append y to A @60 = stored
        claim A 2 @70 = x#1 old#2
        claim A 2 @70 = y#1",
    )
    .await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_hold_up_new_events() {
    check(
        "append a to A @1000 = stored
        due A = 0
        claim A 1 @5 = a#1",
    )
    .await;
}

#[tokio::test]
async fn attempts_without_a_request_are_not_used_up() {
    check(
        "append a to A @10 = stored
        claim A 1 @10 = a#1
        settle a@A park:20 @10
        claim A 1 @20 = a#1
        settle a@A release @20
        due A = 20
        claim A 1 @20 = a#1
        settle a@A retry:30 @20
        claim A 1 @30 = a#2
        settle a@A release @30
        due A = 30
        claim A 1 @30 = a#2",
    )
    .await;
}

#[tokio::test]
async fn a_released_head_keeps_its_place_in_the_lane() {
    check(
        "append a/x,b/x to A @10 = stored stored
        claim A 9 @10 = a#1
        settle a@A release @10
        claim A 9 @10 = a#1",
    )
    .await;
}

#[tokio::test]
async fn a_known_id_is_a_duplicate() {
    check(
        "append a,a,b to A @10 = stored duplicate stored
        append b,c to A @10 = duplicate stored
        append a to B @10 = duplicate
        claim A 9 @10 = a#1 b#1 c#1
        settle a@A dead @10
        append a to A @99999999999 = duplicate",
    )
    .await;
}

#[tokio::test]
async fn an_id_is_remembered_for_its_time_after_the_end() {
    check_with(
        |config| config.dedupe = Duration::from_millis(100),
        "append a to A @10 = stored
        claim A 1 @10 = a#1
        settle a@A delivered @50
        ids = 1
        append a to A @149 = duplicate
        append a to A @150 = stored
        ids = 0
        claim A 1 @150 = a#1",
    )
    .await;
}

#[tokio::test]
async fn too_many_remembered_ids_are_forgotten_the_oldest_first() {
    check_with(
        |config| config.dedupe_ids_max = 2,
        "append a,b,c to A @10 = stored stored stored
        claim A 9 @10 = a#1 b#1 c#1
        settle b@A delivered @20
        settle a@A delivered @21
        settle c@A delivered @22
        ids = 2
        append c,a,b to A @23 = duplicate duplicate stored",
    )
    .await;
}

#[tokio::test]
async fn an_event_that_nobody_wants_is_remembered_only() {
    check(
        "append a to - @10 = stored
        append a to A @11 = duplicate
        endpoints =
        bytes = 0
        ids = 1",
    )
    .await;
}

#[tokio::test]
async fn settling_what_is_not_in_flight_changes_nothing() {
    check(
        "append a,b to A @10 = stored stored
        claim A 9 @10 = a#1 b#1
        settle a@A delivered @10
        settle a@A delivered @10
        settle a@A dead @10
        settle b@A retry:20 @10
        settle b@A delivered @10
        counts A = accepted 2 delivered 1 dead 0 discarded 0 pending 1 in flight 0",
    )
    .await;
}

#[tokio::test]
async fn a_settlement_of_an_older_claim_does_not_touch_the_newer() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        let mut bench = Bench::new(kind, |_| {});
        bench.step("append a to A @10").await;
        bench.step("claim A 1 @10").await;
        let old = bench.keys.clone();
        bench.step("settle a@A release @10").await;
        bench.step("claim A 1 @10").await;
        let new = std::mem::replace(&mut bench.keys, old);
        bench.step("settle a@A delivered @10").await;
        assert!(
            bench
                .step("counts A")
                .await
                .ends_with("pending 1 in flight 1")
        );
        bench.keys = new;
        bench.step("settle a@A delivered @10").await;
        assert!(
            bench
                .step("counts A")
                .await
                .ends_with("pending 0 in flight 0")
        );
    }
}

#[tokio::test]
async fn discarded_ends_a_pair_and_is_counted() {
    check(
        "append a/x,b/x to A @10 = stored stored
        claim A 1 @10 = a#1
        settle a@A discarded @10
        claim A 1 @10 = b#1
        counts A = accepted 2 delivered 0 dead 0 discarded 1 pending 1 in flight 1",
    )
    .await;
}

#[tokio::test]
async fn a_full_outbox_refuses_all_and_has_room_again_after_delivery() {
    let bytes = |id: &str| entry(id, "A", 0).bytes();
    let two = bytes("a") + bytes("b");
    let full = format!(
        "the outbox is full: it holds {two} bytes, {} more are past `bytes_max` {two}",
        bytes("c")
    );
    check_with(
        |config| config.bytes_max = two,
        &format!(
            "append a,b to A @10 = stored stored
            append c to A @10 = {full}
            append a,c to A @10 = {full}
            append a,b to A @10 = duplicate duplicate
            claim A 1 @10 = a#1
            settle a@A delivered @10
            append c to A @10 = stored
            claim A 9 @10 = b#1 c#1
            settle b@A dead @10
            bytes = {two}"
        ),
    )
    .await;
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused_with_its_neighbours() {
    let bytes = body("abc").len();
    check_with(
        |config| config.body_bytes_max = bytes,
        &format!(
            "append abc to A @10 = stored
            append a,abcd to A @10 = event `abcd` has {} bytes of body, at most {bytes} are allowed
            append a to A @10 = stored",
            bytes + 1
        ),
    )
    .await;
    let long = "x".repeat(20_000);
    let start = &long[..64];
    check(&format!(
        "append {long} to A @10 = event `{start}` has 20034 bytes of ids and names, at most 16384 are allowed"
    ))
    .await;
}

#[tokio::test]
async fn an_outbox_with_too_many_events_refuses_as_well() {
    check_with(
        |config| config.entries_max = 2,
        "append a,b to A @10 = stored stored
        append c to A @10 = the outbox is full: it holds 2 events, 1 more are past `entries_max` 2
        append a,b to A @10 = duplicate duplicate
        entries = 2
        claim A 1 @10 = a#1
        settle a@A delivered @10
        entries = 1
        append c to A @10 = stored",
    )
    .await;
}

#[tokio::test]
async fn retries_take_no_more_seats_than_they_may() {
    check(
        "append a,b,c to A @10 = stored stored stored
        claim A 3 @10 = a#1 b#1 c#1
        settle a@A,b@A,c@A retry:20 @10
        append x,y to A @30 = stored stored
        claim A 9 retries 1 @40 = a x y
        claim A 9 retries 0 @40 =
        claim A 1 retries 9 @40 = b",
    )
    .await;
}

#[tokio::test]
async fn dead_letters_are_listed_by_what_they_are() {
    check(
        "append a/x,b/x to A,B @10 = stored stored
        append c to A @20 = stored
        claim A 9 @30 = a#1 c#1
        settle a@A,c@A dead @30
        claim A 9 @40 = b#1
        settle b@A retry:41 @40
        claim A 9 @41 = b#2
        settle b@A dead @41
        claim B 9 @50 = a#1
        settle a@B dead @50
        dead - = a@A#1*0:because b@A#2*0:because c@A#1*0:because a@B#1*0:because
        dead endpoint=B = a@B#1*0:because
        dead endpoint=C =
        dead id=a,hook=AfterSendSingleMSG = a@A#1*0:because a@B#1*0:because
        dead hook=afterSendGroupMsg =
        dead since=20 = c@A#1*0:because
        dead until=20,endpoint=A = a@A#1*0:because b@A#2*0:because
        dead by=40,reason=CAUSE = a@A#1*0:because c@A#1*0:because
        dead reason=nothing =",
    )
    .await;
}

#[tokio::test]
async fn replayed_letters_are_pending_again_and_counted() {
    check(
        "append a,b,c to A @10 = stored stored stored
        claim A 9 @10 = a#1 b#1 c#1
        settle a@A,b@A,c@A dead @20
        due A = nothing
        count 9 - @30 = 3
        counts A = accepted 3 delivered 0 dead 3 discarded 0 pending 0 in flight 0
        replay 2 by=20 @30 = 2, more
        counts A = accepted 3 delivered 0 dead 1 discarded 0 pending 2 in flight 0
        due A = 0
        claim A 9 @30 = a#1 b#1
        settle a@A delivered @30
        settle b@A dead @40
        replay 9 by=20 @50 = 1
        dead - = b@A#1*1:because
        claim A 9 @50 = c#1
        settle c@A delivered @50
        counts A = accepted 3 delivered 2 dead 1 discarded 0 pending 0 in flight 0",
    )
    .await;
}

#[tokio::test]
async fn a_replayed_letter_is_the_next_of_its_lane_after_the_one_being_tried() {
    check(
        "append a/x,b/x,c/x,d/x to A @10 = stored stored stored stored
        claim A 1 @10 = a#1
        settle a@A dead @10
        claim A 1 @10 = b#1
        settle b@A dead @10
        claim A 1 @10 = c#1
        replay 9 - @20 = 2
        claim A 9 @20 =
        settle c@A retry:50 @20
        claim A 9 @20 =
        claim A 9 @50 = c#2
        settle c@A delivered @50
        claim A 9 @50 = a#1
        settle a@A delivered @50
        claim A 9 @50 = b#1
        settle b@A delivered @50
        claim A 9 @50 = d#1",
    )
    .await;
}

#[tokio::test]
async fn a_replayed_letter_goes_before_a_head_that_was_put_back() {
    check(
        "append a/x,b/x,c/x to A @10 = stored stored stored
        claim A 1 @10 = a#1
        settle a@A dead @10
        claim A 1 @10 = b#1
        replay 9 - @20 = 1
        claim A 9 @20 =
        settle b@A release @20
        claim A 9 @20 = a#1
        settle a@A delivered @20
        claim A 9 @20 = b#1",
    )
    .await;
    check(
        "append a/x,b/x to A @10 = stored stored
        claim A 1 @10 = a#1
        settle a@A dead @10
        claim A 1 @10 = b#1
        replay 9 - @20 = 1
        claim A 9 @20 =
        crash
        claim A 9 @20 = a#1
        settle a@A delivered @20
        claim A 9 @20 = b#2",
    )
    .await;
}

#[tokio::test]
async fn a_settlement_of_an_earlier_life_does_not_touch_a_replayed_letter() {
    check(
        "append a to A @10 = stored
        claim A 1 @10 = a#1
        settle a@A dead @10
        replay 1 - @20 = 1, more
        claim A 9 retries 0 @20 = a
        settle a@A delivered @20
        counts A = accepted 1 delivered 0 dead 0 discarded 0 pending 1 in flight 1",
    )
    .await;
}

#[tokio::test]
async fn discarded_letters_free_their_room() {
    check(
        "append a,b to A @10 = stored stored
        claim A 9 @10 = a#1 b#1
        settle a@A,b@A dead @10
        discard 9 id=a @20 = 1
        dead - = b@A#1*0:because
        discard 9 - @20 = 1
        bytes = 0
        entries = 0
        ids = 2
        counts A = accepted 2 delivered 0 dead 0 discarded 2 pending 0 in flight 0",
    )
    .await;
}

#[tokio::test]
async fn dead_letters_are_discarded_when_they_are_too_old() {
    check_with(
        |config| config.dead_keep = Duration::from_millis(100),
        "append a,b to A @10 = stored stored
        claim A 9 @10 = a#1 b#1
        settle a@A dead @20
        settle b@A dead @30
        claim A 9 @119 =
        dead - = a@A#1*0:because b@A#1*0:because
        claim A 9 @120 =
        dead - = b@A#1*0:because
        claim A 9 @130 =
        counts A = accepted 2 delivered 0 dead 0 discarded 2 pending 0 in flight 0",
    )
    .await;
}

#[tokio::test]
async fn what_waits_for_an_endpoint_that_is_gone_can_be_discarded() {
    check(
        "append a/x,b/x,c,d/x to A @10 = stored stored stored stored
        append e to B @10 = stored
        claim A 1 @10 = a#1
        discard-pending A 2 @20 = 2
        settle a@A delivered @20
        claim A 9 @20 = d#1
        discard-pending A 9 @20 = 0
        settle d@A retry:50 @20
        discard-pending A 9 @20 = 1
        discard-pending C 9 @20 = 0
        counts A = accepted 4 delivered 1 dead 0 discarded 3 pending 0 in flight 0
        counts B = accepted 1 delivered 0 dead 0 discarded 0 pending 1 in flight 0",
    )
    .await;
}

#[tokio::test]
async fn the_state_of_an_endpoint_is_kept() {
    let script = "append a to A @10 = stored
        health A = None None
        pause A @20
        pause nobody @20
        health A = Some(20) Some(\"20 it is gone\")";
    check(script).await;
    check(&format!(
        "{script}\n crash\n health A = Some(20) Some(\"20 it is gone\")"
    ))
    .await;
}

#[tokio::test]
async fn the_oldest_pending_is_in_the_stats() {
    check(
        "append a to A,B @10 = stored
        append b to A @20 = stored
        oldest A = Some(10)
        claim A 1 @30 = a#1
        oldest A = Some(10)
        settle a@A delivered @30
        oldest A = Some(20)
        oldest B = Some(10)
        claim A 1 @30 = b#1
        settle b@A dead @30
        oldest A = None",
    )
    .await;
}

#[tokio::test]
async fn events_that_waited_too_long_can_be_discarded_and_are_listed() {
    check(
        "append a/x,b to A @10 = stored stored
        append c to A,B @20 = stored
        claim A 1 @30 = a#1
        expire A 10 @30 = 0
        expire A 20 @30 = 1
        expire A 21 @40 = 1
        discarded - = b@A@10-30:too old c@A@20-40:too old
        settle a@A discarded @50
        discarded - = b@A@10-30:too old c@A@20-40:too old a@A@10-50:because
        discarded reason=OLD,until=20 = b@A@10-30:too old
        discarded endpoint=B =
        counts A = accepted 3 delivered 0 dead 0 discarded 3 pending 0 in flight 0",
    )
    .await;
    check_with(
        |config| config.discarded_kept = 2,
        "append a,b,c to A @10 = stored stored stored
        discard-pending A 9 @20 = 3
        discarded - = b@A@10-20:gone c@A@10-20:gone",
    )
    .await;
}

#[tokio::test]
async fn a_lane_goes_on_without_one_that_is_set_aside() {
    check(
        "append a/x,b/x,c/x to A @10 = stored stored stored
        claim A 9 @10 = a#1
        settle a@A aside:50 @10
        order A 9 @10 = b-0
        claim A 9 @50 = a#2
        settle a@A retry:60 @50
        settle b@A delivered @50
        order A 9 @60 = c-0 a!-0
        settle a@A dead @60
        replay 9 - @70 = 1
        order A 9 @70 =
        settle c@A delivered @70
        order A 9 @70 = a-0",
    )
    .await;
}

#[tokio::test]
async fn dead_letters_of_its_lane_are_told_with_an_event() {
    check(
        "append a/x,b/x,c/x,d/y,e to A,B @10 = stored stored stored stored stored
        claim A 1 @10 = a#1
        settle a@A dead @10
        order A 1 @10 = b-1
        settle b@A dead @10
        order A 9 @10 = c-2 d-0 e-0
        claim B 1 @10 = a#1
        settle a@B delivered @10
        order B 1 @10 = b-0
        settle c@A release @10
        replay 1 - @20 = 1, more
        order A 9 @20 = a-0
        settle a@A delivered @20
        order A 9 @20 = c-1",
    )
    .await;
}

#[tokio::test]
async fn an_endpoint_with_too_much_waiting_does_not_take_the_room_of_others() {
    let bytes = entry("a", "A", 0).bytes();
    let both = entry("a", "A,B", 0).bytes();
    let share = 3 * bytes;
    let no_room = "what waits for the endpoint is past its `endpoint_share`";
    check_with(
        |config| config.endpoint_bytes_max = share,
        &format!(
            "append a,b to A @10 = stored stored
            append c to A,B @10 = stored
            discarded - = c@A@10-10:{no_room}
            append d to A @10 = stored
            append e to A @10 = the outbox is full: it holds {share} bytes for `A`, {bytes} more are past its `endpoint_share` {share}
            append e to A,B @20 = stored
            append a to A @20 = duplicate
            discarded since=20 = e@A@20-20:{no_room}
            counts A = accepted 5 delivered 0 dead 0 discarded 2 pending 3 in flight 0
            counts B = accepted 2 delivered 0 dead 0 discarded 0 pending 2 in flight 0
            claim A 1 @30 = a#1
            settle a@A delivered @30
            append f to A @30 = stored
            claim B 9 @30 = c#1 e#1
            settle c@B,e@B delivered @30
            bytes = {share}
            append x,y to A,B @30 = stored stored
            append z to A,B @30 = the outbox is full: it holds {share} bytes for `A`, {both} more are past its `endpoint_share` {share}"
        ),
    )
    .await;
}

#[tokio::test]
async fn an_unknown_endpoint_has_nothing() {
    check(
        "claim A 9 @10 =
        due A = nothing
        endpoints =",
    )
    .await;
}

#[tokio::test]
async fn a_closed_outbox_says_so() {
    check(
        "append a to A @10 = stored
        claim A 1 @10 = a#1
        close
        append b to A @10 = the outbox is closed
        settle a@A delivered @10 = the outbox is closed
        close",
    )
    .await;
}

#[tokio::test]
async fn a_restart_brings_back_what_is_pending_and_what_was_in_flight() {
    check(
        "append a/x,b/x,c,d to A @10 = stored stored stored stored
        append e to B @10 = stored
        claim A 9 @10 = a#1 c#1 d#1
        settle c@A delivered @10
        settle d@A retry:500 @10
        crash
        counts A = accepted 4 delivered 1 dead 0 discarded 0 pending 3 in flight 0
        endpoints = A B
        claim A 9 @10 = a#2
        claim A 9 @500 = d#2
        restart
        claim A 9 @500 = a#3 d#3
        settle a@A,d@A delivered @500
        claim A 9 @500 = b#1
        settle b@A release @500
        restart
        due A = 0
        claim A 9 @500 = b#1
        claim B 9 @500 = e#1",
    )
    .await;
}

#[tokio::test]
async fn a_restart_remembers_ids_and_counters() {
    check_with(
        |config| config.dedupe = Duration::from_millis(100),
        "append a,b to A @10 = stored stored
        claim A 1 @10 = a#1
        settle a@A delivered @10
        crash
        append a,b to A @20 = duplicate duplicate
        restart
        counts A = accepted 2 delivered 1 dead 0 discarded 0 pending 1 in flight 0
        append a,b to A @110 = stored duplicate
        claim A 9 @110 = b#1 a#1",
    )
    .await;
}

#[tokio::test]
async fn unclean_ends_are_counted_on_what_they_found_in_flight() {
    let mut bench = Bench::new(Kind::Sqlite, |_| {});
    bench.step("append a to A @10").await;
    for crashes in 0..3 {
        let claimed = bench.outbox.claim("A", 10, Room::of(1)).await.unwrap();
        assert_eq!(
            (claimed[0].crashes, claimed[0].attempt),
            (crashes, crashes + 1)
        );
        bench.crash();
    }
    bench.outbox.claim("A", 10, Room::of(1)).await.unwrap();
    bench.restart().await;
    let claimed = bench.outbox.claim("A", 10, Room::of(1)).await.unwrap();
    assert_eq!(claimed[0].crashes, 3);
}

#[tokio::test]
async fn a_waiting_task_hears_of_what_became_ready() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        let mut bench = Bench::new(kind, |_| {});
        let mut wakeups = bench.outbox.wakeups();
        for step in [
            "append a/x,b/x to A @10",
            "claim A 1 @10",
            "settle a@A retry:20 @10",
            "claim A 1 @20",
            "settle a@A delivered @20",
        ] {
            bench.step(step).await;
            if !step.starts_with("claim") {
                // The commit was answered just before the value rises.
                let wait = tokio::time::timeout(Duration::from_secs(10), wakeups.changed());
                wait.await.expect(step).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_lose_nothing() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        let bench = Bench::new(kind, |config| config.queue_max = 8);
        let producers = (0..16).map(|producer| {
            let outbox = Arc::clone(&bench.outbox);
            tokio::spawn(async move {
                for n in 0..20 {
                    let id = format!("{producer}-{n}/{}", producer % 4);
                    outbox.append(vec![entry(&id, "A,B", n)]).await.unwrap();
                }
            })
        });
        let consumers = ["A", "B"].map(|endpoint| {
            let outbox = Arc::clone(&bench.outbox);
            tokio::spawn(async move {
                let mut ids = Vec::new();
                while ids.len() < 320 {
                    let claimed = outbox.claim(endpoint, 100, Room::of(7)).await.unwrap();
                    let keys = claimed.iter().map(|due| (due.key, Settlement::Delivered));
                    outbox.settle(keys.collect(), 100).await.unwrap();
                    ids.extend(claimed.into_iter().map(|due| due.id));
                    tokio::task::yield_now().await;
                }
                ids
            })
        });
        for producer in producers.collect::<Vec<_>>() {
            producer.await.unwrap();
        }
        for consumer in consumers {
            let mut ids = consumer.await.unwrap();
            for producer in 0..16 {
                let prefix = format!("{producer}-");
                let own = ids.iter().filter_map(|id| id.strip_prefix(&prefix));
                let own: Vec<u32> = own.map(|n| n.parse().unwrap()).collect();
                assert_eq!(own, (0..20).collect::<Vec<_>>(), "order of {producer}");
            }
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), 320);
        }
        let stats = bench.outbox.stats().await.unwrap();
        assert!(
            stats
                .endpoints
                .iter()
                .all(|one| one.counts.delivered == 320)
        );
        assert_eq!(stats.bytes, 0);
    }
}
