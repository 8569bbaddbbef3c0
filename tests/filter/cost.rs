//! What texts and lists cost, counted in steps: whatever stands in them, a search ends.

use std::sync::Arc;

use callgate::filter::{
    Budget, Combo, Entry, Filter, ListSpec, Mode, Options, Pinyin, REGEX_STEPS_MAX, Role, Scratch,
    SkipClasses, Spent, Urls, WholeWord,
};

const TEXT_BYTES: usize = 6_000;
/// What one search may take here; enough to see that it ends.
const STEPS: u64 = 300_000;

fn entry(text: &str, options: Option<Options>) -> Entry {
    Entry {
        text: text.to_owned(),
        line: 1,
        tags: Arc::from([]),
        options: options.map(Arc::new),
    }
}

fn list(name: &str, role: Role, options: Options, words: &[String]) -> ListSpec {
    ListSpec {
        name: name.into(),
        role,
        options,
        entries: words.iter().map(|word| entry(word, None)).collect(),
    }
}

fn endings(of: &str) -> Vec<String> {
    (1..=128).map(|count| of.repeat(count)).collect()
}

/// What a search costs, and how many matches it finds.
struct Cost {
    steps: u64,
    regex_steps: u64,
    spent: Option<Spent>,
    matches: usize,
}

fn cost(lists: Vec<ListSpec>, text: &str) -> Cost {
    let names: Vec<Arc<str>> = lists.iter().map(|list| list.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let filter = Filter::compile(lists).unwrap();
    let set = filter.list_set(&names);
    let mut scratch = Scratch::default();
    let mut scan = || {
        let budget = Budget::new(text.len(), STEPS, REGEX_STEPS_MAX);
        let mut matches = Vec::new();
        filter.scan_within(&budget, text, &set, &mut scratch, &mut matches);
        (
            budget.steps(),
            budget.regex_steps(),
            budget.spent(),
            matches,
        )
    };
    let (first, second) = (scan(), scan());
    assert_eq!(first, second, "a replay ends in the same way");
    let (steps, regex_steps, spent, matches) = first;
    assert!(steps <= STEPS, "{steps}");
    Cost {
        steps,
        regex_steps,
        spent,
        matches: matches.len(),
    }
}

fn inside() -> Options {
    Options {
        whole_word: WholeWord::Off,
        ..Options::default()
    }
}

/// Every option that takes time for each character.
fn everything() -> Options {
    let skip = [
        SkipClasses::SPACE,
        SkipClasses::PUNCT,
        SkipClasses::SYMBOL,
        SkipClasses::STOP,
    ];
    Options {
        skip: skip.into_iter().fold(SkipClasses::NONE, SkipClasses::with),
        max_gap: 1_000,
        repeat: 2,
        leet: true,
        homophone: true,
        selfmask: true,
        bidi: true,
        pinyin: Pinyin::Initials,
        split: true,
        mode: Mode::All,
        urls: Urls::Skip,
        combos: vec![Combo {
            id: "pair".to_owned(),
            all: vec!["a".to_owned(), "哈".to_owned()],
            window: Some(9),
            none: vec!["b".to_owned()],
        }],
        ..inside()
    }
}

#[test]
fn endings_of_each_other_end_within_the_budget() {
    for (unit, options) in [("哈", Options::default()), ("a", inside())] {
        let words = list("w", Role::Match, options, &endings(unit));
        let found = cost(vec![words], &unit.repeat(TEXT_BYTES / unit.len() * 6));
        assert_eq!(found.spent, Some(Spent::Steps));
        assert!(found.matches > 0, "what was found until then is told");
    }
}

#[test]
fn endings_that_no_word_ends_with_are_known_by_one_look() {
    let words = list("w", Role::Match, Options::default(), &endings("a"));
    let text = "a".repeat(TEXT_BYTES);
    let found = cost(vec![words], &text);
    assert_eq!((found.spent, found.matches), (None, 0));
    assert!(found.steps < 4 * text.len() as u64, "{}", found.steps);
}

#[test]
fn every_way_to_search_has_an_end() {
    let words = [
        endings("a"),
        endings("哈"),
        vec!["ab".into(), "a b".into(), "b@d".into()],
    ]
    .concat();
    let allow = ["aa", "哈哈", "re:a+", "a b"].map(str::to_owned);
    for text in [
        "a",
        "哈",
        "a-",
        "@",
        "1!",
        "a b ",
        "哈@",
        "b*",
        "\u{202e}ab",
        "e\u{301}\u{336}",
        "🇨",
    ] {
        let text = text.repeat(TEXT_BYTES / 5 / text.len());
        for with_allow in [false, true] {
            let mut lists = vec![list("w", Role::Match, everything(), &words)];
            if with_allow {
                lists.push(list("ok", Role::Allow, Options::default(), &allow));
            }
            cost(lists, &text);
        }
    }
}

#[test]
fn many_lists_of_one_word_share_the_budget() {
    let lists = (0..200).map(|nth| list(&nth.to_string(), Role::Match, inside(), &["a".into()]));
    let found = cost(lists.collect(), &"a".repeat(TEXT_BYTES / 2));
    assert_eq!(found.spent, Some(Spent::Steps));
}

#[test]
fn words_of_combinations_that_are_too_many_are_not_forgotten_silently() {
    let combo = Combo {
        id: "pair".to_owned(),
        all: vec!["赌".to_owned(), "博".to_owned()],
        window: None,
        none: Vec::new(),
    };
    let options = Options {
        combos: vec![combo],
        ..Options::default()
    };
    let text = "赌".repeat(20_000) + "博";
    let found = cost(vec![list("w", Role::Match, options, &[])], &text);
    assert_eq!(found.spent, Some(Spent::Steps));
}

fn ordinary(count: usize) -> Vec<String> {
    let one = |nth: usize| match nth % 4 {
        0 => format!("re:cas[i1]no{nth}"),
        1 => format!("re:加.?微{nth}"),
        2 => format!("re:v.{{0,3}}x{nth}[0-9]+"),
        _ => format!("re:1[3-9][0-9]{{9}}{nth}"),
    };
    (0..count).map(one).collect()
}

#[test]
fn ordinary_regular_expressions_are_one_pass() {
    let chat = "明天下午三点开会，记得带上材料 see you at the casino or the cinema, v 1380 ";
    for (count, bytes) in [(100, 30_000), (1_000, 10_000)] {
        let text = chat.repeat(bytes / chat.len());
        let words = list("w", Role::Match, Options::default(), &ordinary(count));
        let found = cost(vec![words], &text);
        assert_eq!(found.spent, None);
        let per_byte = found.regex_steps / text.len() as u64;
        assert!(
            per_byte < count as u64,
            "{per_byte} steps a byte for {count}"
        );
        let quiet = "明天下午三点开会，记得带上材料".repeat(bytes / 60);
        let words = list("w", Role::Match, Options::default(), &ordinary(count));
        let found = cost(vec![words], &quiet);
        assert!(
            found.regex_steps < 2 * quiet.len() as u64,
            "{}",
            found.regex_steps
        );
    }
}

/// Which entries are found.
fn found(entries: Vec<Entry>, allow: &[&str], text: &str) -> Vec<usize> {
    let allow: Vec<String> = allow.iter().map(|phrase| (*phrase).to_owned()).collect();
    let words = ListSpec {
        entries: entries.into_iter().collect(),
        ..list("w", Role::Match, Options::default(), &[])
    };
    let filter = Filter::compile(vec![
        words,
        list("ok", Role::Allow, Options::default(), &allow),
    ]);
    let filter = filter.unwrap();
    let set = filter.list_set(&["w", "ok"]);
    let mut matches = Vec::new();
    filter.scan(text, &set, &mut Scratch::default(), &mut matches);
    matches.iter().map(|found| found.entry.index()).collect()
}

#[test]
fn a_thousand_entries_with_options_of_their_own_are_each_read_with_them() {
    let han = |nth: u32| char::from_u32(0x5000 + nth).unwrap();
    let alias = |nth: u32| Options {
        aliases: [(han(nth).to_string(), "赌".to_owned())].into(),
        ..Options::default()
    };
    let entries = (0..1_000).map(|nth| entry(&format!("赌博{nth}号"), Some(alias(nth))));
    let entries: Vec<Entry> = entries.collect();
    assert_eq!(found(entries.clone(), &[], "赌博7号"), [7]);
    assert_eq!(
        found(entries.clone(), &[], &format!("{}博7号", han(7))),
        [7]
    );
    assert_eq!(found(entries, &[], &format!("{}博7号", han(8))), [0; 0]);
}

#[test]
fn phrases_spare_by_the_gaps_of_each_list() {
    let gaps = |max_gap: u32| Options {
        skip: SkipClasses::PUNCT,
        max_gap,
        ..Options::default()
    };
    let entries = vec![entry("赌博", Some(gaps(1))), entry("赌博机", Some(gaps(3)))];
    assert_eq!(found(entries.clone(), &["反赌博机"], "反赌博机"), [0; 0]);
    // The phrase is read with three signs in a gap for the second alone, and the first is not found.
    assert_eq!(
        found(entries.clone(), &["反赌博机"], "反--赌--博--机"),
        [0; 0]
    );
    assert_eq!(found(entries, &["反赌博机"], "反--赌-博-机"), [0]);
}
