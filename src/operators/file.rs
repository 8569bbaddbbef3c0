//! `operators.db`: all of it in four small tables, written whole in one transaction.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rusqlite::{Connection, Row, params};

use super::error::OperatorsError;
use super::grant::{Grant, ListLimit, Rights, Role};
use super::known::{Invitation, Known, Operator, Session, Token};
use super::passwords::Hashed;
use crate::database::{self, DatabaseError};
use crate::policy::Digest;

/// Marks a SQLite file as ours: `cgOP`.
const APPLICATION_ID: i32 = 0x6367_4f50;

/// What this callgate writes: 0 had no `lists`.
const FORM: i32 = 1;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS operators (
        id INTEGER PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        rights TEXT NOT NULL,
        disabled INTEGER NOT NULL,
        password TEXT,
        made_ms INTEGER NOT NULL,
        lists TEXT
    ) STRICT;
    CREATE TABLE IF NOT EXISTS sessions (
        secret_sha256 TEXT PRIMARY KEY NOT NULL,
        operator INTEGER NOT NULL,
        address TEXT,
        made_ms INTEGER NOT NULL,
        seen_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS tokens (
        secret_sha256 TEXT PRIMARY KEY NOT NULL,
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        operator INTEGER,
        role TEXT NOT NULL,
        rights TEXT NOT NULL,
        expires_ms INTEGER NOT NULL,
        used_ms INTEGER NOT NULL,
        lists TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS invitations (
        secret_sha256 TEXT PRIMARY KEY NOT NULL,
        name TEXT,
        role TEXT NOT NULL,
        rights TEXT NOT NULL,
        expires_ms INTEGER NOT NULL,
        lists TEXT
    ) STRICT, WITHOUT ROWID;";

/// Tables that hold grants.
const GRANTS: [&str; 3] = ["operators", "tokens", "invitations"];

/// The file; it is made with the first thing that is written.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    connection: Option<Connection>,
}

impl File {
    /// Reads the file, if there is one.
    pub(super) fn open(path: &Path) -> Result<(File, Known), OperatorsError> {
        let mut file = File {
            path: path.to_owned(),
            connection: None,
        };
        if !path.exists() {
            return Ok((file, Known::default()));
        }
        let connection = connect(path)?;
        let known = read(&connection)?;
        file.connection = Some(connection);
        Ok((file, known))
    }

    /// Writes all of it. Blocks for one write to disk.
    pub(super) fn write(&mut self, known: &Known) -> Result<(), OperatorsError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let written = write_all(&mut connection, known);
        self.connection = Some(connection);
        Ok(written?)
    }
}

fn connect(path: &Path) -> Result<Connection, OperatorsError> {
    let sql = format!("PRAGMA secure_delete = ON; {TABLES}");
    let opened = database::open(path, APPLICATION_ID, &sql);
    let connection = opened.map_err(|error| match error {
        DatabaseError::File(error) => error.into(),
        DatabaseError::Folder(error) => error.into(),
        DatabaseError::Foreign(path) => OperatorsError::Foreign(path),
    })?;
    let form: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match form > FORM {
        true => Err(OperatorsError::Later(path.to_owned())),
        false => {
            bring_up(&connection)?;
            Ok(connection)
        }
    }
}

/// Gives a file of an earlier callgate what it lacks; all of it or nothing.
fn bring_up(connection: &Connection) -> rusqlite::Result<()> {
    let all = connection.unchecked_transaction()?;
    for table in GRANTS {
        let known: bool = all.query_row(
            "SELECT count(*) > 0 FROM pragma_table_info(?) WHERE name = 'lists'",
            [table],
            |row| row.get(0),
        )?;
        if !known {
            all.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN lists TEXT"))?;
        }
    }
    all.execute_batch(&format!("PRAGMA user_version = {FORM}"))?;
    all.commit()
}

/// Ends every session of a file that nobody has open.
pub fn end_sessions(path: &Path) -> Result<(), OperatorsError> {
    let connection = connect(path)?;
    connection.execute_batch("DELETE FROM sessions; PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(())
}

fn write_all(connection: &mut Connection, known: &Known) -> rusqlite::Result<()> {
    let all = connection.transaction()?;
    all.execute_batch(
        "DELETE FROM operators; DELETE FROM sessions; DELETE FROM tokens; DELETE FROM invitations;",
    )?;
    for one in &known.operators {
        let (role, rights, lists) = texts(&one.grant);
        let password = one.password.as_ref().map(|password| &password.0);
        all.execute(
            "INSERT INTO operators VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                number(one.id),
                one.name,
                role,
                rights,
                one.disabled,
                password,
                number(one.made_ms),
                lists
            ],
        )?;
    }
    for one in &known.sessions {
        let address = one.from.map(|address| address.to_string());
        all.execute(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)",
            params![
                one.secret.to_string(),
                number(one.operator),
                address,
                number(one.made_ms),
                number(one.seen_ms())
            ],
        )?;
    }
    for one in &known.tokens {
        let (role, rights, lists) = texts(&one.grant);
        all.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                one.secret.to_string(),
                one.id,
                one.name,
                one.operator.map(number),
                role,
                rights,
                number(one.expires_ms),
                number(one.used_ms()),
                lists
            ],
        )?;
    }
    for one in &known.invitations {
        let (role, rights, lists) = texts(&one.grant);
        all.execute(
            "INSERT INTO invitations VALUES (?, ?, ?, ?, ?, ?)",
            params![
                one.secret.to_string(),
                one.name,
                role,
                rights,
                number(one.expires_ms),
                lists
            ],
        )?;
    }
    all.commit()
}

/// Lists as a JSON array, since nothing is forbidden in their names; `None`: all of them.
fn texts(grant: &Grant) -> (&'static str, String, Option<String>) {
    let lists = match &grant.lists {
        ListLimit::All => None,
        limit => Some(serde_json::Value::from(limit.names()).to_string()),
    };
    (grant.role.name(), grant.rights.to_string(), lists)
}

/// SQLite's numbers have a sign; times and counts of ours never come near it.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn read(connection: &Connection) -> Result<Known, OperatorsError> {
    Ok(Known {
        operators: rows(connection, "operators", read_operator)?,
        sessions: rows(connection, "sessions", read_session)?,
        tokens: rows(connection, "tokens", read_token)?,
        invitations: rows(connection, "invitations", read_invitation)?,
    })
}

/// Everything of a table. What cannot be read is nobody's to guess: it is an error.
fn rows<T>(
    connection: &Connection,
    table: &'static str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<Option<T>>,
) -> Result<Vec<T>, OperatorsError> {
    let mut query = connection.prepare(&format!("SELECT * FROM {table}"))?;
    let found: Vec<Option<T>> = query
        .query_map([], |row| read(row))?
        .collect::<Result<_, _>>()?;
    let whole: Option<Vec<T>> = found.into_iter().collect();
    whole.ok_or(OperatorsError::Damaged(table))
}

fn read_operator(row: &Row<'_>) -> rusqlite::Result<Option<Operator>> {
    let (id, made_ms) = (count(row, "id")?, count(row, "made_ms")?);
    let Some(grant) = grant(row)? else {
        return Ok(None);
    };
    Ok(Some(Operator {
        id,
        name: row.get("name")?,
        grant,
        disabled: row.get("disabled")?,
        password: row.get::<_, Option<String>>("password")?.map(Hashed),
        made_ms,
    }))
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<Option<Session>> {
    let Some(secret) = secret(row)? else {
        return Ok(None);
    };
    let address: Option<String> = row.get("address")?;
    Ok(Some(Session {
        secret,
        operator: count(row, "operator")?,
        from: address.and_then(|address| address.parse::<IpAddr>().ok()),
        made_ms: count(row, "made_ms")?,
        seen_ms: Arc::new(AtomicU64::new(count(row, "seen_ms")?)),
        proved_ms: Arc::new(AtomicU64::new(count(row, "made_ms")?)),
    }))
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<Option<Token>> {
    let (Some(secret), Some(grant)) = (secret(row)?, grant(row)?) else {
        return Ok(None);
    };
    let operator: Option<i64> = row.get("operator")?;
    Ok(Some(Token {
        secret,
        id: row.get("id")?,
        name: row.get("name")?,
        operator: operator.and_then(|id| u64::try_from(id).ok()),
        grant,
        expires_ms: count(row, "expires_ms")?,
        used_ms: Arc::new(AtomicU64::new(count(row, "used_ms")?)),
    }))
}

fn read_invitation(row: &Row<'_>) -> rusqlite::Result<Option<Invitation>> {
    let (Some(secret), Some(grant)) = (secret(row)?, grant(row)?) else {
        return Ok(None);
    };
    Ok(Some(Invitation {
        secret,
        name: row.get("name")?,
        grant,
        expires_ms: count(row, "expires_ms")?,
    }))
}

fn secret(row: &Row<'_>) -> rusqlite::Result<Option<Digest>> {
    Ok(Digest::from_hex(&row.get::<_, String>("secret_sha256")?))
}

fn grant(row: &Row<'_>) -> rusqlite::Result<Option<Grant>> {
    let role = Role::from_str(&row.get::<_, String>("role")?).ok();
    let rights = Rights::from_text(&row.get::<_, String>("rights")?);
    let lists = match row.get::<_, Option<String>>("lists")? {
        None => Some(ListLimit::All),
        Some(names) => limit(&names),
    };
    let (Some(role), Some(rights), Some(lists)) = (role, rights, lists) else {
        return Ok(None);
    };
    Ok(Some(Grant {
        role,
        rights,
        lists,
    }))
}

/// A limit says which lists it is to: one that cannot be read is not taken for none.
fn limit(names: &str) -> Option<ListLimit> {
    let names: Vec<String> = serde_json::from_str(names).ok()?;
    match ListLimit::of(&names) {
        ListLimit::All => None,
        limit => Some(limit),
    }
}

fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column)
        .map(|number| u64::try_from(number).unwrap_or_default())
}
