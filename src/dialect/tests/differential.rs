//! What OpenIM makes of a business server's answer, and of the one that callgate writes after
//! reading it: the same, or a protection with a name.
//!
//! The rules here are written a second time, from the server's own code and from MATRIX.json.

use std::collections::{BTreeMap, BTreeSet};

use super::recorded::recorded;
use super::*;
use document::json::{Object, elements, int32, text};

/// What the server does with the fields of each before hook's answer, by their kinds. `set`: when
/// not null; `some`: when not empty; `over`: always, absent is the value behind; `asked`: when not
/// null, and it panics where the request has null; `no`: it is read and ignored.
const RULES: &[(&str, &str)] = &[
    ("beforeSendSingleMsg", ""),
    ("beforeSendGroupMsg", ""),
    (
        "beforeMsgModify",
        "content:set:content recvID:set:text groupID:set:text clientMsgID:set:text \
         serverMsgID:set:text senderPlatformID:set:int senderNickname:set:text \
         senderFaceURL:set:text sessionType:set:int msgFrom:set:int contentType:set:int \
         status:set:int options:set:flags offlinePushInfo:set:push atUserIDList:set:texts \
         msgDataList:no:bytes attachedInfo:set:text ex:set:text",
    ),
    (
        "beforeOnlinePush",
        "userIDList:no:texts offlinePushInfo:no:push",
    ),
    (
        "beforeOfflinePush",
        "userIDList:some:texts offlinePushInfo:set:push",
    ),
    (
        "beforeGroupOnlinePush",
        "userIDList:some:texts offlinePushInfo:no:push",
    ),
    ("beforeUserRegister", "users:some:users"),
    (
        "beforeUpdateUserInfo",
        "nickName:set:text faceURL:set:text ex:set:text",
    ),
    // Whether `ex` is being changed the request does not tell.
    (
        "beforeUpdateUserInfoEx",
        "nickName:asked:text faceURL:asked:text ex:set:text",
    ),
    (
        "beforeCreateGroup",
        "groupID:set:text groupName:set:text notification:set:text introduction:set:text \
         faceURL:set:text ownerUserID:set:text ex:set:text status:set:int creatorUserID:set:text \
         groupType:set:int needVerification:set:int lookMemberInfo:set:int \
         applyMemberFriend:no:int",
    ),
    ("beforeMemberJoinGroup", "memberCallbackList:set:members"),
    ("beforeInviteUserToGroup", "refusedMembersAccount:no:texts"),
    ("beforeApplyJoinGroup", ""),
    (
        "beforeSetGroupInfo",
        "groupID:over:text groupName:over:text notification:no:text introduction:over:text \
         faceURL:over:text ex:unset:text needVerification:unset:int lookMemberInfo:unset:int \
         applyMemberFriend:unset:int",
    ),
    (
        "beforeSetGroupInfoEx",
        "groupID:over:text groupName:drop:text notification:no:text introduction:drop:text \
         faceURL:drop:text ex:drop:text needVerification:drop:int lookMemberInfo:drop:int \
         applyMemberFriend:drop:int",
    ),
    (
        "beforeSetGroupMemberInfo",
        "ex:set:text nickName:set:text faceURL:set:text roleLevel:set:int",
    ),
    ("beforeAddFriend", ""),
    ("beforeAddFriendAgree", ""),
    ("beforeSetFriendRemark", "remark:some:text"),
    ("beforeImportFriends", "friendUserIDs:some:texts"),
    ("beforeAddBlack", ""),
    ("beforeCreateSingleChatConversations", CONVERSATION),
    ("beforeCreateGroupChatConversations", CONVERSATION),
];

const CONVERSATION: &str = "recvMsgOpt:set:int isPinned:set:bool isPrivateChat:set:bool \
     burnDuration:set:int groupAtType:set:int attachedInfo:set:text ex:set:text";

struct Field {
    name: &'static str,
    rule: &'static str,
    kind: &'static str,
}

fn fields(rules: &'static str) -> Vec<Field> {
    let field = |text: &'static str| {
        let mut parts = text.split(':');
        let mut part = || parts.next().unwrap();
        Field {
            name: part(),
            rule: part(),
            kind: part(),
        }
    };
    rules.split_whitespace().map(field).collect()
}

/// What comes of an answer.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    /// With these values instead of the request's.
    Goes(BTreeMap<&'static str, String>),
    Refused(i64),
    /// The call failed, and `failedContinue` decides.
    Failed,
    Panics,
}

/// The server of a version, after it asked about a request.
struct Server<'a> {
    answers: Answers,
    protect: Protections,
    fields: &'a [Field],
    /// The request's value of what each field replaces.
    asked: &'a BTreeMap<&'static str, String>,
}

impl Server<'_> {
    fn reads(&self, answer: &str) -> Outcome {
        let object = match Object::parse(answer) {
            Ok(object) => object,
            Err(_) if answer.trim() == "null" => Object { members: vec![] },
            Err(_) => return Outcome::Failed,
        };
        let number = |name| match object.last(name) {
            None | Some("null") => Some(0),
            Some(raw) => int32(raw),
        };
        let words = ["errMsg", "errDlt"].map(|name| object.last(name));
        let is_text =
            |raw: Option<&str>| raw.is_none_or(|raw| raw == "null" || text(raw).is_some());
        let fits = |field: &Field| fits(field.kind, object.last(field.name).unwrap_or("null"));
        let next = match self.answers {
            Answers::OpenIm30 => Some(0),
            _ => number("nextCode"),
        };
        let (Some(action), Some(err), Some(next)) = (number("actionCode"), number("errCode"), next)
        else {
            return Outcome::Failed;
        };
        if !words.into_iter().all(is_text) || !self.fields.iter().all(fits) {
            return Outcome::Failed;
        }
        let refuses = match self.answers {
            Answers::OpenIm30 => action != 0 || err != 0,
            Answers::OpenIm342 => action != 0 || next == 1,
            Answers::OpenIm36 => false,
            _ => action == 0 && next == 1,
        };
        match refuses {
            true => Outcome::Refused(err.into()),
            false => self.goes(&object),
        }
    }

    fn goes(&self, answer: &Object<'_>) -> Outcome {
        let mut values = BTreeMap::new();
        for Field { name, rule, kind } in self.fields {
            let raw = answer.last(name).unwrap_or("null");
            let asked = self.asked[name].as_str();
            let value = match (*rule, raw) {
                ("no", _) => continue,
                ("over", "null") => "\"\"",
                ("over" | "drop", raw) => raw,
                (_, "null") | ("some", "\"\"" | "[]") => continue,
                ("asked", _) if asked == "null" => return Outcome::Panics,
                // Each of the list is looked at, so none is no change.
                (_, "[]") if *kind == "members" => continue,
                ("set", raw) if *kind == "content" && !is_message(raw) => return Outcome::Failed,
                (_, raw) if panics(kind, raw) => return Outcome::Panics,
                (_, raw) => raw,
            };
            // The request's own value is no change, unless it stands for one that is not set.
            if *rule == "unset" || value != asked {
                values.insert(*name, value.to_owned());
            }
        }
        Outcome::Goes(values)
    }
}

fn asked(fields: &[Field], request: &str) -> BTreeMap<&'static str, String> {
    let request = Object::parse(request).unwrap();
    let of = |field: &Field| {
        let name = match field.name {
            "senderFaceURL" => "faceURL",
            "atUserIDList" => "atUserList",
            name => name,
        };
        let raw = request.last(name).unwrap_or("null");
        (field.name, raw.to_owned())
    };
    fields.iter().map(of).collect()
}

fn fits(kind: &str, raw: &str) -> bool {
    let all = |fits: fn(&Value) -> bool| {
        let tree: Value = serde_json::from_str(raw).unwrap();
        tree.as_array().is_some_and(|items| items.iter().all(fits))
    };
    match kind {
        _ if raw == "null" => true,
        "text" | "content" => text(raw).is_some(),
        "bytes" => matches!(raw, "\"\"" | "\"AAA=\""),
        "int" => int32(raw).is_some(),
        "bool" => matches!(raw, "true" | "false"),
        "texts" => all(|item| item.is_string()),
        "flags" | "push" => raw.starts_with('{') && !raw.contains("wrong"),
        _ => all(|item| item.is_object() || item.is_null()),
    }
}

fn is_message(raw: &str) -> bool {
    text(raw).is_some_and(|content| Object::parse(&content).is_ok())
}

fn panics(kind: &str, raw: &str) -> bool {
    match kind {
        "users" => elements(raw).unwrap().contains(&"null"),
        "members" => {
            let mut members = elements(raw).unwrap().into_iter();
            members.any(|member| !member.contains("\"userID\":\""))
        }
        _ => false,
    }
}

/// Zero, others, and one of a wrong type.
fn states(kind: &str) -> &'static [&'static str] {
    match kind {
        "text" => &["null", "\"\"", "\"other\"", "5"],
        "content" => &[
            "null",
            "\"\"",
            "\"bare\"",
            r#""{\"content\":\"other\"}""#,
            r#"{"content":"other"}"#,
        ],
        "bytes" => &["null", "\"\"", "\"AAA=\"", "5"],
        "int" => &["null", "0", "77", "\"1\"", "3000000000"],
        "bool" => &["null", "false", "true", "1"],
        "texts" => &["null", "[]", "[\"other\"]", "[1]"],
        "flags" => &["null", "{}", "{\"history\":false}", "[]"],
        "push" => &[
            "null",
            "{}",
            r#"{"title":"t","desc":"d","ex":"","iOSPushSound":"","iOSBadgeCount":true,"signalInfo":""}"#,
            "[]",
        ],
        _ => &[
            "null",
            "[]",
            r#"[{"userID":"other","nickname":"n"}]"#,
            r#"[{"nickname":"n"}]"#,
            "[null]",
            "{}",
        ],
    }
}

/// Envelopes: every recorded answer, and some more.
fn envelopes() -> Vec<String> {
    let recorded = fixtures::all().filter(|(name, _)| name.starts_with("any.response-"));
    let mut all: Vec<String> = recorded
        .filter_map(|(_, body)| Some(std::str::from_utf8(body).ok()?.trim().to_owned()))
        // The error body of a framework, whose status belongs to no field.
        .filter(|body| !body.contains("\"timestamp\""))
        .collect();
    for action in [0, 1] {
        for err in [0, 50, 20001] {
            for next in [0, 1, 2] {
                all.push(format!(
                    r#"{{"actionCode":{action},"errCode":{err},"errMsg":"m","errDlt":"d","nextCode":{next}}}"#
                ));
            }
        }
    }
    all.push(r#"{"groupID":"g9"}"#.to_owned());
    all
}

fn with_field(envelope: &str, name: &str, raw: &str) -> Option<String> {
    Object::parse(envelope).ok()?;
    let inside = envelope.trim().strip_prefix('{')?.strip_suffix('}')?;
    let comma = if inside.is_empty() { "" } else { "," };
    Some(format!("{{{inside}{comma}\"{name}\":{raw}}}"))
}

/// The protection that explains another outcome of an answer; `None` where nothing does.
fn protection(straight: &Outcome, ours: &Outcome, answer: &str) -> Option<&'static str> {
    Some(match (straight, ours) {
        // The server would report it as a success, or as a fault of its own.
        (Outcome::Refused(code), Outcome::Refused(20001)) if *code < 100 => "code",
        (Outcome::Panics, Outcome::Goes(_)) => "panic",
        // It refuses and cannot be read as a whole: refused either way.
        (Outcome::Failed, Outcome::Refused(_)) => "refusal",
        (Outcome::Goes(straight), Outcome::Goes(ours)) => {
            let wiped = straight
                .iter()
                .filter(|(_, raw)| matches!(raw.as_str(), "\"\"" | "null"));
            let wiped: BTreeSet<_> = wiped.map(|(name, _)| *name).collect();
            let rest = |values: &BTreeMap<&'static str, String>| {
                let mut values = values.clone();
                values.retain(|name, _| !wiped.contains(name));
                values
            };
            let answer = Object::parse(answer).ok();
            let is_said = |name: &&str| match &answer {
                Some(answer) => answer.last(name).is_some(),
                None => false,
            };
            let is_kept = |name: &&str| straight.get(name) != ours.get(name);
            let kept: BTreeSet<bool> = wiped
                .iter()
                .filter(|name| is_kept(name))
                .map(is_said)
                .collect();
            (!wiped.is_empty() && rest(straight) == rest(ours)).then_some(())?;
            match (kept.contains(&false), kept.contains(&true)) {
                (true, false) => "echo",
                (false, true) => "wipe",
                (true, true) => "echo wipe",
                (false, false) => return None,
            }
        }
        _ => return None,
    })
}

#[derive(Default)]
struct Differential {
    protections: BTreeSet<&'static str>,
    checked: usize,
}

impl Differential {
    fn check(&mut self, server: &Server<'_>, event: &Event, answer: &str) {
        let straight = server.reads(answer);
        let rules = AnswerRules {
            answers: server.answers,
            protect: server.protect,
        };
        let reading = of(event.dialect).read_answer(event, 200, answer.as_bytes(), rules);
        let verdict = match reading.outcome {
            crate::decision::Outcome::Answer(Answer::Allow) => Verdict::Allow,
            crate::decision::Outcome::Answer(Answer::Block(refusal)) => Verdict::Block(refusal),
            crate::decision::Outcome::Answer(Answer::Replace(new)) => Verdict::Replace(new),
            crate::decision::Outcome::Answer(Answer::Reply(_)) => panic!("{answer}"),
            crate::decision::Outcome::Failure(_) => {
                assert_eq!(straight, Outcome::Failed, "{} {answer}", event.hook);
                return;
            }
        };
        let decision = Decision {
            decider: Decider::Callback,
            ..decision(verdict)
        };
        let ours = of(event.dialect).reply(event, &decision);
        let ours = std::str::from_utf8(&ours.body).unwrap();
        let through = server.reads(ours);
        self.checked += 1;
        if straight != through {
            let names = protection(&straight, &through, answer).unwrap_or_else(|| {
                let (hook, answers) = (event.hook, server.answers);
                panic!("{hook} {answers:?}\n{answer}\n{straight:?}\n{ours}\n{through:?}")
            });
            self.protections.extend(names.split(' '));
        }
    }
}

/// Recorded requests of each before hook, with the events that they are.
fn requests(each: usize) -> BTreeMap<&'static str, Vec<(Event, String)>> {
    let mut requests: BTreeMap<&str, Vec<(Event, String)>> = BTreeMap::new();
    for call in recorded().filter(|call| call.dialect == DialectId::OpenIm) {
        let event = call.events().remove(0);
        let known = requests.entry(event.hook.name).or_default();
        if event.hook.moment == Moment::Before && known.len() < each {
            known.push((event, call.body));
        }
    }
    requests
}

/// Every answer to every hook: each envelope alone, and with each state of each field.
fn compare(
    differential: &mut Differential,
    requests: &BTreeMap<&str, Vec<(Event, String)>>,
    envelopes: &[String],
    generations: &[Answers],
    protect: Protections,
) {
    for (hook, rules) in RULES {
        let fields = fields(rules);
        let requests = requests.get(hook).filter(|requests| !requests.is_empty());
        for (event, request) in requests.unwrap_or_else(|| panic!("no recorded {hook}")) {
            let asked = asked(&fields, request);
            for &answers in generations {
                let server = Server {
                    answers,
                    protect,
                    fields: &fields,
                    asked: &asked,
                };
                for envelope in envelopes {
                    differential.check(&server, event, envelope);
                    // Versions differ in what refuses, not in what they do with a field.
                    let fields = match answers {
                        Answers::OpenIm => &fields[..],
                        _ => &fields[..fields.len().min(2)],
                    };
                    for field in fields {
                        let equal = [asked[field.name].as_str()];
                        for raw in states(field.kind).iter().chain(&equal) {
                            if let Some(answer) = with_field(envelope, field.name, raw) {
                                differential.check(&server, event, &answer);
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn an_answer_means_what_it_means_to_the_server() {
    let mut differential = Differential::default();
    let generations = [
        Answers::OpenIm,
        Answers::OpenIm36,
        Answers::OpenIm342,
        Answers::OpenIm30,
    ];
    let all = Protections::default();
    compare(
        &mut differential,
        &requests(2),
        &envelopes(),
        &generations,
        all,
    );
    let expected = BTreeSet::from(["code", "echo", "panic", "refusal", "wipe"]);
    assert_eq!(differential.protections, expected);
    assert!(differential.checked > 20_000, "{}", differential.checked);
}

/// Where a protection is taken away the answer means what it says, and the others stay.
#[test]
fn each_protection_has_its_switch() {
    let envelopes = [
        "{}",
        r#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}"#,
        r#"{"actionCode":0,"errCode":0,"errMsg":"m","errDlt":"d","nextCode":1}"#,
        r#"{"actionCode":0,"errCode":50,"errMsg":"m","errDlt":"d","nextCode":1}"#,
        r#"{"actionCode":0,"errCode":20001,"errMsg":"m","errDlt":"d","nextCode":1}"#,
        r#"{"groupID":"g9"}"#,
    ];
    let envelopes = envelopes.map(str::to_owned);
    let requests = requests(1);
    let left = |is_on: &dyn Fn(Protection) -> bool| {
        let mut differential = Differential::default();
        let protect = Protections::of(is_on);
        let newest = [Answers::OpenIm];
        compare(&mut differential, &requests, &envelopes, &newest, protect);
        differential.protections
    };
    // Who gets a message is for the policy to protect, not for the dialect.
    let of_dialect = Protection::ALL.into_iter();
    let of_dialect: BTreeSet<_> = of_dialect
        .filter(|one| *one != Protection::Redirect)
        .map(Protection::name)
        .collect();
    assert_eq!(left(&|_| true), of_dialect);
    assert_eq!(left(&|_| false), BTreeSet::new());
    for off in Protection::ALL {
        let mut expected = of_dialect.clone();
        expected.remove(off.name());
        assert_eq!(left(&|one| one != off), expected, "{off:?}");
    }
}

#[test]
fn every_before_hook_has_its_rules() {
    let hooks = of(DialectId::OpenIm).hooks().iter();
    let before: BTreeSet<_> = hooks
        .filter(|info| info.hook.moment == Moment::Before)
        .map(|info| info.hook.name)
        .collect();
    let ruled: BTreeSet<_> = RULES.iter().map(|(hook, _)| *hook).collect();
    assert_eq!(before, ruled);
}
