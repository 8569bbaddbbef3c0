//! The recordings of OpenIM as a message service of its own gives them, over gRPC: the business
//! server gets what it got of OpenIM.

use callgate::dialect::{self, HookInfo};
use callgate::event::{DialectId, Moment};
use callgate::proto::v1;
use serde_json::Value;

use super::openim::{assert_in_order, sorted, told};
use super::{ARRIVED_WITHIN, Call, Delivered, all_hooks, recording};
use crate::harness::{Behaviour, Business, Callgate, wait_for};

/// A call of OpenIM as its fields.
struct Given {
    info: &'static HookInfo,
    operation_id: String,
    message: Option<v1::Message>,
    body_json: String,
    query: String,
}

impl Given {
    fn of(call: &Call) -> Given {
        let path = call.target.trim_start_matches("/openim/");
        let (command, query) = path.split_once('?').unwrap_or((path, ""));
        let mut infos = dialect::of(DialectId::OpenIm).hooks().iter();
        let info = infos.find(|info| info.command == command).unwrap();
        let body: Value = serde_json::from_str(&call.body).unwrap();
        let message = info.takes_message().then(|| message(&body));
        Given {
            info,
            operation_id: body["operationID"].as_str().unwrap_or_default().to_owned(),
            body_json: match message {
                Some(_) => String::new(),
                None => call.body.clone(),
            },
            message,
            query: query.to_owned(),
        }
    }
}

/// The fields of a message, under the names of message calls and of push calls.
fn message(body: &Value) -> v1::Message {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let int = |name: &str| body[name].as_i64().unwrap_or_default();
    let small = |name: &str| i32::try_from(int(name)).unwrap();
    let texts = |name: &str| -> Vec<String> {
        let list = body[name].as_array().into_iter().flatten();
        list.map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    v1::Message {
        send_id: text("sendID"),
        recv_id: match texts("userIDList").first() {
            Some(pushed) => pushed.clone(),
            None => text("recvID"),
        },
        group_id: text("groupID"),
        client_msg_id: text("clientMsgID"),
        server_msg_id: text("serverMsgID"),
        sender_platform_id: small("senderPlatformID") + small("platformID"),
        sender_nickname: text("senderNickname"),
        sender_face_url: text("faceURL"),
        session_type: small("sessionType"),
        msg_from: small("msgFrom"),
        content_type: small("contentType"),
        content: text("content"),
        seq: u32::try_from(int("seq")).unwrap(),
        send_time: int("sendTime"),
        create_time: int("createTime"),
        at_user_list: [texts("atUserList"), texts("atUserIDList")].concat(),
        ex: text("ex"),
        status: small("status"),
    }
}

/// Sends them in order and says which were stored.
fn send(callgate: &Callgate, calls: &[Call]) -> Vec<Delivered> {
    let grpc = callgate.grpc();
    let mut stored = Vec::new();
    for call in calls {
        let given = Given::of(call);
        let hook = given.info.hook;
        if hook.moment == Moment::Before {
            let answer = grpc.before(v1::BeforeRequest {
                hook: hook.name.to_owned(),
                operation_id: given.operation_id,
                message: given.message,
                body_json: given.body_json,
                query: given.query,
                ..v1::BeforeRequest::default()
            });
            assert_eq!(answer.action(), v1::Action::Allow, "{hook}");
            assert!(answer.reviewed, "{hook}");
            continue;
        }
        let event = v1::AfterEvent {
            hook: hook.name.to_owned(),
            operation_id: given.operation_id,
            message: given.message,
            body_json: given.body_json,
            query: given.query,
            ..v1::AfterEvent::default()
        };
        let answer = grpc.after(vec![event]).unwrap();
        assert_eq!(answer.results, [v1::AfterResult::Stored as i32], "{hook}");
        stored.push(call.delivered());
    }
    stored
}

/// What a message cannot say: an empty list of mentions (a list that is not there is `null`), who
/// else is pushed to, the seven push texts.
fn is_whole(call: &Call) -> bool {
    let given = Given::of(call);
    let empty = ["\"atUserList\":[]", "\"atUserIDList\":[]"];
    given.message.is_none()
        || (!empty.iter().any(|list| call.body.contains(list)) && !call.body.contains("\"title\""))
}

fn replay(name: &str, kill: bool) {
    let business = Business::start(Behaviour::allow());
    let mut callgate = all_hooks(DialectId::OpenIm, &business.url()).start();
    let recorded: Vec<Call> = recording(name).into_iter().filter(is_whole).collect();
    let middle = if kill {
        recorded.len() / 2
    } else {
        recorded.len()
    };
    let mut sent = send(&callgate, &recorded[..middle]);
    if kill {
        callgate = callgate.kill().start();
        sent.extend(send(&callgate, &recorded[middle..]));
    }
    assert!(sent.len() > 50, "{}", sent.len());
    wait_for("every event", ARRIVED_WITHIN, || {
        let arrived = told(&business);
        sent.iter().all(|one| arrived.contains(one)).then_some(())
    });
    let arrived = told(&business);
    let after: Vec<&Call> = recorded.iter().filter(|call| !call.is_before()).collect();
    assert_in_order(&after, &arrived);
    if !kill {
        assert_eq!(sorted(arrived), sorted(sent));
    }
}

#[test]
fn openim_main_over_grpc() {
    replay("openim-main", false);
}

#[test]
fn openim_patch_16_over_grpc() {
    replay("openim-3.8.3-patch.16", false);
}

#[test]
fn openim_main_over_grpc_with_a_kill_in_the_middle() {
    replay("openim-main", true);
}

#[test]
fn openim_patch_16_over_grpc_with_a_kill_in_the_middle() {
    replay("openim-3.8.3-patch.16", true);
}
