//! The order of an ordering key.

use super::bench::{Bench, check, entry, kinds};

#[tokio::test]
async fn a_key_keeps_its_order_with_one_in_flight() {
    check(
        "append a/x,b/x,c/x to A @10 = stored stored stored
        claim A 9 @10 = a#1
        claim A 9 @10 =
        settle a@A delivered @10
        claim A 9 @10 = b#1
        settle b@A delivered @10
        append d/x to A @10 = stored
        claim A 9 @10 = c#1
        settle c@A delivered @10
        claim A 9 @10 = d#1",
    )
    .await;
}

#[tokio::test]
async fn a_key_that_waits_for_a_retry_blocks_itself_alone() {
    check(
        "append a1/a,b1/b,a2/a,b2/b,n to A @10 = stored stored stored stored stored
        claim A 9 @10 = a1#1 b1#1 n#1
        settle a1@A retry:500 @10
        settle b1@A,n@A delivered @10
        claim A 9 @20 = b2#1
        due A = 500
        claim A 9 @499 =
        claim A 9 @500 = a1#2
        settle a1@A delivered @500
        claim A 9 @500 = a2#1",
    )
    .await;
}

#[tokio::test]
async fn keys_of_different_endpoints_do_not_wait_for_each_other() {
    check(
        "append a/x,b/x to A,B @10 = stored stored
        claim A 9 @10 = a#1
        claim B 9 @10 = a#1
        settle a@B delivered @10
        claim B 9 @10 = b#1
        claim A 9 @10 =",
    )
    .await;
}

#[tokio::test]
async fn a_key_goes_on_after_a_dead_letter() {
    check(
        "append a/x,b/x to A @10 = stored stored
        claim A 9 @10 = a#1
        settle a@A dead @10
        claim A 9 @10 = b#1
        counts A = accepted 2 delivered 0 dead 1 discarded 0 pending 1 in flight 1",
    )
    .await;
}

#[tokio::test]
async fn a_long_key_does_not_hide_what_is_behind_it() {
    for kind in kinds() {
        let mut bench = Bench::new(kind, |_| {});
        let long = (0..700).map(|n| entry(&format!("{n}/x"), "A", 10));
        bench.outbox.append(long.collect()).await.unwrap();
        bench.step("append behind to A @10").await;
        let mut found = String::new();
        while bench.step("due A").await != "nothing" {
            found += &bench.step("claim A 9 @10").await;
            found += " ";
        }
        let found: Vec<&str> = found.split_whitespace().collect();
        assert_eq!(found, ["0#1", "behind#1"], "{kind:?}");
    }
}

#[tokio::test]
async fn an_empty_key_has_no_order() {
    check(
        "append a,b,c to A @10 = stored stored stored
        claim A 2 @10 = a#1 b#1
        claim A 9 @10 = c#1",
    )
    .await;
}

#[tokio::test]
async fn a_released_head_keeps_its_place_in_the_key() {
    check(
        "append a/x,b/x to A @10 = stored stored
        claim A 9 @10 = a#1
        settle a@A release @10
        claim A 9 @10 = a#1",
    )
    .await;
}

#[tokio::test]
async fn a_key_goes_on_without_one_that_is_set_aside() {
    check(
        "append a/x,b/x,c/x to A @10 = stored stored stored
        claim A 9 @10 = a#1
        settle a@A out_of_order:50 @10
        order A 9 @10 = b-0
        claim A 9 @50 = a#2
        settle a@A retry:60 @50
        settle b@A delivered @50
        order A 9 @60 = c-0 a!-0
        settle a@A dead @60
        replay 9 - @70 = 1
        order A 9 @70 =
        settle c@A delivered @70
        order A 9 @70 = a-0",
    )
    .await;
}

#[tokio::test]
async fn dead_letters_of_its_key_are_told_with_an_event() {
    check(
        "append a/x,b/x,c/x,d/y,e to A,B @10 = stored stored stored stored stored
        claim A 1 @10 = a#1
        settle a@A dead @10
        order A 1 @10 = b-1
        settle b@A dead @10
        order A 9 @10 = c-2 d-0 e-0
        claim B 1 @10 = a#1
        settle a@B delivered @10
        order B 1 @10 = b-0
        settle c@A release @10
        replay 1 - @20 = 1, more
        order A 9 @20 = a-0
        settle a@A delivered @20
        order A 9 @20 = c-1",
    )
    .await;
}

#[tokio::test]
async fn those_of_a_key_are_taken_one_behind_the_other() {
    check(
        "append a/x,b/x,c/y,d/x,e/x to A @10 = stored stored stored stored stored
        row A 9 3 @10 = a c b d
        row A 9 3 @10 =
        settle a@A,b@A delivered @20
        row A 9 3 @20 =
        settle d@A release @20
        row A 9 3 @20 = d e
        settle d@A,e@A delivered @20
        append f/x,g/x,h/x to A @30 = stored stored stored
        row A 2 9 @30 = f g",
    )
    .await;
}

#[tokio::test]
async fn what_stands_behind_one_that_is_tried_again_waits_for_it() {
    check(
        "append a/x,b/x,c/x,d/x to A @10 = stored stored stored stored
        row A 9 3 @10 = a b c
        settle a@A delivered @10
        settle b@A retry:50 @10
        settle c@A retry:20 @10
        row A 9 3 @30 =
        row A 9 3 @50 = b
        settle b@A delivered @50
        row A 9 3 @50 = c
        settle c@A dead @50
        row A 9 3 @50 = d",
    )
    .await;
}

#[tokio::test]
async fn an_out_of_order_one_leaves_the_others_their_order() {
    check(
        "append a/x,b/x,c/x to A @10 = stored stored stored
        row A 9 3 @10 = a b c
        settle a@A out_of_order:50 @10
        settle b@A,c@A release @10
        row A 9 3 @50 = b a c",
    )
    .await;
}
