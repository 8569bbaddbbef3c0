//! Edits of many entries of a word list: a plan says what would happen and what it would hit, and
//! only that is done.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tonic::Status;

use super::acts::Asked;
use super::plans::{Doing, Draft, Seen, Summary, grouped};
use super::shown::Admin;
use super::word_lists::{self, NotDone};
use crate::lists::{Base, Edit, Imported, MoveShown, NotSaved, Preview};
use crate::operators::Capability;

/// Lines of the change that a plan shows.
const LINES_MAX: usize = 200;
/// What was left out of a foreign list, as far as it is told one by one.
const DROPPED_MAX: usize = 20;

/// Plans an edit, of whatever size. The plan is for the list as it is now: what others write
/// meanwhile is merged, or where it is the same entries, keeps the plan from being run.
///
/// Errors: it cannot be made, or is not for whoever asks; or the plan cannot be recorded.
pub(super) async fn make(
    admin: &Admin,
    asked: &Asked,
    mut edit: Edit,
    imported: Option<&Imported>,
) -> Result<Seen, NotDone> {
    if edit.base == Base::Any {
        let (lists, name) = (admin.lists.clone(), edit.list.clone());
        let hashing = tokio::task::spawn_blocking(move || lists.hash(&name)).await;
        let hash = hashing.map_err(|error| NotSaved::Io(error.to_string()))??;
        edit.base = Base::Hash(hash);
    }
    let edit = word_lists::named(admin, edit);
    let preview = word_lists::preview(admin, asked, edit.clone(), Vec::new()).await?;
    let draft = Draft {
        summary: summary(&edit.list, &preview),
        rows: edit.ops.len() as u64,
        name: edit.list.clone(),
        capability: Capability::Moderate,
        facts: facts(&edit.list, &preview, imported),
        run: {
            let admin = admin.clone();
            Box::new(move |doing| carry_out(admin, edit, doing).boxed())
        },
    };
    let made = admin.plans.make(asked, draft).await;
    made.map_err(NotDone::Unrecorded)
}

/// `list `ads`: 50 added, 1 set, 2 removed; 0.40 % of messages newly hit`, or
/// `list `ads`: 25 moved to list `spam`, which has 2 already; …`.
fn summary(list: &str, preview: &Preview) -> Summary {
    let (english, chinese) = match &preview.moved {
        Some(moved) => moved_in_words(moved, preview.removed),
        None => counted_in_words(preview),
    };
    let share = preview.share * 100.0;
    Summary {
        english: format!("list `{list}`: {english}; {share:.2} % of messages newly hit"),
        chinese: format!("词表 `{list}`：{chinese}；新命中 {share:.2} % 的消息"),
    }
}

fn counted_in_words(preview: &Preview) -> (String, String) {
    let parts = [
        (preview.added, "added", "新增"),
        (preview.set, "set", "修改"),
        (preview.removed, "removed", "移除"),
    ];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    let parts = parts.map(|(count, english, chinese)| {
        let count = grouped(count);
        (
            format!("{count} {english}"),
            format!("{chinese} {count} 个"),
        )
    });
    let (english, chinese): (Vec<String>, Vec<String>) = parts.unzip();
    (english.join(", "), chinese.join("，"))
}

fn moved_in_words(moved: &MoveShown, lines: u64) -> (String, String) {
    let (to, count) = (&moved.to, grouped(lines));
    let mut english = format!("{count} moved to list `{to}`");
    let mut chinese = format!("移到词表 `{to}` {count} 个");
    if moved.listed > 0 {
        let listed = grouped(moved.listed as u64);
        english.push_str(&format!(", which has {listed} already"));
        chinese.push_str(&format!("，其中 {listed} 个那里已有"));
    }
    (english, chinese)
}

fn facts(list: &str, preview: &Preview, imported: Option<&Imported>) -> Value {
    let mut facts = json!({
        "list": list,
        "added": preview.added,
        "set": preview.set,
        "removed": preview.removed,
        "share": preview.share,
        "recent": preview.recent,
        "everyday": preview.everyday,
        "lines": shown_lines(preview).take(LINES_MAX).collect::<Vec<_>>(),
        "moved": preview.moved,
    });
    if let Some(imported) = imported {
        let dropped = &imported.report.dropped;
        facts["import"] = json!({
            "new": imported.ops.len(),
            "listed": imported.listed,
            "left_out": dropped.len(),
            "dropped": dropped.iter().take(DROPPED_MAX).collect::<Vec<_>>(),
        });
    }
    facts
}

/// The lines that change; of one file its name says nothing more.
pub(super) fn shown_lines(preview: &Preview) -> impl Iterator<Item = &str> {
    let names = if preview.moved.is_some() { 0 } else { 2 };
    preview.patch.lines().skip(names)
}

async fn carry_out(admin: Admin, edit: Edit, doing: Doing) -> Result<(), Status> {
    let ops = edit.ops.len() as u64;
    let Doing {
        asked,
        why,
        plan,
        done,
        came_of_it,
    } = doing;
    let saved = word_lists::save_planned(&admin, &asked, edit, &why, Some(&plan)).await?;
    done.store(ops, Ordering::Relaxed);
    let mut came_of_it = came_of_it.lock().unwrap_or_else(PoisonError::into_inner);
    *came_of_it = word_lists::saved_as(&saved);
    Ok(())
}
