//! An outbox in the database as one side of a move.

use async_trait::async_trait;

use super::alone::{Alone, failed};
use super::connect::Error;
use super::mark;
use super::migrate;
use super::move_in;
use super::move_out::{self, Numbers};
use super::store::Tx;
use crate::outbox::config::{Config, Server};
use crate::outbox::moving::{
    MoveError, MoveFrame, MoveMark, MovePlace, MoveSide, MoveSource, MoveState, MoveTarget,
    MovedBatch, Side,
};

pub(in crate::outbox) struct Moving {
    alone: Alone,
    /// Of a source.
    read: Numbers,
    /// Of a target: those of the endpoints in the order of the frame.
    written: Vec<i64>,
}

impl Moving {
    pub(in crate::outbox) fn new(config: &Config, server: &Server) -> Moving {
        Moving {
            alone: Alone::new(config, server),
            read: Numbers::default(),
            written: Vec::new(),
        }
    }

    fn failed(&self, error: Error) -> MoveError {
        self.alone.failed(error)
    }
}

/// Ends a transaction of the move; one that failed is undone with its connection.
async fn end<T>(mut tx: Tx<'_>, done: Result<T, Error>) -> Result<T, Error> {
    let done = done?;
    tx.commit().await.map(|()| done)
}

#[async_trait]
impl MoveSide for Moving {
    fn name(&self) -> String {
        self.alone.name()
    }

    async fn mark(&mut self) -> Result<Option<MoveMark>, MoveError> {
        self.alone.mark().await
    }

    async fn set_mark(&mut self, mark: Option<&MoveMark>) -> Result<(), MoveError> {
        self.alone.set_mark(mark, false).await
    }

    async fn used_by(&mut self) -> Result<Option<String>, MoveError> {
        self.alone.used_by().await
    }
}

#[async_trait]
impl MoveSource for Moving {
    async fn frame(&mut self) -> Result<MoveFrame, MoveError> {
        let schema = self.alone.shared.server.schema.clone();
        let found = migrate::found(self.alone.look().await?, &schema).await;
        if found.map_err(|error| self.failed(error))? == 0 {
            return Err(MoveError::Failed(format!(
                "{}: there is no outbox",
                self.name()
            )));
        }
        let read = move_out::frame(self.alone.enter().await?).await;
        let (frame, numbers) = read.map_err(|error| self.failed(error))?;
        self.read = numbers;
        Ok(frame)
    }

    async fn read(&mut self, place: &MovePlace) -> Result<Option<MovedBatch>, MoveError> {
        let connection = self.alone.enter().await?;
        let read = move_out::read(connection, &self.read, place).await;
        read.map_err(|error| self.failed(error))
    }

    /// The rows stay until events are moved here again: nobody uses a schema with that mark.
    async fn put_aside(&mut self) -> Result<Option<String>, MoveError> {
        Ok(None)
    }

    fn is_in_place(&self) -> bool {
        false
    }
}

#[async_trait]
impl MoveTarget for Moving {
    async fn holds(&mut self) -> Result<Option<String>, MoveError> {
        let schema = self.alone.shared.server.schema.clone();
        let connection = self.alone.look().await?;
        let found = async {
            let is_left =
                |mark: &MoveMark| mark.side == Side::Source && mark.state == MoveState::Done;
            match migrate::found(connection, &schema).await? {
                0 => Ok(None),
                // What was moved away is emptied when events come back.
                _ if mark::read(connection).await?.as_ref().is_some_and(is_left) => Ok(None),
                _ => move_in::holds(connection).await,
            }
        };
        found.await.map_err(|error| self.failed(error))
    }

    async fn begin(&mut self, new: &MoveMark, frame: &MoveFrame) -> Result<MovePlace, MoveError> {
        let before = self.alone.mark().await?;
        if before.is_none_or(|before| before.id != new.id) {
            self.alone.set_mark(Some(new), true).await?;
        }
        let connection = self.alone.enter().await?;
        let added = async {
            let numbers = move_in::add_endpoints(connection, frame).await?;
            Ok((numbers, mark::place(connection).await?))
        };
        let (numbers, place) = added.await.map_err(|error| self.failed(error))?;
        self.written = numbers;
        place.parse()
    }

    async fn write(&mut self, batch: &MovedBatch) -> Result<(), MoveError> {
        let name = self.name();
        let mut tx = self.alone.begin().await?;
        let written = tx.move_in(&self.written, batch).await;
        let ended = end(tx, written).await;
        ended.map_err(|error| failed(&name, error))
    }

    async fn complete(&mut self, frame: &MoveFrame) -> Result<(), MoveError> {
        let name = self.name();
        let mut tx = self.alone.begin().await?;
        let counted = tx.count_moved(&self.written, frame).await;
        let ended = end(tx, counted).await;
        ended.map_err(|error| failed(&name, error))?
    }

    async fn open(&mut self) -> Result<(), MoveError> {
        let Some(mark) = self.alone.mark().await? else {
            return Ok(());
        };
        let state = MoveState::Done;
        let done = MoveMark { state, ..mark };
        self.alone.set_mark(Some(&done), false).await
    }

    async fn clear(&mut self) -> Result<(), MoveError> {
        self.alone.set_mark(None, true).await
    }
}
