//! Word lists as people edit them, while they are in force.
//!
//! Owns: which file a list is, that it is saved whole and over nothing that somebody else wrote,
//! what an edit would hit, and what is said when it cannot be saved.
//! Leaves alone: what an edit does to lines (`editor`), what is in force (`reload`), who may ask
//! and what is recorded of it (`admin`).
//!
//! Order, downward: `preview`, `bulk`, `rows`, `changed`, `save`, `bases`, `write`, `place`.

mod bases;
mod bulk;
mod changed;
mod place;
mod preview;
mod rows;
mod save;
#[cfg(test)]
mod tests;
mod write;

pub use bulk::{Imported, Verdict, as_trial};
pub use changed::{Change, Deed, Event, LastChange, Story};
pub use preview::{Counts, Excerpt, Preview, Shift, Texts};
pub use rows::{ListShown, Page, RowShown, Wanted};
pub use save::{Base, Edit, Lists, NotSaved, Saved};
