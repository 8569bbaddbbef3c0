//! All that was found.

use serde::Serialize;

use super::examine::Examined;
use super::webhooks::Remark;

/// What a look at the endpoints of a policy found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Nothing is grave, or nothing is found at all, as was wanted.
    pub ok: bool,
    /// How many faults are grave.
    pub grave: usize,
    /// How many are not.
    pub warnings: usize,
    pub endpoints: Vec<Examined>,
    /// The IM server's own file.
    pub webhooks: Vec<Remark>,
}

impl Report {
    pub(super) fn new(
        endpoints: Vec<Examined>,
        webhooks: Vec<Remark>,
        deny_warnings: bool,
    ) -> Report {
        let faults = endpoints
            .iter()
            .flat_map(|one| &one.faults)
            .map(|fault| fault.grave);
        let remarks = webhooks.iter().filter(|remark| !remark.is_good());
        let all: Vec<bool> = faults.chain(remarks.map(|remark| remark.grave)).collect();
        let grave = all.iter().filter(|is_grave| **is_grave).count();
        let warnings = all.len() - grave;
        Report {
            ok: grave == 0 && !(deny_warnings && warnings > 0),
            grave,
            warnings,
            endpoints,
            webhooks,
        }
    }

    /// An endpoint could not even be asked.
    pub fn is_unreachable(&self) -> bool {
        self.endpoints.iter().any(Examined::is_unreachable)
    }
}
