//! The address guard: which addresses an endpoint may have.
//!
//! What the operator wrote may be private, since business servers live inside. Link-local and
//! metadata addresses are refused, also behind a name and inside an IPv6 form of an IPv4
//! address, unless `allow_addresses` names that very address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Why an address is refused; `None` when it may be called.
pub fn forbidden(address: IpAddr, allowed: &[IpNet]) -> Option<&'static str> {
    let named = |address: IpAddr| {
        allowed
            .iter()
            .any(|net| net.prefix_len() == net.max_prefix_len() && net.addr() == address)
    };
    if named(address) {
        return None;
    }
    match address {
        IpAddr::V4(v4) => forbidden_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) if named(IpAddr::V4(v4)) => None,
            Some(v4) => forbidden_v4(v4),
            None => forbidden_v6(v6),
        },
    }
}

/// The same for a URL's host when it is written as an address.
pub fn literal_is_forbidden(
    url: &reqwest::Url,
    allowed: &[IpNet],
) -> Option<(IpAddr, &'static str)> {
    let host = url.host_str()?;
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = literal.parse().ok()?;
    forbidden(address, allowed).map(|why| (address, why))
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    let octets = address.octets();
    // Metadata services outside of link-local: Alibaba, Oracle, Azure.
    let metadata = [[100, 100, 100, 200], [192, 0, 0, 192], [168, 63, 129, 16]];
    if address.is_link_local() {
        Some("link-local, where cloud metadata lives")
    } else if metadata.contains(&octets) {
        Some("a cloud metadata address")
    } else if octets[0] == 0 {
        Some("not an address of a host")
    } else if address.is_multicast() || address.is_broadcast() {
        Some("not an address of one host")
    } else {
        None
    }
}

fn forbidden_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    if segments[0] & 0xffc0 == 0xfe80 {
        Some("link-local")
    } else if segments == [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] {
        Some("a cloud metadata address")
    } else if address.is_unspecified() {
        Some("not an address of a host")
    } else if address.is_multicast() {
        Some("not an address of one host")
    } else {
        None
    }
}

/// IPv4 inside IPv6: mapped, compatible, NAT64 and 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let from = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(from(high, low)),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

/// The error that a refused DNS answer travels in, found again in the error chain.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{host}` resolves to {address}, which is {why}; to call it all the same, name it in `allow_addresses`"
)]
pub struct BlockedAddress {
    pub host: String,
    pub address: IpAddr,
    pub why: &'static str,
}

/// Resolves names by the system and lets only permitted addresses through.
///
/// One forbidden address refuses the whole answer: mixed answers are a sign of an attack.
pub struct GuardedResolver {
    pub allowed: Arc<[IpNet]>,
    pub timeout: Duration,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.allowed);
        let timeout = self.timeout;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let look_up = tokio::net::lookup_host((host.clone(), 0));
            let addresses: Vec<SocketAddr> = tokio::time::timeout(timeout, look_up)
                .await
                .map_err(|_| {
                    let what = format!("`{host}` did not resolve within {timeout:?}");
                    io::Error::new(io::ErrorKind::TimedOut, what)
                })??
                .collect();
            for address in &addresses {
                if let Some(why) = forbidden(address.ip(), &allowed) {
                    return Err(Box::new(BlockedAddress {
                        host,
                        address: address.ip(),
                        why,
                    })
                        as Box<dyn std::error::Error + Send + Sync>);
                }
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, allowed: &[&str], refused: bool) {
        let nets: Vec<IpNet> = allowed.iter().map(|net| net.parse().unwrap()).collect();
        let result = forbidden(address.parse().unwrap(), &nets);
        assert_eq!(
            result.is_some(),
            refused,
            "{address} with {allowed:?}: {result:?}"
        );
    }

    #[test]
    fn private_and_public_addresses_may_be_called() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.9",
            "172.17.0.1",
            "8.8.8.8",
            "::1",
            "fd12::1",
            "2001:db8::1",
        ] {
            check(address, &[], false);
        }
    }

    #[test]
    fn link_local_and_metadata_are_refused_in_every_spelling() {
        for address in [
            "169.254.169.254",
            "169.254.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "::",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ] {
            check(address, &[], true);
        }
    }

    #[test]
    fn only_naming_the_very_address_lifts_the_guard() {
        check("169.254.169.254", &["169.254.169.254/32"], false);
        check("169.254.169.254", &["0.0.0.0/0"], true);
        check("169.254.169.254", &["169.254.0.0/16"], true);
        check("::ffff:169.254.169.254", &["169.254.169.254/32"], false);
        check("fe80::1", &["fe80::1/128"], false);
    }

    #[test]
    fn literal_hosts_are_seen_through_their_spellings() {
        for url in [
            "http://169.254.169.254/x",
            "http://0xa9fea9fe/",
            "http://2852039166/",
            "http://[::ffff:a9fe:a9fe]:80/",
        ] {
            let url = reqwest::Url::parse(url).unwrap();
            assert!(literal_is_forbidden(&url, &[]).is_some(), "{url}");
        }
        let url = reqwest::Url::parse("http://business.example/").unwrap();
        assert!(literal_is_forbidden(&url, &[]).is_none());
    }
}
