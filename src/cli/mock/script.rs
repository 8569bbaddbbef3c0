//! What the mock does with a call: what a case about it says, else what `--answer` says.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::decision::FailureClass;
use crate::event::Event;
use crate::policy::{Case, Does, FileSet, Play, read_cases, read_plays};
use crate::reload::read_files;
use crate::settings::{At, Problem, Problems, Section, Severity, Value, parse};

/// Steps, and how far they are.
#[derive(Debug, Default)]
struct Steps {
    plays: Vec<Play>,
    done: AtomicUsize,
}

#[derive(Debug, Default)]
pub(super) struct Script {
    cases: Vec<(Case, Steps)>,
    others: Steps,
}

impl Script {
    /// Errors: everything that is wrong with the steps.
    pub(super) fn read(
        answers: &[String],
        policies: Option<&Path>,
    ) -> Result<Script, Vec<Problem>> {
        let problems = Problems::default();
        let mut plays = Vec::new();
        for answer in answers {
            plays.extend(read_step(answer, &problems));
        }
        let mut cases = Vec::new();
        if let Some(policies) = policies {
            let files = read_files(policies).map_err(|problem| vec![*problem])?;
            cases = read_cases(&files, &problems);
            cases.retain(|case| !case.plays().is_empty());
        }
        let at = At::file(&"--answer".into());
        plays.iter().for_each(|play| check(play, &at, &problems));
        // Cases may also be about what callgate itself fails at, which is nothing to play.
        cases.retain(|case| case.plays().iter().all(can_be_played));
        let found = problems.into_sorted();
        if found
            .iter()
            .any(|problem| problem.severity == Severity::Error)
        {
            return Err(found);
        }
        let with_steps = |case: Case| {
            let steps = Steps::of(case.plays().to_vec());
            (case, steps)
        };
        Ok(Script {
            cases: cases.into_iter().map(with_steps).collect(),
            others: Steps::of(plays),
        })
    }

    /// The next step for this event, and the case that it is of.
    pub(super) fn next(&self, event: Option<&Event>) -> (Play, Option<&str>) {
        let about = event.and_then(|event| {
            let mut cases = self.cases.iter();
            cases.find(|(case, _)| case.is_about(event))
        });
        match about {
            Some((case, steps)) => (steps.next(), Some(&case.name)),
            None => (self.others.next(), None),
        }
    }
}

impl Steps {
    fn of(plays: Vec<Play>) -> Steps {
        Steps {
            plays,
            done: AtomicUsize::new(0),
        }
    }

    /// The last goes on.
    fn next(&self) -> Play {
        let number = self.done.fetch_add(1, Ordering::Relaxed);
        let play = self.plays.get(number).or(self.plays.last());
        play.cloned().unwrap_or_else(Play::allow)
    }
}

/// Reads `{failure: timeout}`.
fn read_step(text: &str, problems: &Problems) -> Vec<Play> {
    let file: Arc<str> = "--answer".into();
    let whole = format!("endpoint: {text}\n");
    let Ok(Some(node)) = parse(&file, whole.as_bytes(), problems) else {
        return Vec::new();
    };
    let Value::Map(map) = &node.value else {
        return Vec::new();
    };
    let root = Section::root(map, At::file(&file), problems);
    let plays = read_plays(&root.field("endpoint"), &FileSet::default(), problems);
    root.finish();
    plays
}

fn can_be_played(play: &Play) -> bool {
    match play.does {
        Does::Answer(_) | Does::Raw { .. } => true,
        Does::Failure(class) => matches!(
            class,
            FailureClass::Timeout
                | FailureClass::Connect
                | FailureClass::HttpStatus
                | FailureClass::InvalidAnswer
                | FailureClass::TooLarge
                | FailureClass::Loop
        ),
    }
}

fn check(play: &Play, at: &At, problems: &Problems) {
    if !can_be_played(play) {
        let what = "this failure is callgate's own, and no server can play it";
        let hint = "play timeout, connect, http_status, invalid_answer, too_large or loop";
        problems.error(at, what, hint);
    }
}
