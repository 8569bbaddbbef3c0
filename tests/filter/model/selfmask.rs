//! Words with inner letters hidden by signs: `b*dword`.

use callgate::filter::SkipClasses;

use super::character::{is_digit, is_letter};
use super::fold::Symbol;
use super::form::{Form, How};

/// Whether these symbols, as many as the form has letters, are the form with some of its inner
/// letters, a third of all at most, hidden by signs.
pub fn is_masked(form: &Form, symbols: &[Symbol]) -> bool {
    let letters = &form.letters;
    let (Some(first), Some(last)) = (symbols.first(), symbols.last()) else {
        return false;
    };
    if letters.len() != symbols.len() || !first.starts || !last.ends {
        return false;
    }
    let hidden: Vec<usize> = (0..letters.len())
        .filter(|at| symbols[*at].c != letters[*at].c)
        .collect();
    let inner = |at: &usize| *at > 0 && at + 1 < letters.len();
    let is_word = letters
        .iter()
        .all(|letter| letter.how == How::Plain && (is_letter(letter.c) || is_digit(letter.c)));
    let ends = [&letters[0], &letters[letters.len() - 1]];
    is_word
        && ends.iter().all(|letter| is_letter(letter.c))
        && !hidden.is_empty()
        && (hidden.len() * 3 <= letters.len() || letters.len() == 4 && hidden.len() <= 2)
        && !form.mixed
        && !letters.iter().any(|letter| letter.joint)
        && hidden.iter().all(|at| inner(at) && is_sign(&symbols[*at]))
}

fn is_sign(symbol: &Symbol) -> bool {
    matches!(
        symbol.noise(),
        Some(SkipClasses::PUNCT | SkipClasses::SYMBOL | SkipClasses::STOP)
    )
}
