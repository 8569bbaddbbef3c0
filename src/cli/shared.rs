//! `policies: postgres`: a start with the version that all replicas have, or the last one on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use tracing::{error, info};

use super::files::Files;
use super::kept;
use super::postgres;
use crate::config::Config;
use crate::ledger::PostgresLedger;
use crate::policy::CompileContext;
use crate::reload::{
    BadPolicy, Contents, Draft, Given, Ledger, NotShared, Policies, SharedState, Start, mirror,
    read_files, to_share,
};
use crate::settings::Problem;
use crate::telemetry::Metrics;
use crate::versions::{Origin, Store};

/// What a start gives.
pub(super) struct Begun {
    pub policies: Policies,
    pub ledger: Arc<PostgresLedger>,
}

/// Where the version in force is mirrored.
pub(super) fn mirror_of(config: &Config) -> PathBuf {
    config.data.join("policies")
}

pub(super) fn open(config: &Config) -> anyhow::Result<PostgresLedger> {
    let server = postgres::server_of(config)?;
    let ledger = PostgresLedger::open(server, config.versions.versions_max);
    ledger.context("the thread that asks for versions could not be started")
}

/// Errors of the inner result: no version can be in force here.
pub(super) fn start(
    config: &Config,
    files: &Files,
    context: &CompileContext,
    metrics: &Arc<Metrics>,
    strict: bool,
) -> anyhow::Result<Result<Begun, BadPolicy>> {
    let strict = strict || config.strict_start;
    let from = kept::start_of(config, &mirror_of(config), false);
    let starting = Starting {
        ledger: Arc::new(open(config)?),
        mirror: mirror_of(config),
        context,
        metrics,
        files,
    };
    let mut state = SharedState::default();
    match starting.newest(from.next) {
        Ok(given) => {
            let given = starting.above(given, &Store::new(&config.versions.folder))?;
            state.newest = given.number;
            match starting.begin(&given.files, given.number, Some(given.origin))? {
                Ok(policies) => return Ok(Ok(starting.begun(policies, state))),
                Err(bad) => state.problems = bad.0,
            }
        }
        Err(None) => {}
        Err(Some(NoFirst::NotShared(error @ NotShared::Away(_)))) => {
            state.away = Some(error.to_string());
        }
        Err(Some(NoFirst::NotShared(error))) => return Err(error.into()),
        Err(Some(NoFirst::Bad(problems))) => return Ok(Err(BadPolicy(problems))),
    }
    let is_strict = strict && !state.problems.is_empty();
    let Some((version, last)) = from.last.filter(|_| !is_strict) else {
        match &state.away {
            Some(why) => bail!(
                "{why}; and no version was in force here before that could decide meanwhile: start it \
                 again when PostgreSQL answers"
            ),
            None if state.problems.is_empty() => bail!(
                "PostgreSQL has no policy yet, and `{}` has none to begin with: `callgate policy push \
                 DIR --direct --reason TEXT` writes the first",
                files.policies.display()
            ),
            None => return Ok(Err(BadPolicy(state.problems))),
        }
    };
    for problem in &state.problems {
        error!("{problem}");
    }
    error!(
        in_force = version.number,
        newest = state.newest,
        why = state
            .away
            .as_deref()
            .unwrap_or("the newest version has errors here"),
        "started with the last version that was in force here"
    );
    let mut last = last.files;
    // Cases are not kept with it.
    if let Ok(there) = read_files(&starting.mirror) {
        let cases = there.files.into_iter();
        last.extend(cases.filter(|(path, _)| path.starts_with("tests/")));
    }
    last.retain(|path, _| mirror::is_path(path));
    let begun = starting.begin(&last, version.number, None)?;
    Ok(begun.map(|policies| starting.begun(policies, state)))
}

/// Why there is no first version.
enum NoFirst {
    NotShared(NotShared),
    Bad(Vec<Problem>),
}

impl From<NotShared> for Option<NoFirst> {
    fn from(error: NotShared) -> Option<NoFirst> {
        Some(NoFirst::NotShared(error))
    }
}

struct Starting<'a> {
    ledger: Arc<PostgresLedger>,
    mirror: PathBuf,
    context: &'a CompileContext,
    metrics: &'a Arc<Metrics>,
    files: &'a Files,
}

impl Starting<'_> {
    /// The newest version; before there is any, that of the files beside engine.yaml. `None`: there
    /// are none.
    fn newest(&self, next: u64) -> Result<Given, Option<NoFirst>> {
        if let Some(given) = self.ledger.newest(0)? {
            return Ok(given);
        }
        let own = &self.files.policies;
        let Ok(found) = read_files(own) else {
            return Err(None);
        };
        if found.files.is_empty() {
            return Err(None);
        }
        let shared = to_share(&self.mirror, found.files, self.context);
        let (files, hash) =
            shared.map_err(|problems| Some(NoFirst::Bad(named_in(problems, &self.mirror, own))))?;
        let draft = Draft {
            over: 0,
            at_least: next,
            hash,
            origin: Origin {
                why: format!("the first version, of {}", own.display()),
                ..Origin::files(None)
            },
            files,
        };
        match self.ledger.publish(&draft) {
            Ok(number) => info!(
                version = number,
                "PostgreSQL had no policy: it has these files now"
            ),
            // Another replica started in that moment.
            Err(NotShared::Overtaken(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.ledger.newest(0)?.ok_or(None)
    }

    /// Numbers never go backwards: with higher ones here, of a time with files or that a failover
    /// lost, the newest version gets another one.
    fn above(&self, given: Given, store: &Store) -> anyhow::Result<Given> {
        let highest = store.numbers().unwrap_or_default().first().copied();
        let highest = highest.unwrap_or_default();
        if highest <= given.number {
            return Ok(given);
        }
        let shared = to_share(&self.mirror, given.files.clone(), self.context);
        // With errors here it cannot be in force, and needs no number.
        let Ok((files, hash)) = shared else {
            return Ok(given);
        };
        let why = format!(
            "version {} again: a replica had numbers up to {highest}",
            given.number
        );
        let draft = Draft {
            over: given.number,
            at_least: highest + 1,
            hash,
            origin: Origin::callgate(why),
            files,
        };
        match self.ledger.publish(&draft) {
            Ok(_) | Err(NotShared::Overtaken(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.ledger.newest(0)?.unwrap_or(given))
    }

    fn begin(
        &self,
        files: &Contents,
        number: u64,
        origin: Option<Origin>,
    ) -> anyhow::Result<Result<Policies, BadPolicy>> {
        let mirrored = mirror::write(&self.mirror, files);
        mirrored.with_context(|| format!("`{}` cannot be written", self.mirror.display()))?;
        let start = Start {
            next: number,
            last: None,
            origin,
            strict: true,
        };
        let (context, metrics) = (self.context.clone(), Arc::clone(self.metrics));
        Ok(Policies::start(&self.mirror, context, metrics, start))
    }

    fn begun(&self, policies: Policies, state: SharedState) -> Begun {
        let ledger = Arc::clone(&self.ledger);
        let engine_yaml = self.files.policies.join("engine.yaml");
        policies.share(ledger.clone(), engine_yaml, state);
        Begun { policies, ledger }
    }
}

/// Problems by the names of the files that somebody wrote, not of their mirror.
pub(super) fn named_in(problems: Vec<Problem>, mirror: &Path, own: &Path) -> Vec<Problem> {
    let (mirror, own) = (mirror.display().to_string(), own.display().to_string());
    let named = problems.into_iter().map(|problem| Problem {
        file: match problem.file.strip_prefix(&mirror) {
            Some(rest) => format!("{own}{rest}"),
            None => problem.file,
        },
        ..problem
    });
    named.collect()
}
