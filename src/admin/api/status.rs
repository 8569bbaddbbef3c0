//! What is in force, and what hooks and endpoints did last.

use serde::Serialize;
use serde_json::Value;

use super::about::{About, Shape, any, flag, number, object, objects, text, texts, time};
use super::call::Call;
use super::reply::{self, Answer};
use super::times;
use crate::admin::problem::ApiProblem;
use crate::admin::status;

pub(super) const STATUS: About = About {
    answer: &[
        text("version", "of callgate"),
        object("policy", "what is in force, and what was rejected"),
        object("hooks", "by name"),
        object("callers", "by name"),
        objects("endpoints", "business servers"),
        object("outbox", "what waits, and the limits"),
        object("audit", "the last record"),
        object("versions", "that are kept"),
        objects("tls", "certificates"),
        any("engine_file", "what a restart would change"),
        objects("engine_warnings", "what works and is dangerous"),
        object("unknown_commands", "calls that no hook is for, by command"),
    ],
    ..About::new("Shows what is in force and what becomes of it: all of `/status`.")
};

pub(super) const HOOKS: About = About {
    answer: &[
        text("name", "of the hook"),
        flag("enabled", "a policy wants its calls"),
        texts("filters", "word lists that look at its texts"),
        texts("endpoints", "business servers that are asked or told"),
        number("timeout_ms", "how long an endpoint may take"),
        object("failure_actions", "what each class of failure leads to"),
        number("calls", "since the start"),
        time("last_call", "null before the first"),
        text("last_outcome", "null before the first call"),
        object("skipped", "calls that nothing was done for, by reason"),
    ],
    shape: Shape::List,
    ..About::new("Lists the hooks that the policy enables or that were called.")
};

pub(super) const ENDPOINTS: About = About {
    answer: &[
        text("name", "of the endpoint"),
        text("url", "of the business server"),
        flag(
            "candidate",
            "it is about the calls of a candidate policy, which are counted apart",
        ),
        text("breaker", "closed, open or half_open, for before hooks"),
        number(
            "open_left_ms",
            "until it is tried again; null unless it is open",
        ),
        text("delivery_breaker", "the same for events"),
        object("hook_breakers", "those of single hooks that are not closed"),
        number("in_flight", "calls at this moment"),
        texts("public_keys", "what its server verifies our calls with"),
        text("last_outcome", "null before the first call"),
        text("last_detail", "of that outcome"),
        time("last_at", "null before the first call"),
    ],
    shape: Shape::List,
    ..About::new("Lists the business servers of the policy, and how they do.")
};

pub(super) async fn status(call: Call) -> Answer {
    let document = serde_json::from_str::<Value>(&status::json(&call.admin).await);
    let document = document.map_err(|error| ApiProblem::internal(error.to_string()))?;
    reply::found(&times::as_texts(document))
}

pub(super) async fn hooks(call: Call) -> Answer {
    let hooks = status::hooks(&call.admin).into_iter();
    let items = hooks.map(|(name, hook)| {
        let mut item = json(&hook);
        item["name"] = name.into();
        item
    });
    reply::page(items.collect(), None)
}

pub(super) async fn endpoints(call: Call) -> Answer {
    let endpoints = status::endpoints(&call.admin);
    reply::page(endpoints.iter().map(json).collect(), None)
}

fn json(of: &impl Serialize) -> Value {
    // Plain maps and strings: serialising them cannot fail.
    times::as_texts(serde_json::to_value(of).unwrap_or_default())
}
