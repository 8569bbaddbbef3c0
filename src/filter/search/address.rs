//! What is an address: names that end in a public suffix, and hosts that the whole internet can
//! reach.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Top-level domains that mark a bare domain. Those that are everyday words (`is`, `to`, `so`) or
/// endings of file names (`sh`, `py`, `md`) are not among them; behind them a path must stand.
const DOMAINS: &str = " com net org cn io cc tv vip top xyz club shop site online link live app dev ai info biz pro \
    ltd store tech icu wang hk tw jp kr uk ru de fr eu gg casino bet poker loan click website space fun asia mobi ";

/// Chinese top-level domains that hardly ever stand alone behind a dot.
const HAN_DOMAINS: &str = " 中国 中國 网络 網絡 网址 中文网 香港 台湾 台灣 商城 集团 ";

/// Where the part of a candidate begins that may be a name: behind words of a script without
/// blanks that stand before a Latin one.
pub(super) fn start_of_name(candidate: &str) -> usize {
    let name = candidate
        .split(['.', '。', '｡', '/', ':', '?', '#'])
        .next()
        .unwrap_or_default();
    let latin = name.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '-');
    match latin.len() < name.len() && !latin.is_empty() {
        true => latin.len(),
        false => 0,
    }
}

/// Where a Latin name ends that words of a script without blanks follow: `evil.com吧`.
pub(super) fn end_of_name(candidate: &str) -> Option<usize> {
    let name = &candidate[..candidate.find(ENDS_OF_NAME).unwrap_or(candidate.len())];
    let (before, label) = name.rsplit_once(['.', '。', '｡'])?;
    let is_latin = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let length = label.find(|c| !is_latin(c))?;
    let next = label[length..].chars().next()?;
    let start = name.len() - label.len();
    (length > 0 && next >= '\u{E00}' && !before.is_empty()).then_some(start + length)
}

/// What ends the name in an address.
pub(super) const ENDS_OF_NAME: [char; 4] = ['/', ':', '?', '#'];

/// These labels, in small letters, end in a public suffix that leaves no doubt, or have a path
/// behind them.
pub(super) fn is_name(name: &str, path: bool) -> bool {
    // Behind a full stop of Chinese a sentence may begin, so all must be a Latin name.
    let stops = name.contains(['。', '｡']);
    let name = name.replace(['。', '｡'], ".");
    let suffix = psl::suffix(name.as_bytes()).filter(psl::Suffix::is_known);
    let (Some((labels, last)), Some(suffix)) = (name.rsplit_once('.'), suffix) else {
        return false;
    };
    let of_itself = suffix.as_bytes().len() == name.len();
    let several = suffix.as_bytes().contains(&b'.') && suffix.typ() == Some(psl::Type::Icann);
    let is_plain = DOMAINS.split_whitespace().any(|known| known == last);
    // Chinese top-level domains are everyday words, apart from some.
    let is_han = last.contains(|c: char| {
        ('\u{2E80}'..='\u{9FFF}').contains(&c) && !('\u{3040}'..='\u{30FF}').contains(&c)
    });
    let sure_han = HAN_DOMAINS.split_whitespace().any(|known| known == last);
    let foreign = !last.is_ascii() && (!is_han || sure_han) && !labels.is_ascii();
    let doubtless = path || foreign || is_plain || several || last.starts_with("xn--");
    let fits = !stops || (labels.is_ascii() && last.is_ascii());
    !of_itself && doubtless && fits
}

/// A URL whose host only the machine or the office reaches.
pub(super) fn is_of_this_net(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let address = Ipv4Addr::from_str(host).is_ok() || Ipv6Addr::from_str(host).is_ok();
    host.eq_ignore_ascii_case("localhost") || address && !is_public(host)
}

/// An address that the whole internet can reach.
pub(super) fn is_public(address: &str) -> bool {
    if let Ok(v4) = Ipv4Addr::from_str(address) {
        let private = v4.is_private() || v4.is_loopback() || v4.is_link_local();
        return !private && !v4.is_broadcast() && !v4.is_documentation() && v4.octets()[0] != 0;
    }
    Ipv6Addr::from_str(address).is_ok_and(|v6| {
        let private = v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local();
        !private && !v6.is_unicast_link_local()
    })
}
