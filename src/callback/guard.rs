//! The address guard: which addresses an endpoint may have.
//!
//! What the operator wrote may be private, since business servers live inside. Link-local and
//! metadata addresses are refused, also behind a name and inside an IPv6 form of an IPv4
//! address, unless `allow_addresses` names that very address.
//!
//! Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries, and the documents of the
//! clouds for their metadata services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;

/// What becomes of a call to an address in a block.
#[derive(Clone, Copy, Debug)]
enum Rule {
    Call,
    Refuse(&'static str),
    /// What becomes of a call to one of the IPv4 addresses in it.
    Holds(fn([u16; 8]) -> Vec<Ipv4Addr>),
}

const METADATA: Rule = Rule::Refuse("a cloud metadata address");
const NO_HOST: Rule = Rule::Refuse("not an address of a host");
const MANY_HOSTS: Rule = Rule::Refuse("not an address of one host");
const LINK_LOCAL: Rule = Rule::Refuse("link-local");

/// Of the blocks that an address is in, the smallest decides; in none, it may be called.
const BLOCKS: &[(&str, Rule)] = &[
    ("0.0.0.0/8", NO_HOST),
    ("10.0.0.0/8", Rule::Call),
    ("100.64.0.0/10", Rule::Call),
    ("100.100.100.200/32", METADATA), // Alibaba
    ("127.0.0.0/8", Rule::Call),
    ("168.63.129.16/32", METADATA), // Azure
    (
        "169.254.0.0/16",
        Rule::Refuse("link-local, where cloud metadata lives"),
    ),
    ("172.16.0.0/12", Rule::Call),
    ("192.0.0.0/24", NO_HOST),
    ("192.0.0.192/32", METADATA), // Oracle
    ("192.0.2.0/24", Rule::Call),
    ("192.31.196.0/24", Rule::Call),
    ("192.52.193.0/24", Rule::Call),
    ("192.88.99.0/24", MANY_HOSTS),
    ("192.168.0.0/16", Rule::Call),
    ("192.175.48.0/24", Rule::Call),
    ("198.18.0.0/15", Rule::Call),
    ("198.51.100.0/24", Rule::Call),
    ("203.0.113.0/24", Rule::Call),
    ("224.0.0.0/4", MANY_HOSTS),
    ("240.0.0.0/4", NO_HOST),
    ("255.255.255.255/32", MANY_HOSTS),
    ("::/128", NO_HOST),
    ("::1/128", Rule::Call),
    ("::/96", Rule::Holds(last)),
    ("::ffff:0:0/96", Rule::Holds(last)),
    ("::ffff:0:0:0/96", Rule::Holds(last)),
    ("64:ff9b::/96", Rule::Holds(last)),
    ("64:ff9b:1::/48", Rule::Holds(translated)),
    ("100::/64", NO_HOST),
    ("100:0:0:1::/64", NO_HOST),
    ("2001::/23", Rule::Call),
    ("2001::/32", Rule::Holds(teredo)),
    ("2001:10::/28", NO_HOST),
    ("2001:20::/28", NO_HOST),
    ("2001:30::/28", NO_HOST),
    ("2001:db8::/32", Rule::Call),
    ("2002::/16", Rule::Holds(six_to_four)),
    ("2620:4f:8000::/48", Rule::Call),
    ("3fff::/20", Rule::Call),
    ("5f00::/16", NO_HOST),
    ("fc00::/7", Rule::Call),
    ("fd00:42::42/128", METADATA),        // Scaleway
    ("fd00:c1::a9fe:a9fe/128", METADATA), // Oracle
    ("fd00:ec2::254/128", METADATA),      // Amazon
    ("fd20:ce::254/128", METADATA),       // Google
    ("fe80::/10", LINK_LOCAL),
    ("fec0::/10", LINK_LOCAL),
    ("ff00::/8", MANY_HOSTS),
];

/// Why an address is refused; `None` when it may be called.
pub(super) fn forbidden(address: IpAddr, allowed: &[IpNet]) -> Option<&'static str> {
    let named = allowed
        .iter()
        .any(|net| net.prefix_len() == net.max_prefix_len() && net.addr() == address);
    if named {
        return None;
    }
    let inside = |addresses: Vec<Ipv4Addr>| {
        let mut inside = addresses.into_iter();
        inside.find_map(|v4| forbidden(IpAddr::V4(v4), allowed))
    };
    match rule_of(address) {
        Rule::Call => match address {
            // In any network, the last part may hold an address of another.
            IpAddr::V6(v6) if is_isatap(v6) => inside(last(v6.segments())),
            _ => None,
        },
        Rule::Refuse(why) => Some(why),
        Rule::Holds(addresses) => match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => inside(addresses(v6.segments())),
        },
    }
}

/// The same table, read once.
static NETS: LazyLock<Vec<(IpNet, Rule)>> = LazyLock::new(|| {
    let blocks = BLOCKS.iter();
    blocks.map(|(block, rule)| (net(block), *rule)).collect()
});

fn rule_of(address: IpAddr) -> Rule {
    NETS.iter()
        .filter(|(block, _)| block.contains(&address))
        .max_by_key(|(block, _)| block.prefix_len())
        .map_or(Rule::Call, |(_, rule)| *rule)
}

fn net(block: &str) -> IpNet {
    block.parse().expect("a test walks the table")
}

/// The same for a URL's host when it is written as an address.
pub(super) fn literal_is_forbidden(
    url: &url::Url,
    allowed: &[IpNet],
) -> Option<(IpAddr, &'static str)> {
    let host = url.host_str()?;
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = literal.parse().ok()?;
    forbidden(address, allowed).map(|why| (address, why))
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

/// Mapped, compatible, translated, and behind NAT64.
fn last(s: [u16; 8]) -> Vec<Ipv4Addr> {
    vec![v4(s[6], s[7])]
}

/// A NAT64 of one's own may have its address at the end, or behind the first 48 bits with a byte
/// of zeros in its middle.
fn translated(s: [u16; 8]) -> Vec<Ipv4Addr> {
    let low = (s[4] & 0xff) << 8 | s[5] >> 8;
    vec![v4(s[6], s[7]), v4(s[3], low)]
}

/// The server, and the client with all its bits turned.
fn teredo(s: [u16; 8]) -> Vec<Ipv4Addr> {
    vec![v4(s[2], s[3]), v4(!s[6], !s[7])]
}

fn six_to_four(s: [u16; 8]) -> Vec<Ipv4Addr> {
    vec![v4(s[1], s[2])]
}

fn is_isatap(address: Ipv6Addr) -> bool {
    let s = address.segments();
    s[4] & !0x0200 == 0 && s[5] == 0x5efe
}

/// The error that a refused DNS answer travels in, found again in the error chain.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{host}` resolves to {address}, which is {why}; to call it all the same, name it in `allow_addresses`"
)]
pub(super) struct BlockedAddress {
    pub host: String,
    pub address: IpAddr,
    pub why: &'static str,
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
            "240.0.0.1",
            "224.0.0.1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "::",
            "ff02::1",
            "100::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:ffff::169.254.169.254",
            "2002:a9fe:a9fe::1",
            // Teredo: the server's address, and the client's with its bits turned.
            "2001:0:a9fe:a9fe::1",
            "2001:0:808:808:0:0:5601:5601",
            "fd12::5efe:a9fe:a9fe",
            "2001:db8::200:5efe:a9fe:a9fe",
        ] {
            check(address, &[], true);
        }
    }

    /// The IANA registries, whole, with what becomes of a call to an ordinary address in each.
    #[test]
    fn every_block_of_the_registries_has_its_rule() {
        let refused = [
            "0.0.0.0/8",
            "0.0.0.0/32",
            "169.254.0.0/16",
            "192.0.0.0/24",
            "192.0.0.0/29",
            "192.0.0.8/32",
            "192.0.0.9/32",
            "192.0.0.10/32",
            "192.0.0.170/32",
            "192.0.0.171/32",
            "192.88.99.0/24",
            "192.88.99.2/32",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "255.255.255.255/32",
            "::/128",
            "100::/64",
            "100:0:0:1::/64",
            "2001:10::/28",
            "2001:20::/28",
            "2001:30::/28",
            "5f00::/16",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ];
        let called = [
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "::1/128",
            "2001:1::1/128",
            "2001:1::2/128",
            "2001:1::3/128",
            "2001:2::/48",
            "2001:3::/32",
            "2001:4:112::/48",
            "2001:db8::/32",
            "2620:4f:8000::/48",
            "3fff::/20",
            "fc00::/7",
        ];
        for (blocks, expected) in [(&refused[..], true), (&called[..], false)] {
            for block in blocks {
                let block = net(block);
                for address in [block.network(), block.broadcast()] {
                    let found = forbidden(address, &[]);
                    assert_eq!(found.is_some(), expected, "{address} of {block}: {found:?}");
                }
            }
        }
        // What holds an IPv4 address is judged by it.
        for (block, evil, good) in [
            ("::ffff:0:0/96", "::ffff:a9fe:1", "::ffff:a00:1"),
            ("64:ff9b::/96", "64:ff9b::a9fe:1", "64:ff9b::a00:1"),
            (
                "64:ff9b:1::/48",
                "64:ff9b:1::a9fe:1",
                "64:ff9b:1:a00:0:100:a00:1",
            ),
            (
                "2001::/32",
                "2001:0:a9fe:1::f5ff:fffe",
                "2001:0:a00:1::f5ff:fffe",
            ),
            ("2002::/16", "2002:a9fe:1::", "2002:a00:1::"),
        ] {
            for (address, expected) in [(evil, true), (good, false)] {
                assert!(net(block).contains(&address.parse::<IpAddr>().unwrap()));
                check(address, &[], expected);
            }
        }
    }

    #[test]
    fn every_block_of_the_table_can_be_read_and_stands_once() {
        let blocks: std::collections::HashSet<_> =
            BLOCKS.iter().map(|(block, _)| net(block).trunc()).collect();
        assert_eq!(blocks.len(), BLOCKS.len());
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
            let url = url::Url::parse(url).unwrap();
            assert!(literal_is_forbidden(&url, &[]).is_some(), "{url}");
        }
        let url = url::Url::parse("http://business.example/").unwrap();
        assert!(literal_is_forbidden(&url, &[]).is_none());
    }
}
