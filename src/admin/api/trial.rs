//! A candidate policy beside the one in force.

use serde_json::{Value, json};

use super::about::{About, Field, any, flag, number, object, objects, text, time};
use super::call::Call;
use super::reply::{self, Answer};
use crate::admin::trial;
use crate::reload::Budget;

const ANSWER: &[Field] = &[
    text(
        "state",
        "none, broken (the candidate has errors), running or ended",
    ),
    text("directory", "of the candidate, as the policy names it"),
    text("mode", "shadow or ruling"),
    any("share", "of the conversations, from 0 to 1"),
    text("candidate", "as decisions by it have it: candidate-HASH"),
    text("base", "the policy in force when it began"),
    time("started_at", "when it began"),
    any(
        "promotes_at",
        "when the candidate becomes the policy by itself; null: never",
    ),
    any(
        "promotion_held",
        "why it has not, although its time has come",
    ),
    any("ended", "null while it runs; else at, by, who, why"),
    object(
        "ruled",
        "decisions by the candidate: decisions, blocks, let_through, slow",
    ),
    object(
        "beside",
        "the same by the policy in force, where the candidate was judged too",
    ),
    number(
        "compared",
        "decisions of which it is known what each of the two comes to",
    ),
    number(
        "not_comparable",
        "the one that did not decide would have asked something that was not asked",
    ),
    number("dropped", "not looked at, for want of room"),
    object(
        "candidate_outcomes",
        "what the candidate comes to, of those compared",
    ),
    object("policy_outcomes", "what the policy in force comes to"),
    object(
        "differences",
        "how often they differ: `allow>block` has the policy in force first",
    ),
    objects(
        "conditions",
        "what ends it by itself: name, allowed, sureness from 0 to 1, where it ends",
    ),
    objects(
        "problems",
        "what is wrong with the candidate's files on disk",
    ),
    objects(
        "latest",
        "the last differences, newest first: at, hook, message_id, decided_by, policy, candidate, list, line",
    ),
];

const WHY: Field = text("why", "the reason; it stands in the audit").must();

pub(super) const TRIAL: About = About {
    answer: ANSWER,
    ..About::new("Shows how the candidate policy does beside the one in force.")
};

pub(super) const START: About = About {
    body: &[WHY],
    answer: ANSWER,
    ..About::new("Starts a trial anew that has ended.")
};

pub(super) const END: About = About {
    body: &[WHY],
    answer: ANSWER,
    ..About::new("Ends the trial: every conversation sees the policy in force again.")
};

pub(super) const PROMOTE: About = About {
    body: &[
        flag("dry_run", "say what would be done, and do nothing"),
        text("plan", "what is to be done, as a dry run named it"),
        text("why", "the reason; it stands beside the new version"),
        flag(
            "force",
            "also where it changes more than the candidate expects of a change",
        ),
    ],
    answer: &[
        text("plan", "its name"),
        number("number", "0"),
        text("candidate", "what becomes the policy"),
        objects("files", "what becomes of each file"),
        text("patch", "the same for `patch -p1`"),
        text("refused", "why it cannot be done here; absent where it can"),
        text("in_force", "the new version; absent in a dry run"),
        objects("problems", "why it is not in force, if it is not"),
    ],
    ..About::new(
        "Makes the candidate the policy: writes its files, from which a new version comes. Only what a \
         dry run planned is done.",
    )
};

pub(super) async fn trial(call: Call) -> Answer {
    shown(&call)
}

pub(super) async fn start(call: Call) -> Answer {
    trial::start(&call.admin, &call.asked, call.text("why")).await?;
    shown(&call)
}

pub(super) async fn end(call: Call) -> Answer {
    trial::end(&call.admin, &call.asked, call.text("why")).await?;
    shown(&call)
}

pub(super) async fn promote(call: Call) -> Answer {
    let plan = trial::plan(&call.admin).await?;
    let mut document = trial::planned(&call.admin, &plan);
    if call.flag("dry_run") {
        return reply::found(&document);
    }
    let (id, why) = (call.text("plan"), call.text("why"));
    let budget = match call.flag("force") {
        true => Budget::Passed,
        false => Budget::Held,
    };
    let done = trial::promote(&call.admin, &call.asked, plan, id, why, budget).await?;
    document["in_force"] = done.version.to_string().into();
    document["problems"] = match done.changed {
        true => json!([]),
        false => serde_json::to_value(&done.problems).unwrap_or(Value::Null),
    };
    reply::found(&document)
}

fn shown(call: &Call) -> Answer {
    reply::found(&trial::document(&call.admin.trials.status()))
}
