//! What a sender may read of a refusal: the list's `reason`, and never which list or which word it
//! was, whatever server asks and however the refusal came about.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use callgate::proto::v1;
use serde_json::json;

use crate::harness::{Callgate, Setup, calls, http};

const LIST: &str = "blacklist77";
const WORD: &str = "forbiddenword";

fn policy(more: &str) -> String {
    format!(
        "lists:\n  {LIST}: {{words: [{WORD}], reason: mind your words, tags: [tag88]}}\n  masked77: {{words: [maskme], action: replace, reason: mind your words}}\n\
         filters: {{replace_in_send_hook: block{more}}}\n\
         hooks:\n  beforeSendSingleMsg:\n  beforeSendGroupMsg:\n  beforeMsgModify:\n  beforeOnlinePush:\n  beforeOfflinePush:\n  beforeAddFriend:\n  beforeCreateGroup:\n  beforeSetGroupInfo:\n  beforeSetGroupInfoEx:\n  beforeApplyJoinGroup:\n  beforeMemberJoinGroup:\n  \
         wukongim.msg.before_send:\n  chatserver.auth:\n  chatserver.action:\n  funtek.MESSAGE:\n"
    )
}

/// A call with a word, to every server's route.
fn calls_with(word: &str) -> Vec<(String, String)> {
    let v3 = |command: &str, mut body: serde_json::Value| {
        body["callbackCommand"] = json!(command);
        (format!("/openim/{command}"), body.to_string())
    };
    let message = |content_type: i32, content: &str| {
        json!({
            "sendID": "u1", "recvID": "u2", "groupID": "g", "serverMsgID": "s", "clientMsgID": "c",
            "operationID": "o", "senderPlatformID": 1, "senderNickname": "n", "sessionType": 1,
            "msgFrom": 100, "contentType": content_type, "status": 1, "sendTime": 1, "createTime": 1,
            "content": content, "seq": 0, "atUserList": null, "faceURL": "", "ex": "",
            "userIDList": ["u2"],
        })
    };
    let text = json!({ "content": word }).to_string();
    let custom = json!({ "data": word }).to_string();
    let group =
        json!({ "groupID": "g", "groupName": word, "introduction": word, "notification": word });
    let mut all = vec![
        v3("callbackBeforeSendSingleMsgCommand", message(101, &text)),
        v3("callbackBeforeSendGroupMsgCommand", message(110, &custom)),
        v3("callbackBeforeMsgModifyCommand", message(101, &text)),
        v3("callbackBeforeOnlinePushCommand", message(101, &text)),
        v3("callbackBeforeOfflinePushCommand", message(119, &custom)),
        v3(
            "callbackBeforeAddFriendCommand",
            json!({ "fromUserID": "a", "toUserID": "b", "reqMsg": word }),
        ),
        v3(
            "callbackBeforeJoinGroupCommand",
            json!({ "groupID": "g", "applyID": "a", "reqMessage": word }),
        ),
        v3("callbackBeforeCreateGroupCommand", group.clone()),
        v3("callbackBeforeSetGroupInfoCommand", group.clone()),
        v3("callbackBeforeSetGroupInfoExCommand", group),
    ];
    let mut v2 = message(101, word);
    v2["callbackCommand"] = json!("callbackBeforeSendSingleMsgCommand");
    v2.as_object_mut()
        .unwrap()
        .retain(|name, _| !["sendTime", "atUserList"].contains(&name.as_str()));
    all.push(("/callback".to_owned(), v2.to_string()));
    v2["callbackCommand"] = json!("callbackWordFilterCommand");
    all.push(("/callback".to_owned(), v2.to_string()));
    let payload = STANDARD.encode(json!({ "type": 1, "content": word }).to_string());
    all.push((
        "/wukongim?event=msg.before_send".to_owned(),
        json!({ "from_uid": "a", "channel_id": "g", "channel_type": 2, "client_msg_no": "c", "payload": payload, "no_persist": false, "sync_once": false }).to_string(),
    ));
    all.push((
        "/chatserver/auth".to_owned(),
        json!({ "userId": "u", "nick": word, "token": "t" }).to_string(),
    ));
    all.push((
        "/chatserver/action".to_owned(),
        json!({ "msg": word, "clientMsgId": "c", "sendUserId": "u" }).to_string(),
    ));
    all.push((
        "/funtek".to_owned(),
        json!({
            "clientID": "u", "roomID": "r", "event": "MESSAGE",
            "data": { "id": "m", "message": word, "messageType": "text", "sender": { "id": "u" } },
        })
        .to_string(),
    ));
    all
}

const HIDDEN: [&str; 5] = [LIST, "masked77", WORD, "tag88", "line"];

fn assert_hidden(said: &str, whence: &str) {
    for name in HIDDEN {
        assert!(!said.contains(name), "{whence}: {said}");
    }
}

#[test]
fn no_server_is_told_which_list_it_was() {
    let setup = Setup::new(&policy("")).engine("funtek.bot", "warner");
    let callgate = setup.start();
    let mut refused = 0;
    for word in [WORD, "maskme"] {
        for (target, body) in calls_with(word) {
            let answer = http::post(callgate.http, &target, body);
            // An echo holds what was asked; the word in it is the sender's own.
            let said = answer.text().replace(word, "");
            assert_hidden(&said, &target);
            refused += usize::from(said.contains("mind your words"));
            for name in ["x-callgate-failure", "x-callgate-version"] {
                assert_hidden(answer.header(name), &target);
            }
        }
    }
    assert!(refused >= 12, "{refused} refusals seen");
    let mut request = calls::request("beforeSendSingleMsg", WORD);
    request.explain = v1::ExplainLevel::Unspecified as i32;
    let answer = callgate.grpc().before(request);
    assert_eq!(
        (answer.err_msg.as_str(), answer.err_dlt.as_str()),
        ("mind your words", "")
    );
    // Operators find it: over gRPC in the matches, and in the log.
    assert_eq!(answer.matches[0].list, LIST);
    let log = callgate.log();
    assert!(log.contains(LIST), "{log}");
}

#[test]
fn a_setting_tells_it() {
    let callgate = Callgate::start(&policy(", tell_list: true"));
    let answer = callgate.call("beforeSendSingleMsg", WORD);
    assert_eq!(answer.json()["errDlt"], format!("list `{LIST}`"));
    let written = fs::read_to_string(callgate.setup().policies().join("policy.yaml")).unwrap();
    assert!(written.contains("tell_list: true"));
}
