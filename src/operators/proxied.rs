//! Who somebody is, as a reverse proxy says that knows him: believed of named proxies alone, that
//! show a secret, and of nobody else.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::{fs, io};

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use tracing::{error, info};

use super::grant::Grant;
use super::known::{By, Identity};
use crate::policy::Digest;

const NAME_CHARS_MAX: usize = 128;
/// A shorter secret can be guessed.
pub const SECRET_BYTES_MIN: usize = 16;
/// While one is changed for another there are two.
const SECRETS_MAX: usize = 8;

/// What engine.yaml says.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxySettings {
    /// Where the proxies call from: the other end of the socket.
    pub peers: Vec<IpNet>,
    pub name_header: HeaderName,
    pub groups_header: HeaderName,
    pub secret_header: HeaderName,
    pub secret: SecretPlace,
    /// What members of a group may.
    pub groups: BTreeMap<String, Grant>,
}

/// Where the secret lies that the proxies show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// Read again when it changes; several words in it are all good.
    File(PathBuf),
    /// The name of a variable.
    Environment(String),
}

/// Why a request is not let in that says who somebody is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyRefused {
    #[error(
        "`{0}` is believed of the proxies in `admin.proxy_identity.peers` alone, and this \
         connection is from none of them; let nobody else send it"
    )]
    Stranger(HeaderName),
    #[error(
        "the proxy says who somebody is and does not show the secret of `admin.proxy_identity` \
         in `{0}`"
    )]
    Secret(HeaderName),
    #[error(
        "`{0}` is there more than once: the proxy must replace what its own callers send, and \
         not add to it"
    )]
    Doubled(HeaderName),
    #[error("`{0}` holds no name: 1 to 128 characters without controls")]
    Name(HeaderName),
    #[error("`{name}` is in no group that `admin.proxy_identity.groups` names; look at `{header}`")]
    Unmapped { name: String, header: HeaderName },
}

/// What proxies are believed.
#[derive(Debug)]
pub struct ProxyIdentity {
    settings: ProxySettings,
    secrets: ArcSwap<Vec<Digest>>,
}

impl ProxyIdentity {
    /// Reads the secret.
    ///
    /// Errors: there is none, or one that is too short.
    pub fn open(settings: ProxySettings) -> io::Result<ProxyIdentity> {
        let secrets = read(&settings.secret)?;
        Ok(ProxyIdentity {
            settings,
            secrets: ArcSwap::from_pointee(secrets),
        })
    }

    /// Reads the secret again. What cannot be read changes nothing. Blocks while it reads.
    pub fn look(&self) {
        match read(&self.settings.secret) {
            Ok(secrets) if secrets != **self.secrets.load() => {
                info!("the secret of `admin.proxy_identity` is another now");
                self.secrets.store(secrets.into());
            }
            Ok(_) => {}
            Err(error) => {
                error!(%error, "the secret of `admin.proxy_identity` cannot be read, the last one counts");
            }
        }
    }

    /// Who asks; `None` where nothing is said of that, and a session or a token counts.
    ///
    /// `peer` is the other end of the socket.
    ///
    /// Errors: something is said that is not to be believed.
    pub fn identify(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<Option<Identity>, ProxyRefused> {
        let settings = &self.settings;
        let (name, groups, secret) = (
            &settings.name_header,
            &settings.groups_header,
            &settings.secret_header,
        );
        let said = [name, groups, secret].into_iter();
        let mut said = said.filter(|header| headers.contains_key(*header));
        let Some(first) = said.next() else {
            return Ok(None);
        };
        let is_proxy = |peer: IpAddr| {
            let peer = peer.to_canonical();
            settings.peers.iter().any(|net| net.contains(&peer))
        };
        if !peer.is_some_and(is_proxy) {
            return Err(ProxyRefused::Stranger(first.clone()));
        }
        let shown = one(headers, secret)?.ok_or_else(|| ProxyRefused::Secret(secret.clone()))?;
        if !self.is_secret(shown) {
            return Err(ProxyRefused::Secret(secret.clone()));
        }
        let called = one(headers, name)?;
        let groups_of = one(headers, groups)?;
        // The proxy says that it knows nobody: he may log in here.
        let called = match called.map(<[u8]>::trim_ascii) {
            None | Some(b"") => return Ok(None),
            Some(called) => called,
        };
        let called = std::str::from_utf8(called)
            .ok()
            .filter(|called| is_name(called));
        let called = called.ok_or_else(|| ProxyRefused::Name(name.clone()))?;
        let member = std::str::from_utf8(groups_of.unwrap_or_default()).unwrap_or_default();
        let grants = member.split(',').map(str::trim);
        let grants = grants.filter_map(|group| settings.groups.get(group).cloned());
        let grant = grants.reduce(|one, other| one.join(&other));
        let grant = grant.ok_or_else(|| ProxyRefused::Unmapped {
            name: called.to_owned(),
            header: groups.clone(),
        })?;
        Ok(Some(Identity {
            name: called.to_owned(),
            grant,
            by: By::Proxy,
        }))
    }

    /// Compares with all in constant time.
    fn is_secret(&self, shown: &[u8]) -> bool {
        let shown = Digest::of(shown);
        let mut is_one = false;
        for secret in self.secrets.load().iter() {
            is_one |= bool::from(secret.is(&shown));
        }
        is_one
    }
}

/// The value of a header that is there once; `None` where it is not.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, ProxyRefused> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(ProxyRefused::Doubled(name.clone())),
        (value, None) => Ok(value.map(http::HeaderValue::as_bytes)),
    }
}

/// A name stands in logs and on pages: nothing in it may change how they read.
fn is_name(name: &str) -> bool {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(is_hidden)
}

fn read(place: &SecretPlace) -> io::Result<Vec<Digest>> {
    let (text, whence) = match place {
        SecretPlace::File(path) => {
            let whence = format!("`{}`", path.display());
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{whence}: {error}"));
            (fs::read_to_string(path).map_err(named)?, whence)
        }
        SecretPlace::Environment(name) => {
            let whence = format!("the variable `{name}`");
            (std::env::var(name).unwrap_or_default(), whence)
        }
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() || words.len() > SECRETS_MAX {
        return Err(io::Error::other(format!(
            "{whence} must hold one secret, or while it is changed two"
        )));
    }
    if words.iter().any(|word| word.len() < SECRET_BYTES_MIN) {
        return Err(io::Error::other(format!(
            "{whence} holds a secret of less than {SECRET_BYTES_MIN} characters; \
             `callgate hash-token --new` makes a good one"
        )));
    }
    Ok(words
        .iter()
        .map(|word| Digest::of(word.as_bytes()))
        .collect())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::operators::{ListLimit, Rights, Role};

    const SECRET: &str = "0123456789abcdef";

    fn identity(directory: &std::path::Path) -> ProxyIdentity {
        let file = directory.join("secret");
        fs::write(&file, format!("{SECRET}\n")).unwrap();
        let grant = |role, rights| Grant {
            role,
            rights: Rights::from_text(rights).unwrap(),
            lists: ListLimit::All,
        };
        ProxyIdentity::open(ProxySettings {
            peers: vec!["10.0.0.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()],
            name_header: HeaderName::from_static("x-user"),
            groups_header: HeaderName::from_static("x-groups"),
            secret_header: HeaderName::from_static("x-secret"),
            secret: SecretPlace::File(file),
            groups: [
                ("watch".to_owned(), grant(Role::Viewer, "audit")),
                ("run".to_owned(), grant(Role::Operator, "")),
            ]
            .into(),
        })
        .unwrap()
    }

    /// Who is said to ask, or why that is not believed.
    fn said(identity: &ProxyIdentity, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        match identity.identify(&headers, peer.parse().ok()) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(identity)) => format!("{} {}", identity.name, identity.grant),
            Err(ProxyRefused::Stranger(_)) => "stranger".to_owned(),
            Err(ProxyRefused::Secret(_)) => "secret".to_owned(),
            Err(ProxyRefused::Doubled(_)) => "doubled".to_owned(),
            Err(ProxyRefused::Name(_)) => "name".to_owned(),
            Err(ProxyRefused::Unmapped { .. }) => "unmapped".to_owned(),
        }
    }

    #[test]
    fn a_named_proxy_with_the_secret_is_believed_and_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let identity = identity(directory.path());
        let (user, secret) = (("x-user", "ann"), ("x-secret", SECRET));
        let check = |peer: &str, lines: &[(&'static str, &str)], expected: &str| {
            assert_eq!(said(&identity, peer, lines), expected, "{peer} {lines:?}");
        };
        let proxy = "10.0.0.9";
        check(
            proxy,
            &[user, secret, ("x-groups", "watch")],
            "ann viewer with audit",
        );
        check(
            proxy,
            &[user, secret, ("x-groups", "other, run ,watch")],
            "ann operator with audit",
        );
        for proxy in ["::ffff:10.0.0.9", "fd00::7"] {
            check(proxy, &[user, secret, ("x-groups", "run")], "ann operator");
        }
        // Nothing is said, or that nobody is known.
        check(proxy, &[], "nothing");
        check("1.2.3.4", &[], "nothing");
        check(proxy, &[secret], "nothing");
        check(proxy, &[secret, ("x-user", " ")], "nothing");
        for stranger in ["10.0.1.9", "127.0.0.1", "fd00:0:0:1::7", "::1", ""] {
            check(stranger, &[user, secret, ("x-groups", "run")], "stranger");
            check(stranger, &[user], "stranger");
            check(stranger, &[secret], "stranger");
            check(stranger, &[("x-groups", "")], "stranger");
        }
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789abcdeF",
        ] {
            check(
                proxy,
                &[user, ("x-groups", "run"), ("x-secret", wrong)],
                "secret",
            );
        }
        check(proxy, &[user, ("x-groups", "run")], "secret");
        check(proxy, &[("x-groups", "run")], "secret");
        let whole = [user, secret, ("x-groups", "run")];
        for more in whole {
            check(proxy, &[&whole[..], &[more]].concat(), "doubled");
            check(proxy, &[&[(more.0, "")], &whole[..]].concat(), "doubled");
        }
        check(proxy, &[user, secret], "unmapped");
        for groups in ["", "Run", "runs", "run watch", "run;watch", ",", "*"] {
            check(proxy, &[user, secret, ("x-groups", groups)], "unmapped");
        }
        for name in ["a\u{202e}b", "\u{200b}", &"x".repeat(129)] {
            check(
                proxy,
                &[("x-user", name), secret, ("x-groups", "run")],
                "name",
            );
        }
        check(
            proxy,
            &[("x-user", "张三"), secret, ("x-groups", "run")],
            "张三 operator",
        );
    }

    #[test]
    fn the_secret_is_changed_without_a_stop() {
        let directory = tempfile::tempdir().unwrap();
        let identity = identity(directory.path());
        let file = directory.path().join("secret");
        let good = |secret: &str| {
            let lines = [("x-user", "ann"), ("x-groups", "run"), ("x-secret", secret)];
            said(&identity, "10.0.0.9", &lines) == "ann operator"
        };
        let other = "fedcba9876543210";
        fs::write(&file, format!("{SECRET} {other}")).unwrap();
        identity.look();
        assert!(good(SECRET) && good(other));
        fs::write(&file, other).unwrap();
        identity.look();
        assert!(!good(SECRET) && good(other));
        for broken in ["", "short", &format!("{other} short")] {
            fs::write(&file, broken).unwrap();
            identity.look();
            assert!(good(other), "{broken}");
        }
        fs::remove_file(&file).unwrap();
        identity.look();
        assert!(good(other));
    }
}
