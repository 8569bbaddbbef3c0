//! XML: the text of each element that holds no other.

use super::word::Words;

/// Takes the texts, in the order of the file. Errors: there is none.
pub(super) fn read(text: &str, words: &mut Words) -> Result<(), String> {
    let mut line = 1;
    let mut rest = text;
    let mut found = false;
    while let Some(open) = rest.find('<') {
        line += breaks(&rest[..open]);
        rest = &rest[open..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = comment.find("-->").map_or(comment.len(), |end| end + 3);
            line += breaks(&comment[..end]);
            rest = &comment[end..];
            continue;
        }
        let Some(close) = rest.find('>') else { break };
        line += breaks(&rest[..close]);
        let opens =
            !rest.starts_with("</") && !rest.starts_with("<?") && !rest[..close].ends_with('/');
        rest = &rest[close + 1..];
        let end = rest.find('<').unwrap_or(rest.len());
        if opens && rest[end..].starts_with("</") && !rest[..end].trim().is_empty() {
            found = true;
            words.add(line, &unescaped(&rest[..end]), &[]);
        } else if opens && let Some(data) = rest.strip_prefix("<![CDATA[") {
            let end = data.find("]]>").unwrap_or(data.len());
            found = true;
            words.add(line, &data[..end], &[]);
        }
    }
    match found {
        true => Ok(()),
        false => Err("no element of this XML holds a text; turn it into lines first".to_owned()),
    }
}

fn breaks(text: &str) -> u32 {
    u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX)
}

/// With the entities that XML itself has written out.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest.find(';').map(|end| &rest[1..end]);
        let character = entity.and_then(character_of);
        match (entity, character) {
            (Some(entity), Some(character)) => {
                out.push(character);
                rest = &rest[entity.len() + 2..];
            }
            _ => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn character_of(entity: &str) -> Option<char> {
    let number = entity.strip_prefix('#');
    match (entity, number) {
        ("amp", _) => Some('&'),
        ("lt", _) => Some('<'),
        ("gt", _) => Some('>'),
        ("quot", _) => Some('"'),
        ("apos", _) => Some('\''),
        (_, Some(number)) => {
            let hex = number.strip_prefix(['x', 'X']);
            let code = match hex {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            code.ok().and_then(char::from_u32)
        }
        _ => None,
    }
}
