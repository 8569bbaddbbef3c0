//! Which events share a request, and in which order.

use std::time::Duration;

use super::bench::{Bench, busy, failure};
use crate::callback::Delivery;

#[tokio::test(start_paused = true)]
async fn a_lonely_event_goes_at_once_and_the_next_ones_share_a_request() {
    let bench = Bench::new("events: {batch_wait: 500ms}");
    let _worker = bench.serve(Duration::from_millis(20), |_| Delivery::Delivered);
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.accept(&["a/k"]).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    bench.accept(&["b/l"]).await;
    bench.accept(&["c/m"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.told(), "a b+c");
    let calls = bench.calls();
    assert!(calls[0].at < Duration::from_millis(1010), "{calls:?}");
    assert!(calls[1].at < Duration::from_millis(1050), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn consecutive_events_of_a_key_share_a_request_in_their_order() {
    let bench = Bench::new("");
    let names: Vec<String> = (0..250).map(|n| format!("m{n}/k")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.accept(&names).await;
    let _worker = bench.serve(Duration::from_millis(20), |_| Delivery::Delivered);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let calls = bench.calls();
    let sizes: Vec<usize> = calls.iter().map(|call| call.ids.len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
    let told: Vec<String> = calls.into_iter().flat_map(|call| call.ids).collect();
    let wanted: Vec<String> = (0..250).map(|n| format!("m{n}")).collect();
    assert_eq!(told, wanted);
}

/// A request is cut at its bytes in the middle of a key: the rest waits for its end.
#[tokio::test(start_paused = true)]
async fn a_key_is_never_in_two_requests_at_once() {
    let bench = Bench::new("events: {batch_bytes_max: 300}");
    bench.accept(&["a/k", "b/k", "c/k", "d/k", "e/k"]).await;
    let _worker = bench.serve(Duration::from_secs(1), |call| match call.at.as_secs() {
        0 => Delivery::Delivered,
        1 => busy(500, None),
        _ => Delivery::Delivered,
    });
    tokio::time::sleep(Duration::from_secs(30)).await;
    let calls = bench.calls();
    for pair in calls.windows(2) {
        assert!(
            pair[1].at >= pair[0].at + Duration::from_secs(1),
            "{calls:?}"
        );
    }
    assert_eq!(bench.told(), "a+b c+d c d+e");
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_failed_event_comes_again_behind_it() {
    let bench = Bench::new("");
    bench.accept(&["a/k", "b/k", "c/k", "x/l"]).await;
    let _worker = bench.serve(Duration::from_millis(20), |call| match call.ids.len() {
        4 => Delivery::Partly {
            failed: vec![2],
            error: failure(Some(200), None),
        },
        _ => Delivery::Delivered,
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    // Heads first, then what stands behind them.
    assert_eq!(bench.told(), "a+x+b+c b c");
    assert_eq!(bench.stats().await.counts.delivered, 4);
}

#[tokio::test(start_paused = true)]
async fn the_refused_one_of_a_key_dies_alone_and_the_others_keep_their_order() {
    let bench = Bench::new("");
    bench.accept(&["a/k", "b/k", "bad/k", "c/k"]).await;
    let _worker = bench.serve(Duration::from_millis(20), |call| {
        match call.ids.contains(&"bad".to_owned()) {
            true => Delivery::Rejected(failure(Some(422), None)),
            false => Delivery::Delivered,
        }
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.told(), "a+b+bad+c a+b bad+c bad c");
    let counts = bench.stats().await.counts;
    assert_eq!((counts.delivered, counts.dead), (3, 1));
}

/// A group of 150 messages a second, and a receiver of 20 ms.
#[tokio::test(start_paused = true)]
async fn a_busy_conversation_keeps_up() {
    let bench = Bench::new("");
    let _worker = bench.serve(Duration::from_millis(20), |_| Delivery::Delivered);
    for n in 0..1500 {
        bench.accept(&[&format!("m{n}/group")]).await;
        tokio::time::sleep(Duration::from_micros(6_667)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(bench.stats().await.counts.delivered, 1500);
    let calls = bench.calls();
    assert!(calls.len() < 600, "{}", calls.len());
    let told: Vec<String> = calls.into_iter().flat_map(|call| call.ids).collect();
    let wanted: Vec<String> = (0..1500).map(|n| format!("m{n}")).collect();
    assert_eq!(told, wanted);
}

/// 20,000 messages wait in one conversation; those of quiet ones beside it do not.
#[tokio::test(start_paused = true)]
async fn quiet_conversations_do_not_wait_behind_a_busy_one() {
    let bench = Bench::new("");
    let names: Vec<String> = (0..5000).map(|n| format!("m{n}/group")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.accept(&names).await;
    let _worker = bench.serve(Duration::from_millis(20), |_| Delivery::Delivered);
    tokio::time::sleep(Duration::from_millis(50)).await;
    for n in 0..50 {
        bench.accept(&[&format!("q{n}/quiet{n}")]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let calls = bench.calls();
    for n in 0..50_u64 {
        let id = format!("q{n}");
        let call = calls.iter().find(|call| call.ids.contains(&id));
        let at = call.expect("it was sent").at;
        let accepted = Duration::from_millis(50 + 10 * n);
        assert!(at < accepted + Duration::from_secs(1), "{id}: {at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_handler_of_one_hook_does_not_hold_up_the_other_hooks() {
    let mut bench = Bench::new("");
    bench.resting = vec!["wukongim.user.onlinestatus"];
    let broken: Vec<String> = (0..500)
        .map(|n| format!("b{n}/u{n}/wukongim.msg.offline"))
        .collect();
    let broken: Vec<&str> = broken.iter().map(String::as_str).collect();
    bench.resting.push("wukongim.msg.offline");
    bench.accept(&broken).await;
    let _worker = bench.serve(Duration::from_millis(20), |_| Delivery::Delivered);
    bench.accept(&["good/k"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.told(), "good");
    let counts = bench.stats().await.counts;
    assert_eq!((counts.pending, counts.in_flight, counts.dead), (500, 0, 0));
}
