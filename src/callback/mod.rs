//! Asking and telling an endpoint: one HTTP call, and everything that protects both sides of it.
//!
//! Owns: connections, the circuit breaker, the limit of calls in flight, the address guard,
//! signatures, and the one place where a call's end becomes an [`Outcome`](crate::decision::Outcome).
//! Leaves alone: what an outcome leads to (`policy`), bodies and answers (`dialect`), and when an
//! event is told again (`hook::deliver`).
//!
//! State belongs to an endpoint's name and URL, not to a policy version: it survives a reload.
//!
//! Order, downward: `ask`, `tell`, `registry`, `endpoint_client`, `cloudevents`, `failed`, `letter`,
//! `told`, `secret`, `wire`, `breaker`, `guard`.

mod ask;
mod breaker;
mod cloudevents;
mod endpoint_client;
mod failed;
mod guard;
mod registry;
mod secret;
mod tell;
mod told;
mod wire;

pub use ask::{Asked, TimeBudget};
pub use endpoint_client::EndpointStatus;
pub use registry::Callbacks;
pub use tell::{Letter, Readiness, Stored};
pub use told::{Miss, Told};
