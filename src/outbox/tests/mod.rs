//! The suite that every outbox passes.
//!
//! `bench` holds the script runner and `model` the slow outbox of random calls.

pub(in crate::outbox) mod bench;
mod model;

mod append;
mod dead;
mod moving;
mod order;
mod pending;
mod restart;
mod series;
mod settle;
