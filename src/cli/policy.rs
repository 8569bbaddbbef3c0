//! `callgate policy`: the policy of all replicas (`policies: postgres`), written and read whole.
//!
//! A running server is asked over its API; with `--direct` PostgreSQL is, as engine.yaml says.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Map, Value, json};

use super::api::{Api, Declined};
use super::audited;
use super::client;
use super::engine_file::load_config;
use super::exit::{EXIT_BAD_INPUT, EXIT_NO_SERVER};
use super::files::Files;
use super::output::{self, plain};
use super::reach::AdminArgs;
use super::shared;
use crate::audit::Act;
use crate::callback::{check_secret, check_tls};
use crate::callers::check_token;
use crate::config::Config;
use crate::policy::CompileContext;
use crate::reload::{Contents, Draft, Ledger, NotShared, mirror, read_files, to_share};
use crate::settings::{Problem, Severity};
use crate::versions::Origin;

/// In a directory that was pulled: the version that it is.
const PULLED: &str = ".callgate-version";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Order,
    #[command(flatten)]
    admin: AdminArgs,
    /// Ask PostgreSQL itself, as `storage` of engine.yaml says.
    #[arg(long, global = true, conflicts_with = "server")]
    direct: bool,
    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Make the files of a directory the policy of all replicas.
    Push {
        /// The directory, with policy.yaml; engine.yaml is no part of it.
        dir: PathBuf,
        /// Why, for the record.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// The version that it was made from: while another one is the newest nothing is changed.
        /// Without it the version that the directory was pulled as, or else the newest one.
        #[arg(long, value_name = "N")]
        base: Option<u64>,
        /// Also where it changes more than the policy expects of a change (`expect`).
        #[arg(long)]
        force: bool,
    },
    /// Write the files of the policy in force into a directory that is new, or was pulled before.
    Pull {
        /// The directory.
        dir: PathBuf,
    },
}

/// Exit codes: 0 done, 1 it has errors or another version came first, 3 nobody answers.
pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let done = match &args.order {
        Order::Push {
            dir,
            reason,
            base,
            force,
        } => push(files, &args, dir, reason, *base, *force),
        Order::Pull { dir } => pull(files, &args, dir),
    };
    done.or_else(|error| {
        if output::is_closed(&error) {
            return Err(error);
        }
        output::complain(&format!("callgate: {error:#}"));
        let declined = error.downcast_ref::<Declined>().map(Declined::exit);
        let overtaken = error.downcast_ref::<NotShared>();
        let overtaken = overtaken.filter(|error| matches!(error, NotShared::Overtaken(_)));
        let code = declined.or(overtaken.map(|_| EXIT_BAD_INPUT));
        Ok(ExitCode::from(code.unwrap_or(EXIT_NO_SERVER)))
    })
}

fn push(
    files: &Files,
    args: &Args,
    dir: &Path,
    reason: &str,
    base: Option<u64>,
    force: bool,
) -> anyhow::Result<ExitCode> {
    if reason.trim().is_empty() {
        bail!("`--reason` is empty: say what the change is for");
    }
    let found = match read_files(dir) {
        Ok(found) => found.files,
        Err(problem) => return Ok(refused(&[*problem], args.json)),
    };
    if !found.contains_key("policy.yaml") {
        bail!("`{}` has no policy.yaml", dir.display());
    }
    let base = base.or_else(|| pulled(dir));
    let pushed = match args.direct {
        true => push_direct(files, dir, found, reason, base)?,
        false => push_to_server(files, args, dir, &found, reason, base, force)?,
    };
    let pushed = match pushed {
        Ok(pushed) => pushed,
        Err(problems) => return Ok(refused(&problems, args.json)),
    };
    if pulled(dir).is_some() {
        mark(dir, pushed["number"].as_u64().unwrap_or_default())?;
    }
    if args.json {
        output::line(&pushed.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let version = match pushed["version"].as_str() {
        Some(version) => plain(version).to_string(),
        None => format!("version {}", pushed["number"]),
    };
    output::line(&match pushed["changed"] == true {
        true => format!("{version} is the policy of all replicas"),
        false => format!("{version} is the policy of all replicas, as before"),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What was pushed, or why it cannot be.
type Pushed = Result<Value, Vec<Problem>>;

fn push_to_server(
    files: &Files,
    args: &Args,
    dir: &Path,
    found: &Contents,
    reason: &str,
    base: Option<u64>,
    force: bool,
) -> anyhow::Result<Pushed> {
    let reach = args.admin.reach(files)?;
    let contents = found.iter();
    let contents: Map<String, Value> = contents
        .map(|(path, content)| (path.clone(), STANDARD.encode(content).into()))
        .collect();
    let done = client::block_on(async {
        let api = Api::at(&reach);
        let over = match base {
            Some(base) => base,
            None => newest(&api.get("/status", &[]).await?)?,
        };
        let body = json!({ "files": contents, "over": over, "why": reason, "force": force });
        api.send(Method::POST, "/policy", &body, None).await
    });
    let error = match done {
        Ok(done) => return Ok(Ok(done.body)),
        Err(error) => error,
    };
    match error.downcast_ref::<Declined>() {
        Some(declined) if declined.status == 413 => Err(error.context(
            "more than `admin.api.body_bytes_max` of engine.yaml; `--direct` has no such limit",
        )),
        Some(declined) if declined.params["problems"].is_array() => {
            Ok(Err(problems_of(&declined.params["problems"], dir)))
        }
        _ => Err(error),
    }
}

fn newest(status: &Value) -> anyhow::Result<u64> {
    let newest = status["policy"]["shared"]["newest"].as_u64();
    newest.ok_or_else(|| {
        anyhow!("this server reads its policy from files (`policies: files` in its engine.yaml)")
    })
}

/// The server's problems, by the names of the files here.
fn problems_of(told: &Value, dir: &Path) -> Vec<Problem> {
    let problems = told.as_array().into_iter().flatten();
    let problems = problems.map(|one| {
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        let number = |key: &str| u32::try_from(one[key].as_u64().unwrap_or_default());
        let file = text("file");
        let below = file.rsplit_once("policies/").map_or(file, |(_, path)| path);
        Problem {
            line: number("line").unwrap_or_default(),
            column: number("column").unwrap_or_default(),
            path: text("path").to_owned(),
            severity: match text("severity") {
                "warning" => Severity::Warning,
                "note" => Severity::Note,
                _ => Severity::Error,
            },
            ..Problem::of_file(
                dir.join(below).display().to_string(),
                text("what"),
                text("way_out"),
            )
        }
    });
    problems.collect()
}

fn push_direct(
    files: &Files,
    dir: &Path,
    found: Contents,
    reason: &str,
    base: Option<u64>,
) -> anyhow::Result<Pushed> {
    let config = shared_config(files)?;
    let mirror = shared::mirror_of(&config);
    let (files, hash) = match to_share(&mirror, found, &context_of(&config)) {
        Ok(shared) => shared,
        Err(problems) => return Ok(Err(shared::named_in(problems, &mirror, dir))),
    };
    let ledger = shared::open(&config)?;
    let newest = ledger.newest(0)?;
    let over = newest.as_ref().map_or(0, |given| given.number);
    if let Some(base) = base.filter(|base| *base != over) {
        return Err(
            anyhow!(NotShared::Overtaken(over)).context(format!("it was made from version {base}"))
        );
    }
    if newest.is_some_and(|given| given.files == files) {
        return Ok(Ok(json!({ "number": over, "changed": false })));
    }
    let act = Act::new("policy.push", audited::who()).because(reason);
    let begun = audited::open(&config).begin(act)?;
    let draft = Draft {
        over,
        at_least: over + 1,
        hash: Arc::clone(&hash),
        origin: Origin {
            who: audited::who(),
            why: reason.to_owned(),
            restores: None,
        },
        files,
    };
    match ledger.publish(&draft) {
        Ok(number) => {
            begun.done();
            let version = format!("{number}-{hash}");
            Ok(Ok(
                json!({ "number": number, "version": version, "changed": true }),
            ))
        }
        Err(error) => {
            begun.failed(&error.to_string());
            Err(error.into())
        }
    }
}

fn shared_config(files: &Files) -> anyhow::Result<Config> {
    let env: Vec<_> = std::env::vars().collect();
    let config = load_config(&files.policies, &env)?.map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    if !config.policies_shared {
        bail!("`policies` in engine.yaml is files: edit those, they are the policy");
    }
    Ok(config)
}

fn context_of(config: &Config) -> CompileContext {
    CompileContext {
        env: std::env::vars().collect(),
        listeners: config.listeners(),
        check_secret: Some(check_secret),
        check_tls: Some(check_tls),
        check_token: Some(check_token),
        open_ports: config.open_ports(),
        plain_ports: config.plain_ports(),
        is_candidate: false,
    }
}

fn refused(problems: &[Problem], json: bool) -> ExitCode {
    match json {
        true => {
            let problems = serde_json::to_value(problems).unwrap_or_default();
            let _ = output::line(&json!({ "problems": problems }).to_string());
        }
        false => output::problems(problems),
    }
    output::complain("callgate: refused, the policy of all replicas stays as it is");
    ExitCode::from(EXIT_BAD_INPUT)
}

fn pull(files: &Files, args: &Args, dir: &Path) -> anyhow::Result<ExitCode> {
    let is_new = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if !is_new && pulled(dir).is_none() {
        bail!(
            "`{}` holds something that was not pulled, and would be written over: name a new directory",
            dir.display()
        );
    }
    let (number, contents) = match args.direct {
        true => {
            let ledger = shared::open(&shared_config(files)?)?;
            let given = ledger.newest(0)?;
            let given = given.ok_or_else(|| anyhow!("PostgreSQL has no policy yet"))?;
            (given.number, given.files)
        }
        false => ask_server(files, args)?,
    };
    let written = mirror::write(dir, &contents);
    written.with_context(|| format!("`{}` cannot be written", dir.display()))?;
    mark(dir, number)?;
    let count = contents.len();
    output::line(&match args.json {
        true => json!({ "number": number, "files": count }).to_string(),
        false => format!("version {number}, {count} file(s)"),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn ask_server(files: &Files, args: &Args) -> anyhow::Result<(u64, Contents)> {
    let reach = args.admin.reach(files)?;
    let policy = client::block_on(async { Api::at(&reach).get("/policy", &[]).await })?;
    let told = policy["files"].as_object().into_iter().flatten();
    let mut contents = BTreeMap::new();
    for (path, content) in told {
        let content = content.as_str().and_then(|text| STANDARD.decode(text).ok());
        let content = content.with_context(|| format!("the content of `{path}` is not base64"))?;
        contents.insert(path.clone(), Arc::from(content));
    }
    let number = policy["number"].as_u64();
    let number = number.ok_or_else(|| anyhow!("the server's answer has no number"))?;
    Ok((number, contents))
}

/// The version that a directory was pulled as.
fn pulled(dir: &Path) -> Option<u64> {
    let text = fs::read_to_string(dir.join(PULLED)).ok()?;
    text.trim().parse().ok()
}

fn mark(dir: &Path, number: u64) -> anyhow::Result<()> {
    let path = dir.join(PULLED);
    fs::write(&path, format!("{number}\n"))
        .with_context(|| format!("`{}` cannot be written", path.display()))
}
