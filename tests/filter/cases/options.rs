//! The options of a case, from JSON; everything that is not known is an error.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use callgate::filter::{Choice, Combo, Mask, MaskBy, OptionDef, Options, SkipClasses, Slot};

/// Builds options from what differs from the defaults. Errors: the key or value that is wrong.
pub fn options_from_json(object: &Map<String, Value>) -> Result<Options, String> {
    let mut options = Options::default();
    for (name, value) in object {
        set(&mut options, name, value)
            .ok_or_else(|| format!("option `{name}` cannot be `{value}`"))??;
    }
    Ok(options)
}

/// Sets one option; `None` when the value is none of it.
fn set(options: &mut Options, name: &str, value: &Value) -> Option<Result<(), String>> {
    let Some(def) = OptionDef::named(name) else {
        return Some(Err(format!("there is no option `{name}`")));
    };
    match def.slot(options) {
        Slot::Switch(on) => *on = value.as_bool()?,
        Slot::Number(to) => *to = number(value)?,
        Slot::Choice(choice) => {
            let name = value.as_str().map(str::to_owned);
            let name = name.or_else(|| value.as_bool().map(|on| on.to_string()))?;
            choice.choose(&name).then_some(())?;
        }
        Slot::Classes(classes) => *classes = skip(value)?,
        Slot::Aliases(to) => *to = aliases(value)?,
        Slot::Combos(to) => match combos(value)? {
            Ok(combos) => *to = combos,
            Err(problem) => return Some(Err(problem)),
        },
        Slot::Mask(to) => match mask(value)? {
            Ok(mask) => *to = mask,
            Err(problem) => return Some(Err(problem)),
        },
    }
    Some(Ok(()))
}

fn number(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

fn skip(value: &Value) -> Option<SkipClasses> {
    let classes = value.as_array()?.iter();
    classes
        .map(|class| SkipClasses::from_name(class.as_str()?))
        .try_fold(SkipClasses::NONE, |all, class| Some(all.with(class?)))
}

fn aliases(value: &Value) -> Option<BTreeMap<String, String>> {
    let pairs = value.as_object()?.iter();
    pairs
        .map(|(from, to)| Some((from.clone(), to.as_str()?.to_owned())))
        .collect()
}

fn strings(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array()?.iter();
    items.map(|item| Some(item.as_str()?.to_owned())).collect()
}

fn combos(value: &Value) -> Option<Result<Vec<Combo>, String>> {
    let mut combos = Vec::new();
    for object in value.as_array()? {
        let mut combo = Combo::default();
        for (name, value) in object.as_object()? {
            match name.as_str() {
                "id" => combo.id = value.as_str()?.to_owned(),
                "all" => combo.all = strings(value)?,
                "none" => combo.none = strings(value)?,
                "window" => combo.window = Some(number(value)?),
                _ => return Some(Err(format!("a combination has no `{name}`"))),
            }
        }
        combos.push(combo);
    }
    Some(Ok(combos))
}

fn mask(value: &Value) -> Option<Result<Mask, String>> {
    let mut mask = Mask::default();
    for (name, value) in value.as_object()? {
        match name.as_str() {
            "by" => {
                let named = MaskBy::NAMED.iter();
                let mut named = named.filter(|(name, _)| value == *name);
                mask.by = named.next()?.1;
            }
            "char" => {
                let mut chars = value.as_str()?.chars();
                mask.char = chars.next().filter(|_| chars.next().is_none())?;
            }
            "n" => mask.n = number(value)?,
            "text" => mask.text = value.as_str()?.to_owned(),
            "keep_first" => mask.keep_first = number(value)?,
            "keep_last" => mask.keep_last = number(value)?,
            _ => return Some(Err(format!("a mask has no `{name}`"))),
        }
    }
    Some(Ok(mask))
}

#[cfg(test)]
mod tests {
    use callgate::filter::OPTIONS;
    use serde_json::json;

    use super::*;

    fn check_refused(options: Value, expected: &str) {
        let problem = options_from_json(options.as_object().unwrap()).unwrap_err();
        assert_eq!(problem, expected);
    }

    #[test]
    fn unknown_options_and_values_are_refused() {
        check_refused(json!({"leat": true}), "there is no option `leat`");
        check_refused(json!({"leet": 1}), "option `leet` cannot be `1`");
        check_refused(
            json!({"skip": ["blank"]}),
            "option `skip` cannot be `[\"blank\"]`",
        );
        check_refused(json!({"mask": {"len": 1}}), "a mask has no `len`");
        check_refused(
            json!({"combos": [{"any": []}]}),
            "a combination has no `any`",
        );
    }

    #[test]
    fn every_option_differs_from_its_default() {
        let all = json!({
            "case": false, "width": false, "style": false, "trad": false, "invisible": false,
            "marks": false, "confusables": false, "num_style": true, "leet": true, "repeat": 3,
            "skip": ["space"], "max_gap": 2, "whole_word": false, "pinyin": "full",
            "homophone": true, "split": true, "aliases": {"a": "b"}, "selfmask": true,
            "bidi": true, "combos": [{"id": "c", "all": ["a", "b"]}], "mode": "all",
            "allow_mode": "overlap", "mask": {"by": "word", "text": "x"}, "locale": "tr",
            "codes": true, "kana": true, "hamza": false, "prefixes": true, "urls": "skip",
        });
        assert_eq!(all.as_object().unwrap().len(), OPTIONS.len());
        for (name, value) in all.as_object().unwrap() {
            let one = Map::from_iter([(name.clone(), value.clone())]);
            assert_ne!(
                options_from_json(&one).unwrap(),
                Options::default(),
                "{name}"
            );
        }
    }
}
