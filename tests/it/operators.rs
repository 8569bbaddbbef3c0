//! Operators: the first one, the way in and out, roles, tokens, and what thieves and strangers get.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use callgate::admin::doors;
use callgate::operators::Capability;
use serde_json::Value;

use crate::harness::{Callgate, PATIENCE, Setup, http, tls, wait_for};

const PASSWORD: &str = "correct horse battery";

/// A browser, as far as cookies and forms go.
struct Browser {
    address: SocketAddr,
    cookie: String,
}

impl Browser {
    fn new(callgate: &Callgate) -> Browser {
        Browser {
            address: ([127, 0, 0, 1], callgate.admin.port()).into(),
            cookie: String::new(),
        }
    }

    fn send(&mut self, head: &str, lines: &[&str], body: &str) -> http::Answer {
        let mut text = format!("{head} HTTP/1.1\r\nAccept: text/html\r\n");
        if !lines.iter().any(|line| line.starts_with("Host:")) {
            text.push_str(&format!("Host: {}\r\n", self.address));
        }
        if !self.cookie.is_empty() {
            text.push_str(&format!("Cookie: other=1; {}\r\n", self.cookie));
        }
        for line in lines {
            text.push_str(&format!("{line}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        let answer = http::send(self.address, text.as_bytes());
        if let Some((cookie, _)) = answer.header("set-cookie").split_once(';') {
            self.cookie = cookie.to_owned();
        }
        answer
    }

    fn get(&mut self, path: &str) -> http::Answer {
        self.send(&format!("GET {path}"), &[], "")
    }

    /// Sends a form as one of our own pages does.
    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> http::Answer {
        let origin = format!("Origin: http://{}", self.address);
        self.post_from(path, fields, &[&origin, "Sec-Fetch-Site: same-origin"])
    }

    fn post_from(&mut self, path: &str, fields: &[(&str, &str)], lines: &[&str]) -> http::Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let lines = [lines, &[kind]].concat();
        self.send(&format!("POST {path}"), &lines, &form.finish())
    }

    fn set_up(&mut self, code: &str, name: &str) -> http::Answer {
        let fields = [("code", code), ("name", name), ("password", PASSWORD)];
        self.post("/setup", &fields)
    }

    fn log_in(&mut self, name: &str, password: &str) -> http::Answer {
        self.post("/login", &[("name", name), ("password", password)])
    }

    fn is_in(&mut self) -> bool {
        self.get("/account").status == 200
    }
}

fn run(callgate: &Callgate, args: &[&str]) -> (Option<i32>, String) {
    let server = format!("http://127.0.0.1:{}", callgate.admin.port());
    let args = [&["operators"], args, &["--server", &server]].concat();
    let output = callgate.setup().run(&args);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn code_of(link: &str) -> String {
    link.trim().split_once("/setup#").unwrap().1.to_owned()
}

/// The link that was printed at the start.
fn first_link(callgate: &Callgate) -> String {
    let log = wait_for("the link", PATIENCE, || {
        callgate
            .log()
            .lines()
            .find(|line| line.contains("/setup#"))
            .map(str::to_owned)
    });
    let link = log.split_whitespace().find(|word| word.contains("/setup#"));
    link.unwrap().to_owned()
}

fn with_first(callgate: &Callgate) -> Browser {
    let mut browser = Browser::new(callgate);
    let done = browser.set_up(&code_of(&first_link(callgate)), "ann");
    assert_eq!(done.status, 303, "{}", done.text());
    browser
}

fn open_port() -> Callgate {
    Callgate::start("hooks: {}\n")
}

#[test]
fn the_first_operator_follows_the_link_and_closes_the_port() {
    let callgate = open_port();
    // Before: everything is there for whoever is on this machine.
    assert_eq!(http::get(callgate.admin, "/status").status, 200);
    let link = first_link(&callgate);
    assert!(
        link.starts_with(&format!("http://{}/setup#", callgate.admin)),
        "{link}"
    );
    let code = code_of(&link);
    let mut browser = Browser::new(&callgate);
    let page = browser.get("/setup");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("/console/setup.js"), "{}", page.text());
    assert_eq!(browser.set_up("a-guess", "ann").status, 410);
    let done = browser.set_up(&code, "ann");
    assert_eq!((done.status, done.header("location")), (303, "/"));
    let cookie = done.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(browser.get("/account").text().contains("ann"));
    // Used is used.
    let second = Browser::new(&callgate).set_up(&code, "eve");
    assert_eq!(second.status, 410, "{}", second.text());
    // From now on nobody sees anything without being known; who watches does.
    for (path, status) in [
        ("/status", 401),
        ("/", 401),
        ("/metrics", 200),
        ("/readyz/after", 200),
    ] {
        assert_eq!(http::get(callgate.admin, path).status, status, "{path}");
    }
    let to_login = Browser::new(&callgate).get("/account");
    assert_eq!(
        (to_login.status, to_login.header("location")),
        (303, "/login?back=%2Faccount")
    );
    assert_eq!(browser.get("/status").status, 200);
    // The command line goes on.
    let (code, said) = run(&callgate, &["list"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ann operator with text,audit"), "{said}");
    // And after a start: no other link, the same operators, the same sessions.
    let admin = callgate.admin;
    let callgate = callgate
        .kill()
        .engine("admin.listen", &admin.to_string())
        .start();
    assert_eq!(http::get(callgate.admin, "/status").status, 401);
    assert!(browser.is_in());
    assert!(!callgate.log().contains("/setup#"), "{}", callgate.log());
}

#[test]
fn beyond_loopback_there_is_the_way_in_and_nothing_else() {
    let callgate = Setup::new("hooks: {}\n")
        .engine("admin.listen", "0.0.0.0:0")
        .start();
    for (path, status) in [
        ("/status", 401),
        ("/", 401),
        ("/healthz", 200),
        ("/metrics", 200),
        ("/setup", 200),
        ("/login", 200),
    ] {
        assert_eq!(http::get(callgate.admin, path).status, status, "{path}");
    }
    // Unprotected is for as long as there is nobody to be protected by.
    let callgate = Setup::new("hooks: {}\n")
        .engine("admin.listen", "0.0.0.0:0")
        .engine("admin.unprotected", "true")
        .start();
    assert_eq!(http::get(callgate.admin, "/status").status, 200);
    let (_, link) = run(&callgate, &["invite"]);
    let done = Browser::new(&callgate).set_up(&code_of(&link), "ann");
    assert_eq!(done.status, 303);
    assert_eq!(http::get(callgate.admin, "/status").status, 401);
}

#[test]
fn whoever_was_here_before_does_not_stay() {
    let callgate = open_port();
    let grpc = crate::harness::Grpc::connect(callgate.admin);
    // Orders are taken from whoever is on this machine, but not those that outlive that.
    let reload = grpc.raw("/callgate.v1.AdminService/Reload", Vec::new());
    assert!(reload.is_ok(), "{reload:?}");
    let doors = doors::doors(true).into_iter();
    let lasting = doors
        .filter(|door| door.capability == Capability::Appoint && door.kind == doors::Kind::Order);
    let mut count = 0;
    for door in lasting {
        let refused = grpc.raw(door.path, Vec::new()).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{refused}");
        assert!(refused.message().contains("cli.token"), "{refused}");
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn guessing_waits_and_the_right_password_gets_in() {
    let callgate = open_port();
    with_first(&callgate);
    let mut browser = Browser::new(&callgate);
    for name in ["ann", "nobody"] {
        for _ in 0..3 {
            assert_eq!(browser.log_in(name, "a guess").status, 401);
        }
        let late = browser.log_in(name, "a guess");
        assert_eq!(late.status, 401);
        assert!(late.took >= Duration::from_secs(1), "{:?}", late.took);
    }
    let right = browser.log_in("ann", PASSWORD);
    assert!(right.took >= Duration::from_secs(1), "{:?}", right.took);
    assert_eq!(right.status, 303);
    assert!(browser.is_in());
}

#[test]
fn in_and_out_and_what_was_stolen() {
    let callgate = open_port();
    let mut ann = with_first(&callgate);
    let stolen = ann.cookie.clone();
    let mut thief = Browser::new(&callgate);
    thief.cookie = stolen;
    assert!(thief.is_in());
    let wrong = ann.post(
        "/account/password",
        &[("old", "wrong"), ("new", "another one here")],
    );
    assert_eq!(wrong.status, 401, "{}", wrong.text());
    let weak = ann.post("/account/password", &[("old", PASSWORD), ("new", "short")]);
    assert_eq!(weak.status, 400);
    assert!(thief.is_in());
    let new = "another one here";
    let done = ann.post("/account/password", &[("old", PASSWORD), ("new", new)]);
    assert_eq!(done.status, 303, "{}", done.text());
    assert!(ann.is_in() && !thief.is_in());
    // Logged out, the cookie is worth nothing either.
    let before = ann.cookie.clone();
    assert_eq!(ann.post("/logout", &[]).status, 303);
    ann.cookie = before;
    assert!(!ann.is_in());
    assert_eq!(ann.log_in("ann", PASSWORD).status, 401);
    assert_eq!(ann.log_in("Ann", new).status, 303);
    // A new session at each login, and the old one of this browser ends.
    let before = ann.cookie.clone();
    assert_eq!(ann.log_in("ann", new).status, 303);
    assert_ne!(ann.cookie, before);
    thief.cookie = before;
    assert!(!thief.is_in());
    // Other browsers are logged out by hand.
    let mut other = Browser::new(&callgate);
    assert_eq!(other.log_in("ann", new).status, 303);
    assert_eq!(ann.post("/account/sessions/end", &[]).status, 303);
    assert!(ann.is_in() && !other.is_in());
    // And by a command: the role changes.
    assert_eq!(
        run(&callgate, &["set", "ann", "--role", "viewer"]).0,
        Some(0)
    );
    assert!(!ann.is_in());
}

#[test]
fn forms_of_strangers_change_nothing() {
    let callgate = open_port();
    let mut ann = with_first(&callgate);
    let own = format!("Origin: http://{}", ann.address);
    let port = callgate.admin.port();
    let fields = [("old", PASSWORD), ("new", "an evil password")];
    for (lines, status) in [
        (vec!["Origin: http://evil.example"], 403),
        (vec!["Origin: null"], 403),
        (vec![], 403),
        (vec![own.as_str(), "Sec-Fetch-Site: cross-site"], 403),
        (vec![own.as_str(), "Sec-Fetch-Site: same-site"], 403),
    ] {
        for path in [
            "/account/password",
            "/account/sessions/end",
            "/logout",
            "/login",
            "/setup",
        ] {
            let answer = ann.post_from(path, &fields, &lines);
            assert_eq!(answer.status, status, "{path} {lines:?}");
        }
    }
    // The name of a stranger that leads here.
    let rebound = format!("Host: evil.example:{port}");
    let origin = format!("Origin: http://evil.example:{port}");
    for path in ["/account/password", "/login", "/setup"] {
        let answer = ann.post_from(path, &fields, &[&rebound, &origin]);
        assert_eq!(answer.status, 421, "{path}");
        assert!(answer.text().contains("admin.hosts"), "{}", answer.text());
    }
    for path in ["/account", "/login", "/setup", "/status", "/"] {
        let answer = ann.send(&format!("GET {path}"), &[&rebound], "");
        assert_eq!(answer.status, 421, "{path}");
    }
    // Looking changes nothing.
    for path in ["/logout", "/account/password", "/account/sessions/end"] {
        assert_eq!(ann.get(path).status, 405, "{path}");
    }
    assert!(ann.is_in());
    assert_eq!(ann.log_in("ann", PASSWORD).status, 303);
}

#[test]
fn pages_are_for_our_own_eyes() {
    let callgate = open_port();
    let mut ann = with_first(&callgate);
    for path in [
        "/login",
        "/setup",
        "/account",
        "/status",
        "/",
        "/console/setup.js",
        "/nothing",
    ] {
        let answer = ann.get(path);
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none';"),
            "{path}: {policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
    // What people type is shown as text.
    let shown = Browser::new(&callgate).log_in("\"><script>alert(1)</script>", "x");
    assert!(!shown.text().contains("<script>"), "{}", shown.text());
    // In the language of the browser.
    let page = ann.send("GET /login", &["Accept-Language: zh-CN,en;q=0.5"], "");
    assert!(page.text().contains("登录") && page.text().contains("lang=\"zh\""));
}

#[test]
fn tokens_do_what_they_may_until_they_are_taken_away() {
    let callgate = open_port();
    let mut ann = with_first(&callgate);
    let made = ann.post(
        "/account/tokens",
        &[("token", "laptop"), ("role", "viewer"), ("days", "1")],
    );
    let page = made.text();
    let start = page.find("cg_").unwrap();
    let token = page[start..].split('<').next().unwrap().to_owned();
    assert!(
        !ann.get("/account").text().contains(&token),
        "it is shown once"
    );
    let ask = |token: &str, path: &str| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        http::send(callgate.admin, head.as_bytes()).status
    };
    assert_eq!(ask(&token, "/status"), 200);
    // A token cannot become more than it is.
    assert_eq!(ask(&token, "/account"), 403);
    let with_token = |args: &[&str]| {
        let server = format!("http://127.0.0.1:{}", callgate.admin.port());
        let args = [args, &["--server", &server]].concat();
        let mut command = callgate.setup().command(&args);
        command.env("CALLGATE_TOKEN", &token).output().unwrap()
    };
    assert!(with_token(&["status"]).status.success());
    let refused = with_token(&["operators", "invite", "eve", "--role", "operator"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("`operator`"), "{said}");
    // Of the operator's tokens, by the command line.
    let (_, listed) = run(&callgate, &["list", "--json"]);
    let listed: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let found = listed.iter().find(|one| one["name"] == "laptop").unwrap();
    assert!(found["used_at_ms"].as_u64().unwrap() > 0, "{found}");
    let id = found["token"].as_str().unwrap();
    assert_eq!(run(&callgate, &["token", id, "--remove"]).0, Some(0));
    assert_eq!(ask(&token, "/status"), 401);
    assert_eq!(run(&callgate, &["token", id, "--remove"]).0, Some(1));
    // Nothing that lets somebody in stands in a log or a file.
    let secrets = [
        token.as_str(),
        PASSWORD,
        ann.cookie.split_once('=').unwrap().1,
    ];
    let mut kept = callgate.log().into_bytes();
    read_all(&callgate.setup().policies().join("../data"), &mut kept);
    for secret in secrets {
        let bytes = secret.as_bytes();
        assert!(!kept.windows(bytes.len()).any(|part| part == bytes));
    }
}

fn read_all(folder: &std::path::Path, into: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read_all(&path, into),
            false => into.extend(fs::read(&path).unwrap()),
        }
    }
}

#[test]
fn invitations_roles_and_being_shut_out() {
    let callgate = open_port();
    with_first(&callgate);
    let (code, said) = run(&callgate, &["invite", "bob"]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(
        run(&callgate, &["invite", "bob", "--role", "god"]).0,
        Some(1)
    );
    assert_eq!(run(&callgate, &["invite", "--role", "viewer"]).0, Some(1));
    let (_, link) = run(
        &callgate,
        &["invite", "bob", "--role", "moderator", "--rights", "text"],
    );
    let mut bob = Browser::new(&callgate);
    assert_eq!(bob.set_up(&code_of(&link), "eve").status, 400);
    assert_eq!(bob.set_up(&code_of(&link), "bob").status, 303);
    let (_, listed) = run(&callgate, &["list"]);
    assert!(
        listed.contains("bob moderator with text, since "),
        "{listed}"
    );
    assert_eq!(run(&callgate, &["disable", "bob"]).0, Some(0));
    assert!(!bob.is_in());
    assert_eq!(bob.log_in("bob", PASSWORD).status, 401);
    assert_eq!(run(&callgate, &["disable", "nobody"]).0, Some(1));
    // The last password is lost: whoever is on the machine prints another link.
    let (_, link) = run(&callgate, &["invite", "ann"]);
    let mut ann = Browser::new(&callgate);
    assert_eq!(ann.set_up(&code_of(&link), "ann").status, 303);
    assert!(ann.is_in());
}

#[test]
fn under_tls_the_cookie_is_for_tls_alone() {
    let authority = tls::Authority::new("ours");
    let issued = authority.issue(&tls::HERE, tls::Valid::Now);
    let setup = Setup::new("hooks: {}\n");
    let (cert, key) = issued.write(&setup.policies(), "server");
    let callgate = setup
        .engine("admin.tls.cert", cert.to_str().unwrap())
        .engine("admin.tls.key", key.to_str().unwrap())
        .start_with_log(Stdio::piped());
    let link = first_link(&callgate);
    let here = format!("https://127.0.0.1:{}", callgate.admin.port());
    assert!(link.starts_with(&format!("{here}/setup#")), "{link}");
    let config = tls::client(&authority.pem, None);
    let ask = |head: &str, lines: &str, body: &str| {
        let host = here.trim_start_matches("https://");
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n{lines}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        tls::call(callgate.admin, &config, request.as_bytes()).unwrap()
    };
    let code = code_of(&link);
    let form = format!("code={code}&name=ann&password=correct+horse+battery");
    let done = ask("POST /setup", &format!("Origin: {here}\r\n"), &form);
    let cookie = done.lines().find(|line| line.starts_with("set-cookie: "));
    let cookie = cookie.unwrap().trim_start_matches("set-cookie: ");
    assert!(cookie.starts_with("__Host-callgate="), "{cookie}");
    assert!(
        cookie.contains("; Path=/;") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    let (name, secret) = cookie.split(';').next().unwrap().split_once('=').unwrap();
    let account = |name: &str| ask("GET /account", &format!("Cookie: {name}={secret}\r\n"), "");
    assert!(account(name).starts_with("HTTP/1.1 200"));
    // One that a neighbour could have set is none.
    assert!(account("callgate").starts_with("HTTP/1.1 303"));
}

#[test]
fn behind_a_proxy_with_tls_the_cookie_is_for_tls_alone() {
    let callgate = open_port();
    let mut ann = with_first(&callgate);
    // A proxy before us has the TLS: the page's origin says so.
    let host = "Host: ops.internal";
    let fields = [("name", "ann"), ("password", PASSWORD)];
    let lines = [
        host,
        "Origin: https://ops.internal",
        "Sec-Fetch-Site: same-origin",
    ];
    let answer = ann.post_from("/login", &fields, &lines);
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-callgate="), "{cookie}");
    assert!(cookie.contains("; Secure"), "{cookie}");
    assert!(ann.is_in());
}
