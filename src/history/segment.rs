//! One file of decisions: added to without an index, which it gets when it is sealed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};

use super::counts::Line;
use super::id::number_of;
use super::row::{Row, RowMatch};
use super::span::SpanId;

const SCHEMA: &str = include_str!("schema.sql");
const INDEXES: &str = include_str!("indexes.sql");
const FORMAT: i64 = 1;
/// Who reads or forgets is soon done.
const PATIENCE: Duration = Duration::from_secs(2);

/// A file that is open for writing.
#[derive(Debug)]
pub(super) struct OpenSegment {
    pub path: PathBuf,
    pub first: i64,
    pub last: i64,
    /// The last id in it.
    pub last_row: Option<i64>,
    pub rows: u64,
    /// Which file it is, whatever its name names later.
    place: Option<FileId>,
    db: Connection,
    names: HashMap<String, i64>,
}

/// What is added at a time.
#[derive(Debug)]
pub(super) struct NewRow {
    pub row: Row,
    /// The texts, sealed.
    pub texts: Option<Vec<u8>>,
    /// For sinks alone.
    pub traced: Traced,
}

/// What of a decision only a trace shows.
#[derive(Debug, Default)]
pub(super) struct Traced {
    /// What the caller's trace says.
    pub traceparent: Option<String>,
    pub span: Option<SpanId>,
    pub stages: Vec<StageAt>,
}

/// A stage by the time of day.
#[derive(Debug)]
pub(super) struct StageAt {
    pub name: &'static str,
    /// Microseconds since 1970.
    pub from_us: u64,
    pub us: u64,
}

impl OpenSegment {
    /// Makes a file whose first id has this number.
    pub(super) fn create(path: PathBuf, first: i64) -> rusqlite::Result<OpenSegment> {
        let db = open(&path, OpenFlags::SQLITE_OPEN_CREATE)?;
        db.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; BEGIN; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;"
        ))?;
        OpenSegment::over(db, path, first, false)
    }

    /// Goes on with a file of before; whether it was sealed, too.
    pub(super) fn reopen(path: &Path, first: i64) -> rusqlite::Result<(OpenSegment, bool)> {
        let db = open(path, OpenFlags::empty())?;
        db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
            .and_then(|format| match format {
                FORMAT => Ok(()),
                _ => Err(rusqlite::Error::InvalidQuery),
            })?;
        let sealed = db.query_row("SELECT value FROM meta WHERE key = 'sealed'", [], |row| {
            row.get::<_, i64>(0)
        });
        let sealed = sealed.optional()?.is_some();
        let open = OpenSegment::over(db, path.to_owned(), first, sealed)?;
        Ok((open, sealed))
    }

    fn over(
        db: Connection,
        path: PathBuf,
        first: i64,
        sealed: bool,
    ) -> rusqlite::Result<OpenSegment> {
        db.execute_batch(
            "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;",
        )?;
        let last = db.query_row("SELECT max(id) FROM decisions", [], |row| {
            row.get::<_, Option<i64>>(0)
        })?;
        let minute = db.query_row("SELECT max(minute) FROM counts", [], |row| {
            row.get::<_, Option<i64>>(0)
        })?;
        let counted = minute.map(|minute| number_of((minute as u64 + 1) * 60_000_000));
        // Of what is sealed nobody asks, and to count takes a while.
        let rows = match sealed {
            true => 0,
            false => db.query_row("SELECT count(*) FROM decisions", [], |row| {
                row.get::<_, i64>(0)
            })? as u64,
        };
        let names = {
            let mut query = db.prepare("SELECT name, id FROM names")?;
            let names = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            names.collect::<rusqlite::Result<_>>()?
        };
        Ok(OpenSegment {
            place: file_id(&path),
            path,
            first,
            last_row: last,
            last: last.into_iter().chain(counted).max().unwrap_or(first),
            rows,
            db,
            names,
        })
    }

    /// Adds all of it or nothing. After an error the file is to be opened anew.
    pub(super) fn add(&mut self, rows: &[NewRow], counts: &[Line]) -> rusqlite::Result<()> {
        let (mut last, mut last_row) = (self.last, self.last_row);
        let transaction = self.db.transaction()?;
        let mut adding = Adding {
            transaction: &transaction,
            names: &mut self.names,
        };
        for new in rows {
            adding.row(&new.row)?;
            if let Some(sealed) = &new.texts {
                adding.texts(new.row.id.number, sealed)?;
            }
            last_row = last_row.max(Some(new.row.id.number));
        }
        last = last.max(last_row.unwrap_or(last));
        for line in counts {
            adding.count(line)?;
            let end = (u64::from(line.minute) + 1) * 60_000_000;
            last = last.max(number_of(end));
        }
        transaction.commit()?;
        self.last = last;
        self.last_row = last_row;
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// Neither a decision nor a count is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0 && self.last == self.first
    }

    /// Whether what is written here is found under its name.
    pub(super) fn is_in_place(&self) -> bool {
        self.place.is_some() && file_id(&self.path) == self.place
    }

    /// Gives it its indexes. Nothing is added any more.
    pub(super) fn seal(self) -> rusqlite::Result<()> {
        self.db
            .execute_batch(&format!("BEGIN; {INDEXES} COMMIT;"))?;
        self.db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        // With a reader it stays as it is, which is as good.
        let _ = self
            .db
            .query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()));
        self.db.close().map_err(|(_, error)| error)
    }

    /// Deletes the decisions on what these users wrote or were written to, and says how many.
    /// Their bytes are overwritten.
    pub(super) fn forget(&mut self, users: &[String]) -> rusqlite::Result<u64> {
        let transaction = self.db.transaction()?;
        transaction.execute_batch("CREATE TEMP TABLE gone (id INTEGER PRIMARY KEY)")?;
        for user in users {
            for column in ["sender", "target"] {
                transaction.execute(
                    &format!(
                        "INSERT OR IGNORE INTO gone SELECT id FROM decisions WHERE {column} = ?1"
                    ),
                    [user],
                )?;
            }
        }
        let gone = transaction.execute("DELETE FROM decisions WHERE id IN gone", [])?;
        transaction.execute("DELETE FROM matches WHERE decision IN gone", [])?;
        transaction.execute("DELETE FROM texts WHERE decision IN gone", [])?;
        transaction.execute_batch("DROP TABLE gone")?;
        transaction.commit()?;
        // What was written before lies in the log of the file too.
        let is_busy = self
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                row.get::<_, bool>(0)
            })?;
        if is_busy {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                Some("somebody reads it all the time, so what was forgotten lies in its log still; ask again".to_owned()),
            ));
        }
        self.rows = self.rows.saturating_sub(gone as u64);
        Ok(gone as u64)
    }
}

pub(crate) type FileId = (u64, u64);

/// What tells a file from every other; `None` where there is none.
pub(crate) fn file_id(path: &Path) -> Option<FileId> {
    let found = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    return Some((
        std::os::unix::fs::MetadataExt::dev(&found),
        std::os::unix::fs::MetadataExt::ino(&found),
    ));
    #[cfg(not(unix))]
    Some((found.len().min(1), 0))
}

/// Opens a file that others may read or write at the same time.
pub(super) fn open(path: &Path, more: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(PATIENCE)?;
    Ok(db)
}

struct Adding<'a> {
    transaction: &'a Transaction<'a>,
    names: &'a mut HashMap<String, i64>,
}

impl Adding<'_> {
    fn row(&mut self, row: &Row) -> rusqlite::Result<()> {
        let id = row.id.number;
        let [hook, dialect, outcome, action, decided_by, hash] = [
            &row.hook,
            &row.dialect,
            &row.outcome,
            &row.action,
            &row.decided_by,
            &row.version.hash,
        ]
        .map(|name| self.name(name));
        let [caller, class, skipped, endpoint, answer] = [
            &row.caller,
            &row.class,
            &row.skipped,
            &row.endpoint,
            &row.answer,
        ]
        .map(|name| name.as_deref().map(|name| self.name(name)).transpose());
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO decisions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,\
             ?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28,?29)",
        )?;
        insert.execute(params![
            id,
            row.id.random,
            hook?,
            dialect?,
            caller?,
            row.message_id,
            row.client_message_id,
            row.operation_id,
            row.sender,
            row.target,
            row.conversation,
            row.content_type,
            outcome?,
            action?,
            row.code,
            decided_by?,
            class?,
            skipped?,
            row.reviewed,
            row.why,
            row.version.number as i64,
            hash?,
            row.matches_left_out as i64,
            endpoint?,
            answer?,
            row.filter_us as i64,
            row.endpoint_us as i64,
            row.total_us as i64,
            row.weight,
        ])?;
        for (number, found) in row.matches.iter().enumerate() {
            self.found(id, number, found)?;
        }
        Ok(())
    }

    fn found(&mut self, id: i64, number: usize, found: &RowMatch) -> rusqlite::Result<()> {
        let (list, action) = (self.name(&found.list)?, self.name(&found.action)?);
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO matches VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
        )?;
        insert.execute(params![
            id,
            number as i64,
            list,
            found.line,
            found.entry as i64,
            found.form as i64,
            action,
            found.place,
            found.bytes.0 as i64,
            found.bytes.1 as i64,
            found.chars.0 as i64,
            found.chars.1 as i64,
            found.folds.join(" "),
        ])?;
        Ok(())
    }

    fn texts(&mut self, id: i64, sealed: &[u8]) -> rusqlite::Result<()> {
        let mut insert = self
            .transaction
            .prepare_cached("INSERT INTO texts VALUES (?1, ?2)")?;
        insert.execute(params![id, sealed]).map(drop)
    }

    fn count(&mut self, line: &Line) -> rusqlite::Result<()> {
        let hook = self.name(line.hook)?;
        let outcome = self.name(line.kind.name())?;
        let list = line
            .list
            .as_deref()
            .map(|list| self.name(list))
            .transpose()?;
        let hash = self.name(&line.version.hash)?;
        let mut upsert = self.transaction.prepare_cached(
            "INSERT INTO counts VALUES (?1,?2,?3,?4,?5,?6,?7) \
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        upsert
            .execute(params![
                line.minute,
                hook,
                outcome,
                list.unwrap_or(0),
                line.version.number as i64,
                hash,
                line.count as i64,
            ])
            .map(drop)
    }

    fn name(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.names.get(name) {
            return Ok(*id);
        }
        let mut insert = self
            .transaction
            .prepare_cached("INSERT INTO names (name) VALUES (?1)")?;
        let id = insert.insert([name])?;
        self.names.insert(name.to_owned(), id);
        Ok(id)
    }
}
