//! `callgate explain`: the steps of a decision, and the call as it would be made.

use crate::harness::Setup;

/// Runs `explain` with these arguments, and gives what it printed and what it said.
fn explain(setup: &Setup, args: &[&str]) -> (String, String) {
    let args: Vec<&str> = ["explain"].iter().chain(args).copied().collect();
    let output = setup.run(&args);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (shown, said) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{shown}{said}");
    (shown, said)
}

fn json(setup: &Setup, args: &[&str]) -> Vec<serde_json::Value> {
    let args: Vec<&str> = args.iter().chain(&["--json"]).copied().collect();
    let (shown, _) = explain(setup, &args);
    let lines = shown.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn header<'a>(forward: &'a serde_json::Value, name: &str) -> &'a str {
    let headers = forward["headers"].as_array().unwrap();
    let found = headers.iter().find(|header| header[0] == name);
    found.map_or("", |header| header[1].as_str().unwrap())
}

#[test]
fn a_text_goes_through_the_hooks_that_are_on() {
    let policy = "lists: {bad: {words: [damn]}}\nhooks: {beforeSendSingleMsg: , wukongim.msg.before_send: , beforeMsgModify: {enable: false}}\n";
    let setup = Setup::new(policy);
    let (shown, said) = explain(&setup, &["well, damn it"]);
    assert!(shown.contains("block with code 20001"), "{shown}");
    assert!(!shown.contains("not applied"), "{shown}");
    let on = "the hooks that are on: beforeSendSingleMsg, wukongim.msg.before_send";
    assert!(said.contains(on), "{said}");
    let explained = json(&setup, &["well, damn it"]);
    let hooks: Vec<_> = explained.iter().map(|one| &one["hook"]).collect();
    assert_eq!(hooks, ["beforeSendSingleMsg", "wukongim.msg.before_send"]);
    let (shown, said) = explain(&setup, &["damn", "--hook", "beforeMsgModify"]);
    assert!(shown.contains("not applied: disabled"), "{shown}");
    assert_eq!(said, "");
}

#[test]
fn without_a_hook_that_is_on_it_says_that_all_pass() {
    let (shown, said) = explain(&Setup::new("hooks: {}"), &["damn"]);
    assert_eq!(shown, "");
    assert!(said.contains("every text passes unseen"), "{said}");
}

#[test]
fn the_call_is_shown_with_all_that_callgate_adds_to_it() {
    let policy = "endpoints: {business: {url: \"http://b.example/hook\", sign: {secret_env: SECRET, before: true}}}\n\
        hooks: {beforeSendSingleMsg: {endpoint: business, timeout: 1500ms}}\n";
    let setup = Setup::new(policy).env(
        "SECRET",
        "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    );
    let explained = json(&setup, &["hello"]);
    let forward = &explained[0]["forward"];
    assert_eq!(
        forward["url"],
        "http://b.example/hook/callbackBeforeSendSingleMsgCommand"
    );
    assert_eq!(header(forward, "x-callback-timeout-ms"), "1500");
    assert_eq!(
        header(forward, "webhook-signature"),
        "(signed with secret_env SECRET)"
    );
    assert_ne!(header(forward, "webhook-id"), "");
    assert!(!explained[0].to_string().contains("MDEyMzQ1"), "no secret");
}

#[test]
fn the_url_that_a_client_chose_is_the_one_that_is_shown() {
    let call = r#"{"token":"t","userId":"1","nick":"n","proxy":{"authProxy":"https://hooks.example/mine"}}"#;
    for (urls, expected) in [
        ("[]", Ok("http://b.example/hook")),
        (
            "['https://hooks.example/']",
            Ok("https://hooks.example/mine"),
        ),
        ("['https://other.example/']", Err("blocked_address")),
    ] {
        let setup = Setup::new(&format!(
            "endpoints: {{business: {{url: 'http://b.example/hook', dialect: chatserver, client_urls: {urls}}}}}\n\
             hooks: {{chatserver.auth: {{endpoint: business}}}}\n"
        ));
        setup.write("call.json", call);
        let file = setup.policies().join("call.json");
        let file = file.to_str().unwrap();
        let shown = json(
            &setup,
            &["--dialect", "chatserver", "--event", "auth", file],
        );
        let forward = &shown[0]["forward"];
        match expected {
            Ok(url) => assert_eq!(forward["url"], url, "{urls}"),
            Err(class) => assert!(forward["failure"].to_string().contains(class), "{forward}"),
        }
    }
}

#[test]
fn every_endpoint_that_an_event_goes_to_is_shown() {
    let policy = "endpoints:\n  \
        one: {url: 'http://one.example/', events: {timeout: 7s}}\n  \
        two: {url: 'http://two.example/', sign: {secret_env: SECRET}}\n\
        hooks: {afterSendSingleMsg: {endpoint: [one, two]}}\n";
    let setup = Setup::new(policy).env(
        "SECRET",
        "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    );
    let shown = json(&setup, &["damn", "--hook", "afterSendSingleMsg"]);
    assert_eq!(shown[0]["forward"]["endpoint"], "one");
    assert_eq!(shown[0]["forward"]["timeout_ms"], 7000);
    let also = &shown[0]["also"][0];
    assert_eq!(also["endpoint"], "two");
    assert_eq!(
        header(also, "webhook-signature"),
        "(signed with secret_env SECRET)"
    );
}
