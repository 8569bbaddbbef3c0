//! A connection to an outbox that no replica uses, to move everything out of it or into it.

use std::sync::Arc;

use tokio::sync::watch;

use super::connect::{Connection, Error};
use super::mark;
use super::migrate::{self, migrate};
use super::move_in;
use super::replica;
use super::store::{Lasting, Shared, Tx};
use crate::outbox::config::{Config, Server};
use crate::outbox::error::OpenError;
use crate::outbox::moving::{MoveError, MoveMark, MovePlace, MoveState};

/// The task of the counters' rows that a move changes, of replica 0.
const MOVE: i16 = 0;

pub(super) struct Alone {
    pub shared: Shared,
    /// Made when it is first needed.
    connection: Option<Connection>,
    /// Nobody else moves, the schema is the newest.
    has_entered: bool,
}

impl Alone {
    pub(super) fn new(config: &Config, server: &Server) -> Alone {
        Alone {
            shared: Shared::new(config.clone(), server.clone(), watch::Sender::new(0)),
            connection: None,
            has_entered: false,
        }
    }

    pub(super) fn name(&self) -> String {
        let server = &self.shared.server;
        format!("PostgreSQL {}, schema {}", server.shown(), server.schema)
    }

    /// Connects, and changes nothing. Errors: an outbox of a newer callgate is there.
    pub(super) async fn look(&mut self) -> Result<&Connection, MoveError> {
        if self.connection.is_none() {
            let connected = self.shared.hosts.connect(Arc::default()).await;
            let connection = connected.map_err(|error| self.failed(error))?;
            let checked = connection.check_server().await;
            checked.map_err(|error| self.failed(error))?;
            let found = migrate::found(&connection, &self.shared.server.schema).await;
            found.map_err(|error| self.failed(error))?;
            self.connection = Some(connection);
        }
        Ok(self.connection.as_ref().expect("it was just made"))
    }

    /// The same, with the schema made, and no other move beside this one.
    pub(super) async fn enter(&mut self) -> Result<&Connection, MoveError> {
        self.look().await?;
        if !self.has_entered {
            let entered = self.take().await;
            entered.map_err(|error| match error {
                Error::Again(_) => MoveError::Moving(self.name()),
                error => self.failed(error),
            })?;
            self.has_entered = true;
        }
        self.look().await
    }

    async fn take(&self) -> Result<(), Error> {
        let Some(connection) = &self.connection else {
            return Ok(());
        };
        // One that was killed may have sent a commit that is still on its way: its end is waited for.
        let lock = "SELECT pg_advisory_lock(hashtextextended('callgate move ' || $1, 0))";
        let schema = &self.shared.server.schema;
        connection.rows(lock, &[schema]).await?;
        migrate(connection, schema).await?;
        connection.run(mark::PASS).await?;
        self.shared.read_endpoints(connection).await?;
        self.shared.read_part(connection).await
    }

    /// Begins a transaction of the move.
    pub(super) async fn begin(&mut self) -> Result<Tx<'_>, MoveError> {
        self.enter().await?;
        let (shared, connection) = (&self.shared, self.connection.as_ref());
        let connection = connection.expect("it was entered");
        let begun = Tx::begin(connection, shared, MOVE, Lasting::Synced).await;
        begun.map_err(|error| failed(&self.name(), error))
    }

    pub(super) async fn mark(&mut self) -> Result<Option<MoveMark>, MoveError> {
        let read = mark::read(self.look().await?).await;
        read.map_err(|error| self.failed(error))
    }

    /// Sets the mark, or takes it away; with all rows, if it `clears`.
    pub(super) async fn set_mark(
        &mut self,
        new: Option<&MoveMark>,
        clears: bool,
    ) -> Result<(), MoveError> {
        let name = self.name();
        let mut tx = self.begin().await?;
        let begins = new.is_some_and(|mark| mark.state == MoveState::Begun);
        let marked = async {
            let living = match begins {
                true => replica::bury_all(&mut tx).await?,
                false => None,
            };
            if living.is_none() {
                mark::write(tx.connection, new).await?;
                if clears {
                    move_in::clear(tx.connection).await?;
                    mark::set_place(tx.connection, &MovePlace::default()).await?;
                }
            }
            Ok(living)
        };
        match marked.await.map_err(|error| failed(&name, error))? {
            None => tx.commit().await.map_err(|error| failed(&name, error)),
            Some(replica) => {
                let undone = tx.connection.run("ROLLBACK").await;
                undone.map_err(|error| failed(&name, error))?;
                Err(MoveError::InUse(replica, name))
            }
        }
    }

    /// A replica that lives, as far as is seen without a change.
    pub(super) async fn used_by(&mut self) -> Result<Option<String>, MoveError> {
        let schema = self.shared.server.schema.clone();
        let lease = self.shared.server.lease;
        let connection = self.look().await?;
        let living = async {
            match migrate::found(connection, &schema).await? {
                0 => Ok(None),
                _ => replica::living(connection, lease).await,
            }
        };
        living.await.map_err(|error| self.failed(error))
    }

    pub(super) fn failed(&self, error: Error) -> MoveError {
        match error {
            Error::Newer { found, known } => MoveError::Open(OpenError::NewerSchema {
                schema: self.shared.server.schema.clone(),
                found,
                known,
            }),
            error => failed(&self.name(), error),
        }
    }
}

pub(super) fn failed(name: &str, error: Error) -> MoveError {
    MoveError::Failed(format!("{name}: {error}"))
}
