//! What can go wrong between here and the database.

use crate::outbox::DatabaseError;

/// Why something could not be had, or be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("version {0} came first")]
    Overtaken(u64),
    #[error(
        "its tables in the schema `{schema}` have the form {found}, and this callgate knows {known}: \
         start the version that made them, or name another schema"
    )]
    Newer {
        schema: String,
        found: i64,
        known: i64,
    },
    #[error("version {0} in PostgreSQL is not as it was written")]
    Damaged(u64),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
