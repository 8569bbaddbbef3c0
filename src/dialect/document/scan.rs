//! One walk over the bytes of a JSON document that both checks it and finds its members.
//!
//! Owns: the usual case. What is odd (too deep, or not JSON at all) is left to those who can say
//! what is wrong with it.
//! Source: RFC 8259.

/// Values inside of values that are followed; deeper ones are left to others.
const DEPTH_MAX: usize = 64;

/// Where one member stands, its key with its quotes.
pub(super) struct Place<'a> {
    pub key: &'a str,
    pub value: &'a str,
}

/// Calls `found` with each member of a document that is one object and nothing else. `None`: it is
/// odd, and what was found of it says nothing.
pub(super) fn members<'a>(document: &'a str, mut found: impl FnMut(Place<'a>)) -> Option<()> {
    let mut walk = Walk {
        text: document,
        bytes: document.as_bytes(),
        at: 0,
    };
    walk.space();
    walk.object(DEPTH_MAX, &mut |key, value| found(Place { key, value }))?;
    walk.space();
    (walk.at == document.len()).then_some(())
}

struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over one byte if it is this one.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn object(&mut self, depth: usize, member: &mut dyn FnMut(&'a str, &'a str)) -> Option<()> {
        self.take(b'{')?;
        self.space();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            let key = self.at;
            self.string()?;
            let key = &self.text[key..self.at];
            self.space();
            self.take(b':')?;
            self.space();
            let value = self.at;
            self.value(depth)?;
            member(key, &self.text[value..self.at]);
            self.space();
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
            self.space();
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.take(b'[')?;
        self.space();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth)?;
            self.space();
            if self.take(b',').is_none() {
                return self.take(b']');
            }
            self.space();
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' => self.object(depth.checked_sub(1)?, &mut |_, _| {}),
            b'[' => self.array(depth.checked_sub(1)?),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..]
            .starts_with(word)
            .then(|| self.at += word.len())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        // A number with more digits does not begin with 0.
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// One at least.
    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn string(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            self.at += plain(&self.bytes[self.at..]);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.escape()?,
                // A control character.
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        match *self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
            b'u' => {
                let digits = self.bytes.get(self.at + 2..self.at + 6)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                self.at += 6;
            }
            _ => return None,
        }
        Some(())
    }
}

/// How many bytes stand before the first quote, backslash or control character.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    // The high bit of each byte that is below `limit`, which is at most 0x80.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let mut at = 0;
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("it has eight bytes"));
        let ends = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if ends != 0 {
            // The lowest bit is right, whatever a borrow made of those above it.
            return at + ends.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    let rest = &bytes[at..];
    at + rest.iter().position(ends).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn is_taken(document: &str) -> bool {
        members(document, |_| {}).is_some()
    }

    /// What serde_json takes as an object.
    fn is_object(document: &str) -> bool {
        document
            .trim_start_matches([' ', '\t', '\n', '\r'])
            .starts_with('{')
            && serde_json::from_str::<IgnoredAny>(document).is_ok()
    }

    #[test]
    fn members_are_found_with_every_byte_of_them() {
        let mut found = Vec::new();
        let document = "\n{ \"a\" :-1.5e+3 ,\"\\u00e9\\\"\":[{\"b\":\"}\"},null] , \"a\":\"\"}\t";
        let taken = members(document, |place| found.push((place.key, place.value)));
        assert_eq!(taken, Some(()));
        let expected = [
            ("\"a\"", "-1.5e+3"),
            ("\"\\u00e9\\\"\"", "[{\"b\":\"}\"},null]"),
            ("\"a\"", "\"\""),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_object_is_not_taken() {
        for document in [
            "",
            "[]",
            "null",
            "{",
            "{}}",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":+1}",
            "{\"a\":1e}",
            "{\"a\":-}",
            "{\"a\":tru}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\\u12\"}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\u{1f}bbbbbbbbbbb\"}",
            "{\"a\":\"}",
            "{\"a\":[1,]}",
            "{\"a\":[1 2]}",
            "\u{feff}{}",
            "{\"a\":1} x",
            "{\"a\":\"\\\"}",
        ] {
            assert!(!is_object(document), "{document}");
            assert!(!is_taken(document), "{document}");
        }
    }

    #[test]
    fn what_is_too_deep_is_left_to_others() {
        let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_taken(&nested(DEPTH_MAX)));
        for depth in [DEPTH_MAX + 1, 100_000] {
            assert!(!is_taken(&nested(depth)), "{depth}");
        }
    }

    #[test]
    fn every_byte_ends_a_run_where_it_should_at_every_place() {
        for length in 0..40 {
            for at in 0..=length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'a'; length];
                    bytes.insert(at, byte);
                    bytes.push(0x80);
                    let ends = matches!(byte, b'"' | b'\\' | 0..0x20);
                    let expected = if ends { at } else { length + 2 };
                    assert_eq!(plain(&bytes), expected, "{byte:#x} at {at} of {length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_what_others_take(
            document in r#" ?\{("(a|\\\\|\\"|\\u00[0-9a-g]{2}|\\n|中|\x01){0,3}" ?: ?(-?[0-9]{1,2}(\.[0-9]?)?([eE][+-]?[0-9]?)?|true|nul?l|\[( ?"x" ?,?){0,2}\]|\{\}|\{"y":\[\]\}|"[^"\\]{0,12}"),?){0,4}\}? ?"#,
        ) {
            prop_assert_eq!(is_taken(&document), is_object(&document));
        }

        #[test]
        fn whatever_comes_is_walked_to_an_end(document in r#"[\[{]?["\\{}\[\]:, a0.eu中-]{0,30}"#) {
            prop_assert_eq!(is_taken(&document), is_object(&document));
        }
    }
}
