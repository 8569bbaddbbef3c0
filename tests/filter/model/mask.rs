//! Hiding what was found.

use unicode_segmentation::UnicodeSegmentation;

use callgate::filter::{Mask, MaskBy};

/// Hides ranges of characters; those that overlap are one.
pub fn masked(text: &str, spans: &[[usize; 2]], mask: &Mask) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut joined: Vec<[usize; 2]> = Vec::new();
    for [start, end] in spans.iter().copied() {
        match joined.last_mut() {
            Some(last) if start < last[1] => last[1] = last[1].max(end),
            _ => joined.push([start, end]),
        }
    }
    let mut masked = String::new();
    let mut shown = 0;
    for [start, end] in joined {
        masked.extend(&chars[shown..start]);
        masked.push_str(&hide(&chars[start..end].iter().collect::<String>(), mask));
        shown = end;
    }
    masked.extend(&chars[shown..]);
    masked
}

fn hide(found: &str, mask: &Mask) -> String {
    let units: Vec<&str> = match mask.by {
        MaskBy::Grapheme => found.graphemes(true).collect(),
        _ => found.split("").filter(|c| !c.is_empty()).collect(),
    };
    let (mut first, mut last) = (mask.keep_first as usize, mask.keep_last as usize);
    if first + last >= units.len() {
        (first, last) = (0, 0);
    }
    let hidden = units.len() - first - last;
    let stars = |count: usize| mask.char.to_string().repeat(count);
    let hidden = match mask.by {
        MaskBy::Char | MaskBy::Grapheme => stars(hidden),
        MaskBy::Fixed => stars(mask.n as usize),
        MaskBy::Word => mask.text.clone(),
    };
    units[..first].concat() + &hidden + &units[units.len() - last..].concat()
}
