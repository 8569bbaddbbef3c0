//! A gRPC client that a plain test can call: it brings its own runtime.

use std::net::SocketAddr;
use std::time::Duration;

use callgate::proto::v1;
use callgate::proto::v1::admin_service_client::AdminServiceClient;
use callgate::proto::v1::hook_service_client::HookServiceClient;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// May be used by several threads at the same time.
pub struct Grpc {
    pub runtime: Runtime,
    pub channel: Channel,
}

impl Grpc {
    pub fn connect(address: SocketAddr) -> Grpc {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = runtime.block_on(endpoint.connect()).unwrap();
        Grpc { runtime, channel }
    }

    pub fn hooks(&self) -> HookServiceClient<Channel> {
        HookServiceClient::new(self.channel.clone())
    }

    pub fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel.clone())
    }

    /// Asks with `grpc-timeout` if there is a `limit`.
    pub fn before_within(
        &self,
        request: v1::BeforeRequest,
        limit: Option<Duration>,
    ) -> Result<v1::BeforeResponse, Status> {
        let mut request = Request::new(request);
        if let Some(limit) = limit {
            request.set_timeout(limit);
        }
        let mut hooks = self.hooks();
        let answer = self.runtime.block_on(hooks.before(request))?;
        Ok(answer.into_inner())
    }

    pub fn before(&self, request: v1::BeforeRequest) -> v1::BeforeResponse {
        self.before_within(request, None).unwrap()
    }

    pub fn after(&self, events: Vec<v1::AfterEvent>) -> Result<v1::AfterResponse, Status> {
        let mut hooks = self.hooks();
        let answer = self
            .runtime
            .block_on(hooks.after(v1::AfterRequest { events }))?;
        Ok(answer.into_inner())
    }
}
