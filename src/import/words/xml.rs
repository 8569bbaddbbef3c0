//! XML and web pages: the texts of the elements that hold the words.

use std::collections::{BTreeMap, BTreeSet};

use super::form::WordImport;
use super::markup::{Kind, Tag, Tags};
use super::table::{self, Row};
use super::word::{Words, no_word};

/// Elements of a web page that may hold the words, the surest first.
const ITEMS: [&str; 8] = ["li", "td", "dt", "option", "pre", "textarea", "p", "div"];
/// Elements by which web pages are known, in a piece of one too.
const OF_PAGES: [&str; 16] = [
    "pre", "textarea", "html", "body", "ul", "ol", "li", "dl", "table", "tr", "td", "p", "br",
    "select", "option", "div",
];

/// Takes the texts, in the order of the file; of a web page, those of its lists.
///
/// Errors: there is none; a page without a list; texts of several kinds, of which nobody knows
/// which are the words.
pub(super) fn read(text: &str, import: &WordImport, words: &mut Words) -> Result<(), String> {
    let tags: Vec<Tag> = Tags::of(text).collect();
    let is_page = tags.iter().any(|tag| OF_PAGES.contains(&&*tag.name));
    if is_page {
        return read_page(&tags, import, words);
    }
    if tags.iter().any(|tag| tag.name == "plist") {
        return read_plist(&tags, import, words);
    }
    if tags.last().is_some_and(|tag| !tag.text.trim().is_empty()) {
        return Err("this XML ends in the middle of an element; get the whole file".to_owned());
    }
    let leaves = leaves(&tags);
    match leaves.is_empty() {
        true => read_attributes(&tags, import, words),
        false => read_leaves(&leaves, import, words),
    }
}

/// The items of the first kind that a page has.
fn read_page(tags: &[Tag], import: &WordImport, words: &mut Words) -> Result<(), String> {
    let has = |name: &str| tags.iter().any(|tag| tag.name == name);
    let is_whole = has("html") || has("body");
    let name = ITEMS.into_iter().find(|name| has(name)).filter(|name| {
        // The paragraphs of a whole page are its text.
        !is_whole || !["p", "div"].contains(name)
    });
    let texts = match name {
        Some("td") => return table::take(&rows_of_page(tags), None, import, words),
        Some(name) => texts_of(tags, &[name]),
        None if is_whole => Vec::new(),
        None => texts_of(tags, &[""]),
    };
    for (line, text) in &texts {
        // A text that is set as it was typed has a word in each line.
        for (line, text) in (*line..)
            .zip(text.lines())
            .filter(|(_, text)| !text.trim().is_empty())
        {
            words.add(line, text, &[]);
        }
    }
    match texts.is_empty() {
        true => Err("this is a web page without a list; get the list itself".to_owned()),
        false => Ok(()),
    }
}

/// The texts in these elements; one ends where the next of its kind begins, at `<br>`, or at its
/// end. `""` is every place.
fn texts_of(tags: &[Tag], names: &[&str]) -> Vec<(u32, String)> {
    let everywhere = names.contains(&"");
    let mut texts: Vec<(u32, String)> = Vec::new();
    let mut open: Option<(u32, String)> = everywhere.then(|| (1, String::new()));
    for tag in tags {
        let is_item = names.contains(&&*tag.name);
        // `<li><p>` goes on.
        let is_empty = open
            .as_ref()
            .is_some_and(|(_, text)| text.trim().is_empty());
        let is_within = is_empty && !is_item && tag.kind == Kind::Opens;
        if (is_item || tag.is_block()) && !is_within {
            let goes_on = everywhere || tag.name == "br" && open.is_some();
            texts.extend(open.take());
            if is_item && tag.kind == Kind::Opens || goes_on {
                open = Some((tag.line, String::new()));
            }
        }
        if let Some((line, text)) = &mut open {
            if text.trim().is_empty() {
                *line = tag.text_line();
            }
            text.push_str(&tag.text);
        }
    }
    texts.extend(open);
    let texts = texts
        .into_iter()
        .map(|(line, text)| (line, text.trim().to_owned()));
    texts.filter(|(_, text)| !text.is_empty()).collect()
}

/// The rows of the tables of a page.
fn rows_of_page(tags: &[Tag]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut is_open = false;
    for tag in tags {
        let opens = tag.kind == Kind::Opens;
        match (&*tag.name, opens) {
            ("tr", true) => {
                rows.push((tag.line, Vec::new()));
                is_open = false;
            }
            ("td" | "th", true) => {
                if rows.is_empty() {
                    rows.push((tag.line, Vec::new()));
                }
                rows.iter_mut()
                    .next_back()
                    .into_iter()
                    .for_each(|(_, row)| row.push(String::new()));
                is_open = true;
            }
            ("td" | "th" | "tr" | "table", false) => is_open = false,
            _ => {}
        }
        if let Some((_, row)) = rows.last_mut()
            && let Some(cell) = row.last_mut()
            && is_open
        {
            cell.push_str(tag.text.trim());
        }
    }
    rows.retain(|(_, row)| !row.is_empty());
    rows
}

/// Property lists of Apple's systems: the strings, or the keys where what they name is no text.
fn read_plist(tags: &[Tag], import: &WordImport, words: &mut Words) -> Result<(), String> {
    let leaves = leaves(tags);
    let keys = leaves.iter().filter(|leaf| leaf.name == "key");
    let strings: Vec<&Leaf> = leaves.iter().filter(|leaf| leaf.name == "string").collect();
    let has_records = tags.iter().filter(|tag| tag.is_open("dict")).count() > 1;
    if has_records && !strings.is_empty() {
        return read_records(&leaves, import, words);
    }
    let found: Vec<&Leaf> = if strings.is_empty() {
        keys.collect()
    } else {
        strings
    };
    let has_array = tags.iter().any(|tag| tag.is_open("array"));
    let is_beside =
        leaves.iter().any(|leaf| leaf.name == "key") && found.iter().all(|l| l.name != "key");
    if is_beside && !has_array {
        return Err(
            "whether the keys or the strings of this plist are the words cannot be told; write \
             them one a line"
                .to_owned(),
        );
    }
    for leaf in found {
        words.add(leaf.line, &leaf.text, &[]);
    }
    Ok(())
}

/// The dictionaries of a property list, each a row.
fn read_records(leaves: &[Leaf], import: &WordImport, words: &mut Words) -> Result<(), String> {
    let mut names: Vec<&str> = Vec::new();
    let mut rows: Vec<(u32, BTreeMap<usize, String>)> = Vec::new();
    let mut key = None;
    for leaf in leaves {
        if leaf.name == "key" {
            let known = names.iter().position(|name| *name == leaf.text);
            let column = known.unwrap_or_else(|| {
                names.push(&leaf.text);
                names.len() - 1
            });
            if rows.last().is_none_or(|(_, row)| row.contains_key(&column)) {
                rows.push((leaf.line, BTreeMap::new()));
            }
            key = Some(column);
        } else if let (Some(column), Some((_, row))) = (key.take(), rows.last_mut()) {
            row.insert(column, leaf.text.clone());
        }
    }
    take_rows(&names, &rows, import, words)
}

fn take_rows(
    names: &[&str],
    rows: &[(u32, BTreeMap<usize, String>)],
    import: &WordImport,
    words: &mut Words,
) -> Result<(), String> {
    let cells = |row: &BTreeMap<usize, String>| {
        let cells = 0..names.len();
        cells
            .map(|column| row.get(&column).cloned().unwrap_or_default())
            .collect()
    };
    let rows: Vec<Row> = rows.iter().map(|(line, row)| (*line, cells(row))).collect();
    table::take(&rows, Some(names), import, words)
}

/// A text, and the elements around it: `words/word`.
struct Leaf {
    name: String,
    path: String,
    /// The number of the element around.
    parent: usize,
    line: u32,
    text: String,
}

/// The elements that hold a text and no other element.
fn leaves(tags: &[Tag]) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let mut path: Vec<(&str, usize)> = Vec::new();
    for (at, tag) in tags.iter().enumerate() {
        match tag.kind {
            Kind::Opens => path.push((&tag.name, at)),
            Kind::Closes => {
                path.pop();
            }
            Kind::Alone => {}
        }
        let ends = tags
            .get(at + 1)
            .is_some_and(|next| next.kind == Kind::Closes);
        if tag.kind == Kind::Opens && ends && !tag.text.trim().is_empty() {
            let names: Vec<&str> = path.iter().map(|(name, _)| *name).collect();
            leaves.push(Leaf {
                name: tag.name.clone(),
                path: names.join("/"),
                parent: path.iter().rev().nth(1).map_or(0, |(_, at)| *at),
                line: tag.text_line(),
                text: tag.text.trim().to_owned(),
            });
        }
    }
    leaves
}

/// All texts of one kind of element, or the column of the words where each element around holds
/// several. A title that stands alone is left out.
fn read_leaves(leaves: &[Leaf], import: &WordImport, words: &mut Words) -> Result<(), String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for leaf in leaves {
        *counts.entry(&leaf.path).or_default() += 1;
    }
    let is_title = |leaf: &&Leaf| counts[&*leaf.path] == 1 && leaves.len() > counts.len();
    for leaf in leaves.iter().filter(is_title) {
        words.drop(
            leaf.line,
            &leaf.text,
            no_word("it stands alone, as a title does"),
        );
    }
    let leaves: Vec<&Leaf> = leaves.iter().filter(|leaf| !is_title(leaf)).collect();
    let names: BTreeSet<&str> = leaves.iter().map(|leaf| &*leaf.name).collect();
    if names.len() == 1 {
        for leaf in leaves {
            words.add(leaf.line, &leaf.text, &[]);
        }
        return Ok(());
    }
    let names: Vec<&str> = names.into_iter().collect();
    let mut rows: Vec<(u32, BTreeMap<usize, String>)> = Vec::new();
    let mut parent = None;
    for leaf in leaves {
        if parent != Some(leaf.parent) {
            rows.push((leaf.line, BTreeMap::new()));
            parent = Some(leaf.parent);
        }
        let column = names.iter().position(|name| *name == leaf.name);
        if let (Some(column), Some((_, row))) = (column, rows.last_mut()) {
            row.insert(column, leaf.text.clone());
        }
    }
    take_rows(&names, &rows, import, words)
}

/// `<word value="badger"/>`: elements without texts, of which an attribute is the word.
fn read_attributes(tags: &[Tag], import: &WordImport, words: &mut Words) -> Result<(), String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for tag in tags.iter().filter(|tag| !tag.attributes.is_empty()) {
        *counts.entry(&tag.name).or_default() += 1;
    }
    let most = counts.iter().max_by_key(|(_, count)| **count);
    let Some((name, _)) = most.filter(|(_, count)| **count > 1) else {
        return Err(
            "no element of this XML holds a text; turn it into lines first, or name another --format"
                .to_owned(),
        );
    };
    let elements = tags.iter().filter(|tag| tag.name == *name);
    let mut names: Vec<&str> = Vec::new();
    let mut rows = Vec::new();
    for tag in elements.filter(|tag| !tag.attributes.is_empty()) {
        let mut row = BTreeMap::new();
        for (name, value) in &tag.attributes {
            let known = names.iter().position(|known| known == name);
            let column = known.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            row.insert(column, value.clone());
        }
        rows.push((tag.line, row));
    }
    take_rows(&names, &rows, import, words)
}
