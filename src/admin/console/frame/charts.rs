//! Small charts as SVG. What a chart shows stands beside it as a table too.

use maud::{Markup, html};

use super::super::visit::Visit;
use super::figures::{exact, number};
use super::parts::Tone;
use super::texts::TEXTS;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;
/// Room for the numbers at the left, and for the times below.
const LEFT: f64 = 44.0;
const BELOW: f64 = 22.0;
const ABOVE: f64 = 16.0;
/// Times below a chart, at most.
const TIMES: usize = 6;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// What happens over time.
pub(in super::super) struct Chart<'a> {
    pub title: &'a str,
    /// What one point counts, such as `calls a minute`.
    pub unit: &'a str,
    /// The time of the first point, in milliseconds since 1970, and the time between two.
    pub start_ms: u64,
    pub step_ms: u64,
    /// The first is the lowest: they are stacked.
    pub series: Vec<Series<'a>>,
    pub marks: Vec<Mark>,
}

/// One kind of what is counted.
pub(in super::super) struct Series<'a> {
    pub name: &'a str,
    pub tone: Tone,
    pub points: Vec<u64>,
}

/// A moment that explains what comes after it, such as a new version of the policy.
pub(in super::super) struct Mark {
    pub at_ms: u64,
    pub text: String,
}

impl Chart<'_> {
    fn count(&self) -> usize {
        let counts = self.series.iter().map(|series| series.points.len());
        counts.max().unwrap_or(0)
    }

    /// When the last span of time is over.
    fn end_ms(&self) -> u64 {
        self.start_ms + self.count() as u64 * self.step_ms
    }

    /// The sums of the first `series` series, point by point.
    fn stacked(&self, series: usize) -> Vec<u64> {
        let mut sums = vec![0; self.count()];
        for series in &self.series[..series] {
            for (sum, point) in sums.iter_mut().zip(&series.points) {
                *sum += point;
            }
        }
        sums
    }

    /// The time of day, with the day where there are several.
    fn label<'t>(&self, at: &'t str) -> &'t str {
        match self.end_ms() - self.start_ms > 2 * DAY_MS {
            true => &at[5..10],
            false => &at[11..16],
        }
    }

    fn x(&self, at_ms: u64) -> f64 {
        let span = (self.end_ms() - self.start_ms).max(1) as f64;
        let from_start = at_ms.saturating_sub(self.start_ms) as f64;
        LEFT + (WIDTH - LEFT) * (from_start / span).min(1.0)
    }

    fn x_of(&self, point: usize) -> f64 {
        self.x(self.start_ms + point as u64 * self.step_ms)
    }
}

fn y(value: u64, top: u64) -> f64 {
    let height = HEIGHT - BELOW - ABOVE;
    ABOVE + height * (1.0 - value as f64 / top as f64)
}

/// The least of 1, 2, 5, 10, 20, 50 … that is not below.
fn round_up(value: u64) -> u64 {
    let mut unit = 1u64;
    loop {
        for step in [1, 2, 5] {
            match unit.checked_mul(step) {
                Some(top) if top >= value => return top,
                Some(_) => {}
                None => return value,
            }
        }
        unit = match unit.checked_mul(10) {
            Some(unit) => unit,
            None => return value,
        };
    }
}

/// Columns that stand on each other, with a legend, marks, and the numbers to open.
pub(in super::super) fn chart(visit: &Visit, chart: &Chart<'_>) -> Markup {
    let texts = visit.say(&TEXTS);
    let total: u64 = chart.stacked(chart.series.len()).iter().sum();
    let summary = format!(
        "{}: {} – {}, {}",
        chart.title,
        exact(chart.start_ms),
        exact(chart.end_ms()),
        number(total)
    );
    html! {
        figure .chart {
            figcaption {
                span { strong { (chart.title) } " " span .hint { (chart.unit) } }
                ul .legend {
                    @for series in &chart.series {
                        li { span class={ "key " (class(series.tone)) } {} (series.name) }
                    }
                }
            }
            @if total == 0 { p .hint { (texts.no_numbers) } }
            @else { (picture(chart, &summary)) }
            details {
                summary { (texts.numbers) }
                (numbers(visit, chart))
            }
        }
    }
}

fn picture(chart: &Chart<'_>, summary: &str) -> Markup {
    let top = round_up(
        chart
            .stacked(chart.series.len())
            .into_iter()
            .max()
            .unwrap_or(0)
            .max(1),
    );
    let count = chart.count();
    let every = count.div_ceil(TIMES).max(1);
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(summary) {
            @for value in [0, top / 2, top] {
                @if value != top / 2 || top > 1 {
                    line .grid x1=(LEFT) x2=(WIDTH) y1=(tenth(y(value, top))) y2=(tenth(y(value, top))) {}
                    text .axis x=(LEFT - 6.0) y=(tenth(y(value, top) + 4.0)) text-anchor="end" { (short(value)) }
                }
            }
            @for (at, series) in chart.series.iter().enumerate().rev() {
                path class={ "area " (class(series.tone)) } d=(columns(chart, at, top)) {}
            }
            @for point in (0..count).step_by(every) {
                @let at = exact(chart.start_ms + point as u64 * chart.step_ms);
                text .axis x=(tenth(chart.x_of(point))) y=(HEIGHT - 6.0)
                    text-anchor="start" { (chart.label(&at)) }
            }
            @for mark in chart.marks.iter().filter(|mark| (chart.start_ms..=chart.end_ms()).contains(&mark.at_ms)) {
                g .mark {
                    line x1=(tenth(chart.x(mark.at_ms))) x2=(tenth(chart.x(mark.at_ms))) y1=(ABOVE - 4.0) y2=(HEIGHT - BELOW) {}
                    text .axis x=(tenth(chart.x(mark.at_ms))) y=(ABOVE - 6.0)
                        text-anchor=(if chart.x(mark.at_ms) > WIDTH - 60.0 { "end" } else { "start" }) { (mark.text) }
                }
            }
        }
    }
}

/// One series: a bar for each span of time, on top of those below it.
fn columns(chart: &Chart<'_>, series: usize, top: u64) -> String {
    let (below, above) = (chart.stacked(series), chart.stacked(series + 1));
    let mut path = String::new();
    for (point, (low, high)) in below.into_iter().zip(above).enumerate() {
        if low < high {
            let (left, right) = (chart.x_of(point), chart.x_of(point + 1));
            // A little of the ground between two of them, where there is room.
            let right = right - ((right - left) * 0.15).min(1.0);
            let (low, high) = (y(low, top), y(high, top));
            path.push_str(&format!(
                "M{left:.1} {low:.1}V{high:.1}H{right:.1}V{low:.1}Z"
            ));
        }
    }
    path
}

fn numbers(visit: &Visit, chart: &Chart<'_>) -> Markup {
    let texts = visit.say(&TEXTS);
    html! {
        div .scroll.low tabindex="0" role="region" aria-label=(chart.title) {
            table {
                thead {
                    tr {
                        th scope="col" { (texts.time) }
                        @for series in &chart.series { th .number scope="col" { (series.name) } }
                    }
                }
                tbody {
                    @for point in (0..chart.count()).rev() {
                        @let at_ms = chart.start_ms + point as u64 * chart.step_ms;
                        tr {
                            td {
                                (exact(at_ms).replace('T', " ").trim_end_matches(":00Z"))
                                @for mark in marks_of(chart, at_ms) { " · " (mark.text) }
                            }
                            @for series in &chart.series {
                                td .number { (number(series.points.get(point).copied().unwrap_or(0))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn marks_of<'a>(chart: &'a Chart<'_>, at_ms: u64) -> impl Iterator<Item = &'a Mark> {
    let step = at_ms..at_ms + chart.step_ms;
    chart
        .marks
        .iter()
        .filter(move |mark| step.contains(&mark.at_ms))
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Warn => "warn",
        Tone::Info => "info",
        Tone::Quiet => "quiet",
    }
}

/// With one digit behind the point: more is finer than a screen.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// `950`, `1.5k`, `20k`, `3M`
fn short(value: u64) -> String {
    let (unit, name) = match value {
        0..1000 => return value.to_string(),
        1000..1_000_000 => (1000.0, "k"),
        1_000_000..1_000_000_000 => (1e6, "M"),
        _ => (1e9, "G"),
    };
    format!("{}{name}", tenth(value as f64 / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, top) in [
            (1, 1),
            (3, 5),
            (5, 5),
            (11, 20),
            (21, 50),
            (999, 1000),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(round_up(value), top);
        }
        for (value, text) in [
            (999, "999"),
            (1500, "1.5k"),
            (20_000, "20k"),
            (2_000_000, "2M"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn columns_stand_on_each_other() {
        let series = |points: &[u64]| Series {
            name: "",
            tone: Tone::Good,
            points: points.to_vec(),
        };
        let chart = Chart {
            title: "",
            unit: "",
            start_ms: 0,
            step_ms: 60_000,
            series: vec![series(&[1, 2]), series(&[3, 0])],
            marks: Vec::new(),
        };
        assert_eq!(chart.stacked(1), [1, 2]);
        assert_eq!(chart.stacked(2), [4, 2]);
        assert_eq!(columns(&chart, 0, 4).matches('Z').count(), 2);
        // Of the second series there is nothing in the second minute; in the first it stands on
        // the one below.
        let path = columns(&chart, 1, 4);
        let (low, high) = (y(1, 4), y(4, 4));
        assert!(
            path.starts_with(&format!("M{LEFT:.1} {low:.1}V{high:.1}")),
            "{path}"
        );
        assert_eq!(path.matches('Z').count(), 1);
    }
}
