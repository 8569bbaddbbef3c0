//! The audit: what is done stands in it, and what cannot stand in it is not done.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use callgate::admin::doors;
use callgate::proto::v1;
use serde_json::Value;

use crate::doors::call;
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, calls, http, wait_for};

const AFTER: &str = "afterSendSingleMsg";

fn policy(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", breaker: {{failures: 1000, calls_min: 1000}}, retry_waits: [50ms]}}}}\n\
         lists: {{ads: {{file: ads.txt}}}}\n\
         hooks: {{{AFTER}: {{endpoint: business}}, beforeSendSingleMsg: {{filters: [ads]}}}}\n"
    )
}

fn setup(url: &str) -> Setup {
    let setup = Setup::new(&policy(url));
    setup.write("ads.txt", "casino\nlottery\n");
    setup
}

fn folder(setup: &Setup) -> PathBuf {
    setup.policies().join("../data/audit")
}

/// Runs a command against the server.
fn run(callgate: &Callgate, args: &[&str]) -> Output {
    let server = format!("http://{}", callgate.admin);
    callgate
        .setup()
        .run(&[args, &["--server", &server]].concat())
}

fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The records of acts that begin so.
fn records(setup: &Setup, act: &str) -> Vec<Value> {
    let listed = said(&setup.run(&["audit", "list", "--json", "--act", act]));
    let records = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    records.collect()
}

/// Act, result, who and target of each.
fn told(records: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = records.iter().map(|record| {
        let (act, result) = (text(&record["act"]), text(&record["result"]));
        let (who, target) = (text(&record["who"]["kind"]), text(&record["target"]));
        format!("{act} {result} by {who}: {target}")
    });
    told.collect()
}

fn with_dead(ids: &[&str]) -> (Callgate, Business) {
    let business = Business::start(Behaviour::status(503, "try later"));
    let callgate = setup(&business.url()).start();
    let events = ids
        .iter()
        .map(|id| calls::after_event(AFTER, "what u1 wrote", id));
    callgate.grpc().after(events.collect()).unwrap();
    wait_for("the dead", PATIENCE, || {
        let dead = &callgate.status()["outbox"]["endpoints"]["business"]["dead"];
        (*dead == ids.len()).then_some(())
    });
    (callgate, business)
}

#[test]
fn every_act_of_a_command_is_recorded_with_how_it_ended() {
    let (callgate, _business) = with_dead(&["a", "b", "c"]);
    said(&run(
        &callgate,
        &["rooms", "set", "r1", "http://127.0.0.1:9/secret"],
    ));
    assert_eq!(
        run(&callgate, &["rooms", "set", "r2", "no url"])
            .status
            .code(),
        Some(1)
    );
    said(&run(&callgate, &["outbox", "dead", "--show"]));
    said(&run(&callgate, &["outbox", "dead"]));
    said(&run(
        &callgate,
        &["outbox", "discard", "--all", "--dry-run"],
    ));
    said(&run(&callgate, &["outbox", "retry", "--all"]));
    said(&run(
        &callgate,
        &["outbox", "discard", "--all", "--why", "gone for good"],
    ));
    let admin = crate::harness::Grpc::connect(callgate.admin);
    let mut orders = admin.admin();
    admin
        .runtime
        .block_on(orders.reload(v1::ReloadRequest {}))
        .unwrap();
    let mut all = records(callgate.setup(), "rooms");
    all.extend(records(callgate.setup(), "outbox"));
    all.extend(records(callgate.setup(), "policy.reload"));
    assert_eq!(
        told(&all),
        [
            "rooms.set begun by cli: room `r1`",
            "rooms.set done by cli: room `r1`",
            "rooms.set begun by cli: room `r2`",
            "rooms.set failed by cli: room `r2`",
            "outbox.show done by cli: dead events",
            "outbox.retry begun by cli: waiting events",
            "outbox.retry done by cli: waiting events",
            "outbox.discard begun by cli: dead events",
            "outbox.discard done by cli: dead events",
            // No token was shown, and none is needed here.
            "policy.reload begun by loopback: ",
            "policy.reload done by loopback: ",
        ]
    );
    let discarded = &all[8];
    assert_eq!(discarded["counts"]["events"], 3);
    assert_eq!(discarded["why"], "gone for good");
    assert_eq!(discarded["from"], "127.0.0.1");
    assert_eq!(discarded["capability"], "operate");
    assert_eq!(discarded["of"], all[7]["number"]);
    let text = said(&callgate.setup().run(&["audit", "list"]));
    assert!(
        !text.contains("secret") && !text.contains("what u1 wrote"),
        "{text}"
    );
    let verified = said(&run(&callgate, &["audit", "verify"]));
    assert!(
        verified.contains("and the running server agrees"),
        "{verified}"
    );
    let none = callgate.setup().run(&["audit", "list", "--who", "nobody"]);
    assert!(said(&none).is_empty());
}

/// A method that changes something and records nothing would be an act that nobody sees.
#[test]
fn every_order_leaves_a_record() {
    let callgate = setup("http://127.0.0.1:9").start();
    let last = || {
        let status = callgate.status();
        let head = status["audit"]["head"].as_str().unwrap_or("0:").to_owned();
        head.split_once(':').unwrap().0.parse::<u64>().unwrap()
    };
    wait_for("the record of the policy", PATIENCE, || {
        (last() == 1).then_some(())
    });
    let doors = doors::doors(true);
    let orders = doors.iter().filter(|door| door.kind == doors::Kind::Order);
    let mut changing = 0;
    let token = fs::read_to_string(callgate.setup().policies().join("../data/cli.token"));
    let shown = format!("Bearer {}", token.unwrap().trim());
    let takes = |door: &doors::Door| format!("{:?}", door.capability);
    for door in orders.filter(|door| ["Operate", "Appoint"].contains(&&*takes(door))) {
        // Looking takes as much here, and changes nothing.
        if door.path.ends_with("/Rooms") || door.path.ends_with("/Operators") {
            continue;
        }
        let before = last();
        let lines = [("authorization", &*shown)];
        call(callgate.admin, door.path, &lines, "127.0.0.1");
        assert!(last() > before, "{} leaves no record", door.path);
        changing += 1;
    }
    assert!(changing >= 10, "{changing}");
}

#[test]
fn what_cannot_be_recorded_is_not_done_and_messages_go_on() {
    let (callgate, _business) = with_dead(&["a"]);
    let folder = folder(callgate.setup());
    let moved = folder.with_extension("moved");
    fs::rename(&folder, &moved).unwrap();
    fs::write(&folder, "no folder").unwrap();
    for args in [
        &["rooms", "set", "r1", "http://127.0.0.1:9/"][..],
        &["outbox", "discard", "--all"],
        &["outbox", "replay"],
        &["outbox", "dead", "--show"],
    ] {
        let output = run(&callgate, args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{args:?} {errors}");
        assert!(
            errors.contains("not done, since it could not be recorded"),
            "{errors}"
        );
        assert!(errors.contains("make room on the disk"), "{errors}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    assert!(said(&run(&callgate, &["rooms", "list"])).is_empty());
    assert_eq!(
        callgate.status()["outbox"]["endpoints"]["business"]["dead"],
        1
    );
    assert!(callgate.status()["audit"]["error"].is_string());
    assert!(callgate.metric("callgate_audit_failures_total") >= 4.0);
    assert_eq!(callgate.call("beforeSendSingleMsg", "hello").status, 200);
    fs::remove_file(&folder).unwrap();
    fs::rename(&moved, &folder).unwrap();
    said(&run(
        &callgate,
        &["rooms", "set", "r1", "http://127.0.0.1:9/"],
    ));
    assert!(callgate.status()["audit"]["error"].is_null());
    said(&run(&callgate, &["audit", "verify"]));
}

#[test]
fn records_that_were_taken_away_are_missed_with_a_server_and_without_one() {
    let callgate = setup("http://127.0.0.1:9").start();
    for room in ["a", "b", "c"] {
        said(&run(
            &callgate,
            &["rooms", "set", room, "http://127.0.0.1:9/"],
        ));
    }
    let folder = folder(callgate.setup());
    let segment = folder.join("00000000000000000001.jsonl");
    let good = fs::read_to_string(&segment).unwrap();
    let cut: Vec<&str> = good.lines().take(4).collect();
    fs::write(&segment, cut.join("\n") + "\n").unwrap();
    let refused = |output: Output, expected: &str| {
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(expected), "{text}");
    };
    refused(
        run(&callgate, &["audit", "verify"]),
        "records are missing at the end",
    );
    // Whoever forges the head too is found by what the server knows.
    let fourth: Value = serde_json::from_str(cut[3]).unwrap();
    let head = format!("{:020} {}\n", 4, fourth["hash"].as_str().unwrap());
    fs::write(folder.join("head"), head).unwrap();
    refused(
        run(&callgate, &["audit", "verify"]),
        "the running server names record",
    );
    let noted = callgate.status()["audit"]["head"]
        .as_str()
        .unwrap()
        .to_owned();
    let setup = callgate.kill();
    said(&setup.run(&["audit", "verify"]));
    refused(
        setup.run(&["audit", "verify", "--head", &noted]),
        "the head that you gave names record",
    );
    assert_eq!(
        setup
            .run(&["audit", "verify", "--head", "12"])
            .status
            .code(),
        Some(2)
    );
    fs::write(&segment, good.replace("room `b`", "room `x`")).unwrap();
    refused(
        setup.run(&["audit", "verify", "--json"]),
        "this is not what was written",
    );
    assert_eq!(setup.run(&["audit", "list"]).status.code(), Some(1));
}

#[test]
fn an_edit_of_the_policy_is_recorded_whoever_made_it_and_whenever() {
    let callgate = setup("http://127.0.0.1:9").start();
    let recorded = |setup: &Setup, count: usize| {
        wait_for("the record of an edit", PATIENCE, || {
            let records = records(setup, "policy.changed");
            (records.len() == count).then_some(records)
        })
    };
    let first = recorded(callgate.setup(), 1).remove(0);
    assert_eq!(first["counts"]["entries_added"], 2);
    callgate
        .setup()
        .write("ads.txt", "casino\n# a comment\nroulette\npoker\n");
    let second = recorded(callgate.setup(), 2).remove(1);
    assert_eq!(second["counts"]["files"], 1);
    let file = &second["details"]["files"][0];
    assert_eq!(file["path"], "ads.txt");
    assert_eq!(file["added"], serde_json::json!(["poker", "roulette"]));
    assert_eq!(file["removed"], serde_json::json!(["lottery"]));
    assert!(
        file["modified"].is_string() && file["uid"].is_number(),
        "{file}"
    );
    assert_eq!(second["who"]["kind"], "files");
    assert_eq!(second["who"]["uid"], file["uid"]);
    // While nothing runs.
    let setup = callgate.kill();
    setup.write("more.txt", "baccarat\n");
    let callgate = setup.start();
    let third = recorded(callgate.setup(), 3).remove(2);
    let files = third["details"]["files"].as_array().unwrap();
    let more = files.iter().find(|file| file["path"] == "more.txt");
    assert_eq!(more.unwrap()["change"], "added");
    // And nothing, when nothing was edited.
    let callgate = callgate.kill().start();
    said(&run(
        &callgate,
        &["rooms", "set", "r", "http://127.0.0.1:9/"],
    ));
    recorded(callgate.setup(), 3);
}

#[test]
fn strangers_are_recorded_and_do_not_fill_the_disk() {
    let callgate = setup("http://127.0.0.1:9")
        .engine("admin.listen", "0.0.0.0:0")
        .start();
    let admin = std::net::SocketAddr::from(([127, 0, 0, 1], callgate.admin.port()));
    for _ in 0..60 {
        assert_eq!(http::get(admin, "/status").status, 401);
        assert_eq!(http::get(admin, "/secret-of-another-port").status, 401);
    }
    let setup = callgate.setup();
    let refused = wait_for("the records", PATIENCE, || {
        let refused = records(setup, "port.refused");
        (refused.len() == 20).then_some(refused)
    });
    for record in &refused {
        assert_eq!(
            (&record["result"], &record["who"]["kind"]),
            (&"refused".into(), &"nobody".into())
        );
        assert_eq!(record["from"], "127.0.0.1");
        assert!(
            ["/status", "a path that leads nowhere"].contains(&record["target"].as_str().unwrap())
        );
    }
    let known = &records(setup, "policy.changed");
    assert_eq!(known.len(), 1);
}

#[test]
fn a_command_that_opens_the_files_itself_is_recorded_by_its_uid() {
    let (callgate, _business) = with_dead(&["a", "b"]);
    let setup = callgate.kill();
    said(&setup.run(&["outbox", "dead", "--show"]));
    said(&setup.run(&["outbox", "discard", "--all", "--why", "no more"]));
    said(&setup.run(&["outbox", "export"]));
    said(&setup.run(&["outbox", "repair"]));
    let records = records(&setup, "outbox");
    assert_eq!(
        told(&records)[..3],
        [
            "outbox.show done by cli: dead events",
            "outbox.discard begun by cli: dead events",
            "outbox.discard done by cli: dead events",
        ]
    );
    assert_eq!(records[2]["counts"]["events"], 2);
    assert!(
        records
            .iter()
            .all(|record| record["who"]["uid"].is_number())
    );
    let acts: Vec<_> = records[3..]
        .iter()
        .map(|record| record["act"].as_str().unwrap())
        .collect();
    assert_eq!(
        acts,
        [
            "outbox.export",
            "outbox.export",
            "outbox.repair",
            "outbox.repair"
        ]
    );
    said(&setup.run(&["audit", "verify"]));
    fs::remove_dir_all(folder(&setup)).unwrap();
    fs::write(folder(&setup), "no folder").unwrap();
    let output = setup.run(&["outbox", "export"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0));
}

/// The acts that the sources name, where they are made or given a name.
fn acts_of(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            acts_of(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let is_part =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
        for begin in [
            "Act::new(\"",
            "const CUT: &str = \"",
            "const CHANGED: &str = \"",
            "const DAMAGED: &str = \"",
        ] {
            let named = text
                .split(begin)
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            let acts = named.filter(|name| name.split('.').all(is_part) && name.contains('.'));
            found.extend(acts.map(str::to_owned));
        }
    }
}

#[test]
fn every_act_is_in_the_documents() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/operator/audit.md")).unwrap();
    let mut acts = BTreeSet::new();
    acts_of(&root.join("src"), &mut acts);
    assert!(acts.len() > 10 && acts.contains("audit.cut"), "{acts:?}");
    let missing: Vec<_> = acts
        .iter()
        .filter(|act| !page.contains(&format!("`{act}`")))
        .collect();
    assert!(missing.is_empty(), "not in audit.md: {missing:?}");
}
