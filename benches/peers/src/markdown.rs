//! Tables in Markdown.

pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// The first column says what a row is about, the others hold figures.
    pub fn new<'a>(title: &str, columns: impl IntoIterator<Item = &'a str>) -> Table {
        Table {
            title: title.to_owned(),
            columns: columns.into_iter().map(str::to_owned).collect(),
            rows: Vec::new(),
        }
    }

    pub fn add(&mut self, name: &str, figures: Vec<String>) {
        self.rows.push([vec![name.to_owned()], figures].concat());
    }

    /// Adds a row, or its name to the row with the same figures.
    pub fn add_or_join(&mut self, name: &str, figures: Vec<String>) {
        match self.rows.iter_mut().find(|row| row[1..] == figures) {
            Some(row) => row[0] = format!("{}; {name}", row[0]),
            None => self.add(name, figures),
        }
    }

    pub fn print(&self) {
        println!("{}", self.text());
    }

    fn text(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("{}\n\n", self.title);
        text += &line(&self.columns);
        text += &format!("| --- |{}\n", " ---: |".repeat(self.columns.len() - 1));
        for row in &self.rows {
            text += &line(row);
        }
        text
    }
}

/// A number with three digits that count, thousands set apart.
pub fn rounded(number: f64) -> String {
    let magnitude = number.log10().floor().max(-7.0) as i32;
    if magnitude < 2 {
        return format!("{number:.decimals$}", decimals = (2 - magnitude) as usize);
    }
    let unit = 10_f64.powi(magnitude - 2);
    thousands((number / unit).round() * unit)
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share in percent: 100 and 0 only where it is all and none.
pub fn percent(of: usize, all: usize) -> String {
    let share = of as f64 * 100.0 / all as f64;
    match (of, all) {
        (_, 0) => "-".to_owned(),
        (0, _) => "0".to_owned(),
        _ if of == all => "100".to_owned(),
        _ => format!("{:.1}", share.clamp(0.1, 99.9)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_the_same_figures_are_one() {
        let mut table = Table::new("T", ["peer", "found"]);
        table.add_or_join("a", vec!["1".to_owned()]);
        table.add_or_join("b", vec!["2".to_owned()]);
        table.add_or_join("c", vec!["1".to_owned()]);
        assert_eq!(
            table.text(),
            "T\n\n| peer | found |\n| --- | ---: |\n| a; c | 1 |\n| b | 2 |\n"
        );
    }

    #[test]
    fn three_digits_count() {
        let numbers = [
            0.000_034_56,
            0.523,
            12.34,
            99.94,
            104.4,
            1_234.0,
            1_234_567.0,
        ];
        let texts = numbers.map(rounded);
        let expected = [
            "0.0000346",
            "0.523",
            "12.3",
            "99.9",
            "104",
            "1,230",
            "1,230,000",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(
            [(9_999, 10_000), (1, 10_000), (0, 5), (5, 5), (0, 0)]
                .map(|(of, all)| percent(of, all)),
            ["99.9", "0.1", "0", "100", "-"]
        );
    }
}
