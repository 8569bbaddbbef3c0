//! Recorded cases and evasions.

use super::*;

const CASES: &str = include_str!("../../../tests/fixtures/filter/cases.jsonl");
const EVASIONS: &str = include_str!("../../../tests/fixtures/filter/evasion.jsonl");

fn options_of(case: &Value) -> Options {
    let mut options = Options::default();
    for (name, value) in case["options"].as_object().unwrap() {
        let def = OptionDef::named(name).unwrap_or_else(|| panic!("option {name}"));
        match def.slot(&mut options) {
            Slot::Switch(on) => *on = value.as_bool().unwrap(),
            Slot::Number(number) => *number = value.as_u64().unwrap() as u32,
            Slot::Choice(choice) => {
                let name = value.as_str().map(str::to_owned);
                let name = name.unwrap_or_else(|| value.to_string());
                assert!(choice.choose(&name), "{name}");
            }
            Slot::Classes(skip) => {
                *skip = strings(value).iter().fold(SkipClasses::NONE, |all, name| {
                    all.with(SkipClasses::from_name(name).unwrap())
                });
            }
            Slot::Aliases(aliases) => *aliases = strings_by_name(value),
            Slot::Combos(combos) => {
                *combos = value.as_array().unwrap().iter().map(combo_of).collect();
            }
            Slot::Mask(mask) => *mask = mask_of(value),
        }
    }
    options
}

fn combo_of(value: &Value) -> Combo {
    let words = |name: &str| -> Vec<String> {
        let words = value[name].as_array().into_iter().flatten();
        words
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    Combo {
        id: value["id"].as_str().unwrap().to_owned(),
        all: words("all"),
        window: value["window"].as_u64().map(|window| window as u32),
        none: words("none"),
    }
}

fn strings_by_name(value: &Value) -> BTreeMap<String, String> {
    let object = value.as_object().unwrap().iter();
    object
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

fn mask_of(value: &Value) -> Mask {
    let number = |name: &str, default| value[name].as_u64().map_or(default, |n| n as u32);
    let plain = Mask::default();
    Mask {
        by: match value["by"].as_str().unwrap_or("char") {
            "char" => MaskBy::Char,
            "grapheme" => MaskBy::Grapheme,
            "fixed" => MaskBy::Fixed,
            "word" => MaskBy::Word,
            by => panic!("mask by {by}"),
        },
        char: value["char"]
            .as_str()
            .map_or(plain.char, |char| char.chars().next().unwrap()),
        n: number("n", plain.n),
        text: value["text"].as_str().unwrap_or_default().to_owned(),
        keep_first: number("keep_first", 0),
        keep_last: number("keep_last", 0),
    }
}

fn strings(value: &Value) -> Vec<&str> {
    let array = value.as_array().unwrap().iter();
    array.map(|item| item.as_str().unwrap()).collect()
}

/// What a case expects and what was found, in the same words.
fn expected_and_found(case: &Value, options: Options) -> ([String; 2], [Vec<String>; 2]) {
    let text = case["text"].as_str().unwrap();
    let mut words = Words::new(&strings(&case["list"]), &strings(&case["allow"]), options);
    let expected = case["expect"].as_array().unwrap().iter().map(|hit| {
        let range = |unit: &str| {
            format!(
                "{}..{}",
                hit[format!("start_{unit}")],
                hit[format!("end_{unit}")]
            )
        };
        format!(
            "{} as {:?} at {} {} {}",
            hit["word"],
            hit["matched"].as_str().unwrap(),
            range("byte"),
            range("char"),
            range("utf16")
        )
    });
    let found = words.find(text);
    let found = found.iter().map(|found| {
        let Span {
            bytes,
            chars,
            utf16,
        } = &found.span;
        format!(
            "{:?} as {:?} at {bytes:?} {chars:?} {utf16:?}",
            words.filter.entry(found.list, found.entry).text,
            &text[bytes.clone()],
        )
    });
    let hits = [expected.collect(), found.collect()];
    let masked = [
        case["masked"].as_str().unwrap().to_owned(),
        words.masked(text),
    ];
    (masked, hits)
}

#[test]
fn recorded_cases_match_and_mask_as_recorded() {
    let mut wrong = Vec::new();
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let options = options_of(&case);
        let (masked, hits) = expected_and_found(&case, options);
        if masked[0] != masked[1] || hits[0] != hits[1] {
            wrong.push(format!("{}: {masked:?} {hits:#?}", case["id"]));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn recorded_evasions_are_found_where_they_are() {
    let mut wrong = Vec::new();
    let cases: Vec<Value> = EVASIONS
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut words: Vec<&str> = cases
        .iter()
        .map(|case| case["word"].as_str().unwrap())
        .collect();
    words.sort_unstable();
    words.dedup();
    let mut words = Words::new(&words, &[], strict());
    for case in &cases {
        let text = case["text"].as_str().unwrap();
        let number = |name: &str| case[name].as_u64().unwrap() as usize;
        let chars = number("start_char")..number("end_char");
        let found: Vec<_> = words
            .find(text)
            .into_iter()
            .map(|found| {
                let word = words.filter.entry(found.list, found.entry).text;
                (word.to_owned(), found.span.chars)
            })
            .collect();
        let expected = [(case["word"].as_str().unwrap().to_owned(), chars)];
        if found != expected {
            wrong.push(format!(
                "{}: {found:?} for {expected:?} in {text:?}",
                case["id"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
