//! From bytes to text, when nobody says how the file is encoded.

use std::ops::RangeInclusive;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, GBK, UTF_8, UTF_16BE, UTF_16LE};

pub(super) struct Decoded {
    /// Bytes that are no text are U+FFFD in it; lines end in `\n`; there is no NUL.
    pub text: String,
    pub encoding: &'static str,
}

/// Decodes with the encoding of this name, or with the one that fits.
///
/// A byte-order mark decides alone. Errors: an unknown name, or bytes that could be text in several
/// encodings.
pub(super) fn decode(bytes: &[u8], encoding: Option<&str>) -> Result<Decoded, String> {
    if let Some(text) = utf32(bytes, encoding) {
        return Ok(decoded(&text, "UTF-32"));
    }
    let named = match encoding {
        None => None,
        Some(name) => Some(Encoding::for_label(name.as_bytes()).ok_or_else(|| {
            format!("there is no encoding `{name}`; use utf-8, utf-16le, utf-16be, gbk, gb18030, big5, or another name of the WHATWG encoding standard")
        })?),
    };
    let encoding = match (Encoding::for_bom(bytes), named) {
        (Some((marked, _)), _) => marked,
        (None, Some(named)) => named,
        (None, None) => guess(bytes)?,
    };
    let (text, _, _) = encoding.decode(bytes);
    Ok(decoded(&text, encoding.name()))
}

/// With lines that end as ours do. A NUL ends a string, as programs in C leave them: what stands
/// before a line's end is padding, and between two words it ends the line.
fn decoded(text: &str, encoding: &'static str) -> Decoded {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines = text.split('\n').map(|line| line.trim_end_matches('\0'));
    let lines = lines.collect::<Vec<_>>().join("\n");
    Decoded {
        text: lines
            .replace(
                ['\0', '\u{B}', '\u{C}', '\u{85}', '\u{2028}', '\u{2029}'],
                "\n",
            )
            .replace('\u{FEFF}', ""),
        encoding,
    }
}

/// The encoding that a text was in before another program took each of its bytes for a character:
/// `Ã¤`, `¶Ä²©`. `None`: it was not.
pub(super) fn read_wrongly(text: &str) -> Option<&'static str> {
    const SURE: usize = 8;
    let beyond = |c: &char| !c.is_ascii();
    let is_pair = |(first, second): &(char, char)| beyond(first) && beyond(second);
    let all = text.chars().filter(beyond).count();
    let pairs = text
        .chars()
        .zip(text.chars().skip(1))
        .filter(is_pair)
        .count();
    if is_utf8_of_latin(text) {
        return Some("UTF-8");
    }
    // Letters with accents stand alone, bytes of a character side by side.
    if all < SURE || pairs * 5 < all * 2 {
        return None;
    }
    let bytes = text.chars().map(latin).collect::<Option<Vec<u8>>>()?;
    let found = guess(&bytes).ok()?;
    (!found.is_single_byte()).then(|| found.name())
}

/// The byte that Latin-1 or Windows reads as this character.
fn latin(c: char) -> Option<u8> {
    match u8::try_from(u32::from(c)) {
        Ok(byte) => Some(byte),
        // Windows has signs for some of the bytes that are controls in Latin-1.
        Err(_) => match &*encoding_rs::WINDOWS_1252
            .encode(c.encode_utf8(&mut [0; 4]))
            .0
        {
            [byte] => Some(*byte),
            _ => None,
        },
    }
}

/// Every line beyond ASCII is UTF-8 whose bytes were taken for characters; nobody writes `Ã¼` and
/// the like on purpose.
fn is_utf8_of_latin(text: &str) -> bool {
    let is_torn = |line: &str| {
        let bytes = line.chars().map(latin).collect::<Option<Vec<u8>>>();
        bytes.is_some_and(|bytes| std::str::from_utf8(&bytes).is_ok())
    };
    // Some bytes are no character of Windows.
    let lines = text
        .lines()
        .filter(|line| !line.is_ascii() && !line.contains('\u{FFFD}'));
    let mut lines = lines.peekable();
    lines.peek().is_some() && lines.all(is_torn)
}

fn guess(bytes: &[u8]) -> Result<&'static Encoding, String> {
    if let Some(wide) = wide(bytes) {
        return Ok(wide);
    }
    if is_mostly_utf8(bytes) && !bytes.contains(&0x1b) {
        return Ok(UTF_8);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    let found = detector.guess(None, Utf8Detection::Allow);
    let has_faults = found.decode_without_bom_handling(bytes).1;
    let high = bytes.iter().filter(|byte| **byte >= 0x80).count();
    // A few letters beyond ASCII fit several encodings.
    let is_short = high < SURE_BYTES;
    match !has_faults && !is_short && is_plausible(bytes, found) {
        true => Ok(gb18030_for_gbk(found)),
        false => Err(format!(
            "its encoding cannot be told: it is no UTF-8, and may be {}; name it with --encoding",
            found.name()
        )),
    }
}

/// Fewer bytes beyond ASCII than this tell no encoding from another.
const SURE_BYTES: usize = 12;

/// Whether bytes read in an encoding are what people write: mostly common characters where there
/// are thousands of them, else letters, in words that do not change their case in the middle.
fn is_plausible(bytes: &[u8], encoding: &'static Encoding) -> bool {
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    let is_odd = |c: char| {
        !c.is_ascii() && !c.is_alphanumeric() && !is_mark(c) && !is_wide_punctuation(c)
            || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{80}'..='\u{9f}')
    };
    let odd = text.chars().filter(|c| is_odd(*c)).count();
    let beyond = text.chars().filter(|c| !c.is_ascii()).count();
    if odd * 20 > beyond {
        return false;
    }
    if !has_ends_of_words(&text) || encoding.name() == "IBM866" && is_no_russian(&text) {
        return false;
    }
    let common = match common_leads(encoding) {
        None => return has_steady_case(&text),
        Some(common) => common,
    };
    let pairs: Vec<u8> = leads(bytes);
    let usual = pairs
        .iter()
        .filter(|lead| common.iter().any(|range| range.contains(lead)));
    usual.count() * 10 >= pairs.len() * 9
}

/// First bytes of the pairs that hold the common characters; `None` for one-byte encodings.
fn common_leads(encoding: &'static Encoding) -> Option<&'static [RangeInclusive<u8>]> {
    match encoding.name() {
        "GBK" | "gb18030" => Some(&[0xa1..=0xa3, 0xb0..=0xd7]),
        "Big5" => Some(&[0xa1..=0xc6]),
        "Shift_JIS" => Some(&[0x81..=0x83, 0x88..=0x97]),
        "EUC-JP" => Some(&[0xa1..=0xa5, 0xb0..=0xcf]),
        "EUC-KR" => Some(&[0xa1..=0xa4, 0xb0..=0xc8]),
        _ => None,
    }
}

/// The first byte of each pair.
fn leads(bytes: &[u8]) -> Vec<u8> {
    let mut leads = Vec::new();
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        if *byte >= 0x80 {
            leads.push(*byte);
            bytes.next();
        }
    }
    leads
}

/// Hebrew words hold their last forms at their ends alone, and few Greek ones end in a mute.
fn has_ends_of_words(text: &str) -> bool {
    let is_hebrew = |c: &char| ('\u{5D0}'..='\u{5EA}').contains(c);
    let is_greek = |c: &char| ('\u{370}'..='\u{3FF}').contains(c);
    let mut pairs = text.chars().zip(text.chars().skip(1));
    let torn = pairs.any(|(one, next)| "ךםןףץ".contains(one) && is_hebrew(&next));
    let ends = text
        .split_whitespace()
        .filter_map(|word| word.chars().next_back())
        .filter(is_greek);
    let (all, mute) = ends.fold((0, 0), |(all, mute), end| {
        (all + 1, mute + usize::from("βγδζθκλμπτφχσ".contains(end)))
    });
    !torn && mute * 4 <= all && !is_one_letter(text)
}

/// One letter is far too many of all: the first byte of each Japanese one, read as Thai.
fn is_one_letter(text: &str) -> bool {
    let letters = text.chars().filter(|c| ('\u{E01}'..='\u{E2E}').contains(c));
    let ko_kwai = letters.clone().filter(|c| *c == 'ค').count();
    let count = letters.count();
    count > 5 && ko_kwai * 5 > count * 2
}

/// What IBM866 has beside Russian other programs have elsewhere, and Hebrew of their time is its
/// capital letters.
fn is_no_russian(text: &str) -> bool {
    let capitals = text.chars().filter(|c| c.is_uppercase()).count();
    let small = text.chars().filter(|c| c.is_lowercase()).count();
    text.contains(['Є', 'є', 'Ї', 'ї', 'Ў', 'ў']) || capitals > small
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}')
}

fn is_wide_punctuation(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30ff}' | '\u{ff00}'..='\u{ffef}' | '\u{2010}'..='\u{2026}')
}

/// No word has a capital letter behind a small one.
fn has_steady_case(text: &str) -> bool {
    let changes = text
        .chars()
        .zip(text.chars().skip(1))
        .filter(|(first, second)| {
            (!first.is_ascii() || !second.is_ascii())
                && first.is_lowercase()
                && second.is_uppercase()
        })
        .count();
    changes * 10 <= text.lines().count()
}

/// The one contains the other.
fn gb18030_for_gbk(found: &'static Encoding) -> &'static Encoding {
    match found == GBK {
        true => encoding_rs::GB18030,
        false => found,
    }
}

/// Text in UTF-32, which the encoding standard does not have.
fn utf32(bytes: &[u8], named: Option<&str>) -> Option<String> {
    let wanted = named.map(|name| name.to_ascii_lowercase().replace('_', "-"));
    let unit = |bytes: &[u8], big: bool| {
        let unit: [u8; 4] = bytes.try_into().expect("chunks of four bytes");
        match big {
            true => u32::from_be_bytes(unit),
            false => u32::from_le_bytes(unit),
        }
    };
    let big = match wanted.as_deref() {
        Some("utf-32be") => true,
        Some("utf-32" | "utf-32le") => bytes.starts_with(&[0, 0, 0xfe, 0xff]),
        Some(_) => return None,
        None if bytes.len() < 8 || !bytes.len().is_multiple_of(4) => return None,
        None => {
            let all = |big| bytes.chunks(4).all(|four| unit(four, big) < 0x11_0000);
            match (all(false), all(true)) {
                (true, _) => false,
                (_, true) => true,
                _ => return None,
            }
        }
    };
    let characters = bytes.chunks_exact(4).map(|four| unit(four, big));
    let characters = characters.filter(|unit| *unit != 0xfeff);
    Some(
        characters
            .map(|unit| char::from_u32(unit).unwrap_or('\u{fffd}'))
            .collect(),
    )
}

/// UTF-16 without a mark: line ends and Latin letters hold a zero byte, always on the same side,
/// and read so the bytes are text in lines.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let zeros = |odd: usize| {
        let bytes = bytes.iter().skip(odd).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let (encoding, most, least) = match even > odd {
        true => (UTF_16BE, even, odd),
        false => (UTF_16LE, odd, even),
    };
    if most == 0 || least * 8 > most || !bytes.len().is_multiple_of(2) {
        return None;
    }
    let (text, _, has_faults) = encoding.decode(bytes);
    let has_lines = text.contains(['\n', '\r']) || most * 4 >= bytes.len();
    (!has_faults && has_lines).then_some(encoding)
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
