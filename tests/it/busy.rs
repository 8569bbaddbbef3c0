//! One conversation with far more messages than its receiver takes, and many quiet ones beside it:
//! nobody waits behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Behaviour, Business, Metronome, PATIENCE, Request, Setup, http, wait_for};

/// What the receiver takes for a request.
const RECEIVER: Duration = Duration::from_millis(5);
/// A quiet conversation's event is there after this.
const QUIET: Duration = Duration::from_secs(1);
/// The same on a machine that stands still now and then: far less than the busy one takes.
const QUIET_AT_THE_MOST: Duration = Duration::from_secs(10);

/// How many messages the busy conversation has, and how many others have one each.
fn sizes() -> (usize, usize) {
    match std::env::var_os("CALLGATE_LONG").is_some() {
        true => (20_000, 1_000),
        false => (1_200, 60),
    }
}

#[derive(Clone, Copy)]
struct Server {
    dialect: &'static str,
    hook: &'static str,
    target: &'static str,
    /// The call about a message of a group.
    body: fn(&str, &str) -> String,
    ids: fn(&Request) -> Vec<String>,
}

const OPENIM: Server = Server {
    dialect: "openim",
    hook: "afterSendGroupMsg",
    target: "/openim/callbackAfterSendGroupMsgCommand",
    body: |group, id| {
        format!(
            r#"{{"sendID":"5210","callbackCommand":"callbackAfterSendGroupMsgCommand","serverMsgID":"{id}","clientMsgID":"c{id}","operationID":"op","senderPlatformID":1,"senderNickname":"n","sessionType":3,"msgFrom":100,"contentType":101,"status":1,"sendTime":1767225600316,"createTime":1767225600289,"content":"{{\"content\":\"hello\"}}","seq":0,"atUserList":null,"faceURL":"","ex":"","groupID":"{group}"}}"#
        ) + "\n"
    },
    ids: |request| vec![request.json()["serverMsgID"].as_str().unwrap().to_owned()],
};

const WUKONGIM: Server = Server {
    dialect: "wukongim",
    hook: "wukongim.msg.notify",
    target: "/wukongim?event=msg.notify",
    body: |group, id| {
        format!(
            r#"[{{"header":{{"no_persist":0,"red_dot":1,"sync_once":0}},"setting":0,"message_id":{id},"message_idstr":"{id}","client_msg_no":"c{id}","message_seq":1,"from_uid":"a","channel_id":"{group}","channel_type":2,"expire":0,"timestamp":1767225600,"payload":"aGVsbG8="}}]"#
        )
    },
    ids: |request| {
        let items: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
        let id = |item: &Value| item["message_idstr"].as_str().unwrap().to_owned();
        items.iter().map(id).collect()
    },
};

type Times = Arc<Mutex<HashMap<String, Instant>>>;

fn business(server: Server, arrived: &Times) -> Business {
    let arrived = Arc::clone(arrived);
    Business::choosing(move |request| {
        let now = Instant::now();
        let mut arrived = arrived.lock().unwrap();
        for id in (server.ids)(request) {
            arrived.entry(id).or_insert(now);
        }
        let answer = if server.dialect == "openim" { "{}" } else { "" };
        Behaviour::answer(answer).after(RECEIVER)
    })
}

fn quiet_ones_do_not_wait(server: Server) {
    let (busy, quiet) = sizes();
    let arrived = Times::default();
    let business = business(server, &arrived);
    let callgate = Setup::new(&format!(
        "endpoints: {{business: {{url: \"{}\", dialect: {}}}}}\nhooks: {{{}: {{endpoint: business}}}}\n",
        business.url(),
        server.dialect,
        server.hook
    ))
    .start();
    let metronome = Metronome::start();
    let send = |connection: &mut http::Connection, group: &str, id: usize| {
        let body = (server.body)(group, &id.to_string());
        let answer = connection.post(server.target, body.as_bytes()).unwrap();
        assert_eq!(answer.status, 200);
        Instant::now()
    };
    let sent: HashMap<String, Instant> = thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = http::Connection::open(callgate.http);
            for number in 0..busy {
                send(&mut connection, "busy", 1_000_000 + number);
            }
        });
        let mut connection = http::Connection::open(callgate.http);
        let mut sent = HashMap::new();
        for number in 0..quiet {
            // All through the time in which the busy one grows and is worked off.
            let part = busy * number / quiet / 4;
            wait_for("the busy one", PATIENCE * 10, || {
                (arrived.lock().unwrap().len() >= part + number).then_some(())
            });
            let at = send(&mut connection, &format!("quiet{number}"), 1 + number);
            sent.insert((1 + number).to_string(), at);
        }
        sent
    });
    wait_for("every message", PATIENCE * 30, || {
        (arrived.lock().unwrap().len() == busy + quiet).then_some(())
    });
    let arrived = arrived.lock().unwrap();
    let last = arrived.values().max().unwrap();
    let mut waits: Vec<Duration> = Vec::new();
    for (id, sent) in &sent {
        let came = arrived[id];
        let wait = came.saturating_duration_since(*sent);
        assert!(wait < QUIET_AT_THE_MOST, "{id} waited {wait:?}");
        assert!(
            wait < QUIET || metronome.stood_still(*sent, came),
            "{id} waited {wait:?}"
        );
        waits.push(wait);
    }
    waits.sort();
    let first = sent.values().min().unwrap();
    println!(
        "{}: {busy} messages in one conversation done after {:?}; {quiet} quiet ones waited {:?} at the most, {:?} in the middle",
        server.dialect,
        last.duration_since(*first),
        waits[waits.len() - 1],
        waits[waits.len() / 2],
    );
    // The busy one came in its order.
    let requests = business.requests();
    let busy_ids = requests.iter().flat_map(|request| (server.ids)(request));
    let busy_ids: Vec<usize> = busy_ids
        .map(|id| id.parse().unwrap())
        .filter(|id| *id >= 1_000_000)
        .collect();
    assert!(busy_ids.is_sorted());
}

#[test]
fn quiet_conversations_of_openim_do_not_wait_for_a_busy_one() {
    quiet_ones_do_not_wait(OPENIM);
}

#[test]
fn quiet_conversations_of_wukongim_do_not_wait_for_a_busy_one() {
    quiet_ones_do_not_wait(WUKONGIM);
}
