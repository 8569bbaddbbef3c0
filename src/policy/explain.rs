//! Every step of the decision on one event, for the person who asks why.
//!
//! Nothing is forwarded and nothing is counted: what an endpoint would say is not known here.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::decide::{Ask, Step};
use super::endpoint::Endpoint;
use super::snapshot::{HookRules, Snapshot};
use crate::decision::{
    Answer, Decision, Failure, FailureClass, Hit, Outcome, Replacement, Verdict,
};
use crate::dialect::Outgoing;
use crate::event::{Event, Moment, Text};
use crate::filter::{Scratch, Spared};

/// Texts of an event that are explained.
const TEXTS_MAX: usize = 64;
/// What is shown of one text, of one match and of a call's body.
const SHOWN_BYTES_MAX: usize = 64 * 1024;
const MATCHED_BYTES_MAX: usize = 1024;
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Text, times the lists that read it, that is also shown as they read it.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Matches that were spared.
const SPARED_MAX: usize = 64;

/// What an explanation may still have more of.
struct Left {
    read_bytes: usize,
    spared: usize,
}

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
    /// What the business server would be asked or told; `None` when nobody would be.
    pub forward: Option<Forward>,
    /// After hooks: who else would be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Forward>,
    /// What is answered if nobody else objects.
    pub decision: String,
    /// The new content, if it is replaced.
    pub content: Option<String>,
    /// What `decision` says in words.
    #[serde(skip)]
    pub decided: Decision,
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
    /// Why the call cannot be made; url, headers and body are empty then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Before hooks: what each class of failure leads to.
    pub failures: BTreeMap<&'static str, &'static str>,
}

/// A call that is to be written as it would be made.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    pub endpoint: &'a Endpoint,
    pub event: &'a Event,
    pub replacement: Option<&'a Replacement>,
    /// How long the endpoint would have.
    pub timeout: Duration,
}

/// Writes calls as they would be made, without making them.
pub type WriteCall<'w> = &'w dyn Fn(Draft<'_>) -> Result<Outgoing, Failure>;

impl Snapshot {
    /// Explains what this policy makes of an event. The steps are those of a real decision.
    pub fn explain(&self, event: &Event, write: WriteCall<'_>) -> Explanation {
        let mut explanation = Explanation {
            policy: self.version.to_string(),
            hook: event.hook.name,
            dialect: event.dialect.name(),
            skipped: None,
            texts: Vec::new(),
            filters: "not run".to_owned(),
            forward: None,
            also: Vec::new(),
            decision: "allow".to_owned(),
            content: None,
            decided: Decision::acknowledged(),
        };
        if event.hook.moment == Moment::After {
            self.explain_after(event, write, &mut explanation);
        } else {
            self.explain_before(event, write, &mut explanation);
        }
        explanation
    }

    fn explain_before(&self, event: &Event, write: WriteCall<'_>, explanation: &mut Explanation) {
        let mut scratch = Scratch::default();
        let mut step = self.begin(event);
        explanation.decided = loop {
            step = match step {
                Step::Settled(decision) => break decision,
                Step::Scan(scan) => {
                    let found = scan.run(&mut scratch);
                    scan.resume(&found)
                }
                Step::Ask(ask) => {
                    let screening = ask.screening();
                    explanation.filters = in_words(&screening.verdict, &screening.why);
                    explanation.forward = Some(forward_of(&ask, write));
                    ask.resume(Outcome::Answer(Answer::Allow))
                }
            };
        };
        let decided = &explanation.decided;
        explanation.skipped = decided.skipped.map(|reason| reason.name());
        let Some(rules) = self.rules(event.hook).filter(|_| decided.skipped.is_none()) else {
            return;
        };
        explanation.texts = self.explain_texts(rules, event, &decided.hits);
        explanation.decision = in_words(&decided.verdict, &decided.why);
        if explanation.forward.is_none() {
            explanation.filters = explanation.decision.clone();
        }
        if let Verdict::Replace(replacement) = &decided.verdict {
            explanation.content.clone_from(&replacement.content);
        }
    }

    fn explain_after(&self, event: &Event, write: WriteCall<'_>, explanation: &mut Explanation) {
        match self.select(event) {
            Err(reason) => {
                explanation.skipped = Some(reason.name());
                explanation.decided = Decision::skipped(reason);
            }
            Ok(rules) => {
                let told = rules.endpoints.iter().map(|endpoint| {
                    let draft = Draft {
                        endpoint,
                        event,
                        replacement: None,
                        timeout: endpoint.events.timeout,
                    };
                    forward(draft, write, BTreeMap::new())
                });
                let mut told = told.collect::<Vec<_>>().into_iter();
                explanation.forward = told.next();
                explanation.also = told.collect();
                explanation.decision = match explanation.forward {
                    Some(_) => "stored, then delivered".to_owned(),
                    None => "acknowledged and dropped: the hook has no endpoint".to_owned(),
                };
            }
        }
    }

    fn explain_texts(&self, rules: &HookRules, event: &Event, hits: &[Hit]) -> Vec<ExplainedText> {
        let mut left = Left {
            read_bytes: READ_BYTES_MAX,
            spared: SPARED_MAX,
        };
        let texts = event.texts.iter().take(TEXTS_MAX);
        let mut explained: Vec<ExplainedText> = texts
            .clone()
            .map(|text| self.explain_text(rules, text, &mut left))
            .collect();
        for hit in hits {
            let mut both = explained.iter_mut().zip(texts.clone());
            let found = both.find(|(explained, text)| {
                explained.place == hit.place && text.value.get(hit.span.bytes.clone()).is_some()
            });
            if let Some((explained, text)) = found {
                explained.matches.push(explain_match(hit, &text.value));
            }
        }
        explained
    }

    fn explain_text(&self, rules: &HookRules, text: &Text, left: &mut Left) -> ExplainedText {
        let mut explained = ExplainedText {
            place: text.place().into_owned(),
            class: text.class.name(),
            value: shortened(&text.value, SHOWN_BYTES_MAX),
            replaceable: text.replaceable,
            folded: BTreeMap::new(),
            matches: Vec::new(),
            spared: Vec::new(),
        };
        // Each of the hook's lists may read the text in its own way.
        let cost = text
            .value
            .len()
            .saturating_mul(1 + rules.list_names().len());
        if let Some(bytes) = left.read_bytes.checked_sub(cost) {
            left.read_bytes = bytes;
            let folded = rules.list_names().into_iter().filter_map(|list| {
                let folded = self.filter.folded(&list, &text.value)?;
                (folded != text.value).then_some((list, folded))
            });
            explained.folded = folded.collect();
            explained.spared = self.explain_spared(rules, text, left.spared);
            left.spared -= explained.spared.len();
        }
        explained
    }

    fn explain_spared(&self, rules: &HookRules, text: &Text, most: usize) -> Vec<ExplainedSparing> {
        let spared = self.filter.spared(&text.value, &rules.list_set, most);
        let entry = |list, entry| self.filter.entry(list, entry);
        let explain = |spared: Spared| ExplainedSparing {
            list: self.filter.list_name(spared.found.list).to_string(),
            entry: entry(spared.found.list, spared.found.entry).text.to_owned(),
            matched: shortened(&text.value[spared.found.span.bytes], MATCHED_BYTES_MAX),
            by_list: self.filter.list_name(spared.list).to_string(),
            by_phrase: entry(spared.list, spared.phrase).text.to_owned(),
            by_line: entry(spared.list, spared.phrase).line,
        };
        spared.into_iter().map(explain).collect()
    }
}

/// The beginning of a text, if it is longer than that.
fn shortened(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}… ({} bytes in all)", &text[..end], text.len())
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
        matched: shortened(
            text.get(hit.span.bytes.clone()).unwrap_or(""),
            MATCHED_BYTES_MAX,
        ),
        bytes: ends(&hit.span.bytes),
        chars: ends(&hit.span.chars),
        utf16: ends(&hit.span.utf16),
    }
}

fn forward_of(ask: &Ask<'_>, write: WriteCall<'_>) -> Forward {
    let rules = ask.rules();
    let actions = FailureClass::ALL.into_iter();
    let failures = actions.map(|class| (class.name(), rules.action(class).name()));
    let draft = Draft {
        endpoint: ask.endpoint(),
        event: ask.event(),
        replacement: ask.replacement(),
        timeout: rules.timeout,
    };
    forward(draft, write, failures.collect())
}

fn forward(
    draft: Draft<'_>,
    write: WriteCall<'_>,
    failures: BTreeMap<&'static str, &'static str>,
) -> Forward {
    let mut forward = Forward {
        endpoint: draft.endpoint.name.to_string(),
        dialect: draft.endpoint.dialect.name(),
        url: String::new(),
        timeout_ms: draft.timeout.as_millis() as u64,
        headers: Vec::new(),
        body: String::new(),
        failure: None,
        failures,
    };
    match write(draft) {
        Ok(outgoing) => {
            let headers = outgoing.headers.into_iter();
            forward.headers = headers
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            forward.url = outgoing.url;
            let body = String::from_utf8_lossy(&outgoing.body);
            forward.body = shortened(&body, BODY_BYTES_MAX);
        }
        Err(failure) => forward.failure = Some(format!("{}: {}", failure.class, failure.detail)),
    }
    forward
}

fn in_words(verdict: &Verdict, why: &str) -> String {
    match verdict {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Reply(_) => "reply in the room".to_owned(),
        Verdict::Block(refusal) => format!(
            "block with code {}, \"{}\" ({why})",
            refusal.code, refusal.public
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
