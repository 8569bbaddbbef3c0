//! `callgate reload`: has a running server look at its policy files now.

use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::api::{Api, Declined};
use super::client;
use super::exit::EXIT_BAD_INPUT;
use super::files::Files;
use super::output::{self, plain};
use super::reach::AdminArgs;

/// Exit codes: 0 what is on disk is in force, 1 it is not, 3 the server cannot be reached.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also where it changes more than the policy expects of a change (`expect`).
    #[arg(long, requires = "reason")]
    force: bool,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let reach = args.admin.reach(files)?;
    let body = json!({ "force": args.force, "why": args.reason.unwrap_or_default() });
    let done = client::block_on(async {
        let api = Api::at(&reach);
        api.send(Method::POST, "/reload", &body, None).await
    });
    match done {
        Ok(done) => told(&done.body, args.json),
        Err(error) => match error.downcast_ref::<Declined>() {
            Some(declined) => {
                output::complain(&format!("callgate: {declined}"));
                Ok(ExitCode::from(declined.exit()))
            }
            None => Err(error),
        },
    }
}

fn told(reloaded: &Value, json: bool) -> anyhow::Result<ExitCode> {
    let problems = reloaded["problems"].as_array().cloned().unwrap_or_default();
    let is_refused = problems.iter().any(|one| one["severity"] == "error");
    if json {
        output::line(&reloaded.to_string())?;
    } else {
        for problem in &problems {
            let text = |key: &str| plain(problem[key].as_str().unwrap_or_default());
            output::complain(&format!(
                "{}:{}:{}: {}: {}: {}; {}",
                text("file"),
                problem["line"],
                problem["column"],
                text("severity"),
                text("path"),
                text("what"),
                text("way_out")
            ));
        }
        let version = plain(reloaded["version"].as_str().unwrap_or_default());
        output::line(&match (is_refused, reloaded["changed"] == true) {
            (true, _) => format!("refused; {version} stays in force"),
            (false, true) => format!("{version} is in force"),
            (false, false) => format!("{version} is in force, as before"),
        })?;
    }
    Ok(match is_refused {
        true => ExitCode::from(EXIT_BAD_INPUT),
        false => ExitCode::SUCCESS,
    })
}
