//! Looks at the business servers, as the page and the API have them made: in a task of its own, for a
//! limited time, on record.

use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use super::acts::Asked;
use super::check_ups::State;
use super::problem::ApiProblem;
use super::shown::Admin;
use crate::audit::{Act, Begun};
use crate::doctor::{Doctor, Report, Wanted};
use crate::policy::compile_untried;

/// Begins a look at the endpoints of the policy in force, or one of them.
///
/// Errors: there is no such endpoint, a look is being made, or it cannot be recorded.
pub(super) async fn begin(admin: &Admin, asked: &Asked, wanted: Wanted) -> Result<(), ApiProblem> {
    let endpoint = wanted.endpoint.clone().unwrap_or_default();
    check_name(admin, &endpoint)?;
    if !admin.check_ups.claim(&endpoint, admin.clock.now_ms()) {
        let why = "the endpoints are being looked at already: wait for that to end";
        return Err(ApiProblem::conflict(why));
    }
    let act = Act::new("doctor.run", asked.who()).on(endpoint);
    let begun = match asked.begin(act).await {
        Ok(begun) => begun,
        Err(status) => {
            let why = status.message().to_owned();
            admin
                .check_ups
                .end(admin.clock.now_ms(), State::Failed(why));
            return Err(status.into());
        }
    };
    let running = Running {
        admin: admin.clone(),
    };
    tokio::spawn(running.run(wanted, begun));
    Ok(())
}

/// Nobody is called but endpoints that the policy in force names.
fn check_name(admin: &Admin, name: &str) -> Result<(), ApiProblem> {
    let snapshot = admin.policies.current();
    if name.is_empty() || snapshot.endpoint(name).is_some() {
        return Ok(());
    }
    let names = snapshot.endpoints().map(|endpoint| &*endpoint.name);
    let hint = crate::settings::suggest(name, names);
    let why = format!("the policy in force names no endpoint `{name}`; {hint}");
    let problem = ApiProblem::new(StatusCode::BAD_REQUEST, "invalid", why);
    Err(problem.with("field", "endpoint"))
}

/// A look that is being made. Were it to panic, it is told as failed all the same.
struct Running {
    admin: Admin,
}

impl Running {
    async fn run(self, wanted: Wanted, mut begun: Begun) {
        let within = self.admin.check_ups.within;
        let until = Some(Instant::now() + within);
        let looked = look(&self.admin, Wanted { until, ..wanted }).await;
        let state = match &looked {
            Ok(report) => {
                let calls = report.endpoints.iter().map(|one| one.calls.len() as u64);
                begun.counted("endpoints", report.endpoints.len() as u64);
                begun.counted("calls", calls.sum());
                begun.counted("faults", report.grave as u64);
                begun.counted("warnings", report.warnings as u64);
                State::Done(Arc::clone(report))
            }
            Err(why) => State::Failed(why.clone()),
        };
        let recorded = tokio::task::spawn_blocking(move || match looked {
            Ok(_) => begun.done(),
            Err(why) => begun.failed(&why),
        });
        // What was found is shown, recorded or not; that it was looked for is on record.
        let _ = recorded.await;
        let now_ms = self.admin.clock.now_ms();
        self.admin.check_ups.end(now_ms, state);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let check_ups = &self.admin.check_ups;
        if check_ups.last().is_some_and(|last| last.is_running()) {
            let why = "it was broken off".to_owned();
            check_ups.end(self.admin.clock.now_ms(), State::Failed(why));
        }
    }
}

/// Looks at the endpoints of the files in force, which know the line of each setting.
async fn look(admin: &Admin, wanted: Wanted) -> Result<Arc<Report>, String> {
    let policies = Arc::clone(&admin.policies);
    let compile = move || {
        let number = policies.current().version.number;
        compile_untried(&policies.files(), policies.context(), number)
    };
    let compiled = tokio::task::spawn_blocking(compile).await;
    let compiled = compiled.map_err(|error| error.to_string())?;
    let doctor = Doctor::of(&compiled).ok_or_else(|| {
        let first = compiled.problems.first();
        first.map_or_else(String::new, ToString::to_string)
    })?;
    let here = &admin.check_ups.here;
    let looked = doctor.look(&wanted, &admin.callbacks, here).await;
    looked.map(Arc::new).map_err(|unknown| unknown.to_string())
}
