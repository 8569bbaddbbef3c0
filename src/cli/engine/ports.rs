//! What each port serves, with which limits.

use std::net::TcpListener;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use super::Engine;
use crate::admin::{self, Access, Admin};
use crate::callback::HOP_HEADER;
use crate::cli::storage;
use crate::config::PortConnections;
use crate::doctor::Here;
use crate::server::{
    self, ConnectionLimits, GrpcSettings, Health, Hosts, HttpSettings, Listener, OwnCalls,
    Patience, Port, Proxied, Routes, Secured, Stack, StackSettings, Wire,
};
use crate::storage::Backups;

/// Streams of requests, which end when their callers like.
const GRPC_STREAMS: [&str; 3] = [
    "/callgate.v1.HookService/BeforeStream",
    admin::REFLECTION[0],
    admin::REFLECTION[1],
];

impl Engine {
    /// The port, and what says whether it serves.
    pub(super) fn grpc(&self, listener: TcpListener) -> anyhow::Result<(Port, Health)> {
        let settings = GrpcSettings {
            message_bytes_max: self.config.grpc.message_bytes_max,
            wukongim_message_bytes_max: self.config.wukongim.body_bytes_max,
            in_flight_max: self.config.grpc.in_flight_max,
        };
        let (routes, health) = server::grpc_routes(
            settings,
            self.policies.clone(),
            self.before.clone(),
            self.after.clone(),
            self.webhooks.clone(),
            self.callers.clone(),
        )
        .map_err(anyhow::Error::msg)?;
        let port = Port {
            name: "grpc",
            listener,
            threads: threads(self.config.grpc.threads),
            limits: limits(&self.config.grpc.connections, self.connections[1]),
            stack: self.stack(
                "grpc",
                Wire::Http2,
                &GRPC_STREAMS,
                Routes::Routed {
                    routes,
                    callers: Some(self.callers.clone()),
                },
            ),
        };
        Ok((port, health))
    }

    pub(super) fn http(&self, listener: TcpListener) -> Port {
        let settings = HttpSettings {
            body_bytes_max: self.config.http.body_bytes_max,
            large_body_bytes_max: self.config.wukongim.body_bytes_max,
            large_bodies_max: self.config.wukongim.large_bodies_max,
            routes: self.config.http.routes.served.clone(),
            shown_routes: self.config.http.routes.shown(),
        };
        let own = OwnCalls::new(HOP_HEADER, &self.config.installation);
        let listener_of_calls = Listener::new(settings, self.webhooks.clone(), own);
        Port {
            name: "http",
            listener,
            threads: threads(self.config.http.threads),
            limits: limits(&self.config.http.connections, self.connections[0]),
            stack: self.stack("http", Wire::Any, &[], Routes::Webhooks(listener_of_calls)),
        }
    }

    pub(super) fn admin(&self, listener: TcpListener) -> anyhow::Result<Port> {
        let routes = admin::router(Admin {
            policies: self.policies.clone(),
            lists: Arc::new(self.lists()),
            callbacks: self.callbacks.clone(),
            outbox: self.outbox.clone(),
            observed: self.observed.clone(),
            lately: self.lately.clone(),
            outbox_limits: self.config.usage_limits(),
            clock: self.clock,
            metrics: self.metrics.clone(),
            history: self.history.clone(),
            recordings: self.recordings.clone(),
            trials: self.trials.clone(),
            rooms: self.rooms.clone(),
            callers: self.callers.clone(),
            ready: self.ready.clone(),
            hosts: Arc::new(Hosts::new(&self.config.admin.hosts)),
            certificates: self.certificates.clone(),
            audit: self.audit.clone(),
            versions: self.versions.clone(),
            operators: self.operators.clone(),
            proxy: self.proxy.clone(),
            backups: Arc::new(Backups::new(storage::places(&self.config))),
            check_ups: Arc::new(admin::CheckUps::new(
                self.config.admin.doctor_timeout,
                self.here(),
            )),
            tls: self.config.admin.tls.is_some(),
            access: Access {
                // Who comes past the proxy would be anybody, with all that there is.
                open: !self.config.admin.needs_token() && self.proxy.is_none(),
                command_line: self.token,
            },
            metrics_open: self.config.admin.metrics_open,
            plans: Arc::new(admin::Plans::new(self.clock)),
            api: admin::ApiLimits {
                calls_per_second: self.config.admin.api.calls_per_second,
                burst: self.config.admin.api.burst,
                body_bytes_max: self.config.admin.api.body_bytes_max,
            },
            preview_share_max: self.config.preview_share_max,
            engine_warnings: self.warnings.clone(),
        })
        .map_err(anyhow::Error::msg)?;
        Ok(Port {
            name: "admin",
            listener,
            // Who watches is answered while everything else is busy.
            threads: 1,
            limits: limits(&self.config.admin.connections, self.connections[2]),
            stack: self.stack(
                "admin",
                Wire::Any,
                &admin::REFLECTION,
                Routes::Routed {
                    routes,
                    callers: None,
                },
            ),
        })
    }

    /// Where IM servers find this process.
    fn here(&self) -> Here {
        Here {
            listeners: self.config.listeners(),
            routes: self.config.http.routes.served.clone(),
        }
    }

    fn stack(
        &self,
        port: &'static str,
        wire: Wire,
        endless: &'static [&'static str],
        routes: Routes,
    ) -> Stack {
        let tls = self.certificates.of_port(port);
        let connections = &self.config.connections;
        let proxied = self.config.proxied(port);
        let settings = StackSettings {
            wire,
            patience: Patience {
                head: connections.head_timeout,
                idle: connections.idle_timeout,
                answer: connections.answer_timeout,
            },
            streams_max: connections.streams_max,
            endless,
            bodies: Arc::clone(&self.bodies),
            proxied: proxied
                .then(|| Proxied::new(port, self.callers.clone(), self.metrics.port(port))),
            tls: tls.map(|tls| Secured::new(port, tls, self.metrics.clone())),
            metrics: self.metrics.port(port),
        };
        Stack::new(settings, routes)
    }
}

fn limits(configured: &PortConnections, fitting: usize) -> ConnectionLimits {
    ConnectionLimits {
        connections_max: fitting,
        per_peer_max: configured.per_peer_max,
    }
}

/// 0 is one per core.
fn threads(configured: usize) -> usize {
    match configured {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    }
}
