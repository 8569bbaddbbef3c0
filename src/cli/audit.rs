//! `callgate audit`: who did what, and whether the records are all there.
//!
//! The files are read as they are, whether a server runs or not; one that runs is asked which
//! record is the last.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, anyhow};
use serde_json::{Value, json};

use super::api::{Api, Declined};
use super::client::{self, said};
use super::engine_file::{load_config, refuse_half_restored};
use super::exit::EXIT_BAD_INPUT;
use super::files::Files;
use super::output::{self, plain};
use super::reach::{Asked, Reach, TlsArgs};
use crate::audit::{self, Found, Head, Record};
use crate::config::Config;
use crate::proto::v1;

/// Records of a server elsewhere that are held to be turned round.
const RECORDS_MAX: usize = 100_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Order,
    /// Print one JSON object, or one a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Print what was done, oldest first.
    List {
        /// Not what is older: 2h, 30d, or 2026-11-28T21:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<SystemTime>,
        /// Only what somebody did whose name begins so: ann, cli, loopback, files.
        #[arg(long, value_name = "NAME")]
        who: Option<String>,
        /// Only acts whose name begins so: outbox, policy.changed.
        #[arg(long, value_name = "ACT")]
        act: Option<String>,
        /// Ask a running server for its records, instead of reading them on this machine; its
        /// operators' address. Where there are none on this machine, `admin.listen` of engine.yaml
        /// is asked.
        #[arg(long, value_name = "URL")]
        server: Option<String>,
        #[command(flatten)]
        tls: TlsArgs,
    },
    /// Check that no record was changed, removed, doubled or moved. Exit code 1 if one was.
    Verify {
        /// The last record as it was noted elsewhere, from /status or a log: it must be there.
        #[arg(long, value_name = "NUMBER:HASH", value_parser = head)]
        head: Option<Head>,
        /// Operators' address of the running server; without it `admin.listen` of engine.yaml is
        /// tried.
        #[arg(long, env = "CALLGATE_ADMIN", value_name = "URL")]
        server: Option<String>,
        #[command(flatten)]
        tls: TlsArgs,
    },
}

fn since(text: &str) -> Result<SystemTime, String> {
    let wrong = || format!("`{text}` is no time: write 2h, 30d or 2026-11-28T21:00:00Z");
    if let Ok(at) = humantime::parse_rfc3339_weak(text) {
        return Ok(at);
    }
    let ago = humantime::parse_duration(text).map_err(|_| wrong())?;
    SystemTime::now().checked_sub(ago).ok_or_else(wrong)
}

fn head(text: &str) -> Result<Head, String> {
    let wrong = |()| format!("`{text}` is no record: write its number and hash, 12:9f86d0…");
    text.parse().map_err(wrong)
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let env: Vec<_> = std::env::vars().collect();
    let config = match load_config(&files.policies, &env)? {
        Ok(config) => config,
        Err(problems) => {
            output::problems(&problems);
            return Ok(ExitCode::from(EXIT_BAD_INPUT));
        }
    };
    refuse_half_restored(&config)?;
    match args.order {
        Order::List {
            since,
            who,
            act,
            server,
            tls,
        } => {
            let wanted = Wanted { since, who, act };
            let folder = &config.audit.folder;
            if server.is_none() && folder.exists() {
                return list(folder, &wanted, args.json);
            }
            let is_named = server.is_some();
            let reach = Reach::of(Asked::Admin, server, &tls, Some(&config))?;
            match client::block_on(list_of_server(&reach, &wanted, args.json)) {
                Err(error) if !is_named && !error.is::<Declined>() => {
                    list(folder, &wanted, args.json)
                }
                done => done,
            }
        }
        Order::Verify { head, server, tls } => {
            let server = heads_of_server(server, &tls, &config)?;
            verify(&config.audit.folder, head, server, args.json)
        }
    }
}

/// Which records are asked for.
struct Wanted {
    since: Option<SystemTime>,
    who: Option<String>,
    act: Option<String>,
}

impl Wanted {
    fn wants(&self, record: &Record) -> bool {
        let begins = |text: &str, with: &Option<String>| {
            with.as_ref()
                .is_none_or(|with| text.starts_with(with.as_str()))
        };
        let is_new = |since: SystemTime| {
            let at = humantime::parse_rfc3339(&record.at);
            at.is_ok_and(|at| at >= since)
        };
        self.since.is_none_or(is_new)
            && begins(&record.who.to_string(), &self.who)
            && begins(&record.what, &self.act)
    }
}

fn list(folder: &Path, wanted: &Wanted, json: bool) -> anyhow::Result<ExitCode> {
    let (mut all, mut shown, mut printed) = (0u64, 0u64, Ok(()));
    let unreadable = audit::read(folder, |record| {
        all += 1;
        if printed.is_ok() && wanted.wants(&record) {
            shown += 1;
            printed = output::line(&match json {
                true => serde_json::to_string(&record).unwrap_or_default(),
                false => line(&record),
            });
        }
    });
    let unreadable = unreadable.map_err(|error| unread(folder, &error))?;
    printed?;
    if shown == 0 {
        let folder = folder.display();
        output::complain(&match all {
            0 => format!("nothing was recorded in `{folder}` yet"),
            all => format!("none of {all} records is like that"),
        });
    }
    for place in &unreadable {
        output::complain(&format!("callgate: {place}: this is not what was written"));
    }
    Ok(match unreadable.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_BAD_INPUT),
    })
}

/// The records of a running server, oldest first. It gives them the other way round.
async fn list_of_server(reach: &Reach, wanted: &Wanted, json: bool) -> anyhow::Result<ExitCode> {
    let since = wanted
        .since
        .map(|since| humantime::format_rfc3339_millis(since).to_string());
    let asked = [
        ("since", &since),
        ("who", &wanted.who),
        ("act", &wanted.act),
    ];
    let asked = asked
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let query: Vec<_> = asked.chain([("limit", "1000")]).collect();
    let mut records = Vec::new();
    let api = Api::at(reach);
    let read = api.each("/audit", &query, |record| {
        records.push(record);
        Ok(records.len() < RECORDS_MAX)
    });
    if let Err(error) = read.await {
        let Some(declined) = error.downcast_ref::<Declined>() else {
            return Err(error);
        };
        output::complain(&format!("callgate: {declined}"));
        return Ok(ExitCode::from(declined.exit()));
    }
    if records.len() == RECORDS_MAX {
        let hint = "say `--since` for less";
        output::complain(&format!("these are the last {RECORDS_MAX} records; {hint}"));
    }
    if records.is_empty() {
        output::complain(&format!("{} has no record like that", reach.url));
    }
    for record in records.into_iter().rev() {
        output::line(&match json {
            true => record.to_string(),
            false => line(&serde_json::from_value(record).context("this is no record")?),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unread(folder: &Path, error: &io::Error) -> anyhow::Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "; run this as the user that callgate runs as",
        _ => "",
    };
    anyhow!("`{}` cannot be read: {error}{hint}", folder.display())
}

fn line(record: &Record) -> String {
    let mut line = format!("{} {} {}", record.number, record.at, record.who);
    // Writing into a String cannot fail.
    if let Some(from) = record.from {
        let _ = write!(line, " from {from}");
    }
    let _ = write!(line, ": {} {}", record.what, record.result.name());
    if !record.target.is_empty() {
        let _ = write!(line, ", {}", record.target);
    }
    for (of, count) in &record.counts {
        let _ = write!(line, ", {of} {count}");
    }
    if !record.why.is_empty() {
        let _ = write!(line, ", why: {}", record.why);
    }
    if !record.error.is_empty() {
        let _ = write!(line, ", error: {}", record.error);
    }
    if let Some(of) = record.of {
        let _ = write!(line, " (began as {of})");
    }
    plain(&line)
}

/// What a running server says is the last record: `None` where none answers.
fn heads_of_server(
    server: Option<String>,
    tls: &TlsArgs,
    config: &Config,
) -> anyhow::Result<Option<Option<Head>>> {
    let is_named = server.is_some();
    let reach = Reach::of(Asked::Admin, server, tls, Some(config))?;
    let asked = client::block_on(async {
        let mut admin = client::admin(&reach).await?;
        let answer = admin.status(v1::StatusRequest {}).await.map_err(said)?;
        let status: Value = serde_json::from_str(&answer.into_inner().json)
            .context("the server's answer is not JSON")?;
        let head = status["audit"]["head"].as_str();
        Ok(head.and_then(|head| head.parse().ok()))
    });
    match asked {
        Ok(head) => Ok(Some(head)),
        Err(error) if is_named => Err(error),
        Err(_) => Ok(None),
    }
}

fn verify(
    folder: &Path,
    noted: Option<Head>,
    server: Option<Option<Head>>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let of_server = server.clone().flatten();
    let noted: Vec<_> = noted
        .map(|head| (head, "the head that you gave"))
        .into_iter()
        .chain(of_server.map(|head| (head, "the running server")))
        .collect();
    let found = audit::verify(folder, &noted).map_err(|error| unread(folder, &error))?;
    let is_whole = found.problems.is_empty();
    if json {
        output::line(&as_json(&found, &server).to_string())?;
    } else {
        for note in found.notes.iter().chain(&found.problems) {
            output::line(&plain(note))?;
        }
        output::line(&summary(folder, &found, server.is_some()))?;
    }
    Ok(match is_whole {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_BAD_INPUT),
    })
}

fn as_json(found: &Found, server: &Option<Option<Head>>) -> Value {
    let of_server = server.as_ref().and_then(Option::as_ref);
    json!({
        "whole": found.problems.is_empty(),
        "records": found.records,
        "first": found.first,
        "head": found.last.as_ref().map(ToString::to_string),
        "server_answers": server.is_some(),
        "server_head": of_server.map(ToString::to_string),
        "problems": found.problems,
        "notes": found.notes,
    })
}

fn summary(folder: &Path, found: &Found, with_server: bool) -> String {
    let folder = folder.display();
    let compared = match with_server {
        true => "and the running server agrees",
        false => "no server was asked",
    };
    match (&found.last, found.problems.len()) {
        (None, 0) => format!("nothing was recorded in `{folder}` yet; {compared}"),
        (Some(last), 0) => {
            let (records, first) = (found.records, found.first.unwrap_or(1));
            format!("{records} records from {first} on are whole, {compared}; the last is {last}")
        }
        (_, problems) => format!(
            "`{folder}` is not what was written: {problems} problem(s); compare it with a copy, or with the heads in the log"
        ),
    }
}
