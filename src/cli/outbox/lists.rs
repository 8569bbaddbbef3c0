//! Listings, page by page, until the reader has enough.

use super::holder::Client;
use super::print::{discarded_line, letter_line, pending_line};
use super::which::{Which, WhichPending};
use crate::cli::output;
use crate::proto::v1;

/// Events asked for at once.
const PAGE: u32 = 200;

impl Client {
    pub(super) async fn print_dead(
        &self,
        which: &Which,
        limit: u64,
        show: bool,
        json: bool,
    ) -> anyhow::Result<()> {
        print(limit, async |cursor, limit| {
            let request = v1::DeadLettersRequest {
                filter: Some(which.filter()),
                cursor,
                limit,
                show,
            };
            let page = self.dead(request).await?;
            let lines = page
                .letters
                .iter()
                .map(|letter| letter_line(letter, show, json));
            Ok((lines.collect(), page.next))
        })
        .await
    }

    pub(super) async fn print_discarded(
        &self,
        which: &Which,
        limit: u64,
        json: bool,
    ) -> anyhow::Result<()> {
        print(limit, async |cursor, limit| {
            let request = v1::DiscardedEventsRequest {
                filter: Some(which.filter()),
                cursor,
                limit,
            };
            let page = self.discarded(request).await?;
            let lines = page.events.iter().map(|event| discarded_line(event, json));
            Ok((lines.collect(), page.next))
        })
        .await
    }

    pub(super) async fn print_pending(
        &self,
        which: &WhichPending,
        limit: u64,
        show: bool,
        json: bool,
    ) -> anyhow::Result<()> {
        print(limit, async |cursor, limit| {
            let request = v1::PendingEventsRequest {
                filter: Some(which.filter()),
                cursor,
                limit,
                show,
            };
            let page = self.pending(request).await?;
            let lines = page
                .events
                .iter()
                .map(|event| pending_line(event, show, json));
            Ok((lines.collect(), page.next))
        })
        .await
    }
}

/// Prints up to `limit` lines of pages that are asked for by where they begin and how many lines
/// they may have, and that say where the next one begins.
async fn print(
    limit: u64,
    mut page: impl AsyncFnMut(String, u32) -> anyhow::Result<(Vec<String>, String)>,
) -> anyhow::Result<()> {
    let mut cursor = String::new();
    let mut left = limit;
    loop {
        if left == 0 {
            output::complain("there are more; `--limit` prints them");
            return Ok(());
        }
        let asked = PAGE.min(u32::try_from(left).unwrap_or(PAGE));
        let (lines, next) = page(cursor, asked).await?;
        for line in &lines {
            output::line(line)?;
        }
        if next.is_empty() {
            return Ok(());
        }
        left = left.saturating_sub(lines.len() as u64);
        cursor = next;
    }
}
