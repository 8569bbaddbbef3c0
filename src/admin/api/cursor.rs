//! Where a list goes on: a text that says nothing to who carries it, good for the same question
//! alone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::policy::Digest;

/// Bytes of the question's digest. It keeps honest callers from a slip, and nobody from anything.
const OF_BYTES: usize = 8;

/// A cursor for a place in the answer to a question.
pub(super) fn give(question: &str, place: &str) -> String {
    let mut bytes = of(question);
    bytes.extend_from_slice(place.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place; `None`: it is none of ours, or of another question.
pub(super) fn take(question: &str, cursor: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let place = bytes.strip_prefix(of(question).as_slice())?;
    String::from_utf8(place.to_vec()).ok()
}

fn of(question: &str) -> Vec<u8> {
    let digest = Digest::of(question.as_bytes()).to_string();
    digest.as_bytes()[..OF_BYTES].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_question_alone() {
        let cursor = give("GET /outbox/dead endpoint=shop", "3-17");
        assert_eq!(
            take("GET /outbox/dead endpoint=shop", &cursor).unwrap(),
            "3-17"
        );
        assert_eq!(take("GET /outbox/dead endpoint=mall", &cursor), None);
        for wrong in [
            "",
            "3-17",
            "AAAA",
            "%%%",
            &cursor[1..],
            &format!("{cursor}="),
        ] {
            assert_eq!(
                take("GET /outbox/dead endpoint=shop", wrong),
                None,
                "{wrong}"
            );
        }
    }
}
