//! The routes of the operators' port: pages for people and machines, and orders over gRPC.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{Method, StatusCode, header};
use tonic::service::Routes;

use super::shown::Admin;
use super::{access, grpc, metrics, status};
use crate::server::{self, Hosts, refuse_foreign_orders};

/// What `/` shows, and what an unknown path is answered.
const INDEX: &str = "\
callgate, operators' port
  /status   what is in force, as JSON; `callgate status` prints it for people
  /metrics  for Prometheus
  /healthz  200 while the process runs
  /readyz   200 while calls are taken, and whether after hooks are; /readyz/after for those alone
  gRPC      callgate.v1.AdminService and reflection: `callgate outbox`, `callgate rooms`, grpcurl
";

/// The routes of the operators' port.
///
/// Errors: the descriptors for reflection cannot be read.
pub fn router(admin: Admin) -> Result<Router, String> {
    let access = admin.access;
    let service = grpc::admin_service(admin.clone());
    let orders = server::reflection(Routes::new(service), &["callgate.v1.AdminService"])?;
    let orders = orders.into_axum_router().fallback(unknown);
    let orders =
        server::keep_deadlines(orders).layer(from_fn_with_state(Arc::clone(&admin.hosts), guard));
    Ok(Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/readyz/after", get(ready_after))
        .route("/metrics", get(metrics_page))
        .route("/status", get(status_page))
        .with_state(admin)
        .merge(orders)
        .layer(from_fn_with_state(access, access::protect)))
}

/// Lets nobody's page in a browser give orders.
async fn guard(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match refuse_foreign_orders(&parts, &hosts) {
        Some(why) => (StatusCode::FORBIDDEN, format!("{why}\n")).into_response(),
        None => next.run(Request::from_parts(parts, body)).await,
    }
}

/// A gRPC caller reads a status, everybody else a page.
async fn unknown(request: Request) -> Response {
    let path = request.uri().path();
    let content_type = request.headers().get(header::CONTENT_TYPE);
    if content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        let status = tonic::Status::unimplemented(format!("nothing is served at {path}"));
        return status.into_http();
    }
    let page = format!("nothing is served at {path}; this is\n\n{INDEX}");
    (StatusCode::NOT_FOUND, page).into_response()
}

/// Ready for before hooks, which decide alone; what the outbox refuses is told beside it.
async fn ready(State(admin): State<Admin>) -> Response {
    if !admin.ready.load(Ordering::Relaxed) {
        return not_ready("shutting down or starting");
    }
    match admin.outbox.refusal() {
        None => "ready\n".into_response(),
        Some(why) => {
            format!("ready\nbefore hooks: ready\nafter hooks: refused, {why}\n").into_response()
        }
    }
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
