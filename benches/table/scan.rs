//! The word filter alone: raw text to matches with original offsets, against daachorse's bare
//! scan of text that is folded already.

use std::collections::{BTreeSet, HashSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use callgate::filter::{Entry, Filter, ListSpec, Options, Role, Scratch, SkipClasses};
use daachorse::{CharwiseDoubleArrayAhoCorasick, CharwiseDoubleArrayAhoCorasickBuilder, MatchKind};

use super::{Row, median, memory};

const CHAT: &str = include_str!("../data/zh_chat.txt");

/// The chat corpus, a message a line.
pub fn chat_lines() -> Vec<&'static str> {
    CHAT.lines().filter(|line| !line.is_empty()).collect()
}

/// Words of two to four characters made of the corpus's own characters, the same in every run.
///
/// Each character is as likely as any other, so that hardly a word occurs in the corpus: most
/// chat is benign, and that is what must be fast.
pub fn words(count: usize) -> Vec<String> {
    let han = CHAT
        .chars()
        .filter(|c| ('\u{4e00}'..'\u{a000}').contains(c));
    let alphabet: Vec<char> = han.collect::<BTreeSet<_>>().into_iter().collect();
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut words = HashSet::new();
    let mut listed = Vec::with_capacity(count);
    while listed.len() < count {
        let length = 2 + random(3);
        let word: String = (0..length)
            .map(|_| alphabet[random(alphabet.len())])
            .collect();
        if words.insert(word.clone()) {
            listed.push(word);
        }
    }
    listed
}

pub fn rows(rounds: usize) -> Vec<Row> {
    vec![
        scan(rounds, 100_000, &Options::default()),
        scan(rounds, 50_000, &Options::default()),
        scan(rounds, 50_000, &strict()),
        slowest(rounds),
        build(rounds),
        memory(),
        doubling(rounds),
    ]
}

/// Noise and repeats are seen through.
fn strict() -> Options {
    Options {
        skip: SkipClasses::SPACE
            .with(SkipClasses::PUNCT)
            .with(SkipClasses::SYMBOL),
        repeat: 3,
        ..Options::default()
    }
}

/// Everything is seen through that takes time for each character of the text.
fn everything() -> Options {
    Options {
        leet: true,
        homophone: true,
        selfmask: true,
        bidi: true,
        ..strict()
    }
}

fn compile(words: &[String], options: &Options) -> Filter {
    let entries = words.iter().enumerate().map(|(line, word)| Entry {
        text: word.clone(),
        line: line as u32 + 1,
        tags: Arc::from([]),
        options: None,
    });
    let list = ListSpec {
        name: "bench".into(),
        role: Role::Match,
        options: options.clone(),
        entries: entries.collect(),
    };
    Filter::compile(vec![list]).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn bare(words: &[String]) -> CharwiseDoubleArrayAhoCorasick<u32> {
    CharwiseDoubleArrayAhoCorasickBuilder::new()
        .match_kind(MatchKind::Standard)
        .build(words)
        .expect("the words differ")
}

fn scan(rounds: usize, count: usize, options: &Options) -> Row {
    let words = words(count);
    let (filter, bare) = (compile(&words, options), bare(&words));
    let lines = chat_lines();
    let folded: Vec<String> = lines.iter().map(|line| line.to_lowercase()).collect();
    let lists = filter.list_set(&["bench"]);
    let (mut scratch, mut matches) = (Scratch::default(), Vec::new());
    let (mut ratios, mut ours_ns, mut bare_ns) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let started = Instant::now();
        for line in &folded {
            black_box(bare.find_overlapping_iter(line).count());
        }
        let reference = started.elapsed().as_nanos() as f64 / lines.len() as f64;
        let started = Instant::now();
        for line in &lines {
            matches.clear();
            filter.scan(line, &lists, &mut scratch, &mut matches);
            black_box(matches.len());
        }
        let ours = started.elapsed().as_nanos() as f64 / lines.len() as f64;
        if round > 0 {
            ratios.push(ours / reference);
            ours_ns.push(ours);
            bare_ns.push(reference);
        }
    }
    let ours = median(&ours_ns);
    Row {
        what: match (count, options.repeat) {
            (100_000, _) => "raw text to matches with offsets, 100,000 words",
            (_, 0) => "raw text to matches with offsets, 50,000 words",
            _ => "the same with `skip: [space, punct, symbol]` and `repeat: 3`",
        },
        reference: format!(
            "daachorse's bare scan, {:.0} ns a message",
            median(&bare_ns)
        ),
        measured: format!(
            "{ours:.0} ns a message, {:.2} million a second a core",
            1e3 / ours
        ),
        ratios,
        goal: match (count, options.repeat) {
            (100_000, _) => "at most 1.1",
            (_, 0) => "at most 1.25, and 1 million a second",
            _ => "at most 1.6, and 1 million a second",
        },
    }
}

/// The time of single messages, those that take longest among them.
fn slowest(rounds: usize) -> Row {
    let words = words(50_000);
    let filter = compile(&words, &strict());
    let lists = filter.list_set(&["bench"]);
    let lines = chat_lines();
    let (mut scratch, mut matches) = (Scratch::default(), Vec::new());
    let (mut middle, mut late, mut latest, mut ratios) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut times: Vec<f64> = lines
            .iter()
            .map(|line| {
                matches.clear();
                let started = Instant::now();
                filter.scan(line, &lists, &mut scratch, &mut matches);
                started.elapsed().as_nanos() as f64
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        middle.push(at(0.5));
        late.push(at(0.99));
        latest.push(at(0.999));
        ratios.push(at(0.99) / at(0.5));
    }
    Row {
        what: "the same, p99 of single messages",
        reference: format!("p50, {:.0} ns", median(&middle)),
        measured: format!(
            "p99 {:.0} ns, p99.9 {:.0} ns",
            median(&late),
            median(&latest)
        ),
        ratios,
        goal: "reported",
    }
}

/// What lists of 200,000 words keep in memory.
fn memory() -> Row {
    let words = words(200_000);
    let (bare, theirs) = memory::of(|| bare(&words));
    let (filter, ours) = memory::of(|| compile(&words, &Options::default()));
    let (seeing, more) = memory::of(|| compile(&words, &strict()));
    drop((bare, filter, seeing));
    let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    Row {
        what: "memory of 200,000 words, entries and their text included",
        reference: format!("daachorse's automaton alone, {:.1} MiB", mebibytes(theirs)),
        measured: format!(
            "{:.1} MiB, {:.1} MiB with skip and repeat",
            mebibytes(ours),
            mebibytes(more)
        ),
        ratios: vec![ours as f64 / theirs as f64],
        goal: "at most 3",
    }
}

fn build(rounds: usize) -> Row {
    let words = words(200_000);
    let (mut ratios, mut ours_ms, mut bare_ms) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = Instant::now();
        black_box(bare(&words));
        let reference = started.elapsed().as_secs_f64() * 1e3;
        let started = Instant::now();
        black_box(compile(&words, &Options::default()));
        let ours = started.elapsed().as_secs_f64() * 1e3;
        ratios.push(ours / reference);
        ours_ms.push(ours);
        bare_ms.push(reference);
    }
    Row {
        what: "compiling a list of 200,000 words",
        reference: format!("daachorse's bare build, {:.0} ms", median(&bare_ms)),
        measured: format!("{:.0} ms", median(&ours_ms)),
        ratios,
        goal: "at most 2",
    }
}

/// The worst growth of time as a text doubles, over inputs that are made to be slow.
fn doubling(rounds: usize) -> Row {
    let mut words = words(1_000);
    words.extend(
        [
            "哈哈",
            "哈哈哈哈哈哈哈哈哈哈",
            "aaaaaaaaaaaaaaab",
            "赌博",
            "ab",
            "badword",
        ]
        .map(str::to_owned),
    );
    let filter = compile(&words, &everything());
    let lists = filter.list_set(&["bench"]);
    let inputs = [
        "哈",
        "a",
        "赌@",
        "@#",
        "\u{202e}ab",
        "b*",
        "1!",
        "e\u{301}\u{336}\u{20dd}",
        "１",
    ];
    let mut ratios = Vec::new();
    let mut slowest = ("", 0.0);
    for _ in 0..rounds {
        let mut worst: f64 = 0.0;
        for input in inputs {
            let mut last = time(&filter, &lists, &input.repeat(125_000 / input.len()));
            for bytes in [250_000, 500_000, 1_000_000] {
                let now = time(&filter, &lists, &input.repeat(bytes / input.len()));
                worst = worst.max(now / last);
                last = now;
            }
            if last > slowest.1 {
                slowest = (input, last);
            }
        }
        ratios.push(worst);
    }
    Row {
        what: "time as a text doubles up to 1 MB, worst of nine hostile inputs with every option on",
        reference: "half the text".to_owned(),
        measured: format!(
            "1 MB of `{}` takes {:.1} ms",
            slowest.0.escape_unicode(),
            slowest.1 * 1e3
        ),
        ratios,
        goal: "at most 2.3",
    }
}

/// Seconds for one scan, the best of three.
fn time(filter: &Filter, lists: &callgate::filter::ListSet, text: &str) -> f64 {
    let (mut scratch, mut matches) = (Scratch::default(), Vec::new());
    (0..3)
        .map(|_| {
            matches.clear();
            let started = Instant::now();
            filter.scan(text, lists, &mut scratch, &mut matches);
            started.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}
