//! The three ports, opened or taken over.

use std::net::TcpListener;

use anyhow::{Context, anyhow, bail};
use tracing::warn;

use crate::cli::engine_file::connections_wanted;
use crate::cli::start_text::Addresses;
use crate::config::Config;
use crate::server::{self, Fit, Inherited, PORT_NAMES};

/// The three ports, open.
pub(in crate::cli) struct Listeners {
    pub(in crate::cli) grpc: TcpListener,
    pub(in crate::cli) http: TcpListener,
    pub(in crate::cli) admin: TcpListener,
}

impl Listeners {
    /// Opens the ports, or takes over those that the parent process keeps open.
    pub(in crate::cli) async fn open(config: &Config) -> anyhow::Result<Listeners> {
        let names = std::env::var("LISTEN_FDNAMES").ok();
        let mut inherited = Inherited::take_over(names.as_deref())
            .context("the sockets of LISTEN_FDS could not be taken over")?;
        let configured = [config.http.listen, config.grpc.listen, config.admin.listen];
        let mut listeners = Vec::new();
        for (name, address) in PORT_NAMES.into_iter().zip(configured) {
            listeners.push(match inherited.take(name, address) {
                Some(listener) => listener,
                None => server::listen(address).await.with_context(|| {
                    format!(
                        "{address} cannot be listened on; free it or set `{name}.listen` in \
                         engine.yaml"
                    )
                })?,
            });
        }
        if let Some(left) = inherited.left() {
            bail!(
                "nothing listens on {left}: name the sockets of LISTEN_FDS {}, or give each the \
                 port that engine.yaml has",
                PORT_NAMES.join(", ")
            );
        }
        let [http, grpc, admin] = listeners
            .try_into()
            .map_err(|_| anyhow!("there are three ports"))?;
        Ok(Listeners { grpc, http, admin })
    }

    pub(in crate::cli) fn addresses(&self) -> anyhow::Result<Addresses> {
        Ok(Addresses {
            grpc: self.grpc.local_addr()?,
            http: self.http.local_addr()?,
            admin: self.admin.local_addr()?,
        })
    }
}

/// Raises the limit of open files, and says when not all fits.
pub(super) fn fitting_connections(config: &Config) -> [usize; 3] {
    let wanted = connections_wanted(config);
    let Some(limit) = server::raise_limit() else {
        return wanted;
    };
    let fit = Fit::new(limit, wanted, config.connections.files_reserve);
    if !fit.is_whole() {
        warn!("{}", fit.explain());
    }
    fit.connections
}
