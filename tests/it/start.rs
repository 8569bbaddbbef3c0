//! The start and the other commands: what is printed, and the exit codes that scripts rely on.

use std::net::TcpListener;
use std::process::Output;

use crate::harness::calls::SINGLE;
use crate::harness::{Callgate, Setup};

const GOOD: &str = "lists: {bad: {words: [damn]}}\nhooks: {beforeMsgModify: {}}\n";

/// An unknown hook, an unknown key, a list that does not exist and a timeout that is none.
const BAD: &str = "\
hooks:
  beforeSendSingelMsg: {}
  beforeMsgModify:
    filters: [adds]
    tiemout: 2
lists:
  ads: {words: [buy], action: block}
failure:
  code: 5
";

const BAD_LINES: [&str; 4] = [
    "policies/policy.yaml:2:3: ",
    "policies/policy.yaml:4:15: ",
    "policies/policy.yaml:5:5: ",
    "policies/policy.yaml:9:9: ",
];

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn check_exit(output: &Output, code: i32) {
    let both = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{both}");
}

fn check_all_problems(listing: &str) {
    for line in BAD_LINES {
        assert!(listing.contains(line), "{line} is not in:\n{listing}");
    }
    for help in ["`beforeSendSingleMsg`", "`ads`", "`timeout`"] {
        assert!(listing.contains(help), "{help} is not in:\n{listing}");
    }
}

#[test]
fn the_start_says_what_is_in_force() {
    let callgate = Callgate::start(GOOD);
    let said = &callgate.started;
    assert!(said.starts_with("callgate 0."), "{said}");
    assert!(said.contains("policy 1-"), "{said}");
    assert!(said.contains("/openim (openim)"), "{said}");
    assert!(
        said.contains("beforeMsgModify") && said.contains("filters [bad]"),
        "{said}"
    );
}

#[test]
fn a_bad_policy_stops_the_start_with_every_problem() {
    let output = Setup::new(BAD).run(&["serve"]);
    check_exit(&output, 1);
    check_all_problems(text(&output.stderr));
    assert!(text(&output.stderr).contains("not started"));
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn bad_engine_settings_stop_the_start_with_every_problem() {
    let setup = Setup::new(GOOD);
    setup.write(
        "engine.yaml",
        "http: {lissen: \"127.0.0.1:0\"}\ngrpc: {listen: nowhere}\n",
    );
    let output = setup.run(&["serve"]);
    check_exit(&output, 1);
    let said = text(&output.stderr);
    assert!(said.contains("policies/engine.yaml:1:8: "), "{said}");
    assert!(said.contains("`listen`"), "{said}");
    assert!(said.contains("policies/engine.yaml:2:16: "), "{said}");
}

#[test]
fn an_unknown_variable_of_ours_stops_the_start() {
    let output = Setup::new(GOOD)
        .env("CALLGATE_ENGINE__HTTP__BODY_BYTE_MAX", "1KiB")
        .run(&["serve"]);
    check_exit(&output, 1);
    let said = text(&output.stderr);
    assert!(
        said.contains("CALLGATE_ENGINE__HTTP__BODY_BYTE_MAX"),
        "{said}"
    );
}

#[test]
fn a_missing_directory_is_one_clear_message() {
    let setup = Setup::new(GOOD);
    std::fs::remove_dir_all(setup.policies()).unwrap();
    let output = setup.run(&["serve"]);
    check_exit(&output, 1);
    let said = text(&output.stderr);
    assert!(
        said.contains("policies") && said.contains("cannot be read"),
        "{said}"
    );
}

#[test]
fn a_port_in_use_is_one_clear_message() {
    for part in ["grpc", "http", "admin"] {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let setting = format!("{part}.listen");
        let output = Setup::new(GOOD).engine(&setting, &address).run(&["serve"]);
        check_exit(&output, 3);
        let said = text(&output.stderr);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.contains(&address) && said.contains(&format!("`{setting}`")),
            "{said}"
        );
    }
}

/// Two processes on one outbox would deliver twice.
#[test]
fn the_outbox_of_another_process_is_refused() {
    let callgate = Callgate::start(GOOD);
    let output = callgate.setup().run(&["serve"]);
    check_exit(&output, 3);
    let said = text(&output.stderr);
    assert!(said.contains("in use by another process"), "{said}");
}

#[test]
fn check_prints_every_problem() {
    let output = Setup::new(GOOD).run(&["check"]);
    check_exit(&output, 0);
    assert!(
        text(&output.stdout).contains("good"),
        "{}",
        text(&output.stdout)
    );
    let output = Setup::new(BAD).run(&["check"]);
    check_exit(&output, 1);
    check_all_problems(text(&output.stdout));
}

#[test]
fn check_json_is_one_object() {
    let json = |policy: &str, code: i32| -> serde_json::Value {
        let output = Setup::new(policy).run(&["check", "--json"]);
        check_exit(&output, code);
        assert_eq!(text(&output.stdout).lines().count(), 1);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let good = json(GOOD, 0);
    assert_eq!((&good["ok"], &good["errors"]), (&true.into(), &0.into()));
    assert_eq!(good["policy_hash"].as_str().unwrap().len(), 12);
    let bad = json(BAD, 1);
    assert_eq!(bad["ok"], false);
    assert!(bad["policy_hash"].is_null());
    let problems = bad["problems"].as_array().unwrap();
    let unknown = problems
        .iter()
        .find(|problem| problem["line"] == 2)
        .unwrap();
    assert_eq!(
        (&unknown["column"], &unknown["severity"]),
        (&3.into(), &"error".into())
    );
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    check_exit(&Setup::new(GOOD).run(&["chek"]), 2);
    check_exit(&Setup::new(GOOD).run(&["send"]), 2);
}

#[test]
fn the_shipped_policy_works_as_it_is() {
    let output = Setup::shipped().run(&["check"]);
    check_exit(&output, 0);
    let callgate = Setup::shipped().start();
    assert_eq!(
        callgate.call(SINGLE, "see you at eight").json()["nextCode"],
        0
    );
}

#[test]
fn send_asks_a_running_server() {
    let callgate = Callgate::start(GOOD);
    let server = format!("http://{}", callgate.grpc);
    let send = |args: &[&str]| {
        let mut all = vec!["send", "--server", &server];
        all.extend(args);
        callgate.setup().run(&all)
    };
    let allowed = send(&["hello"]);
    check_exit(&allowed, 0);
    assert!(text(&allowed.stdout).starts_with("allow\n"));
    let blocked = send(&["damn it"]);
    check_exit(&blocked, 0);
    let said = text(&blocked.stdout);
    assert!(
        said.starts_with("block 20001: message contains forbidden words\n"),
        "{said}"
    );
    assert!(
        said.contains("`damn`") && said.contains("characters 0 to 4"),
        "{said}"
    );
    let json = send(&["--json", "damn it"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&json["action"], &json["err_code"]),
        (&"block".into(), &20001.into())
    );
    check_exit(&send(&["--hook", "beforeMsgModfy", "hello"]), 1);
}

#[test]
fn send_to_nobody_is_exit_code_3() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = format!("http://{closed}");
    let output = Setup::new(GOOD).run(&["send", "--server", &server, "hello"]);
    check_exit(&output, 3);
    assert!(text(&output.stderr).contains("callgate serve"));
}

#[test]
fn defaults_are_printed_and_are_good_settings() {
    for which in ["engine", "policy"] {
        let output = Setup::new(GOOD).run(&["defaults", which]);
        check_exit(&output, 0);
        assert!(text(&output.stdout).lines().count() > 20);
    }
    let setup = Setup::new(GOOD);
    let engine = setup.run(&["defaults", "engine"]);
    setup.write("engine.yaml", text(&engine.stdout));
    check_exit(&setup.run(&["check"]), 0);
}

/// It would call itself again and again.
#[test]
fn an_endpoint_that_is_our_own_listener_is_refused() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let policy = format!(
            "callbackUrl: http://{host}:{}/openim\nhooks: {{{SINGLE}: {{}}}}\n",
            free.port()
        );
        let setup = Setup::new(&policy).engine("http.listen", &free.to_string());
        let output = setup.run(&["check"]);
        check_exit(&output, 1);
        let said = text(&output.stdout);
        assert!(said.contains("own listener"), "{said}");
    }
}
