//! What is done with the file itself, damaged or not, while no server has it open.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::bail;
use serde_json::json;

use super::print::add_body;
use crate::audit::{Act, Begun};
use crate::cli::audited;
use crate::cli::engine_file::config_for_files;
use crate::cli::exit::EXIT_BAD_INPUT;
use crate::cli::files::Files;
use crate::cli::output::{self, plain};
use crate::config::Storage;
use crate::outbox::{self, Exported, Inspection, Kind};

/// Exit code 1 when something is damaged.
pub(super) fn check(files: &Files, json: bool) -> anyhow::Result<ExitCode> {
    let path = path(files)?;
    let seen = outbox::check_file(&path)?;
    if json {
        let line = json!({
            "sound": seen.is_sound(), "events": seen.events, "findings": seen.findings,
            "found": seen.found,
        });
        output::line(&line.to_string())?;
    } else {
        print_findings(&seen)?;
        let (events, path) = (seen.events, path.display());
        output::line(&match seen.found {
            0 => format!("{events} events, `{path}` is sound"),
            found => format!(
                "{events} events can be read, {found} things are wrong with `{path}`; `callgate outbox repair` saves what can be read"
            ),
        })?;
    }
    Ok(match seen.is_sound() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_BAD_INPUT),
    })
}

fn print_findings(seen: &Inspection) -> anyhow::Result<()> {
    for finding in &seen.findings {
        output::line(&plain(finding))?;
    }
    match seen.found as usize - seen.findings.len() {
        0 => Ok(()),
        more => output::line(&format!("and {more} more")),
    }
}

pub(super) fn repair(files: &Files, json: bool) -> anyhow::Result<ExitCode> {
    let path = path(files)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let mut begun = begin(files, "outbox.repair", &path)?;
    let done = match outbox::repair_file(&path, since.as_millis() as u64) {
        Ok(done) => done,
        Err(error) => {
            begun.failed(&error.to_string());
            return Err(error.into());
        }
    };
    begun.counted("events", done.kept);
    begun.counted("lost", done.lost);
    begun.done();
    let old = done.old.as_ref().map(|old| old.display().to_string());
    if json {
        let line = json!({
            "repaired": old.is_some(), "findings": done.inspection.findings,
            "found": done.inspection.found, "events": done.kept, "damaged": done.damaged,
            "lost": done.lost, "old": old,
        });
        output::line(&line.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(old) = old else {
        let (events, path) = (done.inspection.events, path.display());
        output::line(&format!(
            "{events} events, `{path}` is sound: nothing to be repaired"
        ))?;
        return Ok(ExitCode::SUCCESS);
    };
    print_findings(&done.inspection)?;
    output::line(&format!(
        "{} events are in the new file, {} of them damaged and kept as dead letters; {} that waited or were dead cannot be read any more and are counted as discarded; the old file is `{old}`",
        done.kept, done.damaged, done.lost
    ))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn export(files: &Files) -> anyhow::Result<ExitCode> {
    let path = path(files)?;
    let mut begun = begin(files, "outbox.export", &path)?;
    let (mut printed, mut events) = (Ok(()), 0);
    let whole = outbox::export_file(&path, |event| {
        if printed.is_ok() {
            events += 1;
            printed = output::line(&exported(&event));
        }
    });
    begun.counted("events", events);
    match &whole {
        Ok(_) => begun.done(),
        Err(error) => begun.failed(&error.to_string()),
    }
    let whole = whole?;
    printed?;
    if !whole {
        let path = path.display();
        output::complain(&format!("callgate: some of `{path}` could not be read"));
        return Ok(ExitCode::from(EXIT_BAD_INPUT));
    }
    Ok(ExitCode::SUCCESS)
}

fn exported(event: &Exported) -> String {
    let entry = &event.entry;
    let mut line = json!({
        "id": entry.id, "hook": entry.hook, "dialect": entry.dialect, "lane": entry.ordering_key,
        "operation_id": entry.operation_id, "accepted_at_ms": entry.accepted_at_ms,
        "pending": event.pending, "dead": event.dead, "sound": event.sound,
    });
    add_body(&mut line, &entry.body);
    line.to_string()
}

fn begin(files: &Files, what: &'static str, path: &Path) -> anyhow::Result<Begun> {
    let act = Act::new(what, audited::who()).on(path.display().to_string());
    Ok(audited::open(&config_for_files(files)?).begin(act)?)
}

fn path(files: &Files) -> anyhow::Result<PathBuf> {
    let config = config_for_files(files)?;
    if config.outbox.kind == Kind::Memory {
        bail!("`outbox.kind` is memory, so there is no file");
    }
    if config.storage == Storage::Embedded {
        return Ok(config.outbox.path);
    }
    let spool = outbox::spool_path(&config.outbox.path);
    if !spool.exists() {
        let spool = spool.display();
        bail!(
            "the outbox is in PostgreSQL (`storage.kind`), and nothing was ever spooled at `{spool}`"
        );
    }
    Ok(spool)
}
