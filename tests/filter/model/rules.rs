//! What must hold for a form that was laid over a text to be an occurrence of its entry.

use icu_segmenter::WordSegmenter;
use icu_segmenter::options::WordBreakInvariantOptions;

use callgate::filter::{Options, WholeWord};

use super::align::{Page, Step, leet};
use super::character::{is_digit, is_letter, is_unspaced, is_word_letter};
use super::fold::Symbol;
use super::form::How;

/// Whether these steps are an occurrence, apart from what stands beside it.
pub fn hold(page: &Page, steps: &[Step]) -> bool {
    takes_whole_characters(page, steps)
        && !is_flag(page, steps)
        && runs_are_whole(page, steps)
        && blanks_are_everywhere(page, steps)
        && parts_are_together(page, steps)
        && half_is_real(page, steps)
        && (!page.form.mixed || steps.iter().any(|step| page.symbols[step.symbol].foreign))
        && (steps.len() <= page.form.letters.len() || page.is_proved(steps))
}

/// An occurrence neither begins nor ends inside a character.
fn takes_whole_characters(page: &Page, steps: &[Step]) -> bool {
    let (first, last) = ends(steps);
    page.symbols[first].starts && page.symbols[last].ends
}

/// Two regional indicators side by side are a flag; parted they are letters.
fn is_flag(page: &Page, steps: &[Step]) -> bool {
    let (first, last) = ends(steps);
    last == first + 1 && steps.iter().all(|step| page.symbols[step.symbol].regional)
}

/// Where a run stands for a shorter one, every run is taken from its start to its end; noise
/// ends a run. Only at the ends of the entry a run may be cut to the length that it has there.
fn runs_are_whole(page: &Page, steps: &[Step]) -> bool {
    let mut runs = steps.chunk_by(|one, next| page.letter(*one).c == page.letter(*next).c);
    let (start, end) = ends(steps);
    runs.all(|run| {
        let (first, last) = ends(run);
        let equal = |at: usize| at < page.symbols.len() && page.continues(at, run[0].letter);
        let longer = run.windows(2).any(|pair| pair[0].letter == pair[1].letter);
        let goes_on = first == start && first.checked_sub(1).is_some_and(equal)
            || last == end && equal(last + 1);
        !longer || !goes_on
    })
}

/// A blank between two letters of the entry needs something between all of them.
fn blanks_are_everywhere(page: &Page, steps: &[Step]) -> bool {
    let pairs: Vec<(usize, usize)> = steps
        .windows(2)
        .filter(|pair| {
            let (one, next) = (page.letter(pair[0]), page.letter(pair[1]));
            let together = one.of == next.of || one.how == How::Plain && next.how == How::Plain;
            is_letter(one.c)
                && is_letter(next.c)
                && together
                && !(next.joint && pair[1].letter > pair[0].letter)
        })
        .map(|pair| (pair[0].symbol, pair[1].symbol))
        .collect();
    let blank = pairs
        .iter()
        .any(|(one, next)| page.blank_between(*one, *next));
    !blank || pairs.iter().all(|(one, next)| next - one > 1)
}

/// Nothing stands between the parts of one character.
fn parts_are_together(page: &Page, steps: &[Step]) -> bool {
    steps.windows(2).all(|pair| {
        let (one, next) = (page.letter(pair[0]), page.letter(pair[1]));
        one.how != How::Part || one.of != next.of || pair[1].symbol == pair[0].symbol + 1
    })
}

/// Half of the letters at least are what they are, and not a sign or a digit.
fn half_is_real(page: &Page, steps: &[Step]) -> bool {
    let letters = &page.form.letters;
    let is_sign = |step: &Step| leet(page.letter(*step).c).contains(page.symbols[step.symbol].c);
    let runs = steps.chunk_by(|one, next| page.letter(*one).c == page.letter(*next).c);
    let hidden: usize = runs
        .map(|run| {
            let length = run[run.len() - 1].letter - run[0].letter + 1;
            let real = run.iter().filter(|step| !is_sign(step)).count();
            length.saturating_sub(real)
        })
        .sum();
    let counted = letters.iter().filter(|letter| is_letter(letter.c));
    hidden * 2 <= counted.count()
}

/// Whether an entry whose ends are these letters may stand between its neighbours.
pub fn is_whole_word(
    symbols: &[Symbol],
    [first, last]: [usize; 2],
    letters: [char; 2],
    open: [bool; 2],
    options: &Options,
    breaks: &[usize],
) -> bool {
    let whole = options.whole_word;
    let ends_word = |nth: usize, at: usize| {
        let unspaced_at = |at: usize| {
            let symbol = symbols.get(at);
            symbol.is_some_and(|symbol| !symbol.flag && is_unspaced(symbol.c))
        };
        let within = at > 0 && unspaced_at(at - 1) && unspaced_at(at);
        whole != WholeWord::Segment
            || open[nth]
            || !is_unspaced(letters[nth])
            || !within
            || breaks.contains(&at)
    };
    if !ends_word(0, first) || !ends_word(1, last + 1) {
        return false;
    }
    let before = first.checked_sub(1).map(|at| &symbols[at]);
    let after = symbols.get(last + 1);
    let free = |letter: char, end: &Symbol, neighbour: Option<&Symbol>, open: bool| {
        let is_word = is_letter(letter) || is_digit(letter);
        // A flag beside plain letters is no letter.
        let neighbour = neighbour.filter(|beside| !beside.regional || end.regional);
        open || !is_word
            || !neighbour.is_some_and(|beside| match whole {
                WholeWord::Alnum | WholeWord::Segment => is_letter(beside.c) || is_digit(beside.c),
                WholeWord::Alpha => is_letter(beside.c),
                WholeWord::Off => false,
            })
    };
    let prefixed = || {
        options.prefixes
            && matches!(letters[0], '\u{5D0}'..='\u{5EA}' | '\u{620}'..='\u{6D5}')
            && prefixes().iter().any(|prefix| {
                let count = prefix.chars().count();
                let Some(start) = first.checked_sub(count) else {
                    return false;
                };
                let taken = &symbols[start..first];
                let parts_inside = taken[1..].iter().any(|symbol| symbol.parted);
                let is_end = |at: usize| !is_word_letter(symbols[at].c);
                taken.iter().map(|symbol| symbol.c).eq(prefix.chars())
                    && !parts_inside
                    && (taken[0].parted || start.checked_sub(1).is_none_or(is_end))
            })
    };
    let left = free(letters[0], &symbols[first], before, open[0]);
    let right = free(letters[1], &symbols[last], after, open[1]);
    (left || symbols[first].parted || prefixed())
        && (right || after.is_some_and(|after| after.parted))
}

/// Where words begin and end, as a segmenter parts the folded text.
pub fn breaks(symbols: &[Symbol]) -> Vec<usize> {
    let shown = |symbol: &Symbol| match is_unspaced(symbol.c) {
        true => symbol.c,
        false => ' ',
    };
    let text: String = symbols.iter().map(shown).collect();
    let segmenter = WordSegmenter::new_lstm(WordBreakInvariantOptions::default());
    let bytes = segmenter.segment_str(&text);
    bytes.map(|at| text[..at].chars().count()).collect()
}

/// Every prefix of one-letter words and the article.
fn prefixes() -> Vec<String> {
    let mut all = Vec::new();
    for (first, second, third) in [
        (["", "و", "ف"], &["", "ب", "ك", "ل"][..], ["", "ال"]),
        (
            ["", "ו", "ו"],
            &[
                "", "ב", "ל", "כ", "מ", "ש", "כש", "שב", "של", "שכ", "שמ", "כשב", "כשל", "כשכ",
                "כשמ",
            ],
            ["", "ה"],
        ),
    ] {
        for one in first {
            all.extend(
                second
                    .iter()
                    .flat_map(|two| third.iter().map(move |three| format!("{one}{two}{three}"))),
            );
        }
    }
    all.extend(["لل", "ولل", "فلل"].map(str::to_owned));
    all.retain(|prefix| (1..=4).contains(&prefix.chars().count()));
    all
}

/// The gaps are those of a number, a date or a time, or that of `he'll`.
pub fn is_number_or_contraction(page: &Page, steps: &[Step]) -> bool {
    let symbol = |step: &Step| page.symbols[step.symbol].c;
    let is_joint = |pair: &[Step]| page.letter(pair[1]).joint && pair[1].letter > pair[0].letter;
    // A blank of the entry is no gap.
    let between = |pair: &[Step]| match is_joint(pair) {
        true => &[],
        false => &page.symbols[pair[0].symbol + 1..pair[1].symbol],
    };
    let sign = |pair: &[Step]| match between(pair) {
        [sign] => Some(sign.c),
        _ => None,
    };
    let gaps = steps
        .windows(2)
        .filter(|pair| !between(pair).is_empty())
        .count();
    let digits = steps.iter().filter(|step| is_digit(symbol(step))).count();
    let of_digits = |pair: &&[Step]| pair.iter().all(|step| is_digit(symbol(step)));
    let together = steps
        .windows(2)
        .filter(of_digits)
        .any(|pair| between(pair).is_empty() && !is_joint(pair));
    let numeric = steps.windows(2).filter(of_digits).any(|pair| {
        let mut signs = between(pair).iter();
        let count = between(pair).len();
        (1..=3).contains(&count) && signs.all(|sign| ".,:/-'’ ٫٬‐–—−~".contains(sign.c))
    });
    let apostrophe = steps.windows(2).position(|pair| {
        sign(pair).is_some_and(|sign| "'’‘‛`´′".contains(sign))
            && pair.iter().all(|step| is_letter(symbol(step)))
    });
    let contracted = apostrophe.filter(|_| gaps == 1).is_some_and(|at| {
        let rest: String = steps[at + 1..].iter().map(symbol).collect();
        ["s", "t", "d", "m", "ll", "re", "ve"].contains(&&*rest)
    });
    contracted || numeric && (together || digits < 3)
}

fn ends(steps: &[Step]) -> (usize, usize) {
    (steps[0].symbol, steps[steps.len() - 1].symbol)
}
