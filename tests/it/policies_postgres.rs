//! `policies: postgres`: several replicas agree on each version before it is in force, and none goes
//! backwards.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use callgate::proto::v1;
use serde_json::{Value, json};

use crate::api::{call, get};
use crate::cluster::Cluster;
use crate::harness::http::Answer;
use crate::harness::{Callgate, Grpc, Setup, calls, http, wait_for};
use crate::replicas::on;

const LIMIT: Duration = Duration::from_secs(60);
const POLICY: &str = "lists: {l: {file: l.txt}}\nhooks: {beforeSendSingleMsg: {}}\n";
const HOOK: &str = "beforeSendSingleMsg";

fn setup(cluster: &Cluster) -> Setup {
    let setup = on(Setup::new(POLICY), &cluster.url()).engine("policies", "postgres");
    setup.write("l.txt", "seed\n");
    setup
}

fn token(callgate: &Callgate) -> String {
    let file = callgate.setup().policies().join("../data/cli.token");
    fs::read_to_string(file).unwrap().trim().to_owned()
}

fn add(callgate: &Callgate, token: &str, entry: &str) -> Answer {
    let ops = json!([{ "op": "add", "entry": entry }]);
    let body = json!({ "ops": ops, "why": "a test" }).to_string();
    let line = "If-Match: *\r\n";
    call(callgate, token, "PATCH /api/v1/lists/l", line, &body)
}

fn number(version: &str) -> u64 {
    version.split('-').next().unwrap().parse().unwrap()
}

fn in_force(callgate: &Callgate) -> u64 {
    callgate.status()["policy"]["number"].as_u64().unwrap()
}

fn ask(grpc: &Grpc, text: &str, min_version: u64) -> v1::BeforeResponse {
    grpc.before(v1::BeforeRequest {
        min_version,
        ..calls::request(HOOK, text)
    })
}

fn list_of(callgate: &Callgate, token: &str) -> BTreeSet<String> {
    let policy = get(callgate, token, "/api/v1/policy").json();
    let list = STANDARD.decode(policy["files"]["l.txt"].as_str().unwrap());
    let list = String::from_utf8(list.unwrap()).unwrap();
    list.lines().map(str::to_owned).collect()
}

fn push(callgate: &Callgate, token: &str, files: &[(&str, &str)], over: u64) -> Answer {
    let files: serde_json::Map<String, Value> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), STANDARD.encode(text).into()))
        .collect();
    let body = json!({ "files": files, "over": over, "why": "a test" }).to_string();
    call(callgate, token, "POST /api/v1/policy", "", &body)
}

/// Fifty edits at each of two replicas at once. Who has made one asks the other replica at once.
#[test]
fn edits_at_two_replicas_are_in_force_at_both_and_none_goes_backwards() {
    let edits_each = match std::env::var_os("CALLGATE_LONG") {
        Some(_) => 50,
        None => 20,
    };
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let replicas = [setup(&cluster).start(), setup(&cluster).start()];
    let tokens = replicas.each_ref().map(token);
    let is_over = AtomicBool::new(false);
    let edits = |at: usize| {
        let other = Grpc::connect(replicas[1 - at].grpc);
        let (mut asked, mut newest) = (0, 0);
        for edit in 0..edits_each {
            let word = format!("word{at}x{edit}x");
            let saved = add(&replicas[at], &tokens[at], &word);
            assert_eq!(saved.status, 200, "{saved:?}");
            let made = number(saved.json()["version"].as_str().unwrap());
            assert!(made > newest, "{made} after {newest}");
            newest = made;
            let answer = ask(&other, &word, made);
            let decided = answer.policy_version.as_ref().unwrap().number;
            match answer.failure() {
                v1::FailureClass::StalePolicy => {}
                _ => {
                    assert!(decided >= made, "{decided} answered for {made}");
                    assert_eq!(answer.action(), v1::Action::Block, "{word} at {decided}");
                    asked += 1;
                }
            }
        }
        (asked, newest)
    };
    let never_backwards = |at: usize| {
        let grpc = Grpc::connect(replicas[at].grpc);
        let mut last = 0;
        while !is_over.load(Ordering::Relaxed) {
            let now = ask(&grpc, "hello", 0).policy_version.unwrap().number;
            assert!(now >= last, "{now} after {last}");
            last = now;
            // The replicas' work goes before this.
            thread::sleep(Duration::from_millis(5));
        }
    };
    let newest = thread::scope(|scope| {
        let watching = [0, 1].map(|at| scope.spawn(move || never_backwards(at)));
        let editing = [0, 1].map(|at| scope.spawn(move || edits(at)));
        let edited = editing.map(|one| one.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
        for one in watching {
            one.join().unwrap();
        }
        println!("asked the other replica at once, and it had caught up: {edited:?}");
        // Waiting for the other takes a moment, and not the whole of what a call waits.
        assert!(edited[0].0 + edited[1].0 >= edits_each, "{edited:?}");
        edited[0].1.max(edited[1].1)
    });
    for (replica, token) in replicas.iter().zip(&tokens) {
        wait_for("the newest version", LIMIT, || {
            (in_force(replica) == newest).then_some(())
        });
        let list = list_of(replica, token);
        for at in [0, 1] {
            for edit in 0..edits_each {
                assert!(list.contains(&format!("word{at}x{edit}x")), "{at} {edit}");
            }
        }
        assert_eq!(replica.metric("callgate_policy_version_behind"), 0.0);
        // Who looks at files finds the same.
        let file = replica.setup().policies().join("../data/policies/l.txt");
        let file = fs::read_to_string(file).unwrap();
        assert_eq!(
            file.lines().map(str::to_owned).collect::<BTreeSet<_>>(),
            list
        );
    }
    let numbers = cluster.ask("SELECT count(*), max(number) FROM callgate.policy_version");
    assert_eq!(numbers.trim(), format!("{}|{newest}", 2 * edits_each + 1));
}

/// Decisions go on; nothing is taken for published that is not; all of it is said.
#[test]
fn while_postgres_is_away_the_policy_in_force_stays_and_says_so() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let one = setup(&cluster).start();
    let other = setup(&cluster).start();
    let tokens = [token(&one), token(&other)];
    assert_eq!(add(&one, &tokens[0], "first").status, 200);
    wait_for("it at the other", LIMIT, || {
        (in_force(&other) == 2).then_some(())
    });
    cluster.stop_at_once();
    let refused = add(&one, &tokens[0], "second");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.json()["code"], "not_shared");
    assert!(!list_of(&one, &tokens[0]).contains("second"));
    for replica in [&one, &other] {
        wait_for("its absence", LIMIT, || {
            (replica.metric("callgate_policy_versions_away") == 1.0).then_some(())
        });
        assert_ne!(replica.call(HOOK, "a first").json()["errCode"], 0);
        assert_eq!(replica.call(HOOK, "a second").json()["errCode"], 0);
        let ready = http::get(replica.admin, "/readyz");
        assert_eq!(ready.status, 200);
        assert!(ready.text().contains("stays in force"), "{}", ready.text());
        assert!(replica.status()["policy"]["shared"]["away"].is_string());
    }
    // A start meanwhile has the last version that was in force here.
    let other = other.kill().start();
    assert_eq!(in_force(&other), 2);
    assert_ne!(other.call(HOOK, "a first").json()["errCode"], 0);
    assert!(
        other
            .log()
            .contains("started with the last version that was in force here"),
        "{}",
        other.log()
    );
    // And one that never had any says so instead of deciding by nothing.
    let ended = setup(&cluster).run(&["serve"]);
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(3), "{told}");
    assert!(
        told.contains("no version was in force here before"),
        "{told}"
    );
    cluster.start_again();
    let third = wait_for("an edit", LIMIT, || {
        let saved = add(&one, &tokens[0], "third");
        (saved.status == 200).then(|| number(saved.json()["version"].as_str().unwrap()))
    });
    for replica in [&one, &other] {
        wait_for("the newest version", LIMIT, || {
            let away = replica.metric("callgate_policy_versions_away");
            (in_force(replica) == third && away == 0.0).then_some(())
        });
        assert_ne!(replica.call(HOOK, "a third").json()["errCode"], 0);
    }
}

/// What has errors changes nothing; of two that were made from the same version one is told so.
#[test]
fn a_push_is_whole_and_over_what_it_was_made_from() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let one = setup(&cluster).start();
    let other = setup(&cluster).start();
    let tokens = [token(&one), token(&other)];
    let broken = POLICY.replace("l.txt}", "l.txt, actoin: block}");
    let files = [("policy.yaml", broken.as_str()), ("l.txt", "a\n")];
    let refused = push(&one, &tokens[0], &files, 1);
    assert_eq!(refused.status, 422, "{refused:?}");
    let problem = &refused.json()["params"]["problems"][0];
    assert_eq!(problem["line"], 1, "{problem}");
    assert!(problem["file"].as_str().unwrap().ends_with("policy.yaml"));
    let out = push(&one, &tokens[0], &[("../policy.yaml", POLICY)], 1);
    assert_eq!(out.status, 400, "{out:?}");
    // A secret is no part of a version: it would be in the database.
    let signed = format!(
        "endpoints: {{b: {{url: 'http://127.0.0.1:9', sign: {{secret_file: key.txt}}}}}}\n{POLICY}"
    );
    let files = [
        ("policy.yaml", signed.as_str()),
        ("l.txt", "a\n"),
        ("key.txt", "a secret"),
    ];
    let secret = push(&one, &tokens[0], &files, 1);
    assert_eq!(secret.status, 422, "{secret:?}");
    assert_eq!((in_force(&one), in_force(&other)), (1, 1));
    let contents = cluster.ask("SELECT count(*) FROM callgate.policy_content");
    assert_eq!(contents.trim(), "2");
    // Two at once.
    let statuses = thread::scope(|scope| {
        let pushes = [(&one, &tokens[0], "x\n"), (&other, &tokens[1], "y\n")];
        let pushes = pushes.map(|(replica, token, list)| {
            scope.spawn(move || {
                let files = [
                    ("policy.yaml", POLICY),
                    ("l.txt", list),
                    ("notes.txt", "mine"),
                ];
                push(replica, token, &files, 1).status
            })
        });
        let statuses = pushes.map(|push| push.join().unwrap());
        statuses.into_iter().collect::<BTreeSet<_>>()
    });
    assert_eq!(statuses, BTreeSet::from([200, 409]));
    for replica in [&one, &other] {
        wait_for("the one that won", LIMIT, || {
            (in_force(replica) == 2).then_some(())
        });
    }
    assert_eq!(list_of(&one, &tokens[0]), list_of(&other, &tokens[1]));
    // What no policy is read from is no part of it.
    let policy = get(&one, &tokens[0], "/api/v1/policy").json();
    assert!(policy["files"].get("notes.txt").is_none(), "{policy}");
    // A hand in the mirror is undone, and what it wrote is kept.
    let mirror = one.setup().policies().join("../data/policies");
    fs::write(mirror.join("l.txt"), "by hand\n").unwrap();
    wait_for("the file as it was", LIMIT, || {
        (fs::read_to_string(mirror.join("l.txt")).ok()? != "by hand\n").then_some(())
    });
    let undone = mirror.with_extension("undone").join("l.txt");
    wait_for("what was written", LIMIT, || {
        (fs::read_to_string(&undone).ok()? == "by hand\n").then_some(())
    });
    assert_eq!(in_force(&one), 2);
}

/// The commands, with a server and without one.
#[test]
fn a_policy_is_pulled_edited_and_pushed() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let one = setup(&cluster).start();
    let admin = format!("http://{}", one.admin);
    let run = |args: &[&str]| {
        let ended = one.setup().run(args);
        let text = [ended.stdout, ended.stderr].concat();
        (
            ended.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let (code, told) = run(&["policy", "pull", "mine", "--server", &admin]);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = run(&["policy", "pull", "theirs", "--direct"]);
    assert_eq!(code, Some(0), "{told}");
    let folder = |name: &str| one.setup().policies().join("..").join(name);
    for name in ["mine", "theirs"] {
        let list = fs::read_to_string(folder(name).join("l.txt")).unwrap();
        assert_eq!(list, "seed\n");
    }
    fs::write(
        folder("mine").join("policy.yaml"),
        "lists: {l: {file: no.txt}}\n",
    )
    .unwrap();
    let push = [
        "policy", "push", "mine", "--reason", "a test", "--server", &admin,
    ];
    let (code, told) = run(&push);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("mine/policy.yaml:1:"), "{told}");
    let direct = ["policy", "push", "mine", "--reason", "a test", "--direct"];
    let (code, told) = run(&direct);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("mine/policy.yaml:1:"), "{told}");
    fs::write(folder("mine").join("policy.yaml"), POLICY).unwrap();
    fs::write(folder("mine").join("l.txt"), "mine\n").unwrap();
    let (code, told) = run(&push);
    assert_eq!(code, Some(0), "{told}");
    assert_ne!(one.call(HOOK, "it is mine").json()["errCode"], 0);
    // The other directory was pulled as version 1.
    fs::write(folder("theirs").join("l.txt"), "theirs\n").unwrap();
    let late = ["policy", "push", "theirs", "--reason", "a test", "--direct"];
    let (code, told) = run(&late);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("version 2 of the policy came first"),
        "{told}"
    );
    let (code, told) = run(&[&late[..], &["--base", "2"]].concat());
    assert_eq!(code, Some(0), "{told}");
    wait_for("it in force", LIMIT, || (in_force(&one) == 3).then_some(()));
    assert_ne!(one.call(HOOK, "it is theirs").json()["errCode"], 0);
    // Back by the versions that are kept, which are one for all replicas.
    let other = setup(&cluster).start();
    let (code, told) = run(&[
        "versions", "rollback", "2", "--server", &admin, "--yes", "--why", "back",
    ]);
    assert_eq!(code, Some(0), "{told}");
    wait_for("it at the other", LIMIT, || {
        (in_force(&other) == 4).then_some(())
    });
    assert_ne!(other.call(HOOK, "it is mine").json()["errCode"], 0);
    // A later callgate made other tables: this one does not touch them.
    cluster.ask("UPDATE callgate.policy_schema SET version = 9");
    let ended = other.kill().run(&["serve"]);
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(3), "{told}");
    assert!(told.contains("start the version that made them"), "{told}");
}
