//! What came out, against what must come out.

use super::super::snapshot::Snapshot;
use super::came::Came;
use super::case::{Action, Expect};
use crate::decision::{Decider, Hit, Verdict};
use crate::dialect;
use crate::event::{Event, TextClass};

/// What an expected row of a table is about.
pub(super) const NO_LIST: &str = "none";

impl Expect {
    /// Everything that differs, in words.
    pub(super) fn differs(&self, event: Option<&Event>, came: &Came) -> Vec<String> {
        let decision = &came.decision;
        let mut faults = Faults::default();
        faults.same(
            "action",
            self.action.map(Action::name),
            came.action().name(),
        );
        if let Some(refusal) = match &decision.verdict {
            Verdict::Block(refusal) => Some(refusal),
            _ => None,
        } {
            faults.same("code", self.code, refusal.code);
            faults.same("reason", self.reason.as_deref(), refusal.public.as_str());
            faults.same("detail", self.detail.as_deref(), refusal.detail.as_str());
        } else if let Some(name) = self.of_a_refusal() {
            faults.add(format!("{name}: nothing was refused"));
        }
        if let Some(event) = event {
            self.texts(event, came, &mut faults);
        }
        if let Some(matches) = &self.matches {
            faults.matches(matches, &decision.hits);
        }
        faults.same("reviewed", self.reviewed, decision.reviewed);
        let or_none = |name: Option<&'static str>| name.unwrap_or("none");
        let failure = self
            .failure
            .map(|class| or_none(class.map(|class| class.name())));
        faults.same(
            "failure",
            failure,
            or_none(decision.failure.map(|class| class.name())),
        );
        let skipped = self
            .skipped
            .map(|reason| or_none(reason.map(|reason| reason.name())));
        faults.same(
            "skipped",
            skipped,
            or_none(decision.skipped.map(|reason| reason.name())),
        );
        faults.same(
            "decided_by",
            self.decided_by.map(Decider::name),
            decision.decider.name(),
        );
        if let Some(asks) = &self.asks
            && *asks != came.asked
        {
            let names = |names: &[String]| format!("[{}]", names.join(", "));
            faults.differ("asks", &names(asks), &names(&came.asked));
        }
        faults.0
    }

    /// The first key that only a refusal has.
    fn of_a_refusal(&self) -> Option<&'static str> {
        let of_text = |key: &Option<String>, name| key.is_some().then_some(name);
        let code = self.code.is_some().then_some("code");
        let reason = of_text(&self.reason, "reason");
        code.or(reason).or(of_text(&self.detail, "detail"))
    }

    fn texts(&self, event: &Event, came: &Came, faults: &mut Faults) {
        let replaced = match &came.decision.verdict {
            Verdict::Replace(replacement) => {
                Some(dialect::of(event.dialect).apply(event, replacement))
            }
            _ => None,
        };
        let event = replaced.as_ref().unwrap_or(event);
        let texts = event
            .texts
            .iter()
            .filter(|text| text.class == TextClass::Body);
        let texts: Vec<&str> = texts.map(|text| text.value.as_str()).collect();
        faults.same("text", self.text.as_deref(), texts.join("\n").as_str());
        let content = event
            .message
            .as_ref()
            .map(|message| message.content.as_str());
        faults.same(
            "content",
            self.content.as_deref(),
            content.unwrap_or_default(),
        );
    }
}

/// A text in a table: which list must find it, and no other; of a list of allowed phrases, that
/// it spares what others find.
pub(super) fn row(snapshot: &Snapshot, list: &str, event: &Event, came: &Came) -> Vec<String> {
    let mut faults = Faults::default();
    let hits = &came.decision.hits;
    if let Some(reason) = came.decision.skipped {
        faults.add(format!("no list was looked at: {}", reason.name()));
        return faults.0;
    }
    let rules = snapshot
        .lists()
        .find(|rules| rules.name.eq_ignore_ascii_case(list));
    let spares = match rules {
        None if list == NO_LIST => false,
        None => {
            faults.add(format!("there is no list `{list}`"));
            return faults.0;
        }
        Some(rules) if rules.action.is_some() => {
            if !hits.iter().any(|hit| hit.list.eq_ignore_ascii_case(list)) {
                faults.add(format!("`{list}` does not find it"));
            }
            for other in hits
                .iter()
                .filter(|hit| !hit.list.eq_ignore_ascii_case(list))
            {
                faults.add(format!("{} finds it too", of(other)));
            }
            return faults.0;
        }
        Some(_) => true,
    };
    for hit in hits {
        faults.add(format!("{} finds it", of(hit)));
    }
    if spares
        && hits.is_empty()
        && !spared(snapshot, event)
            .iter()
            .any(|(by, _)| by.eq_ignore_ascii_case(list))
    {
        faults.add(format!("no phrase of `{list}` spares anything in it"));
    }
    faults.0
}

/// The allowed phrases that spare something in an event: list and phrase.
pub(super) fn spared(snapshot: &Snapshot, event: &Event) -> Vec<(String, String)> {
    const MOST: usize = 64;
    let Some(rules) = snapshot.rules(event.hook) else {
        return Vec::new();
    };
    let filter = &snapshot.filter;
    let texts = event.texts.iter();
    let spared = texts.flat_map(|text| filter.spared(&text.value, &rules.list_set, MOST));
    let named = spared.map(|one| {
        let list = filter.list_name(one.list).to_string();
        (list, filter.entry(one.list, one.phrase).text.to_owned())
    });
    named.collect()
}

fn of(hit: &Hit) -> String {
    format!("`{}/{}` (line {})", hit.list, hit.entry, hit.line)
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, what: String) {
        if !self.0.contains(&what) {
            self.0.push(what);
        }
    }

    fn differ(&mut self, name: &str, expected: &str, came: &str) {
        self.add(format!("{name}: expected `{expected}`, got `{came}`"));
    }

    fn same<T: PartialEq + ToString>(&mut self, name: &str, expected: Option<T>, came: T) {
        if let Some(expected) = expected
            && expected != came
        {
            self.differ(name, &expected.to_string(), &came.to_string());
        }
    }

    /// Each expected entry is found, and each found one is expected.
    fn matches(&mut self, expected: &[String], hits: &[Hit]) {
        let is = |named: &str, hit: &Hit| {
            *named == *hit.entry || *named == format!("{}/{}", hit.list, hit.entry)
        };
        for named in expected {
            if !hits.iter().any(|hit| is(named, hit)) {
                self.add(format!("matches: `{named}` is not found"));
            }
        }
        for hit in hits {
            if !expected.iter().any(|named| is(named, hit)) {
                self.add(format!(
                    "matches: {} is found, which nobody expects",
                    of(hit)
                ));
            }
        }
    }
}
