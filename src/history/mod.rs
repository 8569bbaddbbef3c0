//! What was decided, searchable for a while: why a message was blocked yesterday, and what went
//! through unreviewed.
//!
//! Owns: which decisions are kept, their files, how long, what is forgotten, how they are found.
//! Leaves alone: who may look (`admin`), how decisions are made (`hook`).
//!
//! Neither the text of a message nor what matched in it is ever in these records; a match names its
//! list, its line and a hash of its entry. Texts are kept apart, by the level of `texts`.
//!
//! Whoever decides puts a record into a bounded queue and goes on; one thread writes. What that
//! thread cannot take is dropped and counted, and no decision waits for it.
//!
//! Order, downward: `recorder`, `writer`, `in_force`, `table`, `query`, `hits`, `reading`, `conditions`, `shared`, `sinks`,
//! `ndjson`, `otlp`, `takes`, `forget`, `trouble`, `store`, `segment`, `catalog`, `prepare`,
//! `row`, `recent`, `sealing`, `id_form`, `queue`, `counts`, `sampler`, `record`, `place`,
//! `hash`, `span`, `outcome`, `id`, `settings`.

mod catalog;
mod conditions;
mod counts;
mod forget;
mod hash;
mod hits;
mod id;
mod id_form;
mod in_force;
mod ndjson;
mod otlp;
mod outcome;
mod place;
mod prepare;
mod query;
mod queue;
mod reading;
mod recent;
mod record;
mod recorder;
mod row;
mod sampler;
mod sealing;
mod segment;
mod settings;
mod shared;
mod sinks;
mod span;
mod store;
mod table;
mod takes;
#[cfg(test)]
mod tests;
mod trouble;
mod writer;

pub use conditions::{Filter, WordForms};
pub use forget::Forgotten;
pub use hash::hash_of as entry_hash;
pub use hits::{Hits, HitsFound};
pub use id::DecisionId;
pub use in_force::EntryNow;
pub use outcome::Kind;
pub use query::{Counted, Counts, Page};
pub use reading::HistoryError;
pub use recent::RecentText;
pub use record::{Answered, PlacedText, Told};
pub use recorder::History;
pub use row::{Row, RowMatch, RowVersion};
pub(crate) use sealing::{DayKey, Keys};
pub(crate) use segment::{FileId, file_id};
pub use settings::{IdForm, NdjsonSettings, OtlpSettings, Settings, SinkSettings, TextLevel};
pub use span::{SpanId, Stage};
pub use table::{CSV_HEAD, csv_line};
