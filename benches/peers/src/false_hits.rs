//! What each option of callgate finds in texts that nobody would refuse.

use callgate::filter::{Confusables, Options, Pinyin, SkipClasses, WholeWord};

use crate::corpora::{self, Corpus};
use crate::markdown::Table;
use crate::peer::Peer;
use crate::rust_peers::{self as rust, Lists};
use crate::scripts;

/// `shown`: of the messages that are hit, this many are written to standard error.
pub fn print(shown: usize) {
    let own = corpora::own_lists();
    let chinese = [("chinese", corpora::sensitive_rs_words())];
    let mut longer = chinese.clone();
    longer[0].1.retain(|word| word.chars().count() >= 3);
    let rustrict = corpora::rustrict();
    let english = [("english", rustrict.words)];
    let (zh, en) = (corpora::zh_chat(), corpora::en_chat());
    let searched: [(&Lists<'_>, &Corpus); 6] = [
        (&own, &zh),
        (&own, &en),
        (&chinese, &zh),
        (&longer, &zh),
        (&english, &en),
        (&english, &rustrict.false_positives),
    ];
    let title = format!(
        "Messages hit, of 10,000. A: the {} entries of policies/lists; B: the {} of sensitive-rs; \
         C: the {} of rustrict",
        own.iter().map(|(_, words)| words.len()).sum::<usize>(),
        chinese[0].1.len(),
        english[0].1.len(),
    );
    let columns = [
        "",
        "A, zh_chat",
        "A, en_chat",
        "B, zh_chat",
        "B of 3 characters or more, zh_chat",
        "C, en_chat",
        "C, false_positives",
    ];
    let mut table = Table::new(&title, columns);
    for (name, options) in variants() {
        let name = format!("callgate, {name}");
        let rates = searched.iter().map(|(lists, corpus)| {
            let mut peer = rust::callgate(&name, lists, &options);
            rate(peer.as_mut(), corpus, shown)
        });
        table.add(&name, rates.collect());
    }
    let any_case = "aho-corasick, `ascii_case_insensitive`";
    let rates = searched.iter().map(|(lists, corpus)| {
        let words: Vec<String> = lists.iter().flat_map(|(_, words)| words).cloned().collect();
        let mut peer = rust::aho_corasick(any_case, &words, true);
        rate(peer.as_mut(), corpus, shown)
    });
    table.add(any_case, rates.collect());
    for mut peer in english_peers(&english[0].1) {
        let mut rates = vec!["-".to_owned(); 4];
        let corpora = [&en, &rustrict.false_positives];
        rates.extend(corpora.map(|corpus| rate(peer.as_mut(), corpus, shown)));
        table.add(peer.name(), rates);
    }
    table.print();
}

/// Peers with English words: these, or their own.
fn english_peers(words: &[String]) -> Vec<Box<dyn Peer>> {
    let file = corpora::write_lines("english", words);
    let mut peers = vec![rust::rustrict("rustrict, its list")];
    for (name, peer) in [
        ("npm obscenity, the same words", "obscenity"),
        ("npm obscenity, the same as whole words", "obscenity-whole"),
        ("npm obscenity, its list", "obscenity-own"),
    ] {
        peers.extend(scripts::node(name, peer, &file));
    }
    peers
}

fn rate(peer: &mut dyn Peer, corpus: &Corpus, shown: usize) -> String {
    let found = peer.find(corpus);
    let hit: Vec<&String> = corpus
        .lines
        .iter()
        .zip(&found)
        .filter_map(|(line, found)| found.any().then_some(line))
        .collect();
    for line in hit.iter().take(shown) {
        eprintln!("{} in {}: {line}", peer.name(), corpus.name);
    }
    format!("{:.1}", hit.len() as f64 * 1e4 / corpus.lines.len() as f64)
}

/// The defaults, each option alone, and those that are advised for chat together.
fn variants() -> Vec<(&'static str, Options)> {
    let with = |set: fn(&mut Options)| {
        let mut options = Options::default();
        set(&mut options);
        options
    };
    vec![
        ("defaults", Options::default()),
        ("`skip: [space]`", with(|o| o.skip = SkipClasses::SPACE)),
        ("`skip: [punct]`", with(|o| o.skip = SkipClasses::PUNCT)),
        ("`skip: [symbol]`", with(|o| o.skip = SkipClasses::SYMBOL)),
        (
            "`skip: [space, punct, symbol]`",
            with(|o| o.skip = rust::skip_and_repeat().skip),
        ),
        ("`repeat: 2`", with(|o| o.repeat = 2)),
        ("`repeat: 3`", with(|o| o.repeat = 3)),
        ("`leet: true`", with(|o| o.leet = true)),
        ("`selfmask: true`", with(|o| o.selfmask = true)),
        ("`num_style: true`", with(|o| o.num_style = true)),
        (
            "`confusables: true`",
            with(|o| o.confusables = Confusables::Always),
        ),
        ("`pinyin: full`", with(|o| o.pinyin = Pinyin::Full)),
        ("`pinyin: initials`", with(|o| o.pinyin = Pinyin::Initials)),
        ("`homophone: true`", with(|o| o.homophone = true)),
        ("`split: true`", with(|o| o.split = true)),
        (
            "`whole_word: alpha`",
            with(|o| o.whole_word = WholeWord::Alpha),
        ),
        (
            "`whole_word: false`",
            with(|o| o.whole_word = WholeWord::Off),
        ),
        (
            "`skip: [space, punct, symbol]`, `repeat: 3`",
            rust::skip_and_repeat(),
        ),
        (
            "the same with `leet`, `selfmask`, `split`, `pinyin: full`",
            advised(),
        ),
    ]
}

fn advised() -> Options {
    Options {
        leet: true,
        selfmask: true,
        split: true,
        pinyin: Pinyin::Full,
        ..rust::skip_and_repeat()
    }
}
