//! What one list says about itself: entries too short, repeated, covered, or private.

use super::findings::{Findings, Kind};
use super::phone;
use super::subject::{Lint, List};
use crate::decision::ListAction;
use crate::filter::{EntryId, FoldedList, Index, Mode, Pinyin, Role, SkipClasses};
use crate::policy::texts::NestedText;

impl Lint<'_> {
    pub(super) fn entries(&self, findings: &mut Findings) {
        for (id, list) in self.lists.iter().enumerate() {
            phone_numbers((id, list), findings);
            match list.words.role {
                Role::Match => self.words((id, list), findings),
                Role::Allow => self.phrases((id, list), findings),
            }
        }
    }

    fn words(&self, (id, list): (usize, &List), findings: &mut Findings) {
        let name = &list.words.name;
        let Some(folded) = self.filter().folded_list(name, name) else {
            return;
        };
        let index = folded.index();
        let repeated = folded.repeated(&index);
        tell_repeated((id, list), &repeated, findings);
        tell_single((id, list), &folded, findings);
        self.covered((id, list), (&folded, &index), &repeated, findings);
        self.spared((id, list), &folded, findings);
    }

    fn phrases(&self, (id, list): (usize, &List), findings: &mut Findings) {
        // Without options of its own an allow list is read with those of the lists it spares.
        let reader = self.lists.iter().find(|other| spares(self, list, other));
        let folded = reader.and_then(|reader| {
            self.filter()
                .folded_list(&list.words.name, &reader.words.name)
        });
        if let Some(folded) = folded {
            tell_repeated((id, list), &folded.repeated(&folded.index()), findings);
        }
    }

    /// Entries that never matter, because a shorter one of the list is found in the same place.
    ///
    /// Apart from a character that stands for two (`㍻` for `平成`), of which a word may be half.
    fn covered(
        &self,
        (id, list): (usize, &List),
        (folded, index): (&FoldedList, &Index),
        repeated: &[Option<usize>],
        findings: &mut Findings,
    ) {
        let options = &list.words.options;
        // These may find a longer word where they do not find a shorter one inside of it.
        let reads_whole_words = options.leet
            || options.pinyin != Pinyin::None
            || options.selfmask
            || options.split
            || options.skip.contains(SkipClasses::LATIN)
            || options.skip.contains(SkipClasses::DIGIT);
        if options.mode == Mode::All || reads_whole_words {
            return;
        }
        let shielded = self.shielded(list, (folded, index));
        let entries = &list.words.entries;
        let mut cover: Vec<Option<usize>> = vec![None; folded.count()];
        folded.each_inside(index, folded, |holder, inside| {
            let shorter = inside.entry;
            let earlier =
                cover[holder].is_some_and(|known| folded.length(known) <= folded.length(shorter));
            if holder == shorter || earlier || !inside.always {
                return;
            }
            let action = self.action_of(list, holder);
            // A longer match hides more of the text when it is masked.
            let hides_more = inside.shorter && (self.masks(action) || shielded[shorter]);
            let matters = hides_more
                || action != self.action_of(list, shorter)
                || entries.get(holder).tags != entries.get(shorter).tags;
            let is_original = repeated[shorter].is_none() && repeated[holder] != Some(shorter);
            if !matters && is_original {
                cover[holder] = Some(shorter);
            }
        });
        for (entry, by) in cover.into_iter().enumerate() {
            if let Some(by) = by
                && repeated[entry].is_none()
            {
                let what = |at: &_| {
                    let (long, short) = (list.text(entry), list.text(by));
                    let place = list.place_in_words(by, at);
                    format!(
                        "`{long}` never matters, because `{short}` ({place}) is found wherever it is"
                    )
                };
                findings.add(Kind::Covered, (id, entry), what, "remove one of the two");
            }
        }
    }

    /// What an entry leads to.
    fn action_of(&self, list: &List, entry: usize) -> Option<ListAction> {
        let rules = self.snapshot.lists.get(&list.words.name)?;
        let number = u32::try_from(entry).ok()?;
        let own = rules.own_actions.get(&EntryId::new(number));
        own.copied().or(rules.action)
    }

    /// What leads to this action is masked, at least sometimes.
    fn masks(&self, action: Option<ListAction>) -> bool {
        match action {
            Some(ListAction::Replace) => true,
            Some(ListAction::Block) => self.spec.filters.nested_text == NestedText::Mask,
            Some(ListAction::Flag | ListAction::Shadow) | None => false,
        }
    }

    /// By entry: an allowed phrase is longer and holds it, so it may be spared where a longer
    /// entry is not.
    fn shielded(&self, list: &List, (folded, index): (&FoldedList, &Index)) -> Vec<bool> {
        let mut shielded = vec![false; folded.count()];
        for allow in self.lists.iter().filter(|other| spares(self, other, list)) {
            let phrases = self
                .filter()
                .folded_list(&allow.words.name, &list.words.name);
            if let Some(phrases) = phrases {
                folded.each_inside(index, &phrases, |_, inside| {
                    shielded[inside.entry] |= inside.shorter;
                });
            }
        }
        shielded
    }
}

/// Whether `allow` holds phrases that count where `list` finds something.
pub(super) fn spares(lint: &Lint, allow: &List, list: &List) -> bool {
    let roles = (allow.words.role, list.words.role);
    roles == (Role::Allow, Role::Match) && lint.stand_together(allow, list)
}

fn phone_numbers((id, list): (usize, &List), findings: &mut Findings) {
    for (entry, words) in list.words.written().enumerate() {
        if let Some(hint) = phone::find(words.text) {
            let what = |_: &_| format!("the entry holds what looks like a phone number ({hint})");
            let hint = "keep nobody's number in a list that others read";
            findings.add(Kind::PhoneNumber, (id, entry), what, hint);
        }
    }
}

fn tell_single((id, list): (usize, &List), forms: &FoldedList, findings: &mut Findings) {
    for entry in (0..forms.count()).filter(|entry| forms.length(*entry) == 1) {
        let what = |_: &_| {
            let text = list.text(entry);
            format!("`{text}` is one character, and is found wherever that stands")
        };
        findings.add(Kind::OneCharacter, (id, entry), what, "write a longer word");
    }
}

fn tell_repeated((id, list): (usize, &List), repeated: &[Option<usize>], findings: &mut Findings) {
    for (entry, first) in repeated.iter().enumerate() {
        let Some(first) = *first else { continue };
        let what = |at: &_| {
            let (text, original) = (list.text(entry), list.text(first));
            let place = list.place_in_words(first, at);
            if text == original {
                format!("`{text}` stands in {place} already")
            } else {
                format!("`{text}` is the same as `{original}` ({place}) once both are folded")
            }
        };
        let tags = |entry: usize| list.words.entries.get(entry).tags;
        let hint = if tags(entry) == tags(first) {
            "remove one of the two"
        } else {
            "remove one of the two; the tags of the first count"
        };
        findings.add(Kind::Repeated, (id, entry), what, hint);
    }
}
