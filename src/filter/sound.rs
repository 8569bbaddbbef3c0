//! The sound of Han characters: their pinyin without tones.
//!
//! Source: the crate `pinyin`; of a character with several readings the first counts.

use std::collections::BTreeMap;

use pinyin::ToPinyin;

/// The block of Han characters whose sounds are kept ready.
const FIRST: u32 = 0x4E00;
const LAST: u32 = 0x9FFF;
/// Sounds are symbols above all code points.
const SOUND: u32 = 0x11_0000;

/// The pinyin of a Han character as it is typed, in ASCII: `lv` for `lü`.
pub fn typed(c: char) -> Option<String> {
    Some(c.to_pinyin()?.plain().replace('ü', "v"))
}

/// The pinyin of a Han character with `u` for `ü`, where that differs.
pub fn typed_plainly(c: char) -> Option<String> {
    let sound = c.to_pinyin()?.plain();
    sound.contains('ü').then(|| sound.replace('ü', "u"))
}

/// A symbol for the sound of each Han character; by default no character has a sound.
#[derive(Default)]
pub struct Sounds {
    sounds: Box<[u16]>,
}

impl Sounds {
    /// Takes some milliseconds, so only where sounds are asked for.
    pub fn read() -> Sounds {
        let mut numbers = BTreeMap::new();
        let number = |c: char| {
            let Some(sound) = c.to_pinyin() else {
                return 0;
            };
            // There are about 420 syllables; 0 is none.
            let next = numbers.len() as u16 + 1;
            *numbers.entry(sound.plain()).or_insert(next)
        };
        let han = (FIRST..=LAST).map(|point| char::from_u32(point).expect("no surrogates there"));
        Sounds {
            sounds: han.map(number).collect(),
        }
    }

    /// The symbol of a character's sound; the character itself if it has none.
    #[inline]
    pub fn of(&self, symbol: u32) -> u32 {
        let at = symbol.wrapping_sub(FIRST) as usize;
        match self.sounds.get(at) {
            None | Some(0) => symbol,
            Some(sound) => SOUND + u32::from(*sound),
        }
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
