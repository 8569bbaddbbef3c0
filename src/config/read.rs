//! The settings of each part of engine.yaml, read one by one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::history_of;
use super::proxy;
use super::recordings_of;
use super::routes::{self, Paths};
use super::storage::{self, Storage};
use super::tls;
use super::{
    Admin, Api, ChatServer, Config, Connections, Funtek, Grpc, Http, PortConnections, WukongIm,
};
use crate::audit;
use crate::outbox;
use crate::settings::{Field, Item, Section, suggest};
use crate::telemetry::{CallerLimits, LogFormat, LogSettings};
use crate::versions;

/// Where the policy is, and whether all replicas share it.
const POLICIES: [(&str, bool); 2] = [("files", false), ("postgres", true)];

const IN_FLIGHT_MAX: u32 = 1_000_000;
/// Bodies are held in memory, so there is an end to what can be asked for.
const BODY_BYTES_MAX: u64 = 256 << 20;
const COUNT_MAX: u32 = 1_000_000_000;
const CONNECTIONS_MAX: u32 = 1_000_000;
const API_CALLS_MAX: u32 = 1_000_000;
const LEAST_BODIES: usize = 1 << 20;

pub(super) fn read(root: &Section<'_>, paths: &Paths) -> Config {
    let data = path(&root.field("data"));
    let (versions, strict_start) = read_versions(&root.field("versions"), &data);
    let config = Config {
        grpc: read_grpc(&root.field("grpc")),
        http: read_http(&root.field("http"), paths),
        wukongim: read_wukongim(&root.field("wukongim")),
        chatserver: read_chatserver(&root.field("chatserver")),
        funtek: read_funtek(&root.field("funtek"), &data),
        admin: read_admin(&root.field("admin")),
        connections: read_connections(&root.field("connections")),
        storage: storage::read(&root.field("storage")),
        policies_shared: (root.field("policies").one_of(&POLICIES)).unwrap_or_default(),
        outbox: read_outbox(&root.field("outbox"), &data),
        audit: read_audit(&root.field("audit"), &data),
        versions,
        strict_start,
        history: history_of::read(&root.field("history"), &data),
        recordings: recordings_of::read(&root.field("recordings"), &data),
        preview_share_max: read_console(&root.field("console")),
        data,
        shutdown_grace: root.field("shutdown_grace").duration(),
        installation: read_installation(&root.field("installation")),
        log: read_log(&root.field("log")),
    };
    if config.outbox.kind == outbox::Kind::Memory && config.storage != Storage::Embedded {
        root.field("outbox").section().field("kind").error(
            "`storage.kind` is postgres, and an outbox cannot be in memory too",
            "take one of the two away",
        );
    }
    if config.policies_shared && config.storage == Storage::Embedded {
        root.field("policies").error(
            "`storage.kind` is embedded, and nothing says where PostgreSQL is",
            "set `storage.kind: postgres` with its URL, or `policies: files`",
        );
    }
    let mut taken: Vec<SocketAddr> = Vec::new();
    for (name, listen) in [
        ("http", config.http.listen),
        ("grpc", config.grpc.listen),
        ("admin", config.admin.listen),
    ] {
        if taken.contains(&listen) && listen.port() != 0 {
            let what = format!("{name}.listen is {listen}, like another listener");
            root.field(name).error(what, "give each its own port");
        }
        taken.push(listen);
    }
    config
}

fn read_console(field: &Field<'_>) -> f64 {
    let section = field.section();
    let share = section.field("preview_share_max").share();
    section.finish();
    share
}

/// A name of its own for each process stands in for one that is not written.
fn read_installation(field: &Field<'_>) -> String {
    let name = field.text();
    if !name.bytes().all(|byte| byte.is_ascii_graphic()) || name.len() > 64 {
        field.error(
            "this is not a valid name",
            "use at most 64 letters, digits and signs, all ASCII, without spaces",
        );
    }
    name
}

/// More threads than this are a slip of the pen.
const THREADS_MAX: i64 = 1024;

fn read_grpc(field: &Field<'_>) -> Grpc {
    let section = field.section();
    let grpc = Grpc {
        listen: address(&section.field("listen")),
        threads: section.field("threads").number(0, THREADS_MAX) as usize,
        message_bytes_max: body_bytes(&section.field("message_bytes_max")),
        in_flight_max: section.field("in_flight_max").size(IN_FLIGHT_MAX),
        connections: port_connections(&section),
        proxy_protocol: section.field("proxy_protocol").flag(),
        tls: tls::read(&section.field("tls")),
    };
    section.finish();
    grpc
}

fn read_http(field: &Field<'_>, paths: &Paths) -> Http {
    let section = field.section();
    let http = Http {
        listen: address(&section.field("listen")),
        threads: section.field("threads").number(0, THREADS_MAX) as usize,
        body_bytes_max: body_bytes(&section.field("body_bytes_max")),
        in_flight_max: section.field("in_flight_max").size(IN_FLIGHT_MAX),
        connections: port_connections(&section),
        proxy_protocol: section.field("proxy_protocol").flag(),
        tls: tls::read(&section.field("tls")),
        routes: routes::read(&section.field("routes"), paths),
    };
    section.finish();
    http
}

fn read_wukongim(field: &Field<'_>) -> WukongIm {
    let section = field.section();
    let unreadable = [("acknowledge", false), ("refuse", true)];
    let wukongim = WukongIm {
        body_bytes_max: body_bytes(&section.field("body_bytes_max")),
        large_bodies_max: section.field("large_bodies_max").size(IN_FLIGHT_MAX),
        refuses_unreadable: section
            .field("unreadable")
            .one_of(&unreadable)
            .unwrap_or_default(),
    };
    section.finish();
    wukongim
}

fn read_chatserver(field: &Field<'_>) -> ChatServer {
    let section = field.section();
    let type_1 = [("person", false), ("room", true)];
    let refusals = [("refused", false), ("shown", true)];
    let chatserver = ChatServer {
        type_1_is_room: section.field("type_1").one_of(&type_1).unwrap_or_default(),
        shows_refusals: section
            .field("refused_action")
            .one_of(&refusals)
            .unwrap_or_default(),
    };
    section.finish();
    chatserver
}

fn read_funtek(field: &Field<'_>, data: &Path) -> Funtek {
    let section = field.section();
    let bot = section.field("bot").text();
    let rooms = path_in(data, "rooms.db", &section.field("rooms"));
    let room_waits_max = section.field("room_waits_max").size(1_000_000);
    let waits_max = section.field("waits_max").size(1_000_000);
    section.finish();
    Funtek {
        rooms,
        room_waits_max,
        waits_max,
        bot: (!bot.is_empty()).then(|| bot.into()),
    }
}

fn read_admin(field: &Field<'_>) -> Admin {
    let section = field.section();
    let hosts = section.field("hosts").items();
    let proxy_protocol = section.field("proxy_protocol").flag();
    let admin = Admin {
        listen: address(&section.field("listen")),
        connections: port_connections(&section),
        proxy_protocol,
        tls: tls::read(&section.field("tls")),
        hosts: hosts.iter().map(host).collect(),
        unprotected: section.field("unprotected").flag(),
        metrics_open: section.field("metrics_open").flag(),
        proxy_identity: proxy::read(&section.field("proxy_identity"), proxy_protocol),
        api: read_api(&section.field("api")),
        doctor_timeout: section.field("doctor_timeout").duration_above_zero(),
    };
    section.finish();
    admin
}

fn read_api(field: &Field<'_>) -> Api {
    let section = field.section();
    let api = Api {
        calls_per_second: section.field("calls_per_second").count(API_CALLS_MAX),
        burst: section.field("burst").count(API_CALLS_MAX),
        body_bytes_max: body_bytes(&section.field("body_bytes_max")),
    };
    section.finish();
    api
}

fn host(item: &Item<'_>) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if item.text.is_empty() || !item.text.chars().all(is_name) {
        let what = format!("`{}` is not a valid host name", item.text);
        item.error(what, "write the name alone: callgate.example");
    }
    item.text.clone()
}

fn port_connections(section: &Section<'_>) -> PortConnections {
    PortConnections {
        connections_max: section.field("connections_max").size(CONNECTIONS_MAX),
        per_peer_max: section
            .field("connections_per_peer_max")
            .size(CONNECTIONS_MAX),
    }
}

fn read_connections(field: &Field<'_>) -> Connections {
    let section = field.section();
    let connections = Connections {
        head_timeout: wait(&section.field("head_timeout")),
        idle_timeout: wait(&section.field("idle_timeout")),
        body_timeout: wait(&section.field("body_timeout")),
        answer_timeout: wait(&section.field("answer_timeout")),
        streams_max: section.field("streams_max").size(CONNECTIONS_MAX) as u32,
        bodies_bytes_max: total_bytes(&section.field("bodies_bytes_max")),
        all_bodies_bytes_max: total_bytes(&section.field("all_bodies_bytes_max")),
        files_reserve: section.field("files_reserve").size(CONNECTIONS_MAX) as u64,
    };
    section.finish();
    connections
}

/// A wait of no time would close every connection at once.
fn wait(field: &Field<'_>) -> Duration {
    let wait = field.duration();
    if wait.is_zero() {
        field.error("every connection would be closed at once", "use 1s or more");
    }
    wait
}

fn total_bytes(field: &Field<'_>) -> usize {
    let bytes = usize::try_from(field.bytes()).unwrap_or(usize::MAX);
    if bytes < LEAST_BODIES {
        field.error(
            "no room for the bodies of ordinary calls",
            "use 1MiB or more",
        );
    }
    bytes
}

fn read_outbox(field: &Field<'_>, data: &Path) -> outbox::Config {
    let section = field.section();
    let kinds = [
        ("sqlite", outbox::Kind::Sqlite),
        ("memory", outbox::Kind::Memory),
    ];
    let bytes_max = section.field("bytes_max").bytes();
    let share = section.field("endpoint_share").number(1, 100) as u64;
    let config = outbox::Config {
        kind: section.field("kind").one_of(&kinds).unwrap_or_default(),
        server: None,
        path: path_in(data, "outbox.db", &section.field("path")),
        bytes_max,
        endpoint_bytes_max: (u128::from(bytes_max) * u128::from(share) / 100) as u64,
        entries_max: u64::from(section.field("entries_max").count(COUNT_MAX)),
        body_bytes_max: body_bytes(&section.field("body_bytes_max")),
        reserve_bytes: section.field("reserve_bytes").bytes(),
        dedupe: section.field("dedupe").duration(),
        dedupe_ids_max: u64::from(section.field("dedupe_ids_max").count(COUNT_MAX)),
        dead_keep: section.field("dead_keep").duration(),
        discarded_kept: u64::from(section.field("discarded_kept").count(COUNT_MAX)),
        commit_entries_max: section.field("commit_entries_max").size(COUNT_MAX),
        commit_wait: section.field("commit_wait").duration(),
        queue_max: section.field("queue_max").size(IN_FLIGHT_MAX),
    };
    section.finish();
    config
}

/// Records that are cut off sooner answer nobody's question.
const AUDIT_KEEP_MIN: Duration = Duration::from_secs(24 * 3600);

fn read_audit(field: &Field<'_>, data: &Path) -> audit::Settings {
    let section = field.section();
    let (keep, bytes_max) = (section.field("keep"), section.field("bytes_max"));
    let settings = audit::Settings {
        folder: data.join("audit"),
        keep: keep.duration(),
        bytes_max: bytes_max.bytes(),
    };
    if settings.keep < AUDIT_KEEP_MIN {
        keep.error("what was done would be forgotten at once", "use 1d or more");
    }
    if settings.bytes_max < LEAST_BODIES as u64 {
        bytes_max.error("no room for what is done in a day", "use 1MiB or more");
    }
    section.finish();
    settings
}

/// What is kept of the policies in force, and whether one of them may be taken at a start.
fn read_versions(field: &Field<'_>, data: &Path) -> (versions::Settings, bool) {
    let section = field.section();
    let bytes_max = section.field("bytes_max");
    let settings = versions::Settings {
        folder: data.join("versions"),
        versions_max: section.field("versions_max").size(COUNT_MAX),
        bytes_max: bytes_max.bytes(),
    };
    if settings.bytes_max < LEAST_BODIES as u64 {
        bytes_max.error("no room for the lists of a policy", "use 1MiB or more");
    }
    let strict_start = section.field("strict_start").flag();
    section.finish();
    (settings, strict_start)
}

/// More lines a second than this are no limit.
const LINES_PER_SECOND_MAX: i64 = 1_000_000;

fn read_log(field: &Field<'_>) -> LogSettings {
    let section = field.section();
    let lines_max = |key| section.field(key).number(0, LINES_PER_SECOND_MAX) as u32;
    let log = LogSettings {
        format: section.field("format").choice().unwrap_or(LogFormat::Text),
        level: log_level(&section.field("level")),
        lines_per_second_max: lines_max("lines_per_second_max"),
        callers: CallerLimits {
            per_sender_max: lines_max("lines_per_sender_max"),
            per_address_max: lines_max("lines_per_address_max"),
        },
        queue_bytes_max: body_bytes(&section.field("queue_bytes_max")),
    };
    section.finish();
    log
}

fn path(field: &Field<'_>) -> PathBuf {
    let path = field.text();
    if field.is_set() && path.is_empty() {
        field.error("the path is empty", "write where the file shall be");
    }
    PathBuf::from(path)
}

/// A file of this name in the data directory, unless another path is written.
fn path_in(data: &Path, name: &str, field: &Field<'_>) -> PathBuf {
    match field.text() {
        text if text.is_empty() => data.join(name),
        text => PathBuf::from(text),
    }
}

/// A level, or pairs of target and level. Checked here, because a slip such as `infox` would be
/// taken for the name of a part of the program, and everything else would be silent.
fn log_level(field: &Field<'_>) -> String {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let text = field.text();
    for part in text.split(',').map(str::trim) {
        let (target, level) = part.split_once('=').unwrap_or(("callgate", part));
        let is_target = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
        let is_level = LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level));
        let is_good = !target.is_empty() && target.chars().all(is_target) && is_level;
        if field.is_set() && !is_good {
            let what = format!("`{part}` is not a valid log level");
            field.error(what, suggest(level, LEVELS));
        }
    }
    text
}

fn address(field: &Field<'_>) -> SocketAddr {
    let hint = "write numbers such as 127.0.0.1:50051, 0.0.0.0:50051 or [::1]:50051";
    field
        .parsed("address with a port", hint, |text| text.parse().ok())
        .unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
}

fn body_bytes(field: &Field<'_>) -> usize {
    let bytes = field.bytes();
    if bytes > BODY_BYTES_MAX {
        field.error(
            "a body of that size would not fit into memory many times",
            "use at most 256MiB",
        );
    }
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
