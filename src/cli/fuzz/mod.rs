//! `callgate fuzz`: what gets past a word list, and what it hits that it should not.
//!
//! Order, downward: `table`, `report`, `trial`, `mutator`, `kind`.

mod kind;
mod mutator;
mod report;
mod table;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use self::kind::Kind;
use self::report::Report;
use self::trial::{Effort, Trial};
use super::exit::EXIT_BAD_INPUT;
use super::files::Files;
use super::output;
use crate::policy::{
    self, CompileContext, WordList, everyday_messages, language_name, messages_of,
};
use crate::reload::read_files;
use crate::settings::{Problem, Severity};

/// Puts each entry of a list into every kind of disguise and says how many the list sees
/// through, kind by kind, and whether its options are meant to. Beside it, the list reads
/// everyday messages: what it finds there are false hits, told with the line that is to blame.
///
/// The same seed makes the same disguises. Exit codes: 0 done, 1 a threshold is missed or the
/// list has errors.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A list of the policy by its name, or a list file, which is read with default options.
    #[arg(required_unless_present = "table", value_name = "LIST")]
    list: Option<String>,
    /// Print a Markdown table of all kinds instead, tried on words of callgate's own.
    #[arg(long, conflicts_with_all = ["list", "json", "benign", "min_recall", "max_false_hits"])]
    table: bool,
    /// Fail if less than this share of the disguises is found, for any kind that the list's
    /// options see through: 0.95.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_recall: Option<f64>,
    /// Fail if there are more false hits than this.
    #[arg(long, value_name = "N")]
    max_false_hits: Option<usize>,
    /// Only these kinds of disguise.
    #[arg(long, value_name = "KIND,KIND", value_delimiter = ',', value_parser = kind_of)]
    kinds: Vec<Kind>,
    /// Messages of your own instead of callgate's, one a line.
    #[arg(long, value_name = "FILE")]
    benign: Option<PathBuf>,
    /// Chooses the disguises.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Try this many entries at most, chosen by the seed.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,
    /// Disguises of each kind for each entry.
    #[arg(long, value_name = "N", default_value_t = 3)]
    variants: usize,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok();
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a share is a number from 0 to 1".to_owned())
}

fn kind_of(name: &str) -> Result<Kind, String> {
    let found = Kind::ALL.iter().copied().find(|kind| kind.name() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        format!("known are {}", names.join(", "))
    })
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let effort = Effort {
        seed: args.seed,
        entries_max: args.limit,
        variants: args.variants,
    };
    let kinds = match &args.kinds[..] {
        [] => Kind::ALL.to_vec(),
        kinds => kinds.to_vec(),
    };
    let Some(name) = &args.list else {
        output::page(&table::markdown(&kinds, effort))?;
        return Ok(ExitCode::SUCCESS);
    };
    let list = match find(files, name)? {
        Ok(list) => list,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let mut trial = match Trial::new(&list) {
        Ok(trial) => trial,
        Err(errors) => {
            let shown = list.file.as_deref().unwrap_or(name);
            let errors = errors.iter();
            let errors = errors.map(|error| format!("{shown}:{}: {}", error.line, error.what));
            return Ok(refuse(&errors.collect::<Vec<_>>()));
        }
    };
    let messages: Vec<(&str, String)> = match &args.benign {
        None => everyday_messages()
            .map(|message| (language_name(message.language), message.text.to_owned()))
            .collect(),
        Some(file) => read_messages(file)?,
    };
    let report = Report {
        list: &list,
        effort,
        tallies: trial.recall(&kinds, effort),
        messages: messages.len(),
        false_hits: trial.false_hits(
            messages
                .iter()
                .map(|(language, text)| (*language, text.as_str())),
        ),
        min_recall: args.min_recall,
        max_false_hits: args.max_false_hits,
    };
    if args.json {
        output::line(&report.json().to_string())?;
    } else {
        output::page(&report.text())?;
    }
    Ok(match report.missed() {
        missed if missed.is_empty() => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_BAD_INPUT),
    })
}

fn refuse(problems: &[String]) -> ExitCode {
    for problem in problems {
        output::complain(&output::plain(problem));
    }
    ExitCode::from(EXIT_BAD_INPUT)
}

/// The messages of a file, whose language nobody knows.
fn read_messages(file: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let name = file.display();
    let bytes = fs::read(file).with_context(|| format!("{name} cannot be read"))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))?;
    Ok(messages_of(&text)
        .map(|text| ("", text.to_owned()))
        .collect())
}

/// The list of that name, or in that file; or what is wrong with it.
fn find(files: &Files, name: &str) -> anyhow::Result<Result<WordList, Vec<String>>> {
    let path = Path::new(name);
    if path.is_file() {
        let bytes = fs::read(path).with_context(|| format!("{name} cannot be read"))?;
        let lines = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect();
        return Ok(WordList::of_file(name, &bytes).map_err(lines));
    }
    let context = CompileContext {
        env: std::env::vars().collect(),
        ..CompileContext::default()
    };
    let set = match read_files(&files.policies) {
        Ok(set) => set,
        Err(problem) => return Ok(Err(vec![problem.to_string()])),
    };
    let compiled = policy::compile(&set, &context, 1);
    if compiled.snapshot.is_none() {
        let errors = compiled.problems.iter();
        let errors = errors.filter(|problem| problem.severity == Severity::Error);
        return Ok(Err(errors.map(ToString::to_string).collect()));
    }
    let found = WordList::of_policy(name, &set, &compiled);
    Ok(found.map_err(|what| vec![format!("callgate: {what}; a list file can be named too")]))
}
