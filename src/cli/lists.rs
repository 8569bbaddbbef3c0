//! `callgate lists`: word lists of a running server, edited as the console does.

use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::api::{Api, Declined, part};
use super::client;
use super::files::Files;
use super::output::{self, plain};
use super::reach::AdminArgs;

/// While a plan is being run.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Rows that are asked for at once.
const ROWS: &str = "1000";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Order,
    #[command(flatten)]
    admin: AdminArgs,
    /// Print one JSON object, or one a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Print every list, or the entries of one.
    Show {
        list: Option<String>,
        /// Only entries with this in them, folded as the filter does, or with this tag.
        #[arg(long, value_name = "TEXT", default_value = "")]
        search: String,
    },
    /// Add entries; they are in force when it returns.
    Add {
        list: String,
        #[arg(required = true)]
        entries: Vec<String>,
        #[command(flatten)]
        as_what: AsWhat,
        #[command(flatten)]
        said: SaidArgs,
    },
    /// Remove entries, wherever they stand in the list.
    Remove {
        list: String,
        #[arg(required = true)]
        entries: Vec<String>,
        #[command(flatten)]
        said: SaidArgs,
    },
    /// Move entries from one list to another, with their tags and settings.
    Move {
        /// The list that they stand in.
        from: String,
        /// The list that they go to.
        to: String,
        #[arg(required = true)]
        entries: Vec<String>,
        #[command(flatten)]
        said: SaidArgs,
    },
    /// Show what entries would hit, and change nothing.
    Preview {
        list: String,
        #[arg(required = true)]
        entries: Vec<String>,
        /// Of entries that stand in the list: what moving them to this one would change.
        #[arg(long, value_name = "LIST", conflicts_with_all = ["tags", "trial"])]
        move_to: Option<String>,
        #[command(flatten)]
        as_what: AsWhat,
    },
}

#[derive(Debug, clap::Args)]
struct SaidArgs {
    /// What it is for.
    #[arg(long, value_name = "REASON")]
    why: String,
    /// Edit more than 20 entries; without it what would be done is said, and nothing done.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
struct AsWhat {
    /// Tags of the entries.
    #[arg(long, value_name = "TAG,TAG", value_delimiter = ',')]
    tags: Vec<String>,
    /// Count what they hit, and do nothing else.
    #[arg(long)]
    trial: bool,
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let reach = args.admin.reach(files)?;
    let done = client::block_on(async {
        let api = Api::at(&reach);
        match args.order {
            Order::Show { list: None, .. } => lists(&api, args.json).await,
            Order::Show {
                list: Some(list),
                search,
            } => rows(&api, &list, &search, args.json).await,
            Order::Add {
                list,
                entries,
                as_what,
                said,
            } => {
                let body = json!({ "ops": added(&entries, &as_what), "trial": as_what.trial });
                edit(&api, &list, body, &said, args.json).await
            }
            Order::Remove {
                list,
                entries,
                said,
            } => {
                let ops = entries
                    .iter()
                    .map(|entry| json!({ "op": "remove", "entry": entry }));
                let body = json!({ "ops": ops.collect::<Vec<_>>() });
                edit(&api, &list, body, &said, args.json).await
            }
            Order::Move {
                from,
                to,
                entries,
                said,
            } => {
                let body = json!({ "entries": entries, "to": to });
                edit(&api, &from, body, &said, args.json).await
            }
            Order::Preview {
                list,
                entries,
                move_to,
                as_what,
            } => {
                let body = match move_to {
                    Some(to) => json!({ "entries": entries, "to": to }),
                    None => json!({ "ops": added(&entries, &as_what), "trial": as_what.trial }),
                };
                preview(&api, &list, &body, args.json).await
            }
        }
    });
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match error.downcast::<Declined>() {
            Ok(declined) => {
                output::complain(&format!("callgate: {declined}"));
                for problem in details(&declined) {
                    output::complain(&problem);
                }
                Ok(ExitCode::from(declined.exit()))
            }
            Err(error) => Err(error),
        },
    }
}

fn added(entries: &[String], as_what: &AsWhat) -> Vec<Value> {
    let add = |entry: &String| json!({ "op": "add", "entry": entry, "tags": as_what.tags });
    entries.iter().map(add).collect()
}

/// What is wrong with each edit, or with the policy.
fn details(declined: &Declined) -> Vec<String> {
    if let Some(patch) = declined.params["patch"].as_str() {
        return vec![patch.to_owned()];
    }
    let told = ["ops", "problems"].into_iter();
    let all = told.filter_map(|name| declined.params[name].as_array());
    let all = all.flatten().map(|problem| {
        let text = |name: &str| plain(problem[name].as_str().unwrap_or_default()).to_string();
        let place = match problem["line"].as_u64() {
            Some(line) if line > 0 => format!("{}:{line}: ", text("file")),
            _ => String::new(),
        };
        format!("  {place}{}; {}", text("what"), text("way_out"))
    });
    all.collect()
}

async fn lists(api: &Api<'_>, as_json: bool) -> anyhow::Result<()> {
    api.each("/lists", &[], |list| {
        output::line(&match as_json {
            true => list.to_string(),
            false => {
                let text =
                    |name: &str| plain(list[name].as_str().unwrap_or("policy.yaml")).to_string();
                let (name, action, file) = (text("name"), text("action"), text("file"));
                format!("{name} {action} {} {file}", list["entries"])
            }
        })?;
        Ok(true)
    })
    .await
}

async fn rows(api: &Api<'_>, list: &str, search: &str, as_json: bool) -> anyhow::Result<()> {
    let path = format!("/lists/{}", part(list));
    let mut cursor = String::new();
    loop {
        let mut query = vec![("limit", ROWS), ("search", search)];
        if !cursor.is_empty() {
            query.push(("cursor", &cursor));
        }
        let page = api.get(&path, &query).await?;
        for row in page["rows"].as_array().into_iter().flatten() {
            output::line(&match as_json {
                true => row.to_string(),
                false => line(row),
            })?;
        }
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(()),
        }
    }
}

/// `12 word tag,tag {options}`.
fn line(row: &Value) -> String {
    let tags = row["tags"].as_array().into_iter().flatten();
    let tags: Vec<&str> = tags.filter_map(Value::as_str).collect();
    let columns = [
        row["line"].to_string(),
        plain(row["entry"].as_str().unwrap_or_default()).to_string(),
        plain(&tags.join(",")).to_string(),
        plain(row["options"].as_str().unwrap_or_default()).to_string(),
    ];
    columns.join("\t").trim_end().to_owned()
}

async fn edit(
    api: &Api<'_>,
    list: &str,
    mut body: Value,
    said: &SaidArgs,
    as_json: bool,
) -> anyhow::Result<()> {
    let path = format!("/lists/{}", part(list));
    body["why"] = said.why.as_str().into();
    let is_move = !body["to"].is_null();
    let (method, act) = match is_move {
        true => (Method::POST, format!("{path}/move")),
        false => (Method::PATCH, path.clone()),
    };
    // Whatever is there: what others wrote stays.
    match api.send(method, &act, &body, Some("*")).await {
        Ok(saved) => print_saved(&saved.body, as_json),
        Err(error) if wants_a_plan(&error) => {
            body.as_object_mut().map(|body| body.remove("why"));
            if is_move {
                body["act"] = "move".into();
            }
            planned(api, &path, &body, said, as_json).await
        }
        Err(error) => Err(error),
    }
}

/// The server knows how many entries it changes at once.
fn wants_a_plan(error: &anyhow::Error) -> bool {
    let declined = error.downcast_ref::<Declined>();
    declined.is_some_and(|why| why.status == 409 && why.params["ops_max"].is_u64())
}

/// Many entries: what would be done is said first, and done with `--yes`.
async fn planned(
    api: &Api<'_>,
    path: &str,
    body: &Value,
    said: &SaidArgs,
    as_json: bool,
) -> anyhow::Result<()> {
    let plans = format!("{path}/plans");
    let plan = api.send(Method::POST, &plans, body, Some("*")).await?.body;
    let summary = plain(plan["summary"].as_str().unwrap_or_default()).to_string();
    if !said.yes {
        return output::line(&match as_json {
            true => plan.to_string(),
            false => format!("{summary}\nnothing was done; with --yes it is"),
        });
    }
    let run = format!("/plans/{}/run", plan["id"].as_str().unwrap_or_default());
    let order = json!({ "why": said.why, "name": plan["confirm"].as_str().unwrap_or_default() });
    let mut ran = api.send(Method::POST, &run, &order, None).await?.body;
    let see = run.trim_end_matches("/run").to_owned();
    while ran["state"] == "running" {
        tokio::time::sleep(LOOK_EVERY).await;
        ran = api.get(&see, &[]).await?;
    }
    match ran["error"].as_str() {
        Some(error) => anyhow::bail!("{summary}: {}", plain(error)),
        None => print_saved(&ran["facts"]["came_of_it"], as_json),
    }
}

fn print_saved(saved: &Value, as_json: bool) -> anyhow::Result<()> {
    output::line(&match as_json {
        true => saved.to_string(),
        false => {
            let version = saved["version"].as_str().unwrap_or_default();
            match saved["moved"]["to"].as_str() {
                Some(to) => format!(
                    "in force as {version}: {} moved to {}, which had {} already",
                    saved["removed"],
                    plain(to),
                    saved["moved"]["listed"]
                ),
                None => format!(
                    "in force as {version}: {} added, {} removed",
                    saved["added"], saved["removed"]
                ),
            }
        }
    })?;
    Ok(())
}

/// What entries lead to in the list that they go to.
fn moved_lines(moved: &Value) -> Vec<String> {
    let each = |name: &str| moved[name].as_array().cloned().unwrap_or_default();
    let action = |one: &Value| plain(one.as_str().unwrap_or("not in force")).to_string();
    let mut lines = Vec::new();
    for one in each("actions") {
        let (from, to) = (action(&one["from"]), action(&one["to"]));
        lines.push(format!("{}: {from} here, {to} there", one["entries"]));
    }
    if moved["listed"].as_u64().unwrap_or_default() > 0 {
        let named = each("listed_entries");
        let named: Vec<String> = named.iter().map(action).collect();
        let listed = &moved["listed"];
        lines.push(format!("{listed} there already: {}", named.join(", ")));
    }
    for (name, said) in [
        ("hooks_left", "not looked for any more in"),
        ("hooks_new", "looked for from then on in"),
    ] {
        let hooks: Vec<String> = each(name).iter().map(action).collect();
        if !hooks.is_empty() {
            lines.push(format!("{said} {}", hooks.join(", ")));
        }
    }
    if moved["other_options"] == true {
        lines.push("that list folds texts otherwise".to_owned());
    }
    lines
}

async fn preview(api: &Api<'_>, list: &str, body: &Value, as_json: bool) -> anyhow::Result<()> {
    let path = format!("/lists/{}/preview", part(list));
    let preview = api.send(Method::POST, &path, body, None).await?.body;
    if as_json {
        output::line(&preview.to_string())?;
        return Ok(());
    }
    for line in moved_lines(&preview["moved"]) {
        output::line(&line)?;
    }
    for kind in ["recent", "everyday"] {
        let of = |name: &str| preview[kind][name].as_u64().unwrap_or_default();
        output::line(&format!(
            "{kind}: of {} texts {} newly blocked, {} masked, {} flagged, {} counted, {} freed",
            of("texts"),
            of("blocked"),
            of("masked"),
            of("flagged"),
            of("shadowed"),
            of("freed")
        ))?;
    }
    for problem in preview["problems"].as_array().into_iter().flatten() {
        for one in problem.as_array().into_iter().flatten() {
            output::line(&format!(
                "  {}",
                plain(one["what"].as_str().unwrap_or_default())
            ))?;
        }
    }
    for excerpt in preview["excerpts"].as_array().into_iter().flatten() {
        let text = |name: &str| plain(excerpt[name].as_str().unwrap_or_default()).to_string();
        output::line(&format!(
            "  {} {}: {}",
            text("of"),
            text("shift"),
            text("text")
        ))?;
    }
    Ok(())
}
