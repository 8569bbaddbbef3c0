//! A connection to the server, and how what goes wrong on it is told apart.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_util::future::poll_fn;
use tokio::sync::Notify;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, NoTls, Row, Socket, Statement};

use super::tls::Tls;
use crate::outbox::config::ServerTls;
use crate::outbox::error::OutboxError;

/// The first version that this is tested with.
const VERSION_MIN: i32 = 150_000;

/// Every statement finds few rows by an index, so it is planned once, whatever the planner knows of
/// the tables. A process that stops in a transaction holds up the others for a while at the most.
/// A limit for statements would end the wait of a commit for its standby, too.
const SETTINGS: &str = "SET enable_seqscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off; SET jit = off; SET plan_cache_mode = force_generic_plan;
    SET statement_timeout = 0; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '5s'";

/// Why the database did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("PostgreSQL is away: {0}")]
    Away(String),
    /// Another transaction was in the way; the same again may do.
    #[error("PostgreSQL: {0}")]
    Again(String),
    #[error("PostgreSQL has no room: {0}")]
    Full(String),
    /// Others took this replica for dead and what it had in flight for theirs.
    #[error("this replica was silent for longer than its lease")]
    Fenced,
    #[error("PostgreSQL {0} answers, and 15 or later is needed: name such a server")]
    Old(String),
    #[error("its schema is {found}, this callgate knows {known}")]
    Newer { found: i64, known: i64 },
    /// Its events are somewhere else, or not all here yet.
    #[error("it is not used: {0}")]
    Moved(String),
    #[error("PostgreSQL: {0}")]
    Failed(String),
}

impl Error {
    /// The same again may do, without anybody's help.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Error::Away(_) | Error::Again(_) | Error::Full(_))
    }

    /// Why, for somebody who knows already that the server cannot be used.
    pub(super) fn reason(self) -> String {
        match self {
            Error::Away(why) => why,
            error => error.to_string(),
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Error {
        let Some(told) = error.as_db_error() else {
            return Error::Away(with_sources(&error));
        };
        let why = format!("{} ({})", told.message(), told.code().code());
        match told.code() {
            code if *code == SqlState::DISK_FULL => Error::Full(why),
            // A part of the events was dropped while a row was on its way into it.
            code if *code == SqlState::CHECK_VIOLATION => Error::Again(why),
            code if code.code().starts_with("40") || *code == SqlState::LOCK_NOT_AVAILABLE => {
                Error::Again(why)
            }
            // Connections end, the server starts or stops, or takes no more, or may only be read.
            code if ["08", "57", "53", "25006"]
                .iter()
                .any(|class| code.code().starts_with(class)) =>
            {
                Error::Away(why)
            }
            code => Error::Failed(format!("{why}{}", way_out(code))),
        }
    }
}

/// What to do about what only people can mend.
fn way_out(code: &SqlState) -> &'static str {
    match code {
        code if code.code().starts_with("28") => {
            ": check user and password in the URL, and pg_hba.conf of the server"
        }
        code if *code == SqlState::INVALID_CATALOG_NAME => {
            ": make it with CREATE DATABASE, or name another one in the URL"
        }
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            ": let the user make the schema (GRANT CREATE ON DATABASE ... TO ...), or make it for \
             the user (CREATE SCHEMA ... AUTHORIZATION ...)"
        }
        _ => "",
    }
}

impl From<Error> for OutboxError {
    fn from(error: Error) -> OutboxError {
        match error {
            Error::Full(why) => OutboxError::DiskFull(why),
            error => OutboxError::Failed(error.to_string()),
        }
    }
}

pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What the server says unasked.
struct Heard {
    notified: Arc<Notify>,
    is_unconfirmed: Arc<AtomicBool>,
}

impl Heard {
    async fn connect<T>(self, config: &tokio_postgres::Config, tls: T) -> Result<Client, Error>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let (client, mut connection) = config.connect(tls).await?;
        tokio::spawn(async move {
            // An error ends the client too, which says so to whoever asks it.
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await
            {
                self.hear(&message);
            }
        });
        Ok(client)
    }

    /// Before the answer that follows it is given on.
    fn hear(&self, message: &AsyncMessage) {
        match message {
            AsyncMessage::Notification(_) => self.notified.notify_one(),
            // A warning of this name is the only one there, in any language.
            AsyncMessage::Notice(notice) if notice.routine() == Some("SyncRepWaitForLSN") => {
                self.is_unconfirmed.store(true, Ordering::Release);
            }
            _ => {}
        }
    }
}

/// One connection, with the statements that were prepared on it.
pub(crate) struct Connection {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    /// A commit was answered although no standby confirmed it.
    is_unconfirmed: Arc<AtomicBool>,
    /// Nothing is written outside of a transaction.
    is_guarded: bool,
    is_preparing: AtomicBool,
}

impl Connection {
    /// Connects to one server, and uses a schema there; what the server notifies of raises
    /// `notified`.
    pub(super) async fn open(
        config: &tokio_postgres::Config,
        tls: Option<&ServerTls>,
        schema: &str,
        notified: Arc<Notify>,
    ) -> Result<Connection, Error> {
        let is_unconfirmed = Arc::default();
        let heard = Heard {
            notified,
            is_unconfirmed: Arc::clone(&is_unconfirmed),
        };
        let client = match tls {
            Some(ServerTls(tls)) => heard.connect(config, Tls(Arc::clone(tls))).await?,
            None => heard.connect(config, NoTls).await?,
        };
        let connection = Connection {
            client,
            statements: Mutex::default(),
            is_unconfirmed,
            is_guarded: false,
            is_preparing: AtomicBool::new(false),
        };
        let schema = schema.replace('"', "\"\"");
        connection
            .run(&format!("SET search_path = \"{schema}\"; {SETTINGS}"))
            .await?;
        Ok(connection)
    }

    /// Refuses a server that is too old, and says when its commits are not what they seem.
    pub(crate) async fn check_server(&self) -> Result<(), Error> {
        let rows = self
            .rows(
                "SELECT current_setting('server_version_num')::int,
                    current_setting('server_version'),
                    current_setting('fsync'), current_setting('synchronous_commit')",
                &[],
            )
            .await?;
        let (number, version): (i32, String) = (rows[0].get(0), rows[0].get(1));
        if number < VERSION_MIN {
            return Err(Error::Old(version));
        }
        for (setting, at) in [("fsync", 2), ("synchronous_commit", 3)] {
            if rows[0].get::<_, &str>(at) == "off" {
                tracing::warn!(
                    "PostgreSQL has `{setting} = off`: what it says is committed may be lost \
                     when its machine fails"
                );
            }
        }
        Ok(())
    }

    /// Commits; an error when the server gave up waiting for its standby, as somebody asked it to:
    /// what it has committed then may be lost when it fails over.
    pub(crate) async fn commit(&self) -> Result<(), Error> {
        self.run("COMMIT").await?;
        match self.is_unconfirmed.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(Error::Away("no standby has confirmed a commit".to_owned())),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs statements without values.
    pub(crate) async fn run(&self, sql: &str) -> Result<(), Error> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Whether a query finds anything.
    pub(super) async fn is_some(&self, sql: &str) -> Result<bool, Error> {
        let messages = self.client.simple_query(sql).await?;
        let is_row = |message| matches!(message, &tokio_postgres::SimpleQueryMessage::Row(_));
        Ok(messages.iter().any(is_row))
    }

    /// From now on nothing is written outside of a transaction of [`Connection::begin`].
    pub(super) async fn guard(&mut self) -> Result<(), Error> {
        self.run("SET default_transaction_read_only = on").await?;
        self.is_guarded = true;
        Ok(())
    }

    /// Begins a transaction, with more statements in it that have no values.
    ///
    /// A guarded connection does not wait for the answer, which nobody hears: where the server did
    /// not begin, it refuses whatever writes or locks a row.
    pub(super) async fn begin(&self, more: &str) -> Result<(), Error> {
        let sql = format!("BEGIN READ WRITE{more}");
        match self.is_guarded {
            true => self.send(&sql).await,
            false => self.run(&sql).await,
        }
    }

    async fn send(&self, sql: &str) -> Result<(), Error> {
        let mut answered = std::pin::pin!(self.client.batch_execute(sql));
        // The first poll sends.
        match poll_fn(|context| Poll::Ready(answered.as_mut().poll(context))).await {
            Poll::Ready(Err(error)) => Err(error.into()),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Prepares statements that are asked for together then: they are sent in the order in which
    /// they are polled, are one round trip, and each sees what those before it did. After one that
    /// fails, those behind it fail as well.
    pub(super) async fn prepare(&self, all: &[&'static str]) -> Result<(), Error> {
        for sql in all {
            self.statement(sql).await?;
        }
        Ok(())
    }

    /// Runs one statement, which is prepared once.
    pub(crate) async fn rows(
        &self,
        sql: &'static str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let statement = self.statement(sql).await?;
        Ok(self.client.query(&statement, values).await?)
    }

    async fn statement(&self, sql: &'static str) -> Result<Statement, Error> {
        // Whoever was asked for together with it would be sent before it.
        debug_assert!(!self.is_preparing.load(Ordering::Relaxed), "prepare {sql}");
        let known = self.known().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        self.is_preparing.store(true, Ordering::Relaxed);
        let prepared = self.client.prepare(sql).await;
        self.is_preparing.store(false, Ordering::Relaxed);
        let statement = prepared?;
        self.known().insert(sql, statement.clone());
        Ok(statement)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Statement>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
