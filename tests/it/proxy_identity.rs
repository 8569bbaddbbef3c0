//! A reverse proxy says who asks at the operators' port: believed of it alone, over real sockets.

use std::fs;

use callgate::admin::doors::{self, Kind};
use callgate::operators::{Capability, Grant, ListLimit, Rights, Role};

use crate::api::problem;
use crate::harness::http::{self, Answer};
use crate::harness::{Callgate, PATIENCE, Setup, wait_for};

const SECRET: &str = "a-secret-of-proxies";

/// A server that believes whoever calls from `peers`.
fn start(peers: &str) -> Callgate {
    let groups = "{watchers: {role: viewer, rights: [audit]}, movers: {role: moderator}, \
                  runners: {role: operator, rights: [text, audit]}}";
    Setup::new("hooks: {}\n")
        .env("PROXY_SECRET", SECRET)
        .engine("admin.proxy_identity.peers", peers)
        .engine("admin.proxy_identity.secret_env", "PROXY_SECRET")
        .engine("admin.proxy_identity.groups", groups)
        .start()
}

/// Asks with these header lines, as a browser does that is on a page of the same origin.
fn ask(callgate: &Callgate, asked: &str, lines: &[(&str, &str)], body: &str) -> Answer {
    let here = format!("127.0.0.1:{}", callgate.admin.port());
    let has = |name: &str| lines.iter().any(|(line, _)| *line == name);
    let mut head = format!("{asked} HTTP/1.1\r\n");
    if !has("Host") {
        head.push_str(&format!("Host: {here}\r\n"));
    }
    if !has("Origin") && !asked.starts_with("GET") {
        head.push_str(&format!("Origin: http://{here}\r\n"));
    }
    for (name, value) in lines {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let length = body.len();
    head.push_str(&format!("Content-Length: {length}\r\n\r\n{body}"));
    http::send(callgate.admin, head.as_bytes())
}

fn said<'a>(name: &'a str, groups: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("X-Forwarded-User", name),
        ("X-Forwarded-Groups", groups),
        ("X-Callgate-Proxy-Secret", SECRET),
    ]
}

fn audit(callgate: &Callgate) -> String {
    let listed = callgate.setup().run(&["audit", "list", "--json"]);
    String::from_utf8(listed.stdout).unwrap()
}

#[test]
fn every_door_takes_of_a_proxied_person_what_the_table_says() {
    let callgate = start("[127.0.0.1]");
    let people = [
        ("watchers", Role::Viewer, "audit"),
        ("movers, nobody-knows", Role::Moderator, ""),
        ("runners", Role::Operator, "text,audit"),
    ];
    for (groups, role, rights) in people {
        let rights = Rights::from_text(rights).unwrap();
        let grant = Grant {
            role,
            rights,
            lists: ListLimit::All,
        };
        for door in doors::doors(true) {
            let path = door.path.replace('{', "no-").replace('}', "");
            let asked = format!("{} {path}", door.method);
            let kind = match door.kind {
                Kind::Page => "application/x-www-form-urlencoded",
                Kind::Order => "application/grpc",
                Kind::Api => "application/json",
            };
            let lines = [
                &said("ann", groups)[..],
                &[("Content-Type", kind), ("Connection", "close")],
            ]
            .concat();
            let no_body = door.method == "GET" || door.kind == Kind::Order;
            let body = if no_body {
                String::new()
            } else {
                "x".repeat(20_000)
            };
            // A stream of what happens has no end to wait for.
            if path.ends_with("/events") {
                continue;
            }
            let answer = ask(&callgate, &asked, &lines, &body);
            let status = match (answer.header("grpc-status"), answer.status) {
                ("7", _) => 403,
                ("16", _) => 401,
                (_, status) => status,
            };
            let is_let_in = match door.capability {
                // An account has a password, and nobody has one here.
                Capability::Account => false,
                Capability::Watch | Capability::Enter => true,
                capability => grant.allows(capability),
            };
            let who = format!("{asked} by {groups}: {status} {:?}", answer.body.len());
            match is_let_in {
                true => assert!(![401, 403, 405, 421].contains(&status), "{who}"),
                false => assert_eq!(status, 403, "{who}"),
            }
            // Pages of strangers are kept out of what the proxy would say of their visitors too.
            if door.capability != Capability::Watch {
                let host = [&lines[..], &[("Host", "evil.example")]].concat();
                assert_eq!(ask(&callgate, &asked, &host, &body).status, 421, "{who}");
            }
            if door.method != "GET" {
                let origin = [&lines[..], &[("Origin", "http://evil.example")]].concat();
                assert_eq!(ask(&callgate, &asked, &origin, &body).status, 403, "{who}");
            }
        }
    }
}

#[test]
fn what_is_not_to_be_believed_is_refused_and_on_record() {
    let callgate = start("[127.0.0.1]");
    let whole = said("ann", "runners");
    let check = |lines: &[(&str, &str)], words: &str| {
        let answer = ask(&callgate, "GET /api/v1/hooks", lines, "");
        assert_eq!(
            problem(&answer),
            (403, "proxy_identity".to_owned()),
            "{lines:?}"
        );
        assert!(
            answer.text().contains(words),
            "{lines:?}: {}",
            answer.text()
        );
        // Neither is a page.
        assert_eq!(
            ask(&callgate, "GET /login", lines, "").status,
            403,
            "{lines:?}"
        );
    };
    check(&whole[..2], "does not show the secret");
    check(
        &[
            whole[0],
            whole[1],
            (whole[2].0, "another-secret-of-proxies"),
        ],
        "does not show the secret",
    );
    check(&[whole[0], whole[2]], "no group");
    check(&said("ann", "others"), "no group");
    for more in whole {
        check(&[&whole[..], &[more]].concat(), "more than once");
    }
    assert_eq!(ask(&callgate, "GET /api/v1/hooks", &whole, "").status, 200);
    // Probes stay open to whatever stands before them.
    assert_eq!(ask(&callgate, "GET /healthz", &whole[..2], "").status, 200);
    // What is refused is answered at once, and written behind.
    let listed = wait_for("the refusals on record", PATIENCE, || {
        let listed = audit(&callgate);
        ["does not show the secret", "no group", "more than once"]
            .iter()
            .all(|why| listed.contains(why))
            .then_some(listed)
    });
    assert!(!listed.contains(SECRET) && !callgate.log().contains(SECRET));
}

#[test]
fn nobody_else_is_believed_and_nobody_is_anybody() {
    let callgate = start("[10.0.0.0/8]");
    for lines in [
        &said("ann", "runners")[..],
        &said("ann", "runners")[..1],
        &[("X-Callgate-Proxy-Secret", SECRET)],
    ] {
        let answer = ask(&callgate, "GET /api/v1/hooks", lines, "");
        assert_eq!(
            problem(&answer),
            (403, "proxy_identity".to_owned()),
            "{lines:?}"
        );
        assert!(
            answer.text().contains("from none of them"),
            "{}",
            answer.text()
        );
    }
    // What others say of whom they speak for changes nothing.
    let forwarded = [
        &said("ann", "runners")[..],
        &[("X-Forwarded-For", "10.0.0.1")],
    ]
    .concat();
    assert_eq!(
        ask(&callgate, "GET /api/v1/hooks", &forwarded, "").status,
        403
    );
    // On loopback, before any operator: without the proxy one is nobody.
    assert_eq!(ask(&callgate, "GET /api/v1/hooks", &[], "").status, 401);
    assert_eq!(ask(&callgate, "GET /login", &[], "").status, 200);
}

#[test]
fn tokens_and_logins_go_on_beside_it() {
    let callgate = start("[127.0.0.1]");
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let with_token = [("Authorization", bearer.as_str())];
    assert_eq!(
        ask(&callgate, "GET /api/v1/hooks", &with_token, "").status,
        200
    );
    // A proxy that knows nobody shows its secret alone.
    let secret = said("", "")[2];
    assert_eq!(
        ask(&callgate, "GET /api/v1/hooks", &[secret], "").status,
        401
    );
    assert_eq!(
        ask(&callgate, "GET /api/v1/hooks", &[secret, with_token[0]], "").status,
        200
    );
    // Somebody's token is not more than the one the proxy says he is.
    let both = [&said("ann", "watchers")[..], &with_token].concat();
    let json = [&both[..], &[("Content-Type", "application/json")]].concat();
    let refused = ask(
        &callgate,
        "POST /api/v1/replays",
        &json,
        r#"{"ids":["x"],"why":"x"}"#,
    );
    assert_eq!(problem(&refused), (403, "forbidden".to_owned()));
    // What he does stands under his name, and not as an operator of the same one.
    let json = [
        &said("ann", "runners")[..],
        &[("Content-Type", "application/json")],
    ]
    .concat();
    let done = ask(
        &callgate,
        "POST /api/v1/replays",
        &json,
        r#"{"ids":["x"],"why":"x"}"#,
    );
    assert_eq!(done.status, 200, "{}", done.text());
    let listed = audit(&callgate);
    assert!(
        listed.contains(r#""who":{"kind":"proxied","name":"ann"}"#),
        "{listed}"
    );
    let server = format!("http://127.0.0.1:{}", callgate.admin.port());
    let invited = callgate
        .setup()
        .run(&["operators", "invite", "--server", &server]);
    assert!(invited.status.success());
    let link = String::from_utf8(invited.stdout).unwrap();
    let code = link.trim().split_once('#').unwrap().1;
    let form = format!("code={code}&name=bob&password=long-enough-1");
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let set_up = ask(&callgate, "POST /setup", &[kind], &form);
    assert_eq!(set_up.status, 303, "{}", set_up.text());
    let cookie = set_up
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        ask(&callgate, "GET /account", &[("Cookie", &cookie)], "").status,
        200
    );
    // The proxy's word counts before a cookie's.
    let both = [&said("ann", "watchers")[..], &[("Cookie", &cookie)]].concat();
    assert_eq!(ask(&callgate, "GET /account", &both, "").status, 403);
}

#[test]
fn half_a_setting_is_an_error_and_a_weak_one_a_warning() {
    let check = |settings: &[(&str, &str)], words: &str| {
        let mut setup = Setup::new("hooks: {}\n");
        for (name, value) in settings {
            setup = setup.engine(name, value);
        }
        let checked = setup.run(&["check"]);
        let text = String::from_utf8_lossy(&checked.stdout).into_owned();
        let whole = format!("{text}{}", String::from_utf8_lossy(&checked.stderr));
        assert!(whole.contains(words), "{settings:?}: {whole}");
    };
    let peers = ("admin.proxy_identity.peers", "[10.0.0.5]");
    let secret = ("admin.proxy_identity.secret_env", "PROXY_SECRET");
    let groups = ("admin.proxy_identity.groups", "{ops: {role: operator}}");
    check(&[secret, groups], "no proxy is named");
    check(&[peers, groups], "must say where the secret lies");
    check(&[peers, secret], "nobody could come in");
    check(
        &[("admin.proxy_identity.peers", "[proxy]"), secret, groups],
        "is no address",
    );
    check(
        &[peers, secret, ("admin.proxy_identity.groups", "{ops: {}}")],
        "no role",
    );
    check(
        &[
            peers,
            secret,
            ("admin.proxy_identity.groups", "{ops: {role: boss}}"),
        ],
        "boss",
    );
    check(
        &[peers, secret, groups, ("admin.proxy_protocol", "true")],
        "does not go with `admin.proxy_protocol`",
    );
    check(
        &[
            peers,
            secret,
            groups,
            ("admin.proxy_identity.name_header", "authorization"),
        ],
        "cannot be the name of this header",
    );
    check(
        &[
            peers,
            secret,
            groups,
            (
                "admin.proxy_identity.name_header",
                "x-callgate-proxy-secret",
            ),
        ],
        "two of the headers are the same",
    );
    // What works and is weak.
    check(
        &[
            ("admin.proxy_identity.peers", "[0.0.0.0/0]"),
            secret,
            groups,
        ],
        "holds more than proxies",
    );
    check(
        &[peers, secret, groups, ("admin.listen", "0.0.0.0:0")],
        "in plain text",
    );
    let everyone = "{everyone: {role: operator, rights: [text, audit]}}";
    check(
        &[peers, secret, ("admin.proxy_identity.groups", everyone)],
        "may do and read everything",
    );
    // Without its secret there is no start, and no word of what it is.
    let setup = Setup::new("hooks: {}\n");
    let setup = [peers, secret, groups]
        .into_iter()
        .fold(setup, |setup, (name, value)| setup.engine(name, value));
    for (value, words) in [("", "must hold one secret"), ("short", "less than 16")] {
        let mut command = setup.command(&["serve"]);
        let started = command.env("PROXY_SECRET", value).output().unwrap();
        let text = String::from_utf8_lossy(&started.stderr).into_owned();
        assert!(!started.status.success() && text.contains(words), "{text}");
    }
}
