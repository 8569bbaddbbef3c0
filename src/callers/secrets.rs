//! Secrets of callers that are in files or in the environment. None of them is ever printed.

use std::collections::HashMap;
use std::fs;
use std::io;

use crate::policy::{CallerRules, Digest, SecretSource};

/// A file with more in it holds something else.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// A shorter secret can be guessed, from its digest too.
const SECRET_BYTES_MIN: usize = 16;
const SECRET_BYTES_MAX: usize = 1024;
/// Secrets in one place: the new one, the old one, and some for a slip.
const SECRETS_MAX: usize = 8;

/// Whether a caller's secret can be used now; if not, why, in words without any of it.
pub fn check_token(source: &SecretSource) -> Result<(), String> {
    read(source).map(drop)
}

/// The digests of all secrets in one place, where white space parts them.
///
/// Errors: why there are none, in words without any of them.
fn read(source: &SecretSource) -> Result<Vec<Digest>, String> {
    let text = match source {
        SecretSource::Env(name) => {
            std::env::var(name).map_err(|_| format!("the environment variable `{name}` is not set"))
        }
        SecretSource::File(path) => {
            read_small(path).map_err(|error| format!("`{path}` cannot be read: {error}"))
        }
    }?;
    let secrets: Vec<&str> = text.split_whitespace().collect();
    if secrets.is_empty() {
        return Err("it is empty".to_owned());
    }
    if secrets.len() > SECRETS_MAX {
        let count = secrets.len();
        return Err(format!(
            "{count} secrets are too many, at most {SECRETS_MAX} count at a time"
        ));
    }
    let digest = |(at, secret): (usize, &&str)| match secret.len() {
        SECRET_BYTES_MIN..=SECRET_BYTES_MAX => Ok(Digest::of(secret.as_bytes())),
        bytes => Err(format!(
            "secret {} has {bytes} bytes, and must have {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}",
            at + 1
        )),
    };
    secrets.iter().enumerate().map(digest).collect()
}

fn read_small(path: &str) -> io::Result<String> {
    let meta = fs::metadata(path)?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        let why = format!("it is no file of at most {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    fs::read_to_string(path)
}

/// The secrets outside of the policy as they were read last.
#[derive(Debug, Default)]
pub(super) struct Outside {
    places: HashMap<SecretSource, Place>,
}

#[derive(Debug, Default)]
struct Place {
    /// Those that count.
    digests: Vec<Digest>,
    /// What the last look saw, if it was something else. A file that is being written is taken
    /// when two looks see the same.
    seen: Option<Vec<Digest>>,
    /// Why the last look saw nothing.
    error: Option<String>,
}

impl Outside {
    pub(super) fn digests(&self, source: &SecretSource) -> &[Digest] {
        let place = self.places.get(source);
        place.map(|place| &*place.digests).unwrap_or_default()
    }

    /// Looks again at every place that the policy names, and forgets the others. Says whether
    /// other secrets count now; `tell` gets each place that became unreadable or readable again.
    pub(super) fn look(
        &mut self,
        rules: &CallerRules,
        mut tell: impl FnMut(&SecretSource, Result<(), &str>),
    ) -> bool {
        let mut before = std::mem::take(&mut self.places);
        let mut changed = false;
        let callers = rules.callers.iter();
        let sources =
            callers.flat_map(|caller| caller.tokens.sources.iter().chain(&caller.paths.sources));
        for source in sources {
            let known = before.remove(source);
            let is_new = known.is_none() && !self.places.contains_key(source);
            let place = self.places.entry(source.clone()).or_default();
            if let Some(known) = known {
                *place = known;
            }
            changed |= place.look(read(source), is_new, |told| tell(source, told));
        }
        changed || !before.is_empty()
    }
}

impl Place {
    fn look(
        &mut self,
        read: Result<Vec<Digest>, String>,
        is_new: bool,
        mut tell: impl FnMut(Result<(), &str>),
    ) -> bool {
        let digests = match read {
            Ok(digests) => digests,
            // What counted goes on to count: half a file must lock nobody out.
            Err(why) => {
                if self.error.as_ref() != Some(&why) {
                    tell(Err(&why));
                }
                self.error = Some(why);
                self.seen = None;
                return false;
            }
        };
        if self.error.take().is_some() {
            tell(Ok(()));
        }
        if digests == self.digests {
            self.seen = None;
            return false;
        }
        if is_new || self.digests.is_empty() || self.seen.as_ref() == Some(&digests) {
            self.digests = digests;
            self.seen = None;
            return true;
        }
        self.seen = Some(digests);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_cannot_be_used_is_told_without_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        let path = file.display().to_string();
        let check = |content: &str, expected: &str| {
            fs::write(&file, content).unwrap();
            let error = check_token(&SecretSource::File(path.clone())).unwrap_err();
            assert_eq!(error, expected.replace("{path}", &path));
        };
        check(" \n", "it is empty");
        check("short", "secret 1 has 5 bytes, and must have 16 to 1024");
        let many = "0123456789abcdef ".repeat(9);
        check(&many, "9 secrets are too many, at most 8 count at a time");
        let long = "x ".repeat(10_000);
        let told = "`{path}` cannot be read: it is no file of at most 16384 bytes";
        check(&long, told);
        fs::write(&file, "0123456789abcdef\n").unwrap();
        assert_eq!(check_token(&SecretSource::File(path)), Ok(()));
        let unset = SecretSource::Env("CALLGATE_TEST_UNSET".to_owned());
        assert!(check_token(&unset).unwrap_err().contains("is not set"));
    }

    #[test]
    fn a_file_counts_when_two_looks_see_the_same() {
        let (old, new) = (vec![Digest::of(b"old")], vec![Digest::of(b"new")]);
        let half = vec![Digest::of(b"ne")];
        let mut place = Place::default();
        let mut look = |read: Result<&Vec<Digest>, &str>, changed: bool, counts: &Vec<Digest>| {
            let read = read.cloned().map_err(str::to_owned);
            assert_eq!(place.look(read, false, |_| ()), changed);
            assert_eq!(&place.digests, counts);
        };
        look(Ok(&old), true, &old);
        look(Err("it is empty"), false, &old);
        look(Ok(&half), false, &old);
        look(Ok(&new), false, &old);
        look(Ok(&new), true, &new);
        look(Ok(&new), false, &new);
        look(Err("gone"), false, &new);
        look(Ok(&new), false, &new);
    }
}
