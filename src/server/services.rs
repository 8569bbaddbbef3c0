//! What the gRPC port serves: hooks, WuKongIM's webhook, health and reflection.

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::grpc::{GrpcSettings, hook_service};
use super::webhook::Webhooks;
use super::wukongim_grpc::webhook_service;
use crate::callers::Callers;
use crate::hook::{After, Before};
use crate::proto;
use crate::reload::Policies;

const HOOK_SERVICE: &str = "callgate.v1.HookService";

/// Says over `grpc.health.v1` whether calls are taken.
pub struct Health(HealthReporter);

/// The routes of the gRPC port, and its health, which is to be run.
///
/// Errors: the descriptors for reflection cannot be read.
pub fn grpc_routes(
    settings: GrpcSettings,
    policies: Arc<Policies>,
    before: Arc<Before>,
    after: Arc<After>,
    webhooks: Arc<Webhooks>,
    callers: Arc<Callers>,
) -> Result<(Router, Health), String> {
    let wukongim_bytes_max = settings.wukongim_message_bytes_max;
    let (reporter, health) = tonic_health::server::health_reporter();
    let routes = Routes::new(hook_service(settings, policies, before, after, callers))
        .add_service(webhook_service(webhooks, wukongim_bytes_max))
        .add_service(health);
    let served = [
        HOOK_SERVICE,
        "wkhook.WebhookService",
        "grpc.health.v1.Health",
    ];
    let routes = reflection(routes, &served)?;
    Ok((routes.into_axum_router(), Health(reporter)))
}

/// Adds reflection to what a port serves. It lists what is `served` there, and knows the messages
/// of all, the details of errors too.
///
/// Errors: the descriptors cannot be read.
pub fn reflection(routes: Routes, served: &[&str]) -> Result<Routes, String> {
    let builder = |own: &str| {
        let mut builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET);
        for name in served.iter().chain([&own]) {
            builder = builder.with_service_name(*name);
        }
        builder
    };
    let unread = |error| format!("the reflection service could not be made: {error}");
    let v1 = builder("grpc.reflection.v1.ServerReflection").build_v1();
    // gRPC's own client for Python asks for no other.
    let v1alpha = builder("grpc.reflection.v1alpha.ServerReflection").build_v1alpha();
    Ok(routes
        .add_service(v1.map_err(unread)?)
        .add_service(v1alpha.map_err(unread)?))
}

impl Health {
    /// Serving until `stop`, and not serving from then on.
    pub async fn follow(self, stop: CancellationToken) {
        let Health(reporter) = self;
        reporter
            .set_service_status(HOOK_SERVICE, ServingStatus::Serving)
            .await;
        stop.cancelled().await;
        for name in [HOOK_SERVICE, ""] {
            reporter
                .set_service_status(name, ServingStatus::NotServing)
                .await;
        }
    }
}
