//! The signals that end the server, and the one that makes it look at its policy.

use tokio_util::sync::CancellationToken;

/// Ctrl-C or SIGTERM, as often as they come.
///
/// Listens from the start on: a signal between two waits, such as the second of somebody in a
/// hurry, is not lost.
pub(super) struct Stops {
    #[cfg(unix)]
    signals: Vec<tokio::signal::unix::Signal>,
}

impl Stops {
    #[cfg(unix)]
    pub(super) fn listen() -> Stops {
        use tokio::signal::unix::SignalKind;
        Stops::of(&[SignalKind::interrupt(), SignalKind::terminate()])
    }

    #[cfg(unix)]
    fn of(kinds: &[tokio::signal::unix::SignalKind]) -> Stops {
        // Without a handler the signal ends the process the hard way, which is safe too.
        let signals = kinds
            .iter()
            .filter_map(|kind| tokio::signal::unix::signal(*kind).ok());
        Stops {
            signals: signals.collect(),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn listen() -> Stops {
        Stops {}
    }

    /// Waits for the next one.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let mut signals = self.signals.iter_mut();
            match signals.any(|signal| signal.poll_recv(context).is_ready()) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
    }

    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A file past its limit (`ulimit -f`, `LimitFSIZE=`) is an error of that write, which each place
/// handles as a full disk, and not the end of the process.
pub(super) fn outlive_file_limits() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let number = rustix::process::Signal::XFSZ.as_raw();
        // The handler stays when what it tells is dropped.
        let _ = signal(SignalKind::from_raw(number));
    }
}

/// Runs `look` at each SIGHUP, on a thread that may block.
pub(super) async fn on_hangup(stop: CancellationToken, look: impl Fn() + Clone + Send + 'static) {
    #[cfg(unix)]
    if let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        while let Some(Some(())) = stop.run_until_cancelled(hangup.recv()).await {
            // One that panics was reported by its panic; the next signal is another try.
            let _ = tokio::task::spawn_blocking(look.clone()).await;
        }
    }
    stop.cancelled().await;
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use tokio::signal::unix::{SignalKind, signal};

    use super::*;

    /// The second signal comes while nobody waits for it.
    #[tokio::test]
    async fn a_signal_between_two_waits_is_not_lost() {
        let mut stops = Stops::of(&[SignalKind::user_defined1()]);
        let mut seen = signal(SignalKind::user_defined1()).unwrap();
        for _ in 0..2 {
            let process = std::process::id().to_string();
            let kill = Command::new("kill").args(["-USR1", &process]).status();
            assert!(kill.unwrap().success());
            seen.recv().await;
            let told = tokio::time::timeout(Duration::from_secs(30), stops.next()).await;
            assert!(told.is_ok());
        }
    }
}
