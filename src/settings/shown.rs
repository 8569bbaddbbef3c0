//! Keys that may hold a secret, as problems may show them.

use std::borrow::Cow;

/// A key as it may be shown: of a path its first part alone, for what follows may be a secret that
/// only an IM server knows. A path of one part may be one as a whole.
///
/// `/hook/s3cret` is `/hook/…`, `/s3cret` is `/…`, and what is no path is itself.
pub fn shown_key(key: &str) -> Cow<'_, str> {
    if !key.contains('/') {
        return Cow::Borrowed(key);
    }
    let mut parts = key.split('/').filter(|part| !part.is_empty());
    match (parts.next(), parts.next()) {
        (Some(first), Some(_)) => format!("/{first}/…").into(),
        (Some(_), None) => "/…".into(),
        (None, _) => key.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_path_the_first_part_is_shown() {
        let check = |key: &str, shown: &str| assert_eq!(shown_key(key), shown);
        check("/hook/s3cret", "/hook/…");
        check("/hook/a/s3cret", "/hook/…");
        check("//hook//s3cret/", "/hook/…");
        check("hook/s3cret", "/hook/…");
        check("/s3cret", "/…");
        check("s3cret/", "/…");
        check("/", "/");
        check("listn", "listn");
    }
}
