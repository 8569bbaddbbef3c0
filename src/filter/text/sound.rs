//! The sound of Han characters: their pinyin without tones.
//!
//! Source: the crate `pinyin`; of a character with several readings the first counts.

use std::collections::BTreeMap;

use pinyin::ToPinyin;

/// The blocks of Han characters whose sounds are kept ready, as closed ranges; first those in
/// everyday use.
const BLOCKS: [(u32, u32); 4] = [
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
];
/// Sounds are symbols above all code points.
const SOUND: u32 = 0x11_0000;

/// The pinyin of a Han character as it is typed, in ASCII: `lv` for `lü`.
pub(crate) fn typed(c: char) -> Option<String> {
    Some(c.to_pinyin()?.plain().replace('ü', "v"))
}

/// The pinyin of a Han character with `u` for `ü`, where that differs.
pub(crate) fn typed_plainly(c: char) -> Option<String> {
    let sound = c.to_pinyin()?.plain();
    sound.contains('ü').then(|| sound.replace('ü', "u"))
}

/// A symbol for the sound of each Han character; by default no character has a sound.
#[derive(Default)]
pub(crate) struct Sounds {
    /// Blocks: where each begins, and its sounds.
    blocks: Box<[(u32, Box<[u16]>)]>,
}

impl Sounds {
    /// Takes some milliseconds, so only where sounds are asked for.
    pub(crate) fn read() -> Sounds {
        let mut numbers = BTreeMap::new();
        let mut number = |c: char| {
            let Some(sound) = c.to_pinyin() else {
                return 0;
            };
            // There are about 420 syllables; 0 is none.
            let next = numbers.len() as u16 + 1;
            *numbers.entry(sound.plain()).or_insert(next)
        };
        let blocks = BLOCKS.map(|(first, last)| {
            let han =
                (first..=last).map(|point| char::from_u32(point).expect("no surrogates there"));
            (first, han.map(&mut number).collect())
        });
        Sounds {
            blocks: blocks.into(),
        }
    }

    /// The symbol of a character's sound; the character itself if it has none.
    #[inline]
    pub(crate) fn of(&self, symbol: u32) -> u32 {
        for (first, sounds) in &self.blocks {
            let at = symbol.wrapping_sub(*first) as usize;
            match sounds.get(at) {
                None => {}
                Some(0) => return symbol,
                Some(sound) => return SOUND + u32::from(*sound),
            }
        }
        symbol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_of_one_sound_are_equal() {
        let sounds = Sounds::read();
        let of = |c: char| sounds.of(u32::from(c));
        assert_eq!(of('赌'), of('读'));
        // As rare ones are.
        assert_eq!(of('赌'), of('\u{282C8}'));
        assert_eq!(of('\u{3400}'), of('丘'));
        assert_ne!(of('赌'), of('博'));
        assert_eq!(of('a'), u32::from('a'));
    }

    #[test]
    fn pinyin_is_typed_in_ascii() {
        assert_eq!(typed('赌').as_deref(), Some("du"));
        assert_eq!(typed('女').as_deref(), Some("nv"));
        assert_eq!(typed_plainly('女').as_deref(), Some("nu"));
        assert_eq!(typed_plainly('赌'), None);
        assert_eq!(typed('x'), None);
    }
}
