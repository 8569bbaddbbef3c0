//! The outbox's file: how it is made, opened, locked and brought to the newest schema.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

use super::event;
use super::ids;
use crate::outbox::error::OpenError;
use crate::outbox::faults::{Fault, asked};

/// Step n brings a file from schema n to n + 1. Never changed once released, only added to.
const STEPS: [&str; 6] = [
    include_str!("v1.sql"),
    include_str!("v2.sql"),
    include_str!("v3.sql"),
    include_str!("v4.sql"),
    include_str!("v5.sql"),
    include_str!("v6.sql"),
];

/// The schema that this version writes.
pub(in crate::outbox) const SCHEMA: u32 = STEPS.len() as u32;

/// Marks a SQLite file as an outbox of ours: `cgOB`.
const APPLICATION_ID: i32 = 0x6367_4f42;

/// Older ones may reset the write-ahead log while it still holds committed data.
const SQLITE_MIN: (i32, &str) = (3_051_003, "3.51.3");

/// Of a new file; older ones keep theirs. A commit writes whole pages, and most commits have an
/// event or two. Smaller ones would leave much of each page empty behind events of a kilobyte.
const PAGE_BYTES: i64 = 2048;
/// A log that grew longer is cut to this, once it was written back.
const LOG_BYTES_KEPT: i64 = 64 << 20;
/// Memory for pages of the file.
const CACHE_KIB: i32 = 32 << 10;
/// Statements that stay prepared; more than the store has.
const STATEMENTS: usize = 64;

/// Opens the file, and makes it if it is missing, with every setting that durability needs.
///
/// The connection holds the file's lock until it is dropped or the process ends.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_MIN.0 {
        return Err(OpenError::OldSqlite {
            found: rusqlite::version(),
            needed: SQLITE_MIN.1,
        });
    }
    make(path).map_err(|error| refused(path, &error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| failed(path, &e))?;
    prepare(connection, path)
}

/// Opens an existing file to be looked at: what stands in it is read as the newest schema, in a
/// transaction that is never committed, and the file stays as it is.
pub(super) fn open_to_look(path: &Path) -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| failed(path, &error);
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let has_log = fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    recognise(&connection, path)?;
    // Closing writes a log back, which changes the file.
    let setting = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(setting, has_log).map_err(failed)?;
    connection
        .execute_batch("PRAGMA temp_store = MEMORY; BEGIN IMMEDIATE")
        .map_err(failed)?;
    bring_to(&connection, STEPS.len()).map_err(failed)?;
    Ok(connection)
}

/// Brings a connection to every setting that durability needs, and the file to the newest schema.
pub(super) fn prepare(connection: Connection, path: &Path) -> Result<Connection, OpenError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    recognise(&connection, path)?;
    set_up(&connection).map_err(|error| failed(path, &error))?;
    let mut connection = connection;
    migrate(&mut connection).map_err(|error| failed(path, &error))?;
    check(&connection, path)?;
    Ok(connection)
}

/// Makes the file and its folder, readable by their owner alone: it holds people's messages.
fn make(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !folder.exists() {
        make_folder(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => fs::File::open(folder)?.sync_all(),
        // An existing file is not opened here: closing it would drop this process's locks on it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a folder whose entry survives a power loss.
fn make_folder(folder: &Path) -> io::Result<()> {
    let parent = folder.parent().filter(|parent| *parent != Path::new(""));
    let parent = parent.unwrap_or(Path::new("."));
    if !parent.exists() {
        make_folder(parent)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    fs::File::open(parent)?.sync_all()
}

fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    // Statements are planned once; else each new value of a parameter may plan them again.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Only a file without tables takes these two.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match asked(Fault::NoSync) {
        true => "OFF",
        false => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // SQLite hides the errors of its own checkpoints, so the store makes them.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Refuses a file of another program, or of a newer callgate, before anything is written to it.
fn recognise(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    // Before anything reads the file: in this mode the log's index is kept in memory of our own,
    // and no second process can come between.
    connection
        .pragma_update(None, "locking_mode", "EXCLUSIVE")
        .map_err(|error| failed(path, &error))?;
    let number = |pragma| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(|error| failed(path, &error))
    };
    let schema = number("user_version")?;
    let known = STEPS.len() as i64;
    let empty = schema == 0 && number("schema_version")? == 0;
    if !empty && number("application_id")? != i64::from(APPLICATION_ID) {
        return Err(OpenError::NotAnOutbox {
            path: path.to_owned(),
            why: "it is a database of another program".to_owned(),
        });
    }
    if schema > known {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found: schema,
            known,
        });
    }
    Ok(())
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    migrate_to(connection, STEPS.len())
}

/// Brings a file of an earlier schema to this one, in one transaction.
pub(super) fn migrate_to(connection: &mut Connection, wanted: usize) -> rusqlite::Result<()> {
    // Immediate, so that the lock is taken here even when there is nothing to do.
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    bring_to(&change, wanted)?;
    change.commit()
}

/// The same within a transaction.
fn bring_to(change: &Connection, wanted: usize) -> rusqlite::Result<()> {
    let schema: i64 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(schema).expect("`recognise` refused other schemas");
    for (step, sql) in STEPS.iter().enumerate().take(wanted).skip(done) {
        change.execute_batch(sql)?;
        match step + 1 {
            3 => move_ids(change)?,
            4 => add_checksums(change)?,
            _ => {}
        }
    }
    if done < wanted {
        change.pragma_update(None, "application_id", APPLICATION_ID)?;
        change.pragma_update(None, "user_version", wanted as i64)?;
    }
    Ok(())
}

/// The part of step 3 that SQL alone cannot do.
fn move_ids(change: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT seq, event.id, pairs FROM event CROSS JOIN known ON known.id = event.id";
    let mut statement = change.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, id, pairs): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let ids = ids::to_bytes(std::iter::once(ids::digest(&id)));
        change
            .prepare_cached("INSERT INTO held VALUES (?1, ?2)")?
            .execute(params![seq, ids])?;
        if pairs > 1 {
            change
                .prepare_cached("INSERT INTO share VALUES (?1, ?2)")?
                .execute([seq, pairs])?;
        }
    }
    let sql = "SELECT forget_at_ms, id FROM known WHERE forget_at_ms IS NOT NULL
        ORDER BY forget_at_ms, id";
    let mut statement = change.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (forget_at_ms, id): (i64, String) = (row.get(0)?, row.get(1)?);
        let ids = ids::to_bytes(std::iter::once(ids::digest(&id)));
        change
            .prepare_cached("INSERT INTO ended (forget_at_ms, ids) VALUES (?1, ?2)")?
            .execute(params![forget_at_ms, ids])?;
    }
    drop(rows);
    drop(statement);
    change.execute_batch("DROP TABLE known")
}

/// The part of step 4 that SQL alone cannot do: what is in the file now is taken for sound.
fn add_checksums(change: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT seq, id, accepted_at_ms, bytes, hook, dialect, lane, operation_id, body,
        endpoints FROM event";
    let mut statement = change.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut update = change.prepare("UPDATE event SET checksum = ?2 WHERE seq = ?1")?;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        update.execute([seq, event::checksum_of_row(row)?])?;
    }
    Ok(())
}

/// Reads back what durability stands on; a file system without it must not go unnoticed.
fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let settings = [
        ("journal_mode", "wal"),
        ("synchronous", "2"),
        ("locking_mode", "exclusive"),
    ];
    for (pragma, wanted) in settings {
        if pragma == "synchronous" && asked(Fault::NoSync) {
            continue;
        }
        let found = read(connection, pragma).map_err(|error| failed(path, &error))?;
        if found != wanted {
            return Err(OpenError::Failed {
                path: path.to_owned(),
                why: format!("SQLite keeps {pragma} at {found}, and the outbox needs {wanted}"),
            });
        }
    }
    Ok(())
}

/// A setting as text, whatever its type.
pub(super) fn read(connection: &Connection, pragma: &str) -> rusqlite::Result<String> {
    connection.pragma_query_value(None, pragma, |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str()?.to_owned(),
        })
    })
}

/// What the file system said, as something that its reader can act on.
fn refused(path: &Path, error: &io::Error) -> OpenError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => OpenError::Denied {
            path,
            why: error.to_string(),
        },
        io::ErrorKind::StorageFull => OpenError::DiskFull { path },
        _ => OpenError::Failed {
            path,
            why: error.to_string(),
        },
    }
}

/// What SQLite said, as something that its reader can act on.
pub(super) fn failed(path: &Path, error: &rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    let why = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked { path },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            OpenError::NotAnOutbox { path, why }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            OpenError::Denied { path, why }
        }
        Some(ErrorCode::DiskFull) => OpenError::DiskFull { path },
        _ => OpenError::Failed { path, why },
    }
}
