//! Files of which nobody can tell what the words are, although each line could be one.

use super::form::WordFormat;
use super::word::Word;

/// Why the words of a file cannot be told from what stands beside them; `None` where they can.
pub(super) fn why(text: &str, words: &[Word], format: WordFormat) -> Option<String> {
    if let Some(what) = of_another_program(text) {
        return Some(format!("this is {what}, and no list; get the list itself"));
    }
    if format == WordFormat::Plain
        && let Some(start) = common_start(words)
    {
        return Some(format!(
            "all of its lines begin with `{start}`; take that away, or say with --format plain that \
             it belongs to the words"
        ));
    }
    let found = prose(text, format)
        .or_else(|| parts(words, format))
        .or_else(|| names(text, words, format));
    found.map(str::to_owned)
}

/// What programs leave where a list should be.
fn of_another_program(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let has_line = |start: &str| text.lines().any(|line| line.starts_with(start));
    let is_status = || {
        let (code, reason) = text.split_once([':', ' '])?;
        let is_code = code.len() == 3 && code.starts_with(['4', '5']);
        let is_number = code.bytes().all(|c| c.is_ascii_digit());
        let is_reason = reason.trim_start().starts_with(char::is_uppercase);
        (is_code && is_number && is_reason).then_some(())
    };
    match () {
        () if text.lines().count() == 1 && is_status().is_some() => Some("the error of a server"),
        () if has_line("@@ -") && has_line("+++ ") => Some("a comparison of two files"),
        () if has_line("<<<<<<< ") && has_line(">>>>>>> ") => Some("a merge that is not finished"),
        () if has_line("version https://git-lfs") => Some("a pointer to a file in Git LFS"),
        () => None,
    }
}

/// The first two parts of every line, if they are the same.
fn common_start(words: &[Word]) -> Option<String> {
    let start = |word: &Word| {
        let parts: Vec<&str> = word.text.split_whitespace().collect();
        (parts.len() > 2).then(|| parts[..2].join(" "))
    };
    let (first, rest) = words.split_first()?;
    let first = start(first)?;
    let alike = rest.iter().all(|word| start(word).as_ref() == Some(&first));
    (rest.len() > 1 && alike).then_some(first)
}

fn prose(text: &str, format: WordFormat) -> Option<&'static str> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let is_sentence = |line: &str| {
        let end = line.trim_end().ends_with(['.', '!', '?', ':']);
        end && line.split_whitespace().count() > 5
    };
    let (all, sentences) = lines.fold((0, 0), |(all, sentences), line| {
        (all + 1, sentences + usize::from(is_sentence(line)))
    });
    (!format.has_a_grammar() && sentences * 2 > all)
        .then_some("it reads like a text and not like a list of words")
}

/// Lines of several parts, each of which may be a word, or say something of one.
fn parts(words: &[Word], format: WordFormat) -> Option<&'static str> {
    if words.len() < 2 || format != WordFormat::Plain {
        return None;
    }
    let all = |is: &dyn Fn(&str) -> bool| words.iter().all(|word| is(&word.text));
    let count = |text: &str| text.split_whitespace().count();
    let is_without_blanks = |text: &str| count(text) > 2 && is_without_blanks(text);
    let ends_in_number = |text: &str| {
        let end = text.rsplit_once(char::is_whitespace).map(|(_, end)| end);
        end.is_some_and(|end| end.bytes().all(|c| c.is_ascii_digit()))
    };
    if all(&|text| count(text) > 4) || all(&is_without_blanks) {
        return Some(
            "each of its lines may be a phrase or many words; say which with --format plain or \
             --format separated",
        );
    }
    all(&ends_in_number).then_some(
        "each of its lines ends in a number, which may be how often the word occurs, its class or a \
         part of it; say which with --format frequencies, tags or plain",
    )
}

/// Names or words with texts beside them.
fn names(text: &str, words: &[Word], format: WordFormat) -> Option<&'static str> {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let is_explained = |word: &Word| {
        let signs = [": ", " - ", " – ", " — ", " = "];
        signs.iter().any(|sign| word.text.contains(sign))
    };
    let is_headed = || {
        let (first, rest) = words.split_first()?;
        let alone = !rest.is_empty() && rest.iter().all(|word| !word.text.contains('='));
        (alone && name_before(&first.text).is_some()).then_some(())
    };
    if words.len() > 1 && words.iter().all(is_explained) || is_headed().is_some() {
        return Some(
            "its lines are names and texts, and which are the words cannot be told; write the words \
             alone, or say with --format plain that these are the words",
        );
    }
    let is_cut = |line: &str| line.matches(" ; ").count() == 1;
    if format == WordFormat::Separated && lines().all(is_cut) {
        return Some(
            "what stands behind the semicolons may be words or comments; say --format separated if \
             they are words",
        );
    }
    let holds_list = |line: &str| {
        let list = line.split_once('=').map_or("", |(_, list)| list);
        name_before(line).is_some() && list.matches([',', ';', '|']).count() > 1
    };
    // Several lines of one word are lines of one name.
    let is_repeated = words.len() == 1 || words.len() * 2 < lines().count();
    (format == WordFormat::Replacements && (is_repeated || lines().any(holds_list))).then_some(
        "its lines are names and texts, and which are the words cannot be told; say --format \
         replacements if the words stand first",
    )
}

/// What stands before a `=`, if it can be the name of a setting.
fn name_before(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let is_sign = |c: char| c.is_ascii_alphanumeric() || "_.- ".contains(c);
    name.chars().all(is_sign).then_some(name)
}

/// All of its letters are of scripts that write no blanks between words.
pub(super) fn is_without_blanks(text: &str) -> bool {
    text.chars().all(|c| {
        c.is_whitespace()
            || matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{3040}'..='\u{30FF}')
            || matches!(c, '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}')
    })
}
