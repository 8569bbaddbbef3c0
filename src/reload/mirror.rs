//! A directory that has the files of a version and no others, for whoever reads files.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path};
use std::sync::Arc;

use super::files::{is_policy_path, read_files};
use super::ledger::Contents;

/// Whether a path is one that a version may have: below the directory, and read as policy.
pub fn is_path(path: &str) -> bool {
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
        _ => false,
    };
    let is_clean = !path.contains(['\\', '\0']) && !path.contains("//") && !path.ends_with('/');
    is_clean && Path::new(path).components().all(is_plain) && is_policy_path(path)
}

/// Makes a directory what a version is. Each file is replaced whole.
///
/// Returns what lay there otherwise: by path, `None` for what was missing.
pub fn write(
    directory: &Path,
    wanted: &Contents,
) -> io::Result<BTreeMap<String, Option<Arc<[u8]>>>> {
    if let Some(path) = wanted.keys().find(|path| !is_path(path)) {
        let what = format!("`{path}` is no path of a policy");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    fs::create_dir_all(directory)?;
    let there = read_files(directory).map_err(|problem| io::Error::other(problem.to_string()))?;
    let mut otherwise = BTreeMap::new();
    for (path, content) in &there.files {
        if !wanted.contains_key(path) {
            fs::remove_file(directory.join(path))?;
            otherwise.insert(path.clone(), Some(Arc::clone(content)));
        }
    }
    for (path, content) in wanted {
        let before = there.files.get(path);
        if before != Some(content) {
            put(&directory.join(path), content)?;
            otherwise.insert(path.clone(), before.cloned());
        }
    }
    Ok(otherwise)
}

fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.callgate-{}", std::process::id()));
    let written = fs::File::create(&beside).and_then(|mut file| file.write_all(content));
    let placed = written.and_then(|()| fs::rename(&beside, path));
    if placed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_policy_are_paths() {
        for path in [
            "policy.yaml",
            "lists/ads.txt",
            "tests/a.yaml",
            "词/广告.txt",
        ] {
            assert!(is_path(path), "{path}");
        }
        for path in [
            "",
            "/etc/x.yaml",
            "../x.yaml",
            "lists/../../x.yaml",
            "./x.yaml",
            ".x.yaml",
            "a/.b/x.txt",
            "engine.yaml",
            "key.pem",
            "a//x.txt",
            "x.txt/",
            "a\\x.txt",
            "policy",
        ] {
            assert!(!is_path(path), "{path}");
        }
    }

    #[test]
    fn a_directory_becomes_what_a_version_is() {
        let directory = tempfile::tempdir().unwrap();
        let version = |files: &[(&str, &str)]| -> Contents {
            let files = files.iter();
            files
                .map(|(path, text)| ((*path).to_owned(), text.as_bytes().into()))
                .collect()
        };
        let first = version(&[("policy.yaml", "a"), ("lists/l.txt", "b")]);
        write(directory.path(), &first).unwrap();
        assert_eq!(read_files(directory.path()).unwrap().files, first);
        assert!(write(directory.path(), &first).unwrap().is_empty());
        fs::write(directory.path().join("policy.yaml"), "by hand").unwrap();
        fs::write(directory.path().join("more.txt"), "by hand").unwrap();
        let second = version(&[("policy.yaml", "c")]);
        let otherwise = write(directory.path(), &second).unwrap();
        assert_eq!(otherwise.len(), 3);
        assert_eq!(otherwise["policy.yaml"].as_deref(), Some(&b"by hand"[..]));
        assert_eq!(read_files(directory.path()).unwrap().files, second);
        let out = version(&[("../out.yaml", "a")]);
        assert!(write(directory.path(), &out).is_err());
    }
}
