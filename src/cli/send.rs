//! `callgate send`: asks a running server about one message, over gRPC as a message service does.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{self, HookClient};
use super::exit::{EXIT_BAD_INPUT, EXIT_NO_SERVER};
use super::files::Files;
use super::output::{self, plain};
use super::reach::{Asked, Reach, TlsArgs};
use crate::dialect;
use crate::proto::v1;

/// What this hook does to a text is what most policies do.
const USUAL_HOOK: &str = "beforeMsgModify";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The text of the message.
    text: String,
    /// Address of the server's gRPC port; without it `grpc.listen` of engine.yaml.
    #[arg(long, env = "CALLGATE_SERVER", value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    tls: TlsArgs,
    /// The hook to ask; without it beforeMsgModify, or if that is off the first that is on.
    #[arg(long)]
    hook: Option<String>,
    /// Id of the sending user.
    #[arg(long, default_value = "user1", value_name = "ID")]
    from: String,
    /// Id of the receiving user.
    #[arg(long, default_value = "user2", value_name = "ID")]
    to: String,
    /// Id of the group; instead of `--to`.
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// Content type; 101 is text. TEXT is then the message's whole `content` for other types.
    #[arg(long, default_value_t = 101)]
    content_type: i32,
    /// How long to wait, in milliseconds; sent as `grpc-timeout`.
    #[arg(long, default_value_t = 5000, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
    /// Have the server say what it would decide and whom it would ask: nothing is forwarded,
    /// delivered or counted. Asks its operators' port.
    #[arg(long)]
    dry_run: bool,
    /// Address of the operators' port, for --dry-run; without it `admin.listen` of engine.yaml.
    #[arg(long, env = "CALLGATE_ADMIN", value_name = "URL")]
    admin: Option<String>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(files: &Files, mut args: Args) -> anyhow::Result<ExitCode> {
    if args.dry_run {
        let reach = Reach::find(Asked::Admin, args.admin.take(), &args.tls, files)?;
        return client::block_on(dry_run(args, &reach));
    }
    let reach = Reach::find(Asked::Grpc, args.server.take(), &args.tls, files)?;
    client::block_on(send(args, &reach))
}

async fn send(args: Args, reach: &Reach) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout_ms);
    let mut hooks = client::hooks(reach).await?;
    let hook = match &args.hook {
        Some(hook) => hook.clone(),
        None => hook_that_is_on(&mut hooks).await,
    };
    let mut request = tonic::Request::new(request(&args, hook));
    request.set_timeout(timeout);
    match hooks.before(request).await {
        Ok(response) => {
            let response = response.into_inner();
            if args.json {
                output::line(&json_of(&response).to_string())?;
            } else {
                output::page(&text_of(&response))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(status) if status.code() == tonic::Code::InvalidArgument => {
            output::complain(&format!("callgate: {}", status.message()));
            Ok(ExitCode::from(EXIT_BAD_INPUT))
        }
        Err(status) => {
            output::complain(&format!(
                "callgate: the server answered {}: {}",
                status.code(),
                client::words(&status)
            ));
            Ok(ExitCode::from(EXIT_NO_SERVER))
        }
    }
}

/// Without a hook, these are tried until one is on.
const DRY_HOOKS: [&str; 4] = [
    USUAL_HOOK,
    "beforeSendSingleMsg",
    "beforeSendGroupMsg",
    "wukongim.msg.before_send",
];

/// What the server would do, by the steps of a decision and without a trace of it.
async fn dry_run(args: Args, reach: &Reach) -> anyhow::Result<ExitCode> {
    let mut admin = client::admin(reach).await?;
    let hooks = match &args.hook {
        Some(hook) => vec![hook.as_str()],
        None => DRY_HOOKS.to_vec(),
    };
    let mut first = None;
    for hook in hooks {
        let request = v1::ExplainRequest {
            request: Some(request(&args, hook.to_owned())),
        };
        let explained = match admin.explain(request).await {
            Ok(explained) => explained.into_inner().json,
            Err(status) => {
                output::complain(&format!("callgate: {}", client::words(&status)));
                return Ok(ExitCode::from(match status.code() {
                    tonic::Code::InvalidArgument => EXIT_BAD_INPUT,
                    _ => EXIT_NO_SERVER,
                }));
            }
        };
        let explained: Value = serde_json::from_str(&explained)?;
        let is_off = explained["skipped"] == "disabled";
        let shown = first.get_or_insert_with(|| explained.clone());
        if !is_off {
            *shown = explained;
            break;
        }
    }
    let explained = first.unwrap_or_default();
    match args.json {
        true => output::line(&explained.to_string())?,
        false => output::page(&dry_text(&explained))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// An explanation in the words of an answer.
fn dry_text(explained: &Value) -> String {
    let word = |value: &Value| plain(value.as_str().unwrap_or_default());
    let mut text = match explained["skipped"].as_str() {
        Some(reason) => format!(
            "would allow: the hook's rules are not applied, {}\n",
            plain(reason)
        ),
        None => format!("would {}\n", word(&explained["decision"])),
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for one in list(&explained["texts"]) {
        for found in list(&one["matches"]) {
            text.push_str(&format!(
                "  {} `{}` (list {}, line {}) in {}, characters {} to {}\n",
                word(&found["action"]),
                word(&found["entry"]),
                word(&found["list"]),
                found["line"],
                word(&one["place"]),
                found["chars"][0],
                found["chars"][1],
            ));
        }
    }
    let forward = &explained["forward"];
    match forward["endpoint"].as_str() {
        None => text.push_str("  nobody would be asked\n"),
        Some(endpoint) => {
            let (endpoint, url) = (plain(endpoint), word(&forward["url"]));
            let limit = &forward["timeout_ms"];
            text.push_str(&format!(
                "  `{endpoint}` would be asked at {url} within {limit} ms, and its answer counts\n"
            ));
            let failures = forward["failures"].as_object().into_iter().flatten();
            let blocks = failures.filter(|(_, action)| *action == "block");
            let blocks: Vec<&str> = blocks.map(|(class, _)| class.as_str()).collect();
            text.push_str(&format!(
                "  of its failures {} would block, the others allow\n",
                blocks.join(", ")
            ));
        }
    }
    text.push_str(&format!(
        "  nothing was forwarded, delivered or counted; hook {}, policy {}\n",
        word(&explained["hook"]),
        word(&explained["policy"])
    ));
    text
}

/// A text is asked about where a policy looks at texts: a hook that is off allows everything.
async fn hook_that_is_on(hooks: &mut HookClient) -> String {
    let asked = hooks.capabilities(v1::CapabilitiesRequest {}).await;
    // Who does not tell is asked all the same, and says why not.
    let Ok(capabilities) = asked else {
        return USUAL_HOOK.to_owned();
    };
    let on = capabilities.into_inner().hooks.into_iter();
    let on = on.filter(|one| one.before).map(|one| one.hook);
    let takes_text =
        |name: &String| dialect::hook(name).is_some_and(|hook| dialect::info(hook).takes_message());
    let on: Vec<String> = on.filter(takes_text).collect();
    if on.iter().any(|name| name == USUAL_HOOK) {
        return USUAL_HOOK.to_owned();
    }
    let Some(first) = on.into_iter().next() else {
        output::complain(
            "callgate: no before hook that takes a message is on, so every text passes unseen",
        );
        return USUAL_HOOK.to_owned();
    };
    output::complain(&format!(
        "callgate: without --hook, the hook that is on: {first}"
    ));
    first
}

fn request(args: &Args, hook: String) -> v1::BeforeRequest {
    let content = match args.content_type {
        101 => json!({ "content": args.text }).to_string(),
        _ => args.text.clone(),
    };
    v1::BeforeRequest {
        hook,
        operation_id: "callgate-send".to_owned(),
        message: Some(v1::Message {
            send_id: args.from.clone(),
            recv_id: match args.group {
                Some(_) => String::new(),
                None => args.to.clone(),
            },
            group_id: args.group.clone().unwrap_or_default(),
            content_type: args.content_type,
            content,
            ..v1::Message::default()
        }),
        ..v1::BeforeRequest::default()
    }
}

fn text_of(response: &v1::BeforeResponse) -> String {
    let version = response.policy_version.clone().unwrap_or_default();
    let mut text = match response.action() {
        v1::Action::Block => format!(
            "block {}: {}\n",
            response.err_code,
            plain(&response.err_msg)
        ),
        v1::Action::Replace => format!("replace: {}\n", plain(response.content())),
        v1::Action::Reply => {
            let reply = response.reply.clone().unwrap_or_default();
            format!(
                "reply as {}: {}\n",
                plain(&reply.sender_id),
                plain(&reply.message_json)
            )
        }
        v1::Action::Allow | v1::Action::Unspecified => "allow\n".to_owned(),
    };
    for one in &response.matches {
        let chars = one.chars.unwrap_or_default();
        text.push_str(&format!(
            "  {} `{}` (list {}, line {}) in {}, characters {} to {}\n",
            one.action,
            plain(&one.entry),
            one.list,
            one.line,
            one.place,
            chars.start,
            chars.end
        ));
    }
    if !response.reviewed {
        let class = name(response.failure().as_str_name(), "FAILURE_CLASS_");
        text.push_str(&format!("  not reviewed: {class}\n"));
    }
    if !response.skipped.is_empty() {
        text.push_str(&format!(
            "  the hook's rules were not applied: {}\n",
            response.skipped
        ));
    }
    let decider = name(response.decided_by().as_str_name(), "DECIDED_BY_");
    text.push_str(&format!(
        "  decided by {decider}, policy {}-{}\n",
        version.number, version.hash
    ));
    text
}

fn json_of(response: &v1::BeforeResponse) -> Value {
    let version = response.policy_version.clone().unwrap_or_default();
    let span = |span: Option<v1::Span>| {
        let span = span.unwrap_or_default();
        json!([span.start, span.end])
    };
    let matches: Vec<_> = response
        .matches
        .iter()
        .map(|one| {
            json!({
                "list": one.list, "entry": one.entry, "line": one.line, "tags": one.tags,
                "action": one.action, "place": one.place, "bytes": span(one.bytes),
                "chars": span(one.chars), "utf16": span(one.utf16),
            })
        })
        .collect();
    json!({
        "action": name(response.action().as_str_name(), "ACTION_"),
        "err_code": response.err_code,
        "err_msg": response.err_msg,
        "err_dlt": response.err_dlt,
        "content": response.content,
        "decided_by": name(response.decided_by().as_str_name(), "DECIDED_BY_"),
        "reviewed": response.reviewed,
        "failure": match response.failure {
            0 => Value::Null,
            _ => json!(name(response.failure().as_str_name(), "FAILURE_CLASS_")),
        },
        "skipped": response.skipped,
        "matches": matches,
        "policy_version": { "number": version.number, "hash": version.hash },
    })
}

/// `ACTION_BLOCK` is `block` in our other outputs.
fn name(full: &str, prefix: &str) -> String {
    full.trim_start_matches(prefix).to_lowercase()
}
