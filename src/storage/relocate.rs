//! Moving the outbox: everything that it holds goes from one place to another, once.
//!
//! The source is marked before anything goes over, so that nobody changes it meanwhile; the target is
//! marked before it takes anything, so that nobody uses a part of it. When everything is there, the
//! source is marked as moved, and only then the target is opened: at no time may two be used, and an
//! end anywhere leaves what the same call goes on from. Until the source is marked as moved it has
//! everything, and a move can be abandoned.

use std::time::SystemTime;

use super::error::StorageError;
use crate::outbox::{
    MoveFrame, MoveMark, MovePlace, MoveSide, MoveSource, MoveState, MoveTarget, Side,
};

/// What became of a move.
#[derive(Clone, Debug)]
pub struct Relocated {
    pub frame: MoveFrame,
    /// Where what is left of the source is now.
    pub aside: Option<String>,
}

/// What a move would do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Begin,
    /// One that was broken off.
    GoOn,
    /// Everything is there, and the ends are to be tidied up.
    TidyUp,
}

impl Plan {
    pub fn name(self) -> &'static str {
        match self {
            Plan::Begin => "begin",
            Plan::GoOn => "go on",
            Plan::TidyUp => "tidy up",
        }
    }
}

/// Says what is to be done, and changes nothing.
///
/// Errors: it must not be done, with the reason.
pub async fn plan(
    source: &mut dyn MoveSource,
    target: &mut dyn MoveTarget,
) -> Result<Plan, StorageError> {
    let from = source.mark().await?;
    let to = target.mark().await?;
    let no = |why: String| Err(StorageError::NotMoved(why));
    let is_same = |mark: &MoveMark| to.as_ref().is_some_and(|to| to.id == mark.id);
    if let Some(mark) = &from {
        match (mark.side, mark.state) {
            (Side::Source, MoveState::Done) => {
                let is_open = |to: &MoveMark| to.state == MoveState::Done;
                let is_left = source.is_in_place() || !to.as_ref().is_some_and(is_open);
                return match is_same(mark) && is_left {
                    true => Ok(Plan::TidyUp),
                    false => no(format!(
                        "everything was moved from {} to {} already (begun {})",
                        source.name(),
                        mark.other,
                        mark.began
                    )),
                };
            }
            (Side::Source, MoveState::Begun) if is_same(mark) => return Ok(Plan::GoOn),
            (Side::Source, MoveState::Begun) if mark.other != target.name() => {
                return no(format!(
                    "a move from {} to {} was begun ({}) and has not ended: name that one to go on \
                     with it, or with `--abandon` to have everything stay",
                    source.name(),
                    mark.other,
                    mark.began
                ));
            }
            (Side::Source, MoveState::Begun) | (Side::Target, MoveState::Done) => {}
            (Side::Target, MoveState::Begun) => {
                return no(format!(
                    "not everything that is being moved to {} is there yet; end that first",
                    source.name()
                ));
            }
        }
    }
    if let Some(mark) = to.filter(|to| to.side == Side::Target && to.state == MoveState::Begun) {
        return no(format!(
            "{} is the unfinished target of another move, from {} (begun {}): end that one, or name \
             another place",
            target.name(),
            mark.other,
            mark.began
        ));
    }
    if let Some(held) = target.holds().await? {
        return no(format!(
            "{} is not empty, it has {held}, and what is moved is mixed with nothing: name another \
             place (another schema, another `outbox.path`), or take away what is there",
            target.name()
        ));
    }
    for side in [source as &mut dyn MoveSide, target as &mut dyn MoveSide] {
        if let Some(user) = side.used_by().await? {
            return no(format!("`{user}` uses {}; stop it first", side.name()));
        }
    }
    if from.is_some_and(|from| from.refusal().is_some()) {
        return Ok(Plan::GoOn);
    }
    // Whether there is an outbox at all.
    source.frame().await?;
    Ok(Plan::Begin)
}

/// Moves everything, or what is left of it. `progress` is told how far it has come, of how much.
pub async fn relocate(
    source: &mut dyn MoveSource,
    target: &mut dyn MoveTarget,
    progress: &mut (dyn FnMut(&MovePlace, &MoveFrame) + Send),
) -> Result<Relocated, StorageError> {
    let plan = plan(source, target).await?;
    let before = source.mark().await?;
    let (id, began) = match before.filter(|_| plan != Plan::Begin) {
        Some(mark) => (mark.id, mark.began),
        None => (
            uuid::Uuid::now_v7().to_string(),
            humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        ),
    };
    let mark = |side, state, other| MoveMark {
        id: id.clone(),
        began: began.clone(),
        side,
        state,
        other,
    };
    let mut frame = MoveFrame::default();
    if plan != Plan::TidyUp {
        let begun = mark(Side::Source, MoveState::Begun, target.name());
        source.set_mark(Some(&begun)).await?;
        frame = source.frame().await?;
        let begun = mark(Side::Target, MoveState::Begun, source.name());
        let mut place = target.begin(&begun, &frame).await?;
        progress(&place, &frame);
        while let Some(batch) = source.read(&place).await? {
            target.write(&batch).await?;
            place = batch.next;
            progress(&place, &frame);
        }
        target.complete(&frame).await?;
        let done = mark(Side::Source, MoveState::Done, target.name());
        source.set_mark(Some(&done)).await?;
    }
    target.open().await?;
    let aside = source.put_aside().await?;
    Ok(Relocated { frame, aside })
}

/// Has everything stay in the source of a move that has not ended, and takes away what is in its
/// target already. The inner error is about that alone.
///
/// Errors: there is no such move, or everything is in the target already.
pub async fn abandon(
    source: &mut dyn MoveSource,
    target: &mut dyn MoveTarget,
) -> Result<Result<(), StorageError>, StorageError> {
    let begun = source.mark().await?;
    let is_begun = |mark: &MoveMark| mark.side == Side::Source && mark.state == MoveState::Begun;
    let Some(mark) = begun.filter(is_begun) else {
        let why = format!("no move from {} has begun and not ended", source.name());
        return Err(StorageError::NotMoved(why));
    };
    source.set_mark(None).await?;
    let cleared = async {
        let its = target.mark().await?;
        if its.is_some_and(|its| its.id == mark.id && its.side == Side::Target) {
            target.clear().await?;
        }
        Ok(())
    };
    Ok(cleared.await)
}
