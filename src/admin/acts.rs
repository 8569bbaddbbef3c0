//! What is done at the operators' port: every act is recorded before it happens, with who asked.

use std::net::IpAddr;
use std::sync::Arc;

use tonic::{Request, Status};

use super::who::Who;
use crate::audit::{Act, Audit, Begun};
use crate::operators::Capability;

/// Who asks for something and from where; stands beside each request that is let in.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) audit: Arc<Audit>,
    pub(super) who: Who,
    pub(super) from: Option<IpAddr>,
    pub(super) capability: Capability,
}

impl Asked {
    /// Errors: nobody let the request in, which is a fault of ours.
    pub(super) fn of<T>(request: &Request<T>) -> Result<Asked, Status> {
        let asked = request.extensions().get::<Asked>().cloned();
        asked.ok_or_else(|| Status::internal("nothing says who asks"))
    }

    /// As what somebody stands in the audit.
    pub(super) fn who(&self) -> crate::audit::Who {
        self.who.in_audit(self.from)
    }

    /// Refuses what takes more than the door did.
    pub(super) fn must(&self, capability: Capability, act: Act) -> Result<(), Status> {
        if self.who.may(capability) {
            return Ok(());
        }
        let why = format!("it takes the right `{}`", name(capability));
        self.audit.refuse(self.placed(act, capability), &why);
        Err(Status::permission_denied(why))
    }

    /// Records that an act was asked for and not done, unless very many such are.
    pub(super) fn refuse(&self, act: Act, why: &str) {
        self.audit.refuse(self.placed(act, self.capability), why);
    }

    /// Records an act that is done right after.
    ///
    /// Errors: it cannot be recorded, and must not be done.
    pub(super) async fn record(&self, act: Act) -> Result<(), Status> {
        let recorded = self.audit.recorded(self.placed(act, self.capability)).await;
        recorded.map(drop).map_err(unkept)
    }

    /// Records that an act begins.
    ///
    /// Errors: it cannot be recorded, and must not begin.
    pub(super) async fn begin(&self, act: Act) -> Result<Begun, Status> {
        let begun = self.audit.begun(self.placed(act, self.capability)).await;
        begun.map_err(unkept)
    }

    fn placed(&self, act: Act, capability: Capability) -> Act {
        let act = act.from(self.from);
        act.needs(name(capability))
    }
}

fn unkept(error: crate::audit::AuditError) -> Status {
    Status::unavailable(error.to_string())
}

/// Records that somebody was not let in.
pub(super) fn refused(
    audit: &Arc<Audit>,
    who: &Who,
    from: Option<IpAddr>,
    capability: Option<Capability>,
    target: &str,
    why: &str,
) {
    let act = Act::new("port.refused", who.in_audit(from))
        .from(from)
        .on(target);
    let act = match capability {
        Some(capability) => act.needs(name(capability)),
        None => act,
    };
    audit.refuse(act, why);
}

/// What a right is called in the audit.
pub(super) fn name(capability: Capability) -> String {
    format!("{capability:?}").to_lowercase()
}
