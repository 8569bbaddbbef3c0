//! Plans about what an operator may, and about who is logged in.

use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use serde_json::json;
use tonic::Status;

use super::operators;
use super::plans::{Doing, Draft, Summary};
use super::shown::Admin;
use crate::operators::{Capability, Operator};
use crate::proto::v1;

/// What is to become of an operator.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub set: v1::SetOperatorRequest,
    /// His sessions end, also where nothing else becomes another.
    pub end_sessions: bool,
}

/// Says what would be changed. Whoever runs it may not give away more than he has.
///
/// Errors: there is no such operator, role or right, or nothing would be another.
pub(super) fn draft(admin: &Admin, mut wanted: Wanted) -> Result<Draft, Status> {
    if !wanted.set.role.is_empty() {
        operators::role_of(&wanted.set.role)?;
    }
    if let Some(rights) = &mut wanted.set.rights {
        // In whatever order they were named.
        *rights = operators::rights_of(rights)?.to_string();
    }
    if let Some(lists) = operators::limit_of(admin, wanted.set.lists.take())? {
        wanted.set.lists = operators::limit_message(&lists);
    }
    let now = find(admin, &wanted.set.name)?;
    let changes = changes(&now, &wanted.set);
    if changes.is_empty() && !wanted.end_sessions {
        return Err(Status::failed_precondition("nothing would be another"));
    }
    let sessions = admin.operators.sessions(now.id).len();
    let admin = admin.clone();
    let english: Vec<&str> = changes.iter().map(|one| &*one.english).collect();
    Ok(Draft {
        summary: summary(&now.name, &changes, sessions),
        rows: 1,
        name: now.name.clone(),
        capability: Capability::Appoint,
        facts: json!({ "name": now.name, "changes": english, "sessions": sessions }),
        run: Box::new(move |doing| change(admin, now, wanted, doing).boxed()),
    })
}

/// What would be another than it is.
fn changes(now: &Operator, set: &v1::SetOperatorRequest) -> Vec<Summary> {
    let mut changes = Vec::new();
    let mut add = |english: String, chinese: String| changes.push(Summary { english, chinese });
    let (role, old) = (&set.role, now.grant.role.name());
    if !role.is_empty() && role != old {
        add(
            format!("role {role} instead of {old}"),
            format!("角色由 {old} 改为 {role}"),
        );
    }
    let old = now.grant.rights.to_string();
    if let Some(rights) = set.rights.as_ref().filter(|rights| **rights != old) {
        add(
            format!("rights `{rights}` instead of `{old}`"),
            format!("权限由 `{old}` 改为 `{rights}`"),
        );
    }
    let old = operators::limit_names(&now.grant.lists);
    if let Some(lists) = set.lists.as_ref().filter(|lists| lists.names != old) {
        let (lists, old) = (lists.names.join(","), old.join(","));
        add(
            format!("lists `{lists}` instead of `{old}`"),
            format!("词表由 `{old}` 改为 `{lists}`"),
        );
    }
    match set.disabled {
        Some(true) if !now.disabled => add("shut out".to_owned(), "停用".to_owned()),
        Some(false) if now.disabled => add("let in again".to_owned(), "重新启用".to_owned()),
        _ => {}
    }
    changes
}

fn summary(name: &str, changes: &[Summary], sessions: usize) -> Summary {
    let ends = match sessions {
        1 => "1 session ends".to_owned(),
        many => format!("{many} sessions end"),
    };
    let english: Vec<&str> = changes.iter().map(|one| &*one.english).collect();
    let mut chinese: Vec<&str> = changes.iter().map(|one| &*one.chinese).collect();
    let ended = format!("结束 {sessions} 个会话");
    let english = match english.is_empty() {
        true => ends,
        false => format!("{}; {ends}", english.join(", ")),
    };
    chinese.push(&ended);
    Summary {
        english: format!("`{name}`: {english}"),
        chinese: format!("`{name}`：{}", chinese.join("；")),
    }
}

fn find(admin: &Admin, name: &str) -> Result<Operator, Status> {
    let all = admin.operators.operators();
    let found = all
        .into_iter()
        .find(|one| one.name.to_lowercase() == name.to_lowercase());
    found.ok_or_else(|| Status::not_found(format!("there is no operator `{name}`")))
}

async fn change(
    admin: Admin,
    planned: Operator,
    wanted: Wanted,
    doing: Doing,
) -> Result<(), Status> {
    let now = find(&admin, &wanted.set.name)?;
    if now.id != planned.id || now.grant != planned.grant || now.disabled != planned.disabled {
        let why = "somebody else changed this operator meanwhile; plan it anew";
        return Err(Status::failed_precondition(why));
    }
    match changes(&now, &wanted.set).is_empty() {
        true => {
            operators::end_sessions(&admin.operators, &doing.asked, now.name, &doing.why).await?;
        }
        // His sessions end with it.
        false => {
            operators::set(&admin, &doing.asked, wanted.set, &doing.why).await?;
        }
    }
    doing.done.store(1, Ordering::Relaxed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_what_becomes_another_in_each_language() {
        let changes = [
            Summary {
                english: "role viewer instead of operator".to_owned(),
                chinese: "角色由 operator 改为 viewer".to_owned(),
            },
            Summary {
                english: "shut out".to_owned(),
                chinese: "停用".to_owned(),
            },
        ];
        let both = summary("ann", &changes, 2);
        let english = "`ann`: role viewer instead of operator, shut out; 2 sessions end";
        assert_eq!(both.english, english);
        let chinese = "`ann`：角色由 operator 改为 viewer；停用；结束 2 个会话";
        assert_eq!(both.chinese, chinese);
        assert_eq!(summary("ann", &[], 1).english, "`ann`: 1 session ends");
    }
}
