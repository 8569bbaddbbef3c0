//! Rows of word lists with what they hit of late and when they changed last, and what became of one
//! entry; for pages and the API.

use super::shown::Admin;
use crate::history::{Hits, HitsFound, entry_hash};
use crate::lists::{NotSaved, Page, Story, Wanted};

/// Rows of a list.
pub(super) struct Rows {
    pub page: Page,
    /// Of each row; `None` where no history is kept, or it cannot be read.
    pub hits: Option<HitsFound>,
}

impl Rows {
    pub(super) fn hits_of(&self, row: usize) -> Option<Hits> {
        self.hits.as_ref()?.hits.get(row).copied()
    }
}

/// One entry of a list.
pub(super) struct EntryFound {
    /// Of the list, as the policy has it.
    pub list: String,
    pub story: Story,
    /// Of the entry as it was asked for.
    pub hits: Option<HitsFound>,
}

/// Errors: there is no such list, or its file cannot be read.
pub(super) async fn rows(admin: &Admin, list: &str, wanted: Wanted) -> Result<Rows, NotSaved> {
    let (admin, list) = (admin.clone(), list.to_owned());
    aside(move || {
        let page = admin.lists.page(&list, &wanted)?;
        let entries = page.rows.iter().map(|row| &*row.said.entry);
        let hits = hits(&admin, &page.list.name, entries);
        Ok(Rows { page, hits })
    })
    .await
}

/// What became of an entry, and what it hits.
///
/// Errors: there is no such list, or it stands in policy.yaml.
pub(super) async fn entry(admin: &Admin, list: &str, entry: &str) -> Result<EntryFound, NotSaved> {
    let (admin, list, entry) = (admin.clone(), list.to_owned(), entry.to_owned());
    aside(move || {
        let story = admin.lists.story(&list, &entry)?;
        let list = admin.lists.name(&list).unwrap_or(list);
        let hits = hits(&admin, &list, [&*entry].into_iter());
        Ok(EntryFound { list, story, hits })
    })
    .await
}

fn hits<'e>(
    admin: &Admin,
    list: &str,
    entries: impl Iterator<Item = &'e str>,
) -> Option<HitsFound> {
    let entries: Vec<u64> = entries.map(entry_hash).collect();
    admin.history.hits(list, &entries).ok()
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NotSaved> + Send + 'static,
) -> Result<T, NotSaved> {
    let working = tokio::task::spawn_blocking(work).await;
    working.map_err(|error| NotSaved::Io(error.to_string()))?
}
