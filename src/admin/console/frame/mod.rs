//! What pages are made of.
//!
//! Owns: the frame around every page, and the parts that pages have in common.
//! Leaves alone: what a page shows, and its words.
//!
//! Order, downward: `confirm`, `core_words`, `diff`, `charts`, `page`, `forms`, `parts`, `chips`, `figures`,
//! `navigation`, `texts`.

mod charts;
mod chips;
mod confirm;
mod core_words;
mod diff;
mod figures;
mod forms;
mod navigation;
mod page;
mod parts;
mod texts;

pub(super) use charts::{Chart, Mark, Series, chart};
pub(super) use chips::{CHARS_MAX, hostile, marked};
pub(super) use confirm::{Confirm, plan, summary_of};
pub(super) use core_words::{of_core, of_not_saved, of_rollback, quoted};
pub(super) use diff::diff;
pub(super) use figures::{bytes, exact, number, share, since, time};
pub(super) use forms::{Choice, area, choosing, field, filters, optional, select, tick};
pub(super) use page::{missing, page};
pub(in crate::admin) use page::{script, setup_script, style};
pub(super) use parts::{
    Tone, badge, coded, done, empty, heading, link, notice, pager, problem, section, table,
};
