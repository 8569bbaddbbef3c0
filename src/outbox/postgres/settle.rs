//! Ending pairs, and putting them back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::connect::Error;
use super::digest::{text, to_sql};
use super::ends::{END_IDS, Ending, Gone};
use super::order::GO_ON;
use super::store::{HOLD, Tx, lock};
use crate::outbox::entry::{EntryKey, Settlement};
use crate::outbox::rules::{cut, forget_at_ms, note_discarded};

/// A pair in flight.
#[derive(Clone, Copy)]
struct Flying {
    lane: Option<Uuid>,
    due_at_ms: i64,
    bytes: i64,
    digest: Uuid,
}

const FLYING: &str = "SELECT pair.endpoint, pair.seq, pair.claim, lane, due_at_ms, bytes, digest
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS s(endpoint, seq, claim)
    CROSS JOIN LATERAL (SELECT * FROM pair WHERE pair.endpoint = s.endpoint AND pair.seq = s.seq
        OFFSET 0) AS pair
    WHERE pair.claim = s.claim AND pair.place = 1";

const REMOVE: &str = "DELETE FROM pair WHERE endpoint = $1 AND seq = ANY($2)";

/// What one call settles, and when.
pub(super) type Settled = (Vec<(EntryKey, Settlement)>, u64);

impl Tx<'_> {
    /// Settles in this order. What is not in flight by its claim is passed over: others took it
    /// over, or it was settled before.
    pub(super) async fn settle(&mut self, calls: &[Settled]) -> Result<(), Error> {
        let keys = calls.iter().flat_map(|(settlements, _)| settlements);
        let keys: Vec<EntryKey> = keys.map(|(key, _)| *key).collect();
        let endpoints: BTreeSet<i64> = keys.iter().map(|key| key.endpoint).collect();
        let endpoints: Vec<i64> = endpoints.into_iter().collect();
        self.connection.prepare(&[HOLD, FLYING]).await?;
        // What is in flight is looked at when it is held.
        let (held, flying) = futures_util::join!(self.hold(&endpoints), self.flying(&keys));
        held?;
        let mut flying = flying?;
        let (mut delivered, mut last_ms) = (Vec::new(), 0);
        for (settlements, now_ms) in calls {
            last_ms = last_ms.max(*now_ms);
            for (key, settlement) in settlements {
                self.settled.push(((key.endpoint, key.seq), key.claim));
                let Some(pair) = flying.remove(key) else {
                    continue;
                };
                if let Settlement::Delivered = settlement {
                    delivered.push((*key, pair));
                    continue;
                }
                self.deliver(&std::mem::take(&mut delivered), last_ms)
                    .await?;
                self.settle_one(*key, pair, settlement, *now_ms).await?;
            }
        }
        self.deliver(&delivered, last_ms).await
    }

    async fn flying(&self, keys: &[EntryKey]) -> Result<HashMap<EntryKey, Flying>, Error> {
        let column = |of: fn(&EntryKey) -> i64| -> Vec<i64> { keys.iter().map(of).collect() };
        let endpoints = column(|key| key.endpoint);
        let (seqs, claims) = (column(|key| key.seq), column(|key| key.claim));
        let rows = self
            .connection
            .rows(FLYING, &[&endpoints, &seqs, &claims])
            .await?;
        let pair = |row: &tokio_postgres::Row| {
            let key = EntryKey {
                endpoint: row.get(0),
                seq: row.get(1),
                claim: row.get(2),
            };
            let pair = Flying {
                lane: row.get(3),
                due_at_ms: row.get(4),
                bytes: row.get(5),
                digest: row.get(6),
            };
            (key, pair)
        };
        Ok(rows.iter().map(pair).collect())
    }

    async fn deliver(
        &mut self,
        delivered: &[(EntryKey, Flying)],
        now_ms: u64,
    ) -> Result<(), Error> {
        if delivered.is_empty() {
            return Ok(());
        }
        let mut of: BTreeMap<i64, (Vec<i64>, Vec<Uuid>)> = BTreeMap::new();
        for (key, pair) in delivered {
            let (seqs, lanes) = of.entry(key.endpoint).or_default();
            seqs.push(key.seq);
            lanes.extend(pair.lane);
        }
        for (endpoint, (seqs, _)) in &of {
            self.tally(*endpoint).delivered += seqs.len() as i64;
            self.note_removed(*endpoint, seqs.len());
        }
        let ended: Vec<_> = (delivered.iter())
            .map(|(key, pair)| (key.endpoint, pair.bytes, pair.digest))
            .collect();
        let ending = Ending::of(&ended, now_ms, self.shared);
        (self.connection).prepare(&[REMOVE, GO_ON, END_IDS]).await?;
        let (went_on, ended) =
            futures_util::join!(self.take_out(&of), ending.write(self.connection));
        self.woke |= went_on?;
        self.note_ended(&ending, &ended?);
        Ok(())
    }

    /// Takes pairs out of the endpoints' order; says whether others go on then.
    async fn take_out(&self, of: &BTreeMap<i64, (Vec<i64>, Vec<Uuid>)>) -> Result<bool, Error> {
        let mut woke = false;
        for (endpoint, (seqs, lanes)) in of {
            let values: [&(dyn ToSql + Sync); 2] = [endpoint, seqs];
            let (removed, next) = futures_util::join!(
                self.connection.rows(REMOVE, &values),
                self.let_next_go_on(*endpoint, lanes)
            );
            removed?;
            woke |= next?;
        }
        Ok(woke)
    }

    fn note_removed(&mut self, endpoint: i64, pairs: usize) {
        let tally = self.tally(endpoint);
        tally.pending -= pairs as i64;
        tally.in_flight -= pairs as i64;
    }

    async fn settle_one(
        &mut self,
        key: EntryKey,
        pair: Flying,
        settlement: &Settlement,
        now_ms: u64,
    ) -> Result<(), Error> {
        match settlement {
            Settlement::Delivered => self.deliver(&[(key, pair)], now_ms).await,
            Settlement::Release => self.release(key, pair).await,
            Settlement::Retry {
                due_at_ms,
                reason,
                counts,
                out_of_order,
            } => {
                let waits_for = pair.lane.filter(|_| !out_of_order);
                let waits = self
                    .is_busy_before(key.endpoint, waits_for, key.seq)
                    .await?;
                let (place, due_at_ms) = match waits {
                    true => (3_i16, 0),
                    false => (2, to_sql((*due_at_ms).max(1))),
                };
                self.retry(key, place, due_at_ms, cut(reason), *counts, *out_of_order)
                    .await?;
                let left = pair.lane.filter(|_| *out_of_order);
                self.go_on(key.endpoint, left.as_slice()).await
            }
            Settlement::Dead { reason, answer } => {
                self.bury(key, cut(reason), answer, now_ms).await?;
                self.go_on(key.endpoint, pair.lane.as_slice()).await
            }
            Settlement::Discarded { reason } => {
                self.tally(key.endpoint).in_flight -= 1;
                self.discard(key.endpoint, &[key.seq], reason, now_ms).await
            }
        }
    }

    async fn release(&mut self, key: EntryKey, pair: Flying) -> Result<(), Error> {
        self.woke = true;
        self.tally(key.endpoint).in_flight -= 1;
        let place: i16 = match (pair.due_at_ms > 0, pair.lane) {
            (true, _) => 2,
            (false, None) => 0,
            // Others of the ordering key may be in flight still.
            (false, Some(_)) => 3,
        };
        let sql = "UPDATE pair SET attempts = attempts - 1, place = $3, owner = NULL, claim = NULL
            WHERE endpoint = $1 AND seq = $2";
        self.connection
            .rows(sql, &[&key.endpoint, &key.seq, &place])
            .await?;
        self.go_on(key.endpoint, pair.lane.as_slice()).await
    }

    async fn retry(
        &mut self,
        key: EntryKey,
        place: i16,
        due_at_ms: i64,
        reason: &str,
        counts: bool,
        out_of_order: bool,
    ) -> Result<(), Error> {
        // A sleeper may have looked while the pair was in flight, and know of no due time.
        self.woke = true;
        self.tally(key.endpoint).in_flight -= 1;
        let sql = "UPDATE pair SET place = $3, due_at_ms = $4, reason = $5,
                attempts = attempts - CASE WHEN $6 THEN 0 ELSE 1 END,
                lane = CASE WHEN $7 THEN NULL ELSE lane END, owner = NULL, claim = NULL
            WHERE endpoint = $1 AND seq = $2";
        let reason = text(reason);
        let values: [&(dyn ToSql + Sync); 7] = [
            &key.endpoint,
            &key.seq,
            &place,
            &due_at_ms,
            &reason,
            &counts,
            &out_of_order,
        ];
        self.connection.rows(sql, &values).await.map(drop)
    }

    /// Gives a pair up, with all that a replay needs.
    async fn bury(
        &mut self,
        key: EntryKey,
        reason: &str,
        answer: &str,
        now_ms: u64,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO dead SELECT pair.endpoint, pair.seq, attempts, replays, $3::bigint,
                pair.accepted_at_ms, bytes, digest, $4::uuid, id, hook, dialect, ordering_key,
                operation_id, $5::text, $6::text, body
            FROM pair JOIN event ON event.part = pair.part AND event.seq = pair.seq
            WHERE pair.endpoint = $1 AND pair.seq = $2";
        // The ordering key of the event, which the pair may have left.
        let of_event = "SELECT ordering_key FROM pair
            JOIN event ON event.part = pair.part AND event.seq = pair.seq
            WHERE endpoint = $1 AND pair.seq = $2";
        let rows = self
            .connection
            .rows(of_event, &[&key.endpoint, &key.seq])
            .await?;
        let lane = rows.first().and_then(|row| super::digest::lane(row.get(0)));
        let (reason, answer) = (text(reason), text(answer));
        let values: [&(dyn ToSql + Sync); 6] = [
            &key.endpoint,
            &key.seq,
            &to_sql(now_ms),
            &lane,
            &reason,
            &answer,
        ];
        self.connection.rows(sql, &values).await?;
        let seqs: &[i64] = &[key.seq];
        (self.connection)
            .rows(REMOVE, &[&key.endpoint, &seqs])
            .await?;
        self.note_removed(key.endpoint, 1);
        self.tally(key.endpoint).dead += 1;
        let retire_at_ms = forget_at_ms(now_ms, self.shared.config.dead_keep);
        let mut hints = lock(&self.shared.hints);
        hints.retire_from_ms = hints.retire_from_ms.min(retire_at_ms);
        Ok(())
    }

    /// Ends pending pairs by somebody's will, in this order.
    async fn discard(
        &mut self,
        endpoint: i64,
        seqs: &[i64],
        reason: &str,
        now_ms: u64,
    ) -> Result<(), Error> {
        let sql =
            "WITH gone AS (DELETE FROM pair WHERE endpoint = $1 AND seq = ANY($2) RETURNING *)
            SELECT gone.lane, bytes, digest, id, hook, ordering_key, operation_id,
                gone.accepted_at_ms
            FROM gone JOIN event ON event.part = gone.part AND event.seq = gone.seq
            ORDER BY gone.seq";
        let rows = self.connection.rows(sql, &[&endpoint, &seqs]).await?;
        self.tally(endpoint).pending -= rows.len() as i64;
        let name = self.shared.name(endpoint);
        let (mut gone, mut ended, mut lanes) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            lanes.extend(row.get::<_, Option<Uuid>>(0));
            ended.push((endpoint, row.get(1), row.get(2)));
            let event = Gone {
                endpoint,
                id: row.get(3),
                hook: row.get(4),
                ordering_key: row.get(5),
                operation_id: row.get(6),
                accepted_at_ms: row.get(7),
                reason: text(cut(reason)).into_owned(),
            };
            note_discarded(&name, &event.id, reason);
            gone.push(event);
        }
        self.record_discarded(&gone, now_ms).await?;
        self.go_on(endpoint, &lanes).await?;
        self.end_pairs(&ended, now_ms).await
    }

    /// Ends pending pairs that are not in flight, the oldest first.
    pub(super) async fn discard_pending(
        &mut self,
        endpoint: i64,
        reason: &str,
        accepted_before_ms: Option<u64>,
        limit: usize,
        now_ms: u64,
    ) -> Result<u64, Error> {
        self.hold(&[endpoint]).await?;
        let sql = "SELECT seq, accepted_at_ms FROM pair WHERE endpoint = $1 AND place <> 1
            ORDER BY seq LIMIT $2";
        let rows = self
            .connection
            .rows(sql, &[&endpoint, &(limit as i64)])
            .await?;
        let before_ms = accepted_before_ms.map_or(i64::MAX, to_sql);
        let old = rows
            .iter()
            .take_while(|row| row.get::<_, i64>(1) < before_ms);
        let seqs: Vec<i64> = old.map(|row| row.get(0)).collect();
        if !seqs.is_empty() {
            self.discard(endpoint, &seqs, reason, now_ms).await?;
        }
        Ok(seqs.len() as u64)
    }

    /// Makes retries due no later than these times, by the attempts that they used up.
    pub(super) async fn bound_retries(
        &mut self,
        endpoint: i64,
        latest_ms: &[u64],
    ) -> Result<(), Error> {
        self.hold(&[endpoint]).await?;
        self.woke = true;
        for (place, latest) in latest_ms.iter().enumerate() {
            // Before its first attempt counts, a pair has used up none.
            let from = if place == 0 { 0 } else { place as i32 + 1 };
            let to = match place + 1 == latest_ms.len() {
                true => i32::MAX,
                false => place as i32 + 1,
            };
            let sql = "UPDATE pair SET due_at_ms = $2 WHERE endpoint = $1 AND place = 2
                AND due_at_ms > $2 AND attempts BETWEEN $3 AND $4";
            let latest = to_sql((*latest).max(1));
            self.connection
                .rows(sql, &[&endpoint, &latest, &from, &to])
                .await?;
        }
        Ok(())
    }
}
