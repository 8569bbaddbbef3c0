//! Every thread and task that is started is known here, with who looks after it: one that ends must
//! be started again, or end the process with a reason, or be meant to end.

use std::collections::BTreeMap;

use crate::layers::{sources, without_tests_and_comments};

/// Where threads and tasks are started, how many, and what becomes of one that ends.
const STARTED: [(&str, usize, &str); 27] = [
    (
        "admin/api/frame.rs",
        1,
        "ends with its call, whose answer it is",
    ),
    (
        "admin/plans.rs",
        1,
        "ends with its plan, which says how, also after a panic",
    ),
    (
        "audit/trail.rs",
        1,
        "ends with who tells it; what cannot be recorded is tried again",
    ),
    ("callback/connection.rs", 1, "ends with its connection"),
    (
        "callback/trust.rs",
        1,
        "looks once; the next connection starts another",
    ),
    ("cli/api.rs", 1, "ends with its connection"),
    ("cli/engine/running.rs", 1, "the process ends with it"),
    ("cli/mock/serve.rs", 1, "ends with its connection"),
    ("delivery/supervisor.rs", 1, "is started again"),
    ("delivery/worker.rs", 1, "ends with its request"),
    (
        "history/sinks.rs",
        1,
        "what panics is one piece; it ends with the history",
    ),
    ("lists/preview.rs", 1, "joined by who asked for the preview"),
    (
        "outbox/postgres/connect.rs",
        1,
        "ends with its connection, which is made again",
    ),
    (
        "ledger/thread.rs",
        1,
        "who asks it is told that it has ended, and the policy in force stays; ends with who may ask",
    ),
    (
        "outbox/postgres/mod.rs",
        1,
        "each call is told that it has ended, as with a closed outbox",
    ),
    (
        "outbox/spool.rs",
        1,
        "ends with the outbox, what is spooled waits for the next start",
    ),
    (
        "outbox/sqlite/mod.rs",
        1,
        "what panics is one opening of the file, which it opens again",
    ),
    (
        "server/listen.rs",
        2,
        "a port ends with its thread, and the process with the port; a connection ends alone",
    ),
    ("server/webhook.rs", 1, "ends with what a call left to do"),
    ("telemetry/logs/queue.rs", 1, "what panics is one line"),
    (
        "telemetry/logs/setup.rs",
        1,
        "ends with the last lines of the process",
    ),
    (
        "admin/doctor.rs",
        1,
        "ends with its look, which is told as failed also after a panic",
    ),
    (
        "storage/backups.rs",
        1,
        "ends with its backup, which is told as failed also after a panic",
    ),
    (
        "versions/keeper.rs",
        1,
        "what cannot be kept is tried again; ends with the process",
    ),
    ("watch.rs", 1, "what panics is one look"),
    (
        "trial/trials.rs",
        1,
        "what panics is one look, and the next comes all the same",
    ),
    (
        "writer_thread.rs",
        1,
        "what panics is one look, and what it was about is lost and told, or one answer",
    ),
];

#[test]
fn every_thread_and_task_is_looked_after() {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for (file, text) in sources() {
        let code = without_tests_and_comments(&text);
        let count = code.matches("spawn(").count();
        if count > 0 {
            found.insert(file, count);
        }
    }
    let known: BTreeMap<String, usize> = STARTED
        .iter()
        .map(|(file, count, _)| ((*file).to_owned(), *count))
        .collect();
    assert_eq!(
        found, known,
        "who looks after a thread or task stands in `STARTED`; a long-lived one goes through \
         `run_until_stop`, a supervisor or a `Watch`"
    );
}
