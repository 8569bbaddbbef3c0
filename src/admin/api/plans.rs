//! Dangerous acts over the API: plans, and what becomes of them; replays of a few events.

use std::str::FromStr;

use futures_util::StreamExt;
use http::StatusCode;
use serde_json::{Value, json};
use strum::VariantNames;

use super::about::{About, Field, flag, number, object, text, texts, time};
use super::call::Call;
use super::reply::{self, Answer};
use super::times;
use crate::admin::outbox_plans::{self, OutboxAct, Wanted};
use crate::admin::plans::{PlanState, Said, Seen};
use crate::admin::problem::ApiProblem;
use crate::admin::{orders, outbox};
use crate::audit::Act;
use crate::proto::v1;
use crate::settings::suggest;

/// Ids that a replay without a plan may name: more are meant by a filter.
const IDS_MAX: usize = 10;

pub(super) const PLAN: &[Field] = &[
    text("id", "what is run, and by whoever made it alone"),
    text("summary", "what would be done, for people"),
    number("rows", "to how much"),
    text(
        "confirm",
        "what must be given as `name` to run it; null below 101 rows",
    ),
    object("facts", "more of what it is about"),
    time("expires_at", "until when it can be run"),
    text("state", "planned, running, done or failed"),
    number("done", "rows that it was done to so far"),
    text("error", "why it failed; null while it has not"),
];

pub(super) const OUTBOX_PLAN: About = About {
    body: &[
        text(
            "act",
            "replay, discard, or discard_pending: what waits for one endpoint",
        )
        .must(),
        text("endpoint", "for this endpoint alone"),
        text("hook", "of this hook alone"),
        text("id", "the event with this id alone"),
        time("since", "accepted at this time or later"),
        time("until", "accepted before this time"),
        text("reason", "that died with this in the reason"),
        number(
            "rate",
            "of a replay: events a second; 100 where it is not said",
        ),
    ],
    answer: PLAN,
    ..About::new("Plans to replay or discard events: says what would be done, and does nothing.")
};

pub(super) const SEE: About = About {
    answer: PLAN,
    ..About::new("Shows one of your own plans, and how far it is.")
};

pub(super) const RUN: About = About {
    body: &[
        text("why", "the reason, which is recorded").must(),
        text("name", "what the plan says in `confirm`"),
        text("password", "of who is logged in, after ten minutes"),
    ],
    answer: PLAN,
    ..About::new("Runs a plan, once: 200 when it has ended, 202 while it goes on.")
};

pub(super) const REPLAYS: About = About {
    body: &[
        texts("ids", "of dead events, ten at most").must(),
        text("endpoint", "for this endpoint alone"),
        text("why", "the reason, which is recorded").must(),
        flag("dry_run", "count them, and do nothing"),
    ],
    answer: &[
        number(
            "replayed",
            "events that are sent again; with `dry_run` would be",
        ),
        flag("dry_run", "nothing was done"),
    ],
    ..About::new("Replays a few dead events by their ids, without a plan.")
};

pub(super) const RETRIES: About = About {
    body: &[
        text("endpoint", "for this endpoint alone"),
        text("hook", "of this hook alone"),
        text("id", "the event with this id alone"),
        text("lane", "of this conversation alone"),
        text("why", "the reason, which is recorded").must(),
    ],
    answer: &[number("retried", "events that are due now and were not")],
    ..About::new("Makes retries due now.")
};

pub(super) async fn make(call: Call) -> Answer {
    let act = call.text("act");
    let act = OutboxAct::from_str(act).map_err(|_| {
        let hint = suggest(act, OutboxAct::VARIANTS.iter().copied());
        ApiProblem::invalid(format!("`act`: there is no `{act}`; {hint}")).with("field", "act")
    })?;
    let wanted = Wanted {
        act,
        filter: v1::DeadFilter {
            endpoint: call.text("endpoint").to_owned(),
            hook: call.text("hook").to_owned(),
            id: call.text("id").to_owned(),
            since_ms: call.time("since").unwrap_or_default(),
            until_ms: call.time("until").unwrap_or_default(),
            reason: call.text("reason").to_owned(),
        },
        rate: u32::try_from(call.number("rate").unwrap_or_default()).unwrap_or(u32::MAX),
    };
    let draft = outbox_plans::draft(&call.admin, wanted).await?;
    let seen = call.admin.plans.make(&call.asked, draft).await?;
    reply::made(&shown(seen))
}

pub(super) async fn see(call: Call) -> Answer {
    let seen = call.admin.plans.see(&call.asked, call.name("id"));
    let seen = seen.ok_or_else(|| ApiProblem::not_found("there is no such plan of yours"))?;
    reply::found(&shown(seen))
}

pub(super) async fn run(call: Call) -> Answer {
    let said = Said {
        why: call.text("why").to_owned(),
        name: call.text("name").to_owned(),
        password: call.text("password").to_owned(),
    };
    let (plans, operators) = (&call.admin.plans, &call.admin.operators);
    let seen = plans
        .run(operators, &call.asked, call.name("id"), said)
        .await?;
    match &seen.state {
        PlanState::Failed(status) => Err(status.clone().into()),
        PlanState::Done => reply::found(&shown(seen)),
        PlanState::Planned | PlanState::Running => {
            Ok(reply::with(StatusCode::ACCEPTED, &shown(seen)))
        }
    }
}

/// A plan as programs read it.
pub(super) fn shown(seen: Seen) -> Value {
    let error = match &seen.state {
        PlanState::Failed(status) => Some(status.message().to_owned()),
        _ => None,
    };
    json!({
        "id": seen.id,
        "summary": seen.summary.english,
        "rows": seen.rows,
        "confirm": seen.confirm,
        "facts": times::as_texts(seen.facts),
        "expires_at": times::text(seen.expires_ms),
        "state": seen.state.name(),
        "done": seen.done,
        "error": error,
    })
}

pub(super) async fn replays(call: Call) -> Answer {
    let ids = call.field("ids").and_then(Value::as_array);
    let ids = ids.into_iter().flatten().filter_map(Value::as_str);
    let ids: Vec<String> = ids.map(str::to_owned).collect();
    if ids.is_empty() || ids.len() > IDS_MAX || ids.iter().any(String::is_empty) {
        let why = format!("`ids` must name 1 to {IDS_MAX} events; more take a plan");
        return Err(ApiProblem::invalid(why).with("field", "ids"));
    }
    let why = reason(&call)?;
    let dry_run = call.flag("dry_run");
    let of = |id: &str| v1::ReplayDeadRequest {
        filter: Some(v1::DeadFilter {
            endpoint: call.text("endpoint").to_owned(),
            id: id.to_owned(),
            ..v1::DeadFilter::default()
        }),
        dry_run,
        rate: 0,
    };
    call.admin.check_names(of("").filter.as_ref()).await?;
    let act = Act::new("outbox.replay", call.asked.who());
    let act = act
        .on(format!("dead events ids=`{}`", ids.join("`, `")))
        .because(why);
    let mut begun = match dry_run {
        true => None,
        false => Some(call.asked.begin(act).await?),
    };
    let mut replayed = 0;
    for id in &ids {
        let outbox = call.admin.outbox.clone();
        let mut progress = outbox::replay(outbox, of(id), call.admin.clock)?;
        let mut done = 0;
        while let Some(step) = progress.next().await {
            done = step?.done;
        }
        replayed += done;
        if let Some(begun) = &mut begun {
            begun.counted("events", replayed);
        }
    }
    if let Some(begun) = begun {
        // What was done stays done, recorded or not; its beginning is.
        let _ = tokio::task::spawn_blocking(move || begun.done()).await;
    }
    reply::found(&json!({ "replayed": replayed, "dry_run": dry_run }))
}

pub(super) async fn retries(call: Call) -> Answer {
    let why = reason(&call)?;
    let request = v1::RetryPendingRequest {
        filter: Some(v1::PendingFilter {
            endpoint: call.text("endpoint").to_owned(),
            hook: call.text("hook").to_owned(),
            id: call.text("id").to_owned(),
            lane: call.text("lane").to_owned(),
        }),
    };
    call.admin.check_names(request.filter.as_ref()).await?;
    let act = orders::retry(call.asked.who(), &request).because(why);
    let begun = call.asked.begin(act).await?;
    let progress = outbox::retry(call.admin.outbox.clone(), request, call.admin.clock);
    let mut progress = orders::audited(progress, begun);
    let mut retried = 0;
    while let Some(step) = progress.next().await {
        retried = step?.done;
    }
    reply::found(&json!({ "retried": retried }))
}

/// The reason that is given.
fn reason(call: &Call) -> Result<String, ApiProblem> {
    let why = call.text("why").trim();
    match why.is_empty() || why.len() > 512 || why.chars().any(char::is_control) {
        true => Err(crate::admin::plans::NotRun::NoReason.into()),
        false => Ok(why.to_owned()),
    }
}
