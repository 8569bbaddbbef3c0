//! What a character is, from Unicode's own properties.

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};
use unicode_segmentation::UnicodeSegmentation;

use callgate::filter::SkipClasses;

pub fn is_latin(c: char) -> bool {
    c.is_alphabetic() && c.script() == Script::Latin
}

/// A letter of a script in which words are parted by blanks.
pub fn is_letter(c: char) -> bool {
    let script = match c {
        // Coptic letters that Unicode keeps among the Greek ones.
        '\u{3E2}'..='\u{3EF}' => Script::Greek,
        _ => c.script(),
    };
    c.is_alphabetic() && matches!(script, Script::Latin | Script::Greek | Script::Cyrillic)
        || is_word_letter(c)
}

/// A letter, or a mark that is one, of another script that writes blanks between words.
pub fn is_word_letter(c: char) -> bool {
    use Script as S;
    let script = match c {
        // Marks that several scripts share.
        '\u{61A}' | '\u{640}' | '\u{64B}'..='\u{655}' | '\u{670}' => S::Arabic,
        '\u{951}'..='\u{954}' | '\u{1CD0}'..='\u{1CFF}' => S::Devanagari,
        '\u{1133B}' => S::Grantha,
        _ => c.script(),
    };
    let writes_blanks = matches!(
        script,
        S::Arabic
            | S::Hebrew
            | S::Syriac
            | S::Thaana
            | S::Nko
            | S::Devanagari
            | S::Bengali
            | S::Gurmukhi
            | S::Gujarati
            | S::Oriya
            | S::Tamil
            | S::Telugu
            | S::Kannada
            | S::Malayalam
            | S::Sinhala
            | S::Georgian
            | S::Ethiopic
            | S::Cherokee
            | S::Armenian
            | S::Coptic
            | S::Lisu
            | S::Glagolitic
            | S::Canadian_Aboriginal
            | S::Tifinagh
            | S::Adlam
            | S::Ahom
            | S::Bhaiksuki
            | S::Brahmi
            | S::Chakma
            | S::Deseret
            | S::Dives_Akuru
            | S::Dogra
            | S::Garay
            | S::Grantha
            | S::Gunjala_Gondi
            | S::Hanifi_Rohingya
            | S::Kaithi
            | S::Kawi
            | S::Kharoshthi
            | S::Khojki
            | S::Khudawadi
            | S::Mahajani
            | S::Makasar
            | S::Mandaic
            | S::Manichaean
            | S::Marchen
            | S::Masaram_Gondi
            | S::Meetei_Mayek
            | S::Modi
            | S::Mongolian
            | S::Multani
            | S::Nandinagari
            | S::Newa
            | S::Ogham
            | S::Ol_Chiki
            | S::Old_Hungarian
            | S::Old_North_Arabian
            | S::Old_South_Arabian
            | S::Osage
            | S::Osmanya
            | S::Pau_Cin_Hau
            | S::Phags_Pa
            | S::Runic
            | S::Samaritan
            | S::Sharada
            | S::Shavian
            | S::Siddham
            | S::Sora_Sompeng
            | S::Soyombo
            | S::Sunuwar
            | S::Syloti_Nagri
            | S::Takri
            | S::Tirhuta
            | S::Tolong_Siki
            | S::Tulu_Tigalari
            | S::Vithkuqi
            | S::Warang_Citi
            | S::Zanabazar_Square
    );
    let of_room = c.general_category() == GeneralCategory::SpacingMark;
    let greek = matches!(c, '\u{3E2}'..='\u{3EF}');
    writes_blanks && !greek && (c.is_alphabetic() || is_mark(c) || of_room)
}

/// The script of a character, if marks are letters in that script.
pub fn sign_script(c: char) -> Option<Script> {
    use Script as S;
    let script = match c {
        '\u{A9CF}' => S::Javanese,
        _ => c.script(),
    };
    matches!(
        script,
        S::Thaana
            | S::Nko
            | S::Devanagari
            | S::Bengali
            | S::Gurmukhi
            | S::Gujarati
            | S::Oriya
            | S::Tamil
            | S::Telugu
            | S::Kannada
            | S::Malayalam
            | S::Sinhala
            | S::Thai
            | S::Lao
            | S::Tibetan
            | S::Myanmar
            | S::Khmer
            | S::Balinese
            | S::Javanese
            | S::Tagalog
            | S::Hanunoo
            | S::Buhid
            | S::Tagbanwa
            | S::Limbu
            | S::Buginese
            | S::Tai_Tham
            | S::Sundanese
            | S::Batak
            | S::Lepcha
            | S::Syloti_Nagri
            | S::Saurashtra
            | S::Kayah_Li
            | S::Rejang
            | S::Cham
            | S::Tai_Viet
            | S::Brahmi
            | S::Kaithi
            | S::Chakma
            | S::Mahajani
            | S::Sharada
            | S::Khojki
            | S::Multani
            | S::Khudawadi
            | S::Grantha
            | S::Tulu_Tigalari
            | S::Newa
            | S::Tirhuta
            | S::Siddham
            | S::Modi
            | S::Takri
            | S::Ahom
            | S::Dogra
            | S::Dives_Akuru
            | S::Nandinagari
            | S::Zanabazar_Square
            | S::Soyombo
            | S::Bhaiksuki
            | S::Marchen
            | S::Masaram_Gondi
            | S::Gunjala_Gondi
            | S::Makasar
            | S::Kawi
    )
    .then_some(script)
}

/// Of a script that writes no blanks between words, and no characters for words either.
pub fn is_unspaced(c: char) -> bool {
    use Script as S;
    matches!(c.script(), S::Thai | S::Lao | S::Khmer | S::Myanmar)
        && !matches!(c, '\u{19E0}'..='\u{19FF}' | '\u{116D0}'..='\u{116FF}')
}

/// A mark that is a letter, or takes room like one.
pub fn is_letter_mark(c: char) -> bool {
    is_mark(c) && sign_script(c).is_some() || c.general_category() == GeneralCategory::SpacingMark
}

/// Stands before a character and is of one cluster with it.
pub fn is_prepended(c: char) -> bool {
    format!("{c}a").graphemes(true).count() == 1
}

pub fn is_han(c: char) -> bool {
    c.script() == Script::Han && c.general_category_group() == GeneralCategoryGroup::Letter
}

pub fn is_digit(c: char) -> bool {
    c.general_category() == GeneralCategory::DecimalNumber
}

/// A mark that takes no room of its own.
pub fn is_mark(c: char) -> bool {
    matches!(
        c.general_category(),
        GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
    )
}

/// A mark, with room of its own or without.
pub fn is_combining(c: char) -> bool {
    is_mark(c) || c.general_category() == GeneralCategory::SpacingMark
}

/// Default-ignorable code points, annotations and the blank braille pattern.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{8}' | '\u{E}'..='\u{1F}' | '\u{7F}'..='\u{84}' | '\u{86}'..='\u{9F}'
            | '\u{640}' | '\u{7FA}' | '\u{1F3FB}'..='\u{1F3FF}'
            | '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{2800}' | '\u{FEFF}'
            // Fillers of Hangul and Khmer.
            | '\u{115F}'..='\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{17B4}'..='\u{17B5}'
            // Variation selectors.
            | '\u{180B}'..='\u{180F}' | '\u{FE00}'..='\u{FE0F}'
            // Zero width, and the order of reading.
            | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            // Annotations, hieroglyphs, shorthand, music.
            | '\u{FFF0}'..='\u{FFFB}' | '\u{13430}'..='\u{13440}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            // Tags, and everything else in the plane for such characters.
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// Belongs to the character before it, as far as a reader can see.
pub fn is_trailing(c: char) -> bool {
    is_mark(c)
        || c.general_category() == GeneralCategory::SpacingMark
        || matches!(
            c,
            '\u{200C}' | '\u{200D}' | '\u{FF9E}' | '\u{FF9F}'
                | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0020}'..='\u{E007F}'
                // The second and third letter of a Hangul syllable.
                | '\u{1160}'..='\u{11FF}'
        )
}

pub fn is_regional(c: char) -> bool {
    ('\u{1F1E6}'..='\u{1F1FF}').contains(&c)
}

/// The class of noise that a character is of; Latin letters and digits are of one too.
pub fn noise(c: char) -> Option<SkipClasses> {
    use GeneralCategoryGroup::{Punctuation, Symbol};
    match c {
        '。' | '！' | '？' | '!' | '?' | '；' | ';' | '｡' => Some(SkipClasses::STOP),
        '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
            Some(SkipClasses::NEWLINE)
        }
        _ if c.is_whitespace() => Some(SkipClasses::SPACE),
        _ if is_digit(c) => Some(SkipClasses::DIGIT),
        _ if is_latin(c) => Some(SkipClasses::LATIN),
        _ => match c.general_category_group() {
            Punctuation => Some(SkipClasses::PUNCT),
            Symbol => Some(SkipClasses::SYMBOL),
            _ => None,
        },
    }
}
