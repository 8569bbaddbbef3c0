//! The routes of the operators' port: pages for people and machines, and orders over gRPC.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{Method, StatusCode, header};
use strum::VariantArray;
use tonic::service::Routes;

use super::access::Guard;
use super::doors::{ApiRoute, Page, doors};
use super::shown::Admin;
use super::{access, api, console, events, grpc, metrics, status};
use crate::outbox::SharedState;
use crate::server;

/// The routes of the operators' port: those of the table alone, behind the one check.
///
/// Errors: the descriptors for reflection cannot be read.
pub fn router(admin: Admin) -> Result<Router, String> {
    let guard = Guard {
        doors: doors(admin.metrics_open),
        answers: answers(&admin),
        hosts: Arc::clone(&admin.hosts),
        access: admin.access.clone(),
        audit: Arc::clone(&admin.audit),
        operators: Arc::clone(&admin.operators),
        proxy: admin.proxy.clone(),
        metrics: Arc::clone(&admin.metrics),
        tls: admin.tls,
        to_people: console::hindered,
    };
    let service = grpc::admin_service(admin);
    let orders = server::reflection(Routes::new(service), &["callgate.v1.AdminService"])?;
    let orders = server::keep_deadlines(orders.into_axum_router());
    Ok(orders.layer(from_fn_with_state(Arc::new(guard), access::admit)))
}

/// What answers for each line of the table, but for orders over gRPC.
fn answers(admin: &Admin) -> HashMap<(Method, &'static str), MethodRouter> {
    let pages = Page::VARIANTS.iter().map(|page| {
        let (method, path, _) = page.door(admin.metrics_open);
        (route(*page, filter(&method)), method, path)
    });
    let calls = api::Calls::new(admin);
    let api = ApiRoute::VARIANTS.iter().map(|route| {
        let (method, path, _) = route.door();
        (calls.route(*route, filter(&method)), method, path)
    });
    let all = pages.chain(api);
    all.map(|(router, method, path)| ((method, path), router.with_state(admin.clone())))
        .collect()
}

fn filter(method: &Method) -> MethodFilter {
    MethodFilter::try_from(method.clone()).expect("the table has methods of HTTP")
}

/// What answers for a page.
fn route(page: Page, method: MethodFilter) -> MethodRouter<Admin> {
    match page {
        Page::Index => on(method, console::index),
        Page::Decisions => on(method, console::decisions_page),
        Page::Decision => on(method, console::decision_page),
        Page::WrongHit => on(method, console::wrong_hit_page),
        Page::Alive => on(method, async || "ok\n"),
        Page::Ready => on(method, ready),
        Page::ReadyAfter => on(method, ready_after),
        Page::Metrics => on(method, metrics_page),
        Page::Status => on(method, status_page),
        Page::SetUp => on(method, console::setup_page),
        Page::SetUpForm => on(method, console::set_up),
        Page::LogIn => on(method, console::login_page),
        Page::LogInForm => on(method, console::log_in),
        Page::LogOutForm => on(method, console::log_out),
        Page::Account => on(method, console::account_page),
        Page::PasswordForm => on(method, console::change_password),
        Page::TokenForm => on(method, console::make_token),
        Page::RemoveTokenForm => on(method, console::remove_token),
        Page::EndSessionsForm => on(method, console::end_sessions),
        Page::Style => on(method, console::style),
        Page::SetUpScript => on(method, console::setup_script),
        Page::Hooks => on(method, console::hooks_page),
        Page::Endpoints => on(method, console::endpoints_page),
        Page::Changes => on(method, console::changes_page),
        Page::ChangeReplay => on(method, console::replay_page),
        Page::ChangeForceForm => on(method, console::force),
        Page::Change => on(method, console::change_page),
        Page::RollbackPlan => on(method, console::rollback_page),
        Page::RollbackForm => on(method, console::roll_back),
        Page::RollbackPatch => on(method, console::patch),
        Page::Delivery => on(method, console::delivery_page),
        Page::Payload => on(method, console::payload_page),
        Page::DeliveryPlanForm => on(method, console::make_plan),
        Page::DeliveryPlan => on(method, console::plan_page),
        Page::RunDeliveryPlanForm => on(method, console::run_plan),
        Page::RetryForm => on(method, console::retry),
        Page::Try | Page::TryForm => on(method, console::try_page),
        Page::Events => on(method, events::events),
        Page::Script => on(method, console::script),
        Page::Switch => on(method, console::switch),
        Page::Trial => on(method, console::trial_page),
        Page::TrialStartForm => on(method, console::start_trial),
        Page::TrialEndForm => on(method, console::end_trial),
        Page::TrialPromotion => on(method, console::promotion_page),
        Page::TrialPromoteForm => on(method, console::promote),
        Page::TrialPatch => on(method, console::promotion_patch),
        Page::Lists => on(method, console::lists_page),
        Page::List => on(method, console::list_page),
        Page::ListEntry => on(method, console::entry_page),
        Page::ListDraft => on(method, console::draft_page),
        Page::ListPatch => on(method, console::draft_patch),
        Page::ListSave => on(method, console::save_list),
        Page::ListPlanForm => on(method, console::plan_list),
        Page::ListPlan => on(method, console::list_plan_page),
        Page::RunListPlanForm => on(method, console::run_list_plan),
        Page::Doctor | Page::DoctorForm => on(method, console::doctor_page),
        Page::Audit => on(method, console::audit_page),
        Page::Operators | Page::InviteForm => on(method, console::operators_page),
        Page::Operator => on(method, console::operator_page),
        Page::OperatorPlanForm => on(method, console::plan_operator),
        Page::OperatorPlan => on(method, console::operator_plan_page),
        Page::RunOperatorPlanForm => on(method, console::run_operator_plan),
        Page::Tokens | Page::MakeTokenForm => on(method, console::tokens_page),
        Page::TakeTokenForm => on(method, console::take_token),
    }
}

/// Ready for before hooks, which decide alone; what the outbox refuses is told beside it.
async fn ready(State(admin): State<Admin>) -> Response {
    if !admin.ready.load(Ordering::Relaxed) {
        return not_ready("shutting down or starting");
    }
    let mut text = match admin.outbox.refusal() {
        None => "ready\n".to_owned(),
        Some(why) => format!("ready\nbefore hooks: ready\nafter hooks: refused, {why}\n"),
    };
    if let Some(shared) = admin
        .observed
        .last_shared()
        .filter(|_| admin.outbox.refusal().is_none())
    {
        text.push_str(&spools(&shared));
    }
    text.push_str(&not_as_all_have(&admin));
    if let Some(policy) = not_as_on_disk(&admin) {
        text.push_str(&policy);
    }
    text.into_response()
}

/// What is accepted here and is not yet where the other replicas are.
fn spools(shared: &SharedState) -> String {
    match &shared.away {
        Some(why) => format!("storage: {why}; after events are kept here and forwarded later\n"),
        None => String::new(),
    }
}

/// What the other replicas have is not what decides here, or may not be.
fn not_as_all_have(admin: &Admin) -> String {
    let Some(shared) = admin.policies.shared() else {
        return String::new();
    };
    let version = &admin.policies.current().version;
    let mut text = String::new();
    if shared.newest > version.number {
        let (newest, problems) = (shared.newest, shared.problems.len());
        text.push_str(&format!(
            "policy: version {newest} of all replicas has {problems} problem(s) here, {version} stays in force\n"
        ));
    }
    if let Some(why) = shared.away {
        text.push_str(&format!("policy: {version} stays in force, {why}\n"));
    }
    text
}

/// What the policy files say is not what decides.
fn not_as_on_disk(admin: &Admin) -> Option<String> {
    let held = admin.policies.held().len();
    let rejected = admin.policies.rejected()?;
    let version = &admin.policies.current().version;
    let problems = rejected.problems.len();
    Some(match (admin.policies.is_restored(), held) {
        (true, _) => format!(
            "policy: its files have {problems} problem(s), {version} from before the start is in force\n"
        ),
        (false, 0) => {
            format!("policy: its files have {problems} problem(s), {version} stays in force\n")
        }
        (false, lists) => format!(
            "policy: {lists} list(s) keep their last good content, the rest is in force as {version}\n"
        ),
    })
}

/// Ready for after hooks too.
async fn ready_after(State(admin): State<Admin>) -> Response {
    match admin.outbox.refusal() {
        _ if !admin.ready.load(Ordering::Relaxed) => not_ready("shutting down or starting"),
        None => "ready\n".into_response(),
        Some(why) => not_ready(&why),
    }
}

fn not_ready(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
}

async fn metrics_page(State(admin): State<Admin>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics::text(&admin).await).into_response()
}

async fn status_page(State(admin): State<Admin>) -> Response {
    let json = status::json(&admin).await;
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}
