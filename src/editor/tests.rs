//! Edits by hand-picked files, and any edits of any files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use proptest::prelude::*;

use super::*;
use crate::filter::{Identities, Identity, Options, Role};
use crate::policy::read_list;
use crate::settings::Problems;

/// Making them takes longer than any edit here; whoever has them must let go before another asks.
fn identities() -> MutexGuard<'static, Identities> {
    static KNOWN: LazyLock<Mutex<Identities>> =
        LazyLock::new(|| Mutex::new(Identities::of(Role::Match, &Options::default()).unwrap()));
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Edits as one writes them here: `+a`, `-a`, `a=b`, `a\tx`.
fn ops(written: &[&str]) -> Vec<Op> {
    let read = |op: &&str| {
        if let Some(line) = op.strip_prefix('+') {
            let document = line.as_bytes();
            let document = Document::read(document);
            let said = document.rows().find_map(|row| match row.what {
                What::Entry(entry) => Some(Said::of(&entry)),
                _ => None,
            });
            return Op::Add {
                said: said.unwrap_or_default(),
                section: None,
            };
        }
        if let Some(entry) = op.strip_prefix('-') {
            return Op::remove(entry);
        }
        let (entry, to) = op.split_once('=').unwrap_or((op, ""));
        let (to, tags) = to.split_once(':').unwrap_or((to, ""));
        Op::Set {
            which: Which {
                entry: entry.to_owned(),
                line: None,
            },
            to: (!to.is_empty()).then(|| to.to_owned()),
            tags: (!tags.is_empty()).then(|| tags.split(',').map(str::to_owned).collect()),
            options: None,
        }
    };
    written.iter().map(read).collect()
}

fn check_apply(before: &str, edits: &[&str], after: &str) {
    let applied = apply(before.as_bytes(), &ops(edits), &mut identities());
    let shown = match applied {
        Ok(applied) => String::from_utf8(applied.bytes).unwrap(),
        Err(problems) => problems[0].what.clone(),
    };
    assert_eq!(shown, after, "{before:?} {edits:?}");
}

#[test]
fn a_new_entry_goes_to_others_like_it() {
    check_apply("", &["+a"], "a\n");
    check_apply("a", &["+b"], "a\nb");
    check_apply(
        "a\r\nb\r\n\r\n# end\n",
        &["+c"],
        "a\r\nb\r\nc\r\n\r\n# end\n",
    );
    check_apply(
        "# A\nx\tt\ny\tt\n\n# B\nz\n",
        &["+w\tt"],
        "# A\nx\tt\ny\tt\nw\tt\n\n# B\nz\n",
    );
    check_apply("# A\nx\tt\n\n# B\nz\n", &["+w"], "# A\nx\tt\n\n# B\nz\nw\n");
    check_apply(
        "\u{feff}a\nc\ne\n",
        &["+d", "+0"],
        "\u{feff}0\na\nc\nd\ne\n",
    );
    check_apply("# no entry\n", &["+a", "+b"], "# no entry\na\nb\n");
    check_apply("b\nc\nd\n", &["+a1", "+a0"], "a0\na1\nb\nc\nd\n");
}

#[test]
fn a_new_entry_goes_to_the_section_that_is_named() {
    let mut op = ops(&["+n"]);
    if let Op::Add { section, .. } = &mut op[0] {
        *section = Some("A".to_owned());
    }
    let file = "# A\n# about a\n\n# B\nz\n";
    let applied = apply(file.as_bytes(), &op, &mut identities()).unwrap();
    assert_eq!(applied.bytes, b"# A\n# about a\nn\n\n# B\nz\n");
}

#[test]
fn what_is_not_meant_stays() {
    check_apply("a \r\n b\t x, y \r\nc", &["-a"], " b\t x, y \r\nc");
    check_apply(
        " b\t x, y\t{leet: true} \r\n",
        &["b=d"],
        " d\t x, y\t{leet: true} \r\n",
    );
    check_apply(" b \t x, y \r\n", &["b=:z"], " b\tz \r\n");
    check_apply("a\nb", &["-b"], "a\n");
    check_apply("#a\n", &["+\\#a"], "#a\n\\#a\n");
    check_apply("a\n", &["+a"], "`a` stands in line 1 already");
    check_apply(
        "赌博\n",
        &["+賭博"],
        "`賭博` is the same as `赌博` (line 1) once both are folded",
    );
    check_apply("赌博\n賭博\n", &["-赌博"], "");
    check_apply("赌博\n賭博\n", &["賭博=:x"], "赌博\n賭博\tx\n");
    check_apply("b\n", &["-a"], "`a` is not in the list");
}

#[test]
fn one_of_several_lines_is_meant_by_its_number() {
    let file = b"a\nb\na\n";
    let remove = |line| Op::Remove {
        which: Which {
            entry: "a".to_owned(),
            line: Some(line),
        },
    };
    let applied = apply(file, &[remove(1), remove(3)], &mut identities()).unwrap();
    assert_eq!(applied.bytes, b"b\n");
    let theirs = b"0\na\nb\nc\na\n";
    let merged = merge(file, theirs, &[remove(3)], &mut identities()).unwrap();
    assert_eq!(merged.applied.bytes, b"0\na\nb\nc\n");
    let merged = merge(file, theirs, &[remove(1), remove(3)], &mut identities()).unwrap();
    assert_eq!(merged.applied.bytes, b"0\nb\nc\n");
    let problems = apply(file, &[remove(2)], &mut identities()).unwrap_err();
    assert_eq!(problems[0].hint, "it stands in line 1 and line 3");
}

#[test]
fn what_cannot_be_a_line_is_refused() {
    for bad in ["", " a", "a\tb", "a\nb", "a\r", "\u{feff}a", "\0"] {
        let problems = apply(b"", &[Op::add(bad)], &mut identities()).unwrap_err();
        assert_eq!(problems.len(), 1, "{bad:?}");
    }
    let with = |tags: &[&str], options: &str| Op::Add {
        said: Said {
            entry: "a".to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            options: options.to_owned(),
        },
        section: None,
    };
    for op in [
        with(&["a,b"], ""),
        with(&["{"], ""),
        with(&[""], ""),
        with(&[], "leet: true"),
        with(&[], "{a: 1}\nb"),
    ] {
        assert!(apply(b"", &[op], &mut identities()).is_err());
    }
}

#[test]
fn a_merge_takes_both_or_shows_three() {
    let check = |base: &str, theirs: &str, mine: &[&str], expected: &str| {
        let merged = merge(
            base.as_bytes(),
            theirs.as_bytes(),
            &ops(mine),
            &mut identities(),
        );
        let shown = match merged {
            Ok(merged) => String::from_utf8(merged.applied.bytes).unwrap(),
            Err(NotMerged::Conflicts(conflicts)) => {
                let lines = |said: &[Said]| {
                    let lines = said
                        .iter()
                        .map(|said| [&*said.entry, &said.tags.join(",")].join("\t"));
                    lines.collect::<Vec<_>>().join("+")
                };
                let conflicts = conflicts.iter().map(|one| {
                    let all = [&one.base, &one.theirs, &one.mine].map(|said| lines(said));
                    format!("{}: {}", one.entry, all.join(" | "))
                });
                conflicts.collect::<Vec<_>>().join("; ")
            }
            Err(NotMerged::Wrong(problems)) => problems[0].what.clone(),
        };
        assert_eq!(shown, expected, "{base:?} {theirs:?} {mine:?}");
    };
    check("a\n", "a\nb\n", &["+c"], "a\nb\nc\n");
    check("a\nb\n", "b\n", &["-b"], "");
    check("a\nb\n", "b\n", &["-a"], "b\n");
    check("a\n", "a\nb\tx\n", &["+b\ty"], "b:  | b\tx | b\ty");
    check("a\n", "a\tx\n", &["-a"], "a: a\t | a\tx | ");
    check("a\n", "", &["a=:x"], "a: a\t |  | a\tx");
    check("a\n", "# note\n\na\n", &["a=b"], "# note\n\nb\n");
    check("a\n", "a\nb\n", &["a=b"], "b\n");
    check("a\n", "", &["a=b"], "b\n");
}

/// Bodies of lines; those that are entries are of few identities, so that edits meet them.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::sample::select(vec![
        "",
        "  ",
        "# c",
        "#c\tx",
        "a",
        " A ",
        "b\tx",
        "b \t x, y\t{leet: true} ",
        "赌博",
        "賭博\tx",
        "\\#h",
        "\\\\i",
        "cat*",
        "cat",
        "сосо",
        "d\t{action: flag}",
        "\u{feff}e",
        "🔞",
        "/f+/",
    ]);
    prop_oneof![
        20 => text.prop_map(|text| text.as_bytes().to_vec()),
        1 => Just(b"\xff\xfe".to_vec()),
        1 => Just(b"\r".to_vec()),
    ]
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    let line = (body(), prop::bool::ANY);
    (
        prop::bool::weighted(0.2),
        prop::collection::vec(line, 0..12),
        prop::bool::ANY,
    )
        .prop_map(|(bom, lines, open)| {
            let mut file = Vec::new();
            if bom {
                file.extend_from_slice(b"\xef\xbb\xbf");
            }
            for (body, crlf) in &lines {
                file.extend_from_slice(body);
                file.extend_from_slice(if *crlf { b"\r\n" } else { b"\n" });
            }
            if open && !lines.is_empty() {
                file.pop();
            }
            file
        })
}

fn any_op() -> impl Strategy<Value = Op> {
    let entry = || {
        let all = [
            "a", "A", "b", "赌博", "賭博", "#h", "\\i", "cat", "cat*", "сосо", "coco", "d", "🔞",
            "/f+/", "new", "n2",
        ];
        prop::sample::select(all.to_vec()).prop_map(str::to_owned)
    };
    let tags = || {
        prop::sample::select(vec![
            vec![],
            vec!["x".to_owned()],
            vec!["y".to_owned(), "z".to_owned()],
        ])
    };
    let options = || prop::sample::select(vec!["", "{leet: true}"]).prop_map(str::to_owned);
    let line = || prop::option::weighted(0.2, 1..12_u32);
    prop_oneof![
        (entry(), tags(), options()).prop_map(|(entry, tags, options)| Op::Add {
            said: Said {
                entry,
                tags,
                options
            },
            section: None
        }),
        (
            entry(),
            line(),
            prop::option::of(entry()),
            prop::option::of(tags()),
            prop::option::of(options())
        )
            .prop_map(|(entry, line, to, tags, options)| Op::Set {
                which: Which { entry, line },
                to,
                tags,
                options
            }),
        (entry(), line()).prop_map(|(entry, line)| Op::Remove {
            which: Which { entry, line }
        }),
    ]
}

/// As many of the edits as can be made.
fn possible(file: &[u8], ops: Vec<Op>) -> Vec<Op> {
    let mut made: Vec<Op> = Vec::new();
    for op in ops {
        made.push(op);
        if apply(file, &made, &mut identities()).is_err() {
            made.pop();
        }
    }
    made
}

/// The entries as the policy's own reader has them, which shares nothing with documents but the
/// parts of a line.
fn entries(file: &[u8]) -> Vec<(String, Vec<String>, bool)> {
    let read = read_list("l", file, &Problems::default());
    let entries = read.entries.iter();
    let mut entries: Vec<_> = entries
        .map(|entry| {
            let own = entry.options.is_some();
            (entry.text.to_owned(), entry.tags.to_vec(), own)
        })
        .collect();
    entries.sort();
    entries
}

fn touched(ops: &[Op]) -> BTreeSet<String> {
    let mut identities = identities();
    let mut all = BTreeSet::new();
    for op in ops {
        for entry in op.entries() {
            all.insert(key(&identities.identity(entry)));
        }
    }
    all
}

fn key(identity: &Identity) -> String {
    format!("{identity:?}")
}

/// The lines that no edit means, with their ends.
fn untouched(file: &[u8], touched: &BTreeSet<String>) -> Vec<Vec<u8>> {
    let mut identities = identities();
    let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let lines = text
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec);
    lines
        .filter(|line| {
            let Ok(text) = std::str::from_utf8(line) else {
                return true;
            };
            match crate::policy::ListLine::read(text) {
                crate::policy::ListLine::Entry(entry) => {
                    !touched.contains(&key(&identities.identity(entry.text())))
                }
                _ => true,
            }
        })
        .collect()
}

/// A slow and obvious editor: entries in a heap, without lines.
fn model(file: &[u8], ops: &[Op]) -> Vec<(String, Vec<String>, String)> {
    let mut identities = identities();
    let document = Document::read(file);
    let mut heap: BTreeMap<u32, Said> = BTreeMap::new();
    for row in document.rows() {
        if let What::Entry(entry) = row.what {
            heap.insert(row.line, Said::of(&entry));
        }
    }
    let mut fresh = 1_000;
    for op in ops {
        let mut meant = |which: &Which, heap: &BTreeMap<u32, Said>| -> Vec<u32> {
            let identity = identities.identity(&which.entry);
            let same = heap.iter().filter(|(line, said)| {
                identities.identity(&said.entry) == identity
                    && which.line.is_none_or(|one| one == **line)
            });
            same.map(|(line, _)| *line).collect()
        };
        match op {
            Op::Add { said, .. } => {
                fresh += 1;
                heap.insert(fresh, said.clone());
            }
            Op::Remove { which } => {
                for line in meant(which, &heap) {
                    heap.remove(&line);
                }
            }
            Op::Set {
                which,
                to,
                tags,
                options,
            } => {
                let all = meant(which, &heap);
                let mut exact = all.iter().filter(|line| heap[line].entry == which.entry);
                let line = if all.len() == 1 {
                    all[0]
                } else {
                    *exact.next_back().unwrap()
                };
                let said = heap.get_mut(&line).unwrap();
                said.entry = to.clone().unwrap_or(said.entry.clone());
                said.tags = tags.clone().unwrap_or(said.tags.clone());
                said.options = options.clone().unwrap_or(said.options.clone());
            }
        }
    }
    let mut all: Vec<_> = heap
        .into_values()
        .map(|said| (said.entry, said.tags, said.options))
        .collect();
    all.sort();
    all
}

fn said(file: &[u8]) -> Vec<(String, Vec<String>, String)> {
    let document = Document::read(file);
    let mut all: Vec<_> = document
        .rows()
        .filter_map(|row| match row.what {
            What::Entry(entry) => {
                let said = Said::of(&entry);
                Some((said.entry, said.tags, said.options))
            }
            _ => None,
        })
        .collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_document_is_its_bytes(file in file()) {
        prop_assert_eq!(Document::read(&file).to_bytes(), file);
    }

    #[test]
    fn no_line_changes_that_is_not_meant(file in file(), ops in prop::collection::vec(any_op(), 1..6)) {
        let ops = possible(&file, ops);
        let after = apply(&file, &ops, &mut identities()).unwrap().bytes;
        prop_assert_eq!(said(&after), model(&file, &ops));
        let touched = touched(&ops);
        let mut before = untouched(&file, &touched);
        let mut left = untouched(&after, &touched);
        // A last line without an end gets one where another follows.
        if let (Some(before), Some(left)) = (before.last_mut(), left.last_mut())
            && !before.ends_with(b"\n")
        {
            prop_assert!([&b""[..], b"\n", b"\r\n"].iter().any(|end| *left == [&before[..], end].concat()));
            left.truncate(before.len());
        }
        prop_assert_eq!(left, before);
        // A mark stays, and comes only before a letter that would be taken for one.
        let mark = b"\xef\xbb\xbf";
        if file.starts_with(mark) || after.starts_with(mark) {
            prop_assert!(after.starts_with(mark));
            prop_assert!(file.starts_with(mark) || after[3..].starts_with(mark));
        }
        let count = entries(&after).len();
        prop_assert_eq!(count, said(&after).len());
    }

    #[test]
    fn a_merge_is_the_same_from_both_sides(
        file in file(),
        one in prop::collection::vec(any_op(), 1..4),
        other in prop::collection::vec(any_op(), 1..4),
    ) {
        let (one, other) = (possible(&file, one), possible(&file, other));
        let first = apply(&file, &one, &mut identities()).unwrap().bytes;
        let second = apply(&file, &other, &mut identities()).unwrap().bytes;
        let this = merge(&file, &first, &other, &mut identities());
        let that = merge(&file, &second, &one, &mut identities());
        match (this, that) {
            (Ok(this), Ok(that)) => {
                prop_assert_eq!(said(&this.applied.bytes), said(&that.applied.bytes));
            }
            (Err(NotMerged::Conflicts(this)), Err(NotMerged::Conflicts(that))) => {
                let entries = |all: Vec<Conflict>| -> BTreeSet<String> {
                    let mut identities = identities();
                    all.iter().map(|one| key(&identities.identity(&one.entry))).collect()
                };
                prop_assert_eq!(entries(this), entries(that));
            }
            (this, that) => prop_assert!(false, "{:?} and {:?}", this, that),
        }
    }
}

#[test]
fn a_line_that_is_handed_over_stays_as_it_is_written_and_goes_where_others_like_it_are() {
    let check = |before: &str, lines: &[&str], after: &str, new: &[bool]| {
        let handed = hand_over(before.as_bytes(), lines, &mut identities());
        let shown = String::from_utf8(handed.applied.bytes).unwrap();
        assert_eq!(
            (&*shown, &*handed.is_new),
            (after, new),
            "{before:?} {lines:?}"
        );
        let added = new.iter().filter(|is_new| **is_new).count() as u64;
        assert_eq!(handed.applied.added, added);
    };
    check(
        "",
        &["  a \t x, y\t{leet: true} "],
        "  a \t x, y\t{leet: true} \n",
        &[true],
    );
    check("a\tx\r\n", &["b"], "a\tx\r\nb\r\n", &[true]);
    // Sorted lists stay sorted, and tags lead to their section.
    check("a\nc\nd\n", &["b "], "a\nb \nc\nd\n", &[true]);
    let sections = "# one\na\tx\n\n# two\nb\ty\n";
    let after = "# one\na\tx\nc \t x\n\n# two\nb\ty\n";
    check(sections, &["c \t x"], after, &[true]);
    // An entry is there once, whatever is said of it.
    check(
        "a\ttheirs\n",
        &["A\tmine", "b", "B\tx"],
        "a\ttheirs\nb\n",
        &[false, true, false],
    );
    // A byte-order mark and a last line without an end.
    check("\u{feff}a", &["\\#b\r"], "\u{feff}a\n\\#b", &[true]);
}

#[test]
fn what_is_removed_is_given_back_as_it_was_written() {
    let before = "\u{feff} a \tx \r\n\\#b\nA\t{leet: true}\nc";
    let applied = apply(
        before.as_bytes(),
        &ops(&["-#b", "-a", "+d"]),
        &mut identities(),
    )
    .unwrap();
    assert_eq!(applied.taken, ["\\#b", " a \tx ", "A\t{leet: true}"]);
    assert_eq!(applied.bytes, "\u{feff}c\nd".as_bytes());
}
