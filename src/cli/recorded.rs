//! Recorded calls of IM servers, for `callgate explain`: read from a file as from the wire.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use bytes::Bytes;

use super::explained::Explained;
use super::output;
use crate::decision::Decision;
use crate::dialect::{self, Call, Decoded, Dialect, Head, Options};
use crate::event::{DialectId, Event};
use crate::policy::Snapshot;

/// Explains every event of a recorded call.
pub(super) fn explain(
    snapshot: &Snapshot,
    dialect: &str,
    event: &str,
    file: &Path,
    options: Options,
) -> anyhow::Result<Vec<Explained>> {
    let dialect = dialect::heard(named(dialect)?.id(), &options);
    let body = read(file)?;
    let (path, query) = dialect.place(event);
    let call = Call {
        head: Head::at(&path, &query),
        body: body.clone(),
    };
    match dialect.decode(&call) {
        Ok(Decoded::Event(event)) => {
            let speaker = dialect::of(event.dialect);
            let answer = |decision: &Decision| speaker.reply(&event, decision);
            Ok(vec![Explained::recorded(snapshot, &event, answer)])
        }
        Ok(Decoded::Batch { hook, items, .. }) => {
            let answer =
                |decision: &Decision| dialect.reply_without_event(Some(hook), &body, decision);
            let events =
                items
                    .into_iter()
                    .filter_map(|item| match dialect.decode_one(hook, "", item) {
                        Ok(event) => Some(Explained::recorded(snapshot, &event, answer)),
                        Err(unreadable) => {
                            let why = &unreadable.reason;
                            output::complain(&format!("callgate: an event is left out: {why}"));
                            None
                        }
                    });
            Ok(events.collect())
        }
        Ok(Decoded::UnknownCommand { command: name, .. }) => {
            bail!("`{name}` is no event of {}", dialect.id())
        }
        Err(unreadable) => bail!("this is no call of {}: {}", dialect.id(), unreadable.reason),
    }
}

/// The event of a recorded call whose body names it.
pub(super) fn event(file: &Path, dialect: &str) -> anyhow::Result<Event> {
    let dialect = named(dialect)?;
    let call = Call {
        head: Head::at("", ""),
        body: read(file)?,
    };
    match dialect.decode(&call) {
        Ok(Decoded::Event(event)) => Ok(*event),
        Ok(Decoded::UnknownCommand { command: name, .. }) => {
            bail!("`{name}` is no command of {}", dialect.id())
        }
        Ok(Decoded::Batch { .. }) => bail!("name the event with --event"),
        Err(unreadable) => bail!("this is no call of {}: {}", dialect.id(), unreadable.reason),
    }
}

fn named(name: &str) -> anyhow::Result<&'static dyn Dialect> {
    let id = DialectId::from_name(name).with_context(|| {
        let names = DialectId::ALL.map(DialectId::name).join("`, `");
        format!("no dialect is named `{name}`; the names are `{names}`")
    })?;
    Ok(dialect::of(id))
}

fn read(file: &Path) -> anyhow::Result<Bytes> {
    let mut body = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_end(&mut body)?;
    } else {
        body = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    Ok(Bytes::from(body))
}
