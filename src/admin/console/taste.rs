//! How somebody likes the pages, which their browser remembers: language, light or dark, keys.

use http::{HeaderMap, HeaderValue, header};
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::language::Language;

const LANGUAGE: &str = "callgate-language";
const LIGHT: &str = "callgate-light";
const KEYS: &str = "callgate-keys";
const MAX_AGE_S: u64 = 365 * 24 * 3600;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Light {
    /// As the browser has it.
    #[default]
    Auto,
    #[strum(serialize = "light")]
    Bright,
    Dark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taste {
    pub language: Language,
    pub light: Light,
    /// Single keys do something.
    pub keys: bool,
}

impl Taste {
    /// What the cookies say, and else the browser itself.
    pub(super) fn of(headers: &HeaderMap) -> Taste {
        let language = cookie(headers, LANGUAGE).and_then(Language::from_tag);
        let light = cookie(headers, LIGHT).and_then(|light| light.parse().ok());
        Taste {
            language: language.unwrap_or_else(|| Language::wanted(headers)),
            light: light.unwrap_or_default(),
            keys: cookie(headers, KEYS) != Some("off"),
        }
    }
}

/// The cookie that remembers one choice; `None` for what cannot be chosen.
pub(super) fn remember(what: &str, choice: &str) -> Option<HeaderValue> {
    let (name, value) = match what {
        "language" => (LANGUAGE, Language::from_tag(choice)?.tag()),
        "light" => (LIGHT, choice.parse::<Light>().ok()?.into()),
        "keys" if choice == "on" => (KEYS, "on"),
        "keys" if choice == "off" => (KEYS, "off"),
        _ => return None,
    };
    let line = format!("{name}={value}; Path=/; Max-Age={MAX_AGE_S}; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(line).ok()
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let cookies = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut named = cookies.filter_map(|cookie| cookie.trim().split_once('='));
    named.find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_is_remembered_and_nothing_else() {
        let check = |cookies: &'static str, language: &str, light: Light, keys: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, "zh".parse().unwrap());
            headers.insert(header::COOKIE, cookies.parse().unwrap());
            let taste = Taste::of(&headers);
            let found = (taste.language.tag(), taste.light, taste.keys);
            assert_eq!(found, (language, light, keys), "{cookies}");
        };
        check("x=1", "zh", Light::Auto, true);
        check(
            "callgate-language=en; callgate-keys=off",
            "en",
            Light::Auto,
            false,
        );
        check(
            "callgate-light=dark; callgate-language=xx",
            "zh",
            Light::Dark,
            true,
        );
        check(
            "callgate-light=<b>; callgate-keys=",
            "zh",
            Light::Auto,
            true,
        );
        let line = |what, choice| remember(what, choice).map(|line| line.to_str().unwrap().len());
        assert!(line("language", "zh-CN").is_some() && line("light", "auto").is_some());
        for (what, choice) in [("language", "de"), ("light", "x; Path=/y"), ("name", "ann")] {
            assert_eq!(line(what, choice), None, "{what} {choice}");
        }
    }
}
