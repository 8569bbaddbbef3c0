//! Recorded calls: what it costs to record one, and how long a million take under two policies.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::servers::Process;
use super::{Row, history, load, median, openim, scan, servers};

const TIME: Duration = Duration::from_secs(10);
/// Calls that are tried under two policies.
const CALLS: usize = 1_000_000;
/// What a million may take, in seconds of one core.
const SECONDS_MAX: f64 = 30.0;
/// All that a second of them and a busy machine need, so that none is dropped.
const RECORDING: [(&str, &str); 6] = [
    ("HISTORY__ENABLED", "false"),
    ("RECORDINGS__ENABLED", "true"),
    ("RECORDINGS__SHARE", "1"),
    ("RECORDINGS__QUEUE_CALLS_MAX", "100000"),
    ("RECORDINGS__QUEUE_BYTES_MAX", "256MiB"),
    ("RECORDINGS__BYTES_MAX", "8GiB"),
];

/// Two processes, one that records every call and one that records none, asked in turn.
pub fn recorded_rows(rounds: usize) -> Vec<Row> {
    let runtime = load::runtime();
    let requests = history::requests(false);
    let with = Process::callgate_set(&RECORDING);
    let without = Process::callgate_set(&RECORDING[..1]);
    let mut us: [Vec<f64>; 2] = Default::default();
    runtime.block_on(async {
        // The first round only warms up.
        for round in 0..=rounds {
            for (at, server) in [&without, &with].into_iter().enumerate() {
                let cpu = server.cpu_seconds();
                let latencies = history::at_rate(server, &requests, TIME).await;
                let us_each = (server.cpu_seconds() - cpu) * 1e6 / latencies.len() as f64;
                eprintln!(
                    "round {round}, {} recordings: {us_each:.2} us, p99 {:.0} us",
                    ["without", "with"][at],
                    latencies[latencies.len() * 99 / 100]
                );
                if round > 0 {
                    us[at].push(us_each);
                }
            }
        }
        assert_eq!(counted(&with, "dropped_total").await, 0, "none is dropped");
    });
    let pairs = us[1].iter().zip(&us[0]);
    let more: Vec<f64> = pairs.map(|(with, without)| with - without).collect();
    vec![Row {
        what: "server CPU of a call over `BeforeStream` at 10,000 a second, recorded",
        reference: format!("not recorded, {:.2} us", median(&us[0])),
        measured: format!("{:.2} us, {:.2} us more", median(&us[1]), median(&more)),
        ratios: us[1]
            .iter()
            .zip(&us[0])
            .map(|(with, without)| with / without)
            .collect(),
        goal: "at most 5 us more",
    }]
}

/// `callgate replay` over a million calls: from a file, and as a server recorded them.
pub fn replay_rows(rounds: usize) -> Vec<Row> {
    let server = Process::callgate_set(&RECORDING);
    load::runtime().block_on(record(&server));
    let candidate = tempfile::tempdir().expect("a temporary directory can be made");
    for name in ["policy.yaml", "words.txt"] {
        let content = fs::read(server.policies().join(name)).expect("it was written");
        fs::write(candidate.path().join(name), content).expect("the directory can be written");
    }
    let file = candidate.path().join("calls.ndjson");
    write_calls(&file);
    let server_url = format!("http://{}", server.admin);
    let from_file = ["--calls", file.to_str().expect("it is UTF-8")];
    let from_server = ["--server", &server_url];
    let replay = |from: &[&str], same: bool| {
        let mut command = Command::new(servers::program());
        command.args(["replay", "--json", "--policies"]);
        command.arg(server.policies());
        command.arg("--candidate").arg(candidate.path()).args(from);
        command.args(same.then_some("--same"));
        Replayed::by(command, &server)
    };
    // The same policy makes no difference, which is the exit code.
    let same = [&from_file, &from_server].map(|from| replay(from, true));
    assert_eq!(same[0].judged, CALLS as u64);
    assert!(same[1].judged >= CALLS as u64, "all are recorded");
    let words = fs::read_to_string(candidate.path().join("words.txt")).expect("it was written");
    fs::write(candidate.path().join("words.txt"), words + "\n的\n").expect("it can be written");
    let rows = [
        (
            "CPU of `callgate replay`, 1,000,000 calls of a file, a candidate with one word more",
            &from_file,
        ),
        (
            "the same with calls that a server recorded, CPU of both",
            &from_server,
        ),
    ];
    rows.map(|(what, from)| {
        let rounds: Vec<Replayed> = (0..rounds).map(|_| replay(from, false)).collect();
        let first = &rounds[0];
        assert!(first.blocked > 0, "the word more is found");
        for again in &rounds {
            assert_eq!(again.said, first.said, "it is the same each time");
        }
        let cpu: Vec<f64> = rounds.iter().map(|one| one.cpu).collect();
        let took: Vec<f64> = rounds.iter().map(|one| one.took).collect();
        Row {
            what,
            reference: format!("{SECONDS_MAX} s of one core"),
            measured: format!(
                "{:.1} s, done after {:.1} s; {} newly blocked, {} runs alike",
                median(&cpu),
                median(&took),
                first.blocked,
                rounds.len()
            ),
            ratios: cpu.iter().map(|cpu| cpu / SECONDS_MAX).collect(),
            goal: "at most 1",
        }
    })
    .into()
}

/// One run.
struct Replayed {
    /// CPU seconds of the command and of the server it asked.
    cpu: f64,
    took: f64,
    said: Vec<u8>,
    judged: u64,
    blocked: u64,
}

impl Replayed {
    fn by(mut command: Command, server: &Process) -> Replayed {
        let (started, cpu) = (Instant::now(), children_seconds() + server.cpu_seconds());
        let output = command.output().expect("the program can be started");
        assert!(output.status.success(), "{output:?}");
        let cpu = children_seconds() + server.cpu_seconds() - cpu;
        let report: serde_json::Value =
            serde_json::from_slice(&output.stdout).expect("it prints JSON");
        let count = |name: &str| report[name].as_u64().expect("it counts");
        let replayed = Replayed {
            cpu,
            took: started.elapsed().as_secs_f64(),
            judged: count("judged"),
            blocked: count("blocked"),
            said: output.stdout.clone(),
        };
        eprintln!(
            "{cpu:.2} s of CPU, {:.2} s in all; {}",
            replayed.took,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        replayed
    }
}

/// User and system time of the processes that have ended and were waited for.
fn children_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    let ticks = fields.skip(13).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap_or(0)).sum();
    ticks as f64 / 100.0
}

/// Has a server record a million calls.
async fn record(server: &Process) {
    let requests = history::requests(true);
    let mut recorded = 0;
    while recorded < CALLS as u64 {
        let left = (CALLS as u64 - recorded) as f64 / f64::from(history::RATE);
        let time = TIME.min(Duration::from_secs_f64(left.max(0.1)));
        history::at_rate(server, &requests, time).await;
        recorded = counted(server, "calls_total").await;
    }
}

/// The sum of a counter of recordings.
async fn counted(server: &Process, name: &str) -> u64 {
    let url = format!("http://{}/metrics", server.admin);
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(super::forward::no_tls())
        .no_proxy()
        .build()
        .expect("a client can be made");
    let answer = client.get(url).send().await.expect("the server answers");
    let text = answer.text().await.expect("it is text");
    let wanted = format!("callgate_recordings_{name}");
    let lines = text.lines().filter(|line| line.starts_with(&wanted));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

/// A million calls as a server gives them: half of them as OpenIM sends them, half over gRPC.
fn write_calls(path: &Path) {
    let lines = scan::chat_lines();
    let file = File::create(path).expect("the directory can be written");
    let mut file = BufWriter::new(file);
    for number in 0..CALLS {
        let text = lines[number % lines.len()];
        let mut call = serde_json::json!({
            "at_ms": 1_767_225_600_000_u64 + number as u64,
            "hook": "beforeSendSingleMsg",
            "version": "1-0b2676769e9e",
            "operation": openim::operation(number),
            "way": {
                "block": true, "replace": false, "replace_later": true, "reply": false,
                "replaceable": "1",
            },
        });
        if number.is_multiple_of(2) {
            call["dialect"] = "openim".into();
            call["body"] = openim::body(number, text).into();
        } else {
            call["message"] = serde_json::json!({
                "sendID": (4_459_135_218 + number as u64 % 997).to_string(),
                "recvID": "6074729403",
                "serverMsgID": format!("{number:032x}"),
                "clientMsgID": format!("{number:032x}"),
                "senderPlatformID": 5, "senderNickname": "Alice", "sessionType": 1,
                "msgFrom": 100, "contentType": 101, "status": 1,
                "sendTime": 1_767_225_600_316_u64, "createTime": 1_767_225_600_289_u64,
                "content": serde_json::json!({ "content": text }).to_string(),
            });
        }
        serde_json::to_writer(&mut file, &call).expect("the file can be written");
        file.write_all(b"\n").expect("the file can be written");
    }
    file.flush().expect("the file can be written");
}
