//! The simulated disk as a file system of SQLite's.
//!
//! SQLite calls it through C function pointers, so this file alone in the crate is unsafe.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem;
use std::ptr;
use std::slice;
use std::sync::{Arc, LazyLock, Mutex, Once, PoisonError};

use rusqlite::ffi;

use super::disk::{Disk, Failed};

/// The name under which SQLite knows it.
pub const NAME: &CStr = c"callgate-disk";

static DISKS: LazyLock<Mutex<HashMap<usize, Arc<Disk>>>> = LazyLock::new(Mutex::default);

/// Where the file of a disk lies.
pub fn mount(disk: &Arc<Disk>) -> String {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
    let key = Arc::as_ptr(disk) as usize;
    let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    // Disks that no test has any more.
    disks.retain(|_, disk| Arc::strong_count(disk) > 1);
    disks.insert(key, Arc::clone(disk));
    format!("{key}/outbox.db")
}

fn disk_of(path: &str) -> Option<(Arc<Disk>, String)> {
    let (key, name) = path.split_once('/')?;
    let disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
    let disk = disks.get(&key.parse().ok()?)?;
    Some((Arc::clone(disk), name.to_owned()))
}

/// What SQLite allocates for an open file; `base` must be the first.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    inner: *mut Inner,
}

struct Inner {
    disk: Arc<Disk>,
    name: String,
}

fn register() {
    // SAFETY: the default VFS lives as long as the process; its clock and randomness do not look
    // at the rest of the struct. Ours is leaked, as SQLite needs it.
    unsafe {
        let mut vfs = *ffi::sqlite3_vfs_find(ptr::null());
        vfs.szOsFile = mem::size_of::<OpenFile>() as c_int;
        vfs.mxPathname = 512;
        vfs.pNext = ptr::null_mut();
        vfs.zName = NAME.as_ptr();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        vfs.xAccess = Some(access);
        vfs.xFullPathname = Some(full_path);
        ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0);
    }
}

/// No shared memory: the log is used in exclusive mode alone.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(is_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector),
    // No promise of the disk: no atomic writes, and no safe overwriting.
    xDeviceCharacteristics: Some(nothing),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// SAFETY of all below: SQLite gives pointers to files that `open` has filled, to buffers of the
/// length that it says, and to names that end with a zero.
unsafe fn text(name: *const c_char) -> String {
    unsafe { CStr::from_ptr(name) }
        .to_string_lossy()
        .into_owned()
}

unsafe fn inner<'a>(file: *mut ffi::sqlite3_file) -> &'a Inner {
    unsafe { &*(*file.cast::<OpenFile>()).inner }
}

fn code(done: Result<(), Failed>, off: c_int) -> c_int {
    match done {
        Ok(()) => ffi::SQLITE_OK,
        Err(Failed::Full) => ffi::SQLITE_FULL,
        Err(Failed::Off) => off,
    }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    unsafe {
        (*file).pMethods = ptr::null();
        if name.is_null() {
            return ffi::SQLITE_CANTOPEN;
        }
        let Some((disk, name)) = disk_of(&text(name)) else {
            return ffi::SQLITE_CANTOPEN;
        };
        if disk.is_off() || (!disk.exists(&name) && flags & ffi::SQLITE_OPEN_CREATE == 0) {
            return ffi::SQLITE_CANTOPEN;
        }
        disk.create(&name);
        let inner = Box::new(Inner { disk, name });
        (*file.cast::<OpenFile>()).inner = Box::into_raw(inner);
        (*file).pMethods = &raw const METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let Some((disk, name)) = disk_of(&unsafe { text(name) }) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    code(disk.delete(&name, sync != 0), ffi::SQLITE_IOERR_DELETE)
}

unsafe extern "C" fn access(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _: c_int,
    out: *mut c_int,
) -> c_int {
    let found = disk_of(&unsafe { text(name) });
    let exists = found.is_some_and(|(disk, name)| disk.exists(&name));
    unsafe { *out = c_int::from(exists) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    let name = CString::new(unsafe { text(name) }).expect("it came from C");
    let bytes = name.as_bytes_with_nul();
    if bytes.len() > room as usize {
        return ffi::SQLITE_CANTOPEN;
    }
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { drop(Box::from_raw((*file.cast::<OpenFile>()).inner)) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    count: c_int,
    at: i64,
) -> c_int {
    let inner = unsafe { inner(file) };
    let into = unsafe { slice::from_raw_parts_mut(into.cast::<u8>(), count as usize) };
    if inner.disk.is_off() {
        return ffi::SQLITE_IOERR_READ;
    }
    let wanted = into.len();
    match inner.disk.read(&inner.name, at as usize, into) == wanted {
        true => ffi::SQLITE_OK,
        false => ffi::SQLITE_IOERR_SHORT_READ,
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    at: i64,
) -> c_int {
    let inner = unsafe { inner(file) };
    let bytes = unsafe { slice::from_raw_parts(bytes.cast::<u8>(), count as usize) };
    let done = inner.disk.write(&inner.name, at as usize, bytes);
    code(done, ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    let inner = unsafe { inner(file) };
    let done = inner.disk.cut(&inner.name, size as usize);
    code(done, ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    let inner = unsafe { inner(file) };
    code(inner.disk.sync(&inner.name), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    let inner = unsafe { inner(file) };
    unsafe { *out = inner.disk.size(&inner.name) as i64 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn is_reserved(_: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector(_: *mut ffi::sqlite3_file) -> c_int {
    512
}

unsafe extern "C" fn nothing(_: *mut ffi::sqlite3_file) -> c_int {
    0
}
