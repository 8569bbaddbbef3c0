//! Orders about operators and tokens, over gRPC.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tonic::Status;

use super::acts::Asked;
use super::shown::Admin;
use crate::audit::Act;
use crate::operators::{
    Change, Grant, ListLimit, Operator, Operators, OperatorsError, Rights, Role, Token,
};
use crate::proto::v1;
use crate::settings::suggest;

/// Stands for every list, in what is asked and in what is answered.
pub(super) const EVERY_LIST: &str = "*";

pub(super) fn list(operators: &Operators) -> v1::OperatorsResponse {
    let named = |id: Option<u64>| id.and_then(|id| operators.operator(id));
    let tokens = operators.tokens(None).into_iter().map(|token| {
        let owner = named(token.operator).map(|owner| owner.name);
        token_message(token, owner.unwrap_or_default())
    });
    v1::OperatorsResponse {
        tokens: tokens.collect(),
        operators: operators.operators().into_iter().map(message).collect(),
    }
}

pub(super) async fn invite(
    admin: &Admin,
    asked: &Asked,
    request: v1::InviteOperatorRequest,
) -> Result<v1::InviteOperatorResponse, Status> {
    let by = may(asked)?;
    let v1::InviteOperatorRequest {
        name,
        role,
        rights,
        lists,
    } = request;
    let target = match role.is_empty() {
        true => name.clone(),
        false => format!("{name} as {}", asked_for(&role, &rights, lists.as_ref())),
    };
    let limit = limit_of(admin, lists)?;
    let act = Act::new("operator.invite", asked.who()).on(target);
    let invited = aside(&admin.operators, asked, act, move |operators| {
        let grant = match role.is_empty() && rights.is_empty() && limit.is_none() {
            true => None,
            false => Some(grant_of(&role, &rights, limit)?),
        };
        let invited = match name.is_empty() && grant.is_none() {
            true => operators
                .invite_first()
                .and_then(|first| first.ok_or(OperatorsError::Name)),
            false => operators.invite(&name, grant, &by),
        };
        invited.map_err(status)
    });
    let invited = invited.await?;
    Ok(v1::InviteOperatorResponse {
        token: invited.secret.text().to_owned(),
        expires_at_ms: invited.expires_ms,
    })
}

pub(super) async fn set(
    admin: &Admin,
    asked: &Asked,
    request: v1::SetOperatorRequest,
    why: &str,
) -> Result<v1::Operator, Status> {
    let by = may(asked)?;
    let v1::SetOperatorRequest {
        name,
        role,
        rights,
        disabled,
        lists,
    } = request;
    let mut target = name.clone();
    if !role.is_empty() {
        target = format!("{target} role {role}");
    }
    if let Some(rights) = &rights {
        target = format!("{target} rights `{rights}`");
    }
    if let Some(lists) = &lists {
        target = format!("{target} lists `{}`", lists.names.join(","));
    }
    let limit = limit_of(admin, lists)?;
    match disabled {
        Some(true) => target.push_str(" disabled"),
        Some(false) => target.push_str(" enabled"),
        None => {}
    }
    let act = Act::new("operator.set", asked.who()).on(target);
    let act = act.because(why);
    let set = aside(&admin.operators, asked, act, move |operators| {
        let change = Change {
            role: match role.is_empty() {
                true => None,
                false => Some(role_of(&role)?),
            },
            rights: rights.as_deref().map(rights_of).transpose()?,
            lists: limit,
            disabled,
        };
        operators.set(&name, change, &by).map_err(status)
    });
    Ok(message(set.await?))
}

/// Ends all sessions of an operator: each of his browsers is asked for the password again.
pub(super) async fn end_sessions(
    operators: &Arc<Operators>,
    asked: &Asked,
    name: String,
    why: &str,
) -> Result<(), Status> {
    let by = may(asked)?;
    let act = Act::new("session.end", asked.who()).on(&name);
    let act = act.because(why);
    aside(operators, asked, act, move |operators| {
        operators.end_sessions(&name, &by).map_err(status)
    })
    .await
}

pub(super) async fn make_token(
    admin: &Admin,
    asked: &Asked,
    request: v1::MakeTokenRequest,
) -> Result<v1::MakeTokenResponse, Status> {
    let by = may(asked)?;
    let v1::MakeTokenRequest {
        name,
        role,
        rights,
        lives_s,
        lists,
    } = request;
    let target = format!("{name} as {}", asked_for(&role, &rights, lists.as_ref()));
    let limit = limit_of(admin, lists)?;
    let act = Act::new("token.make", asked.who()).on(target);
    let made = aside(&admin.operators, asked, act, move |operators| {
        let grant = grant_of(&role, &rights, limit)?;
        if lives_s == 0 {
            let why = "`lives_s` is 0: the token would be over at once";
            return Err(Status::invalid_argument(why));
        }
        let lives = Duration::from_secs(lives_s);
        let made = operators.make_token(&name, None, grant, lives, &by);
        made.map_err(status)
    });
    let (secret, token) = made.await?;
    Ok(v1::MakeTokenResponse {
        token: Some(token_message(token, String::new())),
        secret: secret.text().to_owned(),
    })
}

pub(super) async fn remove_token(
    operators: &Arc<Operators>,
    asked: &Asked,
    id: String,
) -> Result<(), Status> {
    let act = Act::new("token.remove", asked.who()).on(&id);
    aside(operators, asked, act, move |operators| {
        operators.remove_token(&id, None).map_err(status)
    })
    .await
}

/// What whoever asks has, and so may give away.
fn may(asked: &Asked) -> Result<Grant, Status> {
    let grant = asked.who.grant();
    grant.ok_or_else(|| Status::unauthenticated("nobody asks"))
}

/// What was asked for, in words, whether there is such a thing or not.
fn asked_for(role: &str, rights: &str, lists: Option<&v1::ListLimit>) -> String {
    let mut words = role.to_owned();
    if let Some(lists) = lists {
        words = format!("{words} of {}", lists.names.join(","));
    }
    match rights.is_empty() {
        true => words,
        false => format!("{words} with {rights}"),
    }
}

/// Errors: there is no such list, so whoever it is given to could do nothing.
pub(super) fn limit_of(
    admin: &Admin,
    asked: Option<v1::ListLimit>,
) -> Result<Option<ListLimit>, Status> {
    let Some(v1::ListLimit { names }) = asked else {
        return Ok(None);
    };
    if names.iter().any(|name| name == EVERY_LIST) {
        return Ok(Some(ListLimit::All));
    }
    if names.is_empty() {
        let why = "`lists` names none; write `*` for all of them";
        return Err(Status::invalid_argument(why));
    }
    let known = admin.lists.all();
    for name in &names {
        if !known
            .iter()
            .any(|list| list.name.eq_ignore_ascii_case(name.trim()))
        {
            let hint = suggest(name, known.iter().map(|list| &*list.name));
            let why = format!("no list named `{name}`; {hint}");
            return Err(Status::invalid_argument(why));
        }
    }
    Ok(Some(ListLimit::of(names)))
}

fn grant_of(role: &str, rights: &str, lists: Option<ListLimit>) -> Result<Grant, Status> {
    Ok(Grant {
        role: role_of(role)?,
        rights: rights_of(rights)?,
        lists: lists.unwrap_or_default(),
    })
}

/// As it is told: every one, or their names.
pub(super) fn limit_names(limit: &ListLimit) -> Vec<String> {
    match limit {
        ListLimit::All => vec![EVERY_LIST.to_owned()],
        limit => limit.names().into_iter().map(str::to_owned).collect(),
    }
}

pub(super) fn limit_message(limit: &ListLimit) -> Option<v1::ListLimit> {
    Some(v1::ListLimit {
        names: limit_names(limit),
    })
}

pub(super) fn role_of(role: &str) -> Result<Role, Status> {
    let why = || format!("`{role}` is not a role; write viewer, moderator or operator");
    Role::from_str(role).map_err(|_| Status::invalid_argument(why()))
}

pub(super) fn rights_of(rights: &str) -> Result<Rights, Status> {
    let why = || format!("`{rights}` are not rights; write text, audit or both with a comma");
    Rights::from_text(rights).ok_or_else(|| Status::invalid_argument(why()))
}

/// Records an act and does it, away from who answers others.
async fn aside<T: Send + 'static>(
    operators: &Arc<Operators>,
    asked: &Asked,
    act: Act,
    change: impl FnOnce(&Operators) -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    let begun = asked.begin(act).await?;
    let operators = Arc::clone(operators);
    let changing = move || {
        let done = change(&operators);
        match &done {
            Ok(_) => begun.done(),
            Err(status) => begun.failed(status.message()),
        }
        done
    };
    tokio::task::spawn_blocking(changing)
        .await
        .map_err(|error| Status::internal(error.to_string()))?
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what errors are mapped with"
)]
fn status(error: OperatorsError) -> Status {
    let why = error.to_string();
    match &error {
        _ if error.is_ours() => Status::unavailable(why),
        OperatorsError::Unknown(_) => Status::not_found(why),
        OperatorsError::Taken(_) => Status::already_exists(why),
        OperatorsError::Beyond(_) => Status::permission_denied(why),
        OperatorsError::Full(..) | OperatorsError::TooMany(_) => Status::resource_exhausted(why),
        _ => Status::invalid_argument(why),
    }
}

fn message(operator: Operator) -> v1::Operator {
    v1::Operator {
        name: operator.name,
        role: operator.grant.role.name().to_owned(),
        rights: operator.grant.rights.to_string(),
        lists: limit_message(&operator.grant.lists),
        disabled: operator.disabled,
        made_at_ms: operator.made_ms,
    }
}

fn token_message(token: Token, operator: String) -> v1::OperatorToken {
    v1::OperatorToken {
        operator,
        role: token.grant.role.name().to_owned(),
        rights: token.grant.rights.to_string(),
        lists: limit_message(&token.grant.lists),
        expires_at_ms: token.expires_ms,
        used_at_ms: token.used_ms(),
        id: token.id,
        name: token.name,
    }
}
