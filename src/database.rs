//! SQLite files of ours: for their owner alone, marked as ours, and copied while they are used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

/// Pages that are copied at a time.
const PAGES: i32 = 256;
/// Memory for pages of a copy.
const CACHE_KIB: i32 = 2048;
/// Who else has a file is waited for so long, and so often.
const WAIT: Duration = Duration::from_millis(20);
const WAITS_MAX: u32 = 500;

/// Why a file was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error(transparent)]
    File(#[from] rusqlite::Error),
    #[error(transparent)]
    Folder(#[from] io::Error),
    #[error("{} is a file of another program", .0.display())]
    Foreign(PathBuf),
}

/// Opens a small file that is written with every change, and makes it with its folder if it is
/// missing: readable by its owner alone, marked with `application_id`, with what `sql` makes.
pub(crate) fn open(
    path: &Path,
    application_id: i32,
    sql: &str,
) -> Result<Connection, DatabaseError> {
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    // Before SQLite opens it: its log gets the same mode.
    keep_private(path)?;
    let connection = Connection::open(path)?;
    let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id != application_id && tables > 0 {
        return Err(DatabaseError::Foreign(path.to_owned()));
    }
    connection.execute_batch(&format!(
        "PRAGMA application_id = {application_id};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         {sql}"
    ))?;
    Ok(connection)
}

/// Makes a file if it is missing, and readable by its owner alone.
pub(crate) fn keep_private(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

        options.mode(0o600);
        let file = options.open(path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    #[cfg(not(unix))]
    options.open(path)?;
    Ok(())
}

/// Copies a file that others may write to meanwhile: all that was committed before this call is in
/// the copy. Its writers wait no longer than for a few pages.
pub(crate) fn copy(from: &Path, to: &Path) -> rusqlite::Result<()> {
    // Its log is read too, which takes more than the right to read.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags)?;
    source.busy_timeout(WAIT * WAITS_MAX)?;
    let mode: String = source.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode == "wal" {
        // One state of it, whatever is written; nobody waits for who reads.
        source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
    }
    copy_pages(&source, to)
}

/// Copies what a connection sees.
pub(crate) fn copy_pages(source: &Connection, to: &Path) -> rusqlite::Result<()> {
    let mut copy = Connection::open(to)?;
    // It is whole or thrown away; who made it syncs it.
    copy.execute_batch(&format!(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KIB};"
    ))?;
    let mut waits = 0;
    {
        let backup = Backup::new(source, &mut copy)?;
        loop {
            match backup.step(PAGES)? {
                StepResult::Done => break,
                StepResult::More => {}
                _ if waits < WAITS_MAX => {
                    waits += 1;
                    thread::sleep(WAIT);
                }
                _ => return Err(busy()),
            }
        }
    }
    copy.close().map_err(|(_, error)| error)
}

fn busy() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    rusqlite::Error::SqliteFailure(code, Some("somebody writes to it all the time".to_owned()))
}
