//! Where operators connect: `/metrics`, `/healthz`, `/readyz`, `/status` and `AdminService`.
//!
//! Owns: what operators see and the orders they give.
//! Leaves alone: message traffic (`server`).
//!
//! Order, downward: `pages`, `grpc`, `metrics`, `status`, `shown`, `access`, `certificates`,
//! `observed`, `outbox`.

mod access;
mod certificates;
mod grpc;
mod metrics;
mod observed;
pub mod outbox;
mod pages;
mod shown;
mod status;

pub use access::Access;
pub use certificates::{Certificates, PortsTls};
pub use observed::Observed;
pub use pages::router;
pub use shown::Admin;
