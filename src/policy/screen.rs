//! Filters over an event's texts: from matches to what the filters alone say.

use std::ops::Range;

use super::snapshot::{HookRules, ListRules, Snapshot};
use super::texts::{NestedText, ReplaceInSendHook};
use crate::decision::{Hit, ListAction, Refusal, Replacement, Verdict};
use crate::dialect;
use crate::event::{Event, Text, TextClass};
use crate::filter::{self, Evasion, Mask, Match, Scratch};

/// Matches that an answer reports; every match counts for the verdict.
const HITS_REPORTED_MAX: usize = 256;

/// What the filters found in an event, and what they alone say to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screening {
    pub hits: Vec<Hit>,
    pub verdict: Verdict,
}

/// The matches in each text of an event. Good for another call about the same texts, as long as
/// snapshot and lists are the same.
#[derive(Clone, Debug, Default)]
pub struct Found(Vec<Vec<Match>>);

impl Found {
    pub fn count(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

impl Snapshot {
    /// What the hook's word lists find in every text of an event.
    pub fn find(&self, rules: &HookRules, event: &Event, scratch: &mut Scratch) -> Found {
        if rules.lists.is_empty() {
            return Found(Vec::new());
        }
        let find = |text: &Text| {
            let mut matches = Vec::new();
            if self.nested_rule(text) != NestedText::Ignore {
                self.filter
                    .scan(&text.value, &rules.list_set, scratch, &mut matches);
                matches.retain(|found| !is_protected(text, &found.span.bytes));
            }
            matches
        };
        Found(event.texts.iter().map(find).collect())
    }

    /// What the matches lead to in this call.
    ///
    /// Block wins over replace, and replace over allow. A word that cannot be masked in the
    /// answer blocks, unless `replace_in_send_hook: defer` leaves it to the call that follows.
    pub(super) fn judge(&self, rules: &HookRules, event: &Event, found: &Found) -> Screening {
        let mut pass = Pass {
            snapshot: self,
            rules,
            event,
            hits: Vec::new(),
            masked: Vec::new(),
            refused: None,
            to_mask: None,
        };
        for (index, (text, matches)) in event.texts.iter().zip(&found.0).enumerate() {
            pass.judge(index, text, matches);
        }
        pass.end()
    }

    fn nested_rule(&self, text: &Text) -> NestedText {
        match text.class {
            TextClass::Nested => self.texts.nested_text,
            TextClass::Body | TextClass::Label | TextClass::Opaque => NestedText::Block,
        }
    }
}

impl HookRules {
    /// The part of an endpoint's replacement that may reach the IM server: no content where its
    /// answer carries none, and no field that would change who gets the message, unless the
    /// hook's `pass_fields` names it.
    pub(super) fn admit(&self, event: &Event, replacement: &Replacement) -> Replacement {
        let passes = |field: &str| {
            let mut named = self.pass_fields.iter();
            !dialect::redirects(field) || named.any(|name| name.eq_ignore_ascii_case(field))
        };
        let fields = replacement.fields.iter();
        Replacement {
            content: replacement.content.clone().filter(|_| event.can.replace),
            fields: fields.filter(|(field, _)| passes(field)).cloned().collect(),
        }
    }
}

/// A list's refusal with the list's rank; the lowest rank speaks.
type Ranked = Option<(usize, Refusal)>;

/// One walk over the texts of an event.
struct Pass<'a> {
    snapshot: &'a Snapshot,
    rules: &'a HookRules,
    event: &'a Event,
    hits: Vec<Hit>,
    /// Texts by their index, with the value that the answer gives them.
    masked: Vec<(usize, String)>,
    refused: Ranked,
    /// What is said when the dialect cannot carry the masked texts after all.
    to_mask: Ranked,
}

impl<'a> Pass<'a> {
    fn judge(&mut self, index: usize, text: &Text, matches: &[Match]) {
        let filter = &self.snapshot.filter;
        let rules = self.rules;
        let can_mask = text.replaceable && self.event.can.replace;
        let mut cuts: Vec<(Range<usize>, &Mask)> = Vec::new();
        for found in matches {
            let Some((hit, list)) = self.hit(text, found) else {
                continue;
            };
            let rank = rules.rank(&list.name);
            match hit.action {
                ListAction::Flag | ListAction::Shadow => {}
                ListAction::Block => speak(&mut self.refused, rank, list, hit.line),
                ListAction::Replace if can_mask => {
                    cuts.push((found.span.bytes.clone(), filter.mask_of(found)));
                    speak(&mut self.to_mask, rank, list, hit.line);
                }
                ListAction::Replace if self.is_deferred() => {}
                ListAction::Replace => speak(&mut self.refused, rank, list, hit.line),
            }
            if self.hits.len() < HITS_REPORTED_MAX {
                self.hits.push(hit);
            }
        }
        if !cuts.is_empty() && self.refused.is_none() {
            let value = filter::mask(&text.value, &cuts, &text.protected, text.keep_length);
            self.masked.push((index, value));
        }
    }

    fn end(self) -> Screening {
        let verdict = if let Some((_, refusal)) = self.refused {
            Verdict::Block(refusal)
        } else if self.masked.is_empty() {
            Verdict::Allow
        } else {
            let dialect = dialect::of(self.event.dialect);
            let replacement = dialect.replace_texts(self.event, &self.masked);
            match self.to_mask {
                Some((_, refusal)) if replacement.is_empty() => Verdict::Block(refusal),
                _ => Verdict::Replace(replacement),
            }
        };
        Screening {
            hits: self.hits,
            verdict,
        }
    }

    /// `None` for a list that only spares.
    fn hit(&self, text: &Text, found: &Match) -> Option<(Hit, &'a ListRules)> {
        let snapshot = self.snapshot;
        let filter = &snapshot.filter;
        let list = snapshot.lists.get(filter.list_name(found.list))?;
        let entry = filter.entry(found.list, found.entry);
        let own = list.own_actions.get(&found.entry).copied();
        let action = match (own.unwrap_or(list.action?), snapshot.nested_rule(text)) {
            (ListAction::Block, NestedText::Mask) => ListAction::Replace,
            (action, _) => action,
        };
        let evasions = filter.evasions(&text.value, found);
        let hit = Hit {
            list: list.name.clone(),
            entry: entry.text.as_str().into(),
            line: entry.line,
            tags: entry.tags.clone(),
            evasions: evasions.into_iter().map(Evasion::name).collect(),
            action,
            place: text.place().into_owned(),
            span: found.span.clone(),
        };
        Some((hit, list))
    }

    /// The call that follows about the same message can mask what this one cannot.
    fn is_deferred(&self) -> bool {
        let texts = &self.snapshot.texts;
        let content_type = self
            .event
            .message
            .as_ref()
            .map(|message| message.content_type);
        texts.replace_in_send_hook == ReplaceInSendHook::Defer
            && self.event.can.replace_later
            && content_type.is_some_and(|content_type| texts.defer_types.holds(content_type))
    }
}

/// Keeps the refusal of the list that ranks first.
fn speak(refused: &mut Ranked, rank: usize, list: &ListRules, line: u32) {
    if refused.as_ref().is_none_or(|(first, _)| rank < *first) {
        *refused = Some((rank, list.refusal(line)));
    }
}

impl ListRules {
    fn refusal(&self, line: u32) -> Refusal {
        let detail = match line {
            0 => format!("list `{}`", self.name),
            line => format!("list `{}`, line {line}", self.name),
        };
        Refusal {
            code: self.code,
            public: self.reason.clone(),
            detail,
        }
    }
}

/// An id inside the text is no word, however it is spelled.
fn is_protected(text: &Text, found: &Range<usize>) -> bool {
    let mut protected = text.protected.iter();
    protected.any(|id| id.start <= found.start && found.end <= id.end)
}
