//! `callgate replay`: recorded calls under the policy in force and under a candidate's.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::api::{Api, Declined, part};
use super::client;
use super::exit::EXIT_BAD_INPUT;
use super::files::Files;
use super::output::{self, plain};
use super::reach::AdminArgs;
use super::since;
use crate::policy::{
    self, CompileContext, Differences, FileSet, RecordedCall, ReplayReport, Snapshot,
};
use crate::reload::read_files;

/// A version that came into force is among the kept ones soon after.
const KEPT_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Exit codes: 0 nothing speaks against the candidate, 1 a policy has errors, no call could be
/// judged, or with --same any comes out otherwise; 3 the server cannot be reached.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy that is to be tried: a directory with policy.yaml.
    #[arg(long, value_name = "DIR")]
    candidate: PathBuf,
    /// Calls from a file (`-`: standard input), one JSON object a line, and not from a running
    /// server; the policy in force is then that of --policies.
    #[arg(long, value_name = "FILE")]
    calls: Option<PathBuf>,
    /// Not what is older: 2h, 3d, or 2026-11-28T21:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = since::read, conflicts_with = "calls")]
    since: Option<String>,
    /// Not what is newer.
    #[arg(long, value_name = "TIME", value_parser = since::read, conflicts_with = "calls")]
    until: Option<String>,
    /// Fail if any call comes out otherwise.
    #[arg(long)]
    same: bool,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let Some(candidate) = compiled_at(&args.candidate) else {
        return Ok(ExitCode::from(EXIT_BAD_INPUT));
    };
    let compared = match &args.calls {
        Some(calls) => {
            let Some(ruling) = compiled_at(&files.policies) else {
                return Ok(ExitCode::from(EXIT_BAD_INPUT));
            };
            let mut replay = Replay::new(&ruling, &candidate);
            from_file(calls, &mut replay)?;
            Ok(replay.end())
        }
        None => {
            let reach = args.admin.reach(files)?;
            client::block_on(from_server(&Api::at(&reach), &args, &candidate))
        }
    };
    match compared {
        Ok(report) => told(&report, &args),
        Err(error) => match error.downcast_ref::<Declined>() {
            Some(declined) => {
                output::complain(&format!("callgate: {declined}"));
                Ok(ExitCode::from(declined.exit()))
            }
            None => Err(error),
        },
    }
}

/// The policy in a directory; `None` if it has errors, which are told.
fn compiled_at(directory: &Path) -> Option<Snapshot> {
    match read_files(directory) {
        Ok(files) => compiled(&files),
        Err(problem) => {
            output::problems([&*problem]);
            None
        }
    }
}

fn compiled(files: &FileSet) -> Option<Snapshot> {
    let compiled = policy::compile_untried(files, &context(), 1);
    if compiled.snapshot.is_none() {
        output::problems(&compiled.problems);
    }
    compiled.snapshot
}

fn context() -> CompileContext {
    CompileContext {
        env: std::env::vars().collect(),
        ..CompileContext::default()
    }
}

/// Two policies, and what differs so far.
struct Replay<'a> {
    ruling: &'a Snapshot,
    candidate: &'a Snapshot,
    differences: Differences,
    calls: u64,
    started: Instant,
}

impl Replay<'_> {
    fn new<'a>(ruling: &'a Snapshot, candidate: &'a Snapshot) -> Replay<'a> {
        Replay {
            ruling,
            candidate,
            differences: Differences::default(),
            calls: 0,
            started: Instant::now(),
        }
    }

    fn judge(&mut self, call: &RecordedCall) {
        self.calls += 1;
        self.differences.judge(self.ruling, self.candidate, call);
    }

    /// How fast it was is for people, and no part of what is compared.
    fn end(self) -> ReplayReport {
        let took = self.started.elapsed().as_secs_f64();
        if self.calls > 0 {
            output::complain(&format!(
                "callgate: {} calls in {took:.2} s, {:.0} a second",
                self.calls,
                self.calls as f64 / took.max(1e-9)
            ));
        }
        self.differences.report()
    }
}

/// A line that is wrong ends it: whoever writes calls is told, and nothing is left out silently.
fn from_file(path: &Path, replay: &mut Replay<'_>) -> anyhow::Result<()> {
    let shown = path.display();
    let reader: Box<dyn BufRead> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => {
            let file = fs::File::open(path);
            let file = file.with_context(|| format!("{shown} cannot be read"))?;
            Box::new(BufReader::with_capacity(1 << 20, file))
        }
    };
    for (index, line) in reader.split(b'\n').enumerate() {
        let line = line.with_context(|| format!("{shown} cannot be read"))?;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match RecordedCall::read(&line) {
            Ok(call) => replay.judge(&call),
            Err(why) => bail!("{shown}:{}: {why}", index + 1),
        }
    }
    Ok(())
}

async fn from_server(
    api: &Api<'_>,
    args: &Args,
    candidate: &Snapshot,
) -> anyhow::Result<ReplayReport> {
    let files = files_in_force(api).await?;
    let Some(ruling) = compiled(&files) else {
        bail!(
            "the policy in force cannot be compiled here: it may depend on the server's environment"
        );
    };
    let mut query = Vec::new();
    if let Some(since) = &args.since {
        query.push(("since", since.as_str()));
    }
    if let Some(until) = &args.until {
        query.push(("until", until.as_str()));
    }
    let mut replay = Replay::new(&ruling, candidate);
    api.lines("/recordings.ndjson", &query, |line| {
        match RecordedCall::read(line.as_bytes()) {
            Ok(call) => replay.judge(&call),
            Err(_) => replay.differences.add_unreadable(),
        }
        Ok(())
    })
    .await?;
    Ok(replay.end())
}

async fn number_in_force(api: &Api<'_>) -> anyhow::Result<Option<u64>> {
    let mut found = None;
    api.each("/versions", &[], |version| {
        if version["in_force"] == true {
            found = version["number"].as_u64();
        }
        Ok(found.is_none())
    })
    .await?;
    Ok(found)
}

/// The files of the version that rules at the server.
async fn files_in_force(api: &Api<'_>) -> anyhow::Result<FileSet> {
    let asked = Instant::now();
    let number = loop {
        match number_in_force(api).await? {
            Some(number) => break number,
            // It may be in force since a moment ago.
            None if asked.elapsed() < KEPT_WITHIN => tokio::time::sleep(LOOK_EVERY).await,
            None => bail!(
                "the server keeps no version of the policy in force; take its recorded calls with --calls"
            ),
        }
    };
    let version = api.get(&format!("/versions/{number}"), &[]).await?;
    let mut files = FileSet {
        root: format!("version {number}"),
        files: std::collections::BTreeMap::new(),
    };
    for file in version["files"].as_array().into_iter().flatten() {
        let path = file["path"].as_str().unwrap_or_default();
        let route = format!("/versions/{number}/files/{}", part(path));
        let file = api.get(&route, &[]).await?;
        let content = match file["text"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => bail!("`{path}` of the policy in force is no text"),
        };
        files.files.insert(path.to_owned(), content.into());
    }
    let hash = policy::content_hash(&files, &context());
    let ruling = version["version"].as_str().unwrap_or_default();
    if !ruling.ends_with(&*hash) {
        output::complain(
            "callgate: the server's environment says something else of the policy than this one's; \
             it is compared as it is here",
        );
    }
    Ok(files)
}

fn told(report: &ReplayReport, args: &Args) -> anyhow::Result<ExitCode> {
    match args.json {
        true => output::line(&serde_json::to_string(report)?)?,
        false => output::page(&text(report))?,
    }
    if report.judged == 0 {
        output::complain("callgate: no call could be judged");
    }
    let is_good = report.judged > 0 && !(args.same && report.changed > 0);
    Ok(match is_good {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_BAD_INPUT),
    })
}

fn text(report: &ReplayReport) -> String {
    let share = |count: u64| match report.judged {
        0 => "-".to_owned(),
        judged => format!("{:.2} %", 100.0 * count as f64 / judged as f64),
    };
    let mut text = format!(
        "judged: {}, of which {} come out otherwise\n\
         newly blocked: {} ({}); freed: {} ({})\n\
         masked: {}, no longer: {}; other words: {}; marked alone: {}, no longer: {}\n\
         blocked in all: {} before, {} after\n",
        report.judged,
        report.changed,
        report.blocked,
        share(report.blocked),
        report.freed,
        share(report.freed),
        report.masked,
        report.unmasked,
        report.altered,
        report.marked,
        report.unmarked,
        share(report.blocked_before),
        share(report.blocked_after),
    );
    for (endpoint, count) in &report.unknown {
        text += &format!(
            "unknown: {count} calls, `{}` would be asked and was not\n",
            plain(endpoint)
        );
    }
    if report.unreadable > 0 {
        text += &format!("unreadable: {}\n", report.unreadable);
    }
    for group in &report.groups {
        let cause = &group.cause;
        text += &format!(
            "\n{} {} ({})  {}  {} {}",
            group.change,
            group.count,
            share(group.count),
            cause.hook,
            cause.rule,
            plain(&cause.name)
        );
        if let Some(entry) = &cause.entry {
            text += &format!(": {}", plain(entry));
        }
        if let Some(line) = cause.line {
            text += &format!(" (line {line})");
        }
        text.push('\n');
        for excerpt in &group.excerpts {
            text += &format!("    {}\n", plain(excerpt));
        }
    }
    if !report.senders.is_empty() {
        let named = report.senders.iter();
        let named: Vec<String> = named
            .map(|one| format!("{} {}", plain(&one.sender), one.count))
            .collect();
        text += &format!(
            "\nsenders of what is newly blocked: {}, with the most: {}\n",
            report.senders_all,
            named.join(", ")
        );
    }
    text
}
