//! Who may do what at the operators' port.
//!
//! Owns: roles, rights, and what each is enough for.
//! Leaves alone: which page or method takes what (`admin`).
//!
//! Order, downward: `grant`.

mod grant;

pub use grant::{Capability, Grant, Rights, Role};
