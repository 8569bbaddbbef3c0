//! An outbox under test, driven by scripts: calls, and what each must answer.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;

use crate::outbox::postgres::tests::own;
use crate::outbox::*;

/// An outbox under test, and how to make another of it.
pub(in crate::outbox) struct Bench {
    pub config: Config,
    pub outbox: Arc<dyn Outbox>,
    pub(in crate::outbox) keys: HashMap<(String, String), EntryKey>,
    _folder: TempDir,
}

impl Bench {
    pub(in crate::outbox) fn new(kind: Kind, adjust: impl FnOnce(&mut Config)) -> Bench {
        let folder = folder();
        let mut config = Config {
            kind,
            path: folder.path().join("outbox.db"),
            server: (kind == Kind::Postgres).then(own::server),
            ..shipped()
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
    pub(in crate::outbox) fn crash(&mut self) {
        // The file must be free.
        self.let_go();
        self.outbox = open_or_panic(&self.config);
    }

    pub(in crate::outbox) fn let_go(&mut self) {
        self.outbox = open_or_panic(&Config {
            kind: Kind::Memory,
            ..self.config.clone()
        });
        if let Some(server) = &self.config.server {
            own::wait_for_end(server);
        }
    }

    pub(in crate::outbox) async fn restart(&mut self) {
        self.outbox.close().await;
        self.crash();
    }

    /// Does one step of a script and says what came of it.
    pub(in crate::outbox) async fn step(&mut self, step: &str) -> String {
        let words: Vec<&str> = step.split_whitespace().collect();
        match words[..] {
            // append <id>[/<ordering key>],… to <endpoint>,… @<ms>
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
                let claimed = self
                    .outbox
                    .claim(endpoint, time(at), Capacity::of(limit))
                    .await;
                let mut names = Vec::new();
                for due in claimed.unwrap() {
                    assert_eq!(due.body, body(&due.id));
                    assert_eq!(&*due.endpoint, endpoint);
                    names.push(format!("{}#{}", due.id, due.attempt));
                    self.keys
                        .insert((due.id.clone(), due.endpoint.to_string()), due.key);
                }
                names.join(" ")
            }
            // row <endpoint> <limit> <in a row> @<ms>: the ids
            ["row", endpoint, limit, in_a_row, at] => {
                let capacity = Capacity {
                    in_a_row: in_a_row.parse().unwrap(),
                    in_a_row_of: Arc::new(["afterSendSingleMsg"]),
                    ..Capacity::of(limit.parse().unwrap())
                };
                let claimed = self.outbox.claim(endpoint, time(at), capacity).await;
                let mut names = Vec::new();
                for due in claimed.unwrap() {
                    names.push(due.id.clone());
                    self.keys
                        .insert((due.id.clone(), due.endpoint.to_string()), due.key);
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
                let capacity = Capacity {
                    in_a_row: 1,
                    in_a_row_of: Arc::default(),
                    pairs: limit.parse().unwrap(),
                    retries: retries.parse().unwrap(),
                };
                let claimed = self.outbox.claim(endpoint, time(at), capacity).await;
                let names = claimed.unwrap().into_iter().map(|due| due.id.clone());
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
                let claimed = self
                    .outbox
                    .claim(endpoint, time(at), Capacity::of(limit))
                    .await;
                let mut names = Vec::new();
                for due in claimed.unwrap() {
                    let out_of_order = if due.out_of_order { "!" } else { "" };
                    names.push(format!("{}{out_of_order}-{}", due.id, due.gap));
                    self.keys
                        .insert((due.id.clone(), due.endpoint.to_string()), due.key);
                }
                names.join(" ")
            }
            // pending <filter>,… : id@endpoint:state, `+` and the due time of a retry
            ["pending", filter] => {
                let filter = pending_filter(filter);
                let mut names = Vec::new();
                let mut from = Some(DeadCursor::default());
                while let Some(cursor) = from {
                    let page = self.outbox.pending(&filter, cursor, 2).await.unwrap();
                    names.extend(page.events.iter().map(|event| {
                        let PendingEvent { id, endpoint, .. } = event;
                        assert_eq!(event.body, filter.bodies.then(|| body(id)));
                        assert_eq!(event.body_bytes, body(id).len() as u64);
                        let due = match event.due_at_ms {
                            0 => String::new(),
                            due_at_ms => format!("+{due_at_ms}"),
                        };
                        format!("{id}@{endpoint}:{}{due}", event.state.name())
                    }));
                    from = page.next;
                }
                names.join(" ")
            }
            // retry-now <filter>,… @<ms>: how many
            ["retry-now", filter, at] => {
                let filter = pending_filter(filter);
                let mut done = 0;
                let mut from = Some(DeadCursor::default());
                while let Some(cursor) = from {
                    let step = self.outbox.retry_now(&filter, cursor, 1, time(at));
                    let step = step.await.unwrap();
                    done += step.done;
                    from = step.next;
                }
                done.to_string()
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

impl Drop for Bench {
    fn drop(&mut self) {
        if self.config.server.is_some() && !std::thread::panicking() {
            self.let_go();
            self.config.server.iter().for_each(own::drop_schema);
        }
    }
}

/// Every kind of outbox that can be had here.
pub(super) fn kinds() -> Vec<Kind> {
    let postgres = own::is_here().then_some(Kind::Postgres);
    [Kind::Memory, Kind::Sqlite]
        .into_iter()
        .chain(postgres)
        .collect()
}

/// In memory where the machine offers it: the suite asks what is done, not whether the disk
/// syncs, and syncs would be nearly all of its time.
pub(in crate::outbox) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// The settings as shipped, but for a reserve that fits into a small `/dev/shm` many times.
pub(in crate::outbox) fn shipped() -> Config {
    let config = crate::config::load(None, &[]).unwrap();
    Config {
        reserve_bytes: 64 << 10,
        ..config.outbox
    }
}

pub(in crate::outbox) fn open_or_panic(config: &Config) -> Arc<dyn Outbox> {
    open(config, Box::new(|why| panic!("{why}"))).unwrap()
}

/// `<id>[/<ordering key>]`, to endpoints with commas between them; `-` is none.
pub(in crate::outbox) fn entry(id: &str, endpoints: &str, accepted_at_ms: u64) -> NewEntry {
    let (id, ordering_key) = id.split_once('/').unwrap_or((id, ""));
    let endpoints = endpoints.split(',').filter(|name| *name != "-");
    NewEntry {
        id: id.to_owned(),
        hook: "afterSendSingleMsg".to_owned(),
        dialect: "openim".to_owned(),
        ordering_key: ordering_key.to_owned(),
        operation_id: "operation".to_owned(),
        body: body(id),
        endpoints: endpoints.map(str::to_owned).collect(),
        accepted_at_ms,
        series: None,
        read: AsRead::default(),
    }
}

pub(in crate::outbox) fn body(id: &str) -> Bytes {
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
        "retry" | "park" | "out_of_order" => Settlement::Retry {
            due_at_ms,
            reason,
            counts: how != "park",
            out_of_order: how == "out_of_order",
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
pub(super) async fn check_with(adjust: impl Fn(&mut Config), script: &str) {
    let restarts = script.contains("restart") || script.contains("crash");
    for kind in kinds() {
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

pub(super) async fn check(script: &str) {
    check_with(|_| {}, script).await;
}

/// `endpoint=A`, `hook=`, `id=`, `key=`, `bodies=yes`, with commas; `-` is none.
fn pending_filter(text: &str) -> PendingFilter {
    let mut filter = PendingFilter::default();
    for (key, value) in text.split(',').filter_map(|part| part.split_once('=')) {
        let text = Some(value.to_owned());
        match key {
            "endpoint" => filter.endpoint = text,
            "hook" => filter.hook = text,
            "id" => filter.id = text,
            "key" => filter.ordering_key = text,
            "bodies" => filter.bodies = true,
            _ => panic!("no such filter: {key}"),
        }
    }
    filter
}
