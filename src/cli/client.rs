//! Connecting to a running server: the same limits and the same words for every command.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tonic::transport::{Channel, Endpoint};

use crate::proto::v1::admin_service_client::AdminServiceClient;
use crate::proto::v1::hook_service_client::HookServiceClient;

/// How long a command waits for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The operators' port of a running server.
pub(super) type AdminClient = AdminServiceClient<Channel>;
/// The port of a running server that message services call.
pub(super) type HookClient = HookServiceClient<Channel>;

/// Connects to the operators' port at `url`.
///
/// Errors: it is not a valid URL, or no server answers there.
pub(super) async fn admin(url: &str) -> anyhow::Result<AdminClient> {
    let channel = connect(url).await.with_context(|| {
        format!("no callgate answers at {url}; name its `admin.listen` with --server")
    })?;
    Ok(AdminServiceClient::new(channel))
}

/// Connects to the gRPC port at `url`.
///
/// Errors: it is not a valid URL, or no server answers there.
pub(super) async fn hooks(url: &str) -> anyhow::Result<HookClient> {
    let channel = connect(url).await.with_context(|| {
        format!(
            "no callgate answers at {url}; start one with `callgate serve` or name it with --server"
        )
    })?;
    Ok(HookServiceClient::new(channel))
}

async fn connect(url: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned()).with_context(|| {
        format!("`{url}` is not a valid URL; write it like http://127.0.0.1:10007")
    })?;
    Ok(endpoint.connect_timeout(CONNECT_TIMEOUT).connect().await?)
}

/// The URL at which a listener can be reached from this machine.
pub(super) fn url_of(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

/// What a server said, for the person who asked.
pub(super) fn said(status: tonic::Status) -> anyhow::Error {
    anyhow!("{}", status.message())
}

/// Runs a command that asks a server.
///
/// Errors: the command's own, or no runtime.
pub(super) fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_over_loopback() {
        let check = |listen: &str, url: &str| assert_eq!(url_of(listen.parse().unwrap()), url);
        check("0.0.0.0:10007", "http://127.0.0.1:10007");
        check("[::]:10007", "http://[::1]:10007");
        check("10.1.2.3:80", "http://10.1.2.3:80");
    }
}
