//! The engine's own settings: ports, limits, the outbox. Read once, at start.
//!
//! Every default and its explanation stands in `defaults/engine.yaml`; the layers are these
//! defaults < engine.yaml < `CALLGATE_ENGINE__…`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::audit;
use crate::history;
use crate::operators::ProxySettings;
use crate::outbox;
use crate::recordings;
use crate::settings::{
    At, Layer, Map, Node, Problem, Problems, Section, Severity, Value, from_environment, merge,
    parse, without_nulls,
};
use crate::telemetry::{LogFormat, LogSettings, UsageLimits};
use crate::tls::ServingFiles;
use crate::versions;

mod history_of;
mod proxy;
mod read;
mod recordings_of;
mod routes;
mod storage;
mod tls;

use read::read;
use routes::Paths;

pub use routes::Routes;
pub use storage::{Postgres, Storage, UrlPlace};

/// Every setting of engine.yaml with its default and its explanation.
pub const DEFAULTS: &str = include_str!("defaults/engine.yaml");

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub grpc: Grpc,
    pub http: Http,
    pub wukongim: WukongIm,
    pub chatserver: ChatServer,
    pub funtek: Funtek,
    pub admin: Admin,
    pub connections: Connections,
    /// Where all is kept that outlives the process.
    pub data: PathBuf,
    pub storage: Storage,
    /// Versions of the policy are agreed on in PostgreSQL, for all replicas.
    pub policies_shared: bool,
    pub outbox: outbox::Config,
    pub audit: audit::Settings,
    pub versions: versions::Settings,
    /// Policy files with errors fail a start, whatever was in force before.
    pub strict_start: bool,
    pub history: history::Settings,
    pub recordings: recordings::Settings,
    /// The part of messages that an edit of a list may hit newly before a trial is the first choice.
    pub preview_share_max: f64,
    pub shutdown_grace: Duration,
    /// What our own calls are known by.
    pub installation: String,
    pub log: LogSettings,
}

impl Config {
    /// Our own addresses.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        vec![self.grpc.listen, self.http.listen, self.admin.listen]
    }

    /// The ports that have TLS, and their files.
    pub fn tls(&self) -> Vec<(&'static str, &ServingFiles)> {
        let ports = [
            ("http", &self.http.tls),
            ("grpc", &self.grpc.tls),
            ("admin", &self.admin.tls),
        ];
        let with_tls = ports.into_iter();
        with_tls
            .filter_map(|(name, files)| Some((name, files.as_ref()?)))
            .collect()
    }

    /// Those of them that speak plain text.
    pub fn plain_ports(&self) -> Vec<String> {
        let with_tls = self.tls();
        let has_tls = |port: &String| with_tls.iter().any(|(name, _)| port.starts_with(name));
        let mut ports = self.open_ports();
        ports.retain(|port| !has_tls(port));
        ports
    }

    /// Whether named proxies say at a port whom they speak for.
    pub fn proxied(&self, port: &str) -> bool {
        match port {
            "http" => self.http.proxy_protocol,
            "grpc" => self.grpc.proxy_protocol,
            "admin" => self.admin.proxy_protocol,
            _ => false,
        }
    }

    /// The ports for IM servers and message services that others than this machine reach.
    pub fn open_ports(&self) -> Vec<String> {
        let ports = [("http", self.http.listen), ("grpc", self.grpc.listen)];
        let open = ports
            .iter()
            .filter(|(_, listen)| !listen.ip().to_canonical().is_loopback());
        open.map(|(name, listen)| format!("{name}.listen {listen}"))
            .collect()
    }

    /// What works and is dangerous; `file` is engine.yaml.
    pub fn warnings(&self, file: &str) -> Vec<Problem> {
        let mut warnings = Vec::new();
        if self.admin.unprotected && self.admin.is_reached_by_others() {
            let listen = self.admin.listen;
            warnings.push(Problem {
                path: "admin.unprotected".to_owned(),
                severity: Severity::Warning,
                ..Problem::of_file(
                    file,
                    format!("whoever reaches {listen} may see everything and give orders"),
                    "remove it: commands find their token in the data directory, or in CALLGATE_TOKEN",
                )
            });
        }
        warnings.extend(proxy::warnings(&self.admin, file));
        warnings
    }

    /// What counts as a full outbox.
    pub fn usage_limits(&self) -> UsageLimits {
        UsageLimits {
            bytes_max: self.outbox.bytes_max,
            entries_max: self.outbox.entries_max,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Grpc {
    pub listen: SocketAddr,
    /// Threads that serve connections; 0 is one per core.
    pub threads: usize,
    pub message_bytes_max: usize,
    pub in_flight_max: usize,
    pub connections: PortConnections,
    pub proxy_protocol: bool,
    pub tls: Option<ServingFiles>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    pub listen: SocketAddr,
    /// Threads that serve connections; 0 is one per core.
    pub threads: usize,
    pub body_bytes_max: usize,
    pub in_flight_max: usize,
    pub connections: PortConnections,
    pub proxy_protocol: bool,
    pub tls: Option<ServingFiles>,
    pub routes: Routes,
}

/// What holds for WuKongIM's webhooks alone, over HTTP and gRPC.
#[derive(Clone, Debug, PartialEq)]
pub struct WukongIm {
    pub body_bytes_max: usize,
    pub large_bodies_max: usize,
    pub refuses_unreadable: bool,
}

/// What chatServer's own documents leave open.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatServer {
    pub type_1_is_room: bool,
    pub shows_refusals: bool,
}

/// How callgate speaks in a FUNTEK room.
#[derive(Clone, Debug, PartialEq)]
pub struct Funtek {
    pub bot: Option<Arc<str>>,
    /// The file of the rooms that callgate keeps for a chat server.
    pub rooms: PathBuf,
    /// Events that wait for the bot of one room, and of all rooms.
    pub room_waits_max: usize,
    pub waits_max: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    pub listen: SocketAddr,
    pub connections: PortConnections,
    pub proxy_protocol: bool,
    pub tls: Option<ServingFiles>,
    /// Names under which the port is asked, beside those that no stranger can have.
    pub hosts: Vec<String>,
    /// Whoever reaches the port may do everything, also from elsewhere.
    pub unprotected: bool,
    /// `/metrics` is for everybody.
    pub metrics_open: bool,
    /// `None`: no proxy says who somebody is.
    pub proxy_identity: Option<ProxySettings>,
    pub api: Api,
    /// How long a look at the business servers may take.
    pub doctor_timeout: Duration,
}

/// What one operator or token may ask of the JSON API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    pub calls_per_second: u32,
    pub burst: u32,
    pub body_bytes_max: usize,
}

impl Admin {
    /// Others than this machine may reach the port.
    fn is_reached_by_others(&self) -> bool {
        !self.listen.ip().to_canonical().is_loopback()
    }

    /// Nothing but probes and metrics is to be had without a token.
    pub fn needs_token(&self) -> bool {
        self.is_reached_by_others() && !self.unprotected
    }
}

/// How many connections a port has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortConnections {
    pub connections_max: usize,
    pub per_peer_max: usize,
}

/// What holds for the connections of every port.
#[derive(Clone, Debug, PartialEq)]
pub struct Connections {
    pub head_timeout: Duration,
    pub idle_timeout: Duration,
    pub body_timeout: Duration,
    pub answer_timeout: Duration,
    pub streams_max: u32,
    /// Bodies in memory, of one connection and of all.
    pub bodies_bytes_max: usize,
    pub all_bodies_bytes_max: usize,
    /// File descriptors that are kept for everything else.
    pub files_reserve: u64,
}

/// Reads engine.yaml, given with the name for problems; without one the defaults hold.
///
/// Errors: every problem at once.
pub fn load(file: Option<(&str, &str)>, env: &[(String, String)]) -> Result<Config, Vec<Problem>> {
    let problems = Problems::default();
    let name: Arc<str> = file.map_or("engine.yaml", |(name, _)| name).into();
    let mut layers = vec![Layer::new("defaults", defaults())];
    if let Some((_, text)) = file {
        layers.push(Layer::new("file", read_file(&name, text, &problems)));
    }
    layers.push(from_environment("CALLGATE_ENGINE", env, &problems));
    let merged = merge(&layers);
    let root = Section::root(&merged, At::file(&name), &problems);
    let paths = Paths::of(&layers);
    let config = read(&root, &paths);
    root.finish();
    let problems = problems.into_sorted();
    if problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
    {
        return Err(problems);
    }
    Ok(config)
}

/// How the problems of these settings are to be written, as far as that can be read.
pub fn log_format(file: Option<(&str, &str)>, env: &[(String, String)]) -> LogFormat {
    let problems = Problems::default();
    let name: Arc<str> = "engine.yaml".into();
    let mut layers = vec![Layer::new("defaults", defaults())];
    if let Some((_, text)) = file {
        layers.push(Layer::new("file", read_file(&name, text, &problems)));
    }
    layers.push(from_environment("CALLGATE_ENGINE", env, &problems));
    let merged = merge(&layers);
    let root = Section::root(&merged, At::file(&name), &problems);
    let format = root.field("log").section().field("format").choice();
    format.unwrap_or(LogFormat::Text)
}

/// The addresses that are listened on when nothing is configured.
pub fn default_listeners() -> Vec<SocketAddr> {
    let config = load(None, &[]).expect("a test reads the built-in defaults");
    config.listeners()
}

/// How logs are written when nothing is configured.
pub fn default_log() -> LogSettings {
    load(None, &[])
        .expect("a test reads the built-in defaults")
        .log
}

fn defaults() -> Map {
    let problems = Problems::default();
    read_file(&"built-in defaults".into(), DEFAULTS, &problems)
}

/// A file that holds nothing but comments says nothing.
fn read_file(name: &Arc<str>, text: &str, problems: &Problems) -> Map {
    match parse(name, text.as_bytes(), problems) {
        Ok(Some(Node {
            value: Value::Map(mut map),
            ..
        })) => {
            without_nulls(&mut map);
            map
        }
        Ok(Some(_)) => {
            let hint = "write `key: value` lines";
            problems.error(&At::file(name), "the file must be a map of keys", hint);
            Map::new()
        }
        Ok(None) | Err(_) => Map::new(),
    }
}

#[cfg(test)]
mod tests;
