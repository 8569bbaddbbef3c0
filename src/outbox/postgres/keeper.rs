//! What is done for the outbox as a whole: the heartbeat, the wake-ups, what others left behind.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};

use super::connect::{Connection, Error};
use super::replica;
use super::store::{Shared, lock};
use super::sweep::turn_parts;

/// Others are told of what is ready no more often than this.
const TELL_EVERY: Duration = Duration::from_millis(20);
/// A new part of events begins after so long.
const PART_EVERY: Duration = Duration::from_secs(3600);
/// What failed is tried again so soon.
const AGAIN: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 500 });
/// What the keeper does takes no longer, or its connection is given up.
const STEP_MAX: Duration = Duration::from_secs(15);

/// The connection on which this replica lives and hears of others.
pub(super) async fn begin(shared: &Shared) -> Result<Connection, Error> {
    let connection = shared.hosts.connect(Arc::clone(&shared.told)).await?;
    connection.check_server().await?;
    super::migrate::migrate(&connection, &shared.server.schema).await?;
    shared.read_endpoints(&connection).await?;
    shared.read_part(&connection).await?;
    replica::register(&connection, shared).await?;
    listen(&connection, shared).await?;
    replica::bury_dead(&connection, shared).await?;
    shared.has_begun.store(true, Ordering::Release);
    Ok(connection)
}

async fn listen(connection: &Connection, shared: &Shared) -> Result<(), Error> {
    connection
        .run(&format!("LISTEN {}", shared.server.channel()))
        .await
}

/// Keeps the outbox until it ends. It is put in order then, or left as a crash would.
pub(super) async fn keep(shared: Arc<Shared>, first: Option<Connection>) {
    let mut connection = first;
    let mut failed = String::new();
    // Who has ended is to be found soon, too.
    let soon = match shared.server.takeover_after / 2 {
        soon if soon.is_zero() => shared.server.lease,
        soon => soon,
    };
    let beat_every = (shared.server.lease / 3).min(soon);
    let mut beats = interval(beat_every.max(Duration::from_millis(20)));
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let step = tokio::select! {
            () = shared.ended.cancelled() => break,
            () = shared.told.notified() => {
                shared.wakeups.send_modify(|commits| *commits += 1);
                continue;
            }
            () = shared.tell.notified() => Step::Tell,
            () = shared.unsure.notified() => Step::PutBack,
            () = shared.fenced.notified() => Step::Beat,
            _ = beats.tick() => Step::Beat,
        };
        let done = timeout(STEP_MAX, step.run(&shared, &mut connection)).await;
        let late = || Error::Away(format!("no answer within {STEP_MAX:?}"));
        if let Err(error) = done.unwrap_or_else(|_| Err(late())) {
            connection = None;
            // The same again and again is said once.
            if failed != error.to_string() {
                failed = error.to_string();
                warn!(%error, "the outbox's database does not answer");
            }
            sleep(AGAIN).await;
            match step {
                Step::PutBack => shared.unsure.notify_one(),
                Step::Tell | Step::Beat => shared.fenced.notify_one(),
            }
            continue;
        }
        failed.clear();
        if step == Step::Tell {
            sleep(TELL_EVERY).await;
        }
    }
    if let (Some(connection), true) = (connection, shared.is_closed_well()) {
        let left = timeout(STEP_MAX, replica::leave(&connection, &shared)).await;
        let late = || Error::Away(format!("no answer within {STEP_MAX:?}"));
        if let Err(error) = left.unwrap_or_else(|_| Err(late())) {
            warn!(%error, "what is in flight is put back when this replica's lease is over");
        }
    }
}

/// Another connection for a replica that had one, or the first.
async fn connect(shared: &Shared) -> Result<Connection, Error> {
    if shared.begun().is_err() {
        return begin(shared).await;
    }
    let connection = shared.hosts.connect(Arc::clone(&shared.told)).await?;
    // It may be another server, which took the place of the one before.
    shared.forget_endpoints(&connection).await?;
    shared.read_part(&connection).await?;
    listen(&connection, shared).await?;
    replica::hold_lock(&connection, shared).await?;
    Ok(connection)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Others hear that something is ready.
    Tell,
    /// What is in flight here and nobody knows of is put back.
    PutBack,
    /// Others hear that this replica lives; and it does what nobody else does.
    Beat,
}

impl Step {
    async fn run(self, shared: &Shared, connection: &mut Option<Connection>) -> Result<(), Error> {
        if connection.as_ref().is_none_or(Connection::is_closed) {
            let new = connect(shared).await?;
            info!("the outbox's database answers");
            *connection = Some(new);
            // What it told meanwhile was not heard.
            shared.wakeups.send_modify(|commits| *commits += 1);
        }
        let connection = connection.as_ref().expect("it is open");
        match self {
            Step::Tell => {
                let sql = format!("NOTIFY {}", shared.server.channel());
                connection.run(&sql).await
            }
            Step::PutBack => replica::put_back_lost(connection, shared).await,
            Step::Beat => beat(connection, shared).await,
        }
    }
}

async fn beat(connection: &Connection, shared: &Shared) -> Result<(), Error> {
    if !replica::beat(connection, shared).await? {
        warn!(
            "this replica was silent for longer than its lease: others tell what it had in flight"
        );
        replica::register(connection, shared).await?;
    }
    shared.here();
    if replica::has_lost(connection, shared).await? {
        // It is looked at again there, with nobody else changing it.
        shared.unsure.notify_one();
    }
    replica::count_living(connection, shared).await?;
    replica::bury_dead(connection, shared).await?;
    turn_parts(connection, shared, PART_EVERY).await?;
    shared.read_endpoints(connection).await?;
    // Others may have left something to be forgotten.
    let mut hints = lock(&shared.hints);
    hints.retire_from_ms = 0;
    hints.forget_from_ms = 0;
    hints.latest_from_ms = 0;
    Ok(())
}
