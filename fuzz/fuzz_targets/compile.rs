//! Any list compiles or is refused with the line of what is wrong; what compiles can be scanned.
//!
//! The first byte of an input chooses the options, each line of the rest is an entry, and the
//! rest as a whole is the text.
#![no_main]

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

use filter::{Filter, Scratch};

fuzz_target!(|input: &[u8]| {
    let Some((choice, text)) = input.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    let words: Vec<&str> = text.lines().collect();
    let mut options = lists::options();
    let options = options.swap_remove(usize::from(*choice) % options.len());
    match Filter::compile(lists::lists(options, &words)) {
        Ok(filter) => {
            let set = filter.list_set(&["words", "allow"]);
            filter.scan(&text, &set, &mut Scratch::default(), &mut Vec::new());
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(
                problems
                    .iter()
                    .all(|problem| problem.line as usize <= words.len())
            );
        }
    }
});
