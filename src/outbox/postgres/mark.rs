//! The mark of a move in the database, and what keeps everybody else out meanwhile.
//!
//! It is no part of the schema: the first move makes its table. Who starts looks at the mark, and one
//! that was silent since before (stopped, cut off) accepts nothing: a trigger answers it as a server
//! does that is shutting down, so that it spools what it is told.

use super::connect::{Connection, Error};
use crate::outbox::moving::{MoveMark, MovePlace};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS moving (
    one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one),
    mark TEXT NOT NULL,
    place TEXT NOT NULL DEFAULT '')";

const CLOSE: &str = "CREATE OR REPLACE FUNCTION is_moved() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('callgate.moves', true) IS DISTINCT FROM 'on' THEN
            RAISE EXCEPTION 'the outbox here is being moved, or was' USING ERRCODE = '57P03';
        END IF;
        RETURN NULL;
    END $$;
    CREATE OR REPLACE TRIGGER is_moved BEFORE INSERT ON known
        FOR EACH STATEMENT EXECUTE FUNCTION is_moved()";

const OPEN: &str = "DROP TRIGGER IF EXISTS is_moved ON known";

/// Lets this connection do what the others may not.
pub(super) const PASS: &str = "SET callgate.moves = 'on'";

pub(super) async fn read(connection: &Connection) -> Result<Option<MoveMark>, Error> {
    let sql = "SELECT to_regclass('moving') IS NOT NULL";
    if !connection.rows(sql, &[]).await?[0].get::<_, bool>(0) {
        return Ok(None);
    }
    let rows = connection.rows("SELECT mark FROM moving", &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    serde_json::from_str(row.get(0))
        .map(Some)
        .map_err(|error| Error::Failed(format!("the mark of a move cannot be read: {error}")))
}

/// Within a transaction.
pub(super) async fn write(connection: &Connection, mark: Option<&MoveMark>) -> Result<(), Error> {
    connection.run(TABLE).await?;
    match mark {
        None => connection.run("DELETE FROM moving").await?,
        Some(mark) => {
            let text = serde_json::to_string(mark).expect("texts are JSON");
            let sql = "INSERT INTO moving (mark) VALUES ($1)
                ON CONFLICT (one) DO UPDATE SET mark = excluded.mark";
            connection.rows(sql, &[&text]).await?;
        }
    }
    let is_closed = mark.is_some_and(|mark| mark.refusal().is_some());
    connection.run(if is_closed { CLOSE } else { OPEN }).await
}

/// How far the move has come.
pub(super) async fn place(connection: &Connection) -> Result<String, Error> {
    let rows = connection.rows("SELECT place FROM moving", &[]).await?;
    Ok(rows.first().map_or_else(String::new, |row| row.get(0)))
}

pub(super) async fn set_place(connection: &Connection, place: &MovePlace) -> Result<(), Error> {
    let sql = "UPDATE moving SET place = $1";
    let place = place.to_string();
    connection.rows(sql, &[&place]).await.map(drop)
}

/// Errors: the outbox is not to be used.
pub(super) async fn refuse(connection: &Connection) -> Result<(), Error> {
    let mark = read(connection).await?;
    match mark.and_then(|mark| mark.refusal()) {
        None => Ok(()),
        Some(why) => Err(Error::Moved(why)),
    }
}
