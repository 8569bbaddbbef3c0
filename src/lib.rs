//! callgate stands between an instant-messaging server and the business that runs it: asked
//! before a message is sent, told after it was.
//!
//! # The map, in reading order
//!
//! | module | what it is |
//! | --- | --- |
//! | [`clock`] | the time of day that never jumps |
//! | [`event`], [`decision`] | the vocabulary: what happened, what we answer |
//! | [`proto`] | our own API as generated from `proto/` |
//! | [`settings`] | files and environment to a tree with places |
//! | [`dialect`] | an IM server's form to events and decisions, and back |
//! | [`filter`] | text in, matches out: a library |
//! | [`policy`] | files' content to a snapshot, a snapshot to decisions |
//! | [`editor`] | a word list as somebody edits it: lines meant and lines left alone |
//! | [`import`] | foreign configuration and word lists to ours |
//! | [`telemetry`] | every metric and the log setup |
//! | [`tls`] | certificates, keys and authorities in files |
//! | [`audit`] | what was done here, by whom, in a chain that shows what is missing |
//! | [`versions`] | every policy that was in force, with its files |
//! | [`outbox`] | where accepted events wait until every endpoint has them |
//! | `database` | SQLite files of ours: private, and copied while they are used |
//! | [`rooms`] | rooms that are kept for a chat server |
//! | `aside` | work that everything else goes before |
//! | `watch` | a thread that looks at files now and then |
//! | `writer_thread` | a thread that writes what others hand over, and answers them |
//! | `in_flight` | the limit of calls at the same time, theirs and ours |
//! | [`callers`] | who calls, and what of it is let in |
//! | [`callback`] | asking and telling an endpoint |
//! | [`doctor`] | what is wrong with business servers, and with the way from the IM server to here |
//! | [`reload`] | the policies in force |
//! | `ledger` | versions of the policy in PostgreSQL, which replicas agree on |
//! | [`history`] | what was decided, searchable for a while |
//! | [`recordings`] | real calls, sealed, to try another policy on |
//! | [`trial`] | a candidate policy beside the one in force |
//! | [`lists`] | word lists as people edit them, while they are in force |
//! | [`hook`] | the life of a message; start reading in `hook/before.rs` |
//! | [`delivery`] | accepted events on their way to the endpoints |
//! | [`server`] | where IM servers connect |
//! | [`operators`] | who may do what at the operators' port |
//! | [`storage`] | a copy of all that is kept, and the way back |
//! | [`admin`] | where operators connect |
//! | [`config`] | engine settings |
//! | [`cli`] | one file per command |
//!
//! A module imports only from rows above it; `tests/it/layers.rs` holds the exact table.
//! `event`, `decision`, `settings`, `dialect`, `filter`, `policy`, `editor` and `import` compute: no IO, no
//! clock.
//!
//! # What is always true
//!
//! - A before hook gets an answer before its caller gives up; a failure is a decision, made by
//!   one action per class of failure.
//! - A message let through by a failure says so.
//! - One message, one snapshot; its version is in the answer.
//! - A bad policy edit changes nothing but a metric, a log line and the status.
//! - An after event is acknowledged only when it is on disk.
//! - Every queue, body, list, wait and retry has a limit with a name.

// What nobody outside of the crate can reach says so, and shows when it is dead. Where something
// can fail, the proof that it cannot stands in an `expect`, or the failure is handled.
#![cfg_attr(not(test), warn(unreachable_pub, clippy::unwrap_used))]

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("the feature `faults` breaks callgate on purpose and is for tests alone");

pub mod admin;
mod aside;
pub mod audit;
pub mod callback;
pub mod callers;
pub mod cli;
pub mod clock;
pub mod config;
mod database;
pub mod decision;
pub mod delivery;
pub mod dialect;
pub mod doctor;
pub mod editor;
pub mod event;
pub mod filter;
pub mod history;
pub mod hook;
pub mod import;
mod in_flight;
mod ledger;
pub mod lists;
pub mod operators;
pub mod outbox;
pub mod policy;
pub mod proto;
pub mod recordings;
pub mod reload;
pub mod rooms;
pub mod server;
pub mod settings;
pub mod storage;
pub mod telemetry;
pub mod tls;
pub mod trial;
pub mod versions;
mod watch;
mod writer_thread;
