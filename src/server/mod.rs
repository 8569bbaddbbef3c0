//! Where IM servers and message services connect: HTTP in an IM server's own form, and gRPC.
//!
//! Owns: listening, limits of what comes in, and the translation between the wire and events.
//! Leaves alone: every rule about messages (`hook`, `policy`).
//!
//! Order, downward: `files`, `inherit`, `listen`, `stack`, `proxied`, `tls`, `exchange`, `calls`, `table`, `http`,
//! `own_calls`, `bodies`, `guard`, `services`, `wukongim_grpc`, `webhook`, `grpc`, `caller`,
//! `connection`, `socket`, `unread`, `deadline`, `eager`, `codes`, `message`.

mod bodies;
mod caller;
mod calls;
mod codes;
mod connection;
mod deadline;
mod eager;
mod exchange;
mod files;
mod grpc;
mod guard;
mod http;
mod inherit;
mod listen;
mod message;
mod own_calls;
mod proxied;
mod services;
mod socket;
mod stack;
mod table;
mod tls;
mod unread;
mod webhook;
mod wukongim_grpc;

pub use bodies::{BodyBudget, BodyLimits};
pub use caller::bearer;
pub use calls::Routes;
pub use connection::{Patience, Peer};
pub use deadline::keep_deadlines;
pub use files::{Fit, hard_limit, raise_limit};
pub use grpc::GrpcSettings;
pub use guard::{
    Hosts, is_json, refuse_browsers, refuse_foreign_calls, refuse_foreign_forms,
    refuse_foreign_host, refuse_foreign_orders,
};
pub use http::{HttpSettings, Listener};
pub use inherit::{Inherited, PORT_NAMES};
pub use listen::{Port, listen};
pub use message::{before_event, decision_response};
pub use own_calls::OwnCalls;
pub use proxied::Proxied;
pub use services::{Health, grpc_routes, reflection};
pub use stack::{Stack, StackSettings, Wire};
pub use table::ConnectionLimits;
pub use tls::Secured;
pub use webhook::{WebhookSettings, Webhooks};
