//! Where the policy files are, for every command that reads them.

use std::path::PathBuf;

/// Where the policy is.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Files {
    /// Directory with policy.yaml, engine.yaml and word lists.
    #[arg(
        long,
        global = true,
        env = "CALLGATE_POLICIES",
        default_value = "policies",
        value_name = "DIR"
    )]
    pub policies: PathBuf,
}
