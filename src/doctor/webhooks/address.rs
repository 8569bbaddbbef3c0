//! Whether an address in a file leads to callgate, to the right port and to a path that is served.

use std::net::{IpAddr, SocketAddr};

use url::Url;

use super::remark::{Here, Remark, RemarkKind, remark};
use crate::doctor::said::{Said, said};
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
        let what = said(
            format!("{file}: there is no {name}, so {server} calls nobody"),
            format!("{file}：没有 {name}，因此 {server} 不调用任何人"),
        );
        return remark(RemarkKind::PointedElsewhere, true, what);
    }
    let write = wanted(key, here);
    let leads = |to: &str, chinese: &str| {
        said(
            format!("{file}: {name} {written} {to}; write {write}"),
            format!("{file}：{name} {written} {chinese}；请写 {write}"),
        )
    };
    let Some(port) = UrlAddress::parse(written).and_then(|address| port_of(&address, here)) else {
        let Said { english, chinese } = elsewhere();
        let what = leads(&english, &chinese);
        return remark(RemarkKind::PointedElsewhere, true, what);
    };
    if port != HTTP {
        let port = PORTS.get(port).unwrap_or(&"another");
        let what = leads(
            &format!("leads to the port {port} of callgate"),
            &format!("指向 callgate 的 {port} 端口"),
        );
        return remark(RemarkKind::WrongPort, true, what);
    }
    match served(written, here) {
        _ if here.routes.is_empty() => {}
        Some(dialect) if is_same_server(dialect, key.dialect) => {}
        Some(other) => {
            let what = leads(
                &format!("is a path where callgate takes calls of {other}"),
                &format!("是 callgate 接受 {other} 调用的路径"),
            );
            return remark(RemarkKind::WrongPath, true, what);
        }
        None => {
            let what = leads(
                "is a path that callgate does not serve",
                "是 callgate 不提供的路径",
            );
            return remark(RemarkKind::WrongPath, true, what);
        }
    }
    here_it_is(file, name, written)
}

fn here_it_is(file: &str, name: &str, written: &str) -> Remark {
    let what = said(
        format!("{file}: {name} {written} leads to callgate"),
        format!("{file}：{name} {written} 指向 callgate"),
    );
    remark(RemarkKind::PointedHere, false, what)
}

fn elsewhere() -> Said {
    said(
        "leads elsewhere, so callgate is never asked",
        "指向别处，因此从不询问 callgate",
    )
}

/// Where an address of gRPC leads, `host:port`.
pub(super) fn grpc(key: Key<'_>, written: &str, here: &Here) -> Remark {
    let Key { file, name, .. } = key;
    let address = UrlAddress::parse(&format!("http://{written}"));
    match address.and_then(|address| port_of(&address, here)) {
        Some(GRPC) => here_it_is(file, name, written),
        found => {
            let (kind, Said { english, chinese }) = match found {
                Some(_) => (
                    RemarkKind::WrongPort,
                    said(
                        "leads to another port of callgate",
                        "指向 callgate 的另一个端口",
                    ),
                ),
                None => (RemarkKind::PointedElsewhere, elsewhere()),
            };
            let port = number(here, GRPC, 50051);
            let what = said(
                format!("{file}: {name} {written} {english}; write <callgate>:{port}"),
                format!("{file}：{name} {written} {chinese}；请写 <callgate>:{port}"),
            );
            remark(kind, true, what)
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
