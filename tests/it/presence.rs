//! Presence of WuKongIM's users: what comes true again is told again, a repeated call is not.

use crate::harness::{Behaviour, Business, Callgate, PATIENCE, http, wait_for};
use crate::outbox_delivery::books;

fn policy(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\", dialect: wukongim}}}}\n\
         hooks: {{wukongim.user.onlinestatus: {{endpoint: business}}}}\n"
    )
}

fn tell(callgate: &Callgate, lines: &str) {
    let path = "/wukongim?event=user.onlinestatus";
    assert_eq!(
        http::post(callgate.http, path, lines).status,
        200,
        "{lines}"
    );
}

/// Every line that the business server was told, once there are as many.
fn told(business: &Business, count: usize) -> Vec<String> {
    let lines = || -> Vec<String> {
        let requests = business.requests();
        let lines = requests
            .iter()
            .flat_map(|request| serde_json::from_slice::<Vec<String>>(&request.body).unwrap());
        lines.collect()
    };
    wait_for("the lines", PATIENCE, || {
        (lines().len() >= count).then_some(())
    });
    lines()
}

/// Connection ids start again with the server.
#[test]
fn a_user_who_came_again_is_not_believed_to_be_gone() {
    let business = Business::start(Behaviour::answer(""));
    let callgate = Callgate::start(&policy(&business.url()));
    let calls = [
        r#"["u9-1-1-1-1-1"]"#,
        r#"["u9-1-0-1-0-0"]"#,
        r#"["u9-1-1-1-1-1"]"#,
    ];
    for call in calls {
        tell(&callgate, call);
    }
    let expected = ["u9-1-1-1-1-1", "u9-1-0-1-0-0", "u9-1-1-1-1-1"];
    assert_eq!(told(&business, 3), expected);
}

#[test]
fn a_repeat_is_dropped_also_when_the_program_was_killed_between() {
    let business = Business::start(Behaviour::answer(""));
    let callgate = Callgate::start(&policy(&business.url()));
    tell(&callgate, r#"["u9-1-1-1-1-1","u8-0-1-7-1-1"]"#);
    tell(&callgate, r#"["u9-1-1-1-1-1"]"#);
    // What is under way when the program is killed may be told twice.
    books(&callgate, |books| books["delivered"] == 2);
    let callgate = callgate.kill().start();
    tell(
        &callgate,
        r#"["u9-1-1-1-1-1","u8-0-1-7-1-1","u8-0-0-7-0-0"]"#,
    );
    // Behind everything else for this user.
    tell(&callgate, r#"["u8-0-1-9-1-1"]"#);
    let mut told = told(&business, 4);
    told.sort_unstable();
    let expected = [
        "u8-0-0-7-0-0",
        "u8-0-1-7-1-1",
        "u8-0-1-9-1-1",
        "u9-1-1-1-1-1",
    ];
    assert_eq!(told, expected);
}
