//! Which server a connection is made to: of several that a URL names, the one that may be written to.
//!
//! What a connection is made with is read again for each, so a password and certificates can change
//! while callgate runs; while they cannot be read, those from before are used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tracing::error;

use super::connect::{Connection, Error, with_sources};
use crate::outbox::config::{Access, Server};

/// How long a connection may take to be made; and to one of several servers, so that one that hangs
/// does not keep callgate from the next.
const CONNECT: Duration = Duration::from_secs(5);
const CONNECT_ALL: Duration = Duration::from_secs(12);
/// A server that does not answer is gone after so long.
const SILENT: Duration = Duration::from_secs(10);

/// The way to the server.
pub(crate) struct Hosts {
    server: Server,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The last one that could be read.
    access: Option<Access>,
    /// Why it could not be read the last time; the same again and again is said once.
    unread: String,
    /// The database that was written to last.
    reign: Option<Reign>,
}

/// One primary of a database: each that is promoted begins another timeline.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Reign {
    database: i64,
    timeline: i64,
}

impl Hosts {
    pub(crate) fn new(server: &Server) -> Hosts {
        Hosts {
            server: server.clone(),
            known: Mutex::default(),
        }
    }

    /// Connects to the first server of the URL that may be written to.
    ///
    /// Errors: [`Error::Away`] when one of them may be such a server later, with the reason of each.
    pub(crate) async fn connect(&self, notified: Arc<Notify>) -> Result<Connection, Error> {
        let access = self.access();
        let all: Config =
            (access.url.parse()).map_err(|error| Error::Failed(with_sources(&error)))?;
        let count = all.get_hosts().len().max(1);
        let limit = CONNECT.min(CONNECT_ALL / count as u32);
        let mut refused = Vec::new();
        for at in 0..count {
            let (config, name) = one_of(&all, at, access.tls.is_some(), limit);
            let connecting = self.connect_to(&config, &access, Arc::clone(&notified));
            let late = || Error::Away(format!("it did not answer within {limit:?}"));
            match tokio::time::timeout(limit, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => refused.push((name, error)),
                Err(_) => refused.push((name, late())),
            }
        }
        Err(all_refused(refused))
    }

    async fn connect_to(
        &self,
        config: &Config,
        access: &Access,
        notified: Arc<Notify>,
    ) -> Result<Connection, Error> {
        let tls = access.tls.as_ref();
        let connection = Connection::open(config, tls, &self.server.schema, notified).await?;
        self.check_reign(&connection).await?;
        Ok(connection)
    }

    /// Refuses a primary in whose place another one was promoted: it came back without knowing.
    async fn check_reign(&self, connection: &Connection) -> Result<(), Error> {
        let sql = "SELECT system_identifier,
                ('x' || lpad(left(pg_walfile_name(pg_current_wal_lsn()), 8), 16, '0'))::bit(64)::bigint
            FROM pg_control_system()";
        let Ok(rows) = connection.rows(sql, &[]).await else {
            // Not every server that speaks PostgreSQL's language has such names.
            return Ok(());
        };
        let reign = Reign {
            database: rows[0].get(0),
            timeline: rows[0].get(1),
        };
        let mut known = self.known();
        match known.reign {
            Some(last) if last.database == reign.database && last.timeline > reign.timeline => {
                Err(Error::Away(format!(
                    "it was replaced by another server (its timeline is {}, the other's {}): make it \
                     a standby of that one",
                    reign.timeline, last.timeline
                )))
            }
            _ => {
                known.reign = Some(reign);
                Ok(())
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access(&self) -> Access {
        let mut known = self.known();
        let before = known.access.clone().unwrap_or_else(|| Access {
            url: self.server.url.clone(),
            tls: self.server.tls.clone(),
        });
        let Some(again) = &self.server.again else {
            return before;
        };
        match (again.0)() {
            Ok(access) => {
                known.unread.clear();
                known.access = Some(access.clone());
                access
            }
            Err(why) => {
                if known.unread != why {
                    error!("what was read before is used on: {why}");
                    known.unread = why;
                }
                before
            }
        }
    }
}

/// The settings for one of the servers, and its name.
fn one_of(all: &Config, at: usize, with_tls: bool, limit: Duration) -> (Config, String) {
    let mut one = Config::new();
    let port = all.get_ports().get(at).or(all.get_ports().first());
    let port = port.copied().unwrap_or(5432);
    let name = match all.get_hosts().get(at) {
        Some(Host::Tcp(name)) => {
            one.host(name);
            format!("{name}:{port}")
        }
        Some(Host::Unix(path)) => {
            one.host_path(path);
            path.display().to_string()
        }
        None => String::new(),
    };
    if let Some(address) = all.get_hostaddrs().get(at) {
        one.hostaddr(*address);
    }
    one.port(port);
    all.get_user().map(|user| one.user(user));
    all.get_password().map(|password| one.password(password));
    all.get_dbname().map(|database| one.dbname(database));
    all.get_options().map(|options| one.options(options));
    one.channel_binding(all.get_channel_binding());
    one.ssl_negotiation(all.get_ssl_negotiation());
    one.ssl_mode(match with_tls {
        true => SslMode::Require,
        false => SslMode::Disable,
    });
    // A standby is no place to write to.
    one.target_session_attrs(TargetSessionAttrs::ReadWrite);
    one.connect_timeout(limit);
    one.tcp_user_timeout(SILENT);
    one.keepalives_idle(SILENT);
    one.application_name("callgate");
    (one, name)
}

fn all_refused(mut refused: Vec<(String, Error)>) -> Error {
    if refused.len() == 1 {
        return refused.remove(0).1;
    }
    let away = (refused.iter()).any(|(_, error)| matches!(error, Error::Away(_)));
    if !away && let Some((_, error)) = refused.pop() {
        return error;
    }
    let why = refused.into_iter();
    let why = why.map(|(name, error)| format!("{name}: {}", error.reason()));
    Error::Away(why.collect::<Vec<_>>().join("; "))
}
