//! Between the messages of `callgate.v1` and our own words.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::decision::{Decider, FailureClass, Hit, ListAction, Verdict};
use crate::dialect;
use crate::event::{Event, Hook, Message, Moment, Span};
use crate::hook::{Accepted, Settled};
use crate::policy::Version;
use crate::proto::v1;

/// A field of a request that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Path of the field, such as `message.content_type`.
    pub field: String,
    pub why: String,
}

impl Invalid {
    pub fn new(field: impl Into<String>, why: impl Into<String>) -> Invalid {
        Invalid {
            field: field.into(),
            why: why.into(),
        }
    }

    /// `INVALID_ARGUMENT` with `google.rpc.BadRequest`.
    pub fn status(&self) -> Status {
        let details = ErrorDetails::with_bad_request_violation(&self.field, &self.why);
        let text = format!("{}: {}", self.field, self.why);
        Status::with_error_details(Code::InvalidArgument, text, details)
    }

    pub fn item(&self) -> v1::RequestError {
        v1::RequestError {
            code: Code::InvalidArgument as i32,
            message: self.why.clone(),
            field: self.field.clone(),
        }
    }

    fn below(mut self, prefix: &str) -> Invalid {
        self.field = format!("{prefix}.{}", self.field);
        self
    }
}

/// The event that a before request asks about.
pub fn before_event(request: v1::BeforeRequest) -> Result<Event, Invalid> {
    let hook = hook_named(&request.hook, Moment::Before)?;
    let event = event(
        hook,
        request.operation_id,
        request.message,
        request.body_json,
    )?;
    let mut event = asked_with(event, request.query)?;
    if let Some(room) = &mut event.room {
        // A chat server that asks over gRPC has no state of its own.
        room.kept_here = true;
    }
    Ok(event)
}

/// The event that an after request tells of, and the caller's id for it.
pub(super) fn after_event(
    told: v1::AfterEvent,
    index: usize,
) -> Result<(Event, Option<String>), Invalid> {
    let id = (!told.id.is_empty()).then_some(told.id);
    let event = hook_named(&told.hook, Moment::After)
        .and_then(|hook| event(hook, told.operation_id, told.message, told.body_json))
        .and_then(|event| asked_with(event, told.query))
        .map_err(|invalid| invalid.below(&format!("events[{index}]")))?;
    Ok((event, id))
}

/// The event with the query that the caller gives it.
fn asked_with(event: Event, query: String) -> Result<Event, Invalid> {
    match dialect::refuse_query(&query) {
        Some(why) => Err(Invalid::new("query", why)),
        None => Ok(dialect::with_query(event, query)),
    }
}

/// What of an unknown name is repeated to its caller.
const NAME_SHOWN_BYTES_MAX: usize = 128;

/// As much of a text as fits.
fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn hook_named(name: &str, moment: Moment) -> Result<Hook, Invalid> {
    let Some(hook) = dialect::hook(name) else {
        let near = dialect::near_names(name);
        let name = beginning(name, NAME_SHOWN_BYTES_MAX);
        let why = match (name.is_empty(), near.is_empty()) {
            (true, _) => "is missing; name a hook such as `beforeSendSingleMsg`".to_owned(),
            (false, true) => format!("no hook is named `{name}`"),
            (false, false) => {
                format!(
                    "no hook is named `{name}`; did you mean `{}`?",
                    near.join("`, `")
                )
            }
        };
        return Err(Invalid::new("hook", why));
    };
    if hook.moment == moment {
        return Ok(hook);
    }
    let other = match hook.moment {
        Moment::Before => "a before hook: call `Before`",
        Moment::After => "an after hook: call `After`",
    };
    Err(Invalid::new("hook", format!("`{hook}` is {other}")))
}

fn event(
    hook: Hook,
    operation_id: String,
    message: Option<v1::Message>,
    body_json: String,
) -> Result<Event, Invalid> {
    match (dialect::info(hook).takes_message(), message) {
        (true, Some(message)) if body_json.is_empty() => {
            let message = checked(message, hook)?;
            Ok(dialect::event_from_message(hook, operation_id, message))
        }
        (true, Some(_)) => Err(Invalid::new(
            "body_json",
            format!("`{hook}` has a message: leave this empty"),
        )),
        (true, None) => Err(Invalid::new(
            "message",
            format!("is missing; `{hook}` is about a message"),
        )),
        (false, Some(message)) if dialect::info(hook).has_message() && body_json.is_empty() => {
            let message = checked(message, hook)?;
            dialect::native_event_from_message(hook, &operation_id, &message)
                .map_err(|unreadable| Invalid::new("body_json", unreadable.reason))
        }
        (false, Some(_)) => Err(Invalid::new(
            "message",
            format!("`{hook}` has no message: put its fields into `body_json`"),
        )),
        (false, None) => dialect::event_from_body(hook, operation_id, body_json.into())
            .map_err(|unreadable| Invalid::new("body_json", unreadable.reason)),
    }
}

/// Takes a message over, with the defaults that the proto file promises.
fn checked(message: v1::Message, hook: Hook) -> Result<Message, Invalid> {
    let not_negative = |field: &str, value: i32| {
        if value < 0 {
            return Err(Invalid::new(
                format!("message.{field}"),
                format!("{value} is negative"),
            ));
        }
        Ok(value)
    };
    let or = |value: i32, default: i32| if value == 0 { default } else { value };
    let group = !message.group_id.is_empty() || hook.name.contains("Group");
    Ok(Message {
        sender_platform_id: not_negative("sender_platform_id", message.sender_platform_id)?,
        session_type: or(
            not_negative("session_type", message.session_type)?,
            if group { 3 } else { 1 },
        ),
        msg_from: or(not_negative("msg_from", message.msg_from)?, 100),
        content_type: or(not_negative("content_type", message.content_type)?, 101),
        // OpenIM's own calls have 0.
        status: not_negative("status", message.status)?,
        send_id: message.send_id,
        recv_id: message.recv_id,
        group_id: message.group_id,
        server_msg_id: message.server_msg_id,
        client_msg_id: message.client_msg_id,
        sender_nickname: message.sender_nickname,
        sender_face_url: message.sender_face_url,
        send_time: message.send_time,
        create_time: message.create_time,
        content: message.content,
        seq: message.seq,
        at_user_ids: (!message.at_user_list.is_empty()).then_some(message.at_user_list),
        ex: message.ex,
    })
}

/// A decision as `callgate.v1` writes it.
pub fn decision_response(
    settled: Settled,
    request_id: String,
    explain: v1::ExplainLevel,
) -> v1::BeforeResponse {
    let Settled {
        decision,
        version,
        times,
    } = settled;
    let mut response = v1::BeforeResponse {
        decided_by: decided_by(decision.decider) as i32,
        reviewed: decision.reviewed,
        failure: decision.failure.map_or(0, |class| failure(class) as i32),
        policy_version: Some(version_of(&version)),
        request_id,
        skipped: decision
            .skipped
            .map_or_else(String::new, |reason| reason.name().to_owned()),
        ..v1::BeforeResponse::default()
    };
    match decision.verdict {
        Verdict::Allow => response.set_action(v1::Action::Allow),
        Verdict::Block(refusal) => {
            response.set_action(v1::Action::Block);
            response.err_code = refusal.code;
            response.err_msg = refusal.public;
            response.err_dlt = refusal.detail;
        }
        Verdict::Reply(reply) => {
            response.set_action(v1::Action::Reply);
            response.reply = Some(v1::RoomReply {
                sender_id: reply.sender,
                message_json: reply.message.unwrap_or_default(),
                to_bot_state: reply.state,
            });
        }
        Verdict::Replace(replacement) => {
            response.set_action(v1::Action::Replace);
            response.fields_json = fields_json(&replacement.fields);
            response.content = replacement.content;
        }
    }
    if explain != v1::ExplainLevel::None {
        let (shadow, matches): (Vec<&Hit>, Vec<&Hit>) = decision
            .hits
            .iter()
            .partition(|hit| hit.action == ListAction::Shadow);
        response.matches = matches.into_iter().map(match_of).collect();
        response.shadow = shadow.into_iter().map(match_of).collect();
    }
    if explain == v1::ExplainLevel::Timings {
        let us = |time: std::time::Duration| time.as_micros() as u64;
        response.timings = Some(v1::Timings {
            decode_us: us(times.total.saturating_sub(times.filter + times.callback)),
            filter_us: us(times.filter),
            callback_us: us(times.callback),
            total_us: us(times.total),
        });
    }
    response
}

/// What became of after events, as `callgate.v1` writes it.
pub(super) fn accepted_response(accepted: Vec<Accepted>, version: &Version) -> v1::AfterResponse {
    let mut response = v1::AfterResponse {
        policy_version: Some(version_of(version)),
        ..v1::AfterResponse::default()
    };
    for one in accepted {
        let (result, id) = match one {
            Accepted::Stored(id) => (v1::AfterResult::Stored, id),
            Accepted::Duplicate(id) => (v1::AfterResult::Duplicate, id),
            Accepted::Dropped => (v1::AfterResult::Dropped, String::new()),
        };
        response.results.push(result as i32);
        response.ids.push(id);
    }
    response
}

pub(super) fn version_of(version: &Version) -> v1::PolicyVersion {
    v1::PolicyVersion {
        number: version.number,
        hash: version.hash.to_string(),
    }
}

fn match_of(hit: &Hit) -> v1::Match {
    let Span {
        bytes,
        chars,
        utf16,
    } = &hit.span;
    let span = |range: &std::ops::Range<usize>| {
        Some(v1::Span {
            start: range.start as u32,
            end: range.end as u32,
        })
    };
    v1::Match {
        list: hit.list.to_string(),
        entry: hit.entry.to_string(),
        line: hit.line,
        tags: hit.tags.to_vec(),
        action: hit.action.name().to_owned(),
        place: hit.place.clone(),
        bytes: span(bytes),
        chars: span(chars),
        utf16: span(utf16),
        evasions: hit.evasions.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// Field names are ours and values are JSON already, so this only joins them.
fn fields_json(fields: &[(String, String)]) -> String {
    if fields.is_empty() {
        return String::new();
    }
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn decided_by(decider: Decider) -> v1::DecidedBy {
    match decider {
        Decider::Nothing => v1::DecidedBy::Nothing,
        Decider::Filter => v1::DecidedBy::Filter,
        Decider::Callback => v1::DecidedBy::Callback,
        Decider::FailurePolicy => v1::DecidedBy::FailurePolicy,
    }
}

fn failure(class: FailureClass) -> v1::FailureClass {
    match class {
        FailureClass::Timeout => v1::FailureClass::Timeout,
        FailureClass::Connect => v1::FailureClass::Connect,
        FailureClass::HttpStatus => v1::FailureClass::HttpStatus,
        FailureClass::InvalidAnswer => v1::FailureClass::InvalidAnswer,
        FailureClass::TooLarge => v1::FailureClass::TooLarge,
        FailureClass::BlockedAddress => v1::FailureClass::BlockedAddress,
        FailureClass::Loop => v1::FailureClass::Loop,
        FailureClass::BreakerOpen => v1::FailureClass::BreakerOpen,
        FailureClass::Overloaded => v1::FailureClass::Overloaded,
        FailureClass::Deadline => v1::FailureClass::Deadline,
        FailureClass::Internal => v1::FailureClass::Internal,
        FailureClass::UnreadableCall => v1::FailureClass::UnreadableCall,
        FailureClass::Unfiltered => v1::FailureClass::Unfiltered,
        FailureClass::StalePolicy => v1::FailureClass::StalePolicy,
    }
}
