//! Where IM servers and message services connect: HTTP in an IM server's own form, and gRPC.
//!
//! Owns: listening, limits of what comes in, and the translation between the wire and events.
//! Leaves alone: every rule about messages (`hook`, `policy`).
//!
//! Order, downward: `listen`, `stack`, `http`, `services`, `wukongim_grpc`, `webhook`, `grpc`,
//! `message`, `gate`.

mod gate;
mod grpc;
mod http;
mod listen;
mod message;
mod services;
mod stack;
mod webhook;
mod wukongim_grpc;

pub use gate::Gate;
pub use grpc::GrpcSettings;
pub use http::{HttpSettings, router};
pub use listen::{Port, Workers, listen};
pub use message::{before_event, decision_response};
pub use services::{Health, grpc_routes};
pub use stack::{Peer, Stack, Wire};
pub use webhook::{WebhookSettings, Webhooks};
