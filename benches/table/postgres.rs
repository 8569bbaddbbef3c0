//! The outbox in PostgreSQL: what it accepts against bare INSERTs of the same rows, what one and two
//! replicas deliver, before hooks while the server is away, claims with a million events waiting.
//!
//! The server is one of this bench's own, in `OUTBOX_BENCH_DIR` or a temporary folder, with syncs.
//! `POSTGRES_PENDING=n` has fewer events wait.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use callgate::outbox::{self, Capacity, Config, Kind, Outbox, Server, Settlement, WhenDown};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::types::ToSql;

use super::cluster::Cluster;
use super::outbox::{Callgate, InOutbox, Keeper, after, business, entry, folder, kept};
use super::{Row, load, median};

const TIME: Duration = Duration::from_secs(3);
/// Rows that one transaction of the bare INSERTs takes, as ours does.
const COMMIT_MAX: usize = 256;

/// Accepting alone.
pub fn accepted_rows(rounds: usize) -> Vec<Row> {
    let all = [
        ("events accepted a second in PostgreSQL, 1 producer", 1, "-"),
        (
            "events accepted a second in PostgreSQL, 16 producers",
            16,
            "-",
        ),
        (
            "events accepted a second in PostgreSQL, 64 producers",
            64,
            "at least 0.7",
        ),
        (
            "events accepted a second in PostgreSQL, 256 producers",
            256,
            "-",
        ),
    ];
    with_server(async |cluster| {
        let mut rows = Vec::new();
        for (what, producers, goal) in all {
            rows.push(accepted(cluster, rounds, what, producers, goal).await);
        }
        rows
    })
}

/// From acceptance to the receiver.
pub fn delivered_rows(rounds: usize) -> Vec<Row> {
    with_server(async |cluster| vec![delivered(cluster, rounds).await])
}

/// With many events waiting.
pub fn claims_rows(rounds: usize) -> Vec<Row> {
    with_server(async |cluster| vec![claims(cluster, rounds).await])
}

/// While the server is away.
pub fn away_rows(rounds: usize) -> Vec<Row> {
    with_server(async |cluster| vec![decided_without(cluster, rounds).await])
}

/// Nothing is measured where PostgreSQL is not installed, which is said.
fn with_server(measure: impl AsyncFnOnce(&Cluster) -> Vec<Row>) -> Vec<Row> {
    let directory = folder();
    // The server has a user of its own.
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory.path(), everybody).expect("it is ours");
    match Cluster::start_on_disk(directory.path()) {
        Some(cluster) => load::runtime().block_on(measure(&cluster)),
        None => Vec::new(),
    }
}

/// CPU time of the server's processes so far, in microseconds; none of those that ended.
fn server_cpu_us(cluster: &Cluster) -> f64 {
    let file = std::fs::read_to_string(cluster.data.join("postmaster.pid")).expect("it runs");
    let parent = file.lines().next().expect("its process").to_owned();
    let children = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(children).expect("Linux has /proc");
    let of = |pid: &str| {
        let times = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        let nanoseconds: f64 = times.split(' ').next()?.parse().ok()?;
        Some(nanoseconds / 1e3)
    };
    children.split_whitespace().filter_map(of).sum()
}

/// A schema that nobody has used.
fn schema() -> String {
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    format!("bench_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed))
}

fn open(cluster: &Cluster, schema: &str) -> Arc<dyn Outbox> {
    let server = Server {
        url: cluster.url(),
        schema: schema.to_owned(),
        when_down: WhenDown::Refuse,
        tls: None,
        again: None,
        replica: "bench".to_owned(),
        connections: 1,
        lease: Duration::from_secs(30),
        takeover_after: Duration::from_secs(5),
    };
    let config = Config {
        kind: Kind::Postgres,
        server: Some(server),
        bytes_max: 1 << 40,
        endpoint_bytes_max: 1 << 40,
        ..callgate::config::load(None, &[])
            .expect("the defaults hold")
            .outbox
    };
    outbox::open(&config, Box::new(|why| panic!("{why}"))).expect("it can be opened")
}

/// One connection that inserts the rows of all that wait, in one transaction: the least that keeping
/// them in these tables costs, with nothing looked up, counted or limited.
struct Inserting(mpsc::UnboundedSender<(u64, usize, oneshot::Sender<()>)>);

#[async_trait::async_trait]
impl Keeper for Inserting {
    async fn keep(&self, first: u64, count: usize) {
        let (answer, answered) = oneshot::channel();
        self.0.send((first, count, answer)).expect("it runs");
        answered.await.expect("it answers");
    }
}

async fn inserting(cluster: &Cluster, schema: &str) -> Inserting {
    let connected = tokio_postgres::connect(&cluster.url(), tokio_postgres::NoTls).await;
    let (client, connection) = connected.expect("the server answers");
    tokio::spawn(connection);
    let path =
        format!("SET search_path = {schema}; INSERT INTO endpoint (name) VALUES ('business')");
    client.batch_execute(&path).await.expect("it is there");
    let (sender, mut jobs) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let statements = Statements::prepare(&client).await;
        let mut seq = 0;
        while let Some(first) = jobs.recv().await {
            let mut batch: Vec<(u64, usize, oneshot::Sender<()>)> = vec![first];
            while batch.len() < COMMIT_MAX
                && let Ok(next) = jobs.try_recv()
            {
                batch.push(next);
            }
            let numbers = batch
                .iter()
                .flat_map(|(first, count, _)| *first..*first + *count as u64);
            let numbers: Vec<u64> = numbers.collect();
            statements.insert(&client, &numbers, seq).await;
            seq += numbers.len() as i64;
            for (_, _, answer) in batch {
                let _ = answer.send(());
            }
        }
    });
    Inserting(sender)
}

struct Statements {
    known: tokio_postgres::Statement,
    event: tokio_postgres::Statement,
    pair: tokio_postgres::Statement,
}

impl Statements {
    async fn prepare(client: &tokio_postgres::Client) -> Statements {
        let prepare = async |sql| client.prepare(sql).await.expect("these tables are there");
        Statements {
            known: prepare("INSERT INTO known (digest, pairs) SELECT *, 1 FROM unnest($1::uuid[])")
                .await,
            event: prepare(
                "INSERT INTO event (part, seq, accepted_at_ms, id, hook, dialect, ordering_key,
                    operation_id, body)
                SELECT 1, * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[],
                    $5::text[], $6::text[], $7::text[], $8::bytea[])",
            )
            .await,
            pair: prepare(
                "INSERT INTO pair (part, place, endpoint, seq, accepted_at_ms, bytes, digest, lane)
                SELECT 1, 0, 1, seq, accepted_at_ms, 700, digest, lane FROM
                    unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::uuid[])
                    AS p(seq, accepted_at_ms, digest, lane)",
            )
            .await,
        }
    }

    async fn insert(&self, client: &tokio_postgres::Client, numbers: &[u64], before: i64) {
        let endpoints = ["business".to_owned()];
        let entries: Vec<_> = (numbers.iter())
            .map(|number| entry(*number, &endpoints, 1))
            .collect();
        let seqs: Vec<i64> = (1..=entries.len() as i64).map(|n| before + n).collect();
        let times = vec![1_i64; entries.len()];
        let digest = |text: &str| {
            let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
            uuid::Uuid::from_slice(&hash.as_ref()[..16]).expect("16 bytes")
        };
        let digests: Vec<_> = entries.iter().map(|entry| digest(&entry.id)).collect();
        let lanes: Vec<_> = (entries.iter())
            .map(|entry| digest(&entry.ordering_key))
            .collect();
        let text = |of: fn(&outbox::NewEntry) -> &String| -> Vec<&str> {
            entries.iter().map(|entry| of(entry).as_str()).collect()
        };
        let (ids, hooks) = (text(|entry| &entry.id), text(|entry| &entry.hook));
        let (dialects, keys) = (
            text(|entry| &entry.dialect),
            text(|entry| &entry.ordering_key),
        );
        let operations = text(|entry| &entry.operation_id);
        let bodies: Vec<&[u8]> = entries.iter().map(|entry| entry.body.as_ref()).collect();
        let known: [&(dyn ToSql + Sync); 1] = [&digests];
        let event: [&(dyn ToSql + Sync); 8] = [
            &seqs,
            &times,
            &ids,
            &hooks,
            &dialects,
            &keys,
            &operations,
            &bodies,
        ];
        let pair: [&(dyn ToSql + Sync); 4] = [&seqs, &times, &digests, &lanes];
        // Sent at once, answered in this order.
        let (begun, known, event, pair, done) = tokio::join!(
            client.batch_execute("BEGIN"),
            client.execute(&self.known, &known),
            client.execute(&self.event, &event),
            client.execute(&self.pair, &pair),
            client.batch_execute("COMMIT"),
        );
        for inserted in [known, event, pair] {
            inserted.expect("they are inserted");
        }
        begun.and(done).expect("it is committed");
    }
}

/// What the server has written into its log so far.
fn written_kib(cluster: &Cluster) -> f64 {
    let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')";
    let bytes: f64 = cluster.ask(sql).parse().expect("it answers");
    bytes / 1024.0
}

async fn accepted(
    cluster: &Cluster,
    rounds: usize,
    what: &'static str,
    producers: usize,
    goal: &'static str,
) -> Row {
    let (mut plain, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut cpu = Vec::new();
    for round in 0..=rounds {
        let (bare, own) = (schema(), schema());
        // The same tables, with the same indexes.
        open(cluster, &bare).close().await;
        let inserting = Arc::new(inserting(cluster, &bare).await);
        let outbox = open(cluster, &own);
        let in_outbox = Arc::new(InOutbox(Arc::clone(&outbox)));
        let mut measured = [(0.0, 0.0); 2];
        // In turn, and which is first changes: the disk of the second has more to do.
        for turn in 0..2 {
            let place = (round + turn) % 2;
            let keeper: Arc<dyn Keeper> = match place {
                0 => inserting.clone(),
                _ => in_outbox.clone(),
            };
            let cpu_us = server_cpu_us(cluster);
            let started = Instant::now();
            let a_second = kept(keeper, producers, 1).await;
            let events = a_second * started.elapsed().as_secs_f64();
            measured[place] = (a_second, (server_cpu_us(cluster) - cpu_us) / events);
        }
        let [(bare_s, bare_us), (own_s, own_us)] = measured;
        let stats = outbox.stats().await.expect("it answers");
        let a_commit = stats.work.accepted as f64 / stats.work.commits as f64;
        outbox.close().await;
        cluster.ask(&format!("DROP SCHEMA {bare} CASCADE"));
        cluster.ask(&format!("DROP SCHEMA {own} CASCADE"));
        eprintln!(
            "round {round}: {what}: bare {bare_s:.0}/s, {bare_us:.0} us of the server's CPU an event; outbox {own_s:.0}/s, {own_us:.0} us, {a_commit:.1} a commit"
        );
        if round > 0 {
            plain.push(bare_s);
            ours.push(own_s);
            ratios.push(own_s / bare_s);
            cpu.push(own_us / bare_us);
        }
    }
    Row {
        what,
        reference: format!(
            "bare batched INSERTs of the same rows, {:.0}/s",
            median(&plain)
        ),
        measured: format!(
            "{:.0}/s, {:.2} times the server's CPU for each",
            median(&ours),
            median(&cpu)
        ),
        ratios,
        goal,
    }
}

fn replica(cluster: &Cluster, schema: &str, urls: &[String], number: usize) -> Callgate {
    let settings = format!(
        "storage: {{kind: postgres, url: \"{}\", schema: {schema}, replica: r{number}, tls: {{mode: plain}}}}\n",
        cluster.url()
    );
    Callgate::start_with(urls, &settings)
}

/// Events a second from acceptance to the receiver, by two replicas against one.
async fn delivered(cluster: &Cluster, rounds: usize) -> Row {
    const EVENTS: usize = 10_000;
    let (url, told) = business().await;
    let (mut alone, mut both, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut cpu = Vec::new();
    for round in 0..=rounds {
        let (mut a_second, mut costs) = (Vec::new(), Vec::new());
        for replicas in [1, 2] {
            let schema = schema();
            let (wal, cpu_us) = (written_kib(cluster), server_cpu_us(cluster));
            let all: Vec<_> = (0..replicas)
                .map(|number| replica(cluster, &schema, std::slice::from_ref(&url), number))
                .collect();
            let before = told.load(Ordering::Relaxed);
            let started = Instant::now();
            let telling = all.iter().enumerate().map(|(number, replica)| {
                let grpc = replica.grpc;
                tokio::spawn(async move {
                    let mut client = load::connect(grpc).await;
                    for chunk in 0..EVENTS / replicas / 250 {
                        let first = number * EVENTS + chunk * 250;
                        let events = (first..first + 250).map(after).collect();
                        let request = callgate::proto::v1::AfterRequest { events };
                        client.after(request).await.expect("they are stored");
                    }
                })
            });
            for task in telling.collect::<Vec<_>>() {
                task.await.expect("no caller panics");
            }
            while told.load(Ordering::Relaxed) - before < EVENTS as u64 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            a_second.push(EVENTS as f64 / started.elapsed().as_secs_f64());
            let each = |all: f64| all / EVENTS as f64;
            costs.push((
                each(server_cpu_us(cluster) - cpu_us),
                each(written_kib(cluster) - wal),
            ));
            drop(all);
            cluster.ask(&format!("DROP SCHEMA {schema} CASCADE"));
        }
        eprintln!(
            "round {round}: delivered by one replica {:.0}/s, by two {:.0}/s; an event is {:.0} and {:.0} us of the server's CPU, {:.1} and {:.1} KiB of WAL",
            a_second[0], a_second[1], costs[0].0, costs[1].0, costs[0].1, costs[1].1
        );
        if round > 0 {
            alone.push(a_second[0]);
            both.push(a_second[1]);
            cpu.push(costs[1].0);
            ratios.push(a_second[1] / a_second[0]);
        }
    }
    Row {
        what: "events accepted and delivered a second through PostgreSQL, two replicas",
        reference: format!("one replica, {:.0}/s", median(&alone)),
        measured: format!(
            "{:.0}/s, {:.0} us of the server's CPU an event",
            median(&both),
            median(&cpu)
        ),
        ratios,
        goal: "-",
    }
}

/// So many events of a quarter as many conversations, as if they had been accepted.
fn fill(cluster: &Cluster, schema: &str, events: u64) {
    let sql = format!(
        "SET search_path = {schema};
        INSERT INTO endpoint (name) VALUES ('business');
        INSERT INTO event (part, seq, id, accepted_at_ms, hook, dialect, ordering_key, operation_id, body)
            SELECT 1, n, 'id' || n, 1, 'afterSendSingleMsg', 'openim', 'key' || n % ({events} / 4), '',
                repeat('x', 600)::bytea FROM generate_series(1, {events}) AS n;
        INSERT INTO known (digest, pairs) SELECT md5('id' || n)::uuid, 1 FROM generate_series(1, {events}) AS n;
        INSERT INTO pair (endpoint, seq, part, place, accepted_at_ms, bytes, digest, lane)
            SELECT 1, n, 1, 0, 1, 700, md5('id' || n)::uuid, md5('key' || n % ({events} / 4))::uuid
            FROM generate_series(1, {events}) AS n;
        SELECT setval('event_seq', {events}); ANALYZE; CHECKPOINT"
    );
    assert_ne!(cluster.ask(&sql), "");
}

/// Claims, and delivers at once; says how many milliseconds each took.
async fn claim_and_settle(outbox: &Arc<dyn Outbox>, count: usize) -> (f64, f64) {
    let started = Instant::now();
    let claimed = outbox.claim("business", 2, Capacity::of(count)).await;
    let claim_ms = started.elapsed().as_secs_f64() * 1e3;
    let claimed = claimed.expect("it answers");
    assert!(!claimed.is_empty());
    let keys = claimed.iter().map(|due| (due.key, Settlement::Delivered));
    let started = Instant::now();
    outbox.settle(keys.collect(), 2).await.expect("it answers");
    (claim_ms, started.elapsed().as_secs_f64() * 1e3)
}

/// Times of claims of 64, each delivered at once, with many and with few events waiting.
async fn claims(cluster: &Cluster, rounds: usize) -> Row {
    let many = std::env::var("POSTGRES_PENDING").ok();
    let many: u64 = many.and_then(|many| many.parse().ok()).unwrap_or(1_000_000);
    const FEW: u64 = 20_000;
    const CLAIMS: usize = 200;
    let mut tails = Vec::new();
    let (mut few_ms, mut many_ms, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut outboxes = Vec::new();
    for events in [FEW * (rounds as u64 + 1), many] {
        let schema = schema();
        open(cluster, &schema).close().await;
        fill(cluster, &schema, events);
        outboxes.push((open(cluster, &schema), schema));
    }
    for round in 0..=rounds {
        for (outbox, _) in &outboxes {
            let mut times = Vec::new();
            for _ in 0..CLAIMS {
                times.push(claim_and_settle(outbox, 64).await.0);
            }
            times.sort_by(f64::total_cmp);
            tails.push((times[CLAIMS / 2], times[CLAIMS * 99 / 100]));
        }
        let (few, of_many) = (tails[tails.len() - 2], tails[tails.len() - 1]);
        eprintln!(
            "round {round}: claims with few waiting p50 {:.2} ms, p99 {:.2} ms; with {many}: p50 {:.2} ms, p99 {:.2} ms",
            few.0, few.1, of_many.0, of_many.1
        );
        if round > 0 {
            few_ms.push(few.1);
            many_ms.push(of_many.1);
            ratios.push(of_many.1 / few.1);
        }
    }
    // What one endpoint can have at the most.
    let (outbox, _) = &outboxes[1];
    let mut large = Vec::new();
    for _ in 0..CLAIMS / 4 {
        let (claim_ms, settle_ms) = claim_and_settle(outbox, 256).await;
        large.push(claim_ms + settle_ms);
    }
    let large_ms = median(&large);
    eprintln!("256 events claimed and settled in {large_ms:.1} ms");
    for (outbox, schema) in outboxes {
        outbox.close().await;
        cluster.ask(&format!("DROP SCHEMA {schema} CASCADE"));
    }
    Row {
        what: "a claim of 64 events in PostgreSQL with 1,000,000 waiting, p99",
        reference: format!("with few, {:.2} ms", median(&few_ms)),
        measured: format!(
            "{:.2} ms; 256 claimed and settled in {large_ms:.1} ms",
            median(&many_ms)
        ),
        ratios,
        goal: "no longer",
    }
}

/// Before hooks at a constant rate while the server answers, and while it is away.
async fn decided_without(cluster: &Cluster, rounds: usize) -> Row {
    let (url, _) = business().await;
    let callgate = replica(cluster, &schema(), &[url], 0);
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let client = load::connect(callgate.grpc).await;
    for round in 0..=rounds {
        let mut medians = Vec::new();
        for is_away in [false, true] {
            if is_away {
                cluster.stop_at_once();
            }
            let latencies = load::at_rate(1000, TIME, || {
                let mut client = client.clone();
                async move {
                    let request = load::request("hello there");
                    client.before(request).await.expect("it decides");
                }
            })
            .await;
            medians.push((
                latencies[latencies.len() / 2],
                latencies[latencies.len() * 99 / 100],
            ));
        }
        cluster.start_again();
        eprintln!(
            "round {round}: a before hook p50 {:.0} us, p99 {:.0} us; PostgreSQL away: p50 {:.0} us, p99 {:.0} us",
            medians[0].0, medians[0].1, medians[1].0, medians[1].1
        );
        if round > 0 {
            with.push(medians[0].0);
            without.push(medians[1].0);
            ratios.push(medians[1].0 / medians[0].0);
        }
    }
    Row {
        what: "a before hook with PostgreSQL stopped, p50",
        reference: format!("with PostgreSQL, {:.0} us", median(&with)),
        measured: format!("{:.0} us", median(&without)),
        ratios,
        goal: "as before",
    }
}
