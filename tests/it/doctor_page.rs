//! A look at the business servers over the API and as a page: one at a time, bounded, on record, and
//! nobody is called but endpoints of the policy.

use std::fs;
use std::net::TcpListener;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::api::{call, get, problem};
use crate::harness::http::Answer;
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http, wait_for};

const PATH: &str = "/api/v1/doctor";

fn start(policy: &str, engine: &[(&str, &str)]) -> (Callgate, String) {
    let mut setup = Setup::new(policy).engine("admin.listen", "0.0.0.0:0");
    for (name, value) in engine {
        setup = setup.engine(name, value);
    }
    let callgate = setup.start();
    let file = callgate.setup().policies().join("../data/cli.token");
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    (callgate, token)
}

fn policy(url: &str, timeout: &str) -> String {
    format!(
        "endpoints: {{b: {{url: '{url}'}}}}\n\
         hooks: {{beforeMsgModify: {{endpoint: b, timeout: {timeout}, failedContinue: true}}}}\n"
    )
}

fn begin(callgate: &Callgate, token: &str, body: &Value) -> Answer {
    call(
        callgate,
        token,
        &format!("POST {PATH}"),
        "",
        &body.to_string(),
    )
}

/// What the look found, when it has ended.
fn ended(callgate: &Callgate, token: &str) -> Value {
    wait_for("the end of a look", PATIENCE * 6, || {
        let last = get(callgate, token, PATH).json();
        (last["state"] != "running").then_some(last)
    })
}

fn acts(callgate: &Callgate, token: &str) -> Vec<Value> {
    let acts = get(callgate, token, "/api/v1/audit").json();
    let acts = acts["items"].as_array().unwrap().iter();
    acts.filter(|act| act["act"] == "doctor.run")
        .cloned()
        .collect()
}

fn names(report: &Value) -> Vec<String> {
    let faults = report["endpoints"][0]["faults"].as_array().unwrap().iter();
    faults
        .map(|fault| fault["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_api_finds_what_the_command_finds_and_it_is_on_record() {
    let business = Business::start(Behaviour::html("<html>Welcome</html>"));
    let (callgate, token) = start(&policy(&business.url(), "5s"), &[]);
    assert_eq!(
        get(&callgate, &token, PATH).json(),
        json!({"state": "none"})
    );
    let begun = begin(&callgate, &token, &json!({}));
    assert_eq!(begun.status, 200, "{}", begun.text());
    let last = ended(&callgate, &token);
    assert_eq!(last["state"], "done", "{last}");
    let output = callgate.setup().run(&["doctor", "--json"]);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(names(&last["report"]), ["html"]);
    // Times differ.
    for part in ["grave", "warnings", "ok"] {
        assert_eq!(last["report"][part], printed[part]);
    }
    let faults = |report: &Value| report["endpoints"][0]["faults"].clone();
    let place = callgate.setup().policies().display().to_string();
    let told = faults(&last["report"])
        .to_string()
        .replace(&place, "policies");
    let shown = faults(&printed).to_string().replace(&place, "policies");
    assert_eq!(told, shown);
    assert!(told.contains("policy.yaml:2:"), "{told}");
    let calls = last["report"]["endpoints"][0]["calls"].as_array().unwrap();
    for request in business.requests() {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        assert!(body.contains("callgate-doctor"), "{body}");
    }
    let acts = acts(&callgate, &token);
    let end = acts.iter().find(|act| act["result"] != "begun").unwrap();
    assert_eq!(end["counts"]["faults"], 1, "{acts:?}");
    assert_eq!(end["counts"]["calls"], calls.len(), "{acts:?}");
}

#[test]
fn nobody_is_called_but_endpoints_of_the_policy() {
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let url = format!("http://{}/cb", stranger.local_addr().unwrap());
    let business = Business::start(Behaviour::allow());
    let (callgate, token) = start(&policy(&business.url(), "5s"), &[]);
    for (body, code) in [
        (json!({ "endpoint": url }), "invalid"),
        (json!({ "endpoint": "bb" }), "invalid"),
        (json!({ "url": url }), "unknown_field"),
        (json!({ "endpoint": { "url": url } }), "invalid"),
    ] {
        let answer = begin(&callgate, &token, &body);
        assert_eq!(problem(&answer), (400, code.to_owned()), "{body}");
    }
    let hint = begin(&callgate, &token, &json!({ "endpoint": "bb" }));
    assert!(hint.text().contains("did you mean `b`?"), "{}", hint.text());
    assert!(business.requests().is_empty());
    // Neither does a file that names somebody.
    let file = format!("url: {url}\nbeforeMsgModify: {{enable: true, timeout: 5}}\n");
    let body = json!({ "endpoint": "b", "webhooks": file });
    assert_eq!(begin(&callgate, &token, &body).status, 200);
    let last = ended(&callgate, &token);
    let remarks = last["report"]["webhooks"].to_string();
    assert!(remarks.contains("pointed_elsewhere"), "{last}");
    assert!(remarks.contains("webhooks.yml: url http://"), "{last}");
    assert!(!business.requests().is_empty());
    let came = stranger.accept();
    assert!(came.is_err(), "{came:?}");
}

#[test]
fn an_address_that_is_never_called_is_not_connected_to_either() {
    // Azure's metadata service, which is no link-local address.
    let policy = policy("http://168.63.129.16/x", "1s");
    let output = Setup::new(&policy).run(&["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let endpoint = &report["endpoints"][0];
    assert_eq!(endpoint["reach"]["connect_ms"], Value::Null, "{report}");
    assert_eq!(names(&report), ["blocked_address"], "{report}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn one_look_is_made_at_a_time_and_the_page_says_so_without_a_script() {
    let (tell, told) = mpsc::channel::<()>();
    let (tell, told) = (Arc::new(Mutex::new(Some(tell))), Mutex::new(told));
    let (arrive, arrived) = mpsc::channel();
    // Answers nothing until it is told to go on.
    let business = Business::choosing(move |_| {
        let _ = arrive.send(());
        let _ = told.lock().unwrap().recv();
        Behaviour::allow()
    });
    let (callgate, token) = start(&policy(&business.url(), "15s"), &[]);
    let page = |lines: &str| call(&callgate, &token, "GET /doctor", lines, "");
    let empty = page("");
    assert!(
        empty.text().contains("Nobody has looked"),
        "{}",
        empty.text()
    );
    assert!(page("Accept-Language: zh\r\n").text().contains("立即检查"));
    assert_eq!(empty.header("refresh"), "");
    let form = |text: &str| {
        let lines = "Content-Type: application/x-www-form-urlencoded\r\n";
        call(&callgate, &token, "POST /doctor", lines, text)
    };
    let wrong = form("endpoint=nobody");
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("names no endpoint `nobody`"));
    let began = form("endpoint=b&webhooks=");
    assert_eq!((began.status, began.header("location")), (303, "/doctor"));
    arrived.recv_timeout(PATIENCE).unwrap();
    let running = page("");
    assert_eq!(running.header("refresh"), "2");
    assert!(running.text().contains("being looked at"));
    assert!(!running.text().contains("Look now"));
    let (status, code) = problem(&begin(&callgate, &token, &json!({})));
    assert_eq!((status, code.as_str()), (409, "conflict"));
    assert_eq!(form("endpoint=b").status, 409);
    assert_eq!(get(&callgate, &token, PATH).json()["state"], "running");
    drop(tell.lock().unwrap().take());
    let last = ended(&callgate, &token);
    assert_eq!(last["report"]["ok"], true, "{last}");
    let after = page("");
    assert_eq!(after.header("refresh"), "");
    for part in ["Nothing is wrong.", "beforeMsgModify picture", "are kept"] {
        assert!(after.text().contains(part), "{part}: {}", after.text());
    }
    assert!(page("Accept-Language: zh\r\n").text().contains("没有问题"));
    assert_eq!(begin(&callgate, &token, &json!({})).status, 200);
    ended(&callgate, &token);
}

#[test]
fn it_is_over_in_time_and_says_what_was_left_out() {
    let business = Business::start(Behaviour::Hang);
    let engine = [("admin.doctor_timeout", "300ms")];
    let (callgate, token) = start(&policy(&business.url(), "15s"), &engine);
    begin(&callgate, &token, &json!({}));
    let last = ended(&callgate, &token);
    let endpoint = &last["report"]["endpoints"][0];
    assert_eq!(endpoint["out_of_time"], true, "{last}");
    assert!(endpoint["left_out"].as_u64().unwrap() > 10, "{last}");
    // What was broken off by us is no fault of its own.
    assert_eq!(endpoint["faults"], json!([]), "{last}");
    let page = get(&callgate, &token, "/doctor");
    assert!(page.text().contains("the time was over"), "{}", page.text());
}

#[test]
fn what_a_server_says_is_a_text_on_the_page_and_nothing_else() {
    let business = Business::start(Behaviour::RedirectTo(
        "http://x/<script>alert(1)</script>".to_owned(),
    ));
    let (callgate, token) = start(&policy(&business.url(), "5s"), &[]);
    begin(&callgate, &token, &json!({}));
    ended(&callgate, &token);
    let page = get(&callgate, &token, "/doctor");
    assert!(page.text().contains("redirect"), "{}", page.text());
    assert!(
        page.text()
            .contains("write the address that it leads to into `url`")
    );
    let zh = call(
        &callgate,
        &token,
        "GET /doctor",
        "Accept-Language: zh\r\n",
        "",
    );
    assert!(zh.text().contains("回答是重定向"), "{}", zh.text());
    assert!(!page.text().contains("<script>alert"), "{}", page.text());
    let open = http::get(callgate.admin, "/doctor");
    assert_ne!(open.status, 200);
}

/// What a page shows of a text of strangers.
fn shown(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        ">{}</bdi>",
        text.replace('>', "&gt;").replace('"', "&quot;")
    )
}

#[test]
fn who_reads_chinese_is_told_each_fault_its_way_out_and_what_follows_in_chinese() {
    let (closing, html) = (
        Business::start(Behaviour::Close),
        Business::start(Behaviour::html("<html>Welcome</html>")),
    );
    let refusing = Business::start(Behaviour::block());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let urls = [
        closing.url(),
        html.url(),
        refusing.url(),
        format!("http://{}/cb", nobody.unwrap()),
        "http://no-such-host.invalid/cb".to_owned(),
    ];
    let hooks = [
        "beforeMsgModify",
        "beforeSendSingleMsg",
        "beforeSendGroupMsg",
        "beforeAddFriend",
        "beforeCreateGroup",
    ];
    let endpoints = urls.iter().enumerate();
    let endpoints = endpoints.map(|(at, url)| format!("e{at}: {{url: '{url}'}}"));
    let hooks = hooks.iter().enumerate();
    let hooks = hooks.map(|(at, hook)| format!("{hook}: {{endpoint: e{at}, timeout: 3s}}"));
    let policy = format!(
        "endpoints: {{{}}}\nhooks: {{{}}}\n",
        endpoints.collect::<Vec<_>>().join(", "),
        hooks.collect::<Vec<_>>().join(", ")
    );
    let (callgate, token) = start(&policy, &[]);
    // Wrong in each way that such a file can be.
    let file = "url: http://elsewhere.example/x\nnonsense: {enable: true}\n\
                beforeSendSingleMsg: {enable: true, timeout: 1, failedContinue: true, deniedTypes: [102]}\n\
                beforeSendGroupMsg: {enable: false}\nbeforeInviteUserToGroup: {enable: true}\n";
    begin(&callgate, &token, &json!({ "webhooks": file }));
    let report = ended(&callgate, &token)["report"].clone();
    let page = |language: &str| {
        let lines = format!("Accept-Language: {language}\r\n");
        call(&callgate, &token, "GET /doctor", &lines, "")
            .text()
            .to_owned()
    };
    let (english, chinese) = (page("en"), page("zh"));
    let faults = report["endpoints"].as_array().unwrap().iter();
    let faults: Vec<&Value> = faults
        .flat_map(|one| one["faults"].as_array().unwrap())
        .collect();
    assert!(faults.len() >= 5, "{report}");
    let remarks = report["webhooks"].as_array().unwrap();
    assert!(remarks.len() >= 5, "{report}");
    let said = faults.iter().copied().chain(remarks);
    let said = said.flat_map(|one| {
        let keys = ["what", "way_out", "callgate", "im_server"];
        keys.into_iter().filter_map(|key| one[key].as_str())
    });
    for sentence in said.filter(|sentence| !sentence.is_empty()) {
        let shown = shown(sentence);
        assert!(english.contains(&shown), "{shown}: {english}");
        assert!(!chinese.contains(&shown), "{shown}: {chinese}");
    }
    // What others said in English stands behind what it means.
    let refused = "无法与它建立连接（原文：";
    assert!(
        chinese.contains(refused) && !english.contains('（'),
        "{chinese}"
    );
}
