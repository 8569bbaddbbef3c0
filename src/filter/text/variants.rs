//! The other ways to write a Han character: what folding, pinyin, homophones and parts undo.
//!
//! For tools that try a list's entries in every disguise; nothing on the way of a message comes
//! here.

use std::collections::HashMap;

use super::sound;

/// The block of Han characters in everyday use.
const HAN: std::ops::RangeInclusive<char> = '\u{4E00}'..='\u{9FFF}';

/// Ways to write characters, by character.
pub struct Variants {
    traditional: HashMap<char, Vec<char>>,
    simplified: HashMap<char, char>,
    parts: HashMap<char, Vec<&'static str>>,
    /// By pinyin without tones.
    sounds: HashMap<String, Vec<char>>,
}

impl Variants {
    /// Reads the tables, which takes some milliseconds.
    pub fn load() -> Variants {
        let mut variants = Variants {
            traditional: HashMap::new(),
            simplified: HashMap::new(),
            parts: HashMap::new(),
            sounds: HashMap::new(),
        };
        for line in lines(include_str!("data/traditional.txt")) {
            let chars: Vec<char> = line.chars().collect();
            for pair in chars.chunks_exact(2) {
                variants.simplified.insert(pair[0], pair[1]);
                variants
                    .traditional
                    .entry(pair[1])
                    .or_default()
                    .push(pair[0]);
            }
        }
        for line in lines(include_str!("data/components.txt")) {
            let mut chars = line.chars();
            if let Some(whole) = chars.next() {
                let rows = chars.as_str().split(' ').collect();
                variants.parts.insert(whole, rows);
            }
        }
        for c in HAN.filter(|c| !variants.simplified.contains_key(c)) {
            if let Some(sound) = sound::typed(c) {
                variants.sounds.entry(sound).or_default().push(c);
            }
        }
        variants
    }

    /// Traditional characters that are read as this one.
    pub fn traditional(&self, c: char) -> &[char] {
        self.traditional.get(&c).map_or(&[], Vec::as_slice)
    }

    /// The parts that it may be written as, from left to right.
    pub fn parts(&self, c: char) -> &[&'static str] {
        self.parts.get(&c).map_or(&[], Vec::as_slice)
    }

    /// Its pinyin without tones, in ASCII: `nv` for `女`.
    pub fn pinyin(&self, c: char) -> Option<String> {
        sound::typed(c)
    }

    /// Simplified characters of the same sound, itself among them.
    pub fn of_its_sound(&self, c: char) -> &[char] {
        let sound = sound::typed(c);
        let alike = sound.and_then(|sound| self.sounds.get(&sound));
        alike.map_or(&[], Vec::as_slice)
    }
}

fn lines(data: &'static str) -> impl Iterator<Item = &'static str> {
    data.lines().filter(|line| !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_has_its_other_forms() {
        let variants = Variants::load();
        assert_eq!(variants.traditional('赌'), ['賭']);
        assert!(variants.traditional('发').contains(&'髮'));
        assert!(variants.traditional('a').is_empty());
        assert!(
            variants.parts('赌').contains(&"贝者"),
            "{:?}",
            variants.parts('赌')
        );
        assert_eq!(variants.pinyin('女').as_deref(), Some("nv"));
        assert!(variants.of_its_sound('赌').contains(&'读'));
        assert!(!variants.of_its_sound('赌').contains(&'賭'));
        assert!(variants.of_its_sound('x').is_empty());
    }
}
