//! An unmodified FUNTEK (IMKIT) server that points a room at us, a room's bot behind us, and the
//! server's API that takes messages back.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::calls::dialect_fixture;
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http, wait_for};

const CALLS: [&str; 16] = [
    "JOIN_ROOM.request.json",
    "JOIN_ROOM.doc-sample.request.json",
    "ADD_MEMBERS.request.json",
    "ADD_MEMBERS.doc-sample.request.json",
    "DELETE_MEMBERS.request.json",
    "DELETE_MEMBERS.doc-sample.request.json",
    "MESSAGE.request.json",
    "MESSAGE.doc-sample.request.json",
    "MESSAGE.in-state.request.json",
    "MESSAGE.object-message.request.json",
    "MESSAGE.number-message.request.json",
    "MESSAGE.image.request.json",
    "MESSAGE.encrypted.request.json",
    "MESSAGE.robot-sender.request.json",
    "MESSAGE.null-sender.request.json",
    "MESSAGE.legacy-robotID.request.json",
];
/// A server that wants a quick answer has one by then.
const QUICK: Duration = Duration::from_secs(2);

fn fixture(name: &str) -> Vec<u8> {
    dialect_fixture("funtek", name)
}

fn recorded(name: &str) -> String {
    String::from_utf8(fixture(&format!("{name}.response.json"))).unwrap()
}

/// The answer that does nothing and keeps the state that a call came in.
fn nothing_for(call: &[u8]) -> String {
    let call: serde_json::Value = serde_json::from_slice(call).unwrap();
    format!(r#"{{"toBotState":{},"data":null}}"#, call["botState"])
}

/// A word list; all four events go to a bot.
fn policy(bot: &str, more: &str) -> String {
    let hooks = ["MESSAGE", "JOIN_ROOM", "ADD_MEMBERS", "DELETE_MEMBERS"]
        .map(|event| format!("  funtek.{event}: {{endpoint: bot}}\n"));
    format!(
        "endpoints:\n  bot: {{url: \"{bot}\", dialect: funtek, breaker: {{failures: 1000, calls_min: 1000}}}}\n{more}\
         lists: {{bad: {{words: [badword], reason: 消息含有违规内容}}}}\n\
         hooks:\n{}",
        hooks.concat()
    )
}

fn start(policy: &str) -> Callgate {
    Setup::new(policy).engine("funtek.bot", "robot001").start()
}

fn answered(callgate: &Callgate, body: impl AsRef<[u8]>, expected: &str) {
    let answer = http::post(callgate.http, "/funtek", body);
    assert_eq!((answer.status, answer.text()), (200, expected));
}

#[test]
fn every_recorded_call_is_answered_and_nothing_else_happens() {
    let bot = Business::start(Behaviour::answer("{}"));
    let callgate = start(&policy(&bot.url(), "").replace("badword", "nobody says this"));
    for name in CALLS {
        let call = fixture(name);
        for path in ["/funtek", "/funtek/", "//funtek//", "/funtek/any/room"] {
            let answer = http::post(callgate.http, path, &call);
            assert_eq!(
                (answer.status, answer.text()),
                (200, &*nothing_for(&call)),
                "{name}"
            );
        }
    }
    // A robot's own message is never asked about.
    let asked: Vec<_> = bot
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(asked.len(), (CALLS.len() - 1) * 4);
    assert!(!asked.contains(&fixture("MESSAGE.robot-sender.request.json")));
    assert!(asked.contains(&fixture("MESSAGE.in-state.request.json")));
    assert!(callgate.status()["hooks"]["funtek.MESSAGE"]["skipped"]["robot"] == 4);
}

#[test]
fn a_bots_answer_reaches_the_room() {
    let bot = Business::start(Behaviour::answer("{}"));
    let callgate = start(&policy(&bot.url(), ""));
    for name in ["reply", "image-reply", "state-only", "reset-state"] {
        bot.set(Behaviour::answer(recorded(name)));
        answered(
            &callgate,
            fixture("MESSAGE.in-state.request.json"),
            &recorded(name),
        );
        answered(
            &callgate,
            fixture("JOIN_ROOM.request.json"),
            &recorded(name),
        );
    }
}

/// A hit is answered after the fact: a warning in the room, and a recall that is not lost.
#[test]
fn a_hit_is_warned_of_and_taken_back() {
    let bot = Business::start(Behaviour::answer("{}"));
    let api = Business::start(Behaviour::status(500, ""));
    let api_endpoint = format!(
        "  imkit: {{url: \"http://{}/\", dialect: funtek, retry_waits: [50ms, 50ms, 50ms, 50ms]}}\n",
        api.address
    );
    let policy = policy(&bot.url(), &api_endpoint) + "  funtek.recall: {endpoint: imkit}\n";
    let callgate = Setup::new(&policy)
        .engine("funtek.bot", "robot001")
        .env("CALLGATE_POLICY__ENDPOINTS__IMKIT__IM_API_KEY", "key-1")
        .start();
    for _ in 0..2 {
        answered(
            &callgate,
            fixture("MESSAGE.badword.request.json"),
            &recorded("warning-reply"),
        );
    }
    assert!(bot.requests().is_empty(), "the bot is not asked about it");
    api.wait_for(2);
    api.set(Behaviour::answer("{}"));
    wait_for("the recall", PATIENCE, || {
        let counts = callgate.status()["outbox"]["endpoints"]["imkit"].take();
        (counts["delivered"] == 1 && counts["accepted"] == 1).then_some(())
    });
    let recall = api.requests().pop().unwrap();
    assert_eq!(recall.path, "/rooms/demo-room/message");
    assert_eq!(recall.header("im-api-key"), "key-1");
    assert_eq!(recall.body, fixture("recall-api.request.json"));
    assert!(!callgate.log().contains("key-1") && !callgate.status().to_string().contains("key-1"));
}

#[test]
fn without_a_bot_and_an_api_a_hit_is_only_counted() {
    let bot = Business::start(Behaviour::answer("{}"));
    let callgate = Callgate::start(&policy(&bot.url(), ""));
    answered(
        &callgate,
        fixture("MESSAGE.badword.request.json"),
        &recorded("reset-state"),
    );
    let object = fixture("MESSAGE.object-message.request.json");
    answered(&callgate, object, &recorded("reset-state"));
    assert_eq!(
        callgate.metric("callgate_matches_total{list=\"bad\",action=\"block\"}"),
        2.0
    );
}

#[test]
fn whatever_the_bot_does_the_server_has_its_answer_soon() {
    let bot = Business::start(Behaviour::Hang);
    for failed_continue in ["true", "false"] {
        let callgate = start(&policy(&bot.url(), "").replace(
            "funtek.MESSAGE: {endpoint: bot",
            &format!(
                "funtek.MESSAGE: {{failedContinue: {failed_continue}, timeout: 300ms, endpoint: bot"
            ),
        ));
        for behaviour in [
            Behaviour::Hang,
            Behaviour::HeadThenHang,
            Behaviour::Drip,
            Behaviour::answer(recorded("reply")).after(Duration::from_secs(3)),
            Behaviour::Close,
            Behaviour::Reset,
            Behaviour::Garbage,
            Behaviour::status(500, "{}"),
            Behaviour::html("<html>"),
            Behaviour::answer("[]"),
            Behaviour::answer(r#"{"data":"hi"}"#),
            Behaviour::answer(""),
        ] {
            let what = format!("{behaviour:?}");
            bot.set(behaviour);
            let started = Instant::now();
            let call = fixture("MESSAGE.in-state.request.json");
            let answer = http::post(callgate.http, "/funtek", call);
            assert_eq!(
                (answer.status, answer.text()),
                (200, &*recorded("state-only")),
                "{what}"
            );
            assert!(started.elapsed() < QUICK, "{what}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_answered_with_nothing() {
    let bot = Business::start(Behaviour::answer("{}"));
    let callgate = start(&policy(&bot.url(), ""));
    for body in [
        "",
        "[]",
        "x",
        "{}",
        r#"{"event":"MESSAGE"}"#,
        r#"{"roomID":"r","event":"X"}"#,
    ] {
        answered(&callgate, body, &recorded("noop"));
    }
}

/// Two messages of one room are two steps of its bot, one after the other; other rooms do not wait.
#[test]
fn a_room_is_one_step_at_a_time() {
    let bot = Business::start(Behaviour::answer("{}").after(Duration::from_millis(300)));
    let callgate = start(&policy(&bot.url(), ""));
    let call = |room: &str| {
        format!(
            r#"{{"roomID":"{room}","event":"MESSAGE","data":{{"_id":"1","message":"hi","sender":{{"_id":"u"}}}}}}"#
        )
    };
    let took = |rooms: [&str; 3]| {
        let started = Instant::now();
        thread::scope(|scope| {
            for room in rooms {
                let (address, call) = (callgate.http, call(room));
                scope.spawn(move || http::post(address, "/funtek", call));
            }
        });
        started.elapsed()
    };
    let same = took(["a", "a", "a"]);
    let different = took(["b", "c", "d"]);
    assert!(same >= Duration::from_millis(900), "{same:?}");
    assert!(different < Duration::from_millis(900), "{different:?}");
}

#[test]
fn explain_shows_what_a_recorded_call_is_and_what_it_gets() {
    let setup = Setup::new(&policy("http://127.0.0.1:9/hook", ""));
    for name in CALLS {
        let event = name.split('.').next().unwrap();
        setup.write("call.json", fixture(name));
        let file = setup.policies().join("call.json");
        let file = file.to_str().unwrap();
        let output = setup.run(&["explain", "--dialect", "funtek", "--event", event, file]);
        let shown = String::from_utf8(output.stdout).unwrap();
        let expected = format!("answered 200 with {}", nothing_for(&fixture(name)));
        assert!(shown.contains(&expected), "{name}: {shown}");
    }
}
