//! Filters over an event's texts: from matches to what the filters alone say.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::snapshot::{HookRules, ListRules, Snapshot};
use super::texts::{CannotReplace, NestedText, ReplaceInSendHook};
use crate::decision::{Hit, ListAction, Refusal, Replacement, Verdict};
use crate::dialect::{self, Protection, Protections};
use crate::event::{Event, Text, TextClass};
use crate::filter::{self, Evasion, ListId, Mask, Match, Scratch};

/// Matches that an answer reports; every match counts for the verdict.
const HITS_REPORTED_MAX: usize = 256;

/// What the filters found in an event, and what they alone say to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screening {
    pub hits: Vec<Hit>,
    pub verdict: Verdict,
    /// Of a block: which list.
    pub why: String,
    /// What the endpoint sees of what this call cannot mask and the call that follows will.
    pub(super) shown: Replacement,
    /// Why the lists were not run over the texts to the end, if they were not.
    pub(super) unfiltered: Option<Arc<str>>,
}

/// The matches in each text of an event. Good for another call about the same texts, as long as
/// snapshot and lists are the same.
#[derive(Clone, Debug, Default)]
pub struct Found {
    matches: Vec<Vec<Match>>,
    unfiltered: Option<Arc<str>>,
}

impl Found {
    /// The texts were not searched, or not to the end.
    pub fn unfiltered(why: &str) -> Found {
        Found {
            matches: Vec::new(),
            unfiltered: Some(why.into()),
        }
    }

    pub fn count(&self) -> usize {
        self.matches.iter().map(Vec::len).sum()
    }

    /// Why the texts were not searched to the end, if they were not.
    pub fn why_unfiltered(&self) -> Option<&str> {
        self.unfiltered.as_deref()
    }
}

impl Snapshot {
    /// What the hook's word lists find in every text of an event; texts that would cost more than
    /// may be spent are not searched to the end.
    pub fn find(&self, rules: &HookRules, event: &Event, scratch: &mut Scratch) -> Found {
        self.find_within(rules, event, scratch, u64::MAX)
    }

    /// The same within so many steps, if the policy allows no fewer.
    pub(super) fn find_within(
        &self,
        rules: &HookRules,
        event: &Event,
        scratch: &mut Scratch,
        steps_max: u64,
    ) -> Found {
        if rules.lists.is_empty() {
            return Found::default();
        }
        let costs = &self.texts.costs;
        let bytes = self.bytes_to_search(event);
        if let Some(why) = costs.refuse(bytes) {
            return Found::unfiltered(&why);
        }
        let budget = costs.budget(bytes, steps_max);
        let mut find = |text: &Text| {
            let mut matches = Vec::new();
            if self.nested_rule(text) != NestedText::Ignore {
                self.filter.scan_within(
                    &budget,
                    &text.value,
                    &rules.list_set,
                    scratch,
                    &mut matches,
                );
                let protected = Protected::of(text);
                matches.retain(|found| !protected.holds(&found.span.bytes));
            }
            matches
        };
        Found {
            matches: event.texts.iter().map(&mut find).collect(),
            unfiltered: budget.spent().map(|what| costs.why(what, bytes).into()),
        }
    }

    /// Of all texts together that the lists are run over.
    pub(super) fn bytes_to_search(&self, event: &Event) -> usize {
        let searched = |text: &&Text| self.nested_rule(text) != NestedText::Ignore;
        let texts = event.texts.iter().filter(searched);
        texts.map(|text| text.value.len()).sum()
    }

    /// What the matches lead to in this call.
    ///
    /// Block wins over replace, and replace over allow. A word that cannot be masked in the
    /// answer leads to what the hook's `cannot_replace` says, unless `replace_in_send_hook: defer`
    /// leaves it to the call that follows.
    pub(super) fn judge(&self, rules: &HookRules, event: &Event, found: &Found) -> Screening {
        let mut pass = Pass {
            snapshot: self,
            rules,
            event,
            hits: Vec::new(),
            masked: Vec::new(),
            deferred: Vec::new(),
            refused: None,
            to_mask: None,
            known: BTreeMap::new(),
            mask_left: self.texts.costs.masked_bytes_max,
            is_too_long: false,
        };
        for (index, (text, matches)) in event.texts.iter().zip(&found.matches).enumerate() {
            pass.judge(index, text, matches);
        }
        let too_long = pass
            .is_too_long
            .then(|| self.texts.costs.why_not_masked().into());
        let mut screening = pass.end();
        screening.unfiltered = found.unfiltered.clone().or(too_long);
        screening
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
    /// hook's `pass_fields` names it or the endpoint's `protect` lets them all through. What
    /// `pass_fields` names passes even where it does harm.
    pub(super) fn admit(
        &self,
        event: &Event,
        replacement: &Replacement,
        protect: Protections,
    ) -> Replacement {
        let info = dialect::info(event.hook);
        let is_named = |field: &str| {
            let mut named = self.pass_fields.iter();
            named.any(|name| name.eq_ignore_ascii_case(field))
        };
        let held_back = replacement.held_back.iter();
        let mut fields: Vec<_> = held_back
            .filter(|(field, _)| is_named(field))
            .cloned()
            .collect();
        for (field, raw) in &replacement.fields {
            let is_held = info.redirects(field) && protect.hold(Protection::Redirect);
            let passes = !is_held || is_named(field);
            // Of a value that was mended, the answer's own stands there already.
            if passes && !fields.iter().any(|(known, _)| known == field) {
                fields.push((field.clone(), raw.clone()));
            }
        }
        Replacement {
            content: replacement.content.clone().filter(|_| event.can.replace),
            fields,
            held_back: Vec::new(),
        }
    }
}

/// The list that refuses and the line of its entry, with the list's rank; the lowest rank speaks.
type Ranked<'a> = Option<(usize, &'a ListRules, u32)>;

/// One walk over the texts of an event.
struct Pass<'a> {
    snapshot: &'a Snapshot,
    rules: &'a HookRules,
    event: &'a Event,
    hits: Vec<Hit>,
    /// Texts by their index, with the value that the answer gives them.
    masked: Vec<(usize, String)>,
    /// The same for what the call that follows will give them.
    deferred: Vec<(usize, String)>,
    refused: Ranked<'a>,
    /// What is said when the dialect cannot carry the masked texts after all.
    to_mask: Ranked<'a>,
    /// What is known of the lists, by their number.
    known: BTreeMap<ListId, Option<(usize, &'a ListRules)>>,
    /// Bytes that masked texts may still have.
    mask_left: usize,
    /// Some masked text would have had more.
    is_too_long: bool,
}

impl<'a> Pass<'a> {
    fn judge(&mut self, index: usize, text: &Text, matches: &[Match]) {
        let can_mask = text.replaceable && self.event.can.replace;
        let is_deferred = !can_mask && self.is_deferred();
        let mut cuts: Vec<(Range<usize>, &Mask)> = Vec::new();
        for found in matches {
            let Some((mut action, rank, list)) = self.action(text, found) else {
                continue;
            };
            let line = self.snapshot.filter.entry(found.list, found.entry).line;
            let speaks = (rank, list, line);
            match action {
                ListAction::Flag | ListAction::Shadow => {}
                ListAction::Block => speak(&mut self.refused, speaks),
                ListAction::Replace if can_mask || is_deferred => {
                    let mask = self.snapshot.filter.mask_of(found);
                    cuts.push((found.span.bytes.clone(), mask));
                    if can_mask {
                        speak(&mut self.to_mask, speaks);
                    }
                }
                ListAction::Replace => match self.rules.cannot_replace {
                    CannotReplace::Block => speak(&mut self.refused, speaks),
                    CannotReplace::Allow => continue,
                    CannotReplace::Flag => action = ListAction::Flag,
                },
            }
            if self.hits.len() < HITS_REPORTED_MAX {
                self.hits.push(self.hit(text, found, action, list));
            }
        }
        if !cuts.is_empty() && self.refused.is_none() {
            // No text is refused for its own length.
            let most = self.mask_left.max(text.value.len());
            let Text {
                value,
                protected,
                keep_length,
                ..
            } = text;
            let Some(value) = filter::mask_within(value, &cuts, protected, *keep_length, most)
            else {
                self.is_too_long = true;
                return;
            };
            self.mask_left = self.mask_left.saturating_sub(value.len());
            let masked = if can_mask {
                &mut self.masked
            } else {
                &mut self.deferred
            };
            masked.push((index, value));
        }
    }

    fn end(self) -> Screening {
        let (verdict, why) = self.verdict();
        Screening {
            shown: self.shown(&verdict),
            hits: self.hits,
            verdict,
            why,
            unfiltered: None,
        }
    }

    fn verdict(&self) -> (Verdict, String) {
        let refuse = |(_, list, line): (usize, &ListRules, u32)| {
            let why = list.why(line);
            let refusal = list.refusal(&why, self.snapshot.texts.tells_list);
            (Verdict::Block(refusal), why)
        };
        if let Some(refused) = self.refused {
            return refuse(refused);
        }
        if self.masked.is_empty() {
            return (Verdict::Allow, String::new());
        }
        let dialect = dialect::of(self.event.dialect);
        let replacement = dialect.replace_texts(self.event, &self.masked);
        match (self.to_mask, self.rules.cannot_replace) {
            _ if !replacement.is_empty() => (Verdict::Replace(replacement), String::new()),
            (Some(to_mask), CannotReplace::Block) => refuse(to_mask),
            _ => (Verdict::Allow, String::new()),
        }
    }

    /// What the endpoint is shown although the answer cannot carry it.
    fn shown(&self, verdict: &Verdict) -> Replacement {
        if self.deferred.is_empty() || matches!(verdict, Verdict::Block(_)) {
            return Replacement::default();
        }
        // To an endpoint any text can be shown anew, whatever our answer can carry.
        let mut event = self.event.clone();
        for (index, _) in &self.deferred {
            event.texts[*index].replaceable = true;
        }
        dialect::of(event.dialect).replace_texts(&event, &self.deferred)
    }

    /// What a match leads to, and by the word of which list, with its rank; `None` for a list that
    /// only spares.
    fn action(&mut self, text: &Text, found: &Match) -> Option<(ListAction, usize, &'a ListRules)> {
        let (snapshot, rules) = (self.snapshot, self.rules);
        let known = self.known.entry(found.list).or_insert_with(|| {
            let list = snapshot.lists.get(snapshot.filter.list_name(found.list))?;
            Some((rules.rank(&list.name), list))
        });
        let (rank, list) = (*known)?;
        let own = list.own_actions.get(&found.entry).copied();
        match (own.unwrap_or(list.action?), snapshot.nested_rule(text)) {
            (ListAction::Block, NestedText::Mask) => Some((ListAction::Replace, rank, list)),
            (action, _) => Some((action, rank, list)),
        }
    }

    fn hit(&self, text: &Text, found: &Match, action: ListAction, list: &ListRules) -> Hit {
        let filter = &self.snapshot.filter;
        let entry = filter.entry(found.list, found.entry);
        let evasions = filter.evasions(&text.value, found);
        Hit {
            list: list.name.clone(),
            entry: entry.text.into(),
            line: entry.line,
            tags: entry.tags.clone(),
            evasions: evasions.into_iter().map(Evasion::name).collect(),
            action,
            place: text.place().into_owned(),
            span: found.span.clone(),
        }
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

/// Keeps the list that ranks first.
fn speak<'a>(refused: &mut Ranked<'a>, speaks: (usize, &'a ListRules, u32)) {
    if refused.as_ref().is_none_or(|(first, ..)| speaks.0 < *first) {
        *refused = Some(speaks);
    }
}

impl ListRules {
    fn why(&self, line: u32) -> String {
        match line {
            0 => format!("list `{}`", self.name),
            line => format!("list `{}`, line {line}", self.name),
        }
    }

    /// What the sender may read; `why` only if the policy says so.
    fn refusal(&self, why: &str, tells_list: bool) -> Refusal {
        Refusal {
            code: self.code,
            public: self.reason.clone(),
            detail: if tells_list { why } else { "" }.to_owned(),
        }
    }
}

/// The ids inside of a text, which are no words, however they are spelled.
struct Protected {
    /// Start of each, ascending, with the furthest end of it and those before it.
    ids: Vec<(usize, usize)>,
}

impl Protected {
    fn of(text: &Text) -> Protected {
        let ids = text.protected.iter().map(|id| (id.start, id.end));
        let mut ids: Vec<(usize, usize)> = ids.collect();
        ids.sort_unstable();
        let mut furthest = 0;
        for (_, end) in &mut ids {
            furthest = furthest.max(*end);
            *end = furthest;
        }
        Protected { ids }
    }

    fn holds(&self, found: &Range<usize>) -> bool {
        let begun = self.ids.partition_point(|(start, _)| *start <= found.start);
        begun > 0 && self.ids[begun - 1].1 >= found.end
    }
}
