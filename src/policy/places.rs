//! Which line of a policy leads to something: for those who explain it.

use super::compile::Compiled;
use crate::decision::FailureClass;
use crate::event::Hook;
use crate::settings::At;

/// A setting that decides about an answer.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    /// What a hook does about a class of failure.
    Failure(Hook, FailureClass),
    /// How long a hook waits.
    Timeout(Hook),
    /// How the answers of an endpoint are read.
    Answers(&'a str),
    /// How long the answers of an endpoint may be.
    AnswerBytes(&'a str),
    Url(&'a str),
}

impl Compiled {
    /// Where the setting stands, `policies/policy.yaml:4:3: hooks.x.timeout`; a default's place is
    /// among the built-in defaults. Empty where there is no such hook or endpoint.
    pub fn place_of(&self, cause: Cause<'_>) -> String {
        self.at(cause).map_or(String::new(), |at| {
            let place = &at.place;
            match place.line {
                0 => format!("{}: {}", place.file, at.path),
                line => format!("{}:{line}:{}: {}", place.file, place.column, at.path),
            }
        })
    }

    fn at(&self, cause: Cause<'_>) -> Option<At> {
        let spec = self.spec.as_ref()?;
        let hook = |hook: Hook| spec.hooks.iter().find(|one| one.hook == hook);
        let endpoint = |name: &str| {
            let mut endpoints = spec.endpoints.iter();
            endpoints.find(|one| *one.endpoint.name == *name)
        };
        Some(match cause {
            Cause::Failure(of, class) => hook(of)?.at_failure[class as usize].clone(),
            Cause::Timeout(of) => hook(of)?.at_timeout.clone(),
            Cause::Answers(name) => endpoint(name)?.at_answers.clone(),
            Cause::AnswerBytes(name) => endpoint(name)?.at_answer_bytes.clone(),
            Cause::Url(name) => endpoint(name)?.at_url.clone(),
        })
    }
}
