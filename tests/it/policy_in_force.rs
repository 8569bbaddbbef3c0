//! What a change of policy leads to, whoever asks for it, and what operators are shown of it.

use std::time::Duration;

use callgate::proto::v1;

use crate::harness::{Callgate, Grpc, PATIENCE, Setup, http, wait_for};

const SECRET: &str = "whsk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

fn policy(endpoint: &str) -> String {
    format!(
        "endpoints: {{{endpoint}: {{url: 'http://127.0.0.1:9', sign: {{secret_file: keys/one}}}}}}\n\
         hooks: {{beforeMsgModify: {{endpoint: {endpoint}}}}}\n"
    )
}

fn start(policy: &str) -> Callgate {
    let setup = Setup::new(policy);
    std::fs::create_dir(setup.policies().join("keys")).unwrap();
    setup.write("keys/one", SECRET);
    setup.start()
}

fn reload(callgate: &Callgate) -> v1::ReloadResponse {
    let grpc = Grpc::connect(callgate.admin);
    let mut admin = grpc.admin();
    let reload = admin.reload(v1::ReloadRequest {});
    grpc.runtime.block_on(reload).unwrap().into_inner()
}

#[test]
fn an_ordered_reload_prepares_endpoints_and_forgets_those_that_are_gone() {
    let callgate = start(&policy("old"));
    callgate.call("beforeMsgModify", "hello");
    let metrics = || http::get(callgate.admin, "/metrics").text().to_owned();
    assert!(metrics().contains("endpoint=\"old\""));
    callgate.setup().write("policy.yaml", policy("new"));
    reload(&callgate);
    // At once, before any call: the watch may not have looked yet.
    let endpoints = callgate.status()["endpoints"].clone();
    assert_eq!(endpoints[0]["name"], "new", "{endpoints}");
    let key = endpoints[0]["public_keys"][0].as_str().unwrap_or_default();
    assert!(key.starts_with("whpk_"), "{endpoints}");
    assert!(!metrics().contains("endpoint=\"old\""), "{}", metrics());
}

#[test]
fn a_secret_that_cannot_be_used_is_refused_by_check_reload_and_start() {
    let callgate = start(&policy("b"));
    callgate.setup().write("keys/one", "none of ours\n");
    callgate
        .setup()
        .write("policy.yaml", policy("b") + "# edited\n");
    let problems = reload(&callgate).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].path, "endpoints.b.sign.secret_file");
    let checked = callgate.setup().run(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(text.contains("calls cannot be signed"), "{text}");
}

#[test]
fn an_edit_of_the_engines_file_is_shown_with_what_it_would_lead_to() {
    let callgate = start(&policy("b"));
    assert!(callgate.status()["engine_file"].is_null());
    let file = callgate.setup().policies().join("engine.yaml");
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let edit = |text: &str, valid: Option<bool>| {
        callgate.setup().write("engine.yaml", text);
        wait_for("the edit to be seen", PATIENCE, || {
            let edit = &callgate.status()["engine_file"];
            (edit["valid"].as_bool() == valid).then_some(())
        });
    };
    edit("shutdown_grace: 77s\n", Some(true));
    edit("shutdown_grace: 77\n", Some(false));
    wait_for("the log", Duration::from_secs(10), || {
        callgate
            .log()
            .contains("restart callgate to apply")
            .then_some(())
    });
    edit(&before, None);
}

#[test]
fn overridden_keys_and_failures_are_shown_by_check_and_status() {
    let setup =
        Setup::new("include: webhooks.yml\nhooks: {beforeMsgModify: {failedContinue: true}}\n");
    setup.write(
        "webhooks.yml",
        "beforeMsgModify: {enable: true, failedContinue: false, timeout: 5}\n",
    );
    let checked = setup.run(&["check"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        text.contains("  beforeMsgModify.failedContinue: true (")
            && text.contains("failures of beforeMsgModify:\n  allow timeout, connect,")
            && text.contains("  block unreadable_call"),
        "{text}"
    );
    let json = setup.run(&["check", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["overrides"][0]["key"], "failedContinue");
    assert_eq!(json["failures"]["beforeMsgModify"]["timeout"], "allow");
    let callgate = setup.start();
    let overrides = &callgate.status()["policy"]["overrides"];
    assert_eq!(overrides[0]["hook"], "beforeMsgModify");
}

#[test]
fn a_pipeline_may_refuse_warnings() {
    let setup = Setup::new(
        "hooks: {beforeMsgModify: {}}\nlists: {unused: {words: [free casino]}}\nfilters: {lists: []}\n",
    );
    assert_eq!(setup.run(&["check"]).status.code(), Some(0));
    let denied = setup.run(&["check", "--deny-warnings"]);
    assert_eq!(denied.status.code(), Some(1));
    let text = String::from_utf8_lossy(&denied.stdout).into_owned();
    assert!(
        text.contains("2 warning(s), which --deny-warnings refuses"),
        "{text}"
    );
}

#[test]
fn an_import_of_openims_file_keeps_the_lists_and_notices_an_emptied_policy() {
    let setup = Setup::new("lists: {ads: {words: [free casino]}}\nhooks: {beforeMsgModify: {}}\n");
    let webhooks = "url: http://b/cb\nbeforeSendSingleMsg: {enable: true}\n";
    setup.write("webhooks.yml", webhooks);
    let file = setup.policies().join("webhooks.yml");
    let output = setup.policies().join("policy.yaml");
    let (file, output) = (file.to_str().unwrap(), output.to_str().unwrap());
    let args = ["import", "openim", file, "-o", output];
    assert_eq!(setup.run(&args).status.code(), Some(1));
    let forced = ["import", "openim", file, "-o", output, "--force"];
    assert_eq!(setup.run(&forced).status.code(), Some(0));
    let text = std::fs::read_to_string(output).unwrap();
    assert!(text.contains("beforeSendSingleMsg") && text.contains("free casino"));
    assert_eq!(setup.run(&["check"]).status.code(), Some(0));
    // As `> policies/policy.yaml` does before callgate runs.
    setup.write("policy.yaml", "");
    std::fs::create_dir(setup.policies().join("lists")).unwrap();
    setup.write("lists/ads.txt", "free casino\n");
    let emptied = setup.run(&["import", "openim", file]);
    assert_eq!(emptied.status.code(), Some(1));
    let told = String::from_utf8_lossy(&emptied.stderr).into_owned();
    assert!(told.contains("a shell's `>` empties a file"), "{told}");
}
