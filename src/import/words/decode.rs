//! From bytes to text, when nobody says how the file is encoded.

use encoding_rs::{BIG5, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

pub struct Decoded {
    /// Bytes that are no text are U+FFFD in it.
    pub text: String,
    pub encoding: &'static str,
}

/// Decodes with the encoding of this name, or with the one that fits best.
///
/// A byte-order mark decides alone. Errors: an unknown name.
pub fn decode(bytes: &[u8], encoding: Option<&str>) -> Result<Decoded, String> {
    let named = match encoding {
        None => None,
        Some(name) => Some(Encoding::for_label(name.as_bytes()).ok_or_else(|| {
            format!("there is no encoding `{name}`; use utf-8, utf-16le, utf-16be, gbk, gb18030, big5, or another name of the WHATWG encoding standard")
        })?),
    };
    let encoding = match (Encoding::for_bom(bytes), named) {
        (Some((marked, _)), _) => marked,
        (None, Some(named)) => named,
        (None, None) => guess(bytes),
    };
    let (text, _, _) = encoding.decode(bytes);
    Ok(Decoded {
        text: text.into_owned(),
        encoding: encoding.name(),
    })
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    if let Some(wide) = wide(bytes) {
        return wide;
    }
    if is_mostly_utf8(bytes) {
        return UTF_8;
    }
    let faults = |encoding: &'static Encoding| {
        let (text, _, _) = encoding.decode(bytes);
        text.matches('\u{FFFD}').count()
    };
    match faults(GB18030) {
        0 => GB18030,
        gb => {
            let best = [(gb, GB18030), (faults(BIG5), BIG5)];
            let best = best.into_iter().min_by_key(|(faults, _)| *faults);
            best.map_or(GB18030, |(_, encoding)| encoding)
        }
    }
}

/// Line ends and Latin letters in UTF-16 hold a zero byte, which other encodings never do.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let zeros = |odd: usize| {
        let bytes = bytes.iter().skip(odd).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    match (zeros(0), zeros(1)) {
        (0, 0) => None,
        (even, odd) if even > odd => Some(UTF_16BE),
        _ => Some(UTF_16LE),
    }
}

/// More lines with characters beyond ASCII are UTF-8 than are not: that does not happen by chance.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| *byte == b'\n');
    let (mut good, mut bad) = (0, 0);
    for line in lines.filter(|line| !line.is_ascii()) {
        match std::str::from_utf8(line) {
            Ok(_) => good += 1,
            Err(_) => bad += 1,
        }
    }
    bad == 0 || good > bad
}
