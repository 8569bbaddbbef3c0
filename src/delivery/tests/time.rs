//! Schedules, pauses, holds and ages.

use std::time::Duration;

use super::bench::{Bench, busy};
use crate::callback::Delivery;

const QUICK: Duration = Duration::from_millis(5);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn hours(duration: Duration) -> f64 {
    duration.as_secs_f64() / 3600.0
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_for_the_whole_schedule_is_dead_after_77_hours_at_most() {
    let bench = Bench::new("events: {pause_after: 30d}");
    bench.accept(&["a/k", "b/k"]).await;
    let _worker = bench.serve(QUICK, |call| match call.ids[0].as_str() {
        "a" => busy(500, None),
        _ => Delivery::Delivered,
    });
    tokio::time::sleep(4 * DAY).await;
    let calls = bench.calls();
    let tries: Vec<_> = calls.iter().filter(|call| call.ids[0] == "a").collect();
    assert_eq!(tries.len(), 13);
    let took = hours(tries[12].at);
    assert!((38.0..77.0).contains(&took), "{took}");
    let stats = bench.stats().await;
    assert_eq!((stats.counts.dead, stats.counts.delivered), (1, 1));
    assert_eq!(calls.last().unwrap().ids, ["b"], "its turn comes after");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_for_five_days_is_paused_and_tried_every_half_hour() {
    let bench = Bench::new("retry_waits: [1h, 1h, 1h, 1h, 1h, 1h, 1h, 1h, 1h]");
    let names: Vec<String> = (0..60).map(|n| format!("m{n}/k{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let answers_from = 10 * DAY;
    let _worker = bench.serve(QUICK, move |call| match call.at < answers_from {
        true => busy(500, None),
        false => Delivery::Delivered,
    });
    // New ones come all the time, so there is always something to try.
    for chunk in names.chunks(3) {
        bench.accept(chunk).await;
        tokio::time::sleep(DAY / 3).await;
    }
    let health = bench.stats().await.health;
    assert!(health.failing_since_ms.is_some());
    let paused = health.paused.expect("five days are over");
    let since = paused.at_ms - health.failing_since_ms.unwrap();
    assert!(since >= 5 * DAY.as_millis() as u64, "{since}");
    let seen = bench.calls().len();
    tokio::time::sleep(3 * HOUR).await;
    let tried = bench.calls()[seen..].to_vec();
    assert!((6..=7).contains(&tried.len()), "{tried:?}");
    assert!(tried.iter().all(|call| call.ids.len() == 1));
    tokio::time::sleep(8 * DAY).await;
    let stats = bench.stats().await;
    assert_eq!(stats.health, Default::default());
    assert_eq!(stats.counts.pending, 0);
}

/// With nothing new to tell, an event that would wait for a day tries the paused endpoint, and
/// after a restart too.
#[tokio::test(start_paused = true)]
async fn a_paused_endpoint_is_tried_every_half_hour_by_what_waits_for_a_day() {
    let days = ["1d"; 12].join(", ");
    let mut bench = Bench::new(&format!(
        "retry_waits: [{days}], events: {{pending_age_max: 0s}}"
    ));
    let worker = bench.serve(QUICK, |_| busy(500, None));
    bench.accept(&["a/k", "b/l", "c"]).await;
    tokio::time::sleep(7 * DAY).await;
    assert!(bench.stats().await.health.paused.is_some());
    let seen = bench.calls().len();
    tokio::time::sleep(3 * HOUR).await;
    let tried = bench.calls().len() - seen;
    assert!((6..=7).contains(&tried), "{tried}");
    bench.restart(bench.clock.now_ms());
    worker.await.unwrap();
    let worker = bench.serve(QUICK, |_| busy(500, None));
    let seen = bench.calls().len();
    tokio::time::sleep(3 * HOUR).await;
    let tried = bench.calls().len() - seen;
    assert!((6..=20).contains(&tried), "{tried}");
    bench.restart(bench.clock.now_ms());
    worker.await.unwrap();
    let _worker = bench.serve(QUICK, |_| Delivery::Delivered);
    tokio::time::sleep(HOUR).await;
    assert_eq!(bench.stats().await.counts.delivered, 3);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_asks_for_time_is_left_alone_for_it() {
    for status in [429, 503] {
        let bench = Bench::new("");
        let hold = Duration::from_secs(90);
        let _worker = bench.serve(QUICK, move |call| match call.at < hold {
            true => busy(status, Some(hold)),
            false => Delivery::Delivered,
        });
        bench.accept(&["a/k"]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        bench.accept(&["b/l", "c/m", "d"]).await;
        tokio::time::sleep(hold * 2).await;
        let calls = bench.calls();
        assert_eq!(calls[0].ids, ["a"]);
        let second = &calls[1];
        assert!(second.at >= hold, "{status}: {second:?}");
        assert!(second.at < hold + Duration::from_secs(2), "{second:?}");
        assert_eq!(bench.stats().await.counts.delivered, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waited_for_too_long_is_discarded() {
    let bench = Bench::new("events: {pending_age_max: 2h, probe_every: 1d}");
    let _worker = bench.serve(QUICK, |_| {
        Delivery::Gone(super::bench::failure(Some(410), None))
    });
    bench.accept(&["a/k"]).await;
    tokio::time::sleep(QUICK * 9).await;
    bench.accept(&["b/k", "c/l"]).await;
    tokio::time::sleep(HOUR + HOUR / 2).await;
    assert_eq!(bench.stats().await.counts.discarded, 0);
    tokio::time::sleep(HOUR).await;
    let counts = bench.stats().await.counts;
    assert_eq!((counts.dead, counts.discarded), (1, 2));
}

/// The wall clock of a new process is hours or days ahead of or behind that of the one before.
#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_was_set_between_two_processes_stalls_and_ends_nothing() {
    for step in [-7 * 24, -1, 1, 24 * 8] {
        let mut bench = Bench::new("retry_waits: [1m, 1m, 1m, 1m]");
        let worker = bench.serve(QUICK, |_| busy(500, None));
        bench.accept(&["a/k", "b/l"]).await;
        tokio::time::sleep(QUICK * 9).await;
        assert_eq!(bench.stats().await.counts.pending, 2);
        bench.restart(bench.clock.now_ms().wrapping_add_signed(step * 3_600_000));
        worker.await.unwrap();
        let _worker = bench.serve(QUICK, |_| Delivery::Delivered);
        tokio::time::sleep(HOUR + Duration::from_secs(60)).await;
        let counts = bench.stats().await.counts;
        assert_eq!((counts.delivered, counts.discarded), (2, 0), "{step} h");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_saw_alone_pauses_and_discards_nothing() {
    let mut bench = Bench::new("retry_waits: [1h, 1h, 1h, 1h], events: {pause_after: 1d}");
    let worker = bench.serve(QUICK, |_| busy(500, None));
    bench.accept(&["a/k", "b/l"]).await;
    tokio::time::sleep(QUICK * 9).await;
    // Ten days later, by the wall clock.
    bench.restart(bench.clock.now_ms() + 10 * 24 * 3_600_000);
    worker.await.unwrap();
    let _worker = bench.serve(QUICK, |_| busy(500, None));
    tokio::time::sleep(Duration::from_secs(300)).await;
    let stats = bench.stats().await;
    assert_eq!(stats.health.paused, None);
    assert_eq!((stats.counts.discarded, stats.counts.pending), (0, 2));
    assert_eq!(stats.counts.dead, 0);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_a_request_may_take_the_grace_period() {
    for (takes, delivered) in [(8, 1), (11, 0)] {
        let mut bench = Bench::new("");
        let worker = bench.serve(Duration::from_secs(takes), |_| Delivery::Delivered);
        bench.accept(&["a"]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        bench.restart(bench.clock.now_ms());
        worker.await.unwrap();
        let counts = bench.stats().await.counts;
        assert_eq!(
            (counts.delivered, counts.in_flight),
            (delivered, 0),
            "{takes}"
        );
    }
}

/// Its retry is due while no policy names the endpoint.
#[tokio::test(start_paused = true)]
async fn what_an_endpoint_has_waits_while_no_policy_names_it() {
    let mut bench = Bench::new("retry_waits: [1s, 1s]");
    bench.unnamed = QUICK..Duration::from_secs(100);
    bench.accept(&["a/k"]).await;
    let _worker = bench.serve(QUICK, |call| match call.at < QUICK {
        true => busy(500, None),
        false => Delivery::Delivered,
    });
    tokio::time::sleep(Duration::from_secs(99)).await;
    assert_eq!(bench.told(), "a");
    let counts = bench.stats().await.counts;
    assert_eq!((counts.pending, counts.in_flight), (1, 0));
    tokio::time::sleep(Duration::from_secs(99)).await;
    assert_eq!(bench.told(), "a a");
    assert_eq!(bench.stats().await.counts.delivered, 1);
}
