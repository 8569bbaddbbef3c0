//! The texts of a message's content.

use super::*;

fn texts(content_type: i32, content: &str) -> Vec<Text> {
    let mut event = direct("beforeMsgModify", content_type, content);
    event.texts.remove(0);
    event.texts
}

fn check_found(content_type: i32, content: &str, expected: &[(&str, TextClass, &str)]) {
    let texts = texts(content_type, content);
    let found: Vec<_> = texts
        .iter()
        .map(|text| (text.pointer.as_str(), text.class, text.value.as_str()))
        .collect();
    assert_eq!(found, expected, "{content}");
}

#[test]
fn no_form_of_content_hides_a_text() {
    use TextClass::{Body, Nested, Opaque};
    let check = check_found;
    check(
        101,
        r#"{"content":"a","content":"b"}"#,
        &[("/content", Body, "a"), ("/content", Body, "b")],
    );
    check(101, r#"{"CONTENT":"a"}"#, &[("/CONTENT", Body, "a")]);
    check(
        101,
        r#"{"c\u006fntent":"\u0064amn"}"#,
        &[("/content", Body, "damn")],
    );
    check(
        110,
        r#"{"deſcription":"a"}"#,
        &[("/deſcription", TextClass::Label, "a")],
    );
    check(
        101,
        r#"{"content":["a",{"b":"c"}]}"#,
        &[("/content/0", Opaque, "a"), ("/content/1/b", Opaque, "c")],
    );
    check(101, "hello", &[("", Body, "hello")]);
    check(
        101,
        r#"{"content":"a"} x"#,
        &[("", Body, r#"{"content":"a"} x"#)],
    );
    check(102, "[1]", &[("", Body, "[1]")]);
    check(
        106,
        r#"{"atUsersInfo":"a","quoteMessage":"b"}"#,
        &[
            ("/atUsersInfo", Opaque, "a"),
            ("/quoteMessage", Opaque, "b"),
        ],
    );
    check(
        114,
        r#"{"quoteMessage":{"content":"{\"content\":\"a\"}"}}"#,
        &[("/quoteMessage/content/content", Nested, "a")],
    );
    check(
        999,
        r#"{"x":[1,{"y~/":"a"}],"z":"b"}"#,
        &[("/x/1/y~0~1", Opaque, "a"), ("/z", Opaque, "b")],
    );
    check(1501, r#"{"detail":"a"}"#, &[]);
    check(102, r#"{"sourcePath":"a"}"#, &[]);
    check(101, r#"{"content":""}"#, &[]);
    check(101, "", &[]);
}

#[test]
fn json_in_strings_is_opened() {
    use TextClass::Opaque;
    let three = r#"{"data":"{\"a\":\"{\\\"b\\\":\\\"damn\\\"}\",\"c\":1}","extension":"{no json"}"#;
    check_found(
        110,
        three,
        &[
            ("/data/a/b", Opaque, "damn"),
            ("/extension", Opaque, "{no json"),
        ],
    );
    let found = texts(110, three);
    assert_eq!(found[0].literals.len(), 3);
    let event = direct("beforeMsgModify", 110, three);
    assert_eq!(
        masked(&event).content.unwrap(),
        three.replace("damn", "****")
    );
}

#[test]
fn nesting_without_end_is_judged_too() {
    let mut content = r#"{"textElem":{"content":"damn"}}"#.to_owned();
    for _ in 0..40 {
        content = format!(r#"{{"quoteElem":{{"quoteMessage":{content}}}}}"#);
    }
    let content = format!(r#"{{"text":"t","quoteMessage":{content}}}"#);
    let found = texts(114, &content);
    assert_eq!(found.last().unwrap().value, "damn");
    assert_eq!(found.last().unwrap().class, TextClass::Nested);
    assert!(found.last().unwrap().pointer.len() <= 256);
    let event = direct("beforeMsgModify", 114, &content);
    assert_eq!(
        masked(&event).content.unwrap(),
        content.replace("damn", "****")
    );
}

#[test]
fn texts_past_the_limit_are_joined() {
    let list = vec!["\"damn\""; 2_500].join(",");
    let event = direct(
        "beforeMsgModify",
        107,
        &format!(r#"{{"abstractList":[{list}]}}"#),
    );
    // The nickname, 2,000 texts, and the rest.
    assert_eq!(event.texts.len(), 2_002);
    let rest = event.texts.last().unwrap();
    assert_eq!(rest.value, "damn\n".repeat(500));
    assert!(!rest.replaceable);
    let content = masked(&event).content.unwrap();
    assert_eq!(
        (
            content.matches("****").count(),
            content.matches("damn").count()
        ),
        (2_000, 500)
    );
}

fn check_protected(text: &str, ids: &[&str], expected: &[&str]) {
    let content = serde_json::json!({ "atUserList": ids, "text": text }).to_string();
    let found = texts(106, &content);
    let protected: Vec<&str> = found[0]
        .protected
        .iter()
        .map(|range| &text[range.clone()])
        .collect();
    assert_eq!(protected, expected, "{text}");
}

#[test]
fn mentions_are_protected() {
    let check = check_protected;
    check("@607 @985 damn", &["607", "985"], &["@607", "@985"]);
    check("看@607", &["607"], &["@607"]);
    check("hi@607 x", &["607"], &["@607"]);
    check("@a@b.c x", &["b.c", "a@b.c"], &["@a@b.c"]);
    check("@607, x", &["607"], &[]);
    check("@608 x", &["607"], &[]);
    check("@傻瓜 x", &["傻瓜"], &[]);
    check("@bad word x", &["bad word"], &[]);
    check("@ x", &[""], &[]);
    check(&"@".repeat(1000), &["@"], &["@@"]);
}

#[test]
fn mentions_count_in_texts_with_mentions_alone() {
    let mut event = direct(
        "beforeMsgModify",
        101,
        r#"{"content":"@607 x","atUserList":["607"]}"#,
    );
    assert!(event.texts.pop().unwrap().protected.is_empty());
}

#[test]
fn entities_keep_the_length() {
    let keeps = |content: &str| texts(117, content)[0].keep_length;
    assert!(keeps(r#"{"text":"a","messageEntityList":[{"offset":0}]}"#));
    assert!(keeps(r#"{"MessageEntityList":[{}],"text":"a"}"#));
    assert!(!keeps(r#"{"text":"a","messageEntityList":[]}"#));
    assert!(!keeps(r#"{"text":"a","messageEntityList":null}"#));
}
