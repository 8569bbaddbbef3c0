//! Many decisions at once: all are answered, exact numbers are exact, and rows that stand for others
//! stand for all of them.

use callgate::proto::v1;
use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Callgate, http};

const STREAMS: usize = 4;
const EACH: usize = 5_000;
/// One of so many is blocked.
const HITS: usize = 100;
const ALL: u64 = (STREAMS * EACH) as u64;
const BLOCKED: u64 = ALL / HITS as u64;

fn request(stream: usize, number: usize) -> v1::BeforeRequest {
    let text = if number.is_multiple_of(HITS) {
        "damn"
    } else {
        "hello"
    };
    let id = format!("{stream}-{number}");
    v1::BeforeRequest {
        message: Some(calls::message(SINGLE, text, &id)),
        request_id: id,
        ..calls::request(SINGLE, text)
    }
}

fn found(callgate: &Callgate, outcome: &str) -> Vec<Value> {
    let server = format!("http://{}", callgate.admin);
    let output = callgate.setup().run(&[
        "decisions",
        "--json",
        "--limit",
        "1000000",
        "--outcome",
        outcome,
        "--server",
        &server,
    ]);
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let rows = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    rows.collect()
}

#[test]
fn of_many_decisions_each_is_answered_and_counted_and_rows_stand_for_all() {
    let callgate = Callgate::start(&format!(
        "lists: {{bad: {{words: [damn], action: block}}}}\nhooks: {{{SINGLE}: {{endpoint: none}}}}\n"
    ));
    let grpc = callgate.grpc();
    let answered = grpc.runtime.block_on(async {
        let streams = (0..STREAMS).map(|stream_number| {
            let mut hooks = grpc.hooks();
            async move {
                let requests = (0..EACH).map(move |number| request(stream_number, number));
                let answers = hooks.before_stream(stream::iter(requests)).await.unwrap();
                let answers: Vec<_> = answers.into_inner().collect().await;
                let blocked = answers.iter().filter(|answer| {
                    let answer = answer.as_ref().unwrap();
                    answer.action() == v1::Action::Block
                });
                (answers.len(), blocked.count())
            }
        });
        futures_util::future::join_all(streams).await
    });
    assert_eq!(answered, [(EACH, EACH / HITS); STREAMS]);
    let counts = http::get(callgate.admin, "/api/v1/counts?step_s=86400").json();
    let count_of = |outcome: &str| -> u64 {
        let all = counts["items"].as_array().unwrap().iter();
        let of = all.filter(|one| one["outcome"] == outcome);
        of.map(|one| one["count"].as_u64().unwrap()).sum()
    };
    assert_eq!(
        (count_of("allow"), count_of("block")),
        (ALL - BLOCKED, BLOCKED)
    );
    let blocked = found(&callgate, "block");
    assert_eq!(blocked.len() as u64, BLOCKED);
    assert!(blocked.iter().all(|row| row["weight"] == 1));
    let allowed = found(&callgate, "allow");
    let stand_for: u64 = allowed
        .iter()
        .map(|row| row["weight"].as_u64().unwrap())
        .sum();
    assert!(
        stand_for.abs_diff(ALL - BLOCKED) < ALL / 2,
        "{} rows stand for {stand_for} of {}",
        allowed.len(),
        ALL - BLOCKED
    );
    assert_eq!(callgate.status()["history"]["dropped"], 0);
}
