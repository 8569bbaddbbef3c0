//! Results as JUnit XML, which build servers read.

use super::report::Report;
use crate::policy::Ran;

/// The whole file: one suite, one test case for each case.
pub(super) fn xml(report: &Report) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites tests=\"{0}\" failures=\"{1}\">\n\
         <testsuite name=\"callgate policy {2}\" tests=\"{0}\" failures=\"{1}\">\n",
        report.cases,
        report.failed,
        escaped(&report.policy_hash),
    );
    for ran in &report.results {
        push_case(&mut out, ran);
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

fn push_case(out: &mut String, ran: &Ran) {
    let micros: u64 = ran.decisions.iter().filter_map(|made| made.micros).sum();
    out.push_str(&format!(
        "<testcase classname=\"{}\" name=\"{}\" file=\"{0}\" line=\"{}\" time=\"{:.6}\"",
        escaped(&ran.file),
        escaped(&ran.name),
        ran.line,
        micros as f64 / 1e6,
    ));
    if ran.is_good() {
        return out.push_str("/>\n");
    }
    let bad = ran.decisions.iter().filter(|made| !made.faults.is_empty());
    let lines: Vec<String> = bad
        .map(|made| format!("{made}: {}", made.faults.join("; ")))
        .collect();
    let first = lines.first().map_or("", String::as_str);
    out.push_str(&format!(
        ">\n<failure message=\"{}\">{}</failure>\n</testcase>\n",
        escaped(first),
        escaped(&lines.join("\n")),
    ));
}

/// Text inside of an element or an attribute. What XML cannot hold is shown as `�`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => out.push_str(&format!("&#{};", u32::from(character))),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_of_cases_cannot_break_the_file() {
        assert_eq!(
            escaped("a<b>&\"c\"\u{1}\n"),
            "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}&#10;"
        );
    }
}
