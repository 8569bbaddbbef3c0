//! Work that everything else goes before.

use std::panic::resume_unwind;
use std::thread;

/// How nice the thread is: where every core is busy it still gets half of its share, so that an edit
/// comes into force.
#[cfg(target_os = "linux")]
const NICE: i32 = 3;

/// Does the work on a thread of low priority, and waits for it.
pub(super) fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let mut work = Some(work);
    let done = thread::scope(|scope| {
        let thread = thread::Builder::new().name("policy-compile".to_owned());
        let work = &mut work;
        let started = thread.spawn_scoped(scope, move || {
            give_way();
            work.take().map(|work| work())
        });
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

/// Lowers the priority of this thread alone, which Linux can.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        // As before if not.
        let _ = rustix::process::setpriority_process(None, NICE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_elsewhere_and_its_end_comes_back() {
        let here = thread::current().id();
        let mut seen = None;
        assert_eq!(
            aside(|| {
                seen = Some(thread::current().id());
                7
            }),
            7
        );
        assert!(seen.is_some_and(|there| there != here));
        let panicked = std::panic::catch_unwind(|| aside(|| panic!("on purpose")));
        assert!(panicked.is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_gives_way_and_its_caller_does_not() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        assert!(aside(nice) >= before.max(NICE));
        assert_eq!(nice(), before);
    }
}
