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
        let mut pages = Pages::of(limit);
        while let Some((cursor, limit)) = pages.next() {
            let request = v1::DeadLettersRequest {
                filter: Some(which.filter()),
                cursor,
                limit,
                show,
            };
            let page = self.dead(request).await?;
            for letter in &page.letters {
                output::line(&letter_line(letter, show, json))?;
            }
            pages.go_on(page.next, page.letters.len());
        }
        Ok(())
    }

    pub(super) async fn print_discarded(
        &self,
        which: &Which,
        limit: u64,
        json: bool,
    ) -> anyhow::Result<()> {
        let mut pages = Pages::of(limit);
        while let Some((cursor, limit)) = pages.next() {
            let request = v1::DiscardedEventsRequest {
                filter: Some(which.filter()),
                cursor,
                limit,
            };
            let page = self.discarded(request).await?;
            for event in &page.events {
                output::line(&discarded_line(event, json))?;
            }
            pages.go_on(page.next, page.events.len());
        }
        Ok(())
    }

    pub(super) async fn print_pending(
        &self,
        which: &WhichPending,
        limit: u64,
        show: bool,
        json: bool,
    ) -> anyhow::Result<()> {
        let mut pages = Pages::of(limit);
        while let Some((cursor, limit)) = pages.next() {
            let request = v1::PendingEventsRequest {
                filter: Some(which.filter()),
                cursor,
                limit,
                show,
            };
            let page = self.pending(request).await?;
            for event in &page.events {
                output::line(&pending_line(event, show, json))?;
            }
            pages.go_on(page.next, page.events.len());
        }
        Ok(())
    }
}

/// How far a listing has come.
struct Pages {
    /// Where the next page begins; `None` at the end.
    cursor: Option<String>,
    /// Lines that may still be printed.
    left: u64,
}

impl Pages {
    fn of(limit: u64) -> Pages {
        Pages {
            cursor: Some(String::new()),
            left: limit,
        }
    }

    /// Where the next page begins, and how many it may have.
    fn next(&mut self) -> Option<(String, u32)> {
        let cursor = self.cursor.take()?;
        if self.left == 0 {
            eprintln!("there are more; `--limit` prints them");
            return None;
        }
        Some((cursor, PAGE.min(u32::try_from(self.left).unwrap_or(PAGE))))
    }

    fn go_on(&mut self, next: String, printed: usize) {
        self.left = self.left.saturating_sub(printed as u64);
        self.cursor = Some(next).filter(|next| !next.is_empty());
    }
}
