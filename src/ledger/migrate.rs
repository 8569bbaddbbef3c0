//! The tables in the database: made, brought to the newest, and refused when they are newer.

use super::failed::Failed;
use crate::outbox::Database;

/// Step n brings the tables from n to n + 1. Never changed once released, only added to.
const STEPS: [&str; 1] = [include_str!("v1.sql")];

/// Makes what is missing. Whoever starts beside this one waits meanwhile.
pub(super) async fn migrate(database: &Database, schema: &str) -> Result<(), Failed> {
    database.run("BEGIN").await?;
    let done = within(database, schema).await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = database.run(end).await;
    done?;
    Ok(ended?)
}

async fn within(database: &Database, schema: &str) -> Result<(), Failed> {
    // The same lock as the outbox has: both may make the schema.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('callgate ' || $1, 0))";
    database.rows(lock, &[&schema]).await?;
    let quoted = schema.replace('"', "\"\"");
    let found = "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'policy_schema'";
    if database.rows(found, &[&schema]).await?.is_empty() {
        let has_schema = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
        if database.rows(has_schema, &[&schema]).await?.is_empty() {
            database.run(&format!("CREATE SCHEMA \"{quoted}\"")).await?;
        }
        database
            .run("CREATE TABLE policy_schema (version BIGINT NOT NULL)")
            .await?;
        database.run("INSERT INTO policy_schema VALUES (0)").await?;
    }
    let rows = database.rows("SELECT version FROM policy_schema", &[]);
    let found: i64 = rows.await?.first().map_or(0, |row| row.get(0));
    let known = STEPS.len() as i64;
    if found > known {
        return Err(Failed::Newer {
            schema: schema.to_owned(),
            found,
            known,
        });
    }
    for step in &STEPS[usize::try_from(found).unwrap_or_default()..] {
        database.run(step).await?;
    }
    if found < known {
        let sql = "UPDATE policy_schema SET version = $1";
        database.rows(sql, &[&known]).await?;
    }
    Ok(())
}
