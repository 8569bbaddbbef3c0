//! Settings: from files and the environment to a tree whose every value knows its place.
//!
//! Owns: YAML with lines and columns, merging layers, reading typed values, what is wrong and
//! where, near misses.
//! Leaves alone: which settings there are (`policy`, `config`) and where files come from
//! (`reload`).
//! No IO, no clock.
//!
//! Order, downward: `probes` (tests alone), `layers`, `reader`, `item`, `document`, `tree`,
//! `problem`, `shown`.

mod document;
mod item;
mod layers;
#[cfg(test)]
pub(crate) mod probes;
mod problem;
mod reader;
mod shown;
mod tree;

pub use document::{parse, place_of_byte};
pub use item::Item;
pub use layers::{Layer, from_environment, merge, without_nulls};
pub use problem::{At, Place, Problem, Problems, Severity, suggest};
pub use reader::{Field, Section};
pub use shown::shown_key;
pub use tree::{Entry, Map, Node, Value, in_file_order};
