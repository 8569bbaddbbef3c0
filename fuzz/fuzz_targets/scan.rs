//! Any text, read with lists and options of every kind: no panic, and spans and masks that fit.
//!
//! The first byte of an input chooses the options, the rest is the text.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;

// The filter needs neither the servers nor the store: alone it builds in seconds.
#[allow(dead_code, unused_imports)]
#[path = "../../src/event.rs"]
mod event;
#[allow(dead_code, unused_imports)]
#[path = "../../src/filter/mod.rs"]
mod filter;
#[path = "../lists.rs"]
mod lists;

use filter::{Filter, ListSet, Match, Scratch, mask};

struct Read {
    filter: Filter,
    set: ListSet,
    scratch: Scratch,
}

thread_local! {
    static READS: RefCell<Vec<Read>> = RefCell::new(
        lists::options()
            .into_iter()
            .map(|options| {
                let lists = lists::lists(options, lists::WORDS);
                let filter = Filter::compile(lists).expect("the lists above are good");
                let set = filter.list_set(&["words", "allow"]);
                Read { filter, set, scratch: Scratch::default() }
            })
            .collect(),
    );
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, text)) = input.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    READS.with_borrow_mut(|reads| {
        let nth = usize::from(*choice) % reads.len();
        check(&mut reads[nth], &text);
    });
});

fn check(read: &mut Read, text: &str) {
    let mut matches: Vec<Match> = Vec::new();
    read.filter
        .scan(text, &read.set, &mut read.scratch, &mut matches);
    let mut end_before = 0;
    for found in &matches {
        let span = &found.span;
        assert!(end_before <= span.bytes.start && span.bytes.start < span.bytes.end);
        let (before, matched) = (&text[..span.bytes.start], &text[span.bytes.clone()]);
        assert_eq!(span.chars.start, before.chars().count());
        assert_eq!(span.chars.len(), matched.chars().count());
        assert_eq!(span.utf16.start, before.encode_utf16().count());
        assert_eq!(span.utf16.len(), matched.encode_utf16().count());
        end_before = span.bytes.end;
    }
    let cuts: Vec<_> = matches
        .iter()
        .map(|found| (found.span.bytes.clone(), read.filter.mask_of(found)))
        .collect();
    let masked = mask(text, &cuts, &[], true);
    assert_eq!(masked.encode_utf16().count(), text.encode_utf16().count());
}
