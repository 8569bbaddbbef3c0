//! The order to look at the policy files now, and what recorded calls would come to under others.

use serde_json::json;

use super::about::{About, any, flag, number, objects, text, texts};
use super::call::Call;
use super::lists::{moving_alone, ops};
use super::reply::{self, Answer};
use crate::admin::problem::ApiProblem;
use crate::admin::replay::{self, Subject};
use crate::lists::{Base, Edit};

pub(super) const RELOAD: About = About {
    body: &[
        flag(
            "force",
            "also where it changes more than the policy expects of a change; it takes `why`",
        ),
        text("why", "the reason, for the record"),
    ],
    answer: &[
        text("version", "that is in force"),
        flag("changed", "whether that is another one"),
        objects(
            "problems",
            "what keeps the files from coming into force, and warnings",
        ),
    ],
    ..About::new("Looks at the policy files now. It is recorded.")
};

pub(super) async fn reload(call: Call) -> Answer {
    let (is_forced, why) = (call.flag("force"), call.text("why"));
    let reloaded = replay::reload(&call.admin, &call.asked, is_forced, why).await?;
    reply::found(&json!({
        "version": reloaded.version.to_string(),
        "changed": reloaded.changed,
        "problems": serde_json::to_value(&reloaded.problems).unwrap_or_default(),
    }))
}

pub(super) const REPLAY: About = About {
    body: &[
        number(
            "version",
            "the files as they would be with this version brought back",
        ),
        flag(
            "candidate",
            "the files as they would be with the candidate promoted",
        ),
        text("list", "the files on disk with an edit of this list"),
        objects("ops", "the edit, as `PATCH lists/{name}` has it"),
        texts(
            "entries",
            "instead of `ops`: that are moved to the list `to`",
        ),
        text("to", "the other list"),
    ],
    answer: &[
        any(
            "report",
            "what comes out otherwise, as `callgate replay --json` has it; null where no call is recorded",
        ),
        objects(
            "expected",
            "what the policy expects of the change and would not get; and warnings",
        ),
        flag("refused", "a reload or a save would refuse the change"),
        flag(
            "hidden",
            "excerpts and senders are left out: they take the right `text`",
        ),
    ],
    ..About::new(
        "Judges the newest recorded calls under the files on disk, or others, and under the policy in \
         force. Excerpts are recorded.",
    )
};

pub(super) async fn replayed(call: Call) -> Answer {
    let subject = match (
        call.number("version"),
        call.flag("candidate"),
        call.text("list"),
    ) {
        (Some(number), false, "") => Subject::Version(number),
        (None, true, "") => Subject::Candidate,
        (None, false, "") => Subject::Disk,
        (None, false, list) if !call.text("to").is_empty() => {
            Subject::List(moving_alone(&call, list, Base::Any).await?)
        }
        (None, false, list) => Subject::List(Edit {
            list: list.to_owned(),
            base: Base::Any,
            ops: ops(&call)?,
            to: None,
        }),
        _ => {
            let why = "one of `version`, `candidate` and `list` is meant at a time";
            return Err(ApiProblem::invalid(why));
        }
    };
    let replayed = replay::replay(&call.admin, &call.asked, subject).await?;
    reply::found(&replayed.document())
}
