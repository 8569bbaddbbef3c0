//! Foreign files, the entries that come out, and what is told about the rest.

use super::*;
use crate::policy::read_list;
use crate::settings::Problems;

/// What our own reader makes of the imported list: `entry` or `entry [tags]`.
fn read_back(list: &str) -> Vec<String> {
    let problems = Problems::default();
    let read = read_list("list", list.as_bytes(), &problems);
    assert_eq!(problems.into_sorted(), []);
    let entries = read.entries.iter().map(|entry| match entry.tags[..] {
        [] => entry.text.to_owned(),
        _ => format!("{} [{}]", entry.text, entry.tags.join(",")),
    });
    entries.collect()
}

fn in_words(dropped: &[Dropped]) -> Vec<String> {
    let dropped = dropped.iter();
    dropped
        .map(|one| format!("{} `{}`: {}", one.line, one.text, one.reason))
        .collect()
}

fn import(name: &str, bytes: &[u8], import: &WordImport) -> ImportedWords {
    import_words(name, bytes, import).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[track_caller]
fn check(name: &str, text: &str, format: WordFormat, expected: &[&str], dropped: &[&str]) {
    let imported = import(name, text.as_bytes(), &WordImport::default());
    assert_eq!(imported.format, format, "{text}");
    assert_eq!(read_back(&imported.list), expected, "{text}");
    assert_eq!(in_words(&imported.dropped), dropped, "{text}");
    assert_eq!(imported.entries, expected.len());
    // Whoever knows the format gets the same.
    let told = WordImport {
        format: Some(format),
        ..WordImport::default()
    };
    assert_eq!(import("", text.as_bytes(), &told), imported);
}

fn check_bytes(bytes: &[u8], named: Option<&str>, encoding: &str, expected: &[&str]) {
    let named = WordImport {
        encoding: named.map(str::to_owned),
        ..WordImport::default()
    };
    let imported = import("words.txt", bytes, &named);
    assert_eq!(imported.encoding, encoding);
    assert_eq!(read_back(&imported.list), expected);
}

#[test]
fn plain_lines() {
    check(
        "words.txt",
        "赌博网站\r\n\r\n  act now \n# a comment\n#hashtag\n\\#x\n// more\nc++\n",
        WordFormat::Plain,
        &["赌博网站", "act now", "#hashtag", "\\#x", "c++"],
        &["4 `# a comment`: a comment", "7 `// more`: a comment"],
    );
    check("words.txt", "", WordFormat::Plain, &[], &[]);
}

#[test]
fn what_no_list_can_hold_is_dropped_with_line_and_reason() {
    let long = "x".repeat(129);
    let text = format!("好词\n{long}\n***\nre:a+\n\u{200b}\na\u{1}b\n好词\ncontact:phone\n");
    check(
        "words.txt",
        &text,
        WordFormat::Plain,
        &["好词"],
        &[
            &format!("2 `{}…`: 129 characters; 128 are the most", "x".repeat(40)),
            "3 `***`: there is nothing but `*`",
            "4 `re:a+`: a pattern, which is no word",
            "5 `\u{200b}`: the entry is nothing but blanks and what the options drop",
            "6 `a\u{1}b`: a word cannot hold tabs, line breaks or control characters",
            "7 `好词`: repeated, it stands in line 1",
            "8 `contact:phone`: a pattern, which is no word",
        ],
    );
}

#[test]
fn words_with_tags() {
    check(
        "tags.txt",
        "赌博网站 1,赌博\n代开发票 2,发票\n刷单 2\n",
        WordFormat::Tags,
        &["赌博网站 [1,赌博]", "代开发票 [2,发票]", "刷单 [2]"],
        &[],
    );
    check(
        "tags.txt",
        "online casino\tgambling\nact now\tads, spam\nplain\n",
        WordFormat::Tags,
        &["online casino [gambling]", "act now [ads,spam]", "plain"],
        &[],
    );
    check(
        "tags.txt",
        "赌博网站 1\n刷单 2\n赌博网站 3,1\n代开 1\n加微信 2\n兼职日结 1\n刷信誉 2\n开票 1\n返利 1\n办证 2\n跑分 1\n套现 2\n贷款 1\n杀猪盘 2\n跑腿 1\n",
        WordFormat::Tags,
        &[
            "赌博网站 [1,3]",
            "刷单 [2]",
            "代开 [1]",
            "加微信 [2]",
            "兼职日结 [1]",
            "刷信誉 [2]",
            "开票 [1]",
            "返利 [1]",
            "办证 [2]",
            "跑分 [1]",
            "套现 [2]",
            "贷款 [1]",
            "杀猪盘 [2]",
            "跑腿 [1]",
        ],
        &["3 `赌博网站`: repeated, it stands in line 1"],
    );
}

#[test]
fn words_with_tags_are_no_table_and_a_table_has_no_tags_behind_blanks() {
    check(
        "words.txt",
        "赌博网站 1,a\n代开发票 2,b\n刷单 2,b\n",
        WordFormat::Tags,
        &["赌博网站 [1,a]", "代开发票 [2,b]", "刷单 [2,b]"],
        &[],
    );
    check(
        "words.txt",
        "act now,ads\nbuy followers,ads\nonline casino,gambling\n",
        WordFormat::Csv,
        &[
            "act now [ads]",
            "buy followers [ads]",
            "online casino [gambling]",
        ],
        &[],
    );
    check(
        "words.txt",
        "word\ttags\nact now\tads\n",
        WordFormat::Csv,
        &["act now [ads]"],
        &[],
    );
}

#[test]
fn phrases_of_several_words_are_no_tags() {
    check(
        "words.txt",
        "act now\nbuy followers\nclick below\n",
        WordFormat::Plain,
        &["act now", "buy followers", "click below"],
        &[],
    );
}

#[test]
fn words_between_bars() {
    check(
        "words.txt",
        "赌博网站|代开发票| 刷单 ||赌博网站|\n加微信|act now\n",
        WordFormat::Pipe,
        &["赌博网站", "代开发票", "刷单", "加微信", "act now"],
        &["1 `赌博网站`: repeated, it stands in line 1"],
    );
}

#[test]
fn csv_with_a_header() {
    check(
        "words.csv",
        "id,Category,Word\n1,gambling,\"casino, online\"\n2,\"ads;spam\",act now\n3,ads,\n4,ads,\"two\nlines\"\n",
        WordFormat::Csv,
        &["casino, online [gambling]", "act now [ads,spam]"],
        &[
            "4 `3,ads,`: the column of the word is empty",
            "5 `two\nlines`: a word cannot hold tabs, line breaks or control characters",
        ],
    );
    check(
        "words.txt",
        "敏感词;分类\n赌博网站;赌博\n",
        WordFormat::Csv,
        &["赌博网站 [赌博]"],
        &[],
    );
}

#[test]
fn a_line_break_in_a_cell_of_tags_parts_them() {
    let text = "word,tags\nact now,\"ads\nspam\"\n";
    let expected = ["act now [ads,spam]"];
    check("words.csv", text, WordFormat::Csv, &expected, &[]);
}

#[test]
fn csv_without_a_header() {
    check(
        "words.txt",
        "赌博网站,赌博\n代开发票,发票\n刷单,欺诈\n",
        WordFormat::Csv,
        &["赌博网站 [赌博]", "代开发票 [发票]", "刷单 [欺诈]"],
        &[],
    );
    check("words.csv", "a1\nb2\n", WordFormat::Csv, &["a1", "b2"], &[]);
}

#[test]
fn columns_can_be_named_or_counted() {
    let columns = |word: &str, tags: Option<&str>| WordImport {
        format: Some(WordFormat::Csv),
        word_column: Some(word.to_owned()),
        tags_column: tags.map(str::to_owned),
        ..WordImport::default()
    };
    let text = "nr,what,why\n1,casino,x\n";
    let named = import("", text.as_bytes(), &columns("what", Some("WHY")));
    assert_eq!(read_back(&named.list), ["casino [x]"]);
    let counted = import("", text.as_bytes(), &columns("3", None));
    assert_eq!(read_back(&counted.list), ["why", "x"]);
    let error = import_words("", text.as_bytes(), &columns("words", None));
    assert_eq!(
        error.unwrap_err(),
        "there is no column `words`; the first line has `nr`, `what`, `why`"
    );
    let error = import_words("", text.as_bytes(), &columns("4", None));
    assert!(error.is_err());
}

#[test]
fn json_arrays_of_strings_and_objects() {
    check(
        "words",
        "[\"casino\",\n \"\\u8d4c\\u535a\", 7, null, \"\"]",
        WordFormat::Json,
        &["casino", "赌博"],
        &[
            "2 `7`: this is no text",
            "2 `null`: this is no text",
            "2 ``: there is no word",
        ],
    );
    check(
        "words.json",
        "[{\"word\": \"casino\", \"tags\": [\"a\", \"b\"]},\n{\"text\": \"act now\", \"category\": \"ads\", \"level\": 3},\n{\"x\": 1}]",
        WordFormat::Json,
        &["casino [a,b]", "act now [ads,3]"],
        &["3 `{\"x\": 1}`: no key of the object holds a word"],
    );
}

#[test]
fn json_objects_of_arrays() {
    check(
        "words.json",
        "{\"version\": 2,\n\"words\": [\"casino\"],\n\"ads\": [\"act now\",\n\"casino\"]}",
        WordFormat::Json,
        &["casino [ads]", "act now [ads]"],
        &["4 `casino`: repeated, it stands in line 2"],
    );
}

#[test]
fn discords_own_export() {
    check(
        "rule.json",
        "{\"name\": \"Rule 1\",\n\"trigger_metadata\": {\n\"keyword_filter\": [\"cat\", \"wild*\"],\n\"regex_patterns\": [\"c.t\"],\n\"allow_list\": [\"wildlife\"]}}",
        WordFormat::Json,
        &["cat", "wild*"],
        &[
            "4 `\"c.t\"`: a pattern, which is no word",
            "5 `\"wildlife\"`: an allowed word; it belongs in a list of its own with `action: allow`",
        ],
    );
}

#[test]
fn discords_keywords() {
    check(
        "words.txt",
        "cat, dog*, *bird,*fish*\n**horse**, *, cow\n",
        WordFormat::Discord,
        &["cat", "dog*", "*bird", "*fish*", "*horse*", "cow"],
        &["2 `*`: there is nothing but `*`"],
    );
    check(
        "words.txt",
        "cat, dog, bird",
        WordFormat::Discord,
        &["cat", "dog", "bird"],
        &[],
    );
    let imported = import("", b"cat, dog*", &WordImport::default());
    assert_eq!(imported.open_ended, 1);
}

#[test]
fn encodings_are_found_out() {
    check_bytes(
        "赌博网站\n加微信\n".as_bytes(),
        None,
        "UTF-8",
        &["赌博网站", "加微信"],
    );
    check_bytes("\u{feff}赌博\n".as_bytes(), None, "UTF-8", &["赌博"]);
    let gbk = b"\xb6\xc4\xb2\xa9\xcd\xf8\xd5\xbe\n\xbc\xd3\xce\xa2\xd0\xc5\n";
    check_bytes(gbk, None, "gb18030", &["赌博网站", "加微信"]);
    check_bytes(gbk, Some("GBK"), "GBK", &["赌博网站", "加微信"]);
    let wide = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        let text = format!("{mark}赌博\r\ncasino\r\n");
        text.encode_utf16().flat_map(order).collect()
    };
    for mark in ["", "\u{feff}"] {
        check_bytes(
            &wide(u16::to_le_bytes, mark),
            None,
            "UTF-16LE",
            &["赌博", "casino"],
        );
        check_bytes(
            &wide(u16::to_be_bytes, mark),
            None,
            "UTF-16BE",
            &["赌博", "casino"],
        );
    }
    check_bytes(b"\xbd\xe4\xb3\xd5\n", Some("big5"), "Big5", &["賭博"]);
}

#[test]
fn lines_that_are_no_text_are_dropped() {
    let imported = import("", "赌博\n代\u{8}开\n".as_bytes(), &WordImport::default());
    assert_eq!(imported.entries, 1);
    let mut bytes = "赌博\n加微信\n坏".as_bytes().to_vec();
    bytes.pop();
    let imported = import("", &bytes, &WordImport::default());
    assert_eq!(imported.encoding, "UTF-8");
    assert_eq!(read_back(&imported.list), ["赌博", "加微信"]);
    assert_eq!(
        in_words(&imported.dropped),
        ["3 `\u{fffd}`: not readable in the file's encoding; name another one"]
    );
}

#[test]
fn what_cannot_be_read_at_all_is_one_sentence() {
    let encoding = WordImport {
        encoding: Some("klingon".to_owned()),
        ..WordImport::default()
    };
    let error = import_words("", b"a", &encoding).unwrap_err();
    assert!(
        error.starts_with("there is no encoding `klingon`; use "),
        "{error}"
    );
    let json = import_words("a.json", b"[\"a\",\n", &WordImport::default()).unwrap_err();
    assert!(json.starts_with("this is no JSON: EOF"), "{json}");
    assert!(json.ends_with("line 2 column 0"), "{json}");
    let deep = "[".repeat(50) + &"]".repeat(50);
    let deep = import("a.json", deep.as_bytes(), &WordImport::default());
    assert!(in_words(&deep.dropped)[0].ends_with("it is nested too deep"));
}

#[test]
fn every_word_can_be_given_a_tag() {
    let tagged = WordImport {
        tags: vec!["imported".to_owned(), "zh".to_owned()],
        ..WordImport::default()
    };
    let imported = import("", "赌博\tzh,a\n代开\tb".as_bytes(), &tagged);
    assert_eq!(
        read_back(&imported.list),
        ["赌博 [zh,a,imported]", "代开 [b,imported,zh]"]
    );
}

mod random {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the bytes, there is no panic, and our reader takes what comes out.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(imported) = import_words("", &bytes, &WordImport::default()) {
                prop_assert_eq!(read_back(&imported.list).len(), imported.entries);
            }
        }

        #[test]
        fn any_text_in_every_format(
            text in "([a1#\\\\*|,\t\n \"'(){}<>/=;\\[\\]:赌-]|re:|<li>|&amp;|'a'|insert into ){0,40}",
            format in prop::sample::select(vec![
                WordFormat::Plain, WordFormat::Tags, WordFormat::Pipe, WordFormat::Csv,
                WordFormat::Json, WordFormat::Discord, WordFormat::Code, WordFormat::Xml,
                WordFormat::Separated, WordFormat::Replacements, WordFormat::Yaml,
            ]),
        ) {
            let told = WordImport { format: Some(format), ..WordImport::default() };
            if let Ok(imported) = import_words("", text.as_bytes(), &told) {
                prop_assert_eq!(read_back(&imported.list).len(), imported.entries);
            }
        }
    }
}

fn words_of(name: &str, text: &str) -> (Vec<String>, Vec<String>) {
    let imported = import(name, text.as_bytes(), &WordImport::default());
    let changed = imported.changed.iter();
    let changed = changed.map(|one| format!("{} `{}`: `{}`", one.line, one.text, one.word));
    (read_back(&imported.list), changed.collect())
}

#[test]
fn words_with_something_beside_them_are_told_of() {
    let (words, changed) = words_of("a.txt", "badger=***\nferret=f*rret\nstoat=[removed]\n");
    assert_eq!(words, ["badger", "ferret", "stoat"]);
    assert_eq!(changed[0], "1 `badger=***`: `badger`");
    let (words, _) = words_of("a.txt", "badger => b****r\nferret => f\n");
    assert_eq!(words, ["badger", "ferret"]);
    let (words, changed) = words_of("a.txt", "赌博 1203\n加微信 88\n代开发票 3\n");
    assert_eq!(words, ["赌博", "加微信", "代开发票"]);
    assert_eq!(changed.len(), 3);
    let (words, _) = words_of("dict.txt", "赌博网站 1203 n\n加微信 88 v\n刷单 7 vn\n");
    assert_eq!(words, ["赌博网站", "加微信", "刷单"]);
    let (words, _) = words_of("a.txt", "/badger/i\n/\\bferret\\b/\n\\bstoat\\b\n");
    assert_eq!(words, ["badger", "ferret", "stoat"]);
}

#[test]
fn lists_in_other_clothes() {
    let check = |name: &str, text: &str, expected: &[&str]| {
        assert_eq!(words_of(name, text).0, expected, "{text}");
    };
    check(
        "a",
        "1. badger\n2. ferret\n3. stoat\n",
        &["badger", "ferret", "stoat"],
    );
    check("a", "* badger\n* ferret\n", &["badger", "ferret"]);
    check(
        "a",
        "badger\rferret\rstoat\r",
        &["badger", "ferret", "stoat"],
    );
    check(
        "a",
        "赌博、加微信、代开发票\n",
        &["赌博", "加微信", "代开发票"],
    );
    check(
        "a",
        "badger; ferret; stoat\n",
        &["badger", "ferret", "stoat"],
    );
    check(
        "a.js",
        "export default [\n  'badger', // one\n  \"it's\",\n];\n",
        &["badger", "it's"],
    );
    check(
        "a.py",
        "WORDS = [\n    \"badger\",\n    \"ferret\",\n]\n",
        &["badger", "ferret"],
    );
    check(
        "a.php",
        "<?php\nreturn array('badger', 'ferret');\n",
        &["badger", "ferret"],
    );
    check("a", "['badger', 'ferret',]", &["badger", "ferret"]);
    check(
        "a.xml",
        "<?xml version=\"1.0\"?>\n<words>\n <!-- x -->\n <w>badger</w><w>a &amp; b</w>\n</words>",
        &["badger", "a & b"],
    );
    check(
        "a",
        "{\"word\":\"badger\"}\n{\"word\":\"ferret\"}\n",
        &["badger", "ferret"],
    );
    check(
        "a",
        "{\"badger\":\"b*****\",\"ferret\":\"f*****\"}",
        &["badger", "ferret"],
    );
    check(
        "a",
        "[Section]\nbadger\n＃ comment\n; comment\nferret\n",
        &["badger", "ferret"],
    );
}

#[test]
fn what_looks_like_no_words_is_refused() {
    let refused = |text: &str| {
        let error = import_words("-", text.as_bytes(), &WordImport::default()).unwrap_err();
        assert!(error.contains("--format"), "{error}");
    };
    refused("if (x == y) { return [1]; }\nwhile (a <= b) { c[d] = e; }\n");
    refused("1\n2\n3\n4\n");
}

/// A file of another program, and the words in it.
#[derive(serde::Deserialize)]
struct FileCase {
    name: String,
    /// How the file is called.
    #[serde(default)]
    file: Option<String>,
    /// What it holds, if that is UTF-8; else `base64`.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    base64: String,
    /// `null`: it is refused, or has no word, which the command refuses.
    words: Option<Vec<String>>,
    /// To refuse it is right as well: a few bytes tell no encoding.
    #[serde(default)]
    or_refused: bool,
}

#[test]
fn files_of_the_field_are_read_or_refused() {
    check_files(include_str!("../../../tests/fixtures/import/field.jsonl"));
}

#[test]
fn lists_in_any_shape_are_read_or_refused() {
    check_files(include_str!("../../../tests/fixtures/import/shapes.jsonl"));
}

#[test]
fn variants_of_these_lists_are_read_or_refused() {
    check_files(include_str!(
        "../../../tests/fixtures/import/variants.jsonl"
    ));
}

#[test]
fn lists_as_people_publish_them_are_read_or_refused() {
    check_files(include_str!(
        "../../../tests/fixtures/import/published.jsonl"
    ));
}

fn check_files(cases: &str) {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let mut wrong = Vec::new();
    for line in cases.lines() {
        let case: FileCase = serde_json::from_str(line).unwrap();
        let bytes = match &case.text {
            Some(text) => text.clone().into_bytes(),
            None => BASE64_STANDARD.decode(&case.base64).unwrap(),
        };
        let name = case.file.as_deref().unwrap_or("-");
        let read = import_words(name, &bytes, &WordImport::default());
        let found = read.map(|read| {
            let entries = read_back(&read.list).into_iter();
            let word = |entry: String| entry.split(" [").next().unwrap().to_owned();
            (
                entries.map(word).collect::<Vec<_>>(),
                read.format,
                read.encoding,
            )
        });
        let read = found.as_ref().ok().map(|(words, ..)| words);
        let read = read.filter(|words| !words.is_empty());
        if read != case.words.as_ref() && !(read.is_none() && case.or_refused) {
            wrong.push(format!(
                "{}: {found:?} instead of {:?}",
                case.name, case.words
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Every old encoding: the words, or a refusal that asks for the encoding; never other words.
#[test]
fn no_encoding_is_taken_for_another() {
    let texts = [
        (
            "zh",
            "赌博网站\n加微信\n代开发票\n网上赌场\n真人荷官\n办证\n刷单兼职\n",
            "gbk gb18030",
        ),
        (
            "zh-tw",
            "賭博網站\n加我微信\n代開發票\n網上賭場\n線上娛樂城\n真人荷官\n",
            "big5",
        ),
        (
            "ja",
            "ばか\nアホ\n死ね\nくたばれ\n賭博サイト\n出会い系\n",
            "shift_jis euc-jp iso-2022-jp",
        ),
        (
            "ko",
            "바보\n멍청이\n도박 사이트\n카지노\n사기\n불법\n",
            "euc-kr",
        ),
        (
            "ru",
            "дурак\nмошенник\nказино\nставки на спорт\nреклама\n",
            "windows-1251 koi8-r ibm866 iso-8859-5",
        ),
        (
            "uk",
            "дурень\nшахрай\nказино\nїжак і ґава\nреклама є тут\n",
            "windows-1251 koi8-u",
        ),
        (
            "el",
            "βλάκας\nαπατεώνας\nκαζίνο\nστοίχημα\nδιαφήμιση\n",
            "windows-1253 iso-8859-7",
        ),
        (
            "he",
            "טיפש\nנוכל\nקזינו\nהימורים\nפרסומת\n",
            "windows-1255 iso-8859-8",
        ),
        (
            "ar",
            "غبي\nمحتال\nكازينو\nقمار\nإعلان\nرهان\n",
            "windows-1256 iso-8859-6",
        ),
        ("th", "คนโง่\nคนโกง\nคาสิโน\nการพนัน\nโฆษณา\n", "windows-874"),
        (
            "tr",
            "aptal\ndolandırıcı\nşans oyunları\nbahis\nçöp ağzı\n",
            "windows-1254",
        ),
        (
            "pl",
            "głupek\noszust\nkasyno\nzakłady\nżądło\nśmieć\n",
            "windows-1250 iso-8859-2",
        ),
        (
            "cs",
            "blázen\npodvodník\nsázky\nželezný\nčest\nřeka\n",
            "windows-1250 iso-8859-2",
        ),
        (
            "fr",
            "imbécile\nescroc\ncasino\npublicité\nmerdeux à côté\n",
            "windows-1252",
        ),
        (
            "de",
            "Idiot\nBetrüger\nGlücksspiel\nScheiße\nblöd\n",
            "windows-1252",
        ),
        ("vi", "ngốc\nlừa đảo\ncờ bạc\nquảng cáo\n", "windows-1258"),
    ];
    let mut wrong = Vec::new();
    let mut known = 0;
    for (language, text, labels) in texts {
        for label in labels.split(' ') {
            let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
            let (bytes, _, lossy) = encoding.encode(text);
            if lossy {
                continue;
            }
            match import_words("-", &bytes, &WordImport::default()) {
                Ok(read) => {
                    let words: Vec<_> = text.lines().collect();
                    if read_back(&read.list) == words {
                        known += 1;
                    } else {
                        wrong.push(format!(
                            "{language} in {label}: {:?} {:?}",
                            read.encoding, read.list
                        ));
                    }
                }
                Err(error) => assert!(error.contains("--"), "{language} in {label}: {error}"),
            }
        }
    }
    println!("{known} of them are known");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(known > 14, "only {known} are known");
}
