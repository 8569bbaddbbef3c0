//! Plans about what an operator may.

use futures_util::FutureExt;
use serde_json::json;
use tonic::Status;

use super::operators;
use super::plans::{Doing, Draft};
use super::shown::Admin;
use crate::operators::{Capability, Operator};
use crate::proto::v1;

/// Says what would be changed. Whoever runs it may not give away more than he has.
///
/// Errors: there is no such operator, or nothing would be another.
pub(super) fn draft(admin: &Admin, request: v1::SetOperatorRequest) -> Result<Draft, Status> {
    let now = find(admin, &request.name)?;
    let mut changes = Vec::new();
    if !request.role.is_empty() && request.role != now.grant.role.name() {
        changes.push(format!(
            "role {} instead of {}",
            request.role,
            now.grant.role.name()
        ));
    }
    if let Some(rights) = &request.rights
        && *rights != now.grant.rights.to_string()
    {
        let old = now.grant.rights;
        changes.push(format!("rights `{rights}` instead of `{old}`"));
    }
    if let Some(lists) = &request.lists {
        let old = operators::limit_names(&now.grant.lists);
        if lists.names != old {
            let (new, old) = (lists.names.join(","), old.join(","));
            changes.push(format!("lists `{new}` instead of `{old}`"));
        }
    }
    match request.disabled {
        Some(true) if !now.disabled => changes.push("shut out".to_owned()),
        Some(false) if now.disabled => changes.push("let in again".to_owned()),
        _ => {}
    }
    if changes.is_empty() {
        return Err(Status::failed_precondition("nothing would be another"));
    }
    let sessions = admin.operators.sessions(now.id).len();
    let admin = admin.clone();
    Ok(Draft {
        summary: format!(
            "`{}`: {}; {sessions} sessions end",
            now.name,
            changes.join(", ")
        ),
        rows: 1,
        name: now.name.clone(),
        capability: Capability::Appoint,
        facts: json!({ "name": now.name, "changes": changes, "sessions": sessions }),
        run: Box::new(move |doing| change(admin, now, request, doing).boxed()),
    })
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
    request: v1::SetOperatorRequest,
    doing: Doing,
) -> Result<(), Status> {
    let now = find(&admin, &request.name)?;
    if now.id != planned.id || now.grant != planned.grant || now.disabled != planned.disabled {
        let why = "somebody else changed this operator meanwhile; plan it anew";
        return Err(Status::failed_precondition(why));
    }
    operators::set(&admin, &doing.asked, request, &doing.why).await?;
    doing.done.store(1, std::sync::atomic::Ordering::Relaxed);
    Ok(())
}
