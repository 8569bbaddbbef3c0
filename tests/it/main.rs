//! Black-box tests: the real program, a business server that misbehaves on command, real sockets.
//!
//! Each test starts a program of its own on free ports and in a directory of its own, so they
//! run side by side. `harness` is the only code that knows how the program is driven.

mod at_rest;
mod attacks;
mod breakers;
mod busy;
mod callers;
mod chatserver;
mod commands_of_tomorrow;
mod connections;
mod deadline_run;
mod delivery;
mod documents;
mod doors;
mod endpoint_connections;
mod explain;
mod failures;
mod file_order;
mod forbidden;
mod funtek;
mod grpc;
mod harness;
mod hostile;
mod layers;
mod list_names;
mod logging;
mod metrics;
mod openim_http;
mod operators_port;
mod outbox_batches;
mod outbox_damage;
mod outbox_dead;
mod outbox_delivery;
mod outbox_disk;
mod outbox_kill;
mod outbox_order;
mod outbox_pending;
mod policy_in_force;
mod presence;
mod printing;
mod privacy;
mod promises;
mod queries;
mod recordings;
mod reload;
mod restart;
mod secret_paths;
mod shutdown;
mod start;
mod tls_commands;
mod tls_endpoints;
mod tls_ports;
mod unread;
mod word_tools;
mod wukongim;
