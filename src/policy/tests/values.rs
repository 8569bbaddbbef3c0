//! Every setting with every kind of wrong value.

use super::*;
use crate::decision::FailureClass;
use crate::policy::{DEFAULTS, review, sources, spec};
use crate::settings::probes::{Probe, check, probes, probes_of};
use crate::settings::{At, Problems, Section};

const BASE: &str = "callers: {c: {addresses: [10.0.0.1]}}\n\
                    endpoints: {b: {url: 'http://b'}}\n\
                    lists: {l: {words: [some phrase]}}\n\
                    hooks: {beforeMsgModify: {endpoint: b}}\n";

/// What is taken although it looks wrong, and why that is right.
const MEANT: &[(&str, &[&str])] = &[
    // Texts: any is one.
    ("failure.reason", &["*"]),
    ("failure.final_reason", &["*"]),
    ("lists.l.reason", &["*"]),
    ("endpoints.b.im_api_key", &["*"]),
    ("lists.l.options.mask.text", &["*"]),
    ("lists.l.words", TEXTS),
    ("lists.l.words", &["near miss"]),
    ("lists.l.options.combos.brush.all", TEXTS),
    ("lists.l.options.combos.brush.all", &["near miss"]),
    ("lists.l.options.combos.brush.none", TEXTS),
    ("lists.l.options.combos.brush.none", &["near miss"]),
    ("lists.l.options.aliases", &["map"]),
    ("callbackUrl", &["near miss"]),
    // None may be, or any.
    ("expect.blocks", &["zero", "empty"]),
    ("expect.freed", &["zero", "empty"]),
    // Any character can be a mask, and 0 is what nothing of a word is kept means.
    ("lists.l.options.mask.char", &["zero"]),
    ("lists.l.options.mask.n", &["zero"]),
    ("lists.l.options.mask.keep_first", &["zero"]),
    ("lists.l.options.mask.keep_last", &["zero"]),
    // Off, as by default; and nothing may be skipped.
    ("lists.l.options.repeat", &["zero"]),
    ("lists.l.options.max_gap", &["zero"]),
    // 0 is no limit.
    ("callers.c.in_flight_max", &["zero"]),
    ("callers.c.calls_per_second", &["zero"]),
    ("callers.c.burst", &["zero"]),
    // Names that a certificate may have.
    ("callers.c.certificates", TEXTS),
    // Ids and tags that somebody chose.
    ("hooks.beforeMsgModify.attentionIds", TEXTS),
    ("lists.l.tags", TEXTS),
    // Numbers of message types, of which some servers have 0 and less.
    ("candidate.directory", &["empty"]),
    ("candidate.ends.p99", &["zero time"]),
    ("candidate.promote_after", &["zero time"]),
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

/// Settings that name something else: an endpoint, a list, a file, a variable.
const NAMES: [&str; 12] = [
    "include",
    "endpoints.b.sign.secret_env",
    "endpoints.b.sign.secret_file",
    "callers.c.token_env",
    "callers.c.path_env",
    "hooks.beforeMsgModify.endpoint",
    "hooks.beforeMsgModify.filters",
    "filters.lists",
    "lists.l.file",
    // Whether a word can be one is found out when it is folded.
    "lists.l.words",
    "lists.l.options.combos.brush.all",
    "lists.l.options.combos.brush.none",
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

/// Settings that the defaults explain without a line of their own.
fn told_in_texts() -> impl Iterator<Item = (String, Option<String>)> {
    let classes = FailureClass::ALL.map(FailureClass::name);
    let classes = classes.into_iter().chain(["default"]);
    let classes = classes.map(|class| (format!("each_hook.failedContinue.{class}"), "allow"));
    let others = [
        ("each_endpoint.sign.secret_file", "key.txt"),
        ("each_endpoint.sign.before", "true"),
        ("each_list.file", "lists/ads.txt"),
        ("each_list.words", "word"),
        ("each_list.tag_actions.politics", "flag"),
        ("each_list.options.combos.brush.all", "word"),
        ("each_list.options.combos.brush.none", "word"),
        ("each_list.options.combos.brush.window", "20"),
    ];
    let others = others.map(|(path, value)| (path.to_owned(), value));
    classes
        .chain(others)
        .map(|(path, value)| (path, Some(value.to_owned())))
}

/// The hooks whose server waits for another time have the same settings as all.
#[test]
fn hooks_with_a_dot_in_their_name_refuse_the_same_values() {
    let special = [
        "wukongim.msg.before_send",
        "chatserver.auth",
        "funtek.MESSAGE",
    ];
    for hook in special {
        for (key, wrong) in [
            ("timeout", "0s"),
            ("timeout", "-1"),
            ("timeout", "9999d"),
            ("caller_timeout", "0s"),
            ("caller_timeout", "x"),
            ("failedContinue", "maybe"),
            ("failedContinue", "{timeout: maybe}"),
            ("failedContinue", "{timeouts: allow}"),
            ("cannot_replace", "blocks"),
            ("enable", "2"),
        ] {
            let text = format!("{BASE}  {hook}: {{{key}: {wrong}}}\n").replace(
                "hooks: {beforeMsgModify: {endpoint: b}}",
                "hooks:\n  beforeMsgModify: {endpoint: b}",
            );
            let compiled = compile(&files(&text, &[]), &CompileContext::default(), 1);
            let told = compiled.problems.iter().find(|problem| {
                problem.severity == crate::settings::Severity::Error && problem.path.contains(key)
            });
            let told = told.unwrap_or_else(|| panic!("{hook}: {key}: {wrong} is taken"));
            assert!(!told.hint.is_empty(), "no hint: {told}");
        }
    }
}

#[test]
fn wrong_values_are_refused_with_a_hint_or_mean_what_is_documented() {
    let concrete = |path: String| {
        path.replace("each_caller.", "callers.c.")
            .replace("each_endpoint.", "endpoints.b.")
            .replace("each_list.", "lists.l.")
            .replace("each_hook.", "hooks.beforeMsgModify.")
    };
    let all = probes(DEFAULTS).into_iter();
    let all = all.filter(|probe| !probe.path.starts_with("special_hooks"));
    let all = all.chain(probes_of(told_in_texts()));
    let all = all.map(|probe| Probe {
        path: concrete(probe.path),
        ..probe
    });
    // Files of certificates and names in them, which their own tests try with real ones.
    let all = all.filter(|probe| !probe.path.starts_with("endpoints.b.tls."));
    let (names, all): (Vec<Probe>, Vec<Probe>) =
        all.partition(|probe| NAMES.contains(&probe.path.as_str()));
    // What a name leads to is found out when all is put together.
    check(&names, "CALLGATE_POLICY", BASE, MEANT, |policy, env| {
        let context = CompileContext {
            env: env.to_vec(),
            check_secret: Some(|_| Err("there is none".to_owned())),
            check_token: Some(|_| Err("there is none".to_owned())),
            ..CompileContext::default()
        };
        compile(&files(policy, &[]), &context, 1).problems
    });
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
            let spec = spec::read(&root, false);
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
