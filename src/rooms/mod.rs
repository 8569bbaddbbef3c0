//! Rooms that callgate keeps for a chat server: which URL a room's bot has, and the state it is in.
//!
//! Owns: the records and the file that they survive a restart in.
//! Leaves alone: asking a bot (`callback`) and what its answer means (`dialect`).
//!
//! Every record is in memory too, so that reading one costs no message any time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use rusqlite::Connection;

use crate::database::{self, DatabaseError};

/// Marks a SQLite file as ours: `cgRM`.
const APPLICATION_ID: i32 = 0x6367_524d;
/// More rooms than this are refused: all of them are held in memory.
pub const ROOMS_MAX: usize = 200_000;
/// Longest id, URL and state of a room.
pub const TEXT_BYTES_MAX: usize = 2048;

/// One room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: String,
    /// Called for each event of the room.
    pub webhook: String,
    /// The state that the room's bot is in; empty is the default.
    pub bot_state: String,
}

/// Why a room was not kept.
#[derive(Debug, thiserror::Error)]
pub enum RoomsError {
    #[error("{ROOMS_MAX} rooms are kept already")]
    Full,
    #[error("{0} is empty or longer than {TEXT_BYTES_MAX} bytes")]
    Text(&'static str),
    #[error("`{0}` is not a valid URL; write it like https://bot.example/room")]
    Url(String),
    #[error("the rooms' file failed: {0}")]
    File(#[from] rusqlite::Error),
    #[error("the rooms' folder cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    #[error("{} is no file of rooms", .0.display())]
    Foreign(PathBuf),
}

/// All rooms, and their file.
#[derive(Debug)]
pub struct Rooms {
    path: PathBuf,
    /// `None` until there is a room to write.
    file: Mutex<Option<Connection>>,
    known: RwLock<BTreeMap<String, Record>>,
}

impl Rooms {
    /// Reads the file, if there is one. It is made with the first room.
    pub fn open(path: &Path) -> Result<Rooms, RoomsError> {
        let rooms = Rooms {
            path: path.to_owned(),
            file: Mutex::default(),
            known: RwLock::default(),
        };
        if path.exists() {
            let connection = connect(path)?;
            *rooms.write() = read_all(&connection)?;
            *rooms.file() = Some(connection);
        }
        Ok(rooms)
    }

    pub fn get(&self, id: &str) -> Option<Record> {
        self.read().get(id).cloned()
    }

    /// Up to `limit` behind an id, by id.
    pub fn page(&self, after: &str, limit: usize) -> Vec<Record> {
        let known = self.read();
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let page = known.range::<str, _>(behind).take(limit);
        page.map(|(_, record)| record.clone()).collect()
    }

    /// By id.
    pub fn list(&self) -> Vec<Record> {
        self.read().values().cloned().collect()
    }

    /// Keeps a room under its id, or changes its URL; `bot_state` is left as it is if it is `None`.
    /// Blocks for one write to disk.
    pub fn set(
        &self,
        id: &str,
        webhook: &str,
        bot_state: Option<&str>,
    ) -> Result<Record, RoomsError> {
        check_text("the room's id", id)?;
        check_text("the webhook", webhook)?;
        check_url(webhook)?;
        let old = self.get(id);
        if old.is_none() && self.read().len() >= ROOMS_MAX {
            return Err(RoomsError::Full);
        }
        let old_state = old.map(|old| old.bot_state).unwrap_or_default();
        let record = Record {
            id: id.to_owned(),
            webhook: webhook.to_owned(),
            bot_state: bot_state.map_or(old_state, str::to_owned),
        };
        self.store(record)
    }

    /// Moves a room's bot to a state; a room that is not kept stays so. Blocks for one write to
    /// disk, if the state is another one.
    pub fn set_state(&self, id: &str, bot_state: &str) -> Result<(), RoomsError> {
        match self.get(id) {
            Some(record) if record.bot_state != bot_state => {
                let bot_state = bot_state.to_owned();
                self.store(Record {
                    bot_state,
                    ..record
                })?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// False when there was no such room. Blocks for one write to disk.
    pub fn remove(&self, id: &str) -> Result<bool, RoomsError> {
        let file = self.file();
        if let Some(connection) = file.as_ref() {
            connection.execute("DELETE FROM rooms WHERE id = ?1", [id])?;
        }
        Ok(self.write().remove(id).is_some())
    }

    fn store(&self, record: Record) -> Result<Record, RoomsError> {
        if record.bot_state.len() > TEXT_BYTES_MAX {
            return Err(RoomsError::Text("the state"));
        }
        let mut file = self.file();
        let connection = match file.take() {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let Record {
            id,
            webhook,
            bot_state,
        } = &record;
        let written = connection.execute(
            "INSERT INTO rooms (id, webhook, bot_state) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET webhook = ?2, bot_state = ?3",
            [id, webhook, bot_state],
        );
        *file = Some(connection);
        written?;
        self.write().insert(record.id.clone(), record.clone());
        Ok(record)
    }

    // A panic elsewhere leaves records as they were, so a poisoned lock is as good as new.
    fn file(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Record>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Record>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_text(what: &'static str, text: &str) -> Result<(), RoomsError> {
    match (1..=TEXT_BYTES_MAX).contains(&text.len()) {
        true => Ok(()),
        false => Err(RoomsError::Text(what)),
    }
}

fn check_url(webhook: &str) -> Result<(), RoomsError> {
    let bad = || RoomsError::Url(webhook.to_owned());
    let uri: http::Uri = webhook.parse().map_err(|_| bad())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_user = uri
        .authority()
        .is_some_and(|host| host.as_str().contains('@'));
    match is_http && uri.host().is_some() && !has_user {
        true => Ok(()),
        false => Err(bad()),
    }
}

fn connect(path: &Path) -> Result<Connection, RoomsError> {
    let tables = "
        CREATE TABLE IF NOT EXISTS rooms (
            id TEXT PRIMARY KEY NOT NULL,
            webhook TEXT NOT NULL,
            bot_state TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;";
    // For its owner alone: webhooks may hold secrets.
    database::open(path, APPLICATION_ID, tables).map_err(|error| match error {
        DatabaseError::File(error) => RoomsError::File(error),
        DatabaseError::Folder(error) => RoomsError::Folder(error),
        DatabaseError::Foreign(path) => RoomsError::Foreign(path),
    })
}

fn read_all(connection: &Connection) -> Result<BTreeMap<String, Record>, RoomsError> {
    let mut query = connection.prepare("SELECT id, webhook, bot_state FROM rooms")?;
    let records = query.query_map([], |row| {
        Ok(Record {
            id: row.get(0)?,
            webhook: row.get(1)?,
            bot_state: row.get(2)?,
        })
    })?;
    let mut known = BTreeMap::new();
    for record in records {
        let record = record?;
        known.insert(record.id.clone(), record);
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn rooms_survive_a_restart_with_their_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/rooms.db");
        let rooms = Rooms::open(&path).unwrap();
        assert!(!path.exists(), "nothing to write yet");
        rooms.set("a", "http://bot/a", None).unwrap();
        rooms.set("b", "http://bot/b", Some("CONTACT")).unwrap();
        rooms.set_state("a", "active").unwrap();
        rooms.set_state("nobody", "active").unwrap();
        rooms.set("b", "https://other/b", None).unwrap();
        drop(rooms);

        let rooms = Rooms::open(&path).unwrap();
        let shown: Vec<_> = rooms
            .list()
            .into_iter()
            .map(|room| format!("{} {} {}", room.id, room.webhook, room.bot_state))
            .collect();
        assert_eq!(
            shown,
            ["a http://bot/a active", "b https://other/b CONTACT"]
        );
        assert!(rooms.remove("a").unwrap());
        assert!(!rooms.remove("a").unwrap());
        drop(rooms);
        assert_eq!(Rooms::open(&path).unwrap().list().len(), 1);
    }

    #[test]
    fn rooms_come_in_pages() {
        let folder = tempfile::tempdir().unwrap();
        let rooms = Rooms::open(&folder.path().join("rooms.db")).unwrap();
        for id in ["c", "a", "d", "b", "e"] {
            rooms.set(id, "http://bot/", None).unwrap();
        }
        let page = |after| -> String {
            let page = rooms.page(after, 2).into_iter();
            page.map(|room| room.id).collect()
        };
        assert_eq!((page("").as_str(), page("b").as_str()), ("ab", "cd"));
        assert_eq!((page("d").as_str(), page("e").as_str()), ("e", ""));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_alone_also_one_of_an_earlier_version() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rooms.db");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let rooms = Rooms::open(&path).unwrap();
        rooms.set("a", "http://bot/", None).unwrap();
        assert_eq!(
            (mode(&path), mode(&folder.path().join("rooms.db-wal"))),
            (0o600, 0o600)
        );
        drop(rooms);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        Rooms::open(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn what_cannot_be_called_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let rooms = Rooms::open(&folder.path().join("rooms.db")).unwrap();
        for webhook in [
            "",
            "bot",
            "/path",
            "ftp://bot/",
            "http://user@bot/",
            "http://b b/",
        ] {
            assert!(rooms.set("a", webhook, None).is_err(), "{webhook}");
        }
        assert!(rooms.set("", "http://bot/", None).is_err());
        assert!(rooms.set(&"x".repeat(3000), "http://bot/", None).is_err());
        assert!(rooms.list().is_empty());
    }

    #[test]
    fn another_programs_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE t (x)").unwrap();
        drop(other);
        assert!(matches!(Rooms::open(&path), Err(RoomsError::Foreign(_))));
    }
}
