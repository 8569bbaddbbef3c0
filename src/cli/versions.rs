//! `callgate versions`: the policies that were in force, what each changed, and how one is brought
//! back.
//!
//! A running server is asked over its API. Of one that is stopped the files are read as they are;
//! what is written then comes into force at the next start.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use http::Method;
use serde_json::{Value, json};

use super::api::{Api, Declined, part};
use super::audited;
use super::client;
use super::engine_file::{load_config, refuse_half_restored};
use super::exit::{EXIT_BAD_INPUT, EXIT_NO_SERVER};
use super::files::Files;
use super::output::{self, plain};
use super::reach::{Asked, Reach, TlsArgs};
use crate::admin::versions;
use crate::config::Config;
use crate::versions::{Origin, Store, is_in_use, leave_to_start};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Order,
    /// Operators' address of the running server; without it `admin.listen` of engine.yaml, and the
    /// files themselves where no server runs.
    #[arg(long, global = true, env = "CALLGATE_ADMIN", value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    tls: TlsArgs,
    /// Print one JSON object, or one a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Print the versions that are kept, newest first.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: usize,
    },
    /// Print one version: when, who, why, its files; or one of its files, as it was.
    Show {
        /// The number of the version.
        number: u64,
        /// Print the content of this file instead.
        #[arg(long, value_name = "PATH")]
        file: Option<String>,
    },
    /// Print what a version changed, as `patch` takes it.
    Diff {
        /// The number of the version.
        number: u64,
        /// The version to compare it with; without it the one before.
        #[arg(long, value_name = "N")]
        with: Option<u64>,
    },
    /// Bring a version back: write its files into the policy directory. What comes into force is a
    /// new version. Without --yes it says what would be done.
    Rollback {
        /// The number of the version.
        number: u64,
        /// Do it.
        #[arg(long, requires = "why")]
        yes: bool,
        /// Why; it stands in the audit and beside the new version.
        #[arg(long, value_name = "REASON")]
        why: Option<String>,
        /// Print the patch alone, for a directory that cannot be written here.
        #[arg(long, conflicts_with = "yes")]
        patch: bool,
    },
}

/// Who has the versions: a server, or this command itself.
enum Holder {
    Server(Reach),
    Files(Box<Config>),
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let holder = match find(files, &args)? {
        Ok(holder) => holder,
        Err(code) => return Ok(code),
    };
    let asked = client::block_on(async {
        match &args.order {
            Order::List { limit } => list(&holder, *limit, args.json).await,
            Order::Show { number, file } => {
                show(&holder, *number, file.as_deref(), args.json).await
            }
            Order::Diff { number, with } => diff(&holder, *number, *with, args.json).await,
            Order::Rollback {
                number,
                yes,
                why,
                patch,
            } => {
                let why = why.as_deref().filter(|_| *yes);
                rollback(&holder, files, *number, why, *patch, args.json).await
            }
        }
    });
    match asked {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match error.downcast_ref::<Declined>() {
            Some(declined) => {
                output::complain(&format!("callgate: {declined}"));
                Ok(ExitCode::from(declined.exit()))
            }
            None if output::is_closed(&error) => Err(error),
            None => {
                output::complain(&format!("callgate: {error:#}"));
                Ok(ExitCode::from(match holder {
                    Holder::Server(_) => EXIT_NO_SERVER,
                    Holder::Files(_) => EXIT_BAD_INPUT,
                }))
            }
        },
    }
}

fn find(files: &Files, args: &Args) -> anyhow::Result<Result<Holder, ExitCode>> {
    if args.server.is_some() {
        let reach = Reach::find(Asked::Admin, args.server.clone(), &args.tls, files)?;
        return Ok(Ok(Holder::Server(reach)));
    }
    let env: Vec<_> = std::env::vars().collect();
    let config = match load_config(&files.policies, &env)? {
        Ok(config) => config,
        Err(problems) => {
            output::problems(&problems);
            return Ok(Err(ExitCode::from(EXIT_BAD_INPUT)));
        }
    };
    match is_in_use(&config.versions.folder) {
        true => {
            let reach = Reach::of(Asked::Admin, None, &args.tls, Some(&config))?;
            Ok(Ok(Holder::Server(reach)))
        }
        false => {
            refuse_half_restored(&config)?;
            Ok(Ok(Holder::Files(Box::new(config))))
        }
    }
}

fn store(config: &Config) -> Store {
    Store::new(&config.versions.folder)
}

async fn list(holder: &Holder, limit: usize, json: bool) -> anyhow::Result<()> {
    let mut left = limit;
    let mut print = |version: Value| {
        if left == 0 {
            return Ok(false);
        }
        left -= 1;
        match json {
            true => output::line(&version.to_string())?,
            false => output::line(&line_of(&version))?,
        }
        anyhow::Ok(left > 0)
    };
    match holder {
        Holder::Server(reach) => Api::at(reach).each("/versions", &[], print).await,
        Holder::Files(config) => {
            let (records, _) = versions::page(&store(config), None, limit)?;
            for record in records {
                // Nothing runs, so nothing is in force.
                print(versions::summary(&record, 0))?;
            }
            Ok(())
        }
    }
}

fn line_of(version: &Value) -> String {
    let text = |key: &str| plain(version[key].as_str().unwrap_or_default());
    let mut line = format!(
        "{:<20} {}  {:<16} {} file(s)",
        text("version"),
        text("at"),
        text("who"),
        version["files"],
    );
    if version["in_force"] == true {
        line.push_str("  in force");
    }
    if let Some(restores) = version["restores"].as_u64() {
        line.push_str(&format!("  brings back {restores}"));
    }
    match text("why") {
        why if why.is_empty() => line,
        why => format!("{line}  {why}"),
    }
}

async fn show(holder: &Holder, number: u64, file: Option<&str>, json: bool) -> anyhow::Result<()> {
    if let Some(path) = file {
        return show_file(holder, number, path).await;
    }
    let version = match holder {
        Holder::Server(reach) => {
            Api::at(reach)
                .get(&format!("/versions/{number}"), &[])
                .await?
        }
        Holder::Files(config) => versions::details(&store(config).record(number)?, 0),
    };
    if json {
        return output::line(&version.to_string());
    }
    let mut counted = version.clone();
    counted["files"] = version["files"].as_array().map_or(0, Vec::len).into();
    let mut page = line_of(&counted) + "\n";
    for (kind, of) in [("", "files"), ("outside  ", "outside")] {
        for file in version[of].as_array().into_iter().flatten() {
            let path = plain(file["path"].as_str().unwrap_or_default());
            let sha256 = file["sha256"].as_str().unwrap_or_default();
            let secret = match (file["kept"] == false, file["secret"] == true) {
                (true, true) => "  a secret, which is not kept",
                (true, false) => "  no policy is read from it, and it is not kept",
                _ => "",
            };
            let digest = sha256.get(..12).unwrap_or_default();
            page.push_str(&format!(
                "  {kind}{path}  {} bytes  sha256 {digest}…{secret}\n",
                file["bytes"]
            ));
        }
    }
    output::page(&page)
}

async fn show_file(holder: &Holder, number: u64, path: &str) -> anyhow::Result<()> {
    let content = match holder {
        Holder::Server(reach) => {
            let asked = format!("/versions/{number}/files/{}", part(path));
            let file = Api::at(reach).get(&asked, &[]).await?;
            match (file["text"].as_str(), file["base64"].as_str()) {
                (Some(text), _) => text.as_bytes().to_owned(),
                (None, Some(base64)) => {
                    use base64::Engine;
                    use base64::engine::general_purpose::STANDARD;
                    STANDARD.decode(base64)?
                }
                (None, None) => bail!("the server's answer has no content"),
            }
        }
        Holder::Files(config) => {
            let store = store(config);
            let record = store.record(number)?;
            let file = record.file(path).ok_or_else(|| {
                let known: Vec<_> = record.files.iter().map(|file| file.path.as_str()).collect();
                anyhow!(
                    "version {number} has no file `{path}`; it has `{}`",
                    known.join("`, `")
                )
            })?;
            store.content(number, file)?
        }
    };
    output::bytes(&content)
}

async fn diff(holder: &Holder, number: u64, with: Option<u64>, json: bool) -> anyhow::Result<()> {
    let diff = match holder {
        Holder::Server(reach) => {
            let with = with.map(|with| with.to_string());
            let query: Vec<_> = with.iter().map(|with| ("with", with.as_str())).collect();
            let asked = format!("/versions/{number}/diff");
            Api::at(reach).get(&asked, &query).await?
        }
        Holder::Files(config) => {
            let (with, diffs) = versions::differences(&store(config), number, with)?;
            let files: Vec<_> = diffs
                .iter()
                .map(|diff| versions::difference(diff, true))
                .collect();
            json!({ "number": number, "with": with, "files": files })
        }
    };
    if json {
        return output::line(&diff.to_string());
    }
    output::page(&patch_of(&diff["files"]))
}

/// Each file with what became of it.
fn patch_of(files: &Value) -> String {
    let mut page = String::new();
    for file in files.as_array().into_iter().flatten() {
        match file["patch"].as_str() {
            Some(patch) => {
                let lines = patch.split_inclusive('\n');
                page.extend(lines.map(|line| match line.strip_suffix('\n') {
                    Some(line) => plain(line) + "\n",
                    None => plain(line),
                }));
            }
            None => page.push_str(&format!(
                "# {} {}: its lines are not shown\n",
                plain(file["path"].as_str().unwrap_or_default()),
                file["change"].as_str().unwrap_or_default(),
            )),
        }
    }
    page
}

async fn rollback(
    holder: &Holder,
    files: &Files,
    number: u64,
    why: Option<&str>,
    patch: bool,
    json: bool,
) -> anyhow::Result<()> {
    let path = format!("/versions/{number}/rollback");
    let plan = match holder {
        Holder::Server(reach) => {
            let dry = json!({ "dry_run": true });
            Api::at(reach)
                .send(Method::POST, &path, &dry, None)
                .await?
                .body
        }
        Holder::Files(config) => {
            let plan = versions::plan(&store(config), &files.policies, number)?;
            let mut shown = versions::plan_json(&plan, true);
            if let Err(error) = plan.check(&files.policies) {
                shown["refused"] = error.to_string().into();
            }
            shown
        }
    };
    if patch {
        let patch = plan["patch"].as_str().unwrap_or_default();
        return output::bytes(patch.as_bytes());
    }
    let Some(why) = why else {
        if json {
            return output::line(&plan.to_string());
        }
        return output::page(&plan_page(&plan, number));
    };
    let done = match holder {
        Holder::Server(reach) => {
            let order = json!({ "plan": plan["plan"], "why": why });
            Api::at(reach)
                .send(Method::POST, &path, &order, None)
                .await?
                .body
        }
        Holder::Files(config) if config.policies_shared => bail!(
            "the policy is in PostgreSQL (`policies: postgres`): start a replica, and have it do this"
        ),
        Holder::Files(config) => carry_out(config, files, number, why)?,
    };
    if json {
        return output::line(&done.to_string());
    }
    let written = done["files"].as_array().map_or(0, Vec::len);
    let problems = done["problems"].as_array().map_or(0, Vec::len);
    let line = match (done["in_force"].as_str(), problems) {
        (Some(version), 0) => format!("{written} file(s) written; {version} is in force"),
        (Some(version), problems) => format!(
            "{written} file(s) written; {version} stays in force, the files have {problems} problem(s)"
        ),
        (None, _) => format!("{written} file(s) written; they are in force with the next start"),
    };
    output::line(&line)
}

/// Nothing runs: the files are written here, and come into force with the next start.
fn carry_out(config: &Config, files: &Files, number: u64, why: &str) -> anyhow::Result<Value> {
    let store = store(config);
    let plan = versions::plan(&store, &files.policies, number)?;
    if plan.steps.is_empty() {
        bail!("the files are those of version {number} already");
    }
    let origin = Origin {
        who: audited::who(),
        why: why.to_owned(),
        restores: Some(number),
    };
    let act = versions::rollback(audited::who(), &plan, why);
    let begun = audited::open(config).begin(act)?;
    let done = plan
        .carry_out(&store, &files.policies, &origin)
        .and_then(|()| leave_to_start(&store, number, &origin));
    match done {
        Ok(()) => begun.done(),
        Err(error) => {
            begun.failed(&error.to_string());
            return Err(error.into());
        }
    }
    Ok(versions::plan_json(&plan, true))
}

fn plan_page(plan: &Value, number: u64) -> String {
    let files = plan["files"].as_array();
    if files.is_none_or(Vec::is_empty) {
        return format!("the files are those of version {number} already\n");
    }
    let mut page = String::new();
    for file in files.into_iter().flatten() {
        let path = plain(file["path"].as_str().unwrap_or_default());
        let what = match file["change"].as_str() {
            Some("added") => "made",
            Some("removed") => "removed",
            _ => "changed",
        };
        page.push_str(&format!(
            "{path}: {what}, {} line(s) more, {} line(s) less\n",
            file["lines_added"], file["lines_removed"]
        ));
        if file["unkept"] == true {
            page.push_str(
                "  what it holds now was never in force; a copy stays in data/versions/replaced\n",
            );
        }
    }
    match plan["refused"].as_str() {
        Some(why) => page.push_str(&format!(
            "it cannot be done here: {}\n`callgate versions rollback {number} --patch` prints the patch\n",
            plain(why)
        )),
        None => page.push_str(&format!(
            "nothing was done; `callgate versions rollback {number} --yes --why REASON` does it\n"
        )),
    }
    page
}
