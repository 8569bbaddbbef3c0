//! No call is too odd for a dialect: it is read or refused, answered, and its texts replaced.
//!
//! The first byte chooses the dialect, the first two lines are path and query, the rest the body.

#![no_main]
#![allow(dead_code, unused_imports)]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

#[path = "../../src/decision.rs"]
mod decision;
#[path = "../../src/dialect/mod.rs"]
mod dialect;
#[path = "../../src/event.rs"]
mod event;

use decision::Decision;
use dialect::{Call, Decoded};
use event::DialectId;

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else {
        return;
    };
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (path, query) = (text(), text());
    let body = Bytes::copy_from_slice(parts.next().unwrap_or_default());
    let dialect = dialect::of(DialectId::ALL[usize::from(*choice) % DialectId::ALL.len()]);
    let call = Call {
        path: &path,
        query: &query,
        operation_id: None,
        body: body.clone(),
        options: dialect::Options::default(),
    };
    match dialect.decode(&call) {
        Ok(Decoded::Event(event)) => {
            let values: Vec<_> = (0..event.texts.len())
                .map(|text| (text, "*".to_owned()))
                .collect();
            let replacement = dialect.replace_texts(&event, &values);
            dialect.apply(&event, &replacement);
            dialect.reply(&event, &Decision::acknowledged());
        }
        Ok(Decoded::Batch { hook, items }) => {
            for item in items {
                let _ = dialect.decode_one(hook, "", item);
            }
        }
        Ok(Decoded::UnknownCommand(_)) => {}
        Err(unreadable) => {
            dialect.reply_without_event(unreadable.hook, &body, &Decision::acknowledged());
        }
    }
});
