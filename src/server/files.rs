//! File descriptors: how many there are, and whether all that may be open fits.

/// How many descriptors callbacks, the outbox and everything else than connections need.
pub(super) const RESERVE_MIN: u64 = 64;

/// Raises the soft limit of open files to the hard one, and returns what is in force then.
///
/// `None`: the system has no such limit, or does not say.
#[cfg(unix)]
pub fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => limit.maximum,
        // macOS refuses more than it can give; then it stays as it was.
        Err(_) => before,
    }
}

#[cfg(not(unix))]
pub fn raise_limit() -> Option<u64> {
    None
}

/// The hard limit of open files, to which a start raises the soft one.
#[cfg(unix)]
pub fn hard_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum
}

#[cfg(not(unix))]
pub fn hard_limit() -> Option<u64> {
    None
}

/// What the ports may open when they want `wanted` connections, and `reserve` descriptors are
/// kept for everything else.
///
/// The last port (the operators') keeps what it wants, the others give up the same share: who
/// watches must get through when the rest is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    pub limit: u64,
    pub needed: u64,
    pub reserve: u64,
    /// http, grpc, admin.
    pub connections: [usize; 3],
}

impl Fit {
    pub fn new(limit: u64, [http, grpc, admin]: [usize; 3], reserve: u64) -> Fit {
        let needed = (http + grpc + admin) as u64 + reserve;
        if needed <= limit {
            return Fit {
                limit,
                needed,
                reserve,
                connections: [http, grpc, admin],
            };
        }
        let reserve = reserve.min(limit / 2).max(RESERVE_MIN);
        let left = limit.saturating_sub(reserve).max(8);
        let admin = (admin as u64).min(left / 4);
        let share = |wanted: usize| {
            let wanted_both = (http + grpc).max(1) as u128;
            (u128::from(left - admin) * wanted as u128 / wanted_both) as usize
        };
        Fit {
            limit,
            needed,
            reserve,
            connections: [share(http).max(1), share(grpc).max(1), admin as usize],
        }
    }

    /// Everything has what it wants.
    pub fn is_whole(&self) -> bool {
        self.needed <= self.limit
    }

    /// What does not fit, and what to do about it.
    pub fn explain(&self) -> String {
        let [http, grpc, admin] = self.connections;
        format!(
            "{} file descriptors are needed and {} may be open: http takes {http} connections at \
             a time, grpc {grpc}, admin {admin}, and {} descriptors are kept for callbacks and \
             the outbox; raise the hard limit of open files (`ulimit -Hn`, `LimitNOFILE=`), or \
             lower `connections_max` of the ports",
            self.needed, self.limit, self.reserve,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_shared_out_and_leaves_a_reserve() {
        let fit = Fit::new(100_000, [8192, 4096, 256], 1024);
        assert!(fit.is_whole());
        assert_eq!(fit.connections, [8192, 4096, 256]);
        for limit in [256, 512, 1024, 4096, 13_567] {
            let fit = Fit::new(limit, [8192, 4096, 256], 1024);
            assert!(!fit.is_whole());
            let taken: usize = fit.connections.iter().sum();
            assert!(taken as u64 + fit.reserve <= limit, "{fit:?}");
            assert!(fit.connections.iter().all(|count| *count > 0), "{fit:?}");
            assert!(fit.reserve >= RESERVE_MIN, "{fit:?}");
        }
    }
}
