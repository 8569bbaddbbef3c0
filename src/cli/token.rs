//! `cli.token`, in the directory of the outbox: what the command line on this machine is known by.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

use crate::config::Config;

const FILE: &str = "cli.token";
/// What a command elsewhere is given.
const VARIABLE: &str = "CALLGATE_TOKEN";
const TOKEN_BYTES: usize = 32;

pub(super) fn file_of(config: &Config) -> PathBuf {
    config.outbox.path.with_file_name(FILE)
}

/// A new token: 32 random bytes, as base64 for URLs.
///
/// Errors: the operating system has no random bytes.
pub(super) fn new_token() -> io::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("there are no random bytes"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The token of this machine; made if there is none, or if others could have read the one there is.
///
/// Errors: the file cannot be written.
pub(super) fn settle(file: &Path) -> io::Result<String> {
    if let Some(kept) = kept(file) {
        return Ok(kept);
    }
    let token = new_token()?;
    if let Some(directory) = file.parent().filter(|path| !path.as_os_str().is_empty()) {
        fs::create_dir_all(directory)?;
    }
    // Whole from the first moment, and nobody else's.
    let beside = file.with_extension("token.new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut written = options.open(&beside)?;
    written.write_all(format!("{token}\n").as_bytes())?;
    written.sync_all()?;
    fs::rename(&beside, file)?;
    Ok(token)
}

fn kept(file: &Path) -> Option<String> {
    let meta = fs::symlink_metadata(file).ok()?;
    if !meta.is_file() || !is_private(&meta) {
        return None;
    }
    let token = fs::read_to_string(file).ok()?;
    let token = token.trim();
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    (bytes.len() == TOKEN_BYTES).then(|| token.to_owned())
}

#[cfg(unix)]
fn is_private(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    meta.mode() & 0o077 == 0
}

#[cfg(not(unix))]
fn is_private(_: &fs::Metadata) -> bool {
    true
}

/// What a command shows to the server at `url`: `CALLGATE_TOKEN`, or for a server of this machine,
/// as its settings or its address say, what lies in its file.
pub(super) fn for_server(config: Option<&Config>, url: &str, is_own: bool) -> Option<String> {
    if let Ok(given) = std::env::var(VARIABLE)
        && !given.trim().is_empty()
    {
        return Some(given.trim().to_owned());
    }
    if !is_own && !is_loopback(url) {
        return None;
    }
    let token = fs::read_to_string(file_of(config?)).ok()?;
    Some(token.trim().to_owned())
}

/// The token goes to no other machine by itself.
fn is_loopback(url: &str) -> bool {
    match url::Url::parse(url).ok().as_ref().and_then(url::Url::host) {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_private_from_the_beginning() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("data/cli.token");
        let first = settle(&file).unwrap();
        assert_eq!(first.len(), 43);
        let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        assert_eq!(settle(&file).unwrap(), first);
        // Others could have read it.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let second = settle(&file).unwrap();
        assert_ne!(second, first);
        assert_eq!(mode(), 0o600);
        for nonsense in ["", "short", "&"] {
            fs::write(&file, nonsense).unwrap();
            assert_eq!(settle(&file).unwrap().len(), 43);
        }
        let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn a_token_goes_to_this_machine_alone() {
        for own in [
            "http://127.0.0.1:10007",
            "http://[::1]:1",
            "http://localhost:1/",
            "http://127.9.9.9",
        ] {
            assert!(is_loopback(own), "{own}");
        }
        for other in [
            "http://10.0.0.1:10007",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "nonsense",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
