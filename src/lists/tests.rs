//! Lists of a policy in a folder, edited and looked at.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::audit::Who;
use crate::editor::{Op, Said};
use crate::policy::CompileContext;
use crate::reload::{Policies, Start};
use crate::telemetry::Metrics;
use crate::versions::Origin;

const POLICY: &str = "lists:\n  l: {file: l.txt}\n  m: {file: m.txt, action: replace}\n  inline: {words: [here]}\n\
                      \x20 spare: {file: spare.txt, action: allow}\nhooks: {beforeSendSingleMsg: , beforeMsgModify: }\n";

fn folder(list: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
    fs::write(folder.path().join("l.txt"), list).unwrap();
    fs::write(folder.path().join("m.txt"), "mask\n").unwrap();
    fs::write(folder.path().join("spare.txt"), "good word\n").unwrap();
    folder
}

fn lists(folder: &Path) -> Lists {
    let (context, metrics) = (CompileContext::default(), Arc::new(Metrics::new()));
    let policies = Policies::start(folder, context, metrics, Start::default()).unwrap();
    Lists::new(Arc::new(policies), None, Vec::new)
}

fn origin() -> Origin {
    Origin {
        who: Who::Callgate,
        why: "a test".to_owned(),
        restores: None,
    }
}

fn edit(base: Base, ops: Vec<Op>) -> Edit {
    Edit {
        list: "L".to_owned(),
        base,
        ops,
        to: None,
    }
}

fn tagged(entry: &str, tag: &str) -> Op {
    Op::Add {
        said: Said {
            entry: entry.to_owned(),
            tags: vec![tag.to_owned()],
            options: String::new(),
        },
        section: None,
    }
}

#[test]
fn an_edit_is_in_force_when_it_is_answered() {
    let before = "\u{feff}# head\r\nword\tx\r\n\r\n# end\n\\#tag \t a, b\n".as_bytes();
    let folder = folder(before);
    let lists = lists(folder.path());
    let hash = lists.hash("l").unwrap();
    let ops = vec![Op::add("赌博"), Op::remove("word")];
    let saved = lists.save(&edit(Base::Hash(hash), ops), origin()).unwrap();
    let after = "\u{feff}# head\r\n\r\n# end\n\\#tag \t a, b\n赌博\n".as_bytes();
    assert_eq!(fs::read(folder.path().join("l.txt")).unwrap(), after);
    assert_eq!(
        (saved.version.number, saved.added, saved.removed),
        (2, 1, 1)
    );
    assert_eq!(lists.policies.current().version, saved.version);
    assert_eq!(lists.hash("l").unwrap(), saved.hash);
    // Nothing that was not there before is left.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn what_others_wrote_is_merged_or_shown() {
    let folder = folder(b"a\nb\n");
    let lists = lists(folder.path());
    let base = Base::Hash(lists.page("l", &wanted("")).unwrap().hash);
    write_settled(&folder.path().join("l.txt"), b"a\tx\nb\nby hand\n");
    let saved = lists.save(&edit(base.clone(), vec![Op::add("mine")]), origin());
    let saved = saved.unwrap();
    assert!(saved.merged);
    let content = fs::read_to_string(folder.path().join("l.txt")).unwrap();
    assert_eq!(content, "a\tx\nb\nby hand\nmine\n");
    let conflict = lists.save(&edit(base, vec![Op::remove("a")]), origin());
    let Err(NotSaved::Conflicts(conflicts, now)) = conflict else {
        panic!("{conflict:?}");
    };
    assert_eq!(now, saved.hash);
    assert_eq!(conflicts[0].theirs[0].tags, ["x"]);
    let unknown = Base::Hash("0".repeat(64));
    let unknown = lists.save(&edit(unknown, vec![Op::remove("a")]), origin());
    assert!(
        matches!(unknown, Err(NotSaved::BaseUnknown(_))),
        "{unknown:?}"
    );
}

/// Writes a file as if it had been done a while ago.
fn write_settled(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    file.set_modified(then).unwrap();
}

#[test]
fn nothing_is_written_that_would_not_come_into_force() {
    let folder = folder(b"a\n");
    let lists = lists(folder.path());
    let path = folder.path().join("l.txt");
    let bad = Op::Add {
        said: Said {
            entry: "b".to_owned(),
            tags: Vec::new(),
            options: "{leat: true}".to_owned(),
        },
        section: None,
    };
    let invalid = lists.save(&edit(Base::Any, vec![bad]), origin());
    let Err(NotSaved::Invalid(problems)) = invalid else {
        panic!("{invalid:?}");
    };
    assert_eq!(
        (problems[0].line, fs::read(&path).unwrap()),
        (2, b"a\n".to_vec())
    );
    write_settled(&path, b"a\nbad \xff\n");
    let locked = lists.save(&edit(Base::Any, vec![Op::add("b")]), origin());
    let Err(NotSaved::Locked(problems)) = locked else {
        panic!("{locked:?}");
    };
    assert_eq!(problems[0].line, 2);
    assert_eq!(lists.page("l", &wanted("")).unwrap().locked[0].line, 2);
    assert_eq!(lists.policies.current().version.number, 1);
    let inline = Edit {
        list: "inline".to_owned(),
        ..edit(Base::Any, vec![Op::add("b")])
    };
    assert!(matches!(
        lists.save(&inline, origin()),
        Err(NotSaved::NoFile(_))
    ));
}

#[cfg(unix)]
#[test]
fn what_leads_out_of_the_directory_is_a_patch() {
    let (folder, outside) = (folder(b"a\n"), tempfile::tempdir().unwrap());
    let real = outside.path().join("l.txt");
    fs::rename(folder.path().join("l.txt"), &real).unwrap();
    std::os::unix::fs::symlink(&real, folder.path().join("l.txt")).unwrap();
    let lists = lists(folder.path());
    let saved = lists.save(&edit(Base::Any, vec![Op::add("b")]), origin());
    let Err(NotSaved::ReadOnly { patch, .. }) = saved else {
        panic!("{saved:?}");
    };
    assert_eq!(patch, "--- a/l.txt\n+++ b/l.txt\n@@ -1 +1,2 @@\n a\n+b\n");
    assert_eq!(fs::read(&real).unwrap(), b"a\n");
    assert!(lists.page("l", &wanted("")).unwrap().read_only.is_some());
}

fn wanted(search: &str) -> Wanted {
    Wanted {
        after: 0,
        rows_max: 2,
        search: search.to_owned(),
        with_changes: false,
    }
}

#[test]
fn rows_come_a_page_at_a_time_and_are_found_as_the_filter_finds_them() {
    let folder =
        folder("# One\n赌博\tx\na\ttrial\n\n# Two\n\nVIP club\nb\t{action: flag}\n".as_bytes());
    let lists = lists(folder.path());
    let rows = |wanted: &Wanted| {
        let page = lists.page("l", wanted).unwrap();
        let rows = page.rows.iter().map(|row| {
            let section = row.section.as_deref().unwrap_or_default();
            let action = row.action.unwrap_or_default();
            format!("{} {} {section} {action}", row.line, row.said.entry)
        });
        (rows.collect::<Vec<_>>(), page.next)
    };
    let (first, next) = rows(&wanted(""));
    assert_eq!(first, ["2 赌博 One block", "3 a One shadow"]);
    let behind = Wanted {
        after: next.unwrap(),
        ..wanted("")
    };
    assert_eq!(
        rows(&behind),
        (
            vec!["7 VIP club Two block".to_owned(), "8 b Two flag".to_owned()],
            None
        )
    );
    assert_eq!(rows(&wanted("賭")).0, ["2 赌博 One block"]);
    assert_eq!(rows(&wanted("ｖｉｐ")).0, ["7 VIP club Two block"]);
    assert_eq!(rows(&wanted("trial")).0, ["3 a One shadow"]);
    let page = lists.page("l", &wanted("")).unwrap();
    let problems = &page.rows[1].problems;
    assert!(
        problems
            .iter()
            .any(|one| one.what.contains("one character")),
        "{page:?}"
    );
    assert_eq!(lists.page("inline", &wanted("")).unwrap().words, ["here"]);
}

#[test]
fn a_preview_says_what_would_be_hit() {
    let folder = folder(b"bad\n");
    let lists = lists(folder.path());
    let texts = Texts {
        recent: [
            "a bad thing",
            "a fine word",
            "a good word",
            "mask it, word",
            "nothing",
        ]
        .map(Arc::from)
        .to_vec(),
        given: vec!["word".to_owned()],
    };
    let preview = |ops| lists.preview(&edit(Base::Any, ops), &texts).unwrap();
    let added = preview(vec![Op::add("word")]);
    assert_eq!(
        (
            added.recent.texts,
            added.recent.blocked,
            added.given.blocked
        ),
        (5, 2, 1)
    );
    assert!(added.share > 0.3);
    assert_eq!(added.overlaps, [("m: mask".to_owned(), 1)]);
    let excerpt = added
        .excerpts
        .iter()
        .find(|one| one.of == "recent")
        .unwrap();
    assert_eq!(&excerpt.text[excerpt.marked.clone()], "word");
    let trial = preview(vec![tagged("word", "trial")]);
    assert_eq!((trial.recent.blocked, trial.recent.shadowed), (0, 1));
    let freed = preview(vec![Op::remove("bad")]);
    assert_eq!((freed.recent.freed, freed.recent.hit()), (1, 0));
    assert_eq!(fs::read(folder.path().join("l.txt")).unwrap(), b"bad\n");
}

#[test]
fn a_trial_ends_and_a_foreign_list_comes_in() {
    let folder = folder(b"a\tx,trial\nb\ttrial\ncats\n");
    let lists = lists(folder.path());
    let end = |entries: &[&str], verdict| {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let ops = lists.end_trial("l", &entries, verdict).unwrap();
        lists.save(&edit(Base::Any, ops), origin()).unwrap();
        fs::read_to_string(folder.path().join("l.txt")).unwrap()
    };
    assert_eq!(end(&["A"], Verdict::Promote), "a\tx\nb\ttrial\ncats\n");
    assert_eq!(end(&[], Verdict::Drop), "a\tx\ncats\n");
    let imported = lists
        .import(
            "l",
            "cats|dogs|dogs|ｅｌｋｓ".as_bytes(),
            &Default::default(),
        )
        .unwrap();
    assert_eq!((imported.ops.len(), imported.listed), (2, 1));
    let trial = as_trial(imported.ops);
    lists.save(&edit(Base::Any, trial), origin()).unwrap();
    let content = fs::read_to_string(folder.path().join("l.txt")).unwrap();
    assert!(content.contains("dogs\ttrial\n"), "{content}");
}

#[test]
fn two_clients_and_a_hand_lose_nothing() {
    const EDITS: usize = 25;
    let folder = folder(b"# head\n");
    let lists = Arc::new(lists(folder.path()));
    let path = folder.path().join("l.txt");
    std::thread::scope(|scope| {
        for client in ["x", "y"] {
            let lists = Arc::clone(&lists);
            scope.spawn(move || {
                for number in 0..EDITS {
                    let base = Base::Hash(lists.hash("l").unwrap());
                    let op = Op::add(format!("word {client}{number}"));
                    lists.save(&edit(base, vec![op]), origin()).unwrap();
                }
            });
        }
        scope.spawn(|| {
            use std::io::Write;
            for number in 0..EDITS {
                let mut file = fs::File::options().append(true).open(&path).unwrap();
                file.write_all(format!("by hand {number}\n").as_bytes())
                    .unwrap();
                std::thread::yield_now();
            }
        });
    });
    let content = fs::read_to_string(&path).unwrap();
    let lines: std::collections::BTreeSet<&str> = content.lines().collect();
    for number in 0..EDITS {
        for line in ["word x", "word y", "by hand "] {
            assert!(
                lines.contains(&*format!("{line}{number}")),
                "{line}{number}\n{content}"
            );
        }
    }
    assert_eq!(content.lines().count(), 3 * EDITS + 1);
    assert_eq!(lines.iter().next(), Some(&"# head"));
}

fn moving(lists: &Lists, to: &str, entries: &[&str]) -> Edit {
    let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
    Edit {
        to: Some(to.to_owned()),
        ..edit(Base::Any, lists.taking("l", &entries).unwrap())
    }
}

#[test]
fn the_list_that_gains_is_written_before_the_one_that_loses() {
    let folder = folder(b"a\nb\n");
    let lists = lists(folder.path());
    let edit = moving(&lists, "M", &["a", "A"]);
    assert_eq!(edit.ops, [Op::remove("a")]);
    let known = lists.known("l").unwrap();
    let target = lists.target(&known, &edit).unwrap();
    let made = lists.make(&known, target.as_ref(), &edit, |file| lists.on_disk(file));
    let files: Vec<String> = made
        .unwrap()
        .changes
        .iter()
        .map(|change| change.file.to_string())
        .collect();
    assert_eq!(files, ["m.txt", "l.txt"]);
    let followed = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&followed);
    lists.policies.follow_files(move |in_force| {
        let content = |file: &str| in_force.files[file].to_vec();
        seen.lock()
            .unwrap()
            .push((content("m.txt"), content("l.txt")));
    });
    let saved = lists.save(&edit, origin()).unwrap();
    assert_eq!(
        (saved.added, saved.removed, saved.version.number),
        (1, 1, 2)
    );
    // One version has both, and there is none between.
    let (before, after) = (b"mask\n".to_vec(), b"mask\na\n".to_vec());
    assert_eq!(
        *followed.lock().unwrap(),
        [(before, b"a\nb\n".to_vec()), (after, b"b\n".to_vec())]
    );
}

#[test]
fn a_list_that_spares_takes_entries_and_what_it_cannot_have_is_not_written() {
    let folder = folder(b"a b\nc\t{leet: true}\n");
    let lists = lists(folder.path());
    let contents =
        || ["l.txt", "spare.txt"].map(|file| fs::read_to_string(folder.path().join(file)).unwrap());
    let preview = lists.preview(&moving(&lists, "spare", &["a b"]), &Texts::default());
    let moved = preview.unwrap().moved.unwrap();
    let action = &moved.actions[0];
    assert_eq!(
        (action.from.as_deref(), action.to.as_deref()),
        (Some("block"), Some("allow"))
    );
    lists
        .save(&moving(&lists, "spare", &["a b"]), origin())
        .unwrap();
    assert_eq!(contents(), ["c\t{leet: true}\n", "good word\na b\n"]);
    let refused = lists.save(&moving(&lists, "spare", &["c"]), origin());
    assert!(matches!(refused, Err(NotSaved::Invalid(_))), "{refused:?}");
    assert_eq!(contents(), ["c\t{leet: true}\n", "good word\na b\n"]);
}
