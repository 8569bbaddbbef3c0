//! XML: the text of each element that holds no other.

use super::word::Words;

/// Elements of a web page that hold the items of a list.
const ITEMS: [&str; 3] = ["li", "td", "option"];

/// Takes the texts, in the order of the file; of a web page, those of its lists.
///
/// Errors: there is none; a page without a list, or with a table of several columns.
pub(super) fn read(text: &str, words: &mut Words) -> Result<(), String> {
    let start: String = text.trim_start().chars().take(15).collect();
    let start = start.to_lowercase();
    let is_page = start.starts_with("<!doctype html") || start.starts_with("<html");
    let count = |tag: &str| text.to_lowercase().matches(tag).count();
    if is_page && count("<td") > count("<tr").max(1) {
        return Err("this web page has a table of several columns; save it as CSV".to_owned());
    }
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
        let name = rest[1..close].split_whitespace().next().unwrap_or_default();
        let is_item = !is_page || ITEMS.contains(&name.to_lowercase().as_str());
        let opens = !name.starts_with(['/', '?']) && !rest[..close].ends_with('/') && is_item;
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
        false if is_page => {
            Err("this is a web page without a list; get the list itself".to_owned())
        }
        false => Err("no element of this XML holds a text; turn it into lines first, or name another --format".to_owned()),
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
