//! Which events share a request, and in which order.

use std::time::Duration;

use super::bench::Bench;
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
