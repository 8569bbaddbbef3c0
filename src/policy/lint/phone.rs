//! Numbers in an entry that look like somebody's phone.

/// A number that looks like a phone number, shortened so that a report does not spread it:
/// `138…78`.
pub(super) fn find(entry: &str) -> Option<String> {
    // Most entries hold no digit at all.
    if !entry.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')');
    let runs = entry.split(|c: char| !is_part(c));
    let runs = runs.map(|run| run.trim_matches([' ', '-']));
    runs.into_iter().find(|run| is_phone(run)).map(shortened)
}

/// Mobile numbers of mainland China, numbers with a country code, and numbers whose grouping is
/// that of an area code and a line: `010-12345678`, `(555) 123-4567`.
fn is_phone(run: &str) -> bool {
    let digits: String = run.chars().filter(char::is_ascii_digit).collect();
    let groups: Vec<usize> = run
        .split(|c: char| !c.is_ascii_digit())
        .map(str::len)
        .filter(|length| *length > 0)
        .collect();
    let national = ["0086", "86"]
        .iter()
        .find_map(|code| digits.strip_prefix(code).filter(|rest| rest.len() == 11));
    let mobile = national.unwrap_or(&digits).as_bytes();
    let is_mobile = mobile.len() == 11 && mobile[0] == b'1' && mobile[1] >= b'3';
    let is_foreign = run.starts_with('+') && (8..=15).contains(&digits.len());
    let is_line = run.starts_with('0') && matches!(groups[..], [3 | 4, 7 | 8]);
    is_mobile || is_foreign || is_line || matches!(groups[..], [3, 3, 4])
}

fn shortened(run: &str) -> String {
    let chars: Vec<char> = run.chars().collect();
    let first: String = chars[..3].iter().collect();
    let last: String = chars[chars.len() - 2..].iter().collect();
    format!("{first}…{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: &str, expected: Option<&str>) {
        assert_eq!(find(entry).as_deref(), expected, "{entry}");
    }

    #[test]
    fn phone_numbers_are_found_and_shortened() {
        check("13812345678", Some("138…78"));
        check("加我13812345678", Some("138…78"));
        check("138 1234 5678", Some("138…78"));
        check("+86 138-1234-5678", Some("+86…78"));
        check("8613812345678", Some("861…78"));
        check("010-12345678", Some("010…78"));
        check("0755-1234567", Some("075…67"));
        check("+4915112345678", Some("+49…78"));
        check("call 555-123-4567 now", Some("555…67"));
        check("(555) 123-4567", Some("(55…67"));
    }

    #[test]
    fn other_numbers_are_not() {
        check("赌博", None);
        check("4008", None);
        check("12345678901", None);
        check("20240101", None);
        check("365", None);
        check("2024-01-01", None);
        check("QQ 123456789", None);
        check("- -", None);
    }
}
