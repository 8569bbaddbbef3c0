//! `tls` of a port.

use std::path::PathBuf;

use crate::settings::Field;
use crate::tls::ServingFiles;

/// `None`: the port speaks plain text.
pub(super) fn read(field: &Field<'_>) -> Option<ServingFiles> {
    let section = field.section();
    let path = |name| {
        let text = section.field(name).text();
        (!text.is_empty()).then(|| PathBuf::from(text))
    };
    let (cert, key, client_ca) = (path("cert"), path("key"), path("client_ca"));
    let client_required = section.field("client_required").flag();
    section.finish();
    if client_required && client_ca.is_none() {
        section.field("client_required").error(
            "nothing says which certificates of callers are good",
            "name the file of their authority in `client_ca`",
        );
    }
    match (cert, key) {
        (Some(cert), Some(key)) => Some(ServingFiles {
            cert,
            key,
            client_ca,
            client_required,
        }),
        (None, None) => {
            if client_ca.is_some() {
                section.field("client_ca").error(
                    "the port has no certificate of its own, so it speaks plain text",
                    "set `cert` and `key` too",
                );
            }
            None
        }
        (cert, _) => {
            let (missing, set) = match cert {
                Some(_) => ("key", "cert"),
                None => ("cert", "key"),
            };
            section.field(set).error(
                format!("there is no `{missing}` to it"),
                "set both, or neither for plain text",
            );
            None
        }
    }
}
