//! Who lives: this replica's row and its heartbeat, and what others had in flight that are gone.
//!
//! The number of a replica fences it: whoever has no row any more cannot claim, and what it had in
//! flight has been put back, so that its settlements find nothing. A replica that ends loses a lock
//! that its connection holds, which the others see soon; one that is stopped or cut off keeps it, and
//! is gone when it has been silent for its whole lease.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::connect::{Connection, Error};
use super::mark;
use super::order::Told;
use super::store::{Lasting, Shared, Tx, lock};
use super::tally;

/// The task of the counters' rows that the keeper changes.
pub(super) const KEEPER: i16 = 0;

const LOCK: &str = "SELECT pg_advisory_lock(
    hashtext('callgate replica ' || current_schema()), $1::bigint::int)";

/// Makes a row for this replica, under a number that none had before.
///
/// Errors: everything is being moved away or in, or was moved away. Who moves sees the row first, or this
/// sees the mark.
pub(super) async fn register(connection: &Connection, shared: &Shared) -> Result<(), Error> {
    // The number of before may be another's now, who waits for its lock.
    connection.run("SELECT pg_advisory_unlock_all()").await?;
    let sql = "INSERT INTO replica (name) VALUES ($1)
        RETURNING number, (extract(epoch FROM began_at) * 1000000)::bigint";
    let rows = connection.rows(sql, &[&shared.server.replica]).await?;
    let me: i64 = rows[0].get(0);
    connection.rows(LOCK, &[&me]).await?;
    if let Err(moved) = mark::refuse(connection).await {
        let sql = "DELETE FROM replica WHERE number = $1";
        connection.rows(sql, &[&me]).await?;
        return Err(moved);
    }
    lock(&shared.flying).clear();
    shared.born_us.store(rows[0].get(1), Ordering::Release);
    shared.me.store(me, Ordering::Release);
    Ok(())
}

/// Takes the lock of this replica on another connection.
pub(super) async fn hold_lock(connection: &Connection, shared: &Shared) -> Result<(), Error> {
    let sql = "SELECT pg_try_advisory_lock(
        hashtext('callgate replica ' || current_schema()), $1::bigint::int)";
    // The connection before may hold it still, until the server finds out that it has ended.
    connection.rows(sql, &[&shared.me()]).await.map(drop)
}

/// Says that this replica lives; false when others took it for dead.
pub(super) async fn beat(connection: &Connection, shared: &Shared) -> Result<bool, Error> {
    let sql = "UPDATE replica SET beat_at = clock_timestamp()
        WHERE number = $1 AND (extract(epoch FROM began_at) * 1000000)::bigint = $2 RETURNING 1";
    let rows = connection
        .rows(sql, &[&shared.me(), &shared.born_us()])
        .await?;
    Ok(!rows.is_empty())
}

/// Finds out how many replicas live, for what is shared out among them.
pub(super) async fn count_living(connection: &Connection, shared: &Shared) -> Result<(), Error> {
    let sql = "SELECT count(*) FROM replica
        WHERE beat_at > clock_timestamp() - make_interval(secs => $1)";
    let lease = shared.server.lease.as_secs_f64();
    let rows = connection.rows(sql, &[&lease]).await?;
    let living: i64 = rows[0].get(0);
    let living = u32::try_from(living).unwrap_or(u32::MAX).max(1);
    shared.replicas.store(living, Ordering::Relaxed);
    Ok(())
}

/// Puts back what replicas had in flight that are gone; says how many pairs.
pub(super) async fn bury_dead(connection: &Connection, shared: &Shared) -> Result<usize, Error> {
    let sql = "SELECT number, beat_at < clock_timestamp() - make_interval(secs => $2)
        FROM replica WHERE number <> $1 AND beat_at <= clock_timestamp() - make_interval(secs => $3)";
    let (lease, grace) = (shared.server.lease, shared.server.takeover_after);
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&shared.me(), &lease.as_secs_f64(), &grace.as_secs_f64()];
    let mut put_back = 0;
    for row in connection.rows(sql, &values).await? {
        put_back += bury(connection, shared, row.get(0), row.get(1)).await?;
    }
    Ok(put_back)
}

async fn bury(
    connection: &Connection,
    shared: &Shared,
    number: i64,
    is_silent: bool,
) -> Result<usize, Error> {
    let mut tx = Tx::begin(connection, shared, KEEPER, Lasting::Synced).await?;
    let sql = "SELECT pg_try_advisory_xact_lock(
        hashtext('callgate replica ' || current_schema()), $1::bigint::int)";
    let has_ended: bool = connection.rows(sql, &[&number]).await?[0].get(0);
    let sql = "DELETE FROM replica WHERE number = $1
        AND beat_at <= clock_timestamp() - make_interval(secs => $2) RETURNING name";
    let least = match is_silent {
        true => shared.server.lease,
        false => shared.server.takeover_after,
    };
    let gone = match has_ended || is_silent {
        true => {
            connection
                .rows(sql, &[&number, &least.as_secs_f64()])
                .await?
        }
        false => Vec::new(),
    };
    let Some(row) = gone.first() else {
        connection.run("ROLLBACK").await?;
        return Ok(0);
    };
    let put_back = put_back_of(&mut tx, number, Told::ByOneThatDied, |_, _| false).await?;
    tracing::warn!(
        replica = row.get::<_, &str>(0),
        put_back,
        "a replica is gone, and what it had in flight is told again"
    );
    tally::fold(connection).await?;
    tx.commit().await?;
    Ok(put_back)
}

/// Puts back what all replicas had in flight, none of which can begin until the transaction ends; says
/// who lives, if one does: then nothing is to be committed.
pub(super) async fn bury_all(tx: &mut Tx<'_>) -> Result<Option<String>, Error> {
    tx.connection
        .run("LOCK TABLE replica IN EXCLUSIVE MODE")
        .await?;
    let living = living(tx.connection, tx.shared.server.lease).await?;
    if living.is_some() {
        return Ok(living);
    }
    let rows = tx
        .connection
        .rows("SELECT number FROM replica", &[])
        .await?;
    for row in rows {
        let number: i64 = row.get(0);
        put_back_of(tx, number, Told::ByOneThatDied, |_, _| false).await?;
        let sql = "DELETE FROM replica WHERE number = $1";
        tx.connection.rows(sql, &[&number]).await?;
    }
    Ok(None)
}

/// The name of a replica whose connection is there and that was not silent for its lease.
pub(super) async fn living(
    connection: &Connection,
    lease: Duration,
) -> Result<Option<String>, Error> {
    let sql =
        "SELECT name FROM replica WHERE beat_at > clock_timestamp() - make_interval(secs => $1)
        AND NOT pg_try_advisory_xact_lock(
            hashtext('callgate replica ' || current_schema()), number::int) LIMIT 1";
    let rows = connection.rows(sql, &[&lease.as_secs_f64()]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Puts back what a replica has in flight, but for what is to be kept; says how many.
async fn put_back_of(
    tx: &mut Tx<'_>,
    replica: i64,
    told: Told,
    keeps: impl Fn((i64, i64), i64) -> bool,
) -> Result<usize, Error> {
    let sql = "SELECT DISTINCT endpoint FROM pair WHERE owner = $1 AND place = 1 ORDER BY endpoint";
    let rows = tx.connection.rows(sql, &[&replica]).await?;
    let endpoints: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    tx.hold(&endpoints).await?;
    let mut put_back = 0;
    for endpoint in endpoints {
        let sql = "SELECT seq, claim FROM pair WHERE owner = $1 AND place = 1 AND endpoint = $2";
        let rows = tx.connection.rows(sql, &[&replica, &endpoint]).await?;
        let pairs = rows
            .iter()
            .map(|row| (row.get::<_, i64>(0), row.get::<_, i64>(1)));
        let lost = pairs.filter(|&(seq, claim)| !keeps((endpoint, seq), claim));
        let seqs: Vec<i64> = lost.map(|(seq, _)| seq).collect();
        put_back += seqs.len();
        tx.put_back(endpoint, &seqs, told).await?;
    }
    Ok(put_back)
}

/// Whether something is in flight here of which this replica knows nothing: its claim was committed
/// and not heard of, or another server took the place of the one that had its settlement.
pub(super) async fn has_lost(connection: &Connection, shared: &Shared) -> Result<bool, Error> {
    let sql = "SELECT endpoint, seq, claim FROM pair WHERE owner = $1 AND place = 1";
    let rows = connection.rows(sql, &[&shared.me()]).await?;
    let flying = lock(&shared.flying);
    let is_lost =
        |row: &tokio_postgres::Row| flying.get(&(row.get(0), row.get(1))) != Some(&row.get(2));
    Ok(rows.iter().any(is_lost))
}

/// Puts back what is in flight here of which this replica knows nothing.
pub(super) async fn put_back_lost(connection: &Connection, shared: &Shared) -> Result<(), Error> {
    let mut tx = Tx::begin(connection, shared, KEEPER, Lasting::Synced).await?;
    match tx.is_alive().await {
        // Who has its number has others in flight.
        Err(Error::Fenced) => {
            shared.fenced.notify_one();
            return connection.run("ROLLBACK").await;
        }
        alive => alive?,
    }
    let keeps = |pair: (i64, i64), claim| lock(&shared.flying).get(&pair) == Some(&claim);
    put_back_of(&mut tx, shared.me(), Told::Never, keeps).await?;
    tx.commit().await
}

/// Ends this replica: what it has in flight is put back at once, with its attempt counted.
pub(super) async fn leave(connection: &Connection, shared: &Shared) -> Result<(), Error> {
    let mut tx = Tx::begin(connection, shared, KEEPER, Lasting::Synced).await?;
    match tx.is_alive().await {
        // It has gone before.
        Err(Error::Fenced) => return connection.run("ROLLBACK").await,
        alive => alive?,
    }
    put_back_of(&mut tx, shared.me(), Told::Perhaps, |_, _| false).await?;
    let sql = "DELETE FROM replica WHERE number = $1";
    connection.rows(sql, &[&shared.me()]).await?;
    tx.commit().await?;
    connection.run("BEGIN").await?;
    tally::fold(connection).await?;
    connection.run("COMMIT").await
}
