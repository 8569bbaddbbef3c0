//! What waits, as operators see it, and their order to try it now.

use super::bench::check;

#[tokio::test]
async fn what_is_pending_is_listed_with_its_state() {
    check(
        "append a/x,b/x,c,d to A,B @10 = stored stored stored stored
        claim A 9 @10 = a#1 c#1 d#1
        settle a@A retry:500 @10
        settle c@A dead @10
        settle d@A delivered @10
        pending endpoint=A,bodies=yes = a@A:retry+500 b@A:waiting
        pending key=x,endpoint=A = a@A:retry+500 b@A:waiting
        pending id=a = a@A:retry+500 a@B:ready
        claim B 1 @10 = a#1
        pending id=a = a@A:retry+500 a@B:in_flight
        pending id=d,hook=AfterSendSingleMSG = d@B:ready
        pending hook=afterSendGroupMsg =
        pending endpoint=C =",
    )
    .await;
}

#[tokio::test]
async fn a_retry_can_be_made_due_now() {
    check(
        "append a/x,b/x,c/y,d to A @10 = stored stored stored stored
        append e to B @10 = stored
        claim A 9 @10 = a#1 c#1 d#1
        claim B 9 @10 = e#1
        settle a@A,c@A,d@A,e@B retry:5000 @10
        retry-now id=d @20 = 1
        claim A 9 @20 = d#2
        retry-now key=x,endpoint=A @30 = 1
        claim A 9 @30 = a#2
        settle a@A delivered @30
        claim A 9 @30 = b#1
        retry-now - @40 = 2
        retry-now - @40 = 0
        due A = 40
        claim A 9 @40 = c#2
        claim B 9 @40 = e#2",
    )
    .await;
}
