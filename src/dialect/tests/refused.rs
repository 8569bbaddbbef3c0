//! What IM servers make of the answer to a caller that may not call: never leave to go on.

use super::*;

/// The versions of OpenIM, how each names a command in its URL, and how it reads answers.
const VERSIONS: [(DialectId, &str, Answers); 6] = [
    (DialectId::OpenIm, "path", Answers::OpenIm),
    (DialectId::OpenIm, "path", Answers::OpenIm342),
    (DialectId::OpenIm, "query", Answers::OpenIm30),
    (DialectId::OpenImV2, "", Answers::OpenIm21),
    (DialectId::OpenImV2, "", Answers::OpenIm),
    // v3.6 understands no refusal at all, in whatever form: the documents say so.
    (DialectId::OpenIm, "path", Answers::OpenIm36),
];

#[test]
fn every_version_of_openim_reads_a_refusal_on_every_route() {
    for (server, place, answers) in VERSIONS {
        for info in of(DialectId::OpenIm).hooks() {
            if info.hook.moment == Moment::After {
                continue;
            }
            let command = format!("callback{}Command", info.hook.name);
            let query = format!("command={command}");
            let head = match place {
                "path" => Head::at(&command, ""),
                "query" => Head::at("", &query),
                _ => Head::at("", ""),
            };
            for route in OPENIM {
                for status in [401, 403] {
                    let reply = refused(of(route), &head, None, status);
                    assert_eq!(reply.status, status);
                    let event = event("before_send_single_msg.text");
                    let event = Event {
                        hook: info.hook,
                        ..event
                    };
                    let reading = of(server).read_answer(&event, 200, &reply.body, answers.into());
                    let is_refusal = matches!(reading.outcome, Outcome::Answer(Answer::Block(_)));
                    let expected = answers != Answers::OpenIm36;
                    let body = String::from_utf8_lossy(&reply.body);
                    assert_eq!(
                        is_refusal, expected,
                        "{} {route} {answers:?}: {body}",
                        info.hook
                    );
                }
            }
        }
    }
}

#[test]
fn a_call_that_was_read_is_refused_in_its_own_form() {
    for request in [
        "before_send_single_msg.text",
        "before_msg_modify.text",
        "before_create_group",
    ] {
        let event = event(request);
        let body = event.body.clone().unwrap();
        let dialect = of(event.dialect);
        let reply = refused(dialect, &Head::default(), Some((event.hook, &body)), 403);
        let reading = dialect.read_answer(&event, 200, &reply.body, Answers::OpenIm.into());
        assert!(
            matches!(reading.outcome, Outcome::Answer(Answer::Block(_))),
            "{request}: {reading:?}"
        );
    }
}

#[test]
fn the_other_servers_take_it_for_no_leave() {
    let check = |dialect: DialectId, path: &str, query: &str, status: u16, body: &str| {
        let reply = refused(of(dialect), &Head::at(path, query), None, status);
        let seen = String::from_utf8(reply.body.to_vec()).unwrap();
        assert_eq!(
            (reply.status, seen.as_str()),
            (status, body),
            "{dialect} {path}?{query}"
        );
    };
    for status in [401, 403] {
        let wukongim = DialectId::WukongIm;
        check(
            wukongim,
            "",
            "event=msg.before_send",
            status,
            "{\"allow\":false}",
        );
        check(wukongim, "", "event=msg.notify", status, "");
        let chat = DialectId::ChatServer;
        check(chat, "/auth", "", status, "{\"retVal\":false}");
        check(chat, "/message", "", status, "{\"retVal\":false}");
        check(chat, "/", "", status, "{\"retVal\":false}");
        let refused = refused(of(chat), &Head::at("/action", ""), None, status);
        let body = String::from_utf8(refused.body.to_vec()).unwrap();
        assert!(body.starts_with("{\"retVal\":false,"), "{body}");
        // Nothing is said in the room, and nobody's state is changed.
        let refused = super::refused(of(DialectId::Funtek), &Head::at("", ""), None, status);
        let body: Value = serde_json::from_slice(&refused.body).unwrap();
        assert!(body["data"].is_null(), "{body}");
    }
}
