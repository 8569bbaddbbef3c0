//! Decisions of a real policy, in real files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use super::hits::HitCounts;
use super::shared::Shared;
use super::*;
use crate::decision::{Decider, Decision, FailureClass, Hit, ListAction, Refusal, Verdict};
use crate::dialect;
use crate::event::{Event, Message, Span};
use crate::policy::{CompileContext, Snapshot};
use crate::reload::Policies;
use crate::telemetry::Metrics;

const HOOK: &str = "beforeSendSingleMsg";
const MARK: &str = "zq-marked-text-qz";

struct World {
    history: History,
    metrics: Arc<Metrics>,
    snapshot: Arc<Snapshot>,
    settings: Settings,
    directory: TempDir,
}

fn settings(folder: PathBuf) -> Settings {
    Settings {
        enabled: true,
        folder,
        keep: Duration::from_secs(3600 * 24),
        bytes_max: 1 << 30,
        ids: IdForm::Plain,
        texts: TextLevel::Memory,
        texts_max: 100,
        texts_bytes_max: 1 << 20,
        texts_keep: Duration::from_secs(3600),
        sealed_keep: Duration::from_secs(3600 * 24),
        decisions_per_second_max: 1_000_000,
        allows_per_second_max: 1_000_000,
        queue_rows_max: 1_000_000,
        queue_bytes_max: 1 << 30,
        sinks: SinkSettings::default(),
    }
}

fn world(change: impl FnOnce(&mut Settings)) -> World {
    let directory = TempDir::new().unwrap();
    let policy =
        format!("lists: {{bad: {{file: bad.txt, action: block}}}}\nhooks: {{{HOOK}: {{}}}}\n");
    fs::write(directory.path().join("policy.yaml"), policy).unwrap();
    fs::write(directory.path().join("bad.txt"), "# no\n赌博\ncasino\n").unwrap();
    let metrics = Arc::new(Metrics::new());
    let policies = Policies::start(
        directory.path(),
        CompileContext::default(),
        Arc::clone(&metrics),
        crate::reload::Start::default(),
    );
    let policies = policies.unwrap_or_else(|bad| panic!("{:#?}", bad.0));
    let mut settings = settings(directory.path().join("history"));
    change(&mut settings);
    World {
        history: History::open(settings.clone(), Arc::clone(&metrics)).unwrap(),
        snapshot: policies.current(),
        metrics,
        settings,
        directory,
    }
}

fn message(id: &str, from: &str, to: &str) -> Event {
    let message = Message {
        send_id: from.to_owned(),
        recv_id: to.to_owned(),
        server_msg_id: id.to_owned(),
        client_msg_id: format!("c-{id}"),
        content_type: 101,
        content: serde_json::json!({ "content": MARK }).to_string(),
        ..Message::default()
    };
    let hook = dialect::hook(HOOK).unwrap();
    dialect::event_from_message(hook, "op1".to_owned(), message)
}

fn allow() -> Decision {
    Decision::acknowledged()
}

fn blocked() -> Decision {
    let refusal = Refusal {
        code: 20001,
        public: "no".to_owned(),
        detail: String::new(),
    };
    Decision {
        verdict: Verdict::Block(refusal),
        decider: Decider::Filter,
        hits: vec![hit(ListAction::Block)],
        why: "list bad".to_owned(),
        ..allow()
    }
}

fn hit(action: ListAction) -> Hit {
    Hit {
        list: "bad".into(),
        entry: "赌博".into(),
        line: 2,
        tags: Arc::new([]),
        evasions: vec!["fold"],
        action,
        place: "content/content".to_owned(),
        span: Span {
            bytes: 3..9,
            chars: 1..3,
            utf16: 1..3,
        },
    }
}

fn let_through() -> Decision {
    Decision {
        reviewed: false,
        decider: Decider::FailurePolicy,
        failure: Some(FailureClass::Timeout),
        ..allow()
    }
}

impl World {
    fn tell(&self, event: &Event, decision: &Decision) {
        self.tell_at(event, decision, Duration::ZERO);
    }

    /// Of a decision that was made so long after this.
    fn tell_at(&self, event: &Event, decision: &Decision, later: Duration) {
        self.history.tell(&Told {
            hook: Some(event.hook),
            event: Some(event),
            caller: None,
            decision,
            snapshot: &self.snapshot,
            answered: None,
            received: Instant::now(),
            filter: Duration::from_micros(5),
            callback: Duration::ZERO,
            total: later,
            span: None,
            stages: &[],
        });
    }

    fn find(&self, filter: &Filter) -> Vec<Row> {
        self.history.flush();
        self.history.find(filter, None, 1000).unwrap().rows
    }

    fn ids(&self, filter: &Filter) -> String {
        let rows = self.find(filter);
        let ids: Vec<_> = rows.iter().map(|row| row.message_id.as_str()).collect();
        ids.join(" ")
    }

    fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.encode();
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    fn files(&self) -> Vec<PathBuf> {
        files_below(&self.settings.folder)
    }

    fn reopened(self) -> World {
        self.history.close();
        World {
            history: History::open(self.settings.clone(), Arc::clone(&self.metrics)).unwrap(),
            ..self
        }
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

fn holds(files: &[PathBuf], text: &str) -> bool {
    let holds = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    files.iter().any(holds)
}

fn by(set: impl FnOnce(&mut Filter)) -> Filter {
    let mut filter = Filter::default();
    set(&mut filter);
    filter
}

#[test]
fn a_decision_is_found_by_all_that_is_known_of_it() {
    let world = world(|_| {});
    world.tell(&message("m1", "u1", "u2"), &blocked());
    world.tell(&message("m2", "u2", "u1"), &allow());
    world.tell(&message("m3", "u3", "u1"), &let_through());
    let flagged = Decision {
        hits: vec![hit(ListAction::Flag)],
        ..allow()
    };
    world.tell(&message("m4", "u4", "u5"), &flagged);
    let word = |word: &str| Some(WordForms::of(&world.snapshot, word));
    let some = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (Filter::default(), "m4 m3 m2 m1"),
        (by(|it| it.message = some("m1")), "m1"),
        (by(|it| it.message = some("c-m2")), "m2"),
        (by(|it| it.message = some("m")), ""),
        (by(|it| it.operation = some("op1")), "m4 m3 m2 m1"),
        (by(|it| it.sender = some("u2")), "m2"),
        (by(|it| it.target = some("u1")), "m3 m2"),
        (by(|it| it.conversation = some("u1:u2")), "m2 m1"),
        (by(|it| it.conversation = some("u2:u1")), "m2 m1"),
        (by(|it| it.hook = some(HOOK)), "m4 m3 m2 m1"),
        (by(|it| it.hook = some("beforeSendGroupMsg")), ""),
        (by(|it| it.outcomes = vec!["block".to_owned()]), "m1"),
        (
            by(|it| it.outcomes = vec!["flag".to_owned(), "let_through".to_owned()]),
            "m4 m3",
        ),
        (by(|it| it.class = some("timeout")), "m3"),
        (by(|it| it.reviewed = Some(false)), "m3"),
        (by(|it| it.version = Some(1)), "m4 m3 m2 m1"),
        (by(|it| it.version = Some(2)), ""),
        (by(|it| it.list = some("bad")), "m4 m1"),
        (by(|it| it.line = Some(2)), "m4 m1"),
        (by(|it| it.line = Some(3)), ""),
        // The traditional form of the same word.
        (by(|it| it.word = word("賭博")), "m4 m1"),
        (by(|it| it.word = word("casino")), ""),
        (
            by(|it| {
                it.word = word("赌博");
                it.sender = some("u1");
            }),
            "m1",
        ),
        (by(|it| it.to_us = Some(1)), ""),
        (by(|it| it.from_us = Some(1)), "m4 m3 m2 m1"),
    ] {
        assert_eq!(world.ids(&filter), expected, "{filter:?}");
    }
    let row = &world.find(&by(|it| it.message = some("m1")))[0];
    assert_eq!(world.history.decision(row.id).unwrap().as_ref(), Some(row));
    assert_eq!((row.action.as_str(), row.code), ("block", Some(20001)));
    assert_eq!(
        (row.matches[0].bytes, row.matches[0].chars),
        ((3, 9), (1, 3))
    );
    assert_eq!((row.filter_us, row.weight), (5, 1));
}

#[test]
fn what_is_sealed_is_found_like_what_is_written_to() {
    let world = world(|_| {});
    let hour = Duration::from_secs(3600);
    // Files of an hour each; the writer's own clock stands.
    world.tell(&message("m1", "u1", "u2"), &blocked());
    world.history.flush();
    for (id, hours) in [("m2", 1), ("m3", 2)] {
        world.tell_at(&message(id, "u1", "u2"), &blocked(), hour * hours);
    }
    let before = world.ids(&Filter::default());
    assert_eq!(before, "m3 m2 m1");
    let page = world.history.find(&Filter::default(), None, 2).unwrap();
    assert_eq!(page.rows.len(), 2);
    let rest = world
        .history
        .find(&Filter::default(), page.next.as_deref(), 2);
    let rest = rest.unwrap();
    assert_eq!(
        (rest.rows[0].message_id.as_str(), &rest.next),
        ("m1", &None)
    );
    let newer = world.history.newer(&Filter::default(), rest.rows[0].id, 10);
    assert_eq!(newer.unwrap().len(), 2);
    let bad = world.history.find(&Filter::default(), Some("no"), 2);
    assert!(bad.unwrap_err().to_string().contains("begin without one"));
}

#[test]
fn a_clock_that_was_set_back_hides_nothing() {
    for ahead_s in [1, 30, 90, 3 * 3600, 48 * 3600] {
        let mut world = world(|_| {});
        let ahead = Duration::from_secs(ahead_s);
        world.tell_at(&message("ahead", "u1", "u2"), &blocked(), ahead);
        world.tell_at(&message("ahead-too", "u1", "u2"), &allow(), ahead);
        assert_eq!(world.find(&Filter::default()).len(), 2);
        for round in 0..3 {
            world = world.reopened();
            for number in 0..100 {
                let id = format!("{round}-{number}");
                world.tell(&message(&id, "u1", "u2"), &blocked());
            }
        }
        let rows = world.find(&Filter::default());
        assert_eq!(rows.len(), 302, "{ahead_s}");
        assert_eq!(world.metric("callgate_history_dropped_total"), 0);
        for row in &rows {
            let again = world.history.decision(row.id).unwrap();
            assert_eq!(again.as_ref(), Some(row), "{ahead_s}");
        }
        // Page by page each comes once.
        let (mut paged, mut cursor) = (Vec::new(), None);
        loop {
            let page = world.history.find(&Filter::default(), cursor.as_deref(), 7);
            let page = page.unwrap();
            paged.extend(page.rows);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(paged, rows, "{ahead_s}");
    }
}

#[test]
fn whoever_follows_a_burst_misses_nothing() {
    let world = world(|_| {});
    world.tell(&message("first", "u1", "u2"), &blocked());
    let mut last = world.find(&Filter::default())[0].id;
    for number in 0..2_500 {
        let decision = if number % 3 == 0 { allow() } else { blocked() };
        world.tell(&message(&number.to_string(), "u1", "u2"), &decision);
    }
    world.history.flush();
    let mut seen = Vec::new();
    loop {
        let rows = world.history.newer(&Filter::default(), last, 300).unwrap();
        let Some(newest) = rows.first() else { break };
        last = newest.id;
        seen.extend(rows.into_iter().rev().map(|row| row.message_id));
    }
    let expected: Vec<String> = (0..2_500).map(|number| number.to_string()).collect();
    assert_eq!(seen, expected);
}

#[test]
fn what_nobody_can_mean_is_an_answer_or_an_error() {
    let world = world(|_| {});
    world.tell(&message("m1", "u1", "u2"), &blocked());
    let id = world.find(&Filter::default())[0].id;
    for cursor in [
        "",
        "-1",
        "+7",
        "0",
        "7fffffffffffffff",
        "-8000000000000000",
        "8000000000000000",
        "ffffffffffffffffffffffff",
        "zz",
        "１",
    ] {
        let page = world.history.find(&Filter::default(), Some(cursor), 10);
        if let Ok(page) = page {
            assert!(page.rows.len() <= 1 && page.next.is_none(), "{cursor}");
        }
    }
    for (from, to, expected) in [
        (0, 0, 0),
        (0, u64::MAX, 1),
        (u64::MAX, 0, 0),
        (u64::MAX, u64::MAX, 0),
        (1 << 62, 1 << 63, 0),
    ] {
        let filter = by(|it| (it.from_us, it.to_us) = (Some(from), Some(to)));
        assert_eq!(world.find(&filter).len(), expected, "{from} to {to}");
        for step_s in [0, 1, 60, u64::MAX] {
            world.history.counts(&filter, step_s).unwrap();
        }
    }
    for bits in [0, 1, u128::MAX] {
        let forged = (bits & !(0xf << 76)) | (7 << 76);
        let forged = uuid::Uuid::from_u128(forged).to_string();
        let forged: DecisionId = forged.parse().unwrap();
        assert_eq!(world.history.decision(forged).unwrap(), None);
        assert_eq!(world.history.texts(forged).unwrap(), None);
        let newer = world.history.newer(&Filter::default(), forged, 10).unwrap();
        assert_eq!(newer.len(), usize::from(forged < id));
    }
    for rows_max in [0, 1] {
        let page = world.history.find(&Filter::default(), None, rows_max);
        assert_eq!(page.unwrap().rows.len(), rows_max);
    }
}

#[test]
fn counts_are_exact_whatever_is_kept() {
    let world = world(|settings| {
        settings.allows_per_second_max = 1;
        settings.decisions_per_second_max = 2;
    });
    for number in 0..500 {
        world.tell(&message(&format!("m{number}"), "u1", "u2"), &allow());
    }
    for _ in 0..5 {
        world.tell(&message("b", "u1", "u2"), &blocked());
    }
    let rows = world.find(&Filter::default());
    let (mut allows, mut blocks) = (0, 0);
    for row in &rows {
        match row.outcome.as_str() {
            "allow" => allows += row.weight,
            _ => blocks += 1,
        }
    }
    assert!((100..2000).contains(&allows), "{allows} stand for 500");
    assert!(rows.len() < 100 && blocks < 5, "{blocks} of {}", rows.len());
    let page = world.history.find(&Filter::default(), None, 1000).unwrap();
    assert!(page.is_sampled);
    let dropped = world.metric("callgate_history_dropped_total{kind=\"block\",reason=\"rate\"}");
    assert_eq!(dropped, 5 - blocks);
    let sum = |filter: &Filter, outcome: &str| -> u64 {
        let counts = world.history.counts(filter, 60).unwrap();
        let counts = counts.iter().filter(|counted| counted.outcome == outcome);
        counts.map(|counted| counted.count).sum()
    };
    let all = Filter::default();
    assert_eq!((sum(&all, "allow"), sum(&all, "block")), (500, 5));
    let of_list = by(|it| it.list = Some("bad".to_owned()));
    assert_eq!((sum(&of_list, "allow"), sum(&of_list, "block")), (0, 5));
}

#[test]
fn what_was_kept_is_there_after_a_restart() {
    let world = world(|_| {});
    world.tell(&message("m1", "u1", "u2"), &blocked());
    world.history.flush();
    let world = world.reopened();
    world.tell(&message("m2", "u1", "u2"), &allow());
    assert_eq!(world.ids(&Filter::default()), "m2 m1");
    // The young files were gone on with.
    let files = world.files();
    let files = files
        .iter()
        .filter(|file| file.extension().unwrap() == "db");
    assert_eq!(files.count(), 2);
}

#[test]
fn no_room_to_wait_costs_rows_that_are_counted() {
    let world = world(|settings| settings.queue_rows_max = 3);
    // The writer may come in between, and what it took is kept.
    for _ in 0..1000 {
        world.tell(&message("m", "u1", "u2"), &blocked());
    }
    let kept = world
        .find(&by(|it| it.sender = Some("u1".to_owned())))
        .len() as u64;
    let dropped = world.metric("callgate_history_dropped_total{kind=\"block\",reason=\"queue\"}");
    assert_eq!(kept + dropped, 1000);
    assert!(dropped > 0);
}

#[test]
fn a_folder_that_cannot_be_made_costs_rows_until_it_can() {
    let world = world(|settings| {
        // A file is in the way.
        fs::write(&settings.folder, "").unwrap();
    });
    world.tell(&message("m1", "u1", "u2"), &blocked());
    world.history.flush();
    assert!(world.history.error().unwrap().contains("cannot be made"));
    assert_eq!(
        world.metric("callgate_history_dropped_total{kind=\"block\",reason=\"disk\"}"),
        1
    );
    fs::remove_file(&world.settings.folder).unwrap();
    world.tell(&message("m2", "u1", "u2"), &blocked());
    assert_eq!(world.ids(&Filter::default()), "m2");
    assert_eq!(world.history.error(), None);
    // The numbers are exact all the same.
    let counts = world.history.counts(&Filter::default(), 60).unwrap();
    let blocks: u64 = counts.iter().map(|counted| counted.count).sum();
    assert_eq!(blocks, 2);
}

#[test]
fn a_damaged_file_is_put_aside_and_the_next_is_begun() {
    let world = world(|_| {});
    world.tell(&message("m1", "u1", "u2"), &blocked());
    world.history.close();
    for file in world.files() {
        fs::write(file, [7; 5000]).unwrap();
    }
    let world = world.reopened();
    world.tell(&message("m2", "u1", "u2"), &blocked());
    assert_eq!(world.ids(&Filter::default()), "m2");
    let aside = world.files();
    let is_aside = |file: &&PathBuf| file.extension().unwrap() == "damaged";
    assert!(aside.iter().any(|file| is_aside(&file)));
}

#[test]
fn the_text_is_in_memory_and_in_no_file() {
    let world = world(|_| {});
    world.tell(&message("m1", "u1", "u2"), &blocked());
    let row = &world.find(&Filter::default())[0];
    let texts = world.history.texts(row.id).unwrap().unwrap();
    assert_eq!(texts[0].value, MARK);
    assert_eq!(world.history.recent_texts().len(), 1);
    world.history.close();
    assert!(holds(&world.files(), "op1"));
    assert!(!holds(&world.files(), MARK));
    assert!(!holds(&world.files(), "赌博"));
}

#[test]
fn texts_in_memory_end_by_number_size_and_time() {
    let recent = recent::Recent::new(3, 4000, Duration::from_secs(10));
    let text = |at_us: u64, bytes: usize| RecentText {
        id: id::DecisionId::next(at_us, 0),
        at_us,
        hook: HOOK,
        texts: vec![PlacedText {
            place: String::new(),
            value: "x".repeat(bytes),
        }],
        sender: "u1".to_owned(),
        target: "u2".to_owned(),
    };
    let kept = |now_us| {
        let all = recent.all(now_us);
        all.iter().map(|text| text.at_us).collect::<Vec<_>>()
    };
    for at_us in 1..=4 {
        recent.add(text(at_us, 10));
    }
    assert_eq!(kept(4), [4, 3, 2]);
    recent.add(text(5, 3700));
    assert_eq!(kept(5), [5]);
    recent.add(text(6, 5000));
    assert_eq!(kept(6), [5]);
    assert_eq!(recent.forget("u3"), 0);
    assert_eq!(kept(10_000_006), Vec::<u64>::new());
    recent.add(text(10_000_007, 10));
    assert_eq!(recent.forget("u2"), 1);
    assert_eq!(kept(10_000_007), Vec::<u64>::new());
}

#[test]
fn a_sealed_text_is_read_until_the_key_of_its_day_is_dropped() {
    let world = world(|settings| settings.texts = TextLevel::Sealed);
    world.tell(&message("m1", "u1", "u2"), &blocked());
    let row = &world.find(&Filter::default())[0];
    let texts = world.history.texts(row.id).unwrap().unwrap();
    assert_eq!(texts[0].value, MARK);
    world.history.close();
    assert!(!holds(&world.files(), MARK));
    let mut keys = sealing::Keys::new(&world.settings.folder);
    let day_us = 24 * 3600 * 1_000_000;
    assert_eq!(keys.drop_before(row.at_us).unwrap(), 0);
    assert_eq!(keys.drop_before(row.at_us + day_us).unwrap(), 1);
    assert_eq!(world.history.texts(row.id).unwrap(), None);
    // The decision stays.
    assert!(world.history.decision(row.id).unwrap().is_some());
}

#[test]
fn a_sealed_text_belongs_to_its_decision() {
    let folder = TempDir::new().unwrap();
    let mut keys = sealing::Keys::new(folder.path());
    let texts = [PlacedText {
        place: "content".to_owned(),
        value: MARK.to_owned(),
    }];
    let sealed = keys.seal(1_000_000, 7, &texts).unwrap();
    assert_eq!(keys.open(1_000_000, 7, &sealed).unwrap(), texts);
    assert_eq!(keys.open(1_000_000, 8, &sealed), None);
    assert_eq!(keys.open(1_000_000, 7, &sealed[1..]), None);
    assert_eq!(keys.open(1_000_000, 7, b"short"), None);
}

#[test]
fn nothing_is_sealed_twice_with_the_same_nonce() {
    let folder = TempDir::new().unwrap();
    let mut keys = sealing::Keys::new(folder.path());
    let mut nonces = std::collections::HashSet::new();
    // More than are had from the system at a time, and of two days.
    for number in 0..300 {
        let day_us = u64::from(number > 150) * 24 * 3600 * 1_000_000;
        let sealed = keys.seal(day_us, number, &[]).unwrap();
        let nonce = sealed[sealed.len() - 12..].to_vec();
        assert!(nonce.iter().any(|byte| *byte != 0));
        assert!(nonces.insert(nonce), "{number}");
    }
}

#[test]
fn hashed_ids_are_found_and_not_read() {
    let world = world(|settings| settings.ids = IdForm::Hashed);
    world.tell(
        &message("message-one", "sender-one", "target-one"),
        &blocked(),
    );
    let sender = by(|it| it.sender = Some("sender-one".to_owned()));
    let rows = world.find(&sender);
    assert_eq!(rows.len(), 1);
    let shown = by(|it| it.sender = Some(rows[0].sender.clone()));
    assert_eq!(world.find(&shown), rows);
    let conversation = by(|it| it.conversation = Some("target-one:sender-one".to_owned()));
    assert_eq!(world.find(&conversation), rows);
    // The key is there after a restart.
    let world = world.reopened();
    assert_eq!(world.find(&sender), rows);
    world.history.close();
    for id in ["message-one", "sender-one", "target-one", "op1"] {
        assert!(!holds(&world.files(), id), "{id}");
    }
}

#[test]
fn who_is_forgotten_is_in_no_file_and_no_memory() {
    for texts in [TextLevel::Memory, TextLevel::Sealed] {
        let world = world(|settings| settings.texts = texts);
        // A file of before, and one that is written to.
        world.tell(&message("m1", "forgotten-one", "u2"), &blocked());
        let world = world.reopened();
        world.tell(&message("m2", "u2", "forgotten-one"), &allow());
        world.tell(&message("m3", "u2", "u3"), &blocked());
        let gone = world.find(&by(|it| it.message = Some("m1".to_owned())));
        let forgotten = world.history.forget("forgotten-one").unwrap();
        assert_eq!(forgotten.decisions, 2);
        assert_eq!(world.ids(&Filter::default()), "m3");
        assert_eq!(world.history.texts(gone[0].id).unwrap(), None);
        assert!(!holds(&world.files(), "forgotten-one"));
        world.history.close();
        assert!(!holds(&world.files(), "forgotten-one"));
    }
}

#[test]
fn past_the_limit_files_with_allows_are_deleted_first() {
    let world = world(|settings| settings.bytes_max = 1 << 20);
    world.history.close();
    let catalog = Arc::default();
    let mut store = store::Store::new(world.settings.clone(), Arc::clone(&catalog));
    let ids = id_form::Ids::open(&world.settings.folder, IdForm::Plain).unwrap();
    let mut last = 0;
    let mut bytes = 0;
    for batch in 0..60 {
        for (series, decision) in [
            (catalog::Series::Decisions, blocked()),
            (catalog::Series::Allows, allow()),
        ] {
            let rows = (0..100).map(|number| {
                let event = message(&format!("{batch}-{number}"), "u1", "u2");
                let told = Told {
                    hook: Some(event.hook),
                    event: Some(&event),
                    caller: None,
                    decision: &decision,
                    snapshot: &world.snapshot,
                    answered: None,
                    received: Instant::now(),
                    filter: Duration::ZERO,
                    callback: Duration::ZERO,
                    total: Duration::ZERO,
                    span: None,
                    stages: &[],
                };
                let record = record::Record::of(&told, Kind::of(&decision), 1_000_000, 1, false);
                let id = id::DecisionId::next(1_000_000, last);
                last = id.number;
                segment::NewRow {
                    row: prepare::row(record, id, &ids),
                    texts: None,
                    traced: segment::Traced::default(),
                }
            });
            let rows: Vec<_> = rows.collect();
            store.add(series, &rows, &[], 1_000_000).unwrap();
        }
        bytes = store.keep_short(1_000_000);
    }
    assert!(bytes <= 1 << 20, "{bytes}");
    let left = catalog.all();
    let of = |series| left.iter().filter(|known| known.series == series).count();
    let (decisions, allows) = (of(catalog::Series::Decisions), of(catalog::Series::Allows));
    assert!(allows <= 1 && decisions > 3, "{decisions} and {allows}");
    // And with the time all of them.
    let later = 1_000_000 + world.settings.keep.as_micros() as u64 * 2;
    store.keep_short(later);
    assert_eq!(catalog.all().len(), 0);
    assert!(world.directory.path().exists());
}

#[test]
fn what_is_off_keeps_and_finds_nothing() {
    let world = world(|settings| settings.enabled = false);
    world.tell(&message("m1", "u1", "u2"), &blocked());
    world.history.flush();
    assert!(!world.settings.folder.exists());
    let found = world.history.find(&Filter::default(), None, 10);
    assert!(found.unwrap_err().to_string().contains("history.enabled"));
}

#[test]
fn hits_are_counted_once_a_message_shadow_apart() {
    let world = world(|settings| settings.keep = Duration::from_secs(30 * 24 * 3600));
    let entries = [entry_hash("赌博"), entry_hash("casino")];
    let hits = || world.history.hits("bad", &entries).unwrap();
    let hours = |hours: u32| Duration::from_secs(3600) * hours;
    let twice = Decision {
        hits: vec![hit(ListAction::Block), hit(ListAction::Block)],
        ..blocked()
    };
    let shadow = Decision {
        hits: vec![hit(ListAction::Shadow)],
        ..allow()
    };
    assert_eq!(hits().hits, [Hits::default(); 2]);
    world.tell(&message("m1", "u1", "u2"), &blocked());
    assert_eq!(hits().hits[0].day, 1);
    // Files of an hour each.
    world.tell_at(&message("m2", "u1", "u2"), &twice, hours(1));
    world.tell_at(&message("m3", "u1", "u2"), &shadow, hours(2));
    let expected = Hits {
        day: 2,
        week: 2,
        shadow_day: 1,
        shadow_week: 1,
    };
    // What was counted is not counted again.
    for _ in 0..3 {
        assert_eq!(hits().hits, [expected, Hits::default()]);
    }
    let others = world.history.hits("others", &entries).unwrap();
    assert_eq!(others.hits, [Hits::default(); 2]);
    // Whoever is forgotten is counted no more.
    world.history.forget("u1").unwrap();
    assert_eq!(hits().hits, [Hits::default(); 2]);
    assert!(History::off().hits("bad", &entries).is_err());
}

#[test]
fn hits_of_days_ago_are_of_the_week_and_older_ones_of_nothing() {
    let counts = HitCounts::default();
    let shared = Shared::new(settings(PathBuf::new()), Arc::new(Metrics::new()));
    let hour = shared.now_us() / 3_600_000_000;
    for age in [0, 24, 25, 7 * 24, 7 * 24 + 1] {
        counts.tell("bad", 1, hour - age);
    }
    let found = counts.of(&shared, "bad", &[1]).unwrap().hits[0];
    assert_eq!((found.day, found.week), (2, 4));
}
