//! What operators see of the outbox and do about what it holds, as messages of `AdminService`.
//!
//! The command line uses it on a running server through gRPC, and on a file that no server has
//! open directly, so both say the same.
//!
//! Order, downward: `shown`, `carried_out`, `meant`, `told`.

mod carried_out;
mod meant;
mod shown;
mod told;

pub use carried_out::{Progress, discard, replay, retry};
pub(super) use carried_out::{discard_as_of, replay_as_of};
pub(super) use meant::meant_dead;
pub use meant::{Named, check_names};
pub use shown::{dead, discarded, pending, status};
