//! What is asked of the database, on one connection that is made anew when it breaks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

use super::failed::Failed;
use super::migrate::migrate;
use crate::outbox::{Database, DatabaseError, DatabaseHosts, Server};
use crate::reload::{Contents, Draft, Given};
use crate::versions::{Origin, sha256};

pub(super) struct Book {
    hosts: DatabaseHosts,
    schema: String,
    channel: String,
    versions_max: usize,
    pub(super) notified: Arc<Notify>,
    database: Option<Database>,
    /// The tables are as this version needs them.
    is_migrated: bool,
    /// The contents of the version that was read or written last, by SHA-256.
    contents: BTreeMap<String, Arc<[u8]>>,
    /// What was published last.
    last_id: String,
}

impl Book {
    pub(super) fn new(server: &Server, versions_max: usize, notified: Arc<Notify>) -> Book {
        Book {
            hosts: DatabaseHosts::new(server),
            schema: server.schema.clone(),
            channel: server.channel() + "_policy",
            versions_max,
            notified,
            database: None,
            is_migrated: false,
            contents: BTreeMap::new(),
            last_id: String::new(),
        }
    }

    pub(super) fn hang_up(&mut self) {
        self.database = None;
    }

    async fn connect(&mut self) -> Result<&Database, Failed> {
        if self.database.as_ref().is_none_or(Database::is_closed) {
            let connected = self.hosts.connect(Arc::clone(&self.notified)).await;
            // It answered before: whatever it refuses now, it may take later.
            let passing = |error: DatabaseError| match self.is_migrated {
                true => DatabaseError::Away(error.to_string()),
                false => error,
            };
            let opened = connected.map_err(passing)?;
            if !self.is_migrated {
                opened.check_server().await?;
                migrate(&opened, &self.schema).await?;
                self.is_migrated = true;
            }
            opened.run(&format!("LISTEN {}", self.channel)).await?;
            self.database = Some(opened);
        }
        Ok(self.database.as_ref().expect("it is open"))
    }

    /// The newest version, unless it is `known`, or there is none.
    pub(super) async fn newest(&mut self, known: u64) -> Result<Option<Given>, Failed> {
        let database = self.connect().await?;
        let rows = database.rows("SELECT number FROM policy_head", &[]).await?;
        let head: i64 = rows.first().map_or(0, |row| row.get(0));
        if head == 0 || head as u64 == known {
            return Ok(None);
        }
        let sql = "SELECT origin, paths, contents FROM policy_version WHERE number = $1";
        let rows = database.rows(sql, &[&head]).await?;
        let number = head as u64;
        let row = rows.first().ok_or(Failed::Damaged(number))?;
        let (origin, paths, named): (&str, Vec<String>, Vec<String>) =
            (row.get(0), row.get(1), row.get(2));
        let origin: Origin = serde_json::from_str(origin).map_err(|_| Failed::Damaged(number))?;
        let contents = self.contents(number, &named).await?;
        let files: Contents = paths
            .into_iter()
            .zip(&named)
            .map(|(path, sha256)| (path, Arc::clone(&contents[sha256])))
            .collect();
        self.contents = contents;
        Ok(Some(Given {
            number,
            origin,
            files,
        }))
    }

    /// What files hold, by SHA-256; what the version before had is not read again.
    async fn contents(
        &mut self,
        number: u64,
        named: &[String],
    ) -> Result<BTreeMap<String, Arc<[u8]>>, Failed> {
        let mut contents = BTreeMap::new();
        let mut missing = Vec::new();
        for name in named {
            match self.contents.get(name) {
                Some(content) => drop(contents.insert(name.clone(), Arc::clone(content))),
                None => missing.push(name.clone()),
            }
        }
        let sql = "SELECT sha256, content FROM policy_content WHERE sha256 = ANY ($1)";
        for row in self.connect().await?.rows(sql, &[&missing]).await? {
            let (name, content): (String, &[u8]) = (row.get(0), row.get(1));
            if sha256(content) != name {
                return Err(Failed::Damaged(number));
            }
            contents.insert(name, Arc::from(content));
        }
        match named.iter().all(|name| contents.contains_key(name)) {
            true => Ok(contents),
            false => Err(Failed::Damaged(number)),
        }
    }

    /// Makes a version the newest, if the one that it was made from still is; returns its number.
    pub(super) async fn publish(&mut self, draft: &Draft) -> Result<u64, Failed> {
        self.last_id = uuid::Uuid::now_v7().simple().to_string();
        let id = self.last_id.clone();
        let notify = format!("NOTIFY {}", self.channel);
        let versions_max = i64::try_from(self.versions_max.max(1)).unwrap_or(i64::MAX);
        let database = self.connect().await?;
        database.run("BEGIN").await?;
        let put = put(database, draft, &id, versions_max).await;
        let number = match put {
            Ok(number) => number,
            Err(failed) => {
                if database.run("ROLLBACK").await.is_err() {
                    self.hang_up();
                }
                return Err(failed);
            }
        };
        database.run(&notify).await?;
        database.commit().await?;
        Ok(number)
    }

    /// The number of what was published last, if it is there.
    pub(super) async fn heard_of_last(&mut self) -> Result<Option<u64>, Failed> {
        let id = self.last_id.clone();
        let sql = "SELECT number FROM policy_version WHERE id = $1";
        let rows = self.connect().await?.rows(sql, &[&id]).await?;
        Ok(rows.first().map(|row| row.get::<_, i64>(0) as u64))
    }
}

/// What is done in the transaction.
async fn put(
    database: &Database,
    draft: &Draft,
    id: &str,
    versions_max: i64,
) -> Result<u64, Failed> {
    let sql = "SELECT number FROM policy_head FOR UPDATE";
    let rows = database.rows(sql, &[]).await?;
    let newest = rows.first().map_or(0, |row| row.get::<_, i64>(0)) as u64;
    if newest != draft.over {
        return Err(Failed::Overtaken(newest));
    }
    let number = (newest + 1).max(draft.at_least);
    let (paths, contents): (Vec<&str>, Vec<&Arc<[u8]>>) = draft
        .files
        .iter()
        .map(|(path, content)| (path.as_str(), content))
        .unzip();
    let named: Vec<String> = contents.iter().map(|content| sha256(content)).collect();
    let sql = "SELECT sha256 FROM policy_content WHERE sha256 = ANY ($1)";
    let rows = database.rows(sql, &[&named]).await?;
    let there: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    for (name, content) in named.iter().zip(&contents) {
        if !there.contains(&name.as_str()) {
            let sql = "INSERT INTO policy_content VALUES ($1, $2) ON CONFLICT DO NOTHING";
            let content: &[u8] = content;
            database.rows(sql, &[name, &content]).await?;
        }
    }
    // Strings and numbers: serialising them cannot fail.
    let origin = serde_json::to_string(&draft.origin).unwrap_or_default();
    let sql = "INSERT INTO policy_version
            (number, id, at_ms, hash, origin, program, paths, contents)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let hash: &str = &draft.hash;
    let program = env!("CARGO_PKG_VERSION");
    database
        .rows(
            sql,
            &[
                &(number as i64),
                &id,
                &now_ms(),
                &hash,
                &origin,
                &program,
                &paths,
                &named,
            ],
        )
        .await?;
    let sql = "UPDATE policy_head SET number = $1";
    database.rows(sql, &[&(number as i64)]).await?;
    cut(database, versions_max).await?;
    Ok(number)
}

/// Drops the oldest versions past so many, and what no version names any more.
async fn cut(database: &Database, versions_max: i64) -> Result<(), Failed> {
    let sql = "DELETE FROM policy_version WHERE number <=
            (SELECT number FROM policy_version ORDER BY number DESC OFFSET $1 LIMIT 1)
        RETURNING number";
    if database.rows(sql, &[&versions_max]).await?.is_empty() {
        return Ok(());
    }
    let sql = "DELETE FROM policy_content WHERE sha256 NOT IN
        (SELECT unnest(contents) FROM policy_version)";
    database.rows(sql, &[]).await?;
    Ok(())
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
