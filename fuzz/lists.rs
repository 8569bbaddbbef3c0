//! The options and lists that the targets read texts with.

use std::sync::Arc;

use crate::filter::{
    AllowMode, Combo, Confusables, Entry, ListSpec, Marks, Options, Pinyin, Role, SkipClasses,
    WholeWord,
};

#[allow(dead_code)]
pub const WORDS: &[&str] = &[
    "badword",
    "赌博",
    "加微信",
    "代开发票",
    "嘻嘻哈哈",
    "c++",
    "(禁看)",
    "cat*",
    "*ass*",
    "usa",
    "free money",
    "カジノ",
    "한국",
    "сор",
    "138",
    "aab",
    "枪",
    "aaaa",
    "re:1[3-9]\\d{9}",
];

const ALLOWED: &[&str] = &["反赌博", "assess", "五加微信"];

/// From the defaults to everything at once.
pub fn options() -> Vec<Options> {
    let plain = Options::default();
    let noise = SkipClasses::SPACE
        .with(SkipClasses::PUNCT)
        .with(SkipClasses::SYMBOL);
    let noisy = Options {
        skip: noise,
        repeat: 3,
        ..plain.clone()
    };
    let all_noise = SkipClasses::NAMED
        .into_iter()
        .fold(SkipClasses::NONE, |all, (_, class)| all.with(class));
    let typed = Options {
        pinyin: Pinyin::Initials,
        homophone: true,
        split: true,
        ..noisy.clone()
    };
    vec![
        plain.clone(),
        noisy.clone(),
        Options {
            leet: true,
            selfmask: true,
            bidi: true,
            num_style: true,
            ..noisy.clone()
        },
        typed.clone(),
        Options {
            marks: Marks::Zalgo,
            confusables: Confusables::Always,
            whole_word: WholeWord::Off,
            allow_mode: AllowMode::Overlap,
            ..noisy
        },
        Options {
            case: false,
            width: false,
            style: false,
            trad: false,
            invisible: false,
            marks: Marks::Off,
            confusables: Confusables::Off,
            ..plain
        },
        Options {
            skip: all_noise,
            leet: true,
            selfmask: true,
            bidi: true,
            whole_word: WholeWord::Alpha,
            combos: vec![Combo {
                id: "brush".to_owned(),
                all: vec!["刷单".to_owned(), "日结".to_owned()],
                window: Some(20),
                none: vec!["不".to_owned()],
            }],
            ..typed
        },
    ]
}

pub fn lists(options: Options, words: &[&str]) -> Vec<ListSpec> {
    vec![
        list("words", Role::Match, options, words),
        list("allow", Role::Allow, Options::default(), ALLOWED),
    ]
}

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
