//! What only an outbox in PostgreSQL has; the suite that every outbox passes is in `outbox::tests`.

/// Others have a use for what these tests do not do to a server.
#[allow(dead_code)]
#[path = "../../../../tests/postgres/cluster.rs"]
mod cluster;
mod crashes;
pub(in crate::outbox) mod own;
mod replicas;
mod schema;
mod server;
mod size;
mod spool;
