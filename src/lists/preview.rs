//! What an edit would hit: the policy in force and the one that would be, beside each other over
//! texts that people wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::thread;

use serde::{Deserialize, Serialize};

use super::edit::{Edit, Lists, NotSaved};
use super::move_shown::{MoveShown, move_shown};
use crate::decision::ListAction;
use crate::editor::{Op, Said};
use crate::filter::{Match, Scratch};
use crate::policy::{self, Effect, HookRules, Snapshot, everyday_messages};
use crate::settings::Severity;

/// Texts that are shown.
const EXCERPTS_MAX: usize = 20;
/// Characters of each of them, around what was found.
const EXCERPT_CHARS: usize = 80;
/// Entries that are shown to find the same texts.
const OVERLAPS_MAX: usize = 20;
/// Threads that look at texts; decisions need the rest.
const THREADS_MAX: usize = 4;
/// Fewer texts are not worth a thread.
const TEXTS_PER_THREAD: usize = 4_096;

/// Where texts come from.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// What people wrote of late; kept in memory alone.
    pub recent: Vec<Arc<str>>,
    /// What somebody wants to try.
    pub given: Vec<String>,
}

/// What becomes of a text that is decided otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    Blocked,
    Masked,
    /// Reported, and nothing else.
    Flagged,
    /// Counted, and nothing else.
    Shadowed,
    /// It passes and did not, or only in part.
    Freed,
}

/// A text that is decided otherwise, around what decides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    pub shift: Shift,
    /// `recent`, `everyday` or `given`.
    pub of: &'static str,
    pub text: String,
    /// What decides it, in bytes of the excerpt.
    pub marked: Range<usize>,
    pub list: String,
    pub entry: String,
}

/// How many of one kind of texts are decided otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    pub texts: u64,
    pub blocked: u64,
    pub masked: u64,
    pub flagged: u64,
    pub shadowed: u64,
    pub freed: u64,
}

impl Counts {
    fn add(&mut self, shift: Shift) {
        match shift {
            Shift::Blocked => self.blocked += 1,
            Shift::Masked => self.masked += 1,
            Shift::Flagged => self.flagged += 1,
            Shift::Shadowed => self.shadowed += 1,
            Shift::Freed => self.freed += 1,
        }
    }

    fn plus(&mut self, other: Counts) {
        self.texts += other.texts;
        self.blocked += other.blocked;
        self.masked += other.masked;
        self.flagged += other.flagged;
        self.shadowed += other.shadowed;
        self.freed += other.freed;
    }

    /// Blocked or masked that were not.
    pub fn hit(&self) -> u64 {
        self.blocked + self.masked
    }
}

/// What an edit would hit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preview {
    pub recent: Counts,
    pub everyday: Counts,
    pub given: Counts,
    /// The part of recent texts that would be blocked or masked and are not, or that of everyday
    /// messages where it is greater.
    pub share: f64,
    pub excerpts: Vec<Excerpt>,
    /// Entries in force that find texts which the edit finds too, with how many of them.
    pub overlaps: Vec<(String, u64)>,
    /// The edit as lines of the files.
    pub patch: String,
    pub added: u64,
    pub set: u64,
    pub removed: u64,
    /// What `callgate check` says of each entry that is added or set, in the order of the edits.
    pub problems: Vec<Vec<crate::settings::Problem>>,
    /// Somebody else edited the list meanwhile.
    pub merged: bool,
    /// What becomes of entries that go to another list.
    pub moved: Option<MoveShown>,
}

impl Lists {
    /// What people wrote of late, with what somebody wants to try.
    pub fn texts(&self, given: Vec<String>) -> Texts {
        Texts {
            recent: (self.recent)(),
            given,
        }
    }

    /// What the edit would do. Writes nothing; blocks for as long as compiling takes.
    pub fn preview(&self, edit: &Edit, texts: &Texts) -> Result<Preview, NotSaved> {
        let known = self.known(&edit.list)?;
        let target = self.target(&known, edit)?;
        let read = |file: &str| self.on_disk(file);
        let made = self.make(&known, target.as_ref(), edit, read)?;
        let mut files = self.policies.files();
        for change in &made.changes {
            let (file, after) = (change.file.to_string(), Arc::clone(&change.after));
            files.files.insert(file, after);
        }
        let compiled = policy::compile(&files, self.policies.context(), 0);
        let Some(new) = compiled.snapshot else {
            let mut problems = compiled.problems;
            problems.retain(|problem| problem.severity == Severity::Error);
            return Err(NotSaved::Invalid(problems));
        };
        let old = &known.snapshot;
        let names = [Some(&known), target.as_ref()].into_iter().flatten();
        let names: Vec<&str> = names.map(|list| &*list.name).collect();
        let pairs = pairs(old, &new, &names);
        // What is moved is looked at in the list that it goes to.
        let said: Vec<Said> = match &target {
            Some(_) => made
                .taken
                .iter()
                .filter_map(|line| Said::read(line))
                .collect(),
            None => edit.ops.iter().filter_map(Op::said).collect(),
        };
        let said: Vec<&Said> = said.iter().collect();
        let problems = self.lint_of(target.as_ref().unwrap_or(&known), &said);
        let moved = target.as_ref();
        let moved = moved.map(|target| move_shown(self, (&known, target), &made, &new));
        let mut preview = Preview {
            recent: Counts::default(),
            everyday: Counts::default(),
            given: Counts::default(),
            share: 0.0,
            excerpts: Vec::new(),
            overlaps: Vec::new(),
            patch: made.patch(),
            added: made.added,
            set: made.set,
            removed: made.removed,
            problems,
            merged: made.merged,
            moved: moved.transpose()?,
        };
        if !pairs.is_empty() {
            let everyday: Vec<&str> = everyday_messages().map(|message| message.text).collect();
            let recent: Vec<&str> = texts.recent.iter().map(|text| &**text).collect();
            let given: Vec<&str> = texts.given.iter().map(String::as_str).collect();
            let mut all = Outcome::default();
            preview.given = all.look(&pairs, "given", &given);
            preview.recent = all.look(&pairs, "recent", &recent);
            preview.everyday = all.look(&pairs, "everyday", &everyday);
            preview.excerpts = all.excerpts;
            let mut overlaps: Vec<_> = all.overlaps.into_iter().collect();
            overlaps.sort_by(|(one, a), (other, b)| b.cmp(a).then(one.cmp(other)));
            overlaps.truncate(OVERLAPS_MAX);
            preview.overlaps = overlaps;
        }
        let share = |counts: &Counts| counts.hit() as f64 / counts.texts.max(1) as f64;
        preview.share = share(&preview.recent).max(share(&preview.everyday));
        Ok(preview)
    }
}

/// Two policies, and the hook of each whose lists are looked at.
struct Pair<'p> {
    old: (&'p Snapshot, &'p HookRules),
    new: (&'p Snapshot, &'p HookRules),
}

/// One hook for each way in which hooks have these lists; those that have the same ones run the same
/// lists as a rule.
fn pairs<'p>(old: &'p Snapshot, new: &'p Snapshot, lists: &[&str]) -> Vec<Pair<'p>> {
    let mut ways = BTreeSet::new();
    let hooks = new.hooks().filter_map(|rules| {
        let way = lists.iter().map(|list| rules.has(list));
        let way: Vec<bool> = way.collect();
        let old_rules = old.rules(rules.hook)?;
        let is_other = way.contains(&true) && ways.insert(way);
        is_other.then_some(Pair {
            old: (old, old_rules),
            new: (new, rules),
        })
    });
    hooks.collect()
}

/// What was found so far.
#[derive(Default)]
struct Outcome {
    excerpts: Vec<Excerpt>,
    overlaps: BTreeMap<String, u64>,
}

impl Outcome {
    fn look(&mut self, pairs: &[Pair<'_>], of: &'static str, texts: &[&str]) -> Counts {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let wanted = texts.len().div_ceil(TEXTS_PER_THREAD);
        let threads = wanted.min(cores).clamp(1, THREADS_MAX);
        let share = texts.len().div_ceil(threads).max(1);
        let parts = thread::scope(|scope| {
            let parts = texts.chunks(share);
            let running: Vec<_> = parts
                .map(|part| scope.spawn(move || look_at(pairs, of, part)))
                .collect();
            let ended = running.into_iter().map(|thread| match thread.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.collect::<Vec<_>>()
        });
        let mut counts = Counts::default();
        for (part, found) in parts {
            counts.plus(part);
            let room = EXCERPTS_MAX - self.excerpts.len();
            self.excerpts.extend(found.excerpts.into_iter().take(room));
            for (entry, texts) in found.overlaps {
                *self.overlaps.entry(entry).or_default() += texts;
            }
        }
        counts
    }
}

fn look_at(pairs: &[Pair<'_>], of: &'static str, texts: &[&str]) -> (Counts, Outcome) {
    let (mut counts, mut outcome) = (Counts::default(), Outcome::default());
    let mut room = Room::default();
    for text in texts {
        counts.texts += 1;
        let mut seen = Vec::new();
        for pair in pairs {
            // Another hook that comes to the same is nothing new.
            let shift = pair.look(&mut room, &mut outcome.overlaps, text);
            let Some(shift) = shift.filter(|shift| !seen.contains(shift)) else {
                continue;
            };
            seen.push(shift);
            counts.add(shift);
            if outcome.excerpts.len() < EXCERPTS_MAX {
                let effect = match shift {
                    Shift::Freed => pair.old.0.effect_of(&room.before),
                    _ => pair.new.0.effect_of(&room.after),
                };
                let excerpts = effect.map(|effect| excerpt(shift, of, text, effect));
                outcome.excerpts.extend(excerpts);
            }
        }
    }
    (counts, outcome)
}

/// Room for the work, and what was found in the last text.
#[derive(Default)]
struct Room {
    scratch: Scratch,
    before: Vec<Match>,
    after: Vec<Match>,
}

impl Pair<'_> {
    /// What becomes of a text that is decided otherwise.
    fn look(
        &self,
        room: &mut Room,
        overlaps: &mut BTreeMap<String, u64>,
        text: &str,
    ) -> Option<Shift> {
        let (scratch, before, after) = (&mut room.scratch, &mut room.before, &mut room.after);
        let old = self.old.0.action_in(self.old.1, text, scratch, before);
        let new = self.new.0.action_in(self.new.1, text, scratch, after);
        // Found by both, and by more or other entries than before.
        if let (Some(_), Some(_), true) = (old, new, before.len() != after.len())
            && let Some(effect) = self.old.0.effect_of(before)
        {
            let entry = format!("{}: {}", effect.list, effect.entry);
            *overlaps.entry(entry).or_default() += 1;
        }
        shift(old, new)
    }
}

fn shift(old: Option<ListAction>, new: Option<ListAction>) -> Option<Shift> {
    if old == new {
        return None;
    }
    let strength = |action: Option<ListAction>| match action {
        Some(ListAction::Block) => 2,
        Some(ListAction::Replace) => 1,
        Some(ListAction::Flag | ListAction::Shadow) | None => 0,
    };
    if strength(new) < strength(old) {
        return Some(Shift::Freed);
    }
    match new {
        Some(ListAction::Block) => Some(Shift::Blocked),
        Some(ListAction::Replace) => Some(Shift::Masked),
        Some(ListAction::Flag) => Some(Shift::Flagged),
        Some(ListAction::Shadow) => Some(Shift::Shadowed),
        None => None,
    }
}

fn excerpt(shift: Shift, of: &'static str, text: &str, effect: Effect) -> Excerpt {
    let Range { start, end } = effect.bytes;
    let before = text[..start].char_indices().rev().take(EXCERPT_CHARS / 2);
    let from = before.last().map_or(start, |(at, _)| at);
    let mut behind = text[end..].char_indices();
    let to = behind
        .nth(EXCERPT_CHARS / 2)
        .map_or(text.len(), |(at, _)| end + at);
    Excerpt {
        shift,
        of,
        text: text[from..to].to_owned(),
        marked: start - from..end - from,
        list: effect.list.to_string(),
        entry: effect.entry.to_string(),
    }
}
