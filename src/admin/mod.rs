//! Where operators connect: `/metrics`, `/healthz`, `/readyz`, `/status`, the way in, the JSON API
//! and `AdminService`.
//!
//! Owns: what operators see and the orders they give.
//! Leaves alone: message traffic (`server`).
//!
//! Order, downward: `pages`, `console`, `events`, `api`, `grpc`, `metrics`, `status`, `outbox_plans`,
//! `list_plans`, `list_rows`, `operator_plans`, `doctor`, `operators`, `trying`, `decisions`, `replay`, `trial`, `word_lists`, `shown`, `plans`, `access`, `browser`,
//! `refusal`, `problem`, `acts`, `paths`,
//! `doors`, `who`, `certificates`, `observed`, `lately`, `orders`, `outbox`, `versions`, `storage`,
//! `check_ups`.

mod access;
mod acts;
mod api;
mod browser;
mod certificates;
mod check_ups;
mod console;
mod decisions;
mod doctor;
pub mod doors;
mod events;
mod grpc;
mod lately;
mod list_plans;
mod list_rows;
mod metrics;
mod observed;
mod operator_plans;
mod operators;
pub mod orders;
pub mod outbox;
mod outbox_plans;
mod pages;
mod paths;
mod plans;
mod problem;
mod refusal;
mod replay;
mod shown;
mod status;
mod storage;
mod trial;
mod trying;
pub mod versions;
mod who;
mod word_lists;

pub use access::Access;
pub use certificates::{Certificates, PortsTls};
pub use check_ups::CheckUps;
pub use doors::REFLECTION;
pub use lately::Lately;
pub use observed::Observed;
pub use pages::router;
pub use plans::Plans;
pub use shown::{Admin, ApiLimits};
pub use storage::backup_act;
