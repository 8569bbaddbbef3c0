//! Whether an address in a file leads to callgate, to the right port and to a path that is served.

use std::net::{IpAddr, SocketAddr};

use url::Url;

use super::remark::{Here, Remark, remark};
use crate::event::DialectId;
use crate::policy::UrlAddress;

/// The port of each number in [`Here::listeners`].
const PORTS: [&str; 3] = ["grpc", "http", "admin"];
const GRPC: usize = 0;
const HTTP: usize = 1;

/// A key of a file that holds a URL; `path` is the one that callgate's own documents name.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub file: &'a str,
    pub name: &'a str,
    pub server: &'a str,
    pub dialect: DialectId,
    pub path: &'a str,
}

/// Where the URL of a key leads.
pub(super) fn url(key: Key<'_>, written: &str, here: &Here) -> Remark {
    let Key {
        file, name, server, ..
    } = key;
    if written.is_empty() {
        let what = format!("{file}: there is no {name}, so {server} calls nobody");
        return remark("pointed_elsewhere", true, what);
    }
    let write = format!("write {}", wanted(key, here));
    let Some(port) = UrlAddress::parse(written).and_then(|address| port_of(&address, here)) else {
        let what = format!(
            "{file}: {name} {written} leads elsewhere, so callgate is never asked; {write}"
        );
        return remark("pointed_elsewhere", true, what);
    };
    if port != HTTP {
        let port = PORTS.get(port).unwrap_or(&"another");
        let what =
            format!("{file}: {name} {written} leads to the port {port} of callgate; {write}");
        return remark("wrong_port", true, what);
    }
    match served(written, here) {
        _ if here.routes.is_empty() => {}
        Some(dialect) if is_same_server(dialect, key.dialect) => {}
        Some(other) => {
            let what = format!(
                "{file}: {name} {written} is a path where callgate takes calls of {other}; {write}"
            );
            return remark("wrong_path", true, what);
        }
        None => {
            let what =
                format!("{file}: {name} {written} is a path that callgate does not serve; {write}");
            return remark("wrong_path", true, what);
        }
    }
    let what = format!("{file}: {name} {written} leads to callgate");
    remark("pointed_here", false, what)
}

/// Where an address of gRPC leads, `host:port`.
pub(super) fn grpc(key: Key<'_>, written: &str, here: &Here) -> Remark {
    let Key { file, name, .. } = key;
    let address = UrlAddress::parse(&format!("http://{written}"));
    match address.and_then(|address| port_of(&address, here)) {
        Some(GRPC) => {
            let what = format!("{file}: {name} {written} leads to callgate");
            remark("pointed_here", false, what)
        }
        found => {
            let (fault, leads) = match found {
                Some(_) => ("wrong_port", "leads to another port of callgate"),
                None => (
                    "pointed_elsewhere",
                    "leads elsewhere, so callgate is never asked",
                ),
            };
            let what = format!(
                "{file}: {name} {written} {leads}; write <callgate>:{}",
                number(here, GRPC, 50051)
            );
            remark(fault, true, what)
        }
    }
}

/// The number of the listener that an address leads to.
fn port_of(address: &UrlAddress, here: &Here) -> Option<usize> {
    // A name may be this machine's; its port says more.
    let is_name = address.host.parse::<IpAddr>().is_err();
    here.listeners
        .iter()
        .position(|own| address.reaches(own) || is_name && own.port() == address.port)
}

/// What is served at the path of a URL: the longest prefix first, as the port has it.
fn served(written: &str, here: &Here) -> Option<DialectId> {
    let url = Url::parse(written).ok()?;
    let path = url.path().trim_end_matches('/').to_lowercase();
    let fits = |prefix: &str| {
        let prefix = prefix.trim_end_matches('/').to_lowercase();
        path.strip_prefix(&*prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut routes = here.routes.iter();
    let found = routes.find(|(prefix, _)| fits(prefix));
    found.map(|(_, dialect)| *dialect)
}

/// The versions of one server call each other's paths.
fn is_same_server(a: DialectId, b: DialectId) -> bool {
    let family = |dialect| match dialect {
        DialectId::OpenImV2 => DialectId::OpenIm,
        other => other,
    };
    family(a) == family(b)
}

fn wanted(key: Key<'_>, here: &Here) -> String {
    let port = number(here, HTTP, 10006);
    // A path of the operator's own may be a secret.
    format!("http://<callgate>:{port}{}", key.path)
}

fn number(here: &Here, listener: usize, unsaid: u16) -> u16 {
    let listener = here.listeners.get(listener);
    listener.map_or(unsaid, SocketAddr::port)
}
