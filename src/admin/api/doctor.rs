//! Looks at the business servers of the policy in force.

use serde_json::{Value, json};

use super::about::{About, Field, object, text, time};
use super::call::Call;
use super::reply::{self, Answer};
use super::times;
use crate::admin::check_ups::{CheckUp, State};
use crate::admin::doctor;
use crate::doctor::Wanted;

/// What the IM server's file is called in what is said of it.
const WEBHOOKS: &str = "webhooks.yml";

pub(super) const RUN: About = About {
    body: &[
        text(
            "endpoint",
            "one alone, by its name in the policy; every endpoint without it",
        ),
        text(
            "webhooks",
            "the content of OpenIM's own webhooks.yml, to be looked at hook by hook; nobody whom it \
             names is called",
        ),
    ],
    answer: ANSWER,
    ..About::new(
        "Begins to play harmless, marked calls to the endpoints of the policy in force; one look is \
         made at a time. It is recorded.",
    )
};

pub(super) const LAST: About = About {
    answer: ANSWER,
    ..About::new("Shows what the last look at the endpoints found since the start.")
};

const ANSWER: &[Field] = &[
    text("state", "none, running, done or failed"),
    text("endpoint", "the one that is looked at; empty for all"),
    time("began", "when it was asked for"),
    time("ended", "when everything was heard"),
    text("error", "why nothing was found out"),
    object("report", "what `callgate doctor --json` prints"),
];

pub(super) async fn run(call: Call) -> Answer {
    let given = |field: &str| Some(call.text(field).to_owned()).filter(|text| !text.is_empty());
    let webhooks = given("webhooks").map(|text| (WEBHOOKS.to_owned(), text.into_bytes()));
    let wanted = Wanted {
        endpoint: given("endpoint"),
        webhooks,
        ..Wanted::default()
    };
    doctor::begin(&call.admin, &call.asked, wanted).await?;
    last(call).await
}

pub(super) async fn last(call: Call) -> Answer {
    reply::found(&shown(call.admin.check_ups.last()))
}

fn shown(last: Option<CheckUp>) -> Value {
    let Some(last) = last else {
        return json!({ "state": "none" });
    };
    let mut shown = json!({
        "endpoint": last.endpoint,
        "began": times::text(last.began_ms),
    });
    if let Some(ended_ms) = last.ended_ms {
        shown["ended"] = times::text(ended_ms).into();
    }
    shown["state"] = match last.state {
        State::Running => "running".into(),
        State::Failed(why) => {
            shown["error"] = why.into();
            "failed".into()
        }
        State::Done(report) => {
            shown["report"] = serde_json::to_value(&*report).unwrap_or_default();
            "done".into()
        }
    };
    shown
}
