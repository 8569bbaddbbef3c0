//! Work that everything else goes before, and work that must not keep its memory.
//!
//! It is done by a thread that ends with it: what was allocated on the way and freed again goes back
//! to the operating system then, while a thread that goes on keeps some of it.

use std::panic::resume_unwind;
use std::thread;

/// How much nicer than the process a thread is that gives way: where every core is busy it still gets
/// half of its share, so that an edit comes into force, and holds nothing for long that others wait
/// for.
#[cfg(target_os = "linux")]
const NICER: i32 = 3;
/// Nobody is nicer.
#[cfg(target_os = "linux")]
const NICE_MAX: i32 = 19;

/// So long such a thread keeps a core from one that was just woken, where Linux can (6.12 and later);
/// it is the shortest that there is. Being nice alone it may for its whole slice, some milliseconds.
#[cfg(target_os = "linux")]
const SLICE_NS: u64 = 100_000;

/// Does the work on a thread of low priority, and waits for it.
pub(crate) fn aside<T: Send>(name: &'static str, work: impl FnOnce() -> T + Send) -> T {
    apart(name, || {
        give_way();
        work()
    })
}

/// Does the work on a thread of this name, and waits for it.
pub(crate) fn apart<T: Send>(name: &'static str, work: impl FnOnce() -> T + Send) -> T {
    let mut work = Some(work);
    let done = thread::scope(|scope| {
        let thread = thread::Builder::new().name(name.to_owned());
        let work = &mut work;
        let started = thread.spawn_scoped(scope, move || work.take().map(|work| work()));
        match started.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => resume_unwind(panic),
            // There is no thread to be had, so it is done here.
            Err(_) => None,
        }
    });
    match (done, work) {
        (Some(done), _) => done,
        (None, Some(work)) => work(),
        (None, None) => unreachable!("work that was taken is done, or its panic went on"),
    }
}

/// Lowers the priority of this thread alone, which Linux can. Elsewhere, and where it must not be,
/// all stays as it is.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpid, getpriority_process, setpriority_process};

        // As the process was started, whatever the thread was that started this one.
        let own = getpriority_process(Some(getpid())).unwrap_or(0);
        let _ = setpriority_process(None, (own + NICER).min(NICE_MAX));
        slice::shorten();
    }
}

/// How long a thread runs at a time, which no safe interface sets.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod slice {
    use super::SLICE_NS;

    /// `struct sched_attr` of Linux in its first version.
    #[repr(C)]
    #[derive(Default)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime_ns: u64,
        deadline_ns: u64,
        period_ns: u64,
    }

    /// The policy of the thread stays what it is.
    const KEEP_POLICY: u64 = 8;
    const THIS_THREAD: libc::pid_t = 0;
    const NO_FLAGS: libc::c_uint = 0;

    pub(super) fn shorten() {
        let Ok(nice) = rustix::process::getpriority_process(None) else {
            return;
        };
        let attributes = Attributes {
            size: size_of::<Attributes>() as u32,
            flags: KEEP_POLICY,
            nice,
            runtime_ns: SLICE_NS,
            ..Attributes::default()
        };
        // SAFETY: the attributes are as long as they say, and are read before the call returns.
        let _ = unsafe {
            libc::syscall(
                libc::SYS_sched_setattr,
                THIS_THREAD,
                &raw const attributes,
                NO_FLAGS,
            )
        };
    }

    /// The slice of this thread; `None` where Linux is too old to tell.
    #[cfg(test)]
    pub(super) fn of_this_thread() -> Option<u64> {
        let mut attributes = Attributes::default();
        let size = size_of::<Attributes>() as libc::c_uint;
        // SAFETY: no more is written than there is.
        let told = unsafe {
            libc::syscall(
                libc::SYS_sched_getattr,
                THIS_THREAD,
                &raw mut attributes,
                size,
                NO_FLAGS,
            )
        };
        (told == 0 && attributes.runtime_ns > 0).then_some(attributes.runtime_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_elsewhere_and_its_end_comes_back() {
        let here = thread::current().id();
        let mut seen = None;
        let done = aside("test", || {
            seen = Some(thread::current().id());
            7
        });
        assert_eq!(done, 7);
        assert!(seen.is_some_and(|there| there != here));
        let panicked = std::panic::catch_unwind(|| aside("test", || panic!("on purpose")));
        let panic = panicked.map(|()| "").unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_gives_way_and_its_caller_does_not() {
        let look = || {
            let nice = rustix::process::getpriority_process(None).unwrap();
            (nice, slice::of_this_thread())
        };
        let before = look();
        let there = aside("test", look);
        assert_eq!(there.0, (before.0 + NICER).min(NICE_MAX));
        // Older ones have one slice for all, and do not tell it.
        if before.1.is_some() {
            assert_eq!(there.1, Some(SLICE_NS));
        }
        assert_eq!(apart("test", look), before);
        assert_eq!(look(), before);
    }
}
