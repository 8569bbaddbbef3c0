//! One entry of `callers:`.

use core::net::IpAddr;

use ipnet::IpNet;

use super::super::callers::{CallerLimits, CallerRule, CertificateName, Digest, Secrets};
use super::super::endpoint::SecretSource;
use crate::dialect;
use crate::event::Hook;
use crate::settings::{At, Field, Item, Section};

#[derive(Debug)]
pub(crate) struct CallerSpec {
    pub caller: CallerRule,
    /// Where the places of its secrets are written: tokens, then paths.
    pub at_tokens: At,
    pub at_paths: At,
}

/// Reserved for the command line on the same machine.
pub const LOCAL_NAME: &str = "cli";

/// Secrets of one kind that one caller has at the same time.
const SECRETS_MAX: usize = 8;
/// More calls a second than this are no limit.
const RATE_MAX: i64 = 1_000_000;
const IN_FLIGHT_MAX: i64 = 1_000_000;

pub(super) fn read(name: String, field: &Field<'_>) -> CallerSpec {
    let section = field.section();
    if name.eq_ignore_ascii_case(LOCAL_NAME) {
        let what = format!("`{name}` is the command line on the same machine");
        field.error(what, "give the caller another name");
    }
    refuse_clear(&section);
    let (tokens, at_tokens) = read_secrets(&section, ["token_sha256", "token_env", "token_file"]);
    let (paths, at_paths) = read_secrets(&section, ["path_sha256", "path_env", "path_file"]);
    let certificates = section.field("certificates").items();
    let addresses = section.field("addresses").items();
    let caller = CallerRule {
        name: name.into(),
        tokens,
        paths,
        certificates: certificates.iter().filter_map(read_certificate).collect(),
        addresses: addresses.iter().filter_map(read_net).collect(),
        hooks: read_hooks(&section.field("hooks")),
        limits: CallerLimits {
            in_flight_max: section.field("in_flight_max").number(0, IN_FLIGHT_MAX) as usize,
            calls_per_second: section.field("calls_per_second").number(0, RATE_MAX) as u32,
            burst: section.field("burst").number(0, RATE_MAX) as u32,
        },
    };
    section.finish();
    if !caller.has_credentials() && caller.addresses.is_empty() {
        field.error(
            "nothing says how this caller is known",
            "write token_sha256, token_file, token_env, path_sha256, path_file, path_env, \
             certificates or addresses",
        );
    }
    CallerSpec {
        caller,
        at_tokens,
        at_paths,
    }
}

/// Two callers with the same secret could not be told apart.
pub(super) fn tell_apart(callers: &[CallerSpec], field: &Field<'_>) {
    let digests = |caller: &CallerRule| {
        let (tokens, paths) = (&caller.tokens.digests, &caller.paths.digests);
        [tokens.clone(), paths.clone()].concat()
    };
    for (at, CallerSpec { caller, .. }) in callers.iter().enumerate() {
        for CallerSpec { caller: other, .. } in &callers[..at] {
            if digests(caller)
                .iter()
                .any(|one| digests(other).contains(one))
            {
                let what = format!(
                    "`{}` and `{}` have the same secret",
                    other.name, caller.name
                );
                field.error(what, "give each its own");
            }
        }
    }
}

/// Secrets in clear are refused, and repeated nowhere.
fn refuse_clear(section: &Section<'_>) {
    for (key, instead) in [("token", "token_sha256"), ("path", "path_sha256")] {
        let field = section.field(key);
        if field.is_set() {
            field.error(
                "a secret is not written here in clear",
                format!(
                    "write its SHA-256 as `{instead}`, which `callgate hash-token` prints, or name \
                     its place with `{key}_file` or `{key}_env`"
                ),
            );
        }
    }
}

fn read_secrets(section: &Section<'_>, keys: [&'static str; 3]) -> (Secrets, At) {
    let [sha256, env, file] = keys.map(|key| section.field(key));
    let digests = sha256.items();
    if digests.len() > SECRETS_MAX {
        let hint = format!("write at most {SECRETS_MAX}");
        sha256.error(format!("{} secrets are too many", digests.len()), hint);
    }
    let envs = env.items().into_iter();
    let envs = envs.map(|item| SecretSource::Env(item.text));
    let files = file.items().into_iter();
    let files = files.map(|item| SecretSource::File(item.text));
    let secrets = Secrets {
        digests: digests.iter().filter_map(read_digest).collect(),
        sources: envs.chain(files).collect(),
    };
    let at = if file.is_set() { file.at() } else { env.at() };
    (secrets, at.clone())
}

/// The value is not repeated: it may be the secret itself.
fn read_digest(item: &Item<'_>) -> Option<Digest> {
    let digest = Digest::from_hex(&item.text);
    if digest.is_none() {
        item.error(
            "this is no SHA-256 of a secret",
            "write the 64 hex digits that `callgate hash-token` prints",
        );
    }
    digest
}

fn read_certificate(item: &Item<'_>) -> Option<CertificateName> {
    let text = item.text.trim();
    if let Some(hex) = text.strip_prefix("sha256:") {
        let digest = Digest::from_hex(hex);
        if digest.is_none() {
            item.error(
                format!("`{text}` is not a valid fingerprint"),
                "write sha256: and the 64 hex digits that `openssl x509 -fingerprint -sha256` prints",
            );
        }
        return digest.map(CertificateName::Fingerprint);
    }
    if text.is_empty() || text.contains(char::is_whitespace) || text.starts_with('-') {
        item.error(
            format!("`{text}` is not a valid name of a certificate"),
            "write a DNS name, an IP address or a URI that it has, or sha256:…",
        );
        return None;
    }
    Some(CertificateName::San(text.to_lowercase()))
}

/// An address, or a range of them.
pub(super) fn read_net(item: &Item<'_>) -> Option<IpNet> {
    let single = item.text.parse::<IpAddr>().ok().map(IpNet::from);
    let net = single.or_else(|| item.text.parse::<IpNet>().ok());
    let Some(net) = net else {
        item.error(
            format!("`{}` is not a valid address or range", item.text),
            "write 10.1.2.3, 10.1.0.0/16 or fd00::/8",
        );
        return None;
    };
    if net.prefix_len() == 0 {
        let what = format!("`{net}` is every address, so it says nothing");
        item.warning(what, "write the range that the caller is in");
    }
    Some(net)
}

fn read_hooks(field: &Field<'_>) -> Option<Vec<Hook>> {
    let items = field.items();
    if let [only] = items.as_slice()
        && only.text.eq_ignore_ascii_case("all")
    {
        return None;
    }
    if items.is_empty() {
        field.error(
            "a caller without hooks may call nothing",
            "write `all`, or hooks",
        );
    }
    let hooks = items.iter().filter_map(|item| {
        let hook = dialect::hook(&item.text);
        if hook.is_none() {
            let hint = match dialect::near_names(&item.text).first() {
                None => "`callgate dialects` lists every hook".to_owned(),
                Some(near) => format!("did you mean `{near}`?"),
            };
            item.error(format!("no hook named `{}`", item.text), hint);
        }
        hook
    });
    Some(hooks.collect())
}
