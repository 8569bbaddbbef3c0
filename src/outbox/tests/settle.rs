//! How claims end, and when the next try is.

use super::bench::{Bench, check, kinds};

#[tokio::test]
async fn a_retry_is_due_at_its_time_and_not_before() {
    check(
        "append a to A @10 = stored
        claim A 1 @10 = a#1
        settle a@A retry:100 @10
        due A = 100
        claim A 1 @99 =
        claim A 1 @100 = a#2",
    )
    .await;
}

#[tokio::test]
async fn the_longest_due_comes_first_whether_new_or_a_retry() {
    check(
        "append old to A @10 = stored
        claim A 1 @10 = old#1
        settle old@A retry:50 @10
        append x to A @40 = stored
        append y to A @60 = stored
        claim A 2 @70 = x#1 old#2
        claim A 2 @70 = y#1",
    )
    .await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_hold_up_new_events() {
    check(
        "append a to A @1000 = stored
        due A = 0
        claim A 1 @5 = a#1",
    )
    .await;
}

#[tokio::test]
async fn attempts_without_a_request_are_not_used_up() {
    check(
        "append a to A @10 = stored
        claim A 1 @10 = a#1
        settle a@A park:20 @10
        claim A 1 @20 = a#1
        settle a@A release @20
        due A = 20
        claim A 1 @20 = a#1
        settle a@A retry:30 @20
        claim A 1 @30 = a#2
        settle a@A release @30
        due A = 30
        claim A 1 @30 = a#2",
    )
    .await;
}

#[tokio::test]
async fn settling_what_is_not_in_flight_changes_nothing() {
    check(
        "append a,b to A @10 = stored stored
        claim A 9 @10 = a#1 b#1
        settle a@A delivered @10
        settle a@A delivered @10
        settle a@A dead @10
        settle b@A retry:20 @10
        settle b@A delivered @10
        counts A = accepted 2 delivered 1 dead 0 discarded 0 pending 1 in flight 0",
    )
    .await;
}

#[tokio::test]
async fn a_settlement_of_an_older_claim_does_not_touch_the_newer() {
    for kind in kinds() {
        let mut bench = Bench::new(kind, |_| {});
        bench.step("append a to A @10").await;
        bench.step("claim A 1 @10").await;
        let old = bench.keys.clone();
        bench.step("settle a@A release @10").await;
        bench.step("claim A 1 @10").await;
        let new = std::mem::replace(&mut bench.keys, old);
        bench.step("settle a@A delivered @10").await;
        assert!(
            bench
                .step("counts A")
                .await
                .ends_with("pending 1 in flight 1")
        );
        bench.keys = new;
        bench.step("settle a@A delivered @10").await;
        assert!(
            bench
                .step("counts A")
                .await
                .ends_with("pending 0 in flight 0")
        );
    }
}

#[tokio::test]
async fn discarded_ends_a_pair_and_is_counted() {
    check(
        "append a/x,b/x to A @10 = stored stored
        claim A 1 @10 = a#1
        settle a@A discarded @10
        claim A 1 @10 = b#1
        counts A = accepted 2 delivered 0 dead 0 discarded 1 pending 1 in flight 1",
    )
    .await;
}

#[tokio::test]
async fn retries_take_no_more_seats_than_they_may() {
    check(
        "append a,b,c to A @10 = stored stored stored
        claim A 3 @10 = a#1 b#1 c#1
        settle a@A,b@A,c@A retry:20 @10
        append x,y to A @30 = stored stored
        claim A 9 retries 1 @40 = a x y
        claim A 9 retries 0 @40 =
        claim A 1 retries 9 @40 = b",
    )
    .await;
}

#[tokio::test]
async fn the_state_of_an_endpoint_is_kept() {
    let script = "append a to A @10 = stored
        health A = None None
        pause A @20
        pause nobody @20
        health A = Some(20) Some(\"20 it is gone\")";
    check(script).await;
    check(&format!(
        "{script}\n crash\n health A = Some(20) Some(\"20 it is gone\")"
    ))
    .await;
}
