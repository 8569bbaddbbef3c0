//! `/api/v1`: what pages and commands show and do, as JSON for programs.
//!
//! A route is a line in `doors`, a handler (`async fn(Call) -> Answer`) and its description (an
//! `About`) in the file of its topic, and the line below that puts them together. A handler reads
//! with `call.text`, `number`, `flag`, `time`, `field`, and `call.name` for what stands in the path;
//! answers with `reply::found`, `made`, `page` (and `call.cursor`, `call.next`, `call.limit`) or
//! `tagged` (and `call.check_match`); and does what a page does too by calling the same function.
//! The description is what `openapi.json` says, and what a call is held to before its handler sees
//! it: parameters that it does not name are refused.
//!
//! Order, downward: `openapi`, `status`, `trying`, `audit`, `operators`, `reload`, `list_rows`, `lists`, `plans`, `outbox`, `decisions`, `recordings`, `policy`,
//! `versions`, `trial`, `storage`, `doctor`, `frame`, `call`, `reply`, `repeats`, `cursor`, `about`, `times`.

mod about;
mod audit;
mod call;
mod cursor;
mod decisions;
mod doctor;
mod frame;
mod list_rows;
mod lists;
mod openapi;
mod operators;
mod outbox;
mod plans;
mod policy;
mod recordings;
mod reload;
mod repeats;
mod reply;
mod status;
mod storage;
mod times;
mod trial;
mod trying;
pub(super) mod versions;

use axum::routing::{MethodFilter, MethodRouter};
use strum::VariantArray;

use super::doors::ApiRoute;
use super::shown::Admin;

use frame::{Frame, Route, route};

/// All routes of the API, with what they share.
pub(super) struct Calls {
    frame: Frame,
}

impl Calls {
    pub(super) fn new(admin: &Admin) -> Calls {
        Calls {
            frame: Frame::new(admin),
        }
    }

    /// What answers for a route.
    pub(super) fn route(&self, route: ApiRoute, method: MethodFilter) -> MethodRouter<Admin> {
        self.frame.serve(served(route), method)
    }
}

/// What a route is, and what answers for it.
fn served(of: ApiRoute) -> Route {
    match of {
        ApiRoute::OpenApi => route(&openapi::DOCUMENT, async |_| {
            let routes = ApiRoute::VARIANTS.iter();
            let routes: Vec<_> = routes.map(|of| (*of, served(*of).about)).collect();
            reply::found(&openapi::document(&routes))
        }),
        ApiRoute::Status => route(&status::STATUS, status::status),
        ApiRoute::Hooks => route(&status::HOOKS, status::hooks),
        ApiRoute::Endpoints => route(&status::ENDPOINTS, status::endpoints),
        ApiRoute::Pending => route(&outbox::PENDING, outbox::pending),
        ApiRoute::Dead => route(&outbox::DEAD, outbox::dead),
        ApiRoute::Discarded => route(&outbox::DISCARDED, outbox::discarded),
        ApiRoute::OutboxPlan => route(&plans::OUTBOX_PLAN, plans::make),
        ApiRoute::SeePlan => route(&plans::SEE, plans::see),
        ApiRoute::RunPlan => route(&plans::RUN, plans::run),
        ApiRoute::Replays => route(&plans::REPLAYS, plans::replays),
        ApiRoute::Retries => route(&plans::RETRIES, plans::retries),
        ApiRoute::Audit => route(&audit::AUDIT, audit::list),
        ApiRoute::AuditNdjson => route(&audit::NDJSON, audit::ndjson),
        ApiRoute::Operators => route(&operators::OPERATORS, operators::list),
        ApiRoute::Invite => route(&operators::INVITE, operators::invite),
        ApiRoute::OperatorPlan => route(&operators::PLAN, operators::plan),
        ApiRoute::Tokens => route(&operators::TOKENS, operators::tokens),
        ApiRoute::MakeApiToken => route(&operators::MAKE_TOKEN, operators::make_token),
        ApiRoute::RemoveApiToken => route(&operators::REMOVE_TOKEN, operators::remove_token),
        ApiRoute::Decisions => route(&decisions::DECISIONS, decisions::decisions),
        ApiRoute::Decision => route(&decisions::DECISION, decisions::decision),
        ApiRoute::DecisionsNdjson => route(&decisions::NDJSON, decisions::ndjson),
        ApiRoute::DecisionsCsv => route(&decisions::CSV, decisions::csv),
        ApiRoute::Try => route(&trying::TRY, trying::decide),
        ApiRoute::Counts => route(&decisions::COUNTS, decisions::counts),
        ApiRoute::Forget => route(&decisions::FORGET, decisions::forget),
        ApiRoute::Recordings => route(&recordings::STATE, recordings::state),
        ApiRoute::RecordedCalls => route(&recordings::CALLS, recordings::calls),
        ApiRoute::Reload => route(&reload::RELOAD, reload::reload),
        ApiRoute::RecordedReplay => route(&reload::REPLAY, reload::replayed),
        ApiRoute::Policy => route(&policy::POLICY, policy::policy),
        ApiRoute::PushPolicy => route(&policy::PUSH, policy::push),
        ApiRoute::Versions => route(&versions::LIST, versions::list),
        ApiRoute::Version => route(&versions::ONE, versions::one),
        ApiRoute::VersionFile => route(&versions::FILE, versions::file),
        ApiRoute::VersionDiff => route(&versions::DIFF, versions::diff),
        ApiRoute::Rollback => route(&versions::ROLLBACK, versions::rollback),
        ApiRoute::Trial => route(&trial::TRIAL, trial::trial),
        ApiRoute::TrialStart => route(&trial::START, trial::start),
        ApiRoute::TrialEnd => route(&trial::END, trial::end),
        ApiRoute::TrialPromote => route(&trial::PROMOTE, trial::promote),
        ApiRoute::Lists => route(&lists::LISTS, lists::lists),
        ApiRoute::List => route(&list_rows::LIST, list_rows::list),
        ApiRoute::ListStory => route(&list_rows::STORY, list_rows::story),
        ApiRoute::ListEdit => route(&lists::EDIT, lists::edit),
        ApiRoute::ListPreview => route(&lists::PREVIEW, lists::preview),
        ApiRoute::ListLint => route(&lists::LINT, lists::lint),
        ApiRoute::ListPromote => route(&lists::PROMOTE, lists::promote),
        ApiRoute::ListMove => route(&lists::MOVE, lists::move_to),
        ApiRoute::ListImport => route(&lists::IMPORT, lists::import),
        ApiRoute::LastBackup => route(&storage::LAST, storage::last),
        ApiRoute::Backup => route(&storage::BACKUP, storage::backup),
        ApiRoute::ListPlan => route(&lists::PLAN, lists::plan),
        ApiRoute::LastCheckUp => route(&doctor::LAST, doctor::last),
        ApiRoute::CheckUp => route(&doctor::RUN, doctor::run),
    }
}
