//! Dead letters and discarded events.

use std::time::Duration;

use super::bench::{check, check_with};

#[tokio::test]
async fn dead_letters_are_listed_by_what_they_are() {
    check(
        "append a/x,b/x to A,B @10 = stored stored
        append c to A @20 = stored
        claim A 9 @30 = a#1 c#1
        settle a@A,c@A dead @30
        claim A 9 @40 = b#1
        settle b@A retry:41 @40
        claim A 9 @41 = b#2
        settle b@A dead @41
        claim B 9 @50 = a#1
        settle a@B dead @50
        dead - = a@A#1*0:because b@A#2*0:because c@A#1*0:because a@B#1*0:because
        dead endpoint=B = a@B#1*0:because
        dead endpoint=C =
        dead id=a,hook=AfterSendSingleMSG = a@A#1*0:because a@B#1*0:because
        dead hook=afterSendGroupMsg =
        dead since=20 = c@A#1*0:because
        dead until=20,endpoint=A = a@A#1*0:because b@A#2*0:because
        dead by=40,reason=CAUSE = a@A#1*0:because c@A#1*0:because
        dead reason=nothing =",
    )
    .await;
}

#[tokio::test]
async fn replayed_letters_are_pending_again_and_counted() {
    check(
        "append a,b,c to A @10 = stored stored stored
        claim A 9 @10 = a#1 b#1 c#1
        settle a@A,b@A,c@A dead @20
        due A = nothing
        count 9 - @30 = 3
        counts A = accepted 3 delivered 0 dead 3 discarded 0 pending 0 in flight 0
        replay 2 by=20 @30 = 2, more
        counts A = accepted 3 delivered 0 dead 1 discarded 0 pending 2 in flight 0
        due A = 0
        claim A 9 @30 = a#1 b#1
        settle a@A delivered @30
        settle b@A dead @40
        replay 9 by=20 @50 = 1
        dead - = b@A#1*1:because
        claim A 9 @50 = c#1
        settle c@A delivered @50
        counts A = accepted 3 delivered 2 dead 1 discarded 0 pending 0 in flight 0",
    )
    .await;
}

#[tokio::test]
async fn a_replayed_letter_is_the_next_of_its_key_after_the_one_being_tried() {
    check(
        "append a/x,b/x,c/x,d/x to A @10 = stored stored stored stored
        claim A 1 @10 = a#1
        settle a@A dead @10
        claim A 1 @10 = b#1
        settle b@A dead @10
        claim A 1 @10 = c#1
        replay 9 - @20 = 2
        claim A 9 @20 =
        settle c@A retry:50 @20
        claim A 9 @20 =
        claim A 9 @50 = c#2
        settle c@A delivered @50
        claim A 9 @50 = a#1
        settle a@A delivered @50
        claim A 9 @50 = b#1
        settle b@A delivered @50
        claim A 9 @50 = d#1",
    )
    .await;
}

#[tokio::test]
async fn a_replayed_letter_goes_before_a_head_that_was_put_back() {
    check(
        "append a/x,b/x,c/x to A @10 = stored stored stored
        claim A 1 @10 = a#1
        settle a@A dead @10
        claim A 1 @10 = b#1
        replay 9 - @20 = 1
        claim A 9 @20 =
        settle b@A release @20
        claim A 9 @20 = a#1
        settle a@A delivered @20
        claim A 9 @20 = b#1",
    )
    .await;
    check(
        "append a/x,b/x to A @10 = stored stored
        claim A 1 @10 = a#1
        settle a@A dead @10
        claim A 1 @10 = b#1
        replay 9 - @20 = 1
        claim A 9 @20 =
        crash
        claim A 9 @20 = a#1
        settle a@A delivered @20
        claim A 9 @20 = b#2",
    )
    .await;
}

#[tokio::test]
async fn a_settlement_of_an_earlier_life_does_not_touch_a_replayed_letter() {
    check(
        "append a to A @10 = stored
        claim A 1 @10 = a#1
        settle a@A dead @10
        replay 1 - @20 = 1, more
        claim A 9 retries 0 @20 = a
        settle a@A delivered @20
        counts A = accepted 1 delivered 0 dead 0 discarded 0 pending 1 in flight 1",
    )
    .await;
}

#[tokio::test]
async fn discarded_letters_free_their_room() {
    check(
        "append a,b to A @10 = stored stored
        claim A 9 @10 = a#1 b#1
        settle a@A,b@A dead @10
        discard 9 id=a @20 = 1
        dead - = b@A#1*0:because
        discard 9 - @20 = 1
        bytes = 0
        entries = 0
        ids = 2
        counts A = accepted 2 delivered 0 dead 0 discarded 2 pending 0 in flight 0",
    )
    .await;
}

#[tokio::test]
async fn dead_letters_are_discarded_when_they_are_too_old() {
    check_with(
        |config| config.dead_keep = Duration::from_millis(100),
        "append a,b to A @10 = stored stored
        claim A 9 @10 = a#1 b#1
        settle a@A dead @20
        settle b@A dead @30
        claim A 9 @119 =
        dead - = a@A#1*0:because b@A#1*0:because
        claim A 9 @120 =
        dead - = b@A#1*0:because
        claim A 9 @130 =
        counts A = accepted 2 delivered 0 dead 0 discarded 2 pending 0 in flight 0",
    )
    .await;
}

#[tokio::test]
async fn what_waits_for_an_endpoint_that_is_gone_can_be_discarded() {
    check(
        "append a/x,b/x,c,d/x to A @10 = stored stored stored stored
        append e to B @10 = stored
        claim A 1 @10 = a#1
        discard-pending A 2 @20 = 2
        settle a@A delivered @20
        claim A 9 @20 = d#1
        discard-pending A 9 @20 = 0
        settle d@A retry:50 @20
        discard-pending A 9 @20 = 1
        discard-pending C 9 @20 = 0
        counts A = accepted 4 delivered 1 dead 0 discarded 3 pending 0 in flight 0
        counts B = accepted 1 delivered 0 dead 0 discarded 0 pending 1 in flight 0",
    )
    .await;
}

#[tokio::test]
async fn events_that_waited_too_long_can_be_discarded_and_are_listed() {
    check(
        "append a/x,b to A @10 = stored stored
        append c to A,B @20 = stored
        claim A 1 @30 = a#1
        expire A 10 @30 = 0
        expire A 20 @30 = 1
        expire A 21 @40 = 1
        discarded - = b@A@10-30:too old c@A@20-40:too old
        settle a@A discarded @50
        discarded - = b@A@10-30:too old c@A@20-40:too old a@A@10-50:because
        discarded reason=OLD,until=20 = b@A@10-30:too old
        discarded endpoint=B =
        counts A = accepted 3 delivered 0 dead 0 discarded 3 pending 0 in flight 0",
    )
    .await;
    check_with(
        |config| config.discarded_kept = 2,
        "append a,b,c to A @10 = stored stored stored
        discard-pending A 9 @20 = 3
        discarded - = b@A@10-20:gone c@A@10-20:gone",
    )
    .await;
}
