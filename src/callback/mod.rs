//! Asking and telling an endpoint: one HTTP call, and everything that protects both sides of it.
//!
//! Owns: connections, the circuit breaker, the limit of calls in flight, the address guard,
//! signatures, and the one place where a call's end becomes an [`Outcome`](crate::decision::Outcome).
//! Leaves alone: what an outcome leads to (`policy`), bodies and answers (`dialect`), and when an
//! event is delivered again (`delivery`).
//!
//! State belongs to an endpoint's name and URL, not to a policy version: it survives a reload.
//!
//! Order, downward: `preview`, `probe`, `ask`, `deliver`, `readiness`, `registry`, `endpoint_client`,
//! `cloudevents`, `failed`, `stored`, `delivery`, `verifier`, `secret`, `wire`, `clients`, `destination`, `pool`,
//! `connection`, `certificates`, `trust`, `own`, `health`, `breaker`, `window`, `source`, `guard`.

mod ask;
mod breaker;
mod certificates;
mod clients;
mod cloudevents;
mod connection;
mod deliver;
mod delivery;
mod destination;
mod endpoint_client;
mod failed;
mod guard;
mod health;
mod own;
mod pool;
mod preview;
mod probe;
mod readiness;
mod registry;
mod secret;
mod source;
mod stored;
mod trust;
mod verifier;
mod window;
mod wire;

pub use ask::{Asked, TimeBudget};
pub use certificates::check_tls;
pub use deliver::{batched_hooks, takes_batches};
pub use delivery::{Delivery, DeliveryError};
pub use endpoint_client::EndpointStatus;
pub use preview::preview;
pub use probe::{Heard, Probed, Reached, Unreached};
pub use readiness::Readiness;
pub use registry::{Callbacks, Side};
pub use secret::check_secret;
pub use stored::ReadEvent;
pub use verifier::{Signed, Verifier};
pub use wire::HOP_HEADER;
