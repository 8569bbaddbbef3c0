//! A gRPC client that a plain test can call: it brings its own runtime.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BufMut};
use callgate::proto::v1;
use callgate::proto::v1::admin_service_client::AdminServiceClient;
use callgate::proto::v1::hook_service_client::HookServiceClient;
use tokio::runtime::Runtime;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
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

    /// Calls a method with these bytes as its message.
    pub fn raw(&self, path: &'static str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        self.runtime.block_on(async {
            client.ready().await.unwrap();
            let path = PathAndQuery::from_static(path);
            let answer = client.unary(Request::new(message), path, Raw).await?;
            Ok(answer.into_inner())
        })
    }
}

/// Messages as they are on the wire.
pub struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}
