//! Brings what the outbox holds to the endpoints.
//!
//! One task per endpoint with pending events (`worker`) claims what is due and has requests carry
//! it. A request delivers its events and settles them; what was not put on the wire uses up no
//! attempt.
//!
//! Owns: when an event is tried, with which others, how often, and when it is given up; when an
//! endpoint is paused.
//! Leaves alone: one call and its protections (`callback`), what is stored (`outbox`).
//!
//! Order, downward: `supervisor`, `worker`, `health`, `request`, `attempt`, `usage`, `tools`,
//! `batch`, `pace`.

mod attempt;
mod batch;
mod health;
mod pace;
mod request;
mod supervisor;
#[cfg(test)]
mod tests;
mod tools;
mod usage;
mod worker;

pub use supervisor::Supervisor;
pub use usage::watch_usage;
