//! Where a running server is, and how it is called when it has TLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::anyhow;

use super::engine_file::load_config;
use super::files::Files;
use super::token;
use crate::config::Config;
use crate::tls::{CallingFiles, ServingFiles};

/// How a server with TLS is called, as the command line says.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct TlsArgs {
    /// Whom to trust when the server has TLS, as PEM, instead of those whom this machine trusts.
    /// The certificate that engine.yaml names for the port is trusted in any case.
    #[arg(long, global = true, env = "CALLGATE_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our certificate, for a server that asks who calls; with `--client-key`.
    #[arg(long, global = true, env = "CALLGATE_CLIENT_CERT", value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// The key of `--client-cert`.
    #[arg(long, global = true, env = "CALLGATE_CLIENT_KEY", value_name = "FILE")]
    client_key: Option<PathBuf>,
}

/// Which running server a command asks at its operators' port.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct AdminArgs {
    /// Operators' address of the running server; without it `admin.listen` of engine.yaml.
    #[arg(long, global = true, env = "CALLGATE_ADMIN", value_name = "URL")]
    pub(super) server: Option<String>,
    #[command(flatten)]
    tls: TlsArgs,
}

impl AdminArgs {
    /// Errors: the options do not fit each other, or engine.yaml is needed and cannot be read.
    pub(super) fn reach(&self, files: &Files) -> anyhow::Result<Reach> {
        Reach::find(Asked::Admin, self.server.clone(), &self.tls, files)
    }
}

/// A server, and what it is called with.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) url: String,
    pub(super) tls: CallingFiles,
    /// What it knows us by, if there is anything.
    pub(super) token: Option<String>,
}

/// A port that commands ask.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Admin,
    Grpc,
}

impl Asked {
    fn own_url(self, config: &Config) -> String {
        let (listen, tls) = match self {
            Asked::Admin => (config.admin.listen, &config.admin.tls),
            Asked::Grpc => (config.grpc.listen, &config.grpc.tls),
        };
        url_of(listen, tls.is_some())
    }

    fn files(self, config: &Config) -> Option<&ServingFiles> {
        match self {
            Asked::Admin => config.admin.tls.as_ref(),
            Asked::Grpc => config.grpc.tls.as_ref(),
        }
    }

    fn default_url(self) -> &'static str {
        match self {
            Asked::Admin => "http://127.0.0.1:10007",
            Asked::Grpc => "http://127.0.0.1:50051",
        }
    }
}

impl Reach {
    /// The server at `url`; without one that of engine.yaml, or of the defaults when that file
    /// cannot be read: the server itself says what is wrong with its settings.
    ///
    /// Errors: the options do not fit each other.
    pub(super) fn find(
        asked: Asked,
        url: Option<String>,
        args: &TlsArgs,
        files: &Files,
    ) -> anyhow::Result<Reach> {
        let env: Vec<_> = std::env::vars().collect();
        let config = load_config(&files.policies, &env);
        // A server elsewhere is reached without any file of this machine.
        let config = match url {
            Some(_) => config.ok().and_then(Result::ok),
            None => config?.ok(),
        };
        Reach::of(asked, url, args, config.as_ref())
    }

    /// The same with engine.yaml as it was read.
    pub(super) fn of(
        asked: Asked,
        url: Option<String>,
        args: &TlsArgs,
        config: Option<&Config>,
    ) -> anyhow::Result<Reach> {
        let own = config.map(|config| asked.own_url(config));
        let url = match url {
            Some(url) => whole(url, own.as_deref()),
            None => own.unwrap_or_else(|| asked.default_url().to_owned()),
        };
        let client = match (&args.client_cert, &args.client_key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            _ => {
                return Err(anyhow!(
                    "`--client-cert` and `--client-key` belong together"
                ));
            }
        };
        let own = config.and_then(|config| asked.files(config));
        // What this user cannot read is not trusted, and the server may not even be this one.
        let known = own.map(|files| files.cert.clone());
        let known = known.filter(|path| std::fs::File::open(path).is_ok());
        let is_own = config.is_some_and(|config| asked.own_url(config) == url);
        Ok(Reach {
            token: token::for_server(config, &url, is_own),
            url,
            tls: CallingFiles {
                ca: args.ca.clone(),
                client,
                known: known.into_iter().collect(),
            },
        })
    }
}

/// What is named without a scheme is spoken to in plain text, or as engine.yaml says of its own port.
fn whole(url: String, own: Option<&str>) -> String {
    if url.contains("://") {
        return url;
    }
    let is_it = |own: &&str| own.split_once("://").is_some_and(|(_, place)| place == url);
    let own = own.filter(is_it).map(str::to_owned);
    own.unwrap_or_else(|| format!("http://{url}"))
}

/// The URL at which a listener can be reached from this machine.
pub(super) fn url_of(listen: SocketAddr, tls: bool) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_with_a_scheme_or_without() {
        let own = Some("https://127.0.0.1:10007");
        for (url, expected) in [
            ("http://h:1", "http://h:1"),
            ("https://h:1", "https://h:1"),
            ("h:1", "http://h:1"),
            ("127.0.0.1:10007", "https://127.0.0.1:10007"),
            ("127.0.0.1:10008", "http://127.0.0.1:10008"),
        ] {
            assert_eq!(whole(url.to_owned(), own), expected);
        }
        assert_eq!(
            whole("127.0.0.1:10007".to_owned(), None),
            "http://127.0.0.1:10007"
        );
    }

    #[test]
    fn a_listener_on_every_address_is_reached_over_loopback() {
        let check =
            |listen: &str, url: &str| assert_eq!(url_of(listen.parse().unwrap(), false), url);
        check("0.0.0.0:10007", "http://127.0.0.1:10007");
        check("[::]:10007", "http://[::1]:10007");
        check("10.1.2.3:80", "http://10.1.2.3:80");
        let tls = url_of("[::]:10007".parse().unwrap(), true);
        assert_eq!(tls, "https://[::1]:10007");
    }
}
