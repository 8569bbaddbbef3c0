//! Several lists, entries with options of their own, and what is refused.

use super::*;

#[test]
fn allowed_phrase_counts_only_if_its_list_is_scanned() {
    let filter = Filter::compile(vec![
        list("words", Role::Match, Options::default(), &["赌博"]),
        list("allow", Role::Allow, Options::default(), &["反赌博"]),
    ])
    .unwrap();
    let count = |names: &[&str]| {
        let mut matches = Vec::new();
        filter.scan(
            "反赌博",
            &filter.list_set(names),
            &mut Scratch::default(),
            &mut matches,
        );
        matches.len()
    };
    assert_eq!(count(&["words"]), 1);
    assert_eq!(count(&["words", "allow"]), 0);
    assert_eq!(count(&["allow"]), 0);
    assert_eq!(count(&[]), 0);
}

#[test]
fn lists_have_matches_of_their_own_sorted_by_start() {
    let off = Options {
        trad: false,
        ..Options::default()
    };
    let filter = Filter::compile(vec![
        list("long", Role::Match, Options::default(), &["赌博机", "博"]),
        list("plain", Role::Match, off, &["賭博", "賭"]),
        list("short", Role::Match, Options::default(), &["赌博"]),
    ])
    .unwrap();
    let mut matches = Vec::new();
    let set = filter.list_set(&["short", "plain", "long"]);
    filter.scan("a賭博機", &set, &mut Scratch::default(), &mut matches);
    let found: Vec<_> = matches
        .iter()
        .map(|found| (&**filter.list_name(found.list), found.span.chars.clone()))
        .collect();
    assert_eq!(found, [("long", 1..4), ("plain", 1..3), ("short", 1..3)]);
}

#[test]
fn entry_with_options_of_its_own_is_read_by_them() {
    let mut words = list(
        "words",
        Role::Match,
        Options::default(),
        &["badword", "赌博", "casino"],
    );
    let own = Options {
        mask: Mask {
            char: '#',
            ..Mask::default()
        },
        ..strict()
    };
    let own = Arc::new(own);
    let entries = words.entries.iter().enumerate();
    words.entries = entries
        .map(|(number, entry)| EntryRef {
            options: (number == 1).then_some(&own),
            ..entry
        })
        .collect();
    let filter = Filter::compile(vec![
        words,
        list("other", Role::Match, Options::default(), &["other"]),
    ]);
    let filter = filter.unwrap();
    let set = filter.list_set(&["words"]);
    let (mut scratch, mut found) = (Scratch::default(), Vec::new());
    filter.scan(
        "b-adword 赌-博 casino other",
        &set,
        &mut scratch,
        &mut found,
    );
    let shown: Vec<_> = found
        .iter()
        .map(|found| {
            let list = &**filter.list_name(found.list);
            let entry = filter.entry(found.list, found.entry);
            (list, entry.line, filter.mask_of(found).char)
        })
        .collect();
    assert_eq!(shown, [("words", 2, '#'), ("words", 3, '*')]);
    let other = filter.list_set(&["other"]);
    found.clear();
    filter.scan("赌-博", &other, &mut scratch, &mut found);
    assert_eq!(found, []);
}

#[test]
fn everything_wrong_with_a_list_is_reported_at_once() {
    let long = "长".repeat(ENTRY_CHARS_MAX + 1);
    check_refused(
        Options {
            combos: vec![Combo {
                id: "lone".to_owned(),
                all: vec!["one".to_owned()],
                ..Combo::default()
            }],
            ..Options::default()
        },
        &[
            "ok",
            "\u{200b}",
            " ",
            "re:a(",
            &long,
            "re:a*",
            "contact:fax",
        ],
        &[
            "list `ads`, line 0: combination `lone`: it takes two words at least",
            "list `ads`, line 2: the entry is nothing but blanks and what the options drop",
            "list `ads`, line 3: the entry is nothing but blanks and what the options drop",
            "list `ads`, line 4: `re:a(` is no regular expression: unclosed group",
            "list `ads`, line 5: the entry has 129 characters; 128 are the most",
            "list `ads`, line 6: `re:a*` matches where nothing is, so everywhere",
            "list `ads`, line 7: no detector `contact:fax`; there are phone, email, url, ip, handle",
        ],
    );
    for nothing in ["\u{1f3fb}", "\u{2800}", "\u{20e3}", "\u{1f3fb}\u{200d}"] {
        check_refused(
            Options::default(),
            &[nothing],
            &["list `ads`, line 1: the entry is nothing but blanks and what the options drop"],
        );
    }
    let aliases = [("ab", "c"), ("d", "efghi")].map(|(from, to)| (from.into(), to.into()));
    check_refused(
        Options {
            aliases: BTreeMap::from(aliases),
            ..Options::default()
        },
        &[],
        &[
            "list `ads`, line 0: alias `ab`: only one character can stand for something else",
            "list `ads`, line 0: alias `d` stands for `efghi`: an alias stands for 1 to 4 characters",
        ],
    );
}

#[test]
fn copies_of_allowed_phrases_have_a_limit() {
    let classes = |number: usize| {
        let named = SkipClasses::NAMED.iter().enumerate();
        let chosen = named.filter(|(bit, _)| number >> bit & 1 == 1);
        chosen.fold(SkipClasses::NONE, |all, (_, (_, class))| all.with(*class))
    };
    let own = |number: usize| Entry {
        text: format!("word{number}"),
        line: 1 + number as u32,
        tags: Arc::new([]),
        options: Some(Arc::new(Options {
            case: number.is_multiple_of(2),
            kana: (number / 2).is_multiple_of(2),
            skip: classes(number / 4),
            ..Options::default()
        })),
    };
    let phrases: Vec<String> = (0..9_000).map(|number| format!("phrase{number}")).collect();
    let phrases: Vec<&str> = phrases.iter().map(String::as_str).collect();
    let compile = |ways: usize, phrases: &[&str]| {
        let mut words = list("words", Role::Match, Options::default(), &[]);
        words.entries = (0..ways).map(own).collect();
        let allow = list("allow", Role::Allow, Options::default(), phrases);
        Filter::compile(vec![words, allow])
    };
    let problems = compile(500, &phrases).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "list `words`, line 0: lists and entries with options of their own read 9000 allowed phrases in more than 444 ways; let them share their options, or allow fewer phrases"
    );
    assert!(compile(500, &phrases[..100]).is_ok());
    assert!(compile(4, &phrases).is_ok());
}

#[test]
fn wrong_allowed_phrase_is_reported_once_whatever_reads_it() {
    let off = Options {
        case: false,
        ..Options::default()
    };
    let problems = Filter::compile(vec![
        list("a", Role::Match, Options::default(), &["x"]),
        list("b", Role::Match, off, &["x"]),
        list("allow", Role::Allow, Options::default(), &[""]),
    ])
    .unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

/// More hits than are kept at once, with and without allowed phrases.
#[test]
fn very_many_hits_are_all_covered() {
    let text = "哈".repeat(100_000);
    let spans = |words: &[&str], allow: &[&str], mode| {
        let options = Options {
            mode,
            ..Options::default()
        };
        let found = Words::new(words, allow, options).find(&text);
        found
            .iter()
            .map(|found| found.span.chars.clone())
            .collect::<Vec<_>>()
    };
    let pairs: Vec<_> = (0..50_000).map(|at| at * 2..at * 2 + 2).collect();
    assert_eq!(spans(&["哈", "哈哈"], &["不"], Mode::Longest), pairs);
    assert_eq!(spans(&["哈", "哈哈"], &[], Mode::Longest), pairs);
    assert!(spans(&["哈", "哈哈"], &["哈哈哈"], Mode::Longest).is_empty());
    let all = spans(&["哈", "哈哈"], &[], Mode::All);
    assert!((100_000..200_000).contains(&all.len()), "{}", all.len());
}
