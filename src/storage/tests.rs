//! A restore that breaks off anywhere is ended by whoever comes next.

use std::fs;
use std::path::Path;

use super::moves::{Move, Moves, PREPARED, end};

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Breaks off after `steps` renames, and ends it in a second go.
fn check(steps: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (data, elsewhere) = (
        folder.path().join("data"),
        folder.path().join("else/rooms.db"),
    );
    put(&data.join("outbox.db"), "old");
    put(&data.join("outbox.db-wal"), "old log");
    put(&data.join("operators.db"), "old");
    put(&elsewhere, "old");
    let prepared = data.join(PREPARED);
    put(&prepared.join("outbox.db"), "new");
    put(&prepared.join("history/a.db"), "new");
    let beside = folder.path().join("else/rooms.db.restored");
    put(&beside, "new");
    let of = |from: Option<&Path>, to: &Path| Move {
        from: from.map(Path::to_owned),
        to: to.to_owned(),
    };
    let moves = Moves {
        aside: "before-restore-now".to_owned(),
        moves: vec![
            of(Some(&prepared.join("outbox.db")), &data.join("outbox.db")),
            of(Some(&beside), &elsewhere),
            of(None, &data.join("operators.db")),
            of(Some(&prepared.join("history")), &data.join("history")),
        ],
    };
    moves.decide(&data).unwrap();
    let aside = data.join("before-restore-now");
    let else_aside = folder.path().join("else/rooms.db.before-restore-now");
    // What `end` does, in its order.
    let renames = [
        (data.join("outbox.db-wal"), aside.join("outbox.db-wal")),
        (data.join("outbox.db"), aside.join("outbox.db")),
        (prepared.join("outbox.db"), data.join("outbox.db")),
        (elsewhere.clone(), else_aside.clone()),
        (beside.clone(), elsewhere.clone()),
        (data.join("operators.db"), aside.join("operators.db")),
        (prepared.join("history"), data.join("history")),
    ];
    for (from, to) in renames.iter().take(steps) {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(from, to).unwrap();
    }
    assert!(end(&data).unwrap());
    assert!(!end(&data).unwrap(), "{steps}: it has ended");
    let new = Some("new".to_owned());
    assert_eq!(read(&data.join("outbox.db")), new, "{steps}");
    assert_eq!(read(&data.join("outbox.db-wal")), None, "{steps}");
    assert_eq!(read(&elsewhere), new, "{steps}");
    assert_eq!(read(&data.join("operators.db")), None, "{steps}");
    assert_eq!(read(&data.join("history/a.db")), new, "{steps}");
    assert!(!prepared.exists(), "{steps}");
    let old = Some("old".to_owned());
    assert_eq!(read(&aside.join("outbox.db")), old, "{steps}");
    assert_eq!(
        read(&aside.join("outbox.db-wal")).as_deref(),
        Some("old log")
    );
    assert_eq!(read(&aside.join("operators.db")), old, "{steps}");
    assert_eq!(read(&else_aside), old, "{steps}");
}

#[test]
fn a_restore_that_broke_off_is_ended_wherever_it_did() {
    for steps in 0..=7 {
        check(steps);
    }
}
