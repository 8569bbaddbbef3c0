//! Operators and tokens: who they are, invitations, and what they may.

use std::time::Duration;

use serde_json::{Value, json};

use super::about::{About, Field, Shape, flag, number, text, texts, time};
use super::call::Call;
use super::plans;
use super::reply::{self, Answer};
use super::times;
use crate::admin::operator_plans::Wanted;
use crate::admin::problem::ApiProblem;
use crate::admin::{operator_plans, operators};
use crate::proto::v1;

/// As long as at `/account`.
const LIVES: Duration = Duration::from_secs(90 * 24 * 3600);

const NAME: Field = text("name", "of the operator");
const ROLE: Field = text("role", "viewer, moderator or operator");
const RIGHTS: Field = texts("rights", "text, audit");
const LISTS: Field = texts(
    "lists",
    "that a moderator may change; `*` stands for all of them",
);
const PASSWORD: Field = text(
    "password",
    "of who is logged in, where the last time is more than ten minutes ago",
);

pub(super) const OPERATORS: About = About {
    answer: &[
        NAME,
        ROLE,
        RIGHTS,
        LISTS,
        flag("disabled", "shut out"),
        time("made_at", "since when"),
    ],
    shape: Shape::List,
    ..About::new("Lists the operators.")
};

pub(super) const INVITE: About = About {
    body: &[
        text(
            "name",
            "whom it is for; nobody of that name yet, but for a new password",
        )
        .must(),
        ROLE,
        RIGHTS,
        LISTS,
        PASSWORD,
    ],
    answer: &[
        text(
            "path",
            "where the link leads, below the address of the port; shown once",
        ),
        time("expires_at", "an hour later"),
    ],
    ..About::new(
        "Makes a link, good once and for an hour: to become an operator, or for a new password.",
    )
};

pub(super) const PLAN: About = About {
    body: &[
        NAME.must(),
        ROLE,
        RIGHTS,
        LISTS,
        flag("disabled", "shut out, or not any more"),
        flag(
            "end_sessions",
            "log out all his browsers, also where nothing else changes",
        ),
    ],
    answer: plans::PLAN,
    ..About::new("Plans to change what an operator may: says what would be done, and does nothing.")
};

pub(super) const TOKENS: About = About {
    answer: &[
        text("id", "by which it is taken away"),
        text("name", "of the program"),
        text("operator", "whose it is; null where it is nobody's"),
        ROLE,
        RIGHTS,
        LISTS,
        time("expires_at", "until when it is good"),
        time("used_at", "null before the first time"),
    ],
    shape: Shape::List,
    ..About::new("Lists the tokens; what they are known by is shown to nobody again.")
};

pub(super) const MAKE_TOKEN: About = About {
    body: &[
        text("name", "of the program").must(),
        ROLE.must(),
        RIGHTS,
        LISTS,
        number(
            "lives_s",
            "seconds until it is over; 90 days where it is not said",
        ),
        PASSWORD,
    ],
    answer: &[
        text("token", "what the program shows; this once"),
        text("id", "by which it is taken away"),
        time("expires_at", "until when it is good"),
    ],
    ..About::new("Makes a token for a program.")
};

pub(super) const REMOVE_TOKEN: About = About {
    answer: &[text("id", "that is no more")],
    ..About::new("Takes a token away.")
};

pub(super) async fn list(call: Call) -> Answer {
    let listed = operators::list(&call.admin.operators);
    let items = listed.operators.into_iter().map(|one| {
        json!({
            "name": one.name,
            "role": one.role,
            "rights": rights(&one.rights),
            "lists": one.lists.map(|lists| lists.names),
            "disabled": one.disabled,
            "made_at": times::text(one.made_at_ms),
        })
    });
    reply::page(items.collect(), None)
}

pub(super) async fn invite(call: Call) -> Answer {
    prove(&call).await?;
    let request = v1::InviteOperatorRequest {
        name: call.text("name").to_owned(),
        role: call.text("role").to_owned(),
        rights: joined(&call),
        lists: limit(&call),
    };
    let invited = operators::invite(&call.admin, &call.asked, request).await?;
    reply::made(&json!({
        "path": format!("/setup#{}", invited.token),
        "expires_at": times::text(invited.expires_at_ms),
    }))
}

pub(super) async fn plan(call: Call) -> Answer {
    let set = v1::SetOperatorRequest {
        name: call.text("name").to_owned(),
        role: call.text("role").to_owned(),
        rights: call.field("rights").map(|_| joined(&call)),
        lists: limit(&call),
        disabled: call.field("disabled").and_then(Value::as_bool),
    };
    let wanted = Wanted {
        set,
        end_sessions: call.flag("end_sessions"),
    };
    let draft = operator_plans::draft(&call.admin, wanted)?;
    let seen = call.admin.plans.make(&call.asked, draft).await?;
    reply::made(&plans::shown(seen))
}

pub(super) async fn tokens(call: Call) -> Answer {
    let listed = operators::list(&call.admin.operators);
    let items = listed.tokens.into_iter().map(|one| {
        json!({
            "id": one.id,
            "name": one.name,
            "operator": Some(one.operator).filter(|name| !name.is_empty()),
            "role": one.role,
            "rights": rights(&one.rights),
            "lists": one.lists.map(|lists| lists.names),
            "expires_at": times::text(one.expires_at_ms),
            "used_at": times::or_never(one.used_at_ms),
        })
    });
    reply::page(items.collect(), None)
}

pub(super) async fn make_token(call: Call) -> Answer {
    prove(&call).await?;
    let request = v1::MakeTokenRequest {
        name: call.text("name").to_owned(),
        role: call.text("role").to_owned(),
        rights: joined(&call),
        lists: limit(&call),
        lives_s: call.number("lives_s").unwrap_or(LIVES.as_secs()),
    };
    let made = operators::make_token(&call.admin, &call.asked, request).await?;
    let token = made
        .token
        .ok_or_else(|| ApiProblem::internal("no token was made"))?;
    reply::made(&json!({
        "token": made.secret,
        "id": token.id,
        "expires_at": times::text(token.expires_at_ms),
    }))
}

pub(super) async fn remove_token(call: Call) -> Answer {
    let id = call.name("id").to_owned();
    operators::remove_token(&call.admin.operators, &call.asked, id.clone()).await?;
    reply::found(&json!({ "id": id }))
}

/// What lets others in takes the password again, as at the page.
async fn prove(call: &Call) -> Result<(), ApiProblem> {
    let password = call.text("password").to_owned();
    let proved = crate::admin::plans::prove(&call.admin.operators, &call.asked, password).await;
    Ok(proved?)
}

/// As messages have them: with commas.
fn joined(call: &Call) -> String {
    let rights = call.field("rights").and_then(Value::as_array);
    let rights = rights.into_iter().flatten().filter_map(Value::as_str);
    rights.collect::<Vec<_>>().join(",")
}

/// The lists that are named; absent where none are asked for.
fn limit(call: &Call) -> Option<v1::ListLimit> {
    let names = call.field("lists")?.as_array()?.iter();
    let names = names.filter_map(Value::as_str).map(str::to_owned);
    Some(v1::ListLimit {
        names: names.collect(),
    })
}

fn rights(joined: &str) -> Vec<&str> {
    joined
        .split(',')
        .filter(|right| !right.is_empty())
        .collect()
}
