//! From what was handed over to what is kept: ids in their form, hashes instead of words.

use super::hash::hash_of;
use super::id::{DecisionId, at_us};
use super::id_form::Ids;
use super::place::place_of;
use super::record::Record;
use super::row::{Row, RowMatch, RowVersion};
use crate::decision::Hit;
use crate::policy::Snapshot;

/// The hash of what a list compares an entry as.
pub(super) fn form_of(snapshot: &Snapshot, list: &str, entry: &str) -> u64 {
    match snapshot.entry_form(list, entry) {
        Some(form) => hash_of(&form),
        None => hash_of(entry),
    }
}

/// Of a record, without its texts.
pub(super) fn row(record: Record, id: DecisionId, ids: &Ids) -> Row {
    let snapshot = record.snapshot.as_deref();
    let matches = record.hits.iter();
    let matches = matches.map(|hit| row_match(hit, snapshot)).collect();
    let answered = record.answered;
    Row {
        id,
        at_us: at_us(id.number),
        hook: record.hook.to_owned(),
        dialect: record.dialect.to_owned(),
        caller: record.caller.map(|name| name.to_string()),
        message_id: ids.written(record.message_id),
        client_message_id: ids.written(record.client_message_id),
        operation_id: ids.written(record.operation_id),
        sender: ids.written(record.sender),
        target: ids.written(record.target),
        conversation: ids.written(record.conversation),
        content_type: record.content_type,
        outcome: record.kind.name().to_owned(),
        action: record.action.to_owned(),
        code: record.code,
        decided_by: record.decider.name().to_owned(),
        class: record.class.map(|class| class.name().to_owned()),
        skipped: record.skipped.map(|reason| reason.name().to_owned()),
        reviewed: record.reviewed,
        why: record.why,
        version: RowVersion {
            number: record.version.number,
            hash: record.version.hash.to_string(),
        },
        matches,
        matches_left_out: record.hits_more as u64,
        endpoint: answered.as_ref().map(|asked| asked.endpoint.to_string()),
        answer: answered.map(|asked| asked.outcome.to_owned()),
        filter_us: record.filter.as_micros() as u64,
        endpoint_us: record.callback.as_micros() as u64,
        total_us: record.total.as_micros() as u64,
        weight: record.weight,
    }
}

fn row_match(hit: &Hit, snapshot: Option<&Snapshot>) -> RowMatch {
    let entry = hash_of(&hit.entry);
    let (bytes, chars) = (&hit.span.bytes, &hit.span.chars);
    RowMatch {
        list: hit.list.to_string(),
        line: hit.line,
        entry,
        form: snapshot.map_or(entry, |snapshot| form_of(snapshot, &hit.list, &hit.entry)),
        action: hit.action.name().to_owned(),
        place: place_of(&hit.place),
        bytes: (bytes.start as u64, bytes.end as u64),
        chars: (chars.start as u64, chars.end as u64),
        folds: hit.evasions.iter().map(|fold| (*fold).to_owned()).collect(),
    }
}
