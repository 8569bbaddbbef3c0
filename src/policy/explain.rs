//! Every step of the decision on one event, for the person who asks why.
//!
//! Nothing is forwarded and nothing is counted: what an endpoint would say is not known here.

use std::collections::BTreeMap;

use serde::Serialize;

use super::snapshot::{HookRules, Snapshot};
use crate::decision::{FailureClass, Hit, Replacement, Verdict};
use crate::dialect;
use crate::event::{Event, Moment, Text};
use crate::filter::{Scratch, Spared};

/// The steps of one decision, in their order.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub policy: String,
    pub hook: &'static str,
    pub dialect: &'static str,
    /// Why the hook's rules are not applied; nothing else follows then.
    pub skipped: Option<&'static str>,
    /// Every human text of the event, in the order of the document.
    pub texts: Vec<ExplainedText>,
    /// What the filters alone say.
    pub filters: String,
    /// What the business server would be asked; `None` when nobody would be.
    pub forward: Option<Forward>,
    /// What is answered if nobody else objects.
    pub decision: String,
    /// The new content, if it is replaced.
    pub content: Option<String>,
    /// What `decision` says in words.
    #[serde(skip)]
    pub verdict: Verdict,
}

/// One text and what was found in it.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedText {
    /// `content/text`, `groupName`.
    pub place: String,
    /// `body`, `nested`, `label` or `opaque`.
    pub class: &'static str,
    pub value: String,
    /// The answer can carry a new value for it.
    pub replaceable: bool,
    /// As each of the hook's lists reads it, where that differs from `value`.
    pub folded: BTreeMap<String, String>,
    pub matches: Vec<ExplainedMatch>,
    pub spared: Vec<ExplainedSparing>,
}

/// A match that is not reported because an allowed phrase spares it.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedSparing {
    pub list: String,
    pub entry: String,
    pub matched: String,
    pub by_list: String,
    pub by_phrase: String,
    pub by_line: u32,
}

/// One match; positions have their end not included.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedMatch {
    pub list: String,
    pub line: u32,
    pub entry: String,
    pub tags: Vec<String>,
    /// What the entry was seen through, by the names of the options that see through it.
    pub evasions: Vec<&'static str>,
    pub action: &'static str,
    pub matched: String,
    pub bytes: [usize; 2],
    pub chars: [usize; 2],
    pub utf16: [usize; 2],
}

/// A call that would be made.
#[derive(Clone, Debug, Serialize)]
pub struct Forward {
    pub endpoint: String,
    pub dialect: &'static str,
    pub url: String,
    pub timeout_ms: u64,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Before hooks: what each class of failure leads to.
    pub failures: BTreeMap<&'static str, &'static str>,
}

impl Snapshot {
    /// Explains what this policy makes of an event.
    pub fn explain(&self, event: &Event) -> Explanation {
        let mut explanation = Explanation {
            policy: self.version.to_string(),
            hook: event.hook.name,
            dialect: event.dialect.name(),
            skipped: None,
            texts: Vec::new(),
            filters: "not run".to_owned(),
            forward: None,
            decision: "allow".to_owned(),
            content: None,
            verdict: Verdict::Allow,
        };
        let rules = match self.select(event) {
            Ok(rules) => rules,
            Err(reason) => {
                explanation.skipped = Some(reason.name());
                return explanation;
            }
        };
        if event.hook.moment == Moment::After {
            explanation.forward = rules
                .endpoints
                .first()
                .map(|_| forward(rules, event, &Verdict::Allow));
            explanation.decision = "stored, then delivered".to_owned();
            return explanation;
        }
        let screening = self.screen(rules, event, &mut Scratch::default());
        explanation.texts = self.explain_texts(rules, event, &screening.hits);
        explanation.filters = in_words(&screening.verdict);
        let settled = matches!(screening.verdict, Verdict::Block(_));
        if !settled && !rules.endpoints.is_empty() {
            explanation.forward = Some(forward(rules, event, &screening.verdict));
        }
        explanation.decision = explanation.filters.clone();
        if let Verdict::Replace(replacement) = &screening.verdict {
            explanation.content.clone_from(&replacement.content);
        }
        explanation.verdict = screening.verdict;
        explanation
    }

    fn explain_texts(&self, rules: &HookRules, event: &Event, hits: &[Hit]) -> Vec<ExplainedText> {
        let mut texts: Vec<ExplainedText> = event
            .texts
            .iter()
            .map(|text| self.explain_text(rules, text))
            .collect();
        for hit in hits {
            let place = texts.iter().position(|text| {
                text.place == hit.place && text.value.get(hit.span.bytes.clone()).is_some()
            });
            if let Some(place) = place {
                let matched = explain_match(hit, &texts[place].value);
                texts[place].matches.push(matched);
            }
        }
        texts
    }

    fn explain_text(&self, rules: &HookRules, text: &Text) -> ExplainedText {
        let folded = rules.list_names().into_iter().filter_map(|list| {
            let folded = self.filter.folded(&list, &text.value)?;
            (folded != text.value).then_some((list, folded))
        });
        ExplainedText {
            place: text.place().into_owned(),
            class: text.class.name(),
            value: text.value.clone(),
            replaceable: text.replaceable,
            folded: folded.collect(),
            matches: Vec::new(),
            spared: self.explain_spared(rules, text),
        }
    }
}

impl Snapshot {
    fn explain_spared(&self, rules: &HookRules, text: &Text) -> Vec<ExplainedSparing> {
        let spared = self.filter.spared(&text.value, &rules.list_set).into_iter();
        let explain = |spared: Spared| ExplainedSparing {
            list: self.filter.list_name(spared.found.list).to_string(),
            entry: self
                .filter
                .entry(spared.found.list, spared.found.entry)
                .text
                .clone(),
            matched: text.value[spared.found.span.bytes].to_owned(),
            by_list: self.filter.list_name(spared.list).to_string(),
            by_phrase: self.filter.entry(spared.list, spared.phrase).text.clone(),
            by_line: self.filter.entry(spared.list, spared.phrase).line,
        };
        spared.map(explain).collect()
    }
}

fn explain_match(hit: &Hit, text: &str) -> ExplainedMatch {
    let ends = |range: &std::ops::Range<usize>| [range.start, range.end];
    ExplainedMatch {
        list: hit.list.to_string(),
        line: hit.line,
        entry: hit.entry.to_string(),
        tags: hit.tags.to_vec(),
        evasions: hit.evasions.clone(),
        action: hit.action.name(),
        matched: text.get(hit.span.bytes.clone()).unwrap_or("").to_owned(),
        bytes: ends(&hit.span.bytes),
        chars: ends(&hit.span.chars),
        utf16: ends(&hit.span.utf16),
    }
}

fn forward(rules: &HookRules, event: &Event, verdict: &Verdict) -> Forward {
    let endpoint = &rules.endpoints[0];
    let replacement: Option<&Replacement> = match verdict {
        Verdict::Replace(replacement) => Some(replacement),
        Verdict::Allow | Verdict::Block(_) | Verdict::Reply(_) => None,
    };
    let outgoing = dialect::of(endpoint.dialect).request(&endpoint.url, event, replacement);
    let failures = match rules.hook.moment {
        Moment::After => BTreeMap::new(),
        Moment::Before => FailureClass::ALL
            .into_iter()
            .map(|class| (class.name(), rules.action(class).name()))
            .collect(),
    };
    Forward {
        endpoint: endpoint.name.to_string(),
        dialect: endpoint.dialect.name(),
        url: outgoing.url,
        timeout_ms: rules.timeout.as_millis() as u64,
        headers: outgoing
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        body: String::from_utf8_lossy(&outgoing.body).into_owned(),
        failures,
    }
}

fn in_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Reply(_) => "reply in the room".to_owned(),
        Verdict::Block(refusal) => format!(
            "block with code {}, \"{}\" ({})",
            refusal.code, refusal.public, refusal.detail
        ),
        Verdict::Replace(replacement) => {
            let mut parts: Vec<&str> = Vec::new();
            if replacement.content.is_some() {
                parts.push("content");
            }
            parts.extend(replacement.fields.iter().map(|(name, _)| name.as_str()));
            format!("replace {}", parts.join(", "))
        }
    }
}
