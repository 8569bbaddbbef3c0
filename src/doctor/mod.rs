//! What is wrong with the business servers of a policy, and with the way from the IM server to here.
//!
//! Owns: the harmless, marked calls that an endpoint is played, what is wrong with its answers, and
//! what callgate and the IM server alone make of them.
//! Leaves alone: how a call is made (`callback`), what is decided (`policy`), and who asks for it and
//! how it is shown (`cli`, `admin`).
//!
//! Nobody is called but endpoints that the policy names.
//!
//! What people read of it is written in both languages of the console ([`Said`]): a fault that lacks
//! one does not compile.
//!
//! Order, downward: `check_up`, `report`, `examine`, `webhooks`, `alone`, `judge`, `body`,
//! `ways_out`, `fault`, `meanings`, `said`, `calls`.

mod alone;
mod body;
mod calls;
mod check_up;
mod examine;
mod fault;
mod judge;
mod meanings;
mod report;
mod said;
mod ways_out;
mod webhooks;

pub use check_up::{Doctor, UnknownEndpoint, Wanted};
pub use examine::{CallResult, Examined, Found, Reach};
pub use fault::FaultKind;
pub use report::Report;
pub use said::Said;
pub use webhooks::{Here, Remark, RemarkKind};
