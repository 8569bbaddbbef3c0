//! A secret in a path protects what it stands for, and is shown nowhere.

use crate::harness::{Setup, calls, http, wait_for};

const POLICY: &str = "hooks: {beforeSendSingleMsg: {}, afterSendSingleMsg: {}}\n";
const SECRET: &str = "s3cret-of-openim";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

#[test]
fn an_unknown_path_is_told_nothing() {
    let setup = Setup::new(POLICY);
    let callgate = setup
        .engine("http.routes", &format!("{{/hook/{SECRET}: openim}}"))
        .start();
    let body = calls::body("beforeSendSingleMsg", "hello");
    let command = "callbackBeforeSendSingleMsgCommand";
    let known = http::post(callgate.http, &format!("/hook/{SECRET}/{command}"), &body);
    assert_eq!(known.status, 200, "{}", known.text());
    let unknown = |path: &str| {
        for method in ["POST", "GET", "PUT", "OPTIONS", "DELETE"] {
            let head = http::head(method, path, Some(0));
            let answer = http::send(callgate.http, &head);
            let mut headers: Vec<_> = answer.headers.iter().map(|(name, _)| name).collect();
            headers.sort();
            let seen = (answer.status, answer.text(), headers);
            let bare = ["content-length", "date"];
            assert_eq!(
                seen,
                (
                    404,
                    "",
                    bare.iter()
                        .map(|n| n.to_string())
                        .collect::<Vec<_>>()
                        .iter()
                        .collect()
                ),
                "{method} {path}"
            );
        }
    };
    unknown("/");
    unknown("/hook");
    unknown("/hook/");
    unknown(&format!("/hook/{command}"));
    unknown(&format!("/hook/{}/{command}", &SECRET[1..]));
    unknown(&format!("/hook/{SECRET}x/{command}"));
    unknown(&format!("/{SECRET}/{command}"));
    // What stands open where nothing is written, of OpenIM in both versions.
    unknown(&format!("/openim/{command}"));
    unknown(&format!("/callbackExample/{command}"));
    unknown("/callback");
}

#[test]
fn a_secret_in_a_path_is_shown_nowhere() {
    let setup = Setup::new(POLICY)
        .engine("http.routes", &format!("{{/hook/{SECRET}: openim}}"))
        .engine("log.level", "trace")
        .engine("log.lines_per_second_max", "0");
    let checked = setup.run(&["check"]);
    let explained = setup.run(&["explain", "hello"]);
    let callgate = setup.start();
    let body = calls::body("beforeSendSingleMsg", "hello");
    for path in [
        format!("/hook/{SECRET}/callbackBeforeSendSingleMsgCommand"),
        format!("/hook/{SECRET}/callbackAfterSendSingleMsgCommand"),
        format!("/hook/{SECRET}/callbackOfTomorrowCommand"),
        format!("/hook/{SECRET}/callbackAfterTomorrowCommand"),
        format!("/hook/{SECRET}/nonsense"),
        format!("/hook/{SECRET}"),
        format!("/hok/{SECRET}/callbackBeforeSendSingleMsgCommand"),
        format!("/{SECRET}"),
    ] {
        for body in [body.as_str(), "{}", "no json"] {
            http::post(callgate.http, &path, body);
        }
        http::get(callgate.http, &path);
        let browser = format!(
            "POST {path} HTTP/1.1\r\nHost: im\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n\r\n"
        );
        http::send(callgate.http, browser.as_bytes());
    }
    wait_for("the log of an unknown path", PATIENCE, || {
        callgate.log().contains("the routes are").then_some(())
    });
    assert!(
        callgate.started.contains("/hook/… (openim)"),
        "{}",
        callgate.started
    );
    let status = callgate.status().to_string();
    let metrics = http::get(callgate.admin, "/metrics");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for (place, shown) in [
        ("start", callgate.started.clone()),
        ("status", status),
        ("metrics", metrics.text().to_owned()),
        ("log", callgate.log()),
        ("check", text(&checked.stdout) + &text(&checked.stderr)),
        (
            "explain",
            text(&explained.stdout) + &text(&explained.stderr),
        ),
    ] {
        assert!(!shown.contains(SECRET), "{place}: {shown}");
    }
}
