//! Black-box tests: the real program, a business server that misbehaves on command, real sockets.
//!
//! Each test starts a program of its own on free ports and in a directory of its own, so they
//! run side by side. `harness` is the only code that knows how the program is driven.

mod api;
mod at_rest;
mod audit;
mod backup;
mod breakers;
mod busy;
mod callers;
mod callers_mtls;
mod chatserver;
/// Not every test has a use for all that a server can be done to.
#[allow(dead_code)]
#[path = "../postgres/cluster.rs"]
mod cluster;
mod commands_of_tomorrow;
mod connections;
mod deadline_run;
mod delivery;
mod deploy;
mod doctor;
mod documents;
mod doors;
mod edits_at_once;
mod endpoint_connections;
mod explain;
mod failures;
mod file_order;
mod forbidden;
mod funtek;
mod grpc;
mod harness;
mod history;
mod history_sinks;
mod hostile;
mod layers;
mod list_edits;
mod list_names;
mod logging;
mod metrics;
mod mock;
mod openim_http;
mod operators;
mod operators_api;
mod operators_port;
mod outbox_batches;
mod outbox_damage;
mod outbox_dead;
mod outbox_delivery;
mod outbox_disk;
mod outbox_kill;
mod outbox_order;
mod outbox_pending;
mod plans;
mod policy_cases;
mod policy_in_force;
mod presence;
mod printing;
mod privacy;
mod promises;
mod proxied;
mod proxy_identity;
mod queries;
mod recordings;
mod reload;
mod replay;
mod replicas;
mod replicas_storage;
mod restart;
mod rollback;
mod sealed_calls;
mod secret_paths;
mod shutdown;
mod start;
mod supervised;
mod test_watch;
mod tls_commands;
mod tls_endpoints;
mod tls_ports;
mod unread;
mod versions;
mod whole_edits;
mod word_tools;
mod wukongim;
