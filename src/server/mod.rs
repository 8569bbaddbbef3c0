//! Where IM servers and message services connect: HTTP in an IM server's own form, and gRPC.
//!
//! Owns: listening, limits of what comes in, and the translation between the wire and events.
//! Leaves alone: every rule about messages (`hook`, `policy`).

mod gate;
mod grpc;
mod http;
mod lanes;
mod message;
mod webhook;
mod wukongim_grpc;

pub use gate::Gate;
pub use grpc::{GrpcSettings, hook_service};
pub use http::{HttpSettings, router};
pub use lanes::{Incoming, serve as serve_lanes};
pub use message::{before_event, decision_response};
pub use webhook::{WebhookSettings, Webhooks};
pub use wukongim_grpc::webhook_service;
