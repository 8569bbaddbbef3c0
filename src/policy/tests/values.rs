//! Every setting with every kind of wrong value.

use super::*;
use crate::policy::{DEFAULTS, review, sources, spec};
use crate::settings::probes::{Probe, check, probes};
use crate::settings::{At, Problems, Section};

const BASE: &str = "endpoints: {b: {url: 'http://b'}}\n\
                    lists: {l: {words: [some phrase]}}\n\
                    hooks: {beforeMsgModify: {endpoint: b}}\n";

/// What is taken although it looks wrong, and why that is right.
const MEANT: &[(&str, &[&str])] = &[
    // Texts: any is one.
    ("failure.reason", &["*"]),
    ("failure.final_reason", &["*"]),
    ("lists.l.reason", &["*"]),
    ("endpoints.b.im_api_key", &["*"]),
    // Ids and tags that somebody chose.
    ("hooks.beforeMsgModify.attentionIds", TEXTS),
    ("lists.l.tags", TEXTS),
    // Numbers of message types, of which some servers have 0 and less.
    ("hooks.beforeMsgModify.allowedTypes", &["zero", "negative"]),
    ("hooks.beforeMsgModify.deniedTypes", &["zero", "negative"]),
    ("filters.defer_types", &["zero", "negative"]),
    // Documented beside the setting.
    ("endpoints.b.pool_idle_timeout", &["zero time"]),
    ("endpoints.b.connection_age_max", &["zero time"]),
    ("endpoints.b.retry_waits", &["zero time"]),
    ("endpoints.b.events.rate_max", &["zero"]),
    ("endpoints.b.events.batch_wait", &["zero time"]),
    ("endpoints.b.events.lane_block_max", &["zero time"]),
    ("endpoints.b.events.pending_age_max", &["zero time"]),
];

const TEXTS: &[&str] = &[
    "zero",
    "zero time",
    "negative",
    "huge",
    "huge time",
    "huge size",
    "no number",
];

#[test]
fn wrong_values_are_refused_with_a_hint_or_mean_what_is_documented() {
    let concrete = |path: String| {
        path.replace("each_endpoint.", "endpoints.b.")
            .replace("each_list.", "lists.l.")
            .replace("each_hook.", "hooks.beforeMsgModify.")
    };
    let all = probes(DEFAULTS).into_iter();
    let all = all.filter(|probe| !probe.path.starts_with("special_hooks"));
    let all: Vec<Probe> = all
        .map(|probe| Probe {
            path: concrete(probe.path),
            ..probe
        })
        .collect();
    check(&all, "CALLGATE_POLICY", BASE, MEANT, |policy, env| {
        let context = CompileContext {
            env: env.to_vec(),
            ..CompileContext::default()
        };
        // All but building the filter, which takes longer than everything else together.
        let (files, problems) = (files(policy, &[]), Problems::default());
        if let Some(sources) = sources::read(&files, &context, &problems) {
            let file = At::file(&"policies/policy.yaml".into());
            let root = Section::root(&sources.settings, file.clone(), &problems);
            let spec = spec::read(&root);
            root.finish();
            review::review(
                &spec,
                &files,
                &context,
                &file,
                &sources.overrides,
                &problems,
            );
        }
        problems.into_sorted()
    });
}
