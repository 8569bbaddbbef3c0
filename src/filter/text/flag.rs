//! Flags: two regional indicators that are a country's, and those of parts of a country.

/// Flags are symbols above all code points, and above the sounds.
pub(super) const FLAG: u32 = 0x11_8000;
/// Behind the flags of countries.
const FLAG_OF_A_PART: u32 = FLAG + 26 * 26;

/// ISO 3166-1, and what Unicode has flags for beside it.
const COUNTRIES: &str = "ACADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZ\
    CACCCDCFCGCHCICKCLCMCNCOCPCQCRCUCVCWCXCYCZDEDGDJDKDMDODZEAECEEEGEHERESETEUFIFJFKFMFOFRGAGBGDGEGFGG\
    GHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUICIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLI\
    LKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPK\
    PLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTATCTDTFTGTHTJTKTLTMTNTOTRTT\
    TVTWTZUAUGUMUNUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

/// England, Scotland and Wales, as tags spell them.
const PARTS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];

fn letter(c: char) -> u8 {
    (u32::from(c).wrapping_sub(0x1F1E6) as u8).wrapping_add(b'A')
}

/// Whether a run of regional indicators is a row of flags, and spells nothing.
pub(super) fn are_flags(run: impl Iterator<Item = char>) -> bool {
    let letters: Vec<u8> = run.map(letter).collect();
    let is_country = |pair: &[u8]| {
        COUNTRIES
            .as_bytes()
            .chunks_exact(2)
            .any(|known| known == pair)
    };
    letters.len().is_multiple_of(2) && letters.chunks_exact(2).all(is_country)
}

/// The symbols of a row of flags.
pub(super) fn flags(run: impl Iterator<Item = char>) -> impl Iterator<Item = u32> {
    let mut letters = run.map(|c| u32::from(letter(c) - b'A'));
    std::iter::from_fn(move || Some(FLAG + letters.next()? * 26 + letters.next()?))
}

/// The symbol of the flag that the tags at the start of `rest` make of a black one, and how many
/// bytes they have.
pub(super) fn of_a_part(rest: &str) -> Option<(u32, u32)> {
    let tags = rest
        .chars()
        .take_while(|c| ('\u{E0020}'..='\u{E007E}').contains(c));
    let name: String = tags
        .take(6)
        .filter_map(|c| char::from_u32(u32::from(c) - 0xE0000))
        .collect();
    let part = PARTS.iter().position(|known| *known == name)?;
    let length = 4 * name.len();
    rest[length..]
        .starts_with('\u{E007F}')
        .then_some((FLAG_OF_A_PART + part as u32, length as u32 + 4))
}

/// How a flag is written.
pub(crate) fn written(symbol: u32) -> Option<String> {
    let number = symbol.checked_sub(FLAG)?;
    if let Some(part) = symbol.checked_sub(FLAG_OF_A_PART) {
        let name = PARTS.get(part as usize)?.chars();
        let tags = name.filter_map(|c| char::from_u32(u32::from(c) + 0xE0000));
        return Some(
            ['\u{1F3F4}']
                .into_iter()
                .chain(tags)
                .chain(['\u{E007F}'])
                .collect(),
        );
    }
    let letters = [number / 26, number % 26];
    letters
        .into_iter()
        .map(|letter| char::from_u32(0x1F1E6 + letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_flags_and_other_pairs_spell() {
        assert!(are_flags("🇹🇼🇦🇹".chars()));
        assert!(!are_flags("🇧🇦🇩🇼🇴🇷🇩".chars()));
        assert!(!are_flags("🇺🇸🇦".chars()));
        assert_eq!(COUNTRIES.len(), 2 * 259);
    }

    #[test]
    fn a_flag_is_written_as_it_was_read() {
        let flag = flags("🇷🇺".chars()).next().unwrap();
        assert_eq!(written(flag).unwrap(), "🇷🇺");
        let england = "\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}";
        let (flag, length) = of_a_part(england).unwrap();
        assert_eq!(length as usize, england.len());
        assert_eq!(written(flag).unwrap(), format!("🏴{england}"));
    }
}
