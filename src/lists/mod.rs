//! Word lists as people edit them, while they are in force.
//!
//! Owns: which file a list is, that it is saved whole and over nothing that somebody else wrote,
//! that an entry which goes to another list is in one of both at any time, what an edit would hit,
//! and what is said when it cannot be saved.
//! Leaves alone: what an edit does to lines (`editor`), what is in force (`reload`), who may ask
//! and what is recorded of it (`admin`).
//!
//! Order, downward: `preview`, `move_shown`, `bulk`, `rows`, `changed`, `save`, `made`, `edit`, `bases`, `write`,
//! `place`.

mod bases;
mod bulk;
mod changed;
mod edit;
mod made;
mod move_shown;
mod place;
mod preview;
mod rows;
mod save;
#[cfg(test)]
mod tests;
mod write;

pub use bulk::{Imported, Verdict, as_trial};
pub use changed::{Change, Deed, Event, LastChange, Story};
pub use edit::{Base, Edit, Lists, Moved, NotSaved, Saved};
pub use move_shown::{ActionShown, MoveShown};
pub use preview::{Counts, Excerpt, Preview, Shift, Texts};
pub use rows::{ListShown, Page, RowShown, Wanted};
