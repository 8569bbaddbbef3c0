//! Every metric, in one registry of our own. Names and labels are a contract.
//!
//! Labels are hooks, endpoints, lists and closed sets: never ids, never text. What a policy no
//! longer names is forgotten.
//!
//! Order, downward: `registry`, `callers`, `before`, `after`, `outbox`, `endpoints`, `policy`, `stage`,
//! `process`, `ports`, `tls`, `audit`, `operators`, `versions`, `history`, `recordings`, `trial`, `series`.

mod after;
mod audit;
mod before;
mod callers;
mod endpoints;
mod history;
mod operators;
mod outbox;
mod policy;
mod ports;
mod process;
mod recordings;
mod registry;
mod series;
mod stage;
mod tls;
mod trial;
mod versions;

pub use outbox::{OutboxGauges, OutboxTotals, StorageGauges};
pub use ports::PortMetrics;
pub use registry::Metrics;
pub use stage::Stage;
