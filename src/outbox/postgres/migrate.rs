//! The schema in the database: made, brought to the newest, and refused when it is newer.

use super::connect::{Connection, Error};

/// Step n brings the schema from n to n + 1. Never changed once released, only added to.
const STEPS: [&str; 1] = [include_str!("v1.sql")];

/// Makes what is missing. Whoever starts beside this one waits meanwhile.
pub(super) async fn migrate(connection: &Connection, schema: &str) -> Result<(), Error> {
    connection.run("BEGIN").await?;
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('callgate ' || $1, 0))";
    connection.rows(lock, &[&schema]).await?;
    let found = match found(connection, schema).await {
        Err(error @ Error::Newer { .. }) => {
            connection.run("ROLLBACK").await?;
            return Err(error);
        }
        found => found?,
    };
    let known = STEPS.len() as i64;
    if found == 0 {
        let quoted = schema.replace('"', "\"\"");
        let schema = format!("CREATE SCHEMA IF NOT EXISTS \"{quoted}\"");
        connection.run(&schema).await?;
        connection
            .run("CREATE TABLE outbox_schema (version BIGINT NOT NULL)")
            .await?;
        connection
            .run("INSERT INTO outbox_schema VALUES (0)")
            .await?;
    }
    for step in &STEPS[found as usize..] {
        connection.run(step).await?;
    }
    if found < known {
        let sql = "UPDATE outbox_schema SET version = $1";
        connection.rows(sql, &[&known]).await?;
    }
    connection.run("COMMIT").await
}

/// The version of what is there, 0 for nothing. Errors: it is newer than this callgate knows.
pub(super) async fn found(connection: &Connection, schema: &str) -> Result<i64, Error> {
    let found = match connection.rows(FOUND, &[&schema]).await?.is_empty() {
        true => 0,
        false => version(connection).await?,
    };
    let known = STEPS.len() as i64;
    match found > known {
        true => Err(Error::Newer { found, known }),
        false => Ok(found),
    }
}

const FOUND: &str = "SELECT 1 FROM pg_tables
    WHERE schemaname = $1 AND tablename = 'outbox_schema'";

async fn version(connection: &Connection) -> Result<i64, Error> {
    let rows = connection
        .rows("SELECT version FROM outbox_schema", &[])
        .await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}
