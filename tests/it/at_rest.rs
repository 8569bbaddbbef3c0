//! What is kept is for the user that callgate runs as, and for nobody else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{Callgate, Setup, calls};

/// Every file and folder below, with its mode.
fn modes(directory: &Path) -> Vec<(String, u32)> {
    let mut found = vec![(directory.display().to_string(), mode(directory))];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(modes(&path)),
            false => found.push((path.display().to_string(), mode(&path))),
        }
    }
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn assert_private(directory: &Path, files_min: usize) {
    let all = modes(directory);
    assert!(all.len() > files_min, "{all:?}");
    for (path, mode) in &all {
        let wanted = if Path::new(path).is_dir() {
            0o700
        } else {
            0o600
        };
        assert_eq!(*mode, wanted, "{path}: {mode:o}");
    }
}

const POLICY: &str = "endpoints: {b: {url: 'http://127.0.0.1:9/'}}\n\
                      hooks: {afterSendSingleMsg: {endpoint: b}}\n";

fn store_something(gate: &Callgate) {
    let event = calls::after_event("afterSendSingleMsg", "hello", "m");
    gate.grpc().after(vec![event]).unwrap();
    let server = format!("http://{}", gate.admin);
    let args = [
        "rooms",
        "set",
        "room",
        "http://127.0.0.1:9/",
        "--server",
        &server,
    ];
    assert!(gate.setup().run(&args).status.success());
}

#[test]
fn whatever_the_umask_all_that_is_kept_is_private() {
    for umask in ["umask 0", "umask 027", "umask 0777"] {
        let setup = Setup::new(POLICY).shell(umask);
        let kept = setup.policies().join("../kept/below");
        let gate = setup
            .engine("data", &kept.display().to_string())
            .engine("outbox.path", "")
            .start();
        store_something(&gate);
        assert!(kept.join("outbox.db").exists(), "{umask}");
        assert!(kept.join("rooms.db").exists(), "{umask}");
        assert_private(&kept, 3);
    }
}

#[test]
fn what_an_earlier_version_left_readable_is_closed() {
    let setup = Setup::new(POLICY);
    let data = setup.policies().join("../data");
    fs::create_dir_all(data.join("old")).unwrap();
    fs::write(data.join("old/file"), "x").unwrap();
    for (path, mode) in [("old/file", 0o666), ("old", 0o777), ("", 0o755)] {
        fs::set_permissions(data.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let gate = setup.start();
    store_something(&gate);
    assert_private(&data, 3);
}

#[test]
fn a_folder_of_others_is_left_alone_but_our_files_in_it_are_ours() {
    let setup = Setup::new(POLICY);
    let shared = setup.policies().join("../files-of-two");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("theirs"), "x").unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(shared.join("theirs"), fs::Permissions::from_mode(0o644)).unwrap();
    let outbox = shared.join("outbox.db");
    let path = outbox.display().to_string();
    let gate = setup.engine("outbox.path", &path).start();
    store_something(&gate);
    assert_eq!(
        (mode(&shared), mode(&shared.join("theirs"))),
        (0o755, 0o644)
    );
    assert_eq!(mode(&outbox), 0o600);
    drop(gate);
}

#[test]
fn files_that_a_new_data_directory_would_forget_are_named() {
    let setup = Setup::new(POLICY);
    let gate = setup.start();
    store_something(&gate);
    let setup = gate.kill();
    let gate = setup
        .engine("data", "elsewhere")
        .engine("outbox.path", "")
        .start();
    let log = gate.log();
    assert!(
        log.contains("`data/outbox.db` is there from before"),
        "{log}"
    );
    assert!(log.contains("set `outbox.path: data/outbox.db`"), "{log}");
}
