//! Who reads Chinese is told what went wrong in Chinese, by every form of the pages: what the core says
//! in English stands behind its meaning.

use std::collections::BTreeMap;
use std::fs;

use callgate::admin::doors::{self, Kind};
use serde_json::json;

use crate::api;
use crate::harness::http::{self, Answer};
use crate::harness::{Callgate, PATIENCE, Setup, wait_for};
use crate::operators_api::follow;

const POLICY: &str = "\
lists: {ads: {file: ads.txt, action: block}, own: {action: block, words: [x]}}
endpoints: {shop: {url: 'http://127.0.0.1:9/x'}}
hooks: {beforeSendSingleMsg: {endpoint: shop, failedContinue: true}, afterSendSingleMsg: {endpoint: shop}}
candidate: {directory: ../candidate, share: 1}
";
/// Nothing of it is right, for any form.
const WRONG: &str = "why=&act=nonsense&plan=nope&text=%7B&form=openim&hook=noHook&version=99999999\
    &name=%20&role=king&lists=nosuch&list=nosuch&draft=remove%3Dnosuch&endpoint=nosuch&id=nosuch\
    &code=nosuch&password=wrong&old=wrong&new=short&repeat=other&token=nosuch&typed=nosuch";
/// Not `%XX`, no UTF-8, and longer than a form is.
const UNREADABLE: &str = "%zz=%ff%fe&why=%00";

/// What cannot fail by what its form holds.
const NEVER_WRONG: [&str; 5] = [
    "/logout",
    "/account/sessions/end",
    "/account/tokens/remove",
    "/console/switch",
    // The token is gone then, which is what was wanted.
    "/tokens/{id}/remove",
];

/// Forms that say more if what they are about is there; the path of the table, what is asked for, and
/// the form.
const SPECIAL: [(&str, &str, &str); 14] = [
    (
        "/lists/{name}/save",
        "/lists/ads/save",
        "draft=remove%3Dnosuch&why=x",
    ),
    (
        "/lists/{name}/save",
        "/lists/ads/save",
        "draft=add%3Dvip&why=",
    ),
    (
        "/lists/{name}/save",
        "/lists/own/save",
        "draft=add%3Dvip&why=x",
    ),
    (
        "/lists/{name}/save",
        "/lists/ads/save",
        "draft=add%3Da%26base%3D0000&why=x",
    ),
    (
        "/lists/{name}/save",
        "/lists/ads/save",
        "draft=add%3Da%2509x%253Dy%2509z%2509zz&why=x",
    ),
    ("/lists/{name}/plans", "/lists/ads/plans", "text=%FF%FE%00"),
    ("/lists/{name}/plans", "/lists/own/plans", "text=a%0Ab"),
    (
        "/changes/force",
        "/changes/force",
        "list=ads&draft=remove%3Dnosuch&why=x",
    ),
    ("/changes/force", "/changes/force", "of=candidate&why=x"),
    ("/changes/force", "/changes/force", "version=99999999&why=x"),
    ("/trial/start", "/trial/start", "why=x"),
    ("/trial/end", "/trial/end", "why=x"),
    (
        "/operators/{name}/plans",
        "/operators/bob/plans",
        "act=grant&role=operator&lists=ads",
    ),
    ("/operators", "/operators", "name=bob&role=viewer"),
];

fn start() -> (Callgate, String) {
    let setup = Setup::new(POLICY);
    setup.write("ads.txt", "vip\n");
    let candidate = setup.policies().parent().unwrap().join("candidate");
    fs::create_dir_all(&candidate).unwrap();
    fs::write(candidate.join("policy.yaml"), "hoks: {}\n").unwrap();
    let callgate = setup.start();
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    let invite = |name: &str| {
        let body = json!({ "name": name, "role": "operator", "rights": ["text", "audit"] });
        let asked = "POST /api/v1/operators/invitations";
        let invited = api::call(&callgate, &token, asked, "", &body.to_string());
        let path = invited.json()["path"].as_str().unwrap().to_owned();
        follow(&callgate, &path, name)
    };
    invite("bob");
    let cookie = invite("ann");
    (callgate, cookie)
}

fn post(callgate: &Callgate, cookie: &str, path: &str, form: &str) -> Answer {
    let here = format!("127.0.0.1:{}", callgate.admin.port());
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {here}\r\nOrigin: http://{here}\r\nCookie: {cookie}\r\n\
         Accept: text/html\r\nAccept-Language: zh-CN\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    http::send(callgate.admin, head.as_bytes())
}

fn is_chinese(text: &str) -> bool {
    text.chars()
        .any(|one| ('\u{4e00}'..='\u{9fff}').contains(&one))
}

/// The text between tags.
fn plain(html: &str) -> String {
    let parts = html.split('<').map(|part| match part.split_once('>') {
        Some((_, text)) => text,
        None => part,
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// What a page says is wrong: its notices, or where it has none its heading and what follows.
fn told(page: &str) -> Vec<String> {
    let main = page.split_once("<main").map_or(page, |(_, main)| main);
    let notices = main.split("class=\"notice ").skip(1);
    // Its mark and its class come before the text.
    let notices = notices.filter(|notice| notice.starts_with("bad") || notice.starts_with("warn"));
    let notices: Vec<String> = notices
        .map(|notice| notice.split_once('>').unwrap().1)
        .map(|notice| plain(notice.split("</div>").next().unwrap()))
        .collect();
    match notices.is_empty() {
        true => vec![plain(main.split("</header>").next().unwrap())],
        false => notices,
    }
}

#[test]
fn every_form_says_in_chinese_what_is_wrong() {
    let (callgate, cookie) = start();
    let table = doors::doors(true);
    let forms = table
        .iter()
        .filter(|door| door.kind == Kind::Page && door.method == "POST");
    let mut asked: Vec<(&str, String, &str)> = Vec::new();
    // To be logged out is the last thing.
    let (last, forms): (Vec<_>, Vec<_>) = forms.partition(|door| door.path == "/logout");
    for door in forms.into_iter().chain(last) {
        for (name, id) in [("nosuch", "99999999"), ("ads", "1")] {
            let path = door.path.replace("{name}", name);
            let path = path.replace("{number}", id).replace("{id}", "nosuch");
            asked.extend([WRONG, UNREADABLE].map(|form| (door.path, path.clone(), form)));
        }
    }
    let special = SPECIAL.map(|(door, path, form)| (door, path.to_owned(), form));
    asked.splice(0..0, special);
    let mut refused: BTreeMap<&str, u32> = BTreeMap::new();
    for (door, path, form) in asked {
        let page = post(&callgate, &cookie, &path, form);
        let refusals = refused.entry(door).or_default();
        if page.status < 400 {
            continue;
        }
        *refusals += 1;
        let text = page.text();
        let is_page = page.header("content-type").starts_with("text/html");
        for told in if is_page {
            told(text)
        } else {
            vec![text.to_owned()]
        } {
            assert!(is_chinese(&told), "{path} {form}: {}: {told}", page.status);
        }
        if is_page {
            assert!(text.contains("lang=\"zh\""), "{path}: {text}");
        }
    }
    let never = refused.iter().filter(|(_, refusals)| **refusals == 0);
    let never: Vec<_> = never.map(|(door, _)| *door).collect();
    let unlike: Vec<_> = never
        .iter()
        .filter(|door| !NEVER_WRONG.contains(door))
        .collect();
    assert!(unlike.is_empty(), "never refused: {unlike:?}");
}

/// A plan of many entries that cannot be made any more, and one without a reason.
#[test]
fn what_a_plan_ends_as_is_told_in_chinese_too() {
    let (callgate, cookie) = start();
    let words: Vec<String> = (0..30).map(|number| format!("word{number}")).collect();
    let form = format!("text={}", words.join("%0A"));
    let made = post(&callgate, &cookie, "/lists/ads/plans", &form);
    assert_eq!(made.status, 303, "{}", made.text());
    let plan = made.header("location").to_owned();
    let unsaid = post(&callgate, &cookie, &plan, "why=");
    assert_eq!(unsaid.status, 400, "{}", unsaid.text());
    assert!(
        told(unsaid.text()).iter().all(|told| is_chinese(told)),
        "{}",
        unsaid.text()
    );
    // The file is broken meanwhile.
    callgate.setup().write("ads.txt", "vip\nbad\tx=\n\u{0}");
    post(&callgate, &cookie, &plan, "why=x");
    let shown = wait_for("the end of the plan", PATIENCE * 3, || {
        let head = format!(
            "GET {plan} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nAccept-Language: zh\r\n\r\n"
        );
        let page = http::send(callgate.admin, head.as_bytes())
            .text()
            .to_owned();
        page.contains("notice bad").then_some(page)
    });
    for told in told(&shown) {
        assert!(is_chinese(&told) && told.contains("（原文："), "{told}");
    }
}
