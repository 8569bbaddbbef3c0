//! Findings: told up to a limit, then only counted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::subject::List;
use crate::policy::spec::LintSpec;
use crate::settings::{At, Problems};

/// Findings so far: those of one kind about one list are told up to a limit, then only counted.
pub(super) struct Findings<'a> {
    limits: &'a LintSpec,
    lists: &'a [List<'a>],
    told: Vec<(At, String, Cow<'static, str>)>,
    /// By list and kind.
    counts: BTreeMap<(usize, Kind), usize>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(limits: &'a LintSpec, lists: &'a [List<'a>]) -> Findings<'a> {
        Findings {
            limits,
            lists,
            told: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Adds a finding about an entry; `what` is given the entry's place.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        (list, entry): (usize, usize),
        what: impl FnOnce(&At) -> String,
        hint: &'static str,
    ) {
        let count = self.counts.entry((list, kind)).or_default();
        *count += 1;
        if *count <= self.limits.warnings_max {
            let at = self.lists[list].at(entry);
            self.told.push((at.clone(), what(&at), hint.into()));
        }
    }

    pub(super) fn add_about_list(&mut self, list: usize, what: String, hint: &'static str) {
        let at = self.lists[list].spec.at.clone();
        self.told.push((at, what, hint.into()));
    }

    /// Adds a finding about another place of the policy.
    pub(super) fn add_at(&mut self, at: &At, what: String, hint: impl Into<Cow<'static, str>>) {
        self.told.push((at.clone(), what, hint.into()));
    }

    pub(super) fn report(self, problems: &Problems) {
        for (at, what, hint) in self.told {
            problems.warning(&at, what, hint);
        }
        for ((list, kind), count) in self.counts {
            if let Some(more) = count
                .checked_sub(self.limits.warnings_max)
                .filter(|n| *n > 0)
            {
                let list = &self.lists[list];
                let at = match &list.file {
                    Some(file) => At::file(file),
                    None => list.spec.at.clone(),
                };
                let hint = "`lint.warnings_max` in policy.yaml tells more of them";
                problems.warning(&at, kind.more(more), hint);
            }
        }
    }
}

/// What a finding is about. The order is the one in which one entry's findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    OneCharacter,
    Repeated,
    Covered,
    PhoneNumber,
    Spares,
    NoComment,
    SeveralWords,
    Untabbed,
    NeverFound,
    EverydayWord,
    Everyday,
    Costly,
}

impl Kind {
    /// What `count` more findings of one kind are, in words.
    fn more(self, count: usize) -> String {
        match self {
            Kind::OneCharacter => format!("{count} more entries are one character"),
            Kind::Repeated => format!("{count} more entries are repeated"),
            Kind::Covered => format!("{count} more entries are covered by shorter ones"),
            Kind::PhoneNumber => format!("{count} more entries hold a phone number"),
            Kind::Spares => format!("{count} more phrases spare an entry everywhere"),
            Kind::Costly => format!("{count} more regular expressions cost many steps"),
            Kind::NoComment => format!("{count} more entries look like comments"),
            Kind::SeveralWords => format!("{count} more entries look like several words"),
            Kind::Untabbed => format!("{count} more entries look like a word and its tag"),
            Kind::NeverFound => format!("{count} more entries are never found"),
            Kind::EverydayWord => format!("{count} more entries are everyday words"),
            Kind::Everyday => format!("{count} more entries are found in everyday messages"),
        }
    }
}
