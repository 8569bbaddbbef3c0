//! `callgate import words`: a foreign word list becomes one of ours.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::exit::EXIT_BAD_INPUT;
use crate::cli::output::{self, plain};
use crate::import::{DropReason, ImportedWords, WordFormat, WordImport, import_words};

/// A longer file is no word list but a mistake.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Reads plain lines, `word tag1,tag2`, `word=replacement`, `word 123`, words between signs, CSV,
/// JSON, YAML, XML, web pages, SQL, strings in program text and Discord's AutoMod keywords, in
/// UTF-8, UTF-16, UTF-32, GBK, Big5, Shift_JIS and other encodings. What cannot be told is refused, never guessed.
///
/// Prints the list on standard output, or writes it to OUT, and says on standard error what was
/// left out and why, with line numbers.
///
/// Exit codes: 0 the list was written, 1 it was not: the file cannot be read, holds no word, or
/// with --strict holds something that cannot be taken over.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The list; `-` is standard input.
    file: PathBuf,
    /// How the words are written.
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    format: Format,
    /// How the file is encoded, such as gbk, big5 or utf-16le; without it, it is found out.
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// Where to write the list; without it, standard output.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Write over OUT if it exists.
    #[arg(long)]
    force: bool,
    /// Tags that every entry gets.
    #[arg(long, value_name = "TAG,TAG", value_delimiter = ',')]
    tags: Vec<String>,
    /// Of a table: the column of the words, by its header or its number from 1.
    #[arg(long, value_name = "COLUMN")]
    column: Option<String>,
    /// Of a table: the column of the tags.
    #[arg(long, value_name = "COLUMN")]
    tags_column: Option<String>,
    /// CSV: the sign between columns.
    #[arg(long, value_name = "SIGN")]
    delimiter: Option<char>,
    /// Write nothing if anything but comments and repetitions would be left out.
    #[arg(long)]
    strict: bool,
    /// Report at most this many of the pieces that were left out.
    #[arg(long, value_name = "N", default_value_t = 50)]
    report_max: usize,
    /// Report as one JSON object: on standard output with -o, else on standard error.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// Found out from the file.
    Auto,
    /// One word a line.
    Plain,
    /// `word tag1,tag2`, with a tab or a blank before the tags.
    Tags,
    /// Words between `|`.
    Pipe,
    /// Words between `，`, `、`, `；`, `;` or `•`.
    Separated,
    /// `word=replacement`; the word is taken.
    Replacements,
    /// `word 123`, as dictionaries have it; the word is taken.
    Frequencies,
    /// Program text and SQL; its strings are the words.
    Code,
    /// XML, a property list or a web page; the texts of the elements that hold the words.
    Xml,
    /// Columns between commas, semicolons or tabs.
    Csv,
    /// An array of strings or objects, or an object of arrays.
    Json,
    /// The same in YAML.
    Yaml,
    /// Discord's AutoMod keywords: `cat, cat*, *cat*`.
    Discord,
}

impl Format {
    fn known(self) -> Option<WordFormat> {
        Some(match self {
            Format::Auto => return None,
            Format::Plain => WordFormat::Plain,
            Format::Tags => WordFormat::Tags,
            Format::Pipe => WordFormat::Pipe,
            Format::Separated => WordFormat::Separated,
            Format::Replacements => WordFormat::Replacements,
            Format::Frequencies => WordFormat::Frequencies,
            Format::Code => WordFormat::Code,
            Format::Xml => WordFormat::Xml,
            Format::Csv => WordFormat::Csv,
            Format::Json => WordFormat::Json,
            Format::Yaml => WordFormat::Yaml,
            Format::Discord => WordFormat::Discord,
        })
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    Ok(match import(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            output::complain(&format!("callgate: {why}"));
            ExitCode::from(EXIT_BAD_INPUT)
        }
    })
}

fn import(args: &Args) -> Result<(), String> {
    let name = args.file.display().to_string();
    let bytes = read(&args.file).map_err(|error| format!("{name} cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{name} is longer than {FILE_BYTES_MAX} bytes"));
    }
    let imported = import_words(&name, &bytes, &settings(args)?)
        .map_err(|error| format!("{name}: {error}"))?;
    report(args, &name, &imported);
    let lost = imported
        .dropped
        .iter()
        .filter(|one| !one.reason.is_harmless());
    match lost.count() {
        _ if imported.entries == 0 => Err(format!("{name} holds no word, so nothing is written")),
        lost if lost > 0 && args.strict => Err(format!(
            "{name}: {lost} piece(s) cannot be taken over, so with --strict nothing is written"
        )),
        _ => write(args, &imported.list),
    }
}

fn settings(args: &Args) -> Result<WordImport, String> {
    let delimiter = match args.delimiter {
        None => None,
        Some(sign) if sign.is_ascii() => Some(sign as u8),
        Some(sign) => {
            return Err(format!(
                "--delimiter `{sign}`: it must be an ASCII character"
            ));
        }
    };
    Ok(WordImport {
        format: args.format.known(),
        encoding: args.encoding.clone(),
        tags: args.tags.clone(),
        word_column: args.column.clone(),
        tags_column: args.tags_column.clone(),
        delimiter,
    })
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let input: &mut dyn Read = match file.to_str() {
        Some("-") => &mut io::stdin().lock(),
        _ => &mut fs::File::open(file)?,
    };
    input.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(args: &Args, list: &str) -> Result<(), String> {
    let Some(output) = &args.output else {
        return match io::stdout().write_all(list.as_bytes()) {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(format!("standard output: {error}")),
            Ok(()) => Ok(()),
        };
    };
    let name = output.display();
    let mut options = fs::OpenOptions::new();
    options.write(true).truncate(true);
    let file = match args.force {
        true => options.create(true).open(output),
        false => options.create_new(true).open(output),
    };
    let written = file.and_then(|mut file| file.write_all(list.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!("{name} exists; --force writes over it"),
        _ => format!("{name} cannot be written: {error}"),
    })
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    #[serde(flatten)]
    imported: &'a ImportedWords,
}

fn report(args: &Args, file: &str, imported: &ImportedWords) {
    if args.json {
        let report = Report { file, imported };
        let json = serde_json::to_string(&report).expect("a report is plain data");
        return match args.output {
            Some(_) => drop(output::line(&json)),
            None => output::complain(&json),
        };
    }
    // Comments are no news.
    let dropped = imported.dropped.iter();
    let told: Vec<_> = dropped
        .filter(|one| one.reason != DropReason::Comment)
        .collect();
    for one in told.iter().take(args.report_max) {
        output::complain(&format!(
            "{file}:{}: `{}` is left out: {}",
            one.line,
            plain(&one.text),
            one.reason
        ));
    }
    if let Some(more) = told.len().checked_sub(args.report_max).filter(|n| *n > 0) {
        output::complain(&format!(
            "{file}: {more} more are left out; --report-max tells more of them"
        ));
    }
    for one in imported.changed.iter().take(args.report_max) {
        output::complain(&format!(
            "{file}:{}: of `{}` the word is `{}`",
            one.line,
            plain(&one.text),
            plain(&one.word)
        ));
    }
    if let Some(more) = (imported.changed.len())
        .checked_sub(args.report_max)
        .filter(|n| *n > 0)
    {
        output::complain(&format!("{file}: of {more} more a part is the word"));
    }
    if imported.open_ended > 0 {
        output::complain(&format!(
            "{file}: {} entries have `*` at an end, where the word may go on",
            imported.open_ended
        ));
    }
    let format = format!("{:?}", imported.format).to_lowercase();
    output::complain(&format!(
        "{file}: {} entries, {} left out, read as {format} in {}",
        imported.entries,
        told.len(),
        imported.encoding
    ));
}
