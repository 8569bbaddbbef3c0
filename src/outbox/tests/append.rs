//! What is accepted, what is a duplicate, and what finds no room.

use std::time::Duration;

use super::bench::{body, check, check_with, entry};

#[tokio::test]
async fn what_is_appended_is_claimed_and_delivered_once() {
    check(
        "append a,b to A @10 = stored stored
        endpoints = A
        due A = 0
        claim A 9 @10 = a#1 b#1
        claim A 9 @10 =
        due A = nothing
        settle a@A,b@A delivered @11
        claim A 9 @99 =
        endpoints =
        counts A = accepted 2 delivered 2 dead 0 discarded 0 pending 0 in flight 0
        bytes = 0",
    )
    .await;
}

#[tokio::test]
async fn each_endpoint_has_its_own_pair() {
    check(
        "append a to A,B,A @10 = stored
        endpoints = A B
        claim A 9 @10 = a#1
        settle a@A delivered @10
        claim B 9 @10 = a#1
        settle a@B retry:20 @10
        endpoints = B
        append a to A @10 = duplicate
        claim B 9 @20 = a#2
        settle a@B delivered @10
        bytes = 0",
    )
    .await;
}

#[tokio::test]
async fn a_known_id_is_a_duplicate() {
    check(
        "append a,a,b to A @10 = stored duplicate stored
        append b,c to A @10 = duplicate stored
        append a to B @10 = duplicate
        claim A 9 @10 = a#1 b#1 c#1
        settle a@A dead @10
        append a to A @99999999999 = duplicate",
    )
    .await;
}

#[tokio::test]
async fn an_id_is_remembered_for_its_time_after_the_end() {
    check_with(
        |config| config.dedupe = Duration::from_millis(100),
        "append a to A @10 = stored
        claim A 1 @10 = a#1
        settle a@A delivered @50
        ids = 1
        append a to A @149 = duplicate
        append a to A @150 = stored
        ids = 0
        claim A 1 @150 = a#1",
    )
    .await;
}

#[tokio::test]
async fn too_many_remembered_ids_are_forgotten_the_oldest_first() {
    check_with(
        |config| config.dedupe_ids_max = 2,
        "append a,b,c to A @10 = stored stored stored
        claim A 9 @10 = a#1 b#1 c#1
        settle b@A delivered @20
        settle a@A delivered @21
        settle c@A delivered @22
        ids = 2
        append c,a,b to A @23 = duplicate duplicate stored",
    )
    .await;
}

#[tokio::test]
async fn an_event_that_nobody_wants_is_remembered_only() {
    check(
        "append a to - @10 = stored
        append a to A @11 = duplicate
        endpoints =
        bytes = 0
        ids = 1",
    )
    .await;
}

#[tokio::test]
async fn a_full_outbox_refuses_all_and_has_room_again_after_delivery() {
    let bytes = |id: &str| entry(id, "A", 0).bytes();
    let two = bytes("a") + bytes("b");
    let full = format!(
        "the outbox is full: it holds {two} bytes, {} more are past `bytes_max` {two}",
        bytes("c")
    );
    check_with(
        |config| config.bytes_max = two,
        &format!(
            "append a,b to A @10 = stored stored
            append c to A @10 = {full}
            append a,c to A @10 = {full}
            append a,b to A @10 = duplicate duplicate
            claim A 1 @10 = a#1
            settle a@A delivered @10
            append c to A @10 = stored
            claim A 9 @10 = b#1 c#1
            settle b@A dead @10
            bytes = {two}"
        ),
    )
    .await;
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused_with_its_neighbours() {
    let bytes = body("abc").len();
    check_with(
        |config| config.body_bytes_max = bytes,
        &format!(
            "append abc to A @10 = stored
            append a,abcd to A @10 = event `abcd` has {} bytes of body, at most {bytes} are allowed
            append a to A @10 = stored",
            bytes + 1
        ),
    )
    .await;
    let long = "x".repeat(20_000);
    let start = &long[..64];
    check(&format!(
        "append {long} to A @10 = event `{start}` has 20034 bytes of ids and names, at most 16384 are allowed"
    ))
    .await;
}

#[tokio::test]
async fn an_outbox_with_too_many_events_refuses_as_well() {
    check_with(
        |config| config.entries_max = 2,
        "append a,b to A @10 = stored stored
        append c to A @10 = the outbox is full: it holds 2 events, 1 more are past `entries_max` 2
        append a,b to A @10 = duplicate duplicate
        entries = 2
        claim A 1 @10 = a#1
        settle a@A delivered @10
        entries = 1
        append c to A @10 = stored",
    )
    .await;
}

#[tokio::test]
async fn the_oldest_pending_is_in_the_stats() {
    check(
        "append a to A,B @10 = stored
        append b to A @20 = stored
        oldest A = Some(10)
        claim A 1 @30 = a#1
        oldest A = Some(10)
        settle a@A delivered @30
        oldest A = Some(20)
        oldest B = Some(10)
        claim A 1 @30 = b#1
        settle b@A dead @30
        oldest A = None",
    )
    .await;
}

#[tokio::test]
async fn an_endpoint_with_too_much_waiting_does_not_take_the_room_of_others() {
    let bytes = entry("a", "A", 0).bytes();
    let both = entry("a", "A,B", 0).bytes();
    let share = 3 * bytes;
    let no_room = "what waits for the endpoint is past its `endpoint_share`";
    check_with(
        |config| config.endpoint_bytes_max = share,
        &format!(
            "append a,b to A @10 = stored stored
            append c to A,B @10 = stored
            discarded - = c@A@10-10:{no_room}
            append d to A @10 = stored
            append e to A @10 = the outbox is full: it holds {share} bytes for `A`, {bytes} more are past its `endpoint_share` {share}
            append e to A,B @20 = stored
            append a to A @20 = duplicate
            discarded since=20 = e@A@20-20:{no_room}
            counts A = accepted 5 delivered 0 dead 0 discarded 2 pending 3 in flight 0
            counts B = accepted 2 delivered 0 dead 0 discarded 0 pending 2 in flight 0
            claim A 1 @30 = a#1
            settle a@A delivered @30
            append f to A @30 = stored
            claim B 9 @30 = c#1 e#1
            settle c@B,e@B delivered @30
            bytes = {share}
            append x,y to A,B @30 = stored stored
            append z to A,B @30 = the outbox is full: it holds {share} bytes for `A`, {both} more are past its `endpoint_share` {share}"
        ),
    )
    .await;
}

#[tokio::test]
async fn an_unknown_endpoint_has_nothing() {
    check(
        "claim A 9 @10 =
        due A = nothing
        endpoints =",
    )
    .await;
}
