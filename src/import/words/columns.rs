//! Which column of a table holds the words, and which their tags.

use std::collections::BTreeSet;

use super::form::WordImport;

/// How columns of words are called.
const WORD_HEADERS: [&str; 16] = [
    "word",
    "words",
    "keyword",
    "keywords",
    "term",
    "text",
    "phrase",
    "entry",
    "value",
    "name",
    "content",
    "词",
    "词语",
    "敏感词",
    "关键词",
    "内容",
];
/// A part of a header that says the same: `bad_word`, `Swear Words`, `badWord`.
const WORD_PARTS: [&str; 27] = [
    "word",
    "words",
    "badword",
    "badwords",
    "swear",
    "swearword",
    "profanity",
    "slur",
    "term",
    "terms",
    "keyword",
    "keywords",
    "phrase",
    "find",
    "pattern",
    "wort",
    "wörter",
    "schimpfwort",
    "mot",
    "mots",
    "palabra",
    "palavra",
    "parola",
    "слово",
    "слова",
    "kata",
    "kelime",
];
/// And columns of tags.
const TAG_HEADERS: [&str; 18] = [
    "class",
    "tag",
    "tags",
    "category",
    "categories",
    "type",
    "types",
    "kind",
    "group",
    "label",
    "labels",
    "level",
    "severity",
    "kategorie",
    "分类",
    "类别",
    "类型",
    "标签",
];
/// And columns of numbers, which say nothing of a word.
const NUMBER_HEADERS: [&str; 7] = ["id", "no", "nr", "index", "#", "编号", "序号"];

/// Which columns count, from 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub word: usize,
    pub tags: Option<usize>,
    /// The first row names the columns.
    pub has_header: bool,
    /// That is likely and not certain.
    pub is_guessed: bool,
}

/// Finds the column of the words: the one that is named, that has such a header, that alone holds
/// texts, or in which no text stands twice while the others repeat theirs.
///
/// `names` are the headers where the rows themselves have none. Errors: a column that does not
/// exist; several that may hold the words.
pub(super) fn find(
    rows: &[Vec<&str>],
    names: Option<&[&str]>,
    import: &WordImport,
) -> Result<Columns, String> {
    let first = rows.first().map(Vec::as_slice).unwrap_or_default();
    let head = names.unwrap_or(first);
    let word = named(head, &import.word_column)?;
    let tags = named(head, &import.tags_column)?;
    let by_name = |column: Option<(usize, bool)>| column.is_some_and(|(_, by_name)| by_name);
    let has_header = names.is_none() && (by_name(word) || by_name(tags) || is_header(rows));
    let body = &rows[usize::from(has_header).min(rows.len())..];
    let head = if has_header || names.is_some() {
        head
    } else {
        &[]
    };
    let word = match word {
        Some((column, _)) => column,
        None => word_column(head, body)?,
    };
    let tags = tags.map(|(column, _)| column);
    Ok(Columns {
        word,
        tags: tags.or_else(|| tags_column(head, body, word, import.word_column.is_some())),
        has_header,
        is_guessed: has_header && !first.iter().any(|name| is_header_of_words(name)),
    })
}

/// The column of this header or number, and whether it is a header.
fn named(head: &[&str], wanted: &Option<String>) -> Result<Option<(usize, bool)>, String> {
    let Some(wanted) = wanted else {
        return Ok(None);
    };
    let by_name = head.iter().position(|name| {
        let name = name.trim();
        name.eq_ignore_ascii_case(wanted)
    });
    match (by_name, wanted.parse::<usize>()) {
        (Some(column), _) => Ok(Some((column, true))),
        (None, Ok(number)) if (1..=head.len()).contains(&number) => Ok(Some((number - 1, false))),
        _ => Err(format!(
            "there is no column `{wanted}`; the first line has `{}`",
            head.join("`, `")
        )),
    }
}

/// The first row names the columns: one is called as words are, or there is no number in it above
/// a column of numbers.
fn is_header(rows: &[Vec<&str>]) -> bool {
    let Some((first, body)) = rows.split_first() else {
        return false;
    };
    if first.iter().any(|cell| is_value(cell) && !cell.is_empty()) {
        return false;
    }
    let is_exact = |cell: &str| WORD_HEADERS.contains(&cell.to_lowercase().as_str());
    let is_like = |cell: &str| is_word_name(cell) && (first.len() > 1 || cell.contains('_'));
    let is_above_values = |(column, cell): (usize, &&str)| {
        !cell.is_empty() && !is_mask(cell) && kind(body, column) == Kind::Values
    };
    // Of two rows the first may be a word with its number.
    let is_long = body.len() > 1 && first.len() > 1;
    first.iter().any(|cell| is_exact(cell) || is_like(cell))
        || is_long && first.iter().enumerate().any(is_above_values)
}

/// `bad_word`, `Swear Words` and `违禁词` name a column of words.
fn is_word_name(name: &str) -> bool {
    let lower = name.trim().to_lowercase();
    let mut parts = lower.split(|c: char| !c.is_alphanumeric());
    let ends_so = ["词", "詞", "词汇", "語", "语", "ワード", "단어"]
        .iter()
        .any(|end| lower.ends_with(end));
    let is_camel = name.ends_with("Word") || name.ends_with("Words");
    parts.any(|part| WORD_PARTS.contains(&part)) || ends_so || is_camel
}

/// What the cells of a column are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Empty,
    /// Numbers, dates, yes and no, ids, masks.
    Values,
    Texts,
}

fn cells<'a>(rows: &'a [Vec<&'a str>], column: usize) -> impl Iterator<Item = &'a str> {
    let cells = rows.iter().filter_map(move |row| row.get(column));
    cells.copied().filter(|cell| !cell.is_empty())
}

fn kind(rows: &[Vec<&str>], column: usize) -> Kind {
    match cells(rows, column).next() {
        None => Kind::Empty,
        Some(_) if cells(rows, column).all(is_value) => Kind::Values,
        Some(_) => Kind::Texts,
    }
}

/// A cell that says something of a word and is none.
fn is_value(cell: &str) -> bool {
    let amount = cell.trim_start_matches(['$', '€', '£', '¥']);
    let amount = amount.strip_suffix('%').unwrap_or(amount);
    let is_number = amount.parse::<f64>().is_ok() && !cell.starts_with(char::is_alphabetic);
    let digits = cell.chars().filter(char::is_ascii_digit).count();
    let is_date = digits > 3
        && cell
            .chars()
            .all(|c| c.is_ascii_digit() || "-/:. TZ+".contains(c));
    let is_answer =
        ["true", "false", "yes", "no", "null", "nil"].contains(&cell.to_ascii_lowercase().as_str());
    let is_id = digits > 0
        && cell.len() > 3
        && cell.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-')
        && !cell.bytes().all(|c| c.is_ascii_digit());
    is_number || is_date || is_answer || is_id || is_mask(cell)
}

fn is_mask(cell: &str) -> bool {
    cell.chars().filter(|c| "*＊█•".contains(*c)).count() * 2 > cell.chars().count()
}

/// By its header, or by what stands in it.
fn word_column(head: &[&str], body: &[Vec<&str>]) -> Result<usize, String> {
    let width = body.iter().map(Vec::len).max().unwrap_or_default();
    let texts: Vec<usize> = (0..width)
        .filter(|column| kind(body, *column) == Kind::Texts)
        .collect();
    let holds_texts = |column: &usize| texts.contains(column) || texts.is_empty();
    let of_head = |is: &dyn Fn(&str) -> bool| {
        let columns = 0..head.len();
        columns.filter(holds_texts).find(|column| is(head[*column]))
    };
    let exact = of_head(&|name| WORD_HEADERS.contains(&name.to_lowercase().as_str()));
    if let Some(column) = exact.or_else(|| of_head(&is_word_name)) {
        return Ok(column);
    }
    // A column with gaps says something of some words; one with commas has their tags.
    let is_full = |column: &&usize| {
        let cells: Vec<&str> = cells(body, **column).collect();
        cells.len() * 10 >= body.len() * 9
    };
    let is_tags = |column: &&usize| {
        let tags_head = head
            .get(**column)
            .is_some_and(|name| TAG_HEADERS.contains(&name.to_lowercase().as_str()));
        tags_head || width > 1 && cells(body, **column).any(|cell| cell.contains([',', '，']))
    };
    let candidates: Vec<usize> = texts.iter().filter(is_full).copied().collect();
    let share = |column: usize| {
        // `tag1` and `tag2` are two of a kind.
        let bare = |cell: &str| {
            cell.trim_end_matches(|c: char| c.is_ascii_digit())
                .to_lowercase()
        };
        let lower: Vec<String> = cells(body, column).map(bare).collect();
        let distinct: BTreeSet<&String> = lower.iter().collect();
        (distinct.len(), lower.len())
    };
    let is_varied = |column: &&usize| {
        let (distinct, all) = share(**column);
        distinct * 10 >= all * 9 && all > 1
    };
    let varied: Vec<usize> = candidates.iter().filter(is_varied).copied().collect();
    let bare: Vec<usize> = varied.iter().filter(|c| !is_tags(c)).copied().collect();
    match (&candidates[..], &varied[..], &bare[..]) {
        ([], ..) => Ok(texts.first().copied().unwrap_or(0)),
        ([only], ..) | (_, [only], _) | (.., [only]) => Ok(*only),
        ([first, second], ..) if classes_in(body, *first, *second) => Ok(*first),
        ([first, second], ..) if classes_in(body, *second, *first) => Ok(*second),
        _ => Err(
            "which of its columns holds the words cannot be told; name it with --column, by its \
             header or by its number from 1"
                .to_owned(),
        ),
    }
}

/// Some cells of a column hold the class beside them, as `网上赌场` does `赌场`, and never the reverse.
fn classes_in(body: &[Vec<&str>], word: usize, class: usize) -> bool {
    let pairs = body
        .iter()
        .filter_map(|row| Some((*row.get(word)?, *row.get(class)?)));
    // Elsewhere a longer word may be another form of it.
    let mut pairs =
        pairs.filter(|(word, class)| !word.is_ascii() && !class.is_empty() && word != class);
    let (mut held, mut holding) = (0, 0);
    pairs.by_ref().for_each(|(word, class)| {
        held += usize::from(word.contains(class));
        holding += usize::from(class.contains(word));
    });
    held > 0 && holding == 0
}

/// By its header, or beside the words.
fn tags_column(head: &[&str], body: &[Vec<&str>], word: usize, is_named: bool) -> Option<usize> {
    let is_tags = |name: &&str| TAG_HEADERS.contains(&name.to_lowercase().as_str());
    if !head.is_empty() {
        return head.iter().position(is_tags);
    }
    let width = body.iter().map(Vec::len).max().unwrap_or_default();
    let before = word
        .checked_sub(1)
        .filter(|column| !is_named && kind(body, *column) == Kind::Texts);
    match width > word + 1 {
        true => Some(word + 1),
        false => before,
    }
}

/// A line that is nothing but the header of words.
pub(super) fn is_header_of_words(line: &str) -> bool {
    WORD_HEADERS.contains(&normal(line).as_str())
}

/// A line that holds the header of words and one of tags or numbers.
pub(super) fn is_header_line(line: &str) -> bool {
    let header: Vec<String> = line.split([',', ';', '\t']).map(normal).collect();
    let has = |names: &[&str]| header.iter().any(|field| names.contains(&field.as_str()));
    let has_word = has(&WORD_HEADERS) || header.iter().any(|field| is_word_name(field));
    header.len() > 1 && has_word && (has(&TAG_HEADERS) || has(&NUMBER_HEADERS))
}

fn normal(field: &str) -> String {
    field.trim().trim_matches('"').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: &str, expected: Option<(usize, Option<usize>, bool)>) {
        let rows: Vec<Vec<&str>> = table
            .split('\n')
            .map(|row| row.split(',').collect())
            .collect();
        let found = find(&rows, None, &WordImport::default()).ok();
        let found = found.map(|found| (found.word, found.tags, found.has_header));
        assert_eq!(found, expected, "{table}");
    }

    #[test]
    fn the_words_are_what_does_not_repeat() {
        check("animal,badger\nanimal,ferret", Some((1, Some(0), false)));
        check("badger,animal\nferret,animal", Some((0, Some(1), false)));
        check("1,badger,x\n2,ferret,x", Some((1, Some(2), false)));
        check("badger,kitten\nferret,puppy", None);
    }

    #[test]
    fn headers_are_known_by_their_names_and_by_the_numbers_below() {
        check("swear,score\na1 b,3\nc,5", Some((0, None, true)));
        check(
            "level,Bad Word\nx,badger\ny,ferret",
            Some((1, Some(0), true)),
        );
        check("yuck,score\nbadger,3\nferret,5", Some((0, None, true)));
        check("badger,3\nferret,5", Some((0, Some(1), false)));
        check("bad_word\nbadger", Some((0, None, true)));
        check("word\nbadger", Some((0, None, true)));
    }
}
