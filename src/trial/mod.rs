//! A candidate policy that is judged beside the ruling one, or rules a share of the conversations.
//!
//! Owns: which policy a conversation sees, the comparison of the two, what ends a trial by itself,
//! and what is kept of it over a restart.
//! Leaves alone: how the candidate's files are read and watched (`reload`), how files take the place
//! of others whole (`versions`), and asking endpoints (`hook`): no endpoint is asked for a
//! comparison. Where the policy that did not decide would have asked something that was not asked,
//! the two are not comparable, which is counted.
//!
//! Deciding waits for nothing here: what is to be compared is put into a bounded queue, and what
//! does not fit is counted and left out. A conversation outside of the share costs one hash of its
//! name.
//!
//! Order, downward: `trials`, `promotion`, `candidate`, `status`, `kept`, `tally`, `bet`, `running`, `judge`,
//! `share`.

mod bet;
mod candidate;
mod judge;
mod kept;
mod promotion;
mod running;
mod share;
mod status;
mod tally;
mod trials;

pub use judge::Heard;
pub use promotion::{TrialError, promotion};
pub use running::{Seen, Taking};
pub use status::{Counts, Difference, Status};
pub use trials::Trials;
