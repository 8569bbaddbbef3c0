//! What the doctor says, for people.

use super::super::output::plain;
use crate::doctor::{Examined, Found, Report};

/// Calls of a fault that are named.
const NAMED_MAX: usize = 3;

pub(super) fn text(report: &Report, verbose: bool) -> String {
    let mut lines = Vec::new();
    if report.endpoints.is_empty() {
        lines.push("the policy names no endpoint, so nobody is asked".to_owned());
    }
    for examined in &report.endpoints {
        endpoint_lines(examined, verbose, &mut lines);
    }
    for remark in &report.webhooks {
        let word = if remark.grave { "FAULT" } else { "note" };
        lines.push(format!(
            "webhooks: {word} {}: {}",
            remark.kind.name(),
            remark.what
        ));
    }
    let Report {
        grave, warnings, ..
    } = report;
    lines.push(format!("{grave} fault(s), {warnings} warning(s)"));
    let lines: Vec<String> = lines.iter().map(|line| plain(line)).collect();
    lines.join("\n") + "\n"
}

fn endpoint_lines(examined: &Examined, verbose: bool, lines: &mut Vec<String>) {
    let Examined {
        name,
        url,
        dialect,
        reach,
        calls,
        ..
    } = examined;
    lines.push(format!("endpoint {name}: {url} ({dialect})"));
    let ms = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms} ms"));
    lines.push(format!(
        "  resolves to {} in {} ms, connects in {}, {}",
        reach.addresses.join(", "),
        reach.resolve_ms,
        ms(reach.connect_ms),
        if reach.tls { "TLS" } else { "plain text" },
    ));
    if calls.is_empty() {
        lines.push("  no before hook asks it, so no call was played".to_owned());
    } else {
        let outcomes = examined.outcomes();
        let outcomes: Vec<String> = outcomes
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        lines.push(format!(
            "  {} calls: {}; median {}, slowest {}, {}",
            calls.len(),
            outcomes.join(", "),
            ms(reach.median_ms),
            ms(reach.slowest_ms),
            match reach.keeps_connections {
                Some(true) => "keeps connections",
                Some(false) => "closes connections",
                None => "nothing was heard",
            }
        ));
    }
    if examined.left_out > 0 {
        let why = match examined.out_of_time {
            true => "the time was over",
            false => "none was answered",
        };
        lines.push(format!(
            "  {} more calls were left out, since {why}",
            examined.left_out
        ));
    }
    if verbose {
        lines.extend(calls.iter().map(|call| {
            let status = call
                .status
                .map_or("-".to_owned(), |status| status.to_string());
            format!(
                "  {}: {} (status {status}, {} ms) {}",
                call.name,
                call.outcome,
                call.ms,
                call.faults.join(" ")
            )
        }));
    }
    for found in &examined.faults {
        fault_lines(found, lines);
    }
}

fn fault_lines(found: &Found, lines: &mut Vec<String>) {
    let word = if found.grave { "FAULT" } else { "warning" };
    lines.push(format!("  {word} {}: {}", found.kind.name(), found.what));
    if !found.calls.is_empty() {
        let mut named = found.calls[..found.calls.len().min(NAMED_MAX)].join(", ");
        if found.calls.len() > NAMED_MAX {
            named.push_str(&format!(" and {} more", found.calls.len() - NAMED_MAX));
        }
        lines.push(format!("    at {named}"));
    }
    if !found.way_out.is_empty() {
        lines.push(format!("    way out: {}", found.way_out));
    }
    lines.push(format!("    {}; {}", found.callgate, found.im_server));
    if !found.because_of.is_empty() {
        lines.push(format!("    by {}", found.because_of));
    }
}
