//! What is wrong with the business servers of a policy, and with the way from the IM server to here.
//!
//! Owns: the harmless, marked calls that an endpoint is played, what is wrong with its answers, and
//! what callgate and the IM server alone make of them.
//! Leaves alone: how a call is made (`callback`), what is decided (`policy`), and who asks for it and
//! how it is shown (`cli`, `admin`).
//!
//! Nobody is called but endpoints that the policy names.
//!
//! Order, downward: `check_up`, `report`, `examine`, `webhooks`, `alone`, `judge`, `body`,
//! `fault`, `ways_out`, `calls`.

mod alone;
mod body;
mod calls;
mod check_up;
mod examine;
mod fault;
mod judge;
mod report;
mod ways_out;
mod webhooks;

pub use check_up::{Doctor, UnknownEndpoint, Wanted};
pub use examine::{CallResult, Examined, Found, Reach};
pub use report::Report;
pub use webhooks::{Here, Remark};
