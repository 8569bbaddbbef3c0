//! Writes a file anew, whole, and only if it is still what it was.
//!
//! The new content is written beside it, synced, and exchanged with it: what comes out is looked
//! at, so that what somebody else wrote in that very moment is put back and not lost. Where a file
//! system cannot exchange, the file is compared right before it is renamed over. Mode and owner
//! stay. A file that nothing can be renamed over (a bind mount), that has other names (hard links)
//! or whose folder cannot be written is written in place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::place::Place;

/// How long one who opened the file before may take to write to it.
const GRACE: Duration = Duration::from_millis(5);

/// Why nothing was written.
#[derive(Debug)]
pub(super) enum NotWritten {
    /// It holds something else by now.
    Changed,
    /// Neither it nor its folder can be written.
    ReadOnly(io::Error),
    Io(io::Error),
}

impl From<io::Error> for NotWritten {
    fn from(error: io::Error) -> NotWritten {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                NotWritten::ReadOnly(error)
            }
            _ => NotWritten::Io(error),
        }
    }
}

/// One of several files, and what it is to hold instead.
pub(super) struct Writing<'w> {
    pub place: &'w Place,
    pub before: &'w [u8],
    pub after: &'w [u8],
}

/// Why not all of several files were written.
#[derive(Debug)]
pub(super) struct Stopped {
    /// Which of them was not, from 0.
    pub at: usize,
    pub why: NotWritten,
    /// Why one before it could not be put back, if that is so.
    pub left: Option<NotWritten>,
}

/// Writes one file after the other, each as [`replace`] does; where one cannot be written, those
/// before it are put back.
pub(super) fn replace_all(all: &[Writing<'_>]) -> Result<(), Stopped> {
    for (at, one) in all.iter().enumerate() {
        if let Err(why) = replace(one.place, one.before, one.after) {
            let mut left = None;
            for one in all[..at].iter().rev() {
                left = replace(one.place, one.after, one.before).err().or(left);
            }
            return Err(Stopped { at, why, left });
        }
    }
    Ok(())
}

/// Makes the file hold `content`, if it holds `expected` now.
pub(super) fn replace(place: &Place, expected: &[u8], content: &[u8]) -> Result<(), NotWritten> {
    if fs::read(&place.path)? != expected {
        return Err(NotWritten::Changed);
    }
    match beside(place, content) {
        Ok(Some(temporary)) => swap(place, &temporary, expected, content),
        Ok(None) => in_place(&place.path, expected, content),
        Err(error) => match NotWritten::from(error) {
            NotWritten::ReadOnly(_) => in_place(&place.path, expected, content),
            other => Err(other),
        },
    }
}

/// A file beside it with this content, on disk; it is removed when dropped. `None` where that
/// cannot take the place of the first.
fn beside(place: &Place, content: &[u8]) -> io::Result<Option<Temporary>> {
    let metadata = fs::metadata(&place.path)?;
    if others(&metadata) {
        return Ok(None);
    }
    let name = place.path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden names are none of the policy's.
    let path = place
        .folder
        .join(format!(".{name}.callgate-{}", std::process::id()));
    let temporary = Temporary(path);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    // Nobody reads it who could not read the list, whose mode it gets below.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary.0)?;
    file.write_all(content)?;
    if !take_owner(&file, &metadata)? {
        return Ok(None);
    }
    file.set_permissions(metadata.permissions())?;
    file.sync_all()?;
    Ok(Some(temporary))
}

struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Renamed away, it is not there any more.
        let _ = fs::remove_file(&self.0);
    }
}

fn swap(
    place: &Place,
    temporary: &Temporary,
    expected: &[u8],
    content: &[u8],
) -> Result<(), NotWritten> {
    match exchange(&temporary.0, &place.path) {
        Ok(true) => {
            thread::sleep(GRACE);
            if fs::read(&temporary.0)? != expected {
                // Theirs goes back; whoever wrote into ours meanwhile is asked to look.
                exchange(&temporary.0, &place.path)?;
                return Err(NotWritten::Changed);
            }
        }
        Ok(false) => {
            if fs::read(&place.path)? != expected {
                return Err(NotWritten::Changed);
            }
            if let Err(error) = fs::rename(&temporary.0, &place.path) {
                return busy(error, place, expected, content);
            }
        }
        Err(error) => return busy(error, place, expected, content),
    }
    File::open(&place.folder)?.sync_all()?;
    Ok(())
}

/// What a mount keeps in its place can still be written.
fn busy(
    error: io::Error,
    place: &Place,
    expected: &[u8],
    content: &[u8],
) -> Result<(), NotWritten> {
    let in_the_way = [io::ErrorKind::ResourceBusy, io::ErrorKind::CrossesDevices];
    match error.kind() {
        kind if in_the_way.contains(&kind) => in_place(&place.path, expected, content),
        _ => Err(error.into()),
    }
}

/// Not whole for those who read it meanwhile.
fn in_place(path: &Path, expected: &[u8], content: &[u8]) -> Result<(), NotWritten> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    if fs::read(path)? != expected {
        return Err(NotWritten::Changed);
    }
    file.seek(SeekFrom::Start(0))?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()?;
    Ok(())
}

/// Exchanges two files at once; `false` where the system cannot.
#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Whether the file has other names, which would keep the old content.
#[cfg(unix)]
fn others(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.nlink() > 1
}

#[cfg(not(unix))]
fn others(_: &fs::Metadata) -> bool {
    false
}

/// Gives the file the owner of another; `false` if we may not.
#[cfg(unix)]
fn take_owner(file: &File, other: &fs::Metadata) -> io::Result<bool> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (other.uid(), other.gid()) {
        return Ok(true);
    }
    match fchown(file, Some(other.uid()), Some(other.gid())) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        done => done.map(|()| true),
    }
}

#[cfg(not(unix))]
fn take_owner(_: &File, _: &fs::Metadata) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::lists::place::NoPlace;

    #[test]
    fn mode_links_and_names_stay() {
        let folder = tempfile::tempdir().unwrap();
        let policies = folder.path().join("policies");
        fs::create_dir_all(policies.join("real")).unwrap();
        let real = policies.join("real/l.txt");
        fs::write(&real, "a\n").unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        symlink("real/l.txt", policies.join("l.txt")).unwrap();
        let place = Place::of(&policies, "l.txt").unwrap();
        replace(&place, b"a\n", b"b\n").unwrap();
        assert!(policies.join("l.txt").is_symlink());
        assert_eq!(fs::read(&real).unwrap(), b"b\n");
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(policies.join("real")).unwrap().count(), 1);

        let other = folder.path().join("other.txt");
        fs::hard_link(&real, &other).unwrap();
        replace(&place, b"b\n", b"much longer\n").unwrap();
        replace(&place, b"much longer\n", b"c\n").unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"c\n");

        symlink(&other, policies.join("out.txt")).unwrap();
        let outside = Place::of(&policies, "out.txt");
        assert!(matches!(outside, Err(NoPlace::Outside(_))), "{outside:?}");
    }

    #[test]
    fn what_somebody_else_wrote_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.txt");
        fs::write(&path, "theirs\n").unwrap();
        let place = Place::of(folder.path(), "l.txt").unwrap();
        let written = replace(&place, b"a\n", b"b\n");
        assert!(matches!(written, Err(NotWritten::Changed)), "{written:?}");
        // They write between our last look and the exchange.
        let temporary = beside(&place, b"b\n").unwrap().unwrap();
        let written = swap(&place, &temporary, b"a\n", b"b\n");
        assert!(matches!(written, Err(NotWritten::Changed)), "{written:?}");
        drop(temporary);
        assert_eq!(fs::read(&path).unwrap(), b"theirs\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn of_several_files_all_are_written_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one.txt", "two.txt"].map(|name| folder.path().join(name));
        fs::write(&one, "1\n").unwrap();
        fs::write(&two, "theirs\n").unwrap();
        let places = ["one.txt", "two.txt"].map(|name| Place::of(folder.path(), name).unwrap());
        let writing = |at: usize, before: &'static str, after: &'static str| Writing {
            place: &places[at],
            before: before.as_bytes(),
            after: after.as_bytes(),
        };
        let stopped = replace_all(&[writing(0, "1\n", "new\n"), writing(1, "2\n", "new\n")]);
        let stopped = stopped.unwrap_err();
        assert!(
            stopped.at == 1 && matches!(stopped.why, NotWritten::Changed) && stopped.left.is_none(),
            "{stopped:?}"
        );
        assert_eq!(fs::read(&one).unwrap(), b"1\n");
        assert_eq!(fs::read(&two).unwrap(), b"theirs\n");
        // Back they go in the other order.
        let all = [
            writing(0, "1\n", "new\n"),
            writing(0, "new\n", "by hand\n"),
            writing(1, "2\n", "new\n"),
        ];
        let stopped = replace_all(&all).unwrap_err();
        assert!(stopped.at == 2 && stopped.left.is_none(), "{stopped:?}");
        assert_eq!(fs::read(&one).unwrap(), b"1\n");
        replace_all(&[writing(0, "1\n", "new\n"), writing(1, "theirs\n", "new\n")]).unwrap();
        assert_eq!(
            [&one, &two].map(|path| fs::read(path).unwrap()),
            [b"new\n", b"new\n"]
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
