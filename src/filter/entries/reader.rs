//! From a list's entries to drafts of matchers: folded, checked, in all their forms, and each
//! where its lens will look for it.

use super::forms::{Components, Forms};
use crate::filter::entry_table::EntryRef;
use crate::filter::list::{CompileError, ENTRY_CHARS_MAX, ListSpec, Role};
use crate::filter::options::{Options, SkipClasses, WholeWord};
use crate::filter::search::{
    Draft, Ends, EntryOf, JOINT, Selfmask, Signs, Word, is_pattern, is_sign, of_form,
};
use crate::filter::text::{
    FoldTable, LETTER, Lens, Noise, SYMBOL, Stream, is_blank, is_space, leet,
};

/// The most forms that pinyin and split may make of one list's entries: about a gigabyte.
const FORMS_MAX: usize = 4_000_000;

/// The drafts of one group's readings.
pub(crate) type Drafts = Vec<ReadingDraft>;

/// What is looked for through one lens.
pub(crate) struct ReadingDraft {
    pub lens: Lens,
    pub plain: Draft,
    pub runs: Draft,
    /// From how many equal symbols on a run may stand for a shorter one: the least of all lists.
    pub runs_from: u32,
}

/// The entries of a group.
#[derive(Default)]
pub(crate) struct Read {
    pub drafts: Drafts,
    pub selfmask: Selfmask,
    pub signs: Signs,
}

/// Reads the entries of the lists that are `members`. Reports what is wrong with them.
pub(crate) fn read(
    table: &FoldTable,
    lists: &[ListSpec],
    members: &[bool],
    components: &Components,
    problems: &mut Vec<CompileError>,
) -> Read {
    let mut read = Read::default();
    let mut reader = Reader {
        table,
        stream: Stream::default(),
    };
    for (id, list) in lists.iter().enumerate().filter(|(id, _)| members[*id]) {
        let mut forms = Forms::new(table, &list.options, components);
        let mut count = 0;
        let mut outcome = Ok(());
        let combined_from = list.first_combined();
        each_word(list, problems, |number, entry| {
            let of = EntryOf {
                list: id as u32,
                entry: number,
            };
            if is_sign(entry.text.trim(), table) {
                read.signs.add(of, entry.text.trim());
                return Ok(());
            }
            let word = Word {
                of,
                ends: reader.fold(entry, list)?,
                combined: number >= combined_from,
                mixed: false,
            };
            let readings = reader.readings(entry.text);
            for reading in &readings {
                let word = Word {
                    mixed: reading.mixed,
                    ..word
                };
                let (form, noises) = formed(&reading.symbols, &list.options);
                add(&mut read.drafts, &list.options, word, &form, noises);
                if list.options.selfmask && !reading.mixed {
                    read.selfmask.add(word, &reading.symbols);
                }
            }
            if count <= FORMS_MAX {
                let folded = &readings[readings.len() - 1].symbols;
                let (folded, noises) = formed(folded, &list.options);
                for form in forms.of(&folded) {
                    count += 1;
                    add(&mut read.drafts, &list.options, word, &form, noises);
                }
            } else {
                outcome = Err(());
            }
            Ok(())
        });
        if outcome.is_err() {
            let what = format!(
                "`pinyin` and `split` make more than {FORMS_MAX} forms of these entries; keep them for a list of the words that matter"
            );
            problems.push(CompileError::of_list(list, what));
        }
    }
    read
}

/// Reads all allowed phrases, as a list that skips `skip` reads them: no end of them needs a
/// boundary.
pub(crate) fn read_phrases(
    table: &FoldTable,
    lists: &[ListSpec],
    skip: SkipClasses,
    problems: &mut Vec<CompileError>,
) -> (Drafts, Signs) {
    let (mut drafts, mut signs) = (Drafts::new(), Signs::default());
    let mut reader = Reader {
        table,
        stream: Stream::default(),
    };
    let options = Options {
        skip,
        ..Options::default()
    };
    for (id, list) in lists.iter().enumerate() {
        if list.role == Role::Allow {
            each_word(list, problems, |number, phrase| {
                let of = EntryOf {
                    list: id as u32,
                    entry: number,
                };
                if is_sign(phrase.text.trim(), table) {
                    signs.add(of, phrase.text.trim());
                    return Ok(());
                }
                let word = Word {
                    of,
                    ends: reader.fold(phrase, list)?,
                    combined: false,
                    mixed: false,
                };
                for reading in reader.readings(phrase.text) {
                    let word = Word {
                        mixed: reading.mixed,
                        ..word
                    };
                    let (form, noises) = formed(&reading.symbols, &options);
                    add(&mut drafts, &options, word, &form, noises);
                }
                Ok(())
            });
        }
    }
    (drafts, signs)
}

/// Calls `read` for every entry that is a word, and reports what it says is wrong.
fn each_word(
    list: &ListSpec,
    problems: &mut Vec<CompileError>,
    mut read: impl FnMut(u32, EntryRef<'_>) -> Result<(), String>,
) {
    for (number, entry) in list.entries.iter().enumerate() {
        let is_pattern = is_pattern(entry.text);
        let outcome = match list.role {
            Role::Allow if entry.options.is_some() => Err(
                "an allowed phrase has no options: it is read as the list that it spares"
                    .to_owned(),
            ),
            // Those with options of their own are in a part of the list.
            Role::Match if entry.options.is_some() => Ok(()),
            _ if is_pattern => Ok(()),
            Role::Match | Role::Allow => read(number as u32, entry),
        };
        if let Err(what) = outcome {
            problems.push(CompileError {
                list: list.name.clone(),
                line: entry.line,
                what,
            });
        }
    }
}

struct Reader<'a> {
    table: &'a FoldTable,
    stream: Stream,
}

impl Reader<'_> {
    /// Folds an entry into `stream`.
    fn fold(&mut self, entry: EntryRef<'_>, list: &ListSpec) -> Result<Ends, String> {
        let (text, mut ends) = without_wildcards(entry.text);
        if list.role == Role::Match {
            ends.whole_word = list.options.whole_word;
            ends.prefixes = list.options.prefixes;
        }
        self.table.fold(text, &mut self.stream);
        checked(trimmed(&self.stream.symbols))?;
        Ok(ends)
    }

    /// An entry, just folded into `stream`, as it may be read: what looks Latin in it alone stays
    /// itself in a text of its own script. The folded entry is the last.
    fn readings(&mut self, entry: &str) -> Vec<Reading> {
        let reading = |symbols: &[u32], mixed| Reading {
            symbols: trimmed(symbols).to_vec(),
            mixed,
        };
        let folded = reading(&self.stream.symbols, false);
        let (text, _) = without_wildcards(entry);
        self.table.fold_among_latin(text, &mut self.stream);
        let mixed = reading(&self.stream.symbols, true);
        self.table.fold_keeping_scripts(text, &mut self.stream);
        let own = reading(&self.stream.symbols, false);
        let plain = |reading: &Reading| -> Vec<u32> {
            let symbols = reading.symbols.iter();
            symbols.map(|symbol| symbol & SYMBOL).collect()
        };
        let [of_folded, of_mixed, of_own] = [&folded, &mixed, &own].map(plain);
        let mut readings = Vec::with_capacity(3);
        if of_mixed != of_folded && of_mixed != of_own {
            readings.push(mixed);
        }
        if of_own != of_folded {
            readings.push(own);
        }
        readings.push(folded);
        readings
    }
}

/// One way to read an entry.
struct Reading {
    symbols: Vec<u32>,
    /// Counts only where letters of two scripts stand for it.
    mixed: bool,
}

/// What an option makes of the noise in an entry.
#[derive(Clone, Copy)]
struct Noises {
    noise: Noise,
    /// It holds what is skipped in other entries, beside blanks.
    literal: bool,
}

/// Folded symbols as those of a form, in which a blank is marked as a joint.
fn formed(symbols: &[u32], options: &Options) -> (Vec<u32>, Noises) {
    let noise = Noise::new(options.skip);
    let is_blank = |symbol: &u32| is_space(Some(symbol));
    let literal = symbols
        .iter()
        .any(|symbol| noise.holds(*symbol) && !is_blank(symbol));
    let form = symbols.iter().map(|symbol| match is_blank(symbol) {
        true => of_form(*symbol) | JOINT,
        false => of_form(*symbol),
    });
    (form.collect(), Noises { noise, literal })
}

/// Adds a form of an entry to the drafts of every lens that it is looked for through.
fn add(drafts: &mut Drafts, options: &Options, word: Word, form: &[u32], noises: Noises) {
    let mut lens = Lens::of(options);
    let has_blank = form.iter().any(|symbol| symbol & JOINT != 0);
    let literal = noises.literal || form.iter().any(|symbol| noises.noise.is_of_class(*symbol));
    if literal {
        // What is noise in other entries counts in this one.
        lens.skip = SkipClasses::NONE;
    }
    let as_it_stands = lens.skip == SkipClasses::NONE;
    if has_blank && !as_it_stands {
        lens.skip = lens.skip.with(SkipClasses::SPACE);
    }
    let form = &match (has_blank, as_it_stands) {
        (false, _) => form.to_vec(),
        (true, true) => form.iter().map(|symbol| symbol & !JOINT).collect(),
        (true, false) => jointed(form),
    };
    add_to(drafts, lens, options, word, form);
    let may_be_signs = [SkipClasses::PUNCT, SkipClasses::SYMBOL, SkipClasses::STOP]
        .into_iter()
        .any(|class| lens.skip.contains(class));
    let has_letter = form
        .iter()
        .any(|symbol| symbol & LETTER != 0 && leet::may_be_sign(symbol & SYMBOL));
    if lens.leet && may_be_signs && has_letter {
        let signs = Lens {
            signs: true,
            ..lens
        };
        add_to(drafts, signs, options, word, form);
    }
}

/// A form without its blanks: what stands behind one says so.
fn jointed(form: &[u32]) -> Vec<u32> {
    let mut jointed = Vec::with_capacity(form.len());
    let mut joint = 0;
    for symbol in form {
        if symbol & JOINT != 0 {
            joint = JOINT;
        } else {
            jointed.push(symbol | joint);
            joint = 0;
        }
    }
    jointed
}

fn add_to(drafts: &mut Drafts, lens: Lens, options: &Options, word: Word, form: &[u32]) {
    let at = drafts.iter().position(|draft| draft.lens == lens);
    let at = at.unwrap_or_else(|| {
        drafts.push(ReadingDraft {
            lens,
            plain: Draft::default(),
            runs: Draft::default(),
            runs_from: u32::MAX,
        });
        drafts.len() - 1
    });
    let draft = &mut drafts[at];
    draft.plain.push(word, form);
    if options.repeat > 0 {
        draft.runs.push(word, form);
        draft.runs_from = draft.runs_from.min(options.repeat);
    }
}

/// The entry without the `*` at either end, which says that the word may go on there.
pub(crate) fn without_wildcards(text: &str) -> (&str, Ends) {
    let mut ends = Ends {
        whole_word: WholeWord::Off,
        prefixes: false,
        left_open: false,
        right_open: false,
    };
    let text = text.trim();
    let mut bare = text;
    if let Some(rest) = bare.strip_prefix('*') {
        (bare, ends.left_open) = (rest, true);
    }
    if let Some(rest) = bare.strip_suffix('*') {
        (bare, ends.right_open) = (rest, true);
    }
    if bare.chars().all(|c| c == '*') {
        // Nothing but stars: these are what is looked for.
        bare = text;
    }
    (bare.trim(), ends)
}

/// A folded entry without blanks at its ends: what folding drops hides them from trimming.
fn trimmed(folded: &[u32]) -> &[u32] {
    let is_word = |symbol: &u32| !is_blank(*symbol);
    let start = folded.iter().position(is_word).unwrap_or(folded.len());
    let end = folded
        .iter()
        .rposition(is_word)
        .map_or(start, |last| last + 1);
    &folded[start..end]
}

/// Refuses what can never match or would match everywhere.
fn checked(folded: &[u32]) -> Result<(), String> {
    if folded.is_empty() {
        return Err("the entry is nothing but blanks and what the options drop".to_owned());
    }
    let length = folded.len();
    if length > ENTRY_CHARS_MAX {
        return Err(format!(
            "the entry has {length} characters; {ENTRY_CHARS_MAX} are the most"
        ));
    }
    Ok(())
}
