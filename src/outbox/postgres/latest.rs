//! The latest entries of series, which alone can be repeated.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::connect::Error;
use super::digest::{digest, from_sql, to_sql};
use super::store::{Tx, lock};
use crate::outbox::entry::{NewEntry, Series};
use crate::outbox::rules::forget_at_ms;
use crate::outbox::series;

/// The latest calls of some series, as this transaction sees and changes them.
#[derive(Default)]
pub(super) struct Latest {
    /// By a digest of the name: until when it can be repeated, and the lines.
    series: BTreeMap<Uuid, (u64, Vec<Uuid>)>,
    changed: BTreeSet<Uuid>,
}

impl Latest {
    /// Reads the series that the calls are about; nobody else changes them meanwhile.
    pub(super) async fn read(tx: &Tx<'_>, calls: &[Vec<NewEntry>]) -> Result<Latest, Error> {
        let names = calls
            .iter()
            .flatten()
            .filter_map(|entry| entry.series.as_ref());
        let names: BTreeSet<Uuid> = names.map(|series| digest(&series.name)).collect();
        let mut latest = Latest::default();
        if names.is_empty() {
            return Ok(latest);
        }
        let names: Vec<Uuid> = names.into_iter().collect();
        let sql = "INSERT INTO latest SELECT s, 0, '{}' FROM unnest($1::uuid[]) AS s ORDER BY s
            ON CONFLICT DO NOTHING";
        tx.connection.rows(sql, &[&names]).await?;
        let halves = names.iter().copied().map(half);
        let known: Vec<Uuid> = names.iter().copied().chain(halves).collect();
        let sql = "SELECT series, forget_at_ms, lines FROM latest WHERE series = ANY($1)
            ORDER BY series FOR UPDATE";
        for row in tx.connection.rows(sql, &[&known]).await? {
            let known = (from_sql(row.get(1)), row.get(2));
            latest.series.insert(row.get(0), known);
        }
        Ok(latest)
    }

    /// For each entry of a call, whether it repeats the latest ones of its series.
    pub(super) fn repeats(&self, call: &[NewEntry]) -> Vec<bool> {
        let mut repeats = vec![false; call.len()];
        for (name, of) in series::by_series(call) {
            let now_ms = call[of[0].0].accepted_at_ms;
            let known = |series: Uuid| {
                let known = self.series.get(&series);
                known.filter(|(forget_at_ms, _)| *forget_at_ms > now_ms)
            };
            let series = digest(name);
            let latest = known(series).or_else(|| known(half(series)));
            let latest = latest.map_or(&[][..], |(_, lines)| lines);
            let again = series::repeats(latest, &lines(&of));
            for ((place, _), again) in of.into_iter().zip(again) {
                repeats[place] = again;
            }
        }
        repeats
    }

    /// Notes what the entries of an accepted call say; one that only repeats says nothing.
    pub(super) fn note(&mut self, call: &[NewEntry], repeats: &[bool]) {
        for (name, of) in series::by_series(call) {
            if of.iter().all(|(place, _)| repeats[*place]) {
                continue;
            }
            let (place, last) = of[of.len() - 1];
            let forget_at_ms = forget_at_ms(call[place].accepted_at_ms, last.within);
            let name = digest(name);
            self.series
                .insert(name, (forget_at_ms, series::kept(lines(&of))));
            self.changed.insert(name);
        }
    }

    pub(super) async fn write(self, tx: &Tx<'_>) -> Result<(), Error> {
        for name in self.changed {
            let (forget_at_ms, lines) = &self.series[&name];
            let sql = "UPDATE latest SET forget_at_ms = $2, lines = $3 WHERE series = $1";
            tx.connection
                .rows(sql, &[&name, &to_sql(*forget_at_ms), lines])
                .await?;
            let mut hints = lock(&tx.shared.hints);
            hints.latest_from_ms = hints.latest_from_ms.min(*forget_at_ms);
        }
        Ok(())
    }
}

/// What a file keeps of a series, under which one stands that was moved out of it.
fn half(series: Uuid) -> Uuid {
    let mut half = series.into_bytes();
    half[8..].fill(0);
    Uuid::from_bytes(half)
}

fn lines(of: &[(usize, &Series)]) -> Vec<Uuid> {
    of.iter().map(|(_, series)| digest(&series.line)).collect()
}
