//! Cases of a policy: a message, what the endpoint does, and the decision that must come out.
//!
//! Owns: reading `tests/*.yaml`, making the decisions, saying what differs, what is covered, and
//! refusing a policy that must pass its cases and does not.
//! Leaves alone: deciding itself (`decide`, whose steps are walked), how results are printed
//! (`cli`), and the time, which is passed in.
//!
//! Order, downward: `required`, `run`, `coverage`, `judge`, `came`, `read`, `case`, `play`.

mod came;
mod case;
mod coverage;
mod judge;
mod play;
mod read;
mod required;
mod run;

pub use case::Case;
pub use coverage::{Coverage, Covered, Covering};
pub use play::{Does, Play, ShortAnswer, read_plays};
pub use read::read_cases;
pub use required::compile;
pub use run::{Made, Ran, Stopwatch, run_case};
