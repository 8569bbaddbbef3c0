//! Policies as a whole: what is reported about bad ones, and what good ones decide.

mod callers;
mod cases;
mod content;
mod decisions;
mod failures;
mod lint;
mod openim;
mod problems;
mod shipped;
mod times;
mod values;

use std::sync::Arc;

use super::{CompileContext, Compiled, FileSet, Snapshot, Step, compile};
use crate::decision::{Answer, Decision, Outcome, Verdict};
use crate::dialect;
use crate::event::{Event, Message};
use crate::filter::Scratch;
use crate::settings::Severity;

/// A policy directory with this policy.yaml, and other files by path and content.
fn files(policy: &str, others: &[(&str, &str)]) -> FileSet {
    let policy = ("policy.yaml", policy);
    let all = others.iter().chain([&policy]);
    FileSet {
        root: "policies".to_owned(),
        files: all
            .map(|(path, content)| ((*path).to_owned(), Arc::from(content.as_bytes())))
            .collect(),
    }
}

fn context(env: &[(&str, &str)]) -> CompileContext {
    let env = env.iter();
    CompileContext {
        env: env
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        listeners: vec![
            "127.0.0.1:50051".parse().unwrap(),
            "0.0.0.0:10006".parse().unwrap(),
        ],
        ..CompileContext::default()
    }
}

/// Every problem as a line; warnings are marked.
fn lines(compiled: &Compiled) -> Vec<String> {
    let problems = compiled.problems.iter();
    problems
        .map(|problem| match problem.severity {
            Severity::Error => problem.to_string(),
            Severity::Warning => format!("(warning) {problem}"),
            Severity::Note => format!("(note) {problem}"),
        })
        .collect()
}

/// A policy without errors; its warnings do not matter.
fn snapshot_with(policy: &str, others: &[(&str, &str)], env: &[(&str, &str)]) -> Snapshot {
    let compiled = compile(&files(policy, others), &context(env), 1);
    let lines = lines(&compiled);
    compiled
        .snapshot
        .unwrap_or_else(|| panic!("{policy}: {lines:#?}"))
}

fn snapshot(policy: &str) -> Snapshot {
    snapshot_with(policy, &[], &[])
}

/// A text message as it comes over gRPC.
fn text_event(hook: &str, text: &str) -> Event {
    let message = Message {
        send_id: "u1".to_owned(),
        recv_id: "u2".to_owned(),
        content_type: 101,
        session_type: 1,
        content: serde_json::json!({ "content": text }).to_string(),
        ..Message::default()
    };
    dialect::event_from_message(dialect::hook(hook).unwrap(), String::new(), message)
}

/// Walks a decision; an endpoint that is asked answers this.
fn decide_with(snapshot: &Snapshot, event: &Event, outcome: &Outcome) -> Decision {
    let mut step = snapshot.begin(event);
    loop {
        step = match step {
            Step::Settled(decision) => return decision,
            Step::Scan(scan) => {
                let found = scan.run(&mut Scratch::default());
                scan.resume(&found)
            }
            Step::Ask(ask) => ask.resume(outcome.clone()),
        };
    }
}

fn decide(snapshot: &Snapshot, event: &Event) -> Decision {
    decide_with(snapshot, event, &Outcome::Answer(Answer::Allow))
}

/// A decision in a few words: `allow`, `block 20001 reason (why)`, `replace …`.
fn in_words(decision: &Decision) -> String {
    match &decision.verdict {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Reply(reply) => format!("reply {reply:?}"),
        Verdict::Block(refusal) => format!(
            "block {} {} ({})",
            refusal.code, refusal.public, decision.why
        ),
        Verdict::Replace(replacement) => {
            let content = replacement.content.iter().cloned();
            let fields = replacement.fields.iter();
            let fields = fields.map(|(name, json)| format!("{name}={json}"));
            format!(
                "replace {}",
                content.chain(fields).collect::<Vec<_>>().join(" ")
            )
        }
    }
}
