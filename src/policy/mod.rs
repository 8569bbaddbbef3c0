//! A policy: from the files' content to a snapshot, and from a snapshot to decisions.
//!
//! Owns: what the files say and what is wrong with them, which rules hold for an event, what
//! matches and answers lead to.
//! Leaves alone: how a file is read into a tree (`settings`), reading files and noticing edits
//! (`reload`), finding words (`filter`), asking endpoints (`callback`).
//! No IO, no clock.
//!
//! Read `compile.rs` for the way in, and `decide.rs` for the way out.
//!
//! Order, downward: `cases`, `replay`, `explain`, `decide`, `conclude`, `effect`, `screen`, `unmaskable`, `places`, `lint`, `everyday`,
//! `word_lists`, `compile`, `snapshot`, `secrets`, `review`, `times`, `lists`, `list_line`, `spec`, `sources`, `overrides`,
//! `openim_config`, `texts`, `budget`, `failure`, `type_set`, `trial`, `callers`, `endpoint`, `url_address`, `url_prefix`.

mod budget;
mod callers;
mod cases;
mod compile;
mod conclude;
mod decide;
mod effect;
mod endpoint;
mod everyday;
mod explain;
mod failure;
mod lint;
mod list_line;
mod lists;
mod openim_config;
mod overrides;
mod places;
mod replay;
mod review;
mod screen;
mod secrets;
mod snapshot;
mod sources;
mod spec;
#[cfg(test)]
mod tests;
mod texts;
mod times;
mod trial;
mod type_set;
mod unmaskable;
mod url_address;
mod url_prefix;
mod word_lists;

pub use callers::{CallerLimits, CallerRule, CallerRules, CertificateName, Digest, Secrets};
pub use cases::{
    Case, Coverage, Covered, Covering, Does, Made, Play, Ran, ShortAnswer, Stopwatch, compile,
    read_cases, read_plays, run_case,
};
pub use compile::{Compiled, compile as compile_untried, content_hash};
pub use decide::{Ask, Scan, Step};
pub use effect::Effect;
pub use endpoint::{
    BreakerSettings, Endpoint, EndpointTls, EventFormat, EventSettings, Secret, SecretSource,
    SignSettings,
};
pub use everyday::{everyday_messages, language_name, messages_of};
pub use explain::{Draft, ExplainedMatch, ExplainedText, Explanation, Forward, WriteCall};
pub use failure::FailureActions;
pub use lint::lint;
pub use list_line::{EntryLine, ListLine, written_entry};
pub use lists::{Entries, read_list};
pub use openim_config::{Converted, convert_file};
pub use overrides::Override;
pub use places::Cause;
pub use replay::{
    Asked as RecordedAnswer, AtRecording, Differences, Expected, RecordedCall,
    Report as ReplayReport,
};
pub use screen::Found;
pub use secrets::Outside;
pub use snapshot::{HookRules, ListRules, Snapshot, Version};
pub use sources::{CompileContext, DEFAULTS, FileSet, SecretCheck, TlsCheck};
pub use spec::{LOCAL_NAME, TRIAL};
pub use times::less_margin;
pub use trial::{TrialEnds, TrialMode, TrialRules};
pub use type_set::TypeSet;
pub use unmaskable::Unmaskable;
pub use url_address::UrlAddress;
pub use url_prefix::UrlPrefix;
pub use word_lists::WordList;
