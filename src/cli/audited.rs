//! The audit, for commands that do something to the files of a server themselves.

use std::sync::Arc;

use crate::audit::{Audit, Who};
use crate::config::Config;

/// Where this command records what it does, as a server would.
pub(super) fn open(config: &Config) -> Arc<Audit> {
    Arc::new(Audit::open(config.audit.clone(), Arc::default()))
}

/// Whoever runs this command.
pub(super) fn who() -> Who {
    #[cfg(unix)]
    let uid = Some(rustix::process::getuid().as_raw());
    #[cfg(not(unix))]
    let uid = None;
    Who::Cli { uid }
}
