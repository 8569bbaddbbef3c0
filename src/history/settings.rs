//! What is kept, how much and how long.

use std::path::PathBuf;
use std::time::Duration;

use strum::{EnumCount, IntoStaticStr, VariantArray};

use crate::event::closed_set;

/// What becomes of the texts of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum TextLevel {
    /// They are not kept.
    None,
    /// The last ones are kept in memory, and are never on a disk.
    Memory,
    /// They are on disk under a key a day, and forgotten with the key.
    Sealed,
}

closed_set!(TextLevel);

/// How ids of users and messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum IdForm {
    Plain,
    /// Under a key of this installation: who knows an id finds it, and nobody reads one.
    Hashed,
}

closed_set!(IdForm);

/// Where decisions are kept, and how many.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Nothing is kept without it.
    pub enabled: bool,
    pub folder: PathBuf,
    /// How long a decision is kept.
    pub keep: Duration,
    /// Past this the oldest go earlier, plain allows first.
    pub bytes_max: u64,
    pub ids: IdForm,
    pub texts: TextLevel,
    /// Texts in memory: how many, how large together, how long.
    pub texts_max: usize,
    pub texts_bytes_max: usize,
    pub texts_keep: Duration,
    /// How long the key of a day is kept at level `sealed`.
    pub sealed_keep: Duration,
    /// Of what is no plain allow, in a second.
    pub decisions_per_second_max: u32,
    /// Plain allows in a second before a share of them stands for all.
    pub allows_per_second_max: u32,
    /// What waits for the writer.
    pub queue_rows_max: usize,
    pub queue_bytes_max: usize,
    pub sinks: SinkSettings,
}

/// Where decisions go beside the files of the history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SinkSettings {
    pub ndjson: Option<NdjsonSettings>,
    pub otlp: Option<OtlpSettings>,
    /// What waits for each of them.
    pub queue_rows_max: usize,
}

/// A file of JSON lines.
#[derive(Clone, Debug, PartialEq)]
pub struct NdjsonSettings {
    pub path: PathBuf,
    /// With this much it gets a successor.
    pub bytes_max: u64,
    /// How many there are, with the one that is written to.
    pub files_max: u32,
}

/// A collector that speaks OTLP over gRPC.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpSettings {
    pub endpoint: String,
    pub timeout: Duration,
    /// Each decision is a span too, with its stages.
    pub traces: bool,
}
