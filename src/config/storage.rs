//! `storage`: where what several replicas share is kept.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::outbox::{Server, WhenDown};
use crate::settings::{Field, Section};
use crate::tls::CallingFiles;

const POOL_MAX: i64 = 64;
/// A busy machine stops a process for that long now and then.
const LEASE_MIN: Duration = Duration::from_secs(3);
const LEASE_MAX: Duration = Duration::from_secs(3600);
const TAKEOVER_MIN: Duration = Duration::from_secs(1);
/// What PostgreSQL takes for a name.
const NAME_BYTES_MAX: usize = 63;

/// Where it is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Storage {
    /// In files of this process.
    Embedded,
    Postgres(Box<Postgres>),
}

/// PostgreSQL as the settings say; secrets and certificates are read at start.
#[derive(Clone, Debug, PartialEq)]
pub struct Postgres {
    pub url: UrlPlace,
    pub schema: String,
    /// Connections for deliveries.
    pub pool: usize,
    /// `None`: plain text.
    pub tls: Option<CallingFiles>,
    pub when_down: WhenDown,
    /// Empty: the name of the machine.
    pub replica: String,
    pub lease: Duration,
    pub takeover_after: Duration,
}

/// Where the URL of the server stands; there is a password in it.
#[derive(Clone, PartialEq, Eq)]
pub enum UrlPlace {
    Written(String),
    File(PathBuf),
    Environment(String),
}

impl fmt::Debug for UrlPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlPlace::Written(_) => f.write_str("Written"),
            UrlPlace::File(path) => f.debug_tuple("File").field(path).finish(),
            UrlPlace::Environment(name) => f.debug_tuple("Environment").field(name).finish(),
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Kind {
    #[default]
    Embedded,
    Postgres,
}

pub(super) fn read(field: &Field<'_>) -> Storage {
    let section = field.section();
    let kinds = [("embedded", Kind::Embedded), ("postgres", Kind::Postgres)];
    let kind = section.field("kind").one_of(&kinds).unwrap_or_default();
    let tls_field = section.field("tls");
    let (is_plain, files) = read_tls(&tls_field, kind);
    let url = read_url(&section, kind);
    let when_down = [("spool", WhenDown::Spool), ("refuse", WhenDown::Refuse)];
    let (lease, takeover_after) = (section.field("lease"), section.field("takeover_after"));
    let settings = Postgres {
        url: url.unwrap_or(UrlPlace::Written(String::new())),
        schema: schema(&section.field("schema")),
        pool: section.field("pool").number(1, POOL_MAX) as usize,
        tls: (!is_plain).then_some(files),
        when_down: (section.field("when_down").one_of(&when_down)).unwrap_or_default(),
        replica: section.field("replica").text(),
        lease: lease.duration_above_zero(),
        takeover_after: takeover_after.duration_above_zero(),
    };
    check_times(&settings, &lease, &takeover_after);
    section.finish();
    match kind {
        Kind::Embedded => Storage::Embedded,
        Kind::Postgres => Storage::Postgres(Box::new(settings)),
    }
}

fn check_times(settings: &Postgres, lease: &Field<'_>, takeover_after: &Field<'_>) {
    let (no_lease, no_takeover) = (settings.lease.is_zero(), settings.takeover_after.is_zero());
    if settings.lease < LEASE_MIN && !no_lease {
        lease.error(
            "a replica that is only slow would be taken for dead",
            "use 3s or more; 30s is a good one",
        );
    }
    if settings.lease > LEASE_MAX {
        lease.error(
            "what a replica had in flight when it was cut off would wait for that long",
            "use 1h or less; 30s is a good one",
        );
    }
    if settings.takeover_after < TAKEOVER_MIN && !no_takeover {
        takeover_after.error(
            "a replica that connects again would be taken for dead",
            "use 1s or more",
        );
    }
    if settings.takeover_after > settings.lease && !no_lease {
        takeover_after.error(
            "this is longer than `lease`, when a replica is gone in any case",
            "use less than `lease`",
        );
    }
}

fn read_url(section: &Section<'_>, kind: Kind) -> Option<UrlPlace> {
    let names = ["url", "url_file", "url_env"];
    let fields = names.map(|name| section.field(name));
    let texts = fields.each_ref().map(Field::text);
    let set: Vec<usize> = (0..3).filter(|&at| !texts[at].is_empty()).collect();
    if kind == Kind::Embedded {
        for &at in &set {
            unused(&fields[at]);
        }
        return None;
    }
    let at = match set.as_slice() {
        [] => {
            section.field("kind").error(
                "nothing says where PostgreSQL is",
                "set `url_file`, `url_env` or `url` in `storage`",
            );
            return None;
        }
        [one] => *one,
        [_, second, ..] => {
            fields[*second].error(
                "the URL of PostgreSQL is said twice",
                "keep one of `url`, `url_file` and `url_env`",
            );
            return None;
        }
    };
    let text = texts[at].clone();
    Some(match names[at] {
        "url_file" => UrlPlace::File(PathBuf::from(text)),
        "url_env" => UrlPlace::Environment(text),
        _ => {
            if let Err(why) = Server::check_url(&text) {
                fields[at].error(why.what, why.hint);
            }
            UrlPlace::Written(text)
        }
    })
}

/// Whoever wrote it believes in something that is not so.
fn unused(field: &Field<'_>) {
    field.error(
        "this is for PostgreSQL, and `storage.kind` is embedded",
        "set `kind: postgres`, or take this away",
    );
}

/// Whether there is no TLS, and the files of what there is.
fn read_tls(field: &Field<'_>, kind: Kind) -> (bool, CallingFiles) {
    let section = field.section();
    let modes = [("verify", false), ("plain", true)];
    let is_plain = section.field("mode").one_of(&modes).unwrap_or_default();
    let [ca, cert, key] = ["ca", "cert", "key"].map(|name| {
        let field = section.field(name);
        let text = field.text();
        if !text.is_empty() && kind == Kind::Embedded {
            unused(&field);
        } else if !text.is_empty() && is_plain {
            field.error(
                "with `mode: plain` there is no TLS",
                "set `mode: verify`, or take this away",
            );
        }
        (!text.is_empty()).then(|| PathBuf::from(text))
    });
    section.finish();
    let client = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (cert, _) => {
            let (missing, set) = match cert {
                Some(_) => ("key", "cert"),
                None => ("cert", "key"),
            };
            let what = format!("there is no `{missing}` to it");
            section.field(set).error(what, "set both, or neither");
            None
        }
    };
    let files = CallingFiles {
        ca,
        client,
        known: Vec::new(),
    };
    (is_plain, files)
}

fn schema(field: &Field<'_>) -> String {
    let name = field.text();
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let is_sign = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_';
    let is_name = begins && name.chars().all(is_sign) && !name.starts_with("pg_");
    if !is_name || name.len() > NAME_BYTES_MAX {
        field.error(
            "this is no name for a schema",
            "use small letters, digits and `_`, beginning with a letter: callgate",
        );
    }
    name
}
