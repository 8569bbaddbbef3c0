//! What the policy would do with a text or a call.

use serde_json::{Value, json};

use super::about::{About, number, objects, text};
use super::call::Call;
use super::reply::{self, Answer};
use crate::admin::problem::ApiProblem;
use crate::admin::trying::{NotTried, Wanted, explain};

pub(super) const TRY: About = About {
    body: &[
        text("text", "a text, or with `form` the body of a recorded call").must(),
        text(
            "hook",
            "at which; every hook that is on where it is not said",
        ),
        text("form", "the dialect of a recorded call: openim, wukongim"),
        number(
            "version",
            "under a policy that was in force; the one that is where it is not said",
        ),
    ],
    answer: &[objects(
        "items",
        "the steps at each hook, as `callgate explain --json` has them, without headers",
    )],
    ..About::new("Says what would be done with a text or a call. Nobody is asked, nothing is kept.")
};

pub(super) async fn decide(call: Call) -> Answer {
    let wanted = Wanted {
        text: call.text("text").to_owned(),
        hook: call.text("hook").to_owned(),
        form: call.text("form").to_owned(),
        version: call.number("version"),
    };
    let explained = explain(&call.admin, wanted).await?;
    let items = explained.iter().map(|one| {
        // Plain maps and strings: serialising them cannot fail.
        let mut shown = serde_json::to_value(one).unwrap_or_default();
        if let Some(forward) = shown.get_mut("forward") {
            without_headers(forward);
        }
        let also = shown.get_mut("also").and_then(Value::as_array_mut);
        for forward in also.into_iter().flatten() {
            without_headers(forward);
        }
        shown
    });
    reply::found(&json!({ "items": items.collect::<Vec<_>>() }))
}

/// What authorizes us at an endpoint is nobody's to read here.
fn without_headers(forward: &mut Value) {
    if let Some(forward) = forward.as_object_mut() {
        forward.remove("headers");
    }
}

impl From<NotTried> for ApiProblem {
    fn from(why: NotTried) -> ApiProblem {
        let bad = |field: &str, message: String| ApiProblem::invalid(message).with("field", field);
        match why {
            NotTried::UnknownHook => bad("hook", "there is no such hook".to_owned()),
            NotTried::UnknownForm => bad("form", "there is no such form of a call".to_owned()),
            NotTried::UnknownCommand(command) => bad(
                "text",
                format!("it has no hook for this command: `{command}`"),
            ),
            NotTried::ABatch => bad("text", "this is a batch; send one event of it".to_owned()),
            NotTried::Unreadable(why) => bad("text", format!("it cannot be read: {why}")),
            NotTried::Version(why) => bad("version", format!("it cannot be tried: {why}")),
            NotTried::Broken(why) => ApiProblem::internal(why),
        }
    }
}
