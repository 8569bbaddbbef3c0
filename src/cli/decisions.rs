//! `callgate decisions`: what a running server decided, and `callgate history`: what it forgets.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::api::{Api, Declined, part};
use super::client;
use super::files::Files;
use super::output::{self, plain};
use super::reach::{AdminArgs, Reach};
use super::since;

/// How often `--follow` looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const FOLLOWED_MAX: &str = "1000";
/// Whoever has none yet begins with the first that comes.
const BEFORE_ALL: &str = "00000000-0000-7000-8000-000000000000";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show this one decision, whole.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// With the text of the message, while it is kept: it takes the right `text` and is recorded.
    #[arg(long, requires = "id")]
    show: bool,
    /// Not what is older: 2h, 30d, or 2026-11-28T21:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = since::read)]
    since: Option<String>,
    /// Not what is newer.
    #[arg(long, value_name = "TIME", value_parser = since::read)]
    until: Option<String>,
    /// The server's id of the message, or the client's.
    #[arg(long, value_name = "ID")]
    message: Option<String>,
    /// The caller's id of the operation.
    #[arg(long, value_name = "ID")]
    operation: Option<String>,
    /// The user who sent it.
    #[arg(long, value_name = "USER")]
    sender: Option<String>,
    /// The user or the group that it was sent to.
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// The group, the room, or two people as a:b.
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Of this hook alone.
    #[arg(long)]
    hook: Option<String>,
    /// The caller, as the policy names it.
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// What came out: block, let_through, replace, reply, flag, shadow, allow, skipped; several
    /// with commas.
    #[arg(long)]
    outcome: Option<String>,
    /// The class of a failure, such as timeout.
    #[arg(long)]
    class: Option<String>,
    /// Those that a failure let through.
    #[arg(long)]
    unreviewed: bool,
    /// By the policy of this number.
    #[arg(long, value_name = "NUMBER")]
    policy: Option<u64>,
    /// The endpoint that was asked.
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// In which this list matched.
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// The line of the entry that matched.
    #[arg(long, value_name = "NUMBER")]
    line: Option<u32>,
    /// An entry that matched, in any way that its list reads as the same.
    #[arg(long)]
    word: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    limit: usize,
    /// Go on with what comes, until it is stopped.
    #[arg(long, conflicts_with_all = ["csv", "id", "until"])]
    follow: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Print all of them as CSV; it is recorded as an export.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    #[command(subcommand)]
    order: Order,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Forget the decisions on what a user wrote or was written to, and such calls that are
    /// recorded. Exact counts stay.
    Forget {
        /// The user's id.
        #[arg(long)]
        user: String,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
    },
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let find = || args.admin.reach(files);
    let reach = find()?;
    client::block_on(async {
        let shown = show(&Api::at(&reach), &args).await;
        told(match shown {
            Ok(Some(last)) => follow(reach.clone(), &find, &args, last).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        })
    })
}

pub(super) fn run_history(files: &Files, args: HistoryArgs) -> anyhow::Result<ExitCode> {
    let reach = args.admin.reach(files)?;
    let Order::Forget { user, reason } = args.order;
    client::block_on(async {
        let body = json!({ "user": user, "reason": reason });
        let api = Api::at(&reach);
        let forgotten = api.send(Method::POST, "/history/forget", &body, None).await;
        told(forgotten.and_then(|forgotten| {
            let (decisions, texts) = (&forgotten.body["decisions"], &forgotten.body["texts"]);
            let calls = match forgotten.body["calls"].as_u64() {
                None | Some(0) => String::new(),
                Some(calls) => format!(", {calls} recorded calls"),
            };
            output::line(&format!(
                "forgotten: {decisions} decisions, {texts} texts in memory{calls}"
            ))
        }))
    })
}

/// What the server declines is said, with the exit code for it.
fn told(done: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match error.downcast_ref::<Declined>() {
            Some(declined) => {
                output::complain(&format!("callgate: {declined}"));
                Ok(ExitCode::from(declined.exit()))
            }
            None => Err(error),
        },
    }
}

/// Prints what is there; where it is to be followed, the last decision that was printed.
async fn show(api: &Api<'_>, args: &Args) -> anyhow::Result<Option<String>> {
    if let Some(id) = &args.id {
        let query: &[(&str, &str)] = match args.show {
            true => &[("show", "true")],
            false => &[],
        };
        let decision = api.get(&format!("/decisions/{}", part(id)), query).await?;
        match args.json {
            true => output::line(&decision.to_string())?,
            false => whole(&decision)?,
        }
        return Ok(None);
    }
    let filter = filter(args);
    let query: Vec<(&str, &str)> = filter.iter().map(|(name, text)| (*name, &**text)).collect();
    if args.csv {
        api.lines("/decisions.csv", &query, output::line).await?;
        return Ok(None);
    }
    let mut rows = Vec::new();
    if args.limit > 0 {
        api.each("/decisions", &query, |row| {
            rows.push(row);
            Ok(rows.len() < args.limit)
        })
        .await?;
    }
    if args.follow {
        // The oldest first, as what comes.
        rows.iter()
            .rev()
            .try_for_each(|row| print(row, args.json))?;
        let last = rows.first().and_then(|row| row["id"].as_str());
        return Ok(Some(last.unwrap_or(BEFORE_ALL).to_owned()));
    }
    if rows.is_empty() && !args.json {
        output::complain("no decision of this server is like that");
    }
    rows.iter().try_for_each(|row| print(row, args.json))?;
    Ok(None)
}

/// Prints what comes, until it is stopped: a server that is started again is waited for.
async fn follow(
    mut reach: Reach,
    find: &impl Fn() -> anyhow::Result<Reach>,
    args: &Args,
    mut last: String,
) -> anyhow::Result<()> {
    let filter = filter(args);
    let mut is_gone = false;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let mut asked: Vec<(&str, &str)> =
            filter.iter().map(|(name, text)| (*name, &**text)).collect();
        asked.retain(|(name, _)| *name != "limit");
        let Err(error) = all_after(&Api::at(&reach), &asked, &mut last, args.json).await else {
            is_gone = false;
            continue;
        };
        if !is_passing(&error) {
            return Err(error);
        }
        if !is_gone {
            output::complain(&format!("callgate: {error:#}; waiting for it"));
        }
        is_gone = true;
        // Whoever is started again has another token.
        if let Ok(found) = find() {
            reach = found;
        }
    }
}

/// Prints all that came after `last`, which is moved on.
async fn all_after(
    api: &Api<'_>,
    filter: &[(&str, &str)],
    last: &mut String,
    json: bool,
) -> anyhow::Result<()> {
    loop {
        let after = last.clone();
        let mut asked = filter.to_vec();
        asked.extend([("after", after.as_str()), ("limit", FOLLOWED_MAX)]);
        let page = api.get("/decisions", &asked).await?;
        let rows = page["items"].as_array().cloned().unwrap_or_default();
        for row in rows.iter().rev() {
            print(row, json).map_err(|error| error.context(Printing))?;
        }
        if let Some(newest) = rows.first().and_then(|row| row["id"].as_str()) {
            newest.clone_into(last);
        }
        // More came than one answer holds.
        if rows.len().to_string() != FOLLOWED_MAX {
            return Ok(());
        }
    }
}

/// Our own output is gone, not the server.
#[derive(Debug)]
struct Printing;

impl std::fmt::Display for Printing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("what comes cannot be printed")
    }
}

/// What a server says that ends or begins, or nothing at all.
fn is_passing(error: &anyhow::Error) -> bool {
    let declined = error.downcast_ref::<Declined>();
    error.downcast_ref::<Printing>().is_none()
        && declined.is_none_or(|declined| declined.status == 401 || declined.status >= 500)
}

fn filter(args: &Args) -> BTreeMap<&'static str, String> {
    let texts = [
        ("since", &args.since),
        ("until", &args.until),
        ("message", &args.message),
        ("operation", &args.operation),
        ("sender", &args.sender),
        ("target", &args.target),
        ("conversation", &args.conversation),
        ("hook", &args.hook),
        ("caller", &args.caller),
        ("outcome", &args.outcome),
        ("class", &args.class),
        ("endpoint", &args.endpoint),
        ("list", &args.list),
        ("word", &args.word),
    ];
    let texts = texts.into_iter();
    let mut filter: BTreeMap<_, _> = texts
        .filter_map(|(name, text)| Some((name, text.clone()?)))
        .collect();
    if args.unreviewed {
        filter.insert("reviewed", "false".to_owned());
    }
    if let Some(policy) = args.policy {
        filter.insert("version", policy.to_string());
    }
    if let Some(line) = args.line {
        filter.insert("line", line.to_string());
    }
    if !args.csv {
        filter.insert("limit", args.limit.clamp(1, 1000).to_string());
    }
    filter
}

fn print(row: &Value, json: bool) -> anyhow::Result<()> {
    match json {
        true => output::line(&row.to_string()),
        false => output::line(&line(row)),
    }
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

/// Time, outcome, hook, who to whom, what matched, and the ids to go on with.
fn line(row: &Value) -> String {
    let mut line = format!(
        "{}  {:<11} {}  {} -> {}",
        text(row, "time"),
        text(row, "outcome"),
        text(row, "hook"),
        plain(text(row, "sender")),
        plain(text(row, "target")),
    );
    for found in row["matches"].as_array().into_iter().flatten() {
        line += &format!("  {}:{}", plain(text(found, "list")), found["line"]);
        if found["in_force"] == false {
            line += " (removed since)";
        }
    }
    if !text(row, "class").is_empty() {
        line += &format!("  {}", text(row, "class"));
    }
    if row["weight"] != 1 {
        line += &format!("  stands for {}", row["weight"]);
    }
    line += &format!(
        "  message {}  id {}",
        plain(text(row, "message_id")),
        text(row, "id")
    );
    line
}

/// Every key of one decision on a line of its own.
fn whole(decision: &Value) -> anyhow::Result<()> {
    for (key, value) in decision.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) if text.is_empty() => {}
            Value::String(text) => output::line(&format!("{key:<18} {}", plain(text)))?,
            Value::Array(items) => {
                for item in items {
                    output::line(&format!("{key:<18} {}", plain(&item.to_string())))?;
                }
            }
            value => output::line(&format!("{key:<18} {}", plain(&value.to_string())))?,
        }
    }
    Ok(())
}
