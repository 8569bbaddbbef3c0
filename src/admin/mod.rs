//! Where operators connect: `/metrics`, `/healthz`, `/readyz`, `/status` and `AdminService`.
//!
//! Owns: what operators see and the orders they give.
//! Leaves alone: message traffic (`server`).
//!
//! Order, downward: `grpc`, `status`, `outbox`.

mod grpc;
pub mod outbox;
mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};

use crate::callback::Callbacks;
use crate::outbox::{Outbox, Work};
use crate::reload::Policies;
use crate::rooms::Rooms;
use crate::telemetry::{Metrics, OutboxGauges, OutboxTotals, Spread, UsageLimits};

/// All that the operators' port shows.
#[derive(Clone)]
pub struct Admin {
    pub policies: Arc<Policies>,
    pub callbacks: Arc<Callbacks>,
    pub outbox: Arc<dyn Outbox>,
    pub outbox_limits: UsageLimits,
    pub metrics: Arc<Metrics>,
    pub rooms: Arc<Rooms>,
    /// True from the moment that all ports are open until shutdown begins.
    pub ready: Arc<AtomicBool>,
}

/// The routes of the operators' port.
pub fn router(admin: Admin) -> Router {
    let service = grpc::admin_service(admin.clone());
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(admin)
        .merge(tonic::service::Routes::new(service).into_axum_router())
}

async fn ready(State(admin): State<Admin>) -> Response {
    if admin.ready.load(Ordering::Relaxed) {
        "ready\n".into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting down or starting\n",
        )
            .into_response()
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    if let Ok(stats) = admin.outbox.stats().await {
        let now = now_ms();
        let since = |at_ms: Option<u64>| {
            at_ms.map_or(Duration::ZERO, |at_ms| {
                Duration::from_millis(now.saturating_sub(at_ms))
            })
        };
        let gauges: Vec<_> = stats
            .endpoints
            .iter()
            .map(|endpoint| OutboxGauges {
                endpoint: endpoint.endpoint.as_str().into(),
                accepted: endpoint.counts.accepted,
                delivered: endpoint.counts.delivered,
                dead: endpoint.counts.dead,
                discarded: endpoint.counts.discarded,
                pending: endpoint.counts.pending,
                in_flight: endpoint.counts.in_flight,
                conserved: endpoint.counts.conserved(),
                oldest_age: since(endpoint.oldest_pending_ms),
                failing: since(endpoint.health.failing_since_ms),
                paused: endpoint.health.paused.is_some(),
            })
            .collect();
        let totals = OutboxTotals {
            bytes: stats.bytes,
            entries: stats.entries,
            used: admin.outbox_limits.used(stats.bytes, stats.entries),
            commits: stats.work.commits,
            committed_calls: stats.work.calls,
            commit_time: stats.work.time,
            commit_sizes: spread(
                &Work::SIZES.map(|events| events as f64),
                &stats.work.by_size,
                stats.work.accepted as f64,
            ),
            commit_times: spread(
                &Work::TIMES_US.map(|time_us| time_us as f64 / 1e6),
                &stats.work.by_time,
                stats.work.time.as_secs_f64(),
            ),
        };
        admin.metrics.outbox(&gauges, totals);
    }
    for endpoint in admin.callbacks.status() {
        let (asking, telling) = (endpoint.breaker, endpoint.delivery_breaker);
        let metrics = &admin.metrics;
        metrics.breakers(&endpoint.name, asking == "open", telling == "open");
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], admin.metrics.encode()).into_response()
}

/// `counts` has one more than there are bounds.
fn spread(bounds: &[f64], counts: &[u64], sum: f64) -> Spread {
    Spread {
        ranges: bounds.iter().copied().zip(counts.iter().copied()).collect(),
        above: counts.last().copied().unwrap_or_default(),
        sum,
    }
}

async fn status(State(admin): State<Admin>) -> Response {
    let json = status::json(&admin).await;
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
