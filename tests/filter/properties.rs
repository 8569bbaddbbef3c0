//! What holds for every text and every list.

use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::cases::{Finding, Words, options_from_json};
use crate::model::random::{Batch, seed};

const BATCHES: u64 = 60;
/// Masks with a letter that no list holds, so that neither a word nor a boundary arises.
const MASK: char = 'ж';

fn words(words: &[&str], options: &Value) -> Words {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let options = options_from_json(options.as_object().unwrap()).unwrap();
    Words::new(&words, &[], &options).unwrap()
}

/// The lists of random batches, compiled; `change` makes the options fit the property.
fn for_random_texts(
    change: impl Fn(&mut Map<String, Value>),
    allow: bool,
    mut check: impl FnMut(&mut Words, &Map<String, Value>, &str),
) {
    let first = seed();
    let mut checked = 0;
    for seed in (0..BATCHES).map(|nth| first.wrapping_add(nth)) {
        let mut batch = Batch::new(seed);
        change(&mut batch.options);
        let options = options_from_json(&batch.options).unwrap();
        for list in &batch.lists {
            let phrases = if allow { &list.allow[..] } else { &[] };
            let Ok(mut words) = Words::new(&list.words, phrases, &options) else {
                continue;
            };
            for text in &list.texts {
                checked += 1;
                check(&mut words, &batch.options, text);
            }
        }
    }
    assert!(checked > 20 * BATCHES, "only {checked} texts were checked");
}

#[test]
fn masked_text_has_no_matches() {
    let change = |options: &mut Map<String, Value>| {
        // A mask is a letter: it would make look-alikes beside it Latin, part combinations from
        // what makes them harmless, and turn text round at other places.
        for name in ["confusables", "bidi", "style"] {
            options.insert(name.to_owned(), json!(false));
        }
        options.remove("combos");
        // Nor does a mask leave the words beside it what they were.
        options.remove("whole_word");
        options.insert("mask".to_owned(), json!({"char": MASK}));
    };
    for_random_texts(change, false, |words, options, text| {
        let masked = words.run(text).masked;
        let found = words.run(&masked).found;
        assert!(
            found.is_empty(),
            "{options:?} {text:?}\n{masked:?}: {found:?}"
        );
    });
}

fn check_spans(found: &[Finding], text: &str, apart: bool) {
    for finding in found {
        assert_eq!(
            *finding,
            Finding::at(&finding.word, text, finding.chars),
            "{text:?}"
        );
        let [start, end] = finding.bytes;
        assert!(start < end && text.is_char_boundary(start) && text.is_char_boundary(end));
        let utf16: Vec<u16> = text.encode_utf16().collect();
        let slice = &utf16[finding.utf16[0]..finding.utf16[1]];
        assert_eq!(String::from_utf16(slice).unwrap(), finding.matched);
    }
    for pair in found.windows(2) {
        assert!(pair[0].bytes[0] <= pair[1].bytes[0], "{text:?}: {found:?}");
        assert!(
            !apart || pair[0].bytes[1] <= pair[1].bytes[0],
            "{text:?}: {found:?}"
        );
    }
}

#[test]
fn spans_slice_to_the_match_in_every_unit() {
    for_random_texts(
        |_| {},
        true,
        |words, options, text| {
            let apart = !options.contains_key("mode");
            check_spans(&words.run(text).found, text, apart);
        },
    );
}

#[test]
fn no_text_makes_the_filter_panic() {
    let everything = json!({
        "leet": true, "repeat": 2, "pinyin": "initials", "homophone": true, "split": true,
        "selfmask": true, "bidi": true, "num_style": true, "mode": "all", "whole_word": false,
        "skip": ["space", "punct", "symbol", "stop", "newline", "digit", "latin"],
        "aliases": {"v": "微信"}, "combos": [{"all": ["赌", "b"], "none": ["c"], "window": 9}],
    });
    let words_of = [
        "a", "赌博", "微信", "ab", "c++", "*b*", "が", "한", "é", "1",
    ];
    let mut filters = [words(&words_of, &everything), words(&words_of, &json!({}))];
    let mut rng = Rng::with_seed(seed());
    let pool: Vec<char> = "ab1 -赌博微信がｶﾞ한\u{1112}\u{1161}é\u{301}\u{200d}\u{202e}\u{202c}🇨🇳👍\u{1f3fd}\n\0\u{10ffff}ﷺ"
        .chars()
        .collect();
    for _ in 0..4_000 {
        let length = rng.usize(0..40);
        let text: String = (0..length)
            .map(|_| {
                if rng.bool() {
                    rng.char(..)
                } else {
                    pool[rng.usize(0..pool.len())]
                }
            })
            .collect();
        for filter in &mut filters {
            check_spans(&filter.run(&text).found, &text, false);
        }
    }
}

/// The least time of a few runs.
fn time(words: &mut Words, text: &str) -> Duration {
    let runs = (0..3).map(|_| {
        let (start, busy) = (Instant::now(), on_cpu());
        words.count(text);
        match (busy, on_cpu()) {
            (Some(before), Some(after)) => after - before,
            _ => start.elapsed(),
        }
    });
    runs.min().expect("there are runs")
}

/// The time that this thread ran, where the system tells; a busy machine does not add to it.
fn on_cpu() -> Option<Duration> {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(Duration::new(
        spent.tv_sec.try_into().ok()?,
        spent.tv_nsec.try_into().ok()?,
    ))
}

/// Eight times the text takes no more than twenty times the time; quadratic work takes 64.
/// Other work on the machine only adds time, so one good round of a few is proof.
fn check_linear(words: &mut Words, unit: &str, head: &str) {
    let text = |chars: usize| head.to_owned() + &unit.repeat(chars / unit.chars().count());
    let (short_text, long_text) = (text(2_000), text(16_000));
    let mut rounds = Vec::new();
    for _ in 0..6 {
        let short = time(words, &short_text).max(Duration::from_micros(50));
        let long = time(words, &long_text);
        if long < 20 * short {
            return;
        }
        rounds.push([short, long]);
    }
    panic!("{unit:?}: eight times the text takes too long, in every round: {rounds:?}");
}

#[test]
fn time_is_linear_in_the_worst_texts() {
    let long = format!("{}b", "a".repeat(60));
    let endings: Vec<String> = (1..40).map(|count| "哈".repeat(count)).collect();
    let mut list = vec![
        "badword",
        "赌博",
        "刷单",
        "casino",
        "嘻嘻哈哈",
        "free money",
        "ก",
        "ल",
        "시",
        "👩",
        "ك",
        &long,
    ];
    list.extend(endings.iter().map(String::as_str));
    let noisy = json!({"skip": ["space", "punct", "symbol"], "repeat": 3});
    let everything = json!({
        "skip": ["space", "punct", "symbol", "stop", "newline"], "repeat": 3, "leet": true,
        "pinyin": "initials", "homophone": true, "split": true, "selfmask": true, "bidi": true,
        "combos": [{"all": ["赌博", "哈"], "none": ["b"], "window": 9}],
    });
    let inside = json!({"whole_word": false, "mode": "all", "repeat": 3});
    let zalgo = json!({
        "marks": "zalgo", "urls": "skip", "prefixes": true, "codes": true, "kana": true,
        "skip": ["punct"], "repeat": 3,
    });
    for options in [json!({}), noisy, everything, inside, zalgo] {
        let mut words = words(&list, &options);
        for unit in [
            "哈",
            "a",
            "ab",
            "-",
            "@",
            "赌@",
            "赌-------",
            "\u{202e}",
            "\u{202e}ab\u{202c}",
            "b*",
            "b@d ",
            "🇨",
            "1 ",
            "\u{2067}",
            "赌",
            "赌博哈",
            "а",
            "c*s*n",
            "ก้",
            "लं",
            "ㅅㅣ",
            "ㅅㅅㅣㅣ",
            "🇹🇼",
            "🇹🇼🇦",
            "b\u{1}",
            "赌博\u{1}",
            "👩\u{200d}",
            "a,1",
            "he'll ",
            "ك\u{640}",
            "ا\u{654}",
            "free  ",
            "https://a.b/ ",
        ] {
            check_linear(&mut words, unit, "");
        }
        check_linear(&mut words, "\u{301}", "badword");
        check_linear(&mut words, "\u{e49}\u{e38}", "ก");
        check_linear(&mut words, "\u{94d}\u{93c}", "क");
        check_linear(&mut words, "\u{e49}", "casino");
        check_linear(&mut words, "\u{3a3}\u{323}\u{301}", "badword");
        check_linear(&mut words, "\u{200d}", "赌");
    }
}

/// Precomposed or not, in any canonical order, singletons and exclusions too: for every character
/// that Unicode has another spelling of.
#[test]
fn what_unicode_calls_the_same_is_found_in_each_other() {
    let around = |c: char| format!("一{c}一");
    let differs = |c: &char| {
        let spelled = around(*c);
        !spelled.nfd().eq(spelled.chars())
    };
    // Of the Hangul syllables, which are made by a rule, some.
    let is_one_of_many = |c: &char| ('\u{AC00}'..='\u{D7A3}').contains(c) && u32::from(*c) % 97 > 0;
    let all = ('\u{80}'..=char::MAX).filter(|c| !is_one_of_many(c) && differs(c));
    let raw: Vec<String> = all.map(around).collect();
    assert!(raw.len() > 2_000, "{}", raw.len());
    let composed: Vec<String> = raw.iter().map(|text| text.nfc().collect()).collect();
    let parted: Vec<String> = raw.iter().map(|text| text.nfd().collect()).collect();
    let mut wrong = Vec::new();
    for marks in ["on", "zalgo", "off"] {
        let options = options_from_json(json!({"marks": marks}).as_object().unwrap()).unwrap();
        for entries in [&raw, &composed, &parted] {
            let mut words = Words::new(entries, &[], &options).unwrap();
            for text in raw.iter().chain(&composed).chain(&parted) {
                // A mark that is made of marks, alone: under `off` it counts as it is written.
                if marks == "off" && text.chars().nth(1).is_some_and(is_combining_mark) {
                    continue;
                }
                let found = words.run(text).found;
                if !found.iter().any(|one| one.bytes == [0, text.len()]) {
                    wrong.push(format!("marks {marks}: {text:?}: {found:?}"));
                }
            }
        }
    }
    let count = wrong.len();
    wrong.truncate(40);
    assert!(wrong.is_empty(), "{count} wrong\n{}", wrong.join("\n"));
}
