//! The settings of the outbox.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio_postgres::config::TargetSessionAttrs;

/// Where accepted events are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// In a file: accepted means synced to disk.
    #[default]
    Sqlite,
    /// In memory: a restart loses what is pending.
    Memory,
    /// In PostgreSQL, which several replicas share: accepted means committed there.
    Postgres,
}

/// Where PostgreSQL is, and how this replica behaves there.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// `postgres://user:password@host:port/database`, or several hosts with commas between them.
    pub url: String,
    /// The schema that the tables stand in; it is made if it is missing.
    pub schema: String,
    pub when_down: WhenDown,
    /// How the server proves who it is; `None` speaks plain text.
    pub tls: Option<ServerTls>,
    /// Reads both again for each connection; `None` where they stand for good.
    pub again: Option<Again>,
    /// What people call this replica by.
    pub replica: String,
    /// Connections for deliveries; three more accept, look and keep.
    pub connections: usize,
    /// A replica that was silent for so long is taken for dead, and others tell what it had in
    /// flight.
    pub lease: Duration,
    /// The same for one whose connections have ended.
    pub takeover_after: Duration,
}

/// What becomes of events while the server is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenDown {
    /// They are accepted into the file of `path` and forwarded when it is back.
    #[default]
    Spool,
    /// They are refused.
    Refuse,
}

/// A configuration of TLS. Two are equal when they are the same one.
#[derive(Clone)]
pub struct ServerTls(pub Arc<ClientConfig>);

impl PartialEq for ServerTls {
    fn eq(&self, other: &ServerTls) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ServerTls {}

/// What a connection is made with.
#[derive(Clone)]
pub struct Access {
    pub url: String,
    pub tls: Option<ServerTls>,
}

/// Reads what a connection is made with, or says why it cannot be read. Two are equal when they are
/// the same one.
#[derive(Clone)]
pub struct Again(pub Arc<dyn Fn() -> Result<Access, String> + Send + Sync>);

impl PartialEq for Again {
    fn eq(&self, other: &Again) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Again {}

impl fmt::Debug for Server {
    /// Without the URL, which has a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut server = f.debug_struct("Server");
        server
            .field("schema", &self.schema)
            .field("replica", &self.replica);
        server.finish_non_exhaustive()
    }
}

/// Why a URL names no server. Nothing of the URL is in it, for a password may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadUrl {
    pub what: &'static str,
    pub hint: &'static str,
}

const FORM: &str = "write it like postgres://USER:PASSWORD@HOST:5432/DATABASE, and signs such as \
                    @ / ? # % in the password as %40 %2F %3F %23 %25";

impl Server {
    /// Whether a URL can be one of PostgreSQL.
    pub fn check_url(url: &str) -> Result<(), BadUrl> {
        let bad = |what| Err(BadUrl { what, hint: FORM });
        let (_, options) = url.rsplit_once('?').unwrap_or_default();
        if options.contains("sslmode") {
            return Err(BadUrl {
                what: "the URL says `sslmode`, which is not how it is said here",
                hint: "take it out of the URL and set `storage.tls.mode`",
            });
        }
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return bad("this is no URL of PostgreSQL");
        }
        match url.parse::<tokio_postgres::Config>() {
            Ok(config) if config.get_target_session_attrs() == TargetSessionAttrs::ReadOnly => {
                Err(BadUrl {
                    what: "the URL asks for a server that may only be read, and callgate writes",
                    hint: "write `target_session_attrs=read-write`, which is the default here",
                })
            }
            Err(_) => bad("this URL cannot be read"),
            Ok(config) if config.get_hosts().is_empty() => bad("this URL names no host"),
            Ok(config) if config.get_user().is_none_or(str::is_empty) => {
                bad("this URL names no user")
            }
            Ok(_) => Ok(()),
        }
    }

    /// Where it is, without user and password: `db-1:5432/callgate`.
    pub fn shown(&self) -> String {
        let Ok(config) = self.url.parse::<tokio_postgres::Config>() else {
            return "PostgreSQL".to_owned();
        };
        let ports = config.get_ports();
        let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                tokio_postgres::config::Host::Tcp(name) => format!("{name}:{port}"),
                tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
            }
        });
        let hosts: Vec<String> = hosts.collect();
        let database = config
            .get_dbname()
            .or(config.get_user())
            .unwrap_or_default();
        format!("{}/{database}", hosts.join(","))
    }

    /// The name by which replicas wake each other.
    pub(crate) fn channel(&self) -> String {
        let hash = ring::digest::digest(&ring::digest::SHA256, self.schema.as_bytes());
        let hex = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}"));
        format!("callgate_{}", hex.collect::<String>())
    }
}

/// Settings of the outbox. Every limit that it has is here.
///
/// Their defaults and what they mean for an operator stand in `defaults/engine.yaml` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub kind: Kind,
    /// Where the database is, for a kind that has one.
    pub server: Option<Server>,
    /// The file; beside it SQLite keeps `<path>-wal`. Its folder is made if it is missing.
    pub path: PathBuf,
    /// Appending past this is refused. Counts what has not been delivered everywhere, dead
    /// letters included, by its size in the file to within a fifth.
    pub bytes_max: u64,
    /// The part of `bytes_max` that events for one endpoint may take. Past it an event for others
    /// too is accepted for the others alone, and one for it alone is refused: a receiver that is
    /// down for long must not take the room of all.
    pub endpoint_bytes_max: u64,
    /// Appending past so many events is refused; the same ones are counted.
    pub entries_max: u64,
    /// The largest body of one event.
    pub body_bytes_max: usize,
    /// Room on the disk that is kept for recording deliveries when nothing else is left; 0 is none.
    pub reserve_bytes: u64,
    /// How long an id is remembered after its event has ended, at the least.
    pub dedupe: Duration,
    /// Past so many remembered ids of ended events the oldest are forgotten before their time.
    pub dedupe_ids_max: u64,
    /// How long a dead letter is kept before it is discarded.
    pub dead_keep: Duration,
    /// So many of the discarded events are listed, the last ones.
    pub discarded_kept: u64,
    /// One commit (one sync) takes no more entries than this, unless one `append` alone does.
    pub commit_entries_max: usize,
    /// How long a commit may wait for callers that were part of the one before.
    /// A single caller never waits.
    pub commit_wait: Duration,
    /// Calls that wait for the writer; more callers wait before they are queued.
    pub queue_max: usize,
}
