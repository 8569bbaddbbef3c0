//! Who may do what at the operators' port, and how they are known there.
//!
//! Owns: operators with their roles, rights and passwords; invitations, sessions, tokens; their
//! file; how fast passwords can be guessed.
//! Leaves alone: which page or method takes what, and what is shown (`admin`).
//!
//! Nothing that lets somebody in is kept: of links, sessions and tokens the SHA-256, of passwords
//! what Argon2id makes of them. Everything is in memory too, so that nobody who only looks waits
//! for a disk.
//!
//! Order, downward: `way_in`, `register`, `proxied`, `file`, `known`, `passwords`, `throttle`, `secret`, `error`, `grant`.

mod error;
mod file;
mod grant;
mod known;
mod passwords;
mod proxied;
mod register;
mod secret;
#[cfg(test)]
mod tests;
mod throttle;
mod way_in;

pub use error::OperatorsError;
pub use file::end_sessions;
pub use grant::{Capability, Grant, ListLimit, Rights, Role};
pub use known::{By, Identity, Operator, Session, Token};
pub use proxied::{ProxyIdentity, ProxyRefused, ProxySettings, SECRET_BYTES_MIN, SecretPlace};
pub use register::{Change, Invited, Operators};
pub use secret::Secret;
