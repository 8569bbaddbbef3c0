//! Moving from a file into PostgreSQL and back, broken off anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::bench::{Bench, open_or_panic};
use crate::outbox::postgres::tests::own;
use crate::outbox::*;
use crate::storage::{StorageError, abandon, relocate};

const NOW_MS: u64 = 1_000_000;

/// Both sides of a move.
type Sides = (Box<dyn MoveSource>, Box<dyn MoveTarget>);

/// One side that ends with a call: before that does anything, or after it was done.
struct Breaking<T> {
    inner: T,
    calls_left: Arc<AtomicUsize>,
    does_it: bool,
}

macro_rules! breaking {
    ($self:ident, $call:expr) => {{
        let left = $self.calls_left.load(Ordering::Relaxed);
        $self
            .calls_left
            .store(left.wrapping_sub(1), Ordering::Relaxed);
        let broken = || MoveError::Failed("broken off".to_owned());
        if left == 0 && !$self.does_it {
            return Err(broken());
        }
        let done = $call.await;
        match left {
            0 => Err(broken()),
            _ => done,
        }
    }};
}

#[async_trait]
impl<T: MoveSide + ?Sized> MoveSide for Breaking<Box<T>> {
    fn name(&self) -> String {
        self.inner.name()
    }

    async fn mark(&mut self) -> Result<Option<MoveMark>, MoveError> {
        breaking!(self, self.inner.mark())
    }

    async fn set_mark(&mut self, mark: Option<&MoveMark>) -> Result<(), MoveError> {
        breaking!(self, self.inner.set_mark(mark))
    }

    async fn used_by(&mut self) -> Result<Option<String>, MoveError> {
        breaking!(self, self.inner.used_by())
    }
}

#[async_trait]
impl MoveSource for Breaking<Box<dyn MoveSource>> {
    async fn frame(&mut self) -> Result<MoveFrame, MoveError> {
        breaking!(self, self.inner.frame())
    }

    async fn read(&mut self, place: &MovePlace) -> Result<Option<MovedBatch>, MoveError> {
        breaking!(self, self.inner.read(place))
    }

    async fn put_aside(&mut self) -> Result<Option<String>, MoveError> {
        breaking!(self, self.inner.put_aside())
    }

    fn is_in_place(&self) -> bool {
        self.inner.is_in_place()
    }
}

#[async_trait]
impl MoveTarget for Breaking<Box<dyn MoveTarget>> {
    async fn holds(&mut self) -> Result<Option<String>, MoveError> {
        breaking!(self, self.inner.holds())
    }

    async fn begin(&mut self, mark: &MoveMark, frame: &MoveFrame) -> Result<MovePlace, MoveError> {
        breaking!(self, self.inner.begin(mark, frame))
    }

    async fn write(&mut self, batch: &MovedBatch) -> Result<(), MoveError> {
        breaking!(self, self.inner.write(batch))
    }

    async fn complete(&mut self, frame: &MoveFrame) -> Result<(), MoveError> {
        breaking!(self, self.inner.complete(frame))
    }

    async fn open(&mut self) -> Result<(), MoveError> {
        breaking!(self, self.inner.open())
    }

    async fn clear(&mut self) -> Result<(), MoveError> {
        breaking!(self, self.inner.clear())
    }
}

fn other(kind: Kind) -> Kind {
    match kind {
        Kind::Postgres => Kind::Sqlite,
        _ => Kind::Postgres,
    }
}

fn sides(config: &Config) -> Sides {
    let there = Config {
        kind: other(config.kind),
        ..config.clone()
    };
    (move_from(config, NOW_MS).unwrap(), move_to(&there).unwrap())
}

/// Moves to the other kind with so many calls of the sides.
async fn go(config: &Config, calls: usize, does_it: bool) -> Result<(), StorageError> {
    let (source, target) = sides(config);
    let calls_left = Arc::new(AtomicUsize::new(calls));
    let mut source = Breaking {
        inner: source,
        calls_left: Arc::clone(&calls_left),
        does_it,
    };
    let mut target = Breaking {
        inner: target,
        calls_left,
        does_it,
    };
    let moved = relocate(&mut source, &mut target, &mut |_, _| {}).await;
    moved.map(drop)
}

/// Moves all of it, without an end.
async fn go_all(config: &Config) -> Result<(), StorageError> {
    go(config, usize::MAX, false).await
}

impl Bench {
    /// A bench that moves between a file and PostgreSQL.
    pub(super) fn moving(kind: Kind, adjust: impl FnOnce(&mut Config)) -> Bench {
        Bench::new(kind, |config| {
            config.server = Some(own::server());
            adjust(config);
        })
    }

    /// Moves to the other kind; broken off after so many calls first, and called again.
    pub(super) async fn relocate(&mut self, calls: usize, does_it: bool) {
        self.let_go();
        let _ = go(&self.config, calls, does_it).await;
        match go_all(&self.config).await {
            Ok(()) => {}
            // It was done in the last of those calls.
            Err(StorageError::NotMoved(why)) => assert!(why.contains("already"), "{why}"),
            Err(error) => panic!("{error}"),
        }
        self.config.kind = other(self.config.kind);
        self.outbox = open_or_panic(&self.config);
    }
}

/// Everything that an outbox holds, but for what its form alone says.
async fn dump(config: &Config) -> String {
    let mut source = move_from(config, NOW_MS).unwrap();
    let frame = source.frame().await.unwrap();
    let mut text = format!("{:#?}\n", frame.endpoints);
    text += &format!(
        "{} {} {}\n",
        frame.last_seq, frame.entries, frame.remembered_ids
    );
    let mut place = MovePlace::default();
    while let Some(batch) = source.read(&place).await.unwrap() {
        let rows = match &batch.rows {
            MovedRows::Events(rows) => rows.iter().map(|row| format!("{row:?}\n")).collect(),
            MovedRows::Ids(rows) => rows.iter().map(|row| format!("{row:?}\n")).collect(),
            MovedRows::Discarded(rows) => rows.iter().map(|row| format!("{row:?}\n")).collect(),
            MovedRows::Series(rows) => (rows.iter())
                .map(|row| {
                    format!(
                        "{:?} {} {:?}\n",
                        &row.digest[..8],
                        row.forget_at_ms,
                        row.lines
                    )
                })
                .collect::<String>(),
        };
        text += &rows;
        place = batch.next;
    }
    text
}

/// Something of every kind.
async fn fill(bench: &mut Bench) {
    for step in [
        "append a/x,b/x,c/x,d/y,e,f to A,B @10",
        "append g/x,h/y to A @11",
        "append i to C @12",
        "claim A 9 @20",
        "settle a@A dead @21",
        "settle d@A retry:500 @22",
        "settle e@A delivered @23",
        "settle f@A discarded @24",
        "claim B 2 @25",
        "settle a@B delivered @26",
        "claim C 1 @27",
        "settle i@C delivered @28",
        "replay 9 - @29",
        "claim A 1 @30",
        "settle a@A dead @31",
        "pause B @40",
        "crash",
    ] {
        bench.step(step).await;
    }
    let series = |id: &str, line: &str| NewEntry {
        series: Some(Series {
            name: "user1".to_owned(),
            line: line.to_owned(),
            within: std::time::Duration::from_millis(10_000),
        }),
        ..super::bench::entry(id, "C", 50)
    };
    let appended = bench
        .outbox
        .append(vec![series("s1", "on"), series("s2", "off")]);
    assert_eq!(appended.await.unwrap(), [Appended::Stored; 2]);
    // The last number of all is of an event that has ended.
    for step in [
        "append z to C @51",
        "claim C 9 @52",
        "settle z@C delivered @53",
        "settle s1@C,s2@C release @54",
    ] {
        bench.step(step).await;
    }
}

/// A repeat of the latest of a series, and of an id that has ended.
async fn is_known(bench: &Bench) {
    let repeat = NewEntry {
        id: "s3".to_owned(),
        series: Some(Series {
            name: "user1".to_owned(),
            line: "off".to_owned(),
            within: std::time::Duration::from_millis(10_000),
        }),
        ..super::bench::entry("s3", "C", 60)
    };
    let entries = vec![
        repeat,
        super::bench::entry("i", "C", 60),
        super::bench::entry("b/x", "A", 60),
    ];
    let appended = bench.outbox.append(entries).await.unwrap();
    assert_eq!(
        appended,
        [Appended::Duplicate; 3],
        "{:?}",
        bench.config.kind
    );
}

#[tokio::test]
async fn there_and_back_everything_is_as_it_was() {
    if !own::is_here() {
        return;
    }
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let mut bench = Bench::moving(kind, |_| {});
        fill(&mut bench).await;
        bench.outbox.close().await;
        bench.let_go();
        let before = dump(&bench.config).await;
        for _ in 0..3 {
            bench.relocate(usize::MAX, false).await;
            is_known(&bench).await;
            bench.outbox.close().await;
            bench.let_go();
            assert_eq!(dump(&bench.config).await, before, "{:?}", bench.config.kind);
        }
    }
}

#[tokio::test]
async fn a_move_that_is_ended_anywhere_goes_on_and_nobody_uses_a_part_of_it() {
    if !own::is_here() {
        return;
    }
    for kind in [Kind::Sqlite, Kind::Postgres] {
        for does_it in [false, true] {
            let mut calls = 0;
            loop {
                let mut bench = Bench::moving(kind, |_| {});
                fill(&mut bench).await;
                bench.outbox.close().await;
                bench.let_go();
                let before = dump(&bench.config).await;
                let ended = go(&bench.config, calls, does_it).await;
                let there = Config {
                    kind: other(kind),
                    ..bench.config.clone()
                };
                // At no time may both be used.
                let used =
                    [&bench.config, &there].map(|config| open(config, Box::new(|_| {})).ok());
                let both = used.iter().flatten().count();
                let holds = |outbox: &Arc<dyn Outbox>| {
                    let outbox = Arc::clone(outbox);
                    async move { outbox.stats().await.unwrap().entries }
                };
                let mut full = 0;
                for outbox in used.iter().flatten() {
                    full += usize::from(holds(outbox).await > 0);
                    outbox.close().await;
                }
                drop(used);
                assert!(full <= 1, "{kind:?} {calls} {does_it}: {both}");
                own::wait_for_end(bench.config.server.as_ref().unwrap());
                if ended.is_ok() {
                    break;
                }
                // It was begun or not; a target that was opened meanwhile is as empty as before.
                match go_all(&bench.config).await {
                    Ok(()) => {}
                    Err(StorageError::NotMoved(why)) => assert!(why.contains("already"), "{why}"),
                    Err(error) => panic!("{kind:?} {calls} {does_it}: {error}"),
                }
                assert_eq!(dump(&there).await, before, "{kind:?} {calls} {does_it}");
                calls += 1;
            }
            assert!(calls > 20, "{calls}");
        }
    }
}

#[tokio::test]
async fn a_move_that_is_abandoned_leaves_everything_where_it_was() {
    if !own::is_here() {
        return;
    }
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let mut bench = Bench::moving(kind, |_| {});
        fill(&mut bench).await;
        bench.outbox.close().await;
        bench.let_go();
        let before = dump(&bench.config).await;
        let (mut source, mut target) = sides(&bench.config);
        let none = abandon(&mut *source, &mut *target).await.unwrap_err();
        assert!(none.to_string().contains("no move from"), "{none}");
        drop((source, target));
        go(&bench.config, 12, false).await.unwrap_err();
        let refused = open(&bench.config, Box::new(|_| {})).err().unwrap();
        let refused = refused.to_string();
        assert!(refused.contains("`--abandon`"), "{refused}");
        let (mut source, mut target) = sides(&bench.config);
        abandon(&mut *source, &mut *target).await.unwrap().unwrap();
        drop((source, target));
        assert_eq!(dump(&bench.config).await, before);
        open_or_panic(&bench.config).close().await;
        // And another one may begin.
        bench.relocate(usize::MAX, false).await;
        bench.outbox.close().await;
        bench.let_go();
        assert_eq!(dump(&bench.config).await, before);
    }
}

/// What a move refuses, with a part of the sentence.
#[tokio::test]
async fn nothing_is_mixed_and_nothing_goes_twice() {
    if !own::is_here() {
        return;
    }
    let refused = |moved: Result<(), StorageError>, said: &str| {
        let told = moved.unwrap_err().to_string();
        assert!(told.contains(said), "{told}");
    };
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let mut bench = Bench::moving(kind, |_| {});
        let there = Config {
            kind: other(kind),
            ..bench.config.clone()
        };
        let held = open_or_panic(&there);
        held.append(vec![super::bench::entry("z", "A", 10)])
            .await
            .unwrap();
        held.close().await;
        drop(held);
        if there.kind == Kind::Postgres {
            own::wait_for_end(bench.config.server.as_ref().unwrap());
        }
        fill(&mut bench).await;
        bench.outbox.close().await;
        bench.let_go();
        refused(go_all(&bench.config).await, "is not empty");
        // Refused, it has marked nothing.
        open_or_panic(&bench.config).close().await;
    }
    // A replica that lives.
    let mut bench = Bench::moving(Kind::Postgres, |_| {});
    fill(&mut bench).await;
    refused(go_all(&bench.config).await, "stop it first");
    bench.outbox.close().await;
    bench.let_go();
    go_all(&bench.config).await.unwrap();
    refused(go_all(&bench.config).await, "already");
    let told = open(&bench.config, Box::new(|_| {}))
        .err()
        .unwrap()
        .to_string();
    assert!(told.contains("were moved to the file"), "{told}");
    // Of another callgate.
    let server = bench.config.server.clone().unwrap();
    let newer = format!("UPDATE {}.outbox_schema SET version = 99", server.schema);
    own::ask(&server, move |client| {
        Box::pin(async move { client.batch_execute(&newer).await.unwrap() })
    });
    bench.config.kind = Kind::Sqlite;
    refused(go_all(&bench.config).await, "was made by a newer callgate");
}

/// What a disk gives back wrong is told to nobody, wherever it goes.
#[tokio::test]
async fn a_damaged_event_goes_over_as_a_dead_letter() {
    if !own::is_here() {
        return;
    }
    let mut bench = Bench::moving(Kind::Sqlite, |_| {});
    bench.step("append a/x,b/x,c to A,B @10").await;
    bench.outbox.close().await;
    bench.let_go();
    let file = rusqlite::Connection::open(&bench.config.path).unwrap();
    let sql = "UPDATE event SET body = x'00' WHERE seq = 2";
    assert_eq!(file.execute(sql, []).unwrap(), 1);
    file.close().unwrap();
    bench.relocate(usize::MAX, false).await;
    for endpoint in ["A", "B"] {
        let counts = bench.step(&format!("counts {endpoint}")).await;
        assert_eq!(
            counts,
            "accepted 3 delivered 0 dead 1 discarded 0 pending 2 in flight 0"
        );
    }
    let all = DeadFilter::default();
    let page = bench
        .outbox
        .dead(&all, DeadCursor::default(), 9)
        .await
        .unwrap();
    let letters: Vec<_> = page
        .letters
        .iter()
        .map(|it| (&*it.id, &*it.reason))
        .collect();
    let damaged = crate::outbox::rules::DAMAGED;
    assert_eq!(letters, [("b", damaged), ("b", damaged)]);
}
