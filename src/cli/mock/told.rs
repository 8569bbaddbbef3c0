//! What the mock says of a call that it got. Texts only where somebody asked for them.

use serde::Serialize;

use super::super::output::plain;
use super::cloudevents::CloudEvent;
use crate::event::Event;

/// One call, and what was done with it.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    pub number: usize,
    pub path: String,
    /// `None` where the call is no call of the dialect.
    pub hook: Option<&'static str>,
    pub sender: String,
    pub target: String,
    pub events: usize,
    pub bytes: usize,
    /// `good`, why it is not, or `None` where nobody looked.
    pub signature: Option<String>,
    /// What is wrong with the call.
    pub fault: Option<String>,
    /// The case whose step was played.
    pub case: Option<String>,
    pub does: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cloud_events: Vec<CloudEvent>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
}

impl Told {
    pub(super) fn of_event(&mut self, event: &Event, texts: bool) {
        self.hook = Some(event.hook.name);
        self.sender = event.sender().to_owned();
        self.target = event.target().to_owned();
        self.events += 1;
        if texts {
            let of_event = event.texts.iter();
            self.texts
                .extend(of_event.map(|text| format!("{}: {:?}", text.place(), text.value)));
        }
    }

    pub(super) fn text(&self) -> String {
        let mut line = format!("{} {}", self.number, self.path);
        if let Some(hook) = self.hook {
            line.push_str(&format!(
                " {hook} from {:?} to {:?}",
                self.sender, self.target
            ));
        }
        if !self.cloud_events.is_empty() {
            line.push_str(&format!(", {} CloudEvent(s)", self.cloud_events.len()));
        } else if self.events > 1 {
            line.push_str(&format!(", {} events", self.events));
        }
        line.push_str(&format!(", {} bytes", self.bytes));
        if let Some(signature) = &self.signature {
            line.push_str(&format!(", signature {signature}"));
        }
        if let Some(fault) = &self.fault {
            line.push_str(&format!(", NOT READABLE: {fault}"));
        }
        line.push_str(&format!(" -> {}", self.does));
        if let Some(case) = &self.case {
            line.push_str(&format!(" (case `{case}`)"));
        }
        let mut text = plain(&line) + "\n";
        for event in &self.cloud_events {
            text.push_str(&format!("  {}\n", plain(&cloud_event(event))));
        }
        for one in &self.texts {
            text.push_str(&format!("  {}\n", plain(one)));
        }
        text
    }
}

fn cloud_event(event: &CloudEvent) -> String {
    let CloudEvent {
        id,
        kind,
        subject,
        sequence,
        fault,
    } = event;
    let mut line = format!("{id:?} {kind:?} of {subject:?}");
    if !sequence.is_empty() {
        line.push_str(&format!(", sequence {sequence}"));
    }
    match fault {
        None => line,
        Some(fault) => format!("{line}, BAD: {fault}"),
    }
}
