//! What holds for any text.

use super::*;

/// Characters in which every step of folding has something to do.
const MIXED: &str = "ab赌賭博1１ⓐ㎏Ａа\u{301}\u{336}\u{200d}\u{200b}\u{3099}か🇺🇸😀 *ﬁ";

fn mixed(chars: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let chars = prop::collection::vec(
        prop::sample::select(MIXED.chars().collect::<Vec<_>>()),
        chars,
    );
    chars.prop_map(String::from_iter)
}

/// Entries that are more than blanks and marks.
fn entries(of: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<String>> {
    let entry = of.prop_map(|entry| entry + "ab");
    prop::collection::vec(entry, 1..6)
}

proptest! {
    // Every case compiles lists.
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn spans_agree_in_all_units(text in mixed(0..40), words in entries(mixed(0..3)), all: bool) {
        let text = words.join(&text) + &text;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mode = if all { Mode::All } else { Mode::Longest };
        let utf16: Vec<u16> = text.encode_utf16().collect();
        for found in Words::new(&words, &[], Options { mode, ..Options::default() }).find(&text) {
            let Span { bytes, chars, utf16: units } = found.span;
            let slice = &text[bytes];
            let by_chars: String = text.chars().skip(chars.start).take(chars.len()).collect();
            prop_assert_eq!(by_chars, slice);
            prop_assert_eq!(String::from_utf16(&utf16[units]).unwrap(), slice);
        }
    }

    #[test]
    fn masked_text_has_no_match_left(
        text in "[abAｂ赌賭博机 \u{301}\u{200b}1]{0,40}",
        words in prop::collection::vec("[ab赌博机1]{1,4}", 1..6),
    ) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut words = Words::new(&words, &[], Options::default());
        let masked = words.masked(&text);
        prop_assert_eq!(words.find(&masked), []);
    }

    #[test]
    fn bytes_outside_of_matches_stay(text in mixed(0..40)) {
        let mut words = Words::new(&["ab", "赌博", "kg", "1"], &[], Options::default());
        let masked: Vec<char> = words.masked(&text).chars().collect();
        let found = words.find(&text);
        prop_assert_eq!(masked.len(), text.chars().count());
        for (at, (before, after)) in text.chars().zip(masked).enumerate() {
            let hidden = found.iter().any(|found| found.span.chars.contains(&at));
            prop_assert_eq!(after, if hidden { '*' } else { before });
        }
    }

    #[test]
    fn any_text_is_scanned(text in any::<String>(), word in "\\PC{1,6}") {
        let word = format!("{word}赌");
        Words::new(&[&word, "a", "赌"], &["b"], Options::default()).find(&text);
        let anywhere = Options { whole_word: WholeWord::Off, ..Options::default() };
        prop_assert!(!Words::new(&[&word], &[], anywhere).find(&word).is_empty());
    }
}
