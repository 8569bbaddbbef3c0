//! Prefixes that Arabic and Hebrew write without a blank: one-letter words and the article.

use crate::filter::text::{KIND_SHIFT, PARTED, SYMBOL, WORD};

/// The most letters of a prefix.
const LETTERS_MAX: usize = 4;

/// A prefix, and nothing else of the word, stands before a symbol.
pub(super) fn stands_before(stream: &[u32], start: usize) -> bool {
    let mut letters = Vec::with_capacity(LETTERS_MAX);
    for symbol in stream[..start].iter().rev() {
        if symbol & WORD == 0 {
            break;
        }
        if letters.len() == LETTERS_MAX {
            return false;
        }
        letters.extend(char::from_u32(symbol & SYMBOL));
        if symbol >> KIND_SHIFT == PARTED {
            break;
        }
    }
    letters.reverse();
    is_prefix(&letters)
}

/// `و` or `ف`, then `ب`, `ك` or `ل`, then the article, which is `لل` with `ل`; in Hebrew `ו`,
/// then `ש` or `כש`, then `ב`, `ל`, `כ` or `מ`, then the article `ה`. Each may be missing.
fn is_prefix(letters: &[char]) -> bool {
    let rest = without(letters, &['و', 'ف']);
    let arabic = rest == ['ل', 'ل'] || {
        let rest = without(rest, &['ب', 'ك', 'ل']);
        rest.is_empty() || rest == ['ا', 'ل']
    };
    let rest = without(letters, &['ו']);
    let rest = match rest {
        ['כ', 'ש', rest @ ..] | ['ש', rest @ ..] => rest,
        rest => rest,
    };
    let rest = without(without(rest, &['ב', 'ל', 'כ', 'מ']), &['ה']);
    !letters.is_empty() && (arabic || rest.is_empty())
}

fn without<'a>(letters: &'a [char], first: &[char]) -> &'a [char] {
    match letters {
        [letter, rest @ ..] if first.contains(letter) => rest,
        letters => letters,
    }
}
