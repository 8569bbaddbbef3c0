//! Sentences of our own, one rule each.

use super::*;

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
