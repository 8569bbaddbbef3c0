//! `callgate dialects`: what every hook of every dialect can do.

use std::process::ExitCode;

use serde_json::json;

use super::exit::EXIT_BAD_INPUT;
use super::output;
use crate::dialect::{self, HookInfo};
use crate::event::{DialectId, Moment};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One dialect alone: openim, openim-v2, wukongim, chatserver or funtek.
    dialect: Option<String>,
    /// Print one JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let wanted = match args
        .dialect
        .as_deref()
        .map(|name| (name, DialectId::from_name(name)))
    {
        None => DialectId::ALL.to_vec(),
        Some((_, Some(id))) => vec![id],
        Some((name, None)) => {
            let names = DialectId::ALL.map(DialectId::name).join("`, `");
            output::complain(&format!(
                "callgate: no dialect is named `{name}`; the names are `{names}`"
            ));
            return Ok(ExitCode::from(EXIT_BAD_INPUT));
        }
    };
    if args.json {
        for (id, info) in rows(&wanted) {
            let row = json!({
                "dialect": id.name(),
                "hook": info.hook.name,
                "event": info.command,
                "moment": moment(info),
                "block": info.can_block(),
                "replace": info.can_replace(),
                "reply": info.can_reply(),
            });
            output::line(&row.to_string())?;
        }
    } else {
        output::page(&table(&wanted))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A table in Markdown.
fn table(wanted: &[DialectId]) -> String {
    let mut out = "| dialect | hook | on the wire | when | block | replace | reply |\n\
                   | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let yes = |can| if can { "yes" } else { "-" };
    for (id, info) in rows(wanted) {
        let wire = match info.command {
            "" => "-".to_owned(),
            command => format!("`{command}`"),
        };
        out.push_str(&format!(
            "| {} | `{}` | {wire} | {} | {} | {} | {} |\n",
            id.name(),
            info.hook.name,
            moment(info),
            yes(info.can_block()),
            yes(info.can_replace()),
            yes(info.can_reply()),
        ));
    }
    out
}

fn rows(wanted: &[DialectId]) -> impl Iterator<Item = (DialectId, &'static HookInfo)> {
    wanted
        .iter()
        .flat_map(|id| dialect::of(*id).hooks().iter().map(move |info| (*id, info)))
}

fn moment(info: &HookInfo) -> &'static str {
    match info.hook.moment {
        Moment::Before => "before",
        Moment::After => "after",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_each_hook_can_do() {
        let all = table(&DialectId::ALL);
        for row in [
            "| openim | `beforeSendSingleMsg` | `callbackBeforeSendSingleMsgCommand` | before | yes | - | - |",
            "| openim | `beforeMsgModify` | `callbackBeforeMsgModifyCommand` | before | yes | yes | - |",
            "| wukongim | `wukongim.msg.before_send` | `msg.before_send` | before | yes | yes | - |",
            "| wukongim | `wukongim.msg.notify` | `msg.notify` | after | - | - | - |",
            "| chatserver | `chatserver.auth` | `auth` | before | yes | - | - |",
            "| chatserver | `chatserver.action` | `action` | before | yes | yes | - |",
            "| funtek | `funtek.MESSAGE` | `MESSAGE` | before | - | - | yes |",
        ] {
            assert!(all.contains(row), "{row} in {all}");
        }
        let hooks: usize = DialectId::ALL
            .map(|id| dialect::of(id).hooks().len())
            .iter()
            .sum();
        assert_eq!(all.lines().count(), hooks + 2);
    }
}
