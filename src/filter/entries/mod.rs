//! From lists to patterns: each entry folded, checked, in all its forms.
//!
//! Order, downward: `reader`, `forms`, `parts`.

mod forms;
mod parts;
mod reader;

pub(super) use self::forms::Components;
pub(super) use self::parts::{Part, append as part};
pub(super) use self::reader::{Drafts, read, read_phrases, without_wildcards};
