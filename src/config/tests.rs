//! Engine settings, good and bad.

use crate::settings::probes::{check as check_probes, probes};

use super::*;

/// Loads settings and expects these problems, one a line.
fn check(text: &str, env: &[(&str, &str)], expected: &[&str]) {
    let lines = match load_with(text, env) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(lines, expected, "{text}");
}

fn load_with(text: &str, env: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    let env: Vec<(String, String)> = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    load(Some(("policies/engine.yaml", text)), &env)
}

#[test]
fn without_a_file_the_defaults_hold() {
    let config = load(None, &[]).unwrap();
    assert_eq!(config.grpc.listen, "127.0.0.1:50051".parse().unwrap());
    assert_eq!(config.http.listen, "127.0.0.1:10006".parse().unwrap());
    assert_eq!(config.admin.listen, "127.0.0.1:10007".parse().unwrap());
    assert_eq!(config.http.body_bytes_max, 1 << 20);
    assert_eq!(config.outbox.bytes_max, 1 << 30);
    assert_eq!(config.outbox.commit_wait, Duration::from_millis(2));
    assert_eq!(config.shutdown_grace, Duration::from_secs(10));
    assert_eq!(
        config,
        load_with(
            "# nothing
",
            &[]
        )
        .unwrap()
    );
    assert_eq!(
        config,
        load_with(
            "grpc:
",
            &[]
        )
        .unwrap()
    );
    let shipped = include_str!("../../policies/engine.yaml");
    assert_eq!(config, load_with(shipped, &[]).unwrap());
    assert_eq!(default_listeners().len(), 3);
}

#[test]
fn all_that_is_kept_lies_in_the_data_directory_unless_a_path_is_written() {
    let check = |text: &str, outbox: &str, rooms: &str| {
        let config = load_with(text, &[]).unwrap();
        assert_eq!(config.outbox.path, PathBuf::from(outbox), "{text}");
        assert_eq!(config.funtek.rooms, PathBuf::from(rooms), "{text}");
    };
    // As it was before there was one.
    check("", "data/outbox.db", "data/rooms.db");
    check(
        "data: /var/lib/callgate",
        "/var/lib/callgate/outbox.db",
        "/var/lib/callgate/rooms.db",
    );
    check("data: d\noutbox: {path: o.db}", "o.db", "d/rooms.db");
    check("funtek: {rooms: r.db}", "data/outbox.db", "r.db");
}

#[test]
fn half_a_setting_of_tls_is_refused() {
    check(
        "http: {tls: {cert: a.pem}}\ngrpc: {tls: {key: a.key}}\nadmin: {tls: {client_ca: ca.pem}}",
        &[],
        &[
            "policies/engine.yaml:1:20: http.tls.cert: there is no `key` to it; set both, or neither for plain text",
            "policies/engine.yaml:2:19: grpc.tls.key: there is no `cert` to it; set both, or neither for plain text",
            "policies/engine.yaml:3:26: admin.tls.client_ca: the port has no certificate of its own, so it speaks plain text; set `cert` and `key` too",
        ],
    );
    check(
        "http: {tls: {cert: a, key: b, client_required: true}}",
        &[],
        &[
            "policies/engine.yaml:1:48: http.tls.client_required: nothing says which certificates of callers are good; name the file of their authority in `client_ca`",
        ],
    );
}

#[test]
fn postgres_is_named_once_and_completely() {
    let url = "postgres://u:s3cret@db/x";
    let config = load_with(&format!("storage: {{kind: postgres, url: '{url}'}}"), &[]).unwrap();
    let Storage::Postgres(postgres) = &config.storage else {
        panic!("{:?}", config.storage);
    };
    assert_eq!(postgres.url, UrlPlace::Written(url.to_owned()));
    assert_eq!((postgres.pool, postgres.schema.as_str()), (4, "callgate"));
    assert!(postgres.tls.is_some());
    assert!(!format!("{config:?}").contains("s3cret"));
    for (text, problem) in [
        (
            "kind: postgres",
            "storage.kind: nothing says where PostgreSQL is; set `url_file`, `url_env` or `url` in `storage`",
        ),
        (
            "kind: postgres, url_file: f, url_env: E",
            "storage.url_env: the URL of PostgreSQL is said twice; keep one of `url`, `url_file` and `url_env`",
        ),
        (
            "url_env: E",
            "storage.url_env: this is for PostgreSQL, and `storage.kind` is embedded; set `kind: postgres`, or take this away",
        ),
        (
            "kind: postgres, url_env: E, tls: {mode: plain, ca: c}",
            "storage.tls.ca: with `mode: plain` there is no TLS; set `mode: verify`, or take this away",
        ),
        (
            "kind: postgres, url_env: E, tls: {cert: c}",
            "storage.tls.cert: there is no `key` to it; set both, or neither",
        ),
        (
            "kind: postgres, url_env: E, lease: 1s, takeover_after: 1s",
            "storage.lease: a replica that is only slow would be taken for dead; use 3s or more; 30s is a good one",
        ),
        (
            "kind: postgres, url_env: E, takeover_after: 1m",
            "storage.takeover_after: this is longer than `lease`, when a replica is gone in any case; use less than `lease`",
        ),
    ] {
        let problems = load_with(&format!("storage: {{{text}}}"), &[]).expect_err(text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        let told = problems[0].to_string();
        assert!(told.starts_with("policies/engine.yaml:1:"), "{told}");
        assert_eq!(told.split_once(": ").unwrap().1, problem, "{text}");
    }
    let both = "storage: {kind: postgres, url_env: E}\noutbox: {kind: memory}";
    let problems = load_with(both, &[]).unwrap_err();
    assert_eq!(
        problems[0].to_string().split_once(": ").unwrap().1,
        "outbox.kind: `storage.kind` is postgres, and an outbox cannot be in memory too; take one of the two away"
    );
}

#[test]
fn nothing_of_a_bad_url_is_shown() {
    for url in [
        "mysql://u:s3cret@db/x",
        "u:s3cret@db/x",
        "postgres://u:s3cret@/x",
        "postgres://:s3cret@db/x",
        "postgres://u:s3cret@db/x?sslmode=require",
        "postgres://u:s3cret@db/x?unknown=s3cret",
        "postgres://u:s3cret@db:port/x",
        "host=db password=s3cret",
    ] {
        let problems = load_with(&format!("storage: {{kind: postgres, url: '{url}'}}"), &[]);
        let problems = problems.expect_err(url);
        assert_eq!(problems.len(), 1, "{url}: {problems:?}");
        let told = problems[0].to_string();
        assert!(!told.contains("s3cret"), "{told}");
        assert!(told.contains(": storage.url: "), "{told}");
    }
}

#[test]
fn the_file_wins_over_defaults_and_the_environment_over_both() {
    let file = "grpc: {listen: '0.0.0.0:1', in_flight_max: 7}
log: {format: JSON}";
    let env = [
        ("CALLGATE_ENGINE__GRPC__LISTEN", "[::1]:2"),
        ("CALLGATE_POLICY__X", "1"),
    ];
    let config = load_with(file, &env).unwrap();
    assert_eq!(config.grpc.listen, "[::1]:2".parse().unwrap());
    assert_eq!(config.grpc.in_flight_max, 7);
    assert_eq!(config.grpc.message_bytes_max, 4 << 20);
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn an_own_path_closes_the_built_in_ones_of_its_dialect() {
    let check = |routes: &str, served: &str| {
        let file = format!("http: {{routes: {{{routes}}}}}");
        let config = load_with(&file, &[]).unwrap();
        let paths = config.http.routes.served.iter();
        let paths: Vec<_> = paths.map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths.join(" "), served, "{routes}");
    };
    let others = "/chatApplication /chatserver /wukongim";
    check(
        "",
        "/callbackExample /chatApplication /chatserver /callback /wukongim /openim /funtek",
    );
    check(
        "/hook/secret: openim",
        "/chatApplication /hook/secret /chatserver /wukongim /funtek",
    );
    check("/x: openim-v2", &format!("{others} /funtek /x"));
    // What is written stays, and the longest comes first.
    check(
        "/x: openim-v2, /OpenIM: openim, /callback: none, /a/b: funtek",
        &format!("{others} /OpenIM /a/b /x"),
    );
}

#[test]
fn of_an_own_path_no_more_than_its_first_part_is_shown() {
    let shown =
        |file: &str, env: &[(&str, &str)]| load_with(file, env).unwrap().http.routes.shown();
    let file = "http: {routes: {/hook/s3cret: openim, /s3cret: funtek, /OpenIM: openim}}";
    assert_eq!(
        shown(file, &[]),
        "/chatApplication (chatserver), /hook/… (openim), /chatserver (chatserver), \
         /wukongim (wukongim), /… (funtek), /OpenIM (openim)"
    );
    // Whatever is wrong with it, and wherever it stands.
    let variable = ("CALLGATE_ENGINE__HTTP__ROUTES__/HOOK/S3CRET", "grpc");
    for (file, env) in [
        ("http: {routes: {/hook/s3cret: grpc}}", None),
        ("http: {routes: {/hook/s3cret/: openim}}", None),
        ("http: {routes: {hook/s3cret: openim}}", None),
        ("http: {routes: {/s3cret: grpc}}", None),
        ("http: {routes: {/s3cret/: openim}}", None),
        ("http: {routes: {openim: /hook/s3cret}}", None),
        ("http: {/hook/s3cret: openim}", None),
        ("/hook/s3cret: openim", None),
        (
            "http: {routes: {/hook/s3cret: openim, /hook/s3cret: openim}}",
            None,
        ),
        ("http: {routes: {/hook/s3cret: {openim: 1}}}", None),
        ("http: {routes: {/hook/s3cret: [openim]}}", None),
        ("http: {routes: /hook/s3cret}", None),
        ("", Some(variable)),
    ] {
        let problems = load_with(file, env.as_slice()).unwrap_err();
        for problem in problems {
            let told = problem.to_string();
            assert!(!told.to_lowercase().contains("s3cret"), "{file}: {told}");
        }
    }
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    check(
        "grpc:
  listn: 127.0.0.1:1
http:
  listen: localhost:1
  routes: {x: openim, /y/: grpc}
log: {format: xml}
admin: 5
",
        &[
            ("CALLGATE_ENGINE__LOG__LEVL", "debug"),
            ("CALLGATE_ENGINE__SHUTDOWN_GRACE", "5"),
        ],
        &[
            "CALLGATE_ENGINE__LOG__LEVL: log: there is no setting `levl`; did you mean `level`?",
            "CALLGATE_ENGINE__SHUTDOWN_GRACE: shutdown_grace: `5` is not a valid duration; write a number with its unit: 500ms, 2s, 5m, 1h or 1d",
            "policies/engine.yaml:2:3: grpc: there is no setting `listn`; did you mean `listen`?",
            "policies/engine.yaml:4:11: http.listen: `localhost:1` is not a valid address with a port; write numbers such as 127.0.0.1:50051, 0.0.0.0:50051 or [::1]:50051",
            "policies/engine.yaml:5:15: http.routes.x: `x` is not a valid path; write it with a `/` at its beginning and none at its end: /openim",
            "policies/engine.yaml:5:28: http.routes./…: `/…` is not a valid path; write it with a `/` at its beginning and none at its end: /openim",
            "policies/engine.yaml:5:28: http.routes./…: `grpc` is not possible here; known are `openim`, `openim-v2`, `wukongim`, `chatserver`, `funtek`, `none`",
            "policies/engine.yaml:6:15: log.format: `xml` is not possible here; known are `text`, `json`",
            "policies/engine.yaml:7:8: admin: this must be a map of keys; write `key: value` lines below it",
        ],
    );
    check(
        "a: [",
        &[],
        &[
            "policies/engine.yaml:2:1: this is not YAML: while parsing a node, did not find expected node content; check indentation, quotes and colons here and just before",
        ],
    );
    check(
        "- a",
        &[],
        &["policies/engine.yaml: the file must be a map of keys; write `key: value` lines"],
    );
    check(
        "admin: {listen: '127.0.0.1:10006'}",
        &[],
        &[
            "policies/engine.yaml:1:1: admin: admin.listen is 127.0.0.1:10006, like another listener; give each its own port",
        ],
    );
}

/// What is taken although it looks wrong, and why that is right.
const MEANT: &[(&str, &[&str])] = &[
    // Names that somebody chose.
    ("admin.hosts", TEXTS),
    ("funtek.bot", TEXTS),
    ("installation", TEXTS),
    ("installation", &["empty"]),
    ("funtek.bot", &["empty"]),
    ("data", TEXTS),
    ("storage.replica", TEXTS),
    ("storage.replica", &["empty"]),
    ("storage.schema", &["near miss", "no number"]),
    ("storage.url", &["empty"]),
    ("storage.url_file", &["empty"]),
    ("storage.url_env", &["empty"]),
    ("storage.tls.ca", &["empty"]),
    ("storage.tls.cert", &["empty"]),
    ("storage.tls.key", &["empty"]),
    ("funtek.rooms", TEXTS),
    ("outbox.path", TEXTS),
    ("history.sinks.ndjson.path", TEXTS),
    ("funtek.rooms", &["empty"]),
    ("outbox.path", &["empty"]),
    // Decisions go nowhere else.
    ("history.sinks.ndjson.path", &["empty"]),
    ("history.sinks.otlp.endpoint", &["empty"]),
    // Without a certificate there is no TLS.
    ("grpc.tls.cert", &["empty"]),
    ("grpc.tls.key", &["empty"]),
    ("grpc.tls.client_ca", &["empty"]),
    ("http.tls.cert", &["empty"]),
    ("http.tls.key", &["empty"]),
    ("http.tls.client_ca", &["empty"]),
    ("admin.tls.cert", &["empty"]),
    ("admin.tls.key", &["empty"]),
    ("admin.tls.client_ca", &["empty"]),
    // Names of headers, and no place for a secret where nobody is believed.
    (
        "admin.proxy_identity.name_header",
        &["near miss", "no number"],
    ),
    (
        "admin.proxy_identity.groups_header",
        &["near miss", "no number"],
    ),
    (
        "admin.proxy_identity.secret_header",
        &["near miss", "no number"],
    ),
    ("admin.proxy_identity.secret_file", &["empty"]),
    ("admin.proxy_identity.secret_env", &["empty"]),
    // Documented beside the setting.
    ("grpc.threads", &["zero"]),
    ("http.threads", &["zero"]),
    ("log.lines_per_second_max", &["zero"]),
    ("log.lines_per_sender_max", &["zero"]),
    ("log.lines_per_address_max", &["zero"]),
    ("outbox.commit_wait", &["zero time"]),
    ("outbox.dedupe", &["zero time"]),
    ("outbox.dead_keep", &["zero time"]),
    ("shutdown_grace", &["zero time"]),
];

const TEXTS: &[&str] = &[
    "zero",
    "zero time",
    "negative",
    "huge",
    "huge time",
    "huge size",
    "no number",
    "near miss",
];

#[test]
fn wrong_values_are_refused_with_a_hint_or_mean_what_is_documented() {
    let all = probes(DEFAULTS);
    check_probes(&all, "CALLGATE_ENGINE", "{}", MEANT, |text, env| {
        let loaded = load(Some(("policies/engine.yaml", text)), env);
        loaded.err().unwrap_or_default()
    });
}

#[test]
fn a_port_that_others_reach_without_tls_speaks_plain_text() {
    let check = |text: &str, plain: &[&str]| {
        let config = load_with(text, &[]).unwrap();
        assert_eq!(config.plain_ports(), plain, "{text}");
    };
    check("", &[]);
    check("grpc: {listen: '0.0.0.0:1'}", &["grpc.listen 0.0.0.0:1"]);
    let tls = "grpc: {listen: '0.0.0.0:1', tls: {cert: c, key: k}}\nhttp: {listen: '[::]:2'}";
    check(tls, &["http.listen [::]:2"]);
}
