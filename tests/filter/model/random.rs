//! Random lists, options and texts that hit interesting places.
//!
//! A case follows from its seed alone. Words are built from small alphabets, so that they share
//! beginnings, endings and runs; texts are disguised words and what confuses a matcher between
//! them.

use std::env;

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// A list, its options and a text.
#[derive(Clone, Debug)]
pub struct RandomCase {
    pub words: Vec<String>,
    pub allow: Vec<String>,
    pub options: Map<String, Value>,
    pub text: String,
}

/// What words are built from; short, so that words overlap.
const ALPHABETS: [&[&str]; 25] = [
    &["a", "b"],
    &["a", "s", "i", "l"],
    &["b", "a", "d", "o"],
    &["赌", "博"],
    &["加", "微", "信", "v"],
    &["好", "枪", "明", "票", "信"],
    &["哈", "嘻", "a"],
    &["1", "三", "a", "0"],
    &["a", "赌", "1", "-", " "],
    &["カ", "ジ", "한", "국", "é"],
    &["с", "о", "х", "п"],
    &["х", "у", "й", "д"],
    &["บ", "้", "า", "ก", "ู"],
    &["ल", "ं", "ड", "़", "ी", "क", "्"],
    &["ক", "ো", "ড়", "া"],
    &["ك", "ل", "أ", "ة", "ي", "و"],
    &["ש", "ל", "ה", "ו", "\u{5c1}"],
    &["시", "바", "ㅅ", "ㅣ", "ㅂ"],
    &["과", "없", "ㄱ", "ㅗ", "ㅏ", "ㅂ", "ㅅ"],
    &["4", "2", "0", " ", "a"],
    &["a", "b", " ", "c"],
    &["赌", " ", "b", "."],
    &["1", "4", "2", "0"],
    &["ß", "s", "ı", "ŋ", "i", "n"],
    &["က", "ိ", "ខ", "្", "ម"],
];

const WORDS: [&str; 44] = [
    "赌博",
    "加微信",
    "代开发票",
    "刷单",
    "badword",
    "casino",
    "sos",
    "ass",
    "free money",
    "c++",
    "(禁看)",
    "hh(",
    "@@@@",
    "嘻嘻哈哈",
    "cn",
    "usa",
    "138",
    "三级片",
    "cat*",
    "*cat*",
    "*",
    "加v",
    "カジノ",
    "한국",
    "сор",
    "枪",
    "hell",
    "cant",
    "420",
    "1488",
    "🇷🇺",
    "🆗",
    "™",
    "1️⃣",
    "🖕",
    "👩",
    "🏳",
    "كلب",
    "أحمق",
    "เหี้ย",
    "भोसड़ी",
    "시발",
    "fuck",
    "хуй",
];

/// Words of combinations: one of the first two and one of the others.
const COMBINED: [&str; 5] = ["赌博", "ass", "刷单", "ba", "哈"];

/// What stands between and inside words.
const NOISE: [&str; 112] = [
    " ",
    " ",
    "  ",
    "-",
    ".",
    ",",
    "_",
    "*",
    "#",
    "@",
    "!",
    "|",
    "+",
    "$",
    "~",
    "、",
    "。",
    "！",
    "；",
    "【",
    "）",
    "·",
    "●",
    "＠",
    "　",
    "\u{a0}",
    "\n",
    "\r\n",
    "\t",
    "😂",
    "❤️",
    "👨\u{200d}👩\u{200d}👧",
    "👍\u{1f3fd}",
    "🇨🇳",
    "🇺🇸",
    "🇨",
    "1️⃣",
    "🅰️",
    "①",
    "⒈",
    "㎏",
    "™",
    "㍻",
    "ﬁ",
    "½",
    "ﷺ",
    "\u{200b}",
    "\u{200d}",
    "\u{2060}",
    "\u{ad}",
    "\u{fe0f}",
    "\u{3164}",
    "\u{2800}",
    "\u{301}",
    "\u{336}",
    "\u{336}\u{336}",
    "\u{20dd}",
    "\u{3099}",
    "ﾞ",
    "\u{202e}",
    "\u{202c}",
    "\u{2067}",
    "\u{2069}",
    "\u{e0062}",
    "\u{1f3fb}",
    "\0",
    "\u{1}",
    "'",
    "’",
    "ll",
    "re",
    "s",
    ":",
    "/",
    "้",
    "ู",
    "ं",
    "्",
    "़",
    "ी",
    "\u{640}",
    "\u{64e}",
    "\u{654}",
    "\u{200c}",
    "\u{5c1}",
    "ㅅ",
    "ㅣ",
    "ㅂ",
    "゛",
    "🇷🇺",
    "🇹🇼",
    "🇦🇹",
    "👩\u{200d}👩",
    "🏳️\u{200d}🌈",
    "🖕🏽",
    "و",
    "ال",
    "ה",
    "\u{4}ff0000",
    "\u{3}04",
    "§l",
    "`",
    "´",
    " - ",
    ". ",
    "–",
    "ㅗ",
    "ㅏ",
    "ㄱ",
    "ㅎ",
    "\u{d4e}",
    "\u{df3}",
];

/// Characters that are something else under some option.
const OTHERS: [&str; 56] = [
    "a",
    "b",
    "d",
    "o",
    "s",
    "x",
    "1",
    "4",
    "0",
    "5",
    "赌",
    "博",
    "堵",
    "读",
    "力",
    "口",
    "木",
    "仓",
    "几",
    "日",
    "月",
    "亻",
    "言",
    "人",
    "女",
    "子",
    "微",
    "薇",
    "三",
    "3",
    "哈",
    "п",
    "о",
    "ο",
    "ω",
    "カ",
    "が",
    "ᄒ",
    "ᅡ",
    "é",
    "ก",
    "บ้า",
    "ल",
    "ड़",
    "ك",
    "ة",
    "ש",
    "ㅏ",
    "ı",
    "ŋ",
    "х",
    "y",
    "ß",
    "™",
    "🆗",
    "4",
];

/// A character and what disguises it, under one option or another.
const DISGUISES: [(&str, &[&str]); 60] = [
    (
        "a",
        &[
            "A", "ａ", "ⓐ", "𝐚", "🅰", "🇦", "а", "α", "á", "a\u{301}", "4", "@", "ᴀ", "ª",
        ],
    ),
    ("b", &["B", "ｂ", "ⓑ", "🅱", "🇧", "ь", "8", "ʙ", "6"]),
    ("d", &["D", "ｄ", "ⓓ", "ԁ", "đ"]),
    ("w", &["W", "ω", "ш", "ẃ"]),
    ("o", &["O", "0", "о", "ο", "ø", "º", "ö", "⓪"]),
    ("r", &["R", "г", "ⓡ"]),
    ("s", &["S", "5", "$", "ѕ", "ꜱ", "ſ"]),
    ("i", &["I", "1", "!", "|", "і", "ı", "İ", "ι"]),
    ("l", &["L", "1", "|", "ł", "ⅼ"]),
    ("t", &["7", "+", "т", "τ"]),
    ("e", &["3", "е", "é", "ε", "€"]),
    ("c", &["с", "C", "ϲ", "🇨"]),
    ("n", &["п", "ñ", "🇳", "η"]),
    ("v", &["V", "ν", "Ⅴ", "ｖ"]),
    ("1", &["１", "①", "❶", "⒈", "一", "壹", "١", "1️⃣", "¹"]),
    ("3", &["三", "③", "叁", "㈢"]),
    ("0", &["〇", "零", "⓪", "０"]),
    ("三", &["3", "叁", "㊂", "③"]),
    (
        "赌",
        &[
            "賭",
            "堵",
            "读",
            "du",
            "d",
            "贝者",
            "貝者",
            "睹",
            "dǔ",
            "赌赌赌",
        ],
    ),
    ("博", &["博博博", "搏", "bo", "b", "伯", "十尃", "十甫寸"]),
    ("加", &["家", "jia", "j", "力口", "➕", "力 口"]),
    ("微", &["薇", "威", "wei", "w", "徽", "WEI"]),
    ("信", &["人言", "亻言", "xin", "x", "芯"]),
    ("代", &["dai", "人弋", "待", "亻弋"]),
    ("开", &["開", "kai", "k", "一廾"]),
    ("发", &["發", "髮", "法", "fa"]),
    ("票", &["西示", "piao", "p", "漂"]),
    ("刷", &["唰", "shua"]),
    ("单", &["單", "丹", "dan"]),
    ("好", &["女子", "hao", "女 子"]),
    ("枪", &["槍", "木仓", "qiang", "腔"]),
    ("明", &["日月", "ming", "日 月"]),
    ("哈", &["口合", "ha", "哈哈哈"]),
    ("カ", &["ｶ", "ヵ"]),
    ("ジ", &["ｼﾞ", "シ\u{3099}", "シ"]),
    ("한", &["하\u{11ab}", "\u{1112}\u{1161}\u{11ab}", "ﾻ"]),
    ("с", &["c", "С"]),
    ("о", &["o", "О"]),
    (" ", &["\u{a0}", "　", "  ", "\n", "-"]),
    ("é", &["e", "e\u{301}", "É"]),
    ("х", &["x", "Х"]),
    ("у", &["y"]),
    ("й", &["и\u{306}", "и"]),
    ("้", &["้้", "ู"]),
    ("ड", &["ड\u{93c}", "\u{95c}"]),
    ("ड़", &["ड\u{93c}", "ड"]),
    ("ো", &["\u{9c7}\u{9be}"]),
    ("ك", &["ک", "كـ", "ﻛ", "ك\u{64e}"]),
    ("أ", &["ا", "ا\u{654}", "إ"]),
    ("ة", &["ه", "ہ"]),
    ("ي", &["ى", "ی", "ئ"]),
    ("ש", &["ש\u{5c1}", "\u{fb2a}"]),
    ("시", &["ㅅㅣ", "ㅅㅣㅂ"]),
    ("바", &["ㅂㅏ", "밥"]),
    ("과", &["ㄱㅗㅏ", "ㄱㅘ", "고ㅏ"]),
    ("없", &["ㅇㅓㅂㅅ", "ㅇㅓㅄ", "업ㅅ"]),
    ("발", &["ㅂㅏㄹ", "바ㄹ"]),
    ("ß", &["ss", "ẞ", "SS"]),
    ("u", &["*", "uuu", "ʋ"]),
    ("f", &["ƒ", "F"]),
];

/// Where a run starts that is told no seed: a red run is then about the change at hand, and not
/// about a rare corner that nobody touched.
const USUAL_SEED: u64 = 1_795_276_000_000_600_000;

/// The seed of a run: `CALLGATE_SEED`, a new one if that is `random`, or the usual one. It is
/// printed.
pub fn seed() -> u64 {
    let seed = match env::var("CALLGATE_SEED").as_deref() {
        Ok("random") => fastrand::u64(..),
        Ok(seed) => seed
            .parse()
            .expect("CALLGATE_SEED is a whole number or `random`"),
        Err(_) => USUAL_SEED,
    };
    println!("CALLGATE_SEED={seed}");
    seed
}

/// Cases with the same options, which are compiled together: a table for each set of options
/// takes far longer to build than a short text to read.
pub struct Batch {
    pub options: Map<String, Value>,
    pub lists: Vec<RandomList>,
}

pub struct RandomList {
    pub words: Vec<String>,
    pub allow: Vec<String>,
    pub texts: Vec<String>,
}

const LISTS: usize = 6;
const TEXTS: usize = 10;

impl Batch {
    pub fn new(seed: u64) -> Batch {
        let mut rng = Rng::with_seed(seed);
        let lists: Vec<RandomList> = (0..LISTS).map(|_| RandomList::new(&mut rng)).collect();
        let options = options(&mut rng);
        Batch { options, lists }
    }

    pub fn case(&self, list: usize, text: usize) -> RandomCase {
        RandomCase {
            words: self.lists[list].words.clone(),
            allow: self.lists[list].allow.clone(),
            options: self.options.clone(),
            text: self.lists[list].texts[text].clone(),
        }
    }
}

impl RandomList {
    fn new(rng: &mut Rng) -> RandomList {
        let words: Vec<String> = (0..rng.usize(1..=4)).map(|_| word(rng)).collect();
        let allowed = if rng.u8(0..4) == 0 {
            rng.usize(1..=2)
        } else {
            0
        };
        RandomList {
            allow: (0..allowed).map(|_| phrase(rng, &words)).collect(),
            texts: (0..TEXTS).map(|_| text(rng, &words)).collect(),
            words,
        }
    }
}

/// Any character, those of the plane that most texts keep to more often; none of those for private
/// use that stand for flags in the model.
fn any(rng: &mut Rng) -> char {
    match rng.u8(0..4) {
        0 | 1 => rng.char('\0'..'\u{3100}'),
        2 => rng.char('\u{A000}'..'\u{12000}'),
        _ => rng.char('\0'..'\u{F0000}'),
    }
}

fn one<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    rng.choice(of).expect("there is something to choose from")
}

fn word(rng: &mut Rng) -> String {
    if rng.u8(0..3) == 0 {
        return one(rng, &WORDS).to_owned();
    }
    if rng.u8(0..12) == 0 {
        return of_one_block(rng);
    }
    let alphabet = ALPHABETS[rng.usize(0..ALPHABETS.len())];
    let letters = (0..rng.usize(1..=4)).map(|_| one(rng, alphabet));
    let word: String = letters.collect();
    match rng.u8(0..24) {
        0 => format!("{word}*"),
        1 => format!("*{word}"),
        // A word that is disguised in the list itself.
        2 => disguised(rng, &word),
        _ => word,
    }
}

/// Characters that stand beside each other in Unicode: letters, vowels and digits of one script.
fn of_one_block(rng: &mut Rng) -> String {
    let first = u32::from(any(rng)) & !0x3F;
    let chars = (0..rng.usize(1..=3)).map(|_| first + rng.u32(0..0x40));
    chars.filter_map(char::from_u32).collect()
}

/// A phrase around one of the words, or a piece of one.
fn phrase(rng: &mut Rng, words: &[String]) -> String {
    let word = rng.choice(words).expect("a list holds words");
    match rng.u8(0..4) {
        0 => word.clone(),
        1 => one(rng, &OTHERS).to_owned(),
        2 => format!("{word}{}", one(rng, &OTHERS)),
        _ => format!("{}{word}", one(rng, &OTHERS)),
    }
}

fn text(rng: &mut Rng, words: &[String]) -> String {
    let mut text = String::new();
    for _ in 0..rng.usize(1..=6) {
        match rng.u8(0..8) {
            0 => text.push_str(one(rng, &OTHERS)),
            1 => text.push_str(one(rng, &NOISE)),
            2 => text.push(any(rng)),
            3 => {
                let hidden = disguised(rng, &rng.clone().choice(words).expect("words").clone());
                let turned: String = hidden.chars().rev().collect();
                text.push_str(&format!("\u{202e}{turned}"));
            }
            4 if rng.bool() => text.push_str(one(rng, &COMBINED)),
            _ => {
                let word = rng.choice(words).expect("a list holds words").clone();
                text.push_str(&disguised(rng, &word));
            }
        }
    }
    text
}

/// A word with some of its characters disguised, repeated, parted or missing.
fn disguised(rng: &mut Rng, word: &str) -> String {
    let level = rng.u8(0..4);
    let noise = one(rng, &NOISE);
    let mut disguised = String::new();
    for c in word.trim_matches('*').chars() {
        let c = c.to_string();
        let disguises = DISGUISES.iter().find(|(plain, _)| *plain == c);
        match rng.u8(0..16) {
            _ if level == 0 => disguised.push_str(&c),
            0..3 => match disguises {
                Some((_, disguises)) => disguised.push_str(one(rng, disguises)),
                None => disguised.push_str(&c),
            },
            3..6 => disguised.push_str(&c.repeat(rng.usize(1..=5))),
            6 => disguised.push_str(one(rng, &NOISE)),
            7 => {}
            _ => disguised.push_str(&c),
        }
        match rng.u8(0..12) {
            0 if level == 2 => disguised.push_str(one(rng, &NOISE)),
            _ if level == 3 => disguised.push_str(noise),
            _ => {}
        }
    }
    disguised
}

fn options(rng: &mut Rng) -> Map<String, Value> {
    let mut options = Map::new();
    let mut set = |name: &str, value: Value| options.insert(name.to_owned(), value);
    if rng.u8(0..10) == 0 {
        set("locale", json!("tr"));
    }
    for name in ["case", "width", "style", "trad", "invisible", "hamza"] {
        if rng.u8(0..16) == 0 {
            set(name, json!(false));
        }
    }
    for (name, odds) in [
        ("num_style", 6),
        ("leet", 5),
        ("homophone", 8),
        ("split", 6),
        ("selfmask", 8),
        ("bidi", 6),
        ("kana", 8),
        ("prefixes", 5),
        ("codes", 10),
    ] {
        if rng.u8(0..odds) == 0 {
            set(name, json!(true));
        }
    }
    match rng.u8(0..12) {
        0 => drop(set("marks", json!("zalgo"))),
        1 => drop(set("marks", json!(false))),
        _ => {}
    }
    match rng.u8(0..12) {
        0 => drop(set("confusables", json!(false))),
        1 => drop(set("confusables", json!(true))),
        _ => {}
    }
    if rng.u8(0..3) == 0 {
        set("repeat", json!(rng.u8(1..=4)));
    }
    if rng.u8(0..2) == 0 {
        let classes = [
            "space", "punct", "symbol", "stop", "newline", "digit", "latin",
        ];
        let common = rng.bool();
        let chosen =
            (0..classes.len()).filter(|at| if common { *at < 3 } else { rng.u8(0..3) == 0 });
        let chosen: Vec<&str> = chosen.map(|at| classes[at]).collect();
        set("skip", json!(chosen));
    }
    if rng.u8(0..8) == 0 {
        set("max_gap", json!(rng.u8(0..4)));
    }
    match rng.u8(0..7) {
        0 => drop(set("whole_word", json!(false))),
        1 => drop(set("whole_word", json!("alpha"))),
        2 => drop(set("whole_word", json!("segment"))),
        _ => {}
    }
    match rng.u8(0..12) {
        0 => drop(set("pinyin", json!("full"))),
        1 => drop(set("pinyin", json!("initials"))),
        _ => {}
    }
    if rng.u8(0..8) == 0 {
        set(
            "aliases",
            json!({"睹": "赌", "➕": "加", "薇": "微", "v": "微信"}),
        );
    }
    if rng.u8(0..6) == 0 {
        set("mode", json!("all"));
    }
    if rng.u8(0..4) == 0 {
        set("allow_mode", json!("overlap"));
    }
    if rng.u8(0..6) == 0 {
        let all = [COMBINED[rng.usize(..2)], COMBINED[rng.usize(2..5)]];
        let mut combo = json!({"id": "c", "all": all});
        if rng.bool() {
            combo["window"] = json!(rng.u8(1..12));
        }
        if rng.bool() {
            combo["none"] = json!([one(rng, &OTHERS)]);
        }
        set("combos", json!([combo]));
    }
    let masks = [
        json!({"by": "grapheme"}),
        json!({"by": "fixed", "n": 2}),
        json!({"by": "word", "text": "[-]"}),
        json!({"keep_first": 1, "keep_last": 1}),
    ];
    if let 0..4 = rng.usize(0..16) {
        set("mask", masks[rng.usize(0..4)].clone());
    }
    options
}
