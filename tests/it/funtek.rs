//! An unmodified FUNTEK (IMKIT) server that points a room at us, a room's bot behind us, and the
//! server's API that takes messages back.

use std::thread;
use std::time::{Duration, Instant};

use callgate::proto::v1;

use crate::harness::calls::dialect_fixture;
use crate::harness::{Behaviour, Business, Callgate, Metronome, PATIENCE, Setup, http, wait_for};

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
    let metronome = Metronome::start();
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
            metronome.on_time(started, QUICK, &what);
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
    let setup = setup.engine("funtek.bot", "robot001");
    setup.write("call.json", fixture("MESSAGE.badword.request.json"));
    let file = setup.policies().join("call.json");
    let file = file.to_str().unwrap();
    let output = setup.run(&["explain", "--dialect", "funtek", "--event", "MESSAGE", file]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains(&recorded("warning-reply")), "{shown}");
}

/// A chat server that asks over gRPC about an event of one of its rooms.
fn ask(callgate: &Callgate, event: &str, body: &[u8]) -> v1::BeforeResponse {
    callgate.grpc().before(v1::BeforeRequest {
        hook: format!("funtek.{event}"),
        body_json: String::from_utf8(body.to_vec()).unwrap(),
        ..v1::BeforeRequest::default()
    })
}

fn rooms(callgate: &Callgate, args: &[&str]) -> (Option<i32>, String) {
    let server = format!("http://{}", callgate.admin);
    let mut all = vec!["rooms", "--server", &server];
    all.extend(args);
    let output = callgate.setup().run(&all);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// As the chat server's side, callgate knows each room's URL and walks its bot's states.
#[test]
fn a_rooms_bot_walks_from_state_to_state() {
    let answers = [
        recorded("noop"),
        recorded("reply"),
        recorded("image-reply"),
        recorded("state-only"),
        recorded("reset-state"),
        recorded("empty-object"),
    ];
    let states = ["", "", "active", "active", "CONTACT", ""];
    let bot = Business::start(Behaviour::answer("{}"));
    let nobody = "http://127.0.0.1:9/";
    let callgate = Callgate::start(&policy(nobody, ""));
    let url = format!("http://{}/rooms/demo", bot.address);
    let kept = rooms(&callgate, &["set", "demo-room", &url]);
    assert_eq!(kept, (Some(0), format!("demo-room {url}\n")));
    for (answer, state) in answers.iter().zip(states) {
        let asked = bot.requests().len();
        bot.set(Behaviour::answer(answer.clone()));
        let response = ask(
            &callgate,
            "MESSAGE",
            &fixture("MESSAGE.doc-sample.request.json"),
        );
        let request = bot.wait_for(asked + 1).pop().unwrap();
        assert_eq!(
            (request.path.as_str(), &request.json()["botState"]),
            ("/rooms/demo", &state.into())
        );
        let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
        if answer["data"].is_null() && answer["toBotState"].is_null() {
            assert_eq!(response.action(), v1::Action::Allow);
            continue;
        }
        assert_eq!(response.action(), v1::Action::Reply);
        let reply = response.reply.unwrap();
        assert_eq!(
            reply.sender_id,
            answer["senderID"].as_str().unwrap_or_default()
        );
        assert_eq!(reply.to_bot_state.as_deref(), answer["toBotState"].as_str());
        let message = match answer["data"].is_null() {
            true => String::new(),
            false => answer["data"].to_string(),
        };
        let said = match reply.message_json.as_str() {
            "" => String::new(),
            json => serde_json::from_str::<serde_json::Value>(json)
                .unwrap()
                .to_string(),
        };
        assert_eq!(said, message);
    }
}

#[test]
fn rooms_and_their_states_survive_a_restart() {
    let bot = Business::start(Behaviour::answer(recorded("reply")));
    let callgate = Callgate::start(&policy("http://127.0.0.1:9/", ""));
    let url = bot.url();
    rooms(&callgate, &["set", "demo-room", &url]);
    rooms(&callgate, &["set", "other", &url, "--state", "CONTACT"]);
    ask(
        &callgate,
        "JOIN_ROOM",
        &fixture("JOIN_ROOM.doc-sample.request.json"),
    );
    let callgate = callgate.kill().start();
    let listed = format!("demo-room {url} in state active\nother {url} in state CONTACT\n");
    assert_eq!(rooms(&callgate, &[]), (Some(0), listed));
    assert_eq!(rooms(&callgate, &["remove", "other"]).0, Some(0));
    assert_eq!(rooms(&callgate, &["remove", "other"]).0, Some(1));
    assert_eq!(rooms(&callgate, &["set", "x", "no url"]).0, Some(1));
    let json = rooms(&callgate, &["list", "--json"]).1;
    let room: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(room["bot_state"], "active");
}

/// One room's dead bot is no other room's failure, and no failure of the endpoint's own bot.
#[test]
fn rooms_fail_alone() {
    let alive = Business::start(Behaviour::answer(recorded("reply")));
    let dead = Business::start(Behaviour::status(500, ""));
    let callgate = Callgate::start(&policy(&alive.url(), "").replace(
        "breaker: {failures: 1000, calls_min: 1000}",
        "breaker: {failures: 2}",
    ));
    rooms(&callgate, &["set", "dead", &dead.url()]);
    rooms(&callgate, &["set", "alive", &alive.url()]);
    let call = |room: &str, sender: usize| {
        format!(
            r#"{{"roomID":"{room}","event":"MESSAGE","data":{{"_id":"1","message":"hi","sender":{{"_id":"u{sender}"}}}}}}"#
        )
    };
    for sender in 0..4 {
        let response = ask(&callgate, "MESSAGE", call("dead", sender).as_bytes());
        assert_eq!(
            (response.action(), response.reviewed),
            (v1::Action::Allow, false)
        );
    }
    assert_eq!(dead.requests().len(), 2, "then its breaker is open");
    for room in ["alive", "unknown"] {
        let response = ask(&callgate, "MESSAGE", call(room, 0).as_bytes());
        assert_eq!(response.action(), v1::Action::Reply, "{room}");
    }
}

/// What we send is what we take: one callgate behind another.
#[test]
fn a_round_trip_changes_nothing() {
    let bot = Business::start(Behaviour::answer(recorded("reply")));
    let receiver = start(&policy(&bot.url(), ""));
    let sender =
        Callgate::start(&policy("http://127.0.0.1:9/", "").replace("badword", "nobody says this"));
    rooms(
        &sender,
        &[
            "set",
            "demo-room",
            &format!("http://{}/funtek", receiver.http),
            "--state",
            "CONTACT",
        ],
    );
    let response = ask(
        &sender,
        "MESSAGE",
        &fixture("MESSAGE.in-state.request.json"),
    );
    assert_eq!(
        bot.wait_for(1)[0].body,
        fixture("MESSAGE.in-state.request.json")
    );
    let reply = response.reply.unwrap();
    assert_eq!(
        (reply.sender_id.as_str(), reply.to_bot_state.as_deref()),
        ("robot001", Some("active"))
    );
    let warned = ask(&sender, "MESSAGE", &fixture("MESSAGE.badword.request.json"));
    let reply = warned.reply.unwrap();
    assert!(
        reply.message_json.contains("消息含有违规内容"),
        "{}",
        reply.message_json
    );
    assert_eq!(bot.requests().len(), 1);
}
