//! Where operators connect: `/metrics`, `/healthz`, `/readyz`, `/status` and `AdminService`.
//!
//! Owns: what operators see and the orders they give.
//! Leaves alone: message traffic (`server`).
//!
//! Order, downward: `pages`, `grpc`, `metrics`, `status`, `shown`, `access`, `refusal`, `acts`, `doors`,
//! `who`, `certificates`, `observed`, `orders`, `outbox`.

mod access;
mod acts;
mod certificates;
pub mod doors;
mod grpc;
mod metrics;
mod observed;
pub mod orders;
pub mod outbox;
mod pages;
mod refusal;
mod shown;
mod status;
mod who;

pub use access::Access;
pub use certificates::{Certificates, PortsTls};
pub use doors::REFLECTION;
pub use observed::Observed;
pub use pages::router;
pub use shown::Admin;
