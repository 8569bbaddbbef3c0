//! What a filter finds, on recorded cases, on sentences of our own and on random text.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::filter::{
    Combo, ENTRY_CHARS_MAX, Entry, EntryRef, Marks, MaskBy, Mode, OptionDef, Pinyin, SkipClasses,
    Slot, WholeWord, mask,
};

const CASES: &str = include_str!("../../tests/fixtures/filter/cases.jsonl");
const EVASIONS: &str = include_str!("../../tests/fixtures/filter/evasion.jsonl");

fn list(name: &str, role: Role, options: Options, words: &[&str]) -> ListSpec {
    let entries = words.iter().zip(1..).map(|(word, line)| Entry {
        text: (*word).to_owned(),
        line,
        tags: Arc::new([]),
        options: None,
    });
    ListSpec {
        name: name.into(),
        role,
        options,
        entries: entries.collect(),
    }
}

/// One list of words and one of allowed phrases, ready to scan.
struct Words {
    filter: Filter,
    set: ListSet,
    scratch: Scratch,
}

impl Words {
    fn new(words: &[&str], allow: &[&str], options: Options) -> Words {
        let filter = Filter::compile(vec![
            list("words", Role::Match, options, words),
            list("allow", Role::Allow, Options::default(), allow),
        ])
        .unwrap();
        Words {
            set: filter.list_set(&["words", "allow"]),
            filter,
            scratch: Scratch::default(),
        }
    }

    fn find(&mut self, text: &str) -> Vec<Match> {
        let mut matches = Vec::new();
        self.filter
            .scan(text, &self.set, &mut self.scratch, &mut matches);
        matches
    }

    fn masked(&mut self, text: &str) -> String {
        let matches = self.find(text);
        let cuts: Vec<_> = matches
            .iter()
            .map(|found| (found.span.bytes.clone(), self.filter.mask_of(found)))
            .collect();
        mask(text, &cuts, &[], false)
    }
}

/// Asserts that exactly these parts of the text match, in order.
fn check(words: &[&str], text: &str, expected: &[&str]) {
    check_with(words, &[], Options::default(), text, expected);
}

fn check_with(words: &[&str], allow: &[&str], options: Options, text: &str, expected: &[&str]) {
    let found = Words::new(words, allow, options).find(text);
    let found: Vec<&str> = found
        .iter()
        .map(|found| &text[found.span.bytes.clone()])
        .collect();
    assert_eq!(found, expected, "{words:?} in {text:?}");
}

fn check_refused(options: Options, words: &[&str], expected: &[&str]) {
    let list = list("ads", Role::Match, options, words);
    let problems: Vec<String> = Filter::compile(vec![list])
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(problems, expected);
}

// Recorded cases.

fn options_of(case: &Value) -> Options {
    let mut options = Options::default();
    for (name, value) in case["options"].as_object().unwrap() {
        let def = OptionDef::named(name).unwrap_or_else(|| panic!("option {name}"));
        match def.slot(&mut options) {
            Slot::Switch(on) => *on = value.as_bool().unwrap(),
            Slot::Number(number) => *number = value.as_u64().unwrap() as u32,
            Slot::Choice(choice) => {
                let name = value.as_str().map(str::to_owned);
                let name = name.unwrap_or_else(|| value.to_string());
                assert!(choice.choose(&name), "{name}");
            }
            Slot::Classes(skip) => {
                *skip = strings(value).iter().fold(SkipClasses::NONE, |all, name| {
                    all.with(SkipClasses::from_name(name).unwrap())
                });
            }
            Slot::Aliases(aliases) => *aliases = strings_by_name(value),
            Slot::Combos(combos) => {
                *combos = value.as_array().unwrap().iter().map(combo_of).collect();
            }
            Slot::Mask(mask) => *mask = mask_of(value),
        }
    }
    options
}

fn combo_of(value: &Value) -> Combo {
    let words = |name: &str| -> Vec<String> {
        let words = value[name].as_array().into_iter().flatten();
        words
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    Combo {
        id: value["id"].as_str().unwrap().to_owned(),
        all: words("all"),
        window: value["window"].as_u64().map(|window| window as u32),
        none: words("none"),
    }
}

fn strings_by_name(value: &Value) -> BTreeMap<String, String> {
    let object = value.as_object().unwrap().iter();
    object
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

fn mask_of(value: &Value) -> Mask {
    let number = |name: &str, default| value[name].as_u64().map_or(default, |n| n as u32);
    let plain = Mask::default();
    Mask {
        by: match value["by"].as_str().unwrap_or("char") {
            "char" => MaskBy::Char,
            "grapheme" => MaskBy::Grapheme,
            "fixed" => MaskBy::Fixed,
            "word" => MaskBy::Word,
            by => panic!("mask by {by}"),
        },
        char: value["char"]
            .as_str()
            .map_or(plain.char, |char| char.chars().next().unwrap()),
        n: number("n", plain.n),
        text: value["text"].as_str().unwrap_or_default().to_owned(),
        keep_first: number("keep_first", 0),
        keep_last: number("keep_last", 0),
    }
}

fn strings(value: &Value) -> Vec<&str> {
    let array = value.as_array().unwrap().iter();
    array.map(|item| item.as_str().unwrap()).collect()
}

/// What a case expects and what was found, in the same words.
fn expected_and_found(case: &Value, options: Options) -> ([String; 2], [Vec<String>; 2]) {
    let text = case["text"].as_str().unwrap();
    let mut words = Words::new(&strings(&case["list"]), &strings(&case["allow"]), options);
    let expected = case["expect"].as_array().unwrap().iter().map(|hit| {
        let range = |unit: &str| {
            format!(
                "{}..{}",
                hit[format!("start_{unit}")],
                hit[format!("end_{unit}")]
            )
        };
        format!(
            "{} as {:?} at {} {} {}",
            hit["word"],
            hit["matched"].as_str().unwrap(),
            range("byte"),
            range("char"),
            range("utf16")
        )
    });
    let found = words.find(text);
    let found = found.iter().map(|found| {
        let Span {
            bytes,
            chars,
            utf16,
        } = &found.span;
        format!(
            "{:?} as {:?} at {bytes:?} {chars:?} {utf16:?}",
            words.filter.entry(found.list, found.entry).text,
            &text[bytes.clone()],
        )
    });
    let hits = [expected.collect(), found.collect()];
    let masked = [
        case["masked"].as_str().unwrap().to_owned(),
        words.masked(text),
    ];
    (masked, hits)
}

#[test]
fn recorded_cases_match_and_mask_as_recorded() {
    let mut wrong = Vec::new();
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let options = options_of(&case);
        let (masked, hits) = expected_and_found(&case, options);
        if masked[0] != masked[1] || hits[0] != hits[1] {
            wrong.push(format!("{}: {masked:?} {hits:#?}", case["id"]));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn recorded_evasions_are_found_where_they_are() {
    let mut wrong = Vec::new();
    let cases: Vec<Value> = EVASIONS
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut words: Vec<&str> = cases
        .iter()
        .map(|case| case["word"].as_str().unwrap())
        .collect();
    words.sort_unstable();
    words.dedup();
    let mut words = Words::new(&words, &[], strict());
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        let number = |name: &str| case[name].as_u64().unwrap() as usize;
        let chars = number("start_char")..number("end_char");
        let found: Vec<_> = words
            .find(text)
            .into_iter()
            .map(|found| {
                let word = words.filter.entry(found.list, found.entry).text;
                (word.to_owned(), found.span.chars)
            })
            .collect();
        let expected = [(case["word"].as_str().unwrap().to_owned(), chars)];
        if found != expected {
            wrong.push(format!(
                "{}: {found:?} for {expected:?} in {text:?}",
                case["id"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Noise and repeats are seen through too.
fn strict() -> Options {
    Options {
        skip: noise(),
        repeat: 3,
        ..Options::default()
    }
}

fn noise() -> SkipClasses {
    SkipClasses::SPACE
        .with(SkipClasses::PUNCT)
        .with(SkipClasses::SYMBOL)
}

// Sentences of our own.

#[test]
fn runs_end_where_the_next_word_begins() {
    let check = |word, text, expected: &[&str]| check_with(&[word], &[], strict(), text, expected);
    check("bad", "baddd Dogs", &["baddd"]);
    check("bad", "ab bbbad", &["bbbad"]);
    check("kk", "kkk kkkk k", &["kkk", "kkkk"]);
    check("赌博", "赌赌博博博 博", &["赌赌博博博 博"]);
    check("嘻嘻哈哈", "嘻嘻嘻哈哈哈哈", &["嘻嘻嘻哈哈哈哈"]);
    check("他妈的", "他妈妈的", &[]);
    check(
        "asshole",
        "ashole asshole assshole",
        &["asshole", "assshole"],
    );
    check("badword", "b-aaa-d.w.o.r.d", &["b-aaa-d.w.o.r.d"]);
    check("casino", "xc-cccasino", &["cccasino"]);
    check("casino", "casinooo-ox", &["casinooo"]);
    check("bb", "xb-bbb.bx", &["bbb"]);
    check("casino", "casinooo-------o", &["casinooo"]);
    check("aa", "a a+a", &["a a+a"]);
    check("is", "i🇨🇳s", &["i🇨🇳s"]);
    check("赌博", "赌🇺🇸🇨🇳博", &["赌🇺🇸🇨🇳博"]);
}

#[test]
fn signs_are_letters_or_noise() {
    let leet = |text, expected: &[&str]| {
        let options = Options {
            leet: true,
            ..strict()
        };
        check_with(&["badword", "title"], &[], options, text, expected);
    };
    leet("b@dw0rd", &["b@dw0rd"]);
    leet("b@a@d@w@o@r@d", &["b@a@d@w@o@r@d"]);
    leet("b.4.d.w.0.r.d", &["b.4.d.w.0.r.d"]);
    leet("7it1e", &["7it1e"]);
    leet("b444dw0rd", &["b444dw0rd"]);
    leet("b4dw0r", &[]);
    check_with(
        &["ass"],
        &[],
        Options {
            leet: true,
            ..strict()
        },
        "asss$ as55",
        &["asss$", "as55"],
    );
    check_with(
        &["ila"],
        &[],
        Options {
            leet: true,
            ..strict()
        },
        // The `1` is one of two letters, so none is there three times.
        "llla i1la i11la",
        &["i11la"],
    );
    leet("847w0rd", &[]);
}

#[test]
fn combinations_need_all_their_words_in_one_window() {
    let combo = Combo {
        id: "brush".to_owned(),
        all: vec!["刷单".to_owned(), "日结".to_owned()],
        window: Some(8),
        none: vec!["骗局".to_owned()],
    };
    let options = Options {
        combos: vec![combo],
        ..strict()
    };
    let check =
        |text, expected: &[&str]| check_with(&["单员"], &[], options.clone(), text, expected);
    check("招刷单员，工资日结", &["刷单", "日结"]);
    check("日结！刷单", &["日结", "刷单"]);
    check("刷单刷单日结", &["刷单", "刷单", "日结"]);
    let shared = Options {
        combos: vec![Combo {
            id: "c".to_owned(),
            all: vec!["赌博".to_owned(), "哈".to_owned()],
            ..Combo::default()
        }],
        ..strict()
    };
    check_with(&["哈"], &[], shared, "哈赌博", &["哈", "赌博"]);
    check("单员，刷单一二三四五日结", &["单员"]);
    check("刷单日结都是骗局", &[]);
    check("刷单日结，一二三四五六都是骗局", &["刷单", "日结"]);
}

#[test]
fn overridden_text_is_read_as_it_is_shown() {
    let check = |text, expected: &[&str]| {
        let options = Options {
            bidi: true,
            ..strict()
        };
        check_with(&["badword", "赌博"], &[], options, text, expected);
    };
    check("\u{202E}drowdab\u{202C}", &["drowdab"]);
    check("bad\u{202E}drow\u{202C} ok", &["bad\u{202E}drow"]);
    check("\u{202E}ＤＲＯＷＤＡＢ", &["ＤＲＯＷＤＡＢ"]);
    check("drowdab 博赌 \u{202E}hello\u{202C}", &[]);
    check("赌博 \u{202E}ok\u{202C}", &["赌博"]);
}

#[test]
fn hidden_letters_are_seen_where_enough_are_left() {
    let check = |text, expected: &[&str]| {
        let options = Options {
            selfmask: true,
            ..Options::default()
        };
        check_with(&["badword", "casino", "bold"], &[], options, text, expected);
    };
    check("b*dw#rd, c*s*no!", &["b*dw#rd", "c*s*no"]);
    check("(B●DWORD)", &["B●DWORD"]);
    check("b*****d *adword **bold**", &["bold"]);
    check("xb*dword b*dwords", &[]);
    check_with(
        &["сор"],
        &[],
        Options {
            selfmask: true,
            ..Options::default()
        },
        "пел с*р",
        &["с*р"],
    );
    check_with(&["ﾞ¹"], &[], Options::default(), "ﾞ¹ﾞ¹", &["ﾞ¹ﾞ"]);
}

#[test]
fn syllables_and_parts_join_only_where_they_may() {
    let pinyin = Options {
        pinyin: Pinyin::Initials,
        split: true,
        ..strict()
    };
    let check = |text, expected: &[&str]| {
        check_with(
            &["赌博", "加微信", "明天"],
            &[],
            pinyin.clone(),
            text,
            expected,
        );
    };
    check("dǔbó du bo d-u-b-o", &["dǔbó", "du bo", "d-u-b-o"]);
    check("d ubo dubois adubo db", &[]);
    check("加wx jia w x 加wei信", &["加wx", "jia w x", "加wei信"]);
    check("贝者博 贝 者博 日 月 天", &["贝者博"]);
    check("dddubo", &["dddubo"]);
}

#[test]
fn flag_beside_a_word_is_no_part_of_it() {
    check(&["badword"], "🇺🇸badword🇨🇳", &["badword"]);
    check(&["usa"], "🇺🇸🇦", &["🇺🇸🇦"]);
}

#[test]
fn cyrillic_entry_matches_in_cyrillic_text_and_alone() {
    check(&["сор"], "это сор в избе", &["сор"]);
    check(&["сор"], "сор", &["сор"]);
    check(&["сор"], "рессора", &[]);
}

#[test]
fn cyrillic_phrase_spares_in_cyrillic_text_and_alone() {
    check_with(
        &["сор"],
        &["сор"],
        Options::default(),
        "это сор в избе",
        &[],
    );
    check_with(&["сор"], &["сор"], Options::default(), "сор", &[]);
}

#[test]
fn loose_lookalikes_count_only_inside_a_latin_word() {
    check(&["bot"], "вот", &[]);
    check(&["bot"], "вot", &["вot"]);
    check(&["kreml"], "kгeмl", &["kгeмl"]);
}

#[test]
fn lookalikes_inside_unfolded_characters_are_settled() {
    check(&["ua"], "5 ㎂", &["㎂"]);
}

#[test]
fn decomposed_letters_are_the_composed_ones() {
    check(
        &["한국"],
        "\u{1112}\u{1161}\u{11AB}\u{1100}\u{116E}\u{11A8}",
        &["\u{1112}\u{1161}\u{11AB}\u{1100}\u{116E}\u{11A8}"],
    );
    check(&["が"], "か\u{3099}", &["か\u{3099}"]);
    check(&["か"], "か\u{3099}", &[]);
    let zalgo = Options {
        marks: Marks::Zalgo,
        ..Options::default()
    };
    check_with(
        &["café"],
        &[],
        zalgo.clone(),
        "cafe\u{301} cafe",
        &["cafe\u{301}"],
    );
    check_with(
        &["tiếng"],
        &[],
        zalgo.clone(),
        "tie\u{302}\u{301}ng",
        &["tie\u{302}\u{301}ng"],
    );
    check_with(
        &["cafe"],
        &[],
        zalgo,
        "c\u{336}a\u{336}f\u{336}e\u{336}",
        &["c\u{336}a\u{336}f\u{336}e\u{336}"],
    );
    let off = Options {
        marks: Marks::Off,
        ..Options::default()
    };
    check_with(&["café"], &[], off.clone(), "cafe\u{301}", &["cafe\u{301}"]);
    check_with(&["赌博"], &[], off, "赌\u{336}博", &[]);
}

#[test]
fn hangul_letters_join_where_they_spell_a_syllable() {
    check(&["ㅋㅠ"], "ㅋㅠ 큐", &["ㅋㅠ", "큐"]);
    check(
        &["시발"],
        "ㅅㅣㅂㅏㄹ 시ㅂㅏㄹ ㅅㅂ",
        &["ㅅㅣㅂㅏㄹ", "시ㅂㅏㄹ"],
    );
    check(&["하다"], "하다ㅋㅋ", &["하다"]);
    check(&["ㅋㅋ"], "ﾻﾻ", &["ﾻﾻ"]);
}

#[test]
fn no_part_of_a_character_matches() {
    check(&["平"], "㍻ 平", &["平"]);
    check(&["成"], "㍻", &[]);
    check(&["平成"], "㍻", &["㍻"]);
}

#[test]
fn stars_lift_the_boundary_and_lone_stars_are_stars() {
    check(&["cat*"], "catch cat wildcat", &["cat", "cat"]);
    check(&["*cat"], "catch cat wildcat", &["cat", "cat"]);
    check(&["*cat*"], "location", &["cat"]);
    check(&["**"], "a ** b", &["**"]);
    check(&["f*k"], "f*k fuk", &["f*k"]);
}

#[test]
fn equal_entries_differ_in_their_boundaries() {
    check(&["cat", "cat*"], "catch", &["cat"]);
}

#[test]
fn every_blank_is_a_space() {
    check(
        &["free money"],
        "free\u{a0}money free\u{3000}money",
        &["free\u{a0}money", "free\u{3000}money"],
    );
    check(&["free money"], "free\nmoney", &[]);
}

#[test]
fn marks_behind_a_match_belong_to_it() {
    check(&["赌博"], "赌博\u{336}\u{200d}吗", &["赌博\u{336}\u{200d}"]);
    check(&["कम"], "कमी", &[]);
    check(&["*ก*"], "กู", &[]);
}

#[test]
fn entries_and_aliases_are_folded_like_the_text() {
    let aliases = |pairs: &[(&str, &str)]| Options {
        aliases: pairs
            .iter()
            .map(|(from, to)| ((*from).into(), (*to).into()))
            .collect(),
        ..Options::default()
    };
    check_with(
        &["加微信"],
        &[],
        aliases(&[("❤️", "微")]),
        "加❤️信 加❤信",
        &["加❤️信", "加❤信"],
    );
    check_with(
        &["微信号"],
        &[],
        aliases(&[("V", "微信")]),
        "ｖ号",
        &["ｖ号"],
    );
    check_with(&["x号"], &[], aliases(&[("x", "微")]), "微号", &["微号"]);
    check_with(&["赌博"], &[], aliases(&[("睹", "賭")]), "睹博", &["睹博"]);
}

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
            kana: number / 2 % 2 == 0,
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

// Random text.

/// Characters in which every step of folding has something to do.
const MIXED: &str = "ab赌賭博1１ⓐ㎏Ａа\u{301}\u{336}\u{200d}\u{200b}\u{3099}か🇺🇸😀 *ﬁ";

fn mixed(chars: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let chars = prop::collection::vec(
        prop::sample::select(MIXED.chars().collect::<Vec<_>>()),
        chars,
    );
    chars.prop_map(String::from_iter)
}

/// Entries that are more than blanks and marks.
fn entries(of: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<String>> {
    let entry = of.prop_map(|entry| entry + "ab");
    prop::collection::vec(entry, 1..6)
}

proptest! {
    // Every case compiles lists.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn spans_agree_in_all_units(text in mixed(0..40), words in entries(mixed(0..3)), all: bool) {
        let text = words.join(&text) + &text;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mode = if all { Mode::All } else { Mode::Longest };
        let utf16: Vec<u16> = text.encode_utf16().collect();
        for found in Words::new(&words, &[], Options { mode, ..Options::default() }).find(&text) {
            let Span { bytes, chars, utf16: units } = found.span;
            let slice = &text[bytes];
            let by_chars: String = text.chars().skip(chars.start).take(chars.len()).collect();
            prop_assert_eq!(by_chars, slice);
            prop_assert_eq!(String::from_utf16(&utf16[units]).unwrap(), slice);
        }
    }

    #[test]
    fn masked_text_has_no_match_left(
        text in "[abAｂ赌賭博机 \u{301}\u{200b}1]{0,40}",
        words in prop::collection::vec("[ab赌博机1]{1,4}", 1..6),
    ) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut words = Words::new(&words, &[], Options::default());
        let masked = words.masked(&text);
        prop_assert_eq!(words.find(&masked), []);
    }

    #[test]
    fn bytes_outside_of_matches_stay(text in mixed(0..40)) {
        let mut words = Words::new(&["ab", "赌博", "kg", "1"], &[], Options::default());
        let masked: Vec<char> = words.masked(&text).chars().collect();
        let found = words.find(&text);
        prop_assert_eq!(masked.len(), text.chars().count());
        for (at, (before, after)) in text.chars().zip(masked).enumerate() {
            let hidden = found.iter().any(|found| found.span.chars.contains(&at));
            prop_assert_eq!(after, if hidden { '*' } else { before });
        }
    }

    #[test]
    fn any_text_is_scanned(text in any::<String>(), word in "\\PC{1,6}") {
        let word = format!("{word}赌");
        Words::new(&[&word, "a", "赌"], &["b"], Options::default()).find(&text);
        let anywhere = Options { whole_word: WholeWord::Off, ..Options::default() };
        prop_assert!(!Words::new(&[&word], &[], anywhere).find(&word).is_empty());
    }
}
