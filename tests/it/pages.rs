//! What single pages say, in both languages, without a browser.

use std::net::TcpListener;

use std::fs;

use serde_json::{Value, json};

use crate::api;
use crate::harness::http::{self, Answer};
use crate::harness::{Callgate, PATIENCE, Setup, calls, wait_for};
use crate::operators_api::follow;

const LANGUAGES: [&str; 2] = ["en", "zh-CN"];

fn page(callgate: &Callgate, language: &str, path: &str) -> Answer {
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\
         Accept-Language: {language}\r\n\r\n"
    );
    http::send(callgate.admin, head.as_bytes())
}

/// Waits until a page says something.
fn says(callgate: &Callgate, language: &str, path: &str, what: &str) {
    wait_for(what, PATIENCE, || {
        let page = page(callgate, language, path);
        page.text().contains(what).then_some(())
    });
}

#[test]
fn delivery_says_that_a_shared_outbox_is_away_and_what_waits_here() {
    // Nobody listens where one listened just now.
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let policy = "endpoints: {shop: {url: \"http://127.0.0.1:9/x\"}}\n\
                  hooks: {afterSendSingleMsg: {endpoint: shop}}\n";
    let url = format!("postgres://callgate@127.0.0.1:{port}/callgate");
    let callgate = Setup::new(policy)
        .engine("storage.kind", "postgres")
        .engine("storage.url", &url)
        .engine("storage.tls.mode", "plain")
        .start();
    for number in 0..3 {
        let hook = "afterSendSingleMsg";
        let body = calls::body_with_id(hook, "hello", &format!("m{number}"));
        let taken = http::post(callgate.http, &calls::path(hook), body);
        assert_eq!(taken.status, 200, "{}", taken.text());
    }
    let told = [
        [
            "PostgreSQL does not answer this replica",
            "own file, forwarded when PostgreSQL answers: <strong>3<",
        ],
        [
            "PostgreSQL 对本副本没有响应",
            "本副本自己文件中的事件，待 PostgreSQL 恢复后转发: <strong>3<",
        ],
    ];
    // What the outbox itself says is told with its meaning to who reads another language.
    says(
        &callgate,
        "zh-CN",
        "/delivery",
        "没有成功（原文：the outbox failed",
    );
    let missing = page(&callgate, "zh-CN", "/decisions/none");
    assert!(missing.text().contains("（原文："), "{}", missing.text());
    let missing = page(&callgate, "en", "/decisions/none");
    assert!(!missing.text().contains('（'), "{}", missing.text());
    for (language, lines) in LANGUAGES.into_iter().zip(told) {
        for line in lines {
            says(&callgate, language, "/delivery", line);
        }
    }
}

/// What `who` sees at a path of the pages.
fn page_of(callgate: &Callgate, cookie: &str, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n");
    let page = http::send(callgate.admin, head.as_bytes());
    assert_eq!(page.status, 200, "{path}: {}", page.text());
    page.text().to_owned()
}

/// The addresses that a page leads to, as a browser reads them.
fn links(page: &str) -> Vec<String> {
    let parts = page.split("href=\"").skip(1);
    let links = parts.filter_map(|part| part.split_once('"'));
    links.map(|(link, _)| link.replace("&amp;", "&")).collect()
}

/// The ways from a decision to the page Try.
fn ways_to_try(callgate: &Callgate, cookie: &str, id: &str) -> Vec<String> {
    let page = page_of(callgate, cookie, &format!("/decisions/{id}?show=1"));
    let links = links(&page).into_iter();
    links.filter(|link| link.starts_with("/try?")).collect()
}

#[test]
fn what_is_tried_again_is_the_text_that_was_found_fault_with() {
    let setup = Setup::new(
        "lists: {ads: {file: ads.txt, action: block}}\nhooks: {beforeSendSingleMsg: {}}\n",
    );
    setup.write("ads.txt", "vip\nalice2\n");
    let callgate = setup.start();
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    let body = json!({ "name": "bob", "role": "operator", "rights": ["text"] });
    let asked = "POST /api/v1/operators/invitations";
    let invited = api::call(&callgate, &token, asked, "", &body.to_string());
    let cookie = follow(&callgate, invited.json()["path"].as_str().unwrap(), "bob");
    let hook = "beforeSendSingleMsg";
    let sent = |id: &str, nickname: &str, text: &str| -> Value {
        let body = calls::body_with_id(hook, text, id).replace("Alice", nickname);
        http::post(callgate.http, &calls::path(hook), body);
        wait_for("the decision", PATIENCE, || {
            let path = format!("/api/v1/decisions?message={id}");
            let found = api::get(&callgate, &token, &path).json();
            found["items"].get(0).cloned()
        })
    };
    // In the text, in the nickname before it, and nowhere.
    for (id, nickname, text, ways, tried) in [
        ("m1", "Alice", "free vip here", 2, ["free ", "vip"]),
        ("m2", "Alice2", "hello", 2, ["", "Alice2"]),
    ] {
        let decision = sent(id, nickname, text);
        let id = decision["id"].as_str().unwrap();
        let links = ways_to_try(&callgate, &cookie, id);
        assert_eq!(links.len(), ways, "{links:?}");
        let shown = format!("{}<mark>{}</mark>", tried[0], tried[1]);
        for way in links.iter().chain([&format!("/try?decision={id}")]) {
            let page = page_of(&callgate, &cookie, way);
            assert!(page.contains(&shown), "{way}: {page}");
        }
    }
    let id = sent("m3", "Alice", "hello")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let links = ways_to_try(&callgate, &cookie, &id);
    assert_eq!(links.len(), 4, "{links:?}");
    let last = page_of(&callgate, &cookie, &links[3]);
    assert!(last.contains("\nhello</textarea>"), "{last}");
}
