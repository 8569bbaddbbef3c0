//! `callgate trial`: how the candidate policy does beside the one in force, and what becomes of it.

use std::fmt::Write;
use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::api::{Api, Declined};
use super::client;
use super::exit::EXIT_NO_SERVER;
use super::files::Files;
use super::output::{self, plain};
use super::reach::AdminArgs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Order,
    #[command(flatten)]
    admin: AdminArgs,
    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Print how it stands: counts, differences, and how near each condition is to ending it.
    Status,
    /// Start one anew that has ended, with all counts at nothing.
    Start {
        /// Why; it stands in the audit.
        #[arg(long, value_name = "REASON")]
        why: String,
    },
    /// End it: every conversation sees the policy in force again.
    End {
        /// Why; it stands in the audit.
        #[arg(long, value_name = "REASON")]
        why: String,
    },
    /// Make the candidate the policy: write its files into the policy directory, from which a new
    /// version comes. Without --yes it says what would be done.
    Promote {
        /// Do it.
        #[arg(long, requires = "why")]
        yes: bool,
        /// Why; it stands in the audit and beside the new version.
        #[arg(long, value_name = "REASON")]
        why: Option<String>,
        /// Also where it changes more than the candidate expects of a change.
        #[arg(long, requires = "yes")]
        force: bool,
        /// Print the patch alone, for a directory that cannot be written here.
        #[arg(long, conflicts_with = "yes")]
        patch: bool,
    },
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let reach = args.admin.reach(files)?;
    let asked = client::block_on(async {
        let api = Api::at(&reach);
        let status = match &args.order {
            Order::Status => api.get("/trial", &[]).await?,
            Order::Start { why } => act(&api, "start", why).await?,
            Order::End { why } => act(&api, "end", why).await?,
            Order::Promote {
                yes,
                why,
                force,
                patch,
            } => {
                let why = why.as_deref().filter(|_| *yes);
                return promote(&api, why, *force, *patch, args.json).await;
            }
        };
        match args.json {
            true => output::line(&status.to_string()),
            false => output::page(&page(&status)),
        }
    });
    let Err(error) = asked else {
        return Ok(ExitCode::SUCCESS);
    };
    if output::is_closed(&error) {
        return Err(error);
    }
    output::complain(&format!("callgate: {error:#}"));
    Ok(ExitCode::from(match error.downcast_ref::<Declined>() {
        Some(declined) => declined.exit(),
        None => EXIT_NO_SERVER,
    }))
}

async fn act(api: &Api<'_>, order: &str, why: &str) -> anyhow::Result<Value> {
    let (path, body) = (format!("/trial/{order}"), json!({ "why": why }));
    Ok(api.send(Method::POST, &path, &body, None).await?.body)
}

async fn promote(
    api: &Api<'_>,
    why: Option<&str>,
    force: bool,
    patch: bool,
    json: bool,
) -> anyhow::Result<()> {
    let path = "/trial/promote";
    let dry = json!({ "dry_run": true });
    let plan = api.send(Method::POST, path, &dry, None).await?.body;
    if patch {
        let patch = plan["patch"].as_str().unwrap_or_default();
        return output::bytes(patch.as_bytes());
    }
    let Some(why) = why else {
        return match json {
            true => output::line(&plan.to_string()),
            false => output::page(&plan_page(&plan)),
        };
    };
    let order = json!({ "plan": plan["plan"], "why": why, "force": force });
    let done = api.send(Method::POST, path, &order, None).await?.body;
    if json {
        return output::line(&done.to_string());
    }
    let written = done["files"].as_array().map_or(0, Vec::len);
    let problems = done["problems"].as_array().map_or(0, Vec::len);
    let version = done["in_force"].as_str().unwrap_or_default();
    output::line(&match problems {
        0 => format!("{written} file(s) written; {version} is in force"),
        problems => format!(
            "{written} file(s) written; {version} stays in force, the files have {problems} problem(s)"
        ),
    })
}

fn plan_page(plan: &Value) -> String {
    let mut page = String::new();
    for file in plan["files"].as_array().into_iter().flatten() {
        let path = plain(file["path"].as_str().unwrap_or_default());
        let what = match file["change"].as_str() {
            Some("added") => "made",
            Some("removed") => "removed",
            _ => "changed",
        };
        let (more, less) = (&file["lines_added"], &file["lines_removed"]);
        let _ = writeln!(
            page,
            "{path}: {what}, {more} line(s) more, {less} line(s) less"
        );
        if file["unkept"] == true {
            page.push_str(
                "  what it holds now was never in force; a copy stays in data/versions/replaced\n",
            );
        }
    }
    page.push_str(&match plan["refused"].as_str() {
        Some(why) => format!(
            "it cannot be done here: {}\n`callgate trial promote --patch` prints the patch\n",
            plain(why)
        ),
        None => {
            "nothing was done; `callgate trial promote --yes --why REASON` does it\n".to_owned()
        }
    });
    page
}

fn page(status: &Value) -> String {
    let text = |name: &str| plain(status[name].as_str().unwrap_or("-")).to_string();
    let mut page = String::new();
    let state = text("state");
    if status["directory"].is_null() && status["candidate"].is_null() {
        return "the policy names no candidate: set `candidate.directory` in policy.yaml\n"
            .to_owned();
    }
    let _ = writeln!(
        page,
        "{state}: {} beside {}",
        text("candidate"),
        text("base")
    );
    if !status["directory"].is_null() {
        let share = (status["share"].as_f64().unwrap_or_default() * 1e4).round() / 100.0;
        let _ = writeln!(
            page,
            "mode {}, {share}% of the conversations, from {}",
            text("mode"),
            text("directory")
        );
    }
    let _ = writeln!(page, "since {}", text("started_at"));
    if let Some(at) = status["promotes_at"].as_str() {
        let _ = writeln!(page, "becomes the policy at {}", plain(at));
    }
    if let Some(why) = status["promotion_held"].as_str() {
        let _ = writeln!(page, "does not become the policy by itself: {}", plain(why));
    }
    if let Some(by) = status["ended"]["by"].as_str() {
        let ended = |name: &str| plain(status["ended"][name].as_str().unwrap_or("-")).to_string();
        let _ = writeln!(
            page,
            "ended {} by {} ({}): {}",
            ended("at"),
            plain(by),
            ended("who"),
            ended("why")
        );
    }
    for problem in status["problems"].as_array().into_iter().flatten() {
        let what = |name: &str| plain(problem[name].as_str().unwrap_or_default()).to_string();
        let _ = writeln!(
            page,
            "problem: {}:{}: {}",
            what("file"),
            problem["line"],
            what("what")
        );
    }
    for (name, title) in [
        ("ruled", "decided by the candidate"),
        ("beside", "decided by the policy, judged by both"),
    ] {
        let counts = &status[name];
        let _ = writeln!(
            page,
            "{title}: {}, of them {} blocked, {} let through",
            counts["decisions"], counts["blocks"], counts["let_through"]
        );
    }
    let _ = writeln!(
        page,
        "compared {}, not comparable {}, dropped {}",
        status["compared"], status["not_comparable"], status["dropped"]
    );
    for (name, count) in status["differences"].as_object().into_iter().flatten() {
        let _ = writeln!(page, "  {}: {count}", plain(&name.replace('>', " -> ")));
    }
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let sureness = condition["sureness"].as_f64().unwrap_or_default() * 100.0;
        let _ = writeln!(
            page,
            "ends at {} {}: {sureness:.0}% of the way",
            plain(condition["name"].as_str().unwrap_or_default()),
            plain(condition["allowed"].as_str().unwrap_or_default()),
        );
    }
    page
}
