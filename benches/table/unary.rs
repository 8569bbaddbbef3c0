//! A unary decision against a bare echo, and a stream against the unary decision.

use std::time::Duration;

use super::servers::{Process, WORDS};
use super::{Row, load, median};

const TIME: Duration = Duration::from_secs(2);

pub fn rows(rounds: usize) -> Vec<Row> {
    let runtime = load::runtime();
    let requests = load::requests();
    let echo = Process::own("echo");
    let callgate = Process::callgate(None);
    let (mut against_echo, mut against_unary) = (Vec::new(), Vec::new());
    let (mut echo_us, mut unary_us, mut stream_us) = (Vec::new(), Vec::new(), Vec::new());
    runtime.block_on(async {
        // The first round of each only warms up.
        for round in 0..=rounds {
            let bare = load::saturate(&echo, &requests, TIME).await;
            let unary = load::saturate(&callgate, &requests, TIME).await;
            let stream = load::saturate_streams(&callgate, &requests, TIME).await;
            if round == 0 {
                continue;
            }
            against_echo.push(unary.cpu_us / bare.cpu_us);
            against_unary.push(unary.cpu_us / stream.cpu_us);
            echo_us.push(bare.cpu_us);
            unary_us.push(unary.cpu_us);
            stream_us.push(stream.cpu_us);
            eprintln!(
                "round {round}: echo {:.1} us at {:.0}/s, unary {:.1} us at {:.0}/s, stream {:.1} us at {:.0}/s",
                bare.cpu_us, bare.calls_a_second, unary.cpu_us, unary.calls_a_second, stream.cpu_us, stream.calls_a_second
            );
        }
    });
    vec![
        Row {
            what: "unary gRPC decision, 100,000 words, server CPU a request",
            reference: format!("bare tonic echo, {:.1} us", median(&echo_us)),
            measured: format!("{:.1} us with {WORDS} words", median(&unary_us)),
            ratios: against_echo,
            goal: "at most 1.25",
        },
        Row {
            what: "decisions a CPU second over `BeforeStream`",
            reference: format!("unary, {:.1} us", median(&unary_us)),
            measured: format!("{:.1} us a decision", median(&stream_us)),
            ratios: against_unary,
            goal: "at least 5",
        },
    ]
}
