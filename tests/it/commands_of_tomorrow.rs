//! Commands that callgate has no hook for: named in `/status` in any case, and sent on where the
//! policy says so, what has happened as an event and what is asked as a question.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Behaviour, Business, Callgate, calls, http};

const ON: &str = "{\"*\": {endpoint: business, timeout: 1s}}";

fn start(business: &str, more: &str, hooks: &str) -> Callgate {
    Callgate::start(&format!(
        "endpoints: {{business: {{url: \"{business}\"{more}}}}}\nhooks: {hooks}\n"
    ))
}

#[test]
fn what_has_happened_is_told_and_named() {
    let target = "/openim/callbackAfterSetGroupInfoCommandEX?key=k";
    let body = r#"{"callbackCommand":"callbackAfterSetGroupInfoCommandEX","groupID":"g"}"#;
    for (hooks, told) in [(ON, 1), ("{}", 0)] {
        let business = Business::start(Behaviour::allow());
        let callgate = start(&business.url(), "", hooks);
        let answer = http::post(callgate.http, target, body);
        assert_eq!(answer.text(), calls::ALLOW);
        let requests = business.wait_for(told);
        assert_eq!(requests.len(), told);
        for request in requests {
            assert_eq!(request.path, target.replace("/openim", "/callback"));
            assert_eq!(request.body, body.as_bytes());
        }
        let named = &callgate.status()["unknown_commands"];
        assert_eq!(named["callbackAfterSetGroupInfoCommandEX"], 1);
    }
}

/// The business server is asked with what it would be asked with directly, and its answer goes
/// back as it is.
#[test]
fn what_is_asked_is_asked_and_answered_as_the_business_server_says() {
    let names = [
        "callbackBeforePinMsgCommand",
        "callbackBeforeSetGroupInfoCommandEX",
        "CALLBACKbeforeDREAMcommand",
        "callbackAddMessageListReactionExtensionsCommand",
    ];
    for name in names {
        let answer = r#"{"actionCode":0,"errCode":0,"errMsg":"fine","errDlt":"","nextCode":0,"groupID":"g9","list":[1.0,{"a":"\u003c"}],"odd \"key\"":null,"userIDList":["u"]}"#;
        let business = Business::start(Behaviour::answer(answer));
        let callgate = start(&business.url(), "", ON);
        let body =
            json!({ "callbackCommand": name, "operationID": "o", "x": [1, null] }).to_string();
        let target = format!("/openim/{name}?key=a%3D%3D");
        let said = http::post(callgate.http, &target, &body);
        assert_eq!(
            said.text(),
            concat!(
                r#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0,"groupID":"g9","#,
                r#""list":[1.0,{"a":"\u003c"}],"odd \"key\"":null,"userIDList":["u"]}"#,
                "\n"
            )
        );
        let asked = business.requests();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].path, target.replace("/openim", "/callback"));
        assert_eq!(asked[0].body, body.as_bytes());
        let status = callgate.status();
        assert_eq!(status["unknown_commands"][name], 1);
        assert_eq!(status["hooks"]["*"]["last_outcome"], "replace");
    }
}

#[test]
fn a_refusal_of_what_nobody_knows_is_one_and_a_failure_is_a_decision() {
    let ask = |behaviour: Behaviour, more: &str, hooks: &str| {
        let business = Business::start(behaviour);
        let callgate = start(&business.url(), more, hooks);
        let body = r#"{"callbackCommand":"callbackBeforePinMsgCommand"}"#;
        http::post(callgate.http, "/openim/callbackBeforePinMsgCommand", body).json()
    };
    let refused = ask(Behaviour::block(), "", ON);
    assert_eq!(
        (&refused["errCode"], &refused["nextCode"]),
        (&json!(20123), &json!(1))
    );
    let old = Behaviour::answer(r#"{"actionCode":1,"errCode":5001,"errMsg":"no"}"#);
    let refused = ask(old.clone(), ", answers: openim-3.4.2", ON);
    assert_eq!(
        (&refused["errCode"], &refused["nextCode"]),
        (&json!(5001), &json!(1))
    );
    assert_eq!(ask(old, "", ON)["nextCode"], 0);
    let hangs = || Behaviour::block().after(Duration::from_secs(20));
    let closed = "{\"*\": {endpoint: business, timeout: 200ms, failedContinue: false}}";
    assert_eq!(ask(hangs(), "", closed)["errCode"], 20099);
    let open = "{\"*\": {endpoint: business, timeout: 200ms}}";
    assert_eq!(ask(hangs(), "", open)["nextCode"], 0);
    // Without the hook nobody is asked.
    assert_eq!(ask(Behaviour::block(), "", "{}")["nextCode"], 0);
}

/// Whatever the body says, the name in the URL is enough.
#[test]
fn a_name_in_the_url_is_enough() {
    let business = Business::start(Behaviour::allow());
    let callgate = start(&business.url(), "", ON);
    for name in ["callbackAfterXCommandEX", "callbackBeforeXCommandV2"] {
        let said = http::post(
            callgate.http,
            &format!("/openim/{name}"),
            r#"{"groupID":"g"}"#,
        );
        assert_eq!(said.json()["nextCode"], 0, "{name}");
        let path = format!("/callback/{name}");
        crate::harness::wait_for(name, crate::harness::PATIENCE, || {
            business
                .requests()
                .iter()
                .any(|request| request.path == path)
                .then_some(())
        });
    }
}

#[test]
fn a_server_of_v2_is_answered_in_its_own_words() {
    let business = Business::start(Behaviour::answer(
        r#"{"actionCode":1,"errCode":0,"errMsg":"no"}"#,
    ));
    let callgate = start(&business.url(), ", dialect: openim-v2", ON);
    let body = r#"{"callbackCommand":"callbackBeforePinMsgCommand","operationID":"o"}"#;
    let said = http::post(callgate.http, "/callback", body);
    assert_eq!(
        said.text(),
        r#"{"actionCode":1,"errCode":0,"errMsg":"no","operationID":"o"}"#
    );
    assert_eq!(business.requests()[0].body, body.as_bytes());
}

#[test]
fn events_of_tomorrow_of_wukongim_are_told_where_the_policy_says_so() {
    let business = Business::start(Behaviour::answer(""));
    let hooks = "{\"wukongim.*\": {endpoint: business}}";
    let callgate = start(&business.url(), ", dialect: wukongim", hooks);
    let body = r#"[{"a": 1}, "b"]"#;
    let said = http::post(callgate.http, "/wukongim?event=msg.read&tenant=t", body);
    assert_eq!((said.status, said.text()), (200, ""));
    let told = business.wait_for(1);
    assert_eq!(told[0].path, "/callback?event=msg.read&tenant=t");
    assert_eq!(told[0].body, body.as_bytes());
}
