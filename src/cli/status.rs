//! `callgate status`: what a running server does, for people.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::Value;

use super::client::{self, AdminClient, said};
use super::engine_file::load_config;
use super::exit::EXIT_BAD_INPUT;
use super::files::Files;
use super::output::{self, plain};
use super::reach::AdminArgs;
use crate::proto::v1;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    admin: AdminArgs,
    /// Print the JSON of `/status` as it is.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    if args.admin.server.is_none() {
        let env: Vec<_> = std::env::vars().collect();
        if let Err(problems) = load_config(&files.policies, &env)? {
            output::problems(&problems);
            return Ok(ExitCode::from(EXIT_BAD_INPUT));
        }
    }
    let reach = args.admin.reach(files)?;
    client::block_on(async {
        let json = ask(client::admin(&reach).await?).await?;
        if args.json {
            output::line(&json)?;
        } else {
            let status = serde_json::from_str(&json).context("the server's answer is not JSON")?;
            output::page(&page(&status))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn ask(mut admin: AdminClient) -> anyhow::Result<String> {
    let answer = admin.status(v1::StatusRequest {}).await.map_err(said)?;
    Ok(answer.into_inner().json)
}

/// What is most likely looked for, at the top: what is wrong.
fn page(status: &Value) -> String {
    let policy = &status["policy"];
    let mut page = format!(
        "callgate {}, policy {}-{}\n",
        text(&status["version"]),
        policy["number"],
        text(&policy["hash"]),
    );
    if policy["restored"] == true {
        page.push_str(
            "RESTORED  the policy files have had errors since before the start; this is the last good version\n",
        );
    }
    for held in items(&policy["held"]) {
        let (file, why) = (text(&held["file"]), text(&held["why"]));
        page.push_str(&format!(
            "HELD LIST  {file} keeps its last good content: {why}\n"
        ));
    }
    if let Some(error) = status["versions"]["error"].as_str() {
        page.push_str(&format!("NOT KEPT  {}\n", plain(error)));
    }
    if let Some(error) = status["history"]["error"].as_str() {
        page.push_str(&format!(
            "NO HISTORY  decisions are made and not kept, {} so far: {}\n",
            status["history"]["dropped"],
            plain(error)
        ));
    }
    for problem in items(&policy["rejected"]["problems"]).filter(|one| one["severity"] == "error") {
        page.push_str(&format!("REJECTED EDIT  {}\n", problem_line(problem)));
    }
    page.push_str(&engine_lines(&status["engine_file"]));
    for problem in items(&status["engine_warnings"]) {
        page.push_str(&format!("warning  {}\n", problem_line(problem)));
    }
    for problem in items(&policy["warnings"]) {
        page.push_str(&format!("warning  {}\n", problem_line(problem)));
    }
    for certificate in items(&status["tls"]) {
        page.push_str(&certificate_lines(certificate));
    }
    page.push_str("\nhooks\n");
    for (name, hook) in fields(&status["hooks"]) {
        page.push_str(&hook_line(name, hook));
    }
    page.push_str("\nendpoints\n");
    for endpoint in items(&status["endpoints"]) {
        page.push_str(&endpoint_line(endpoint));
    }
    page.push_str(&outbox_lines(&status["outbox"]));
    page
}

/// What is wrong with a certificate, or will be soon.
fn certificate_lines(certificate: &Value) -> String {
    const SOON_DAYS: f64 = 21.0;
    let used_by = text(&certificate["used_by"]);
    let problems = items(&certificate["problems"]);
    let problem = |problem: &Value| {
        let (file, what) = (text(&problem["file"]), text(&problem["what"]));
        format!("REJECTED CERTIFICATE  {used_by}: {file}: {what}\n")
    };
    let mut lines: String = problems.map(problem).collect();
    if let Some(days) = certificate["days_left"]
        .as_f64()
        .filter(|days| *days < SOON_DAYS)
    {
        lines.push_str(&format!("CERTIFICATE  {used_by}: {days:.1} days left\n"));
    }
    lines
}

/// engine.yaml is read at start alone, and somebody edited it since.
fn engine_lines(edit: &Value) -> String {
    match edit["valid"].as_bool() {
        None => String::new(),
        Some(true) => {
            "EDITED  engine.yaml says something else than what runs; a restart takes it\n"
                .to_owned()
        }
        Some(false) => {
            let problems = items(&edit["problems"]).map(problem_line);
            let lines = problems.map(|line| format!("NO RESTART WITH  {line}\n"));
            lines.collect()
        }
    }
}

fn hook_line(name: &str, hook: &Value) -> String {
    let state = match (hook["enabled"].as_bool(), hook["last_outcome"].as_str()) {
        (Some(false), _) => "off".to_owned(),
        (_, None) => "not called yet".to_owned(),
        (_, Some(outcome)) => format!("last {outcome}"),
    };
    let skipped: Vec<_> = fields(&hook["skipped"])
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    let skipped = match skipped.is_empty() {
        true => String::new(),
        false => format!(", skipped {}", skipped.join(", ")),
    };
    let calls = hook["calls"].as_u64().unwrap_or_default();
    format!("  {name:<26} {calls:>8} calls, {state}{skipped}\n")
}

fn endpoint_line(endpoint: &Value) -> String {
    let mut line = format!(
        "  {:<16} {}  {} in flight",
        text(&endpoint["name"]),
        text(&endpoint["url"]),
        endpoint["in_flight"],
    );
    if endpoint["candidate"] == true {
        line.push_str("  (candidate)");
    }
    for (breaker, what) in [
        ("breaker", "not asked"),
        ("delivery_breaker", "not delivered to"),
    ] {
        if endpoint[breaker] == "open" {
            line.push_str(&format!("  {} ({breaker} open)", what.to_uppercase()));
        }
    }
    if let Some(outcome) = endpoint["last_outcome"].as_str() {
        line.push_str(&format!("  last {outcome}"));
        let detail = text(&endpoint["last_detail"]);
        if !detail.is_empty() {
            line.push_str(&format!(": {detail}"));
        }
    }
    line.push('\n');
    line
}

fn outbox_lines(outbox: &Value) -> String {
    let mut lines = format!(
        "\noutbox {}, {:.0} % used, {} events, {} bytes\n",
        text(&outbox["level"]),
        outbox["used"].as_f64().unwrap_or_default() * 100.0,
        outbox["entries"],
        outbox["bytes"],
    );
    if let Some(error) = outbox["error"].as_str() {
        lines.push_str(&format!("  DOES NOT ANSWER  {}\n", plain(error)));
    }
    let age_ms = outbox["age_ms"].as_u64().unwrap_or_default();
    if age_ms > 1000 {
        lines.push_str(&format!(
            "  as it was {} s ago: its disk is slow\n",
            age_ms / 1000
        ));
    }
    for (name, counts) in fields(&outbox["endpoints"]) {
        let oldest = counts["oldest_pending_age_ms"].as_u64();
        let oldest = oldest.map_or_else(String::new, |age| format!(", oldest {} s", age / 1000));
        let paused = match counts["paused"]["reason"].as_str() {
            Some(reason) => format!(", PAUSED: {}", plain(reason)),
            None => String::new(),
        };
        lines.push_str(&format!(
            "  {:<16} {} pending, {} delivered, {} dead, {} discarded{oldest}{paused}\n",
            plain(name),
            counts["pending"],
            counts["delivered"],
            counts["dead"],
            counts["discarded"],
        ));
    }
    lines
}

fn problem_line(problem: &Value) -> String {
    let place = match problem["line"].as_u64() {
        None | Some(0) => text(&problem["file"]),
        Some(line) => format!("{}:{line}", text(&problem["file"])),
    };
    let way_out = match text(&problem["way_out"]).as_str() {
        "" => String::new(),
        way_out => format!("; {way_out}"),
    };
    format!("{place}: {}{way_out}", text(&problem["what"]))
}

fn text(value: &Value) -> String {
    plain(value.as_str().unwrap_or_default())
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_says_what_is_wrong() {
        let page = page(&json!({
            "version": "1", "policy": {"number": 3, "hash": "abc", "warnings": [],
                "rejected": {"at_ms": 1, "problems": [
                    {"file": "policy.yaml", "line": 4, "what": "no list named `x`",
                        "way_out": "did you mean `y`?", "severity": "error"},
                    {"file": "policy.yaml", "line": 0, "what": "a warning",
                        "severity": "warning"}]}},
            "engine_file": {"valid": false, "problems": [
                {"file": "engine.yaml", "line": 0, "what": "is no YAML", "severity": "error"}]},
            "hooks": {
                "beforeSendSingleMsg": {"enabled": true, "calls": 7, "last_outcome": "timeout",
                    "skipped": {"disabled": 2}},
                "afterSendSingleMsg": {"enabled": true, "calls": 0, "last_outcome": null}},
            "endpoints": [{"name": "business", "url": "http://b", "breaker": "open",
                "delivery_breaker": "closed", "in_flight": 1, "last_outcome": "connect",
                "last_detail": "refused\u{1b}[2J"}],
            "history": {"error": "`data/history` cannot be made", "dropped": 7},
            "outbox": {"level": "high", "used": 0.75, "entries": 9, "bytes": 900, "error": null,
                "age_ms": 61000, "endpoints": {"business": {"pending": 9, "delivered": 1,
                    "dead": 0, "discarded": 0, "oldest_pending_age_ms": 5000, "paused": null}}},
        }));
        for expected in [
            "callgate 1, policy 3-abc",
            "REJECTED EDIT  policy.yaml:4: no list named `x`; did you mean `y`?\n",
            "NO RESTART WITH  engine.yaml: is no YAML\n",
            "beforeSendSingleMsg               7 calls, last timeout, skipped 2 disabled",
            "afterSendSingleMsg                0 calls, not called yet",
            "NOT ASKED (breaker open)  last connect: refused\\u{1b}[2J",
            "outbox high, 75 % used, 9 events, 900 bytes",
            "as it was 61 s ago",
            "NO HISTORY  decisions are made and not kept, 7 so far: `data/history` cannot be made",
            "business         9 pending, 1 delivered, 0 dead, 0 discarded, oldest 5 s",
        ] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        assert!(!page.contains('\u{1b}') && !page.contains("a warning"));
    }
}
