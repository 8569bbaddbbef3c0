//! What only an outbox in PostgreSQL has; the suite that every outbox passes is in `outbox::tests`.

#[path = "../../../../tests/postgres/cluster.rs"]
mod cluster;
mod crashes;
pub(in crate::outbox) mod own;
mod replicas;
mod schema;
mod server;
mod size;
mod spool;
