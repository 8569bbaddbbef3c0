//! The signals that end the server, and the one that makes it look at its policy.

use tokio_util::sync::CancellationToken;

/// Ctrl-C or SIGTERM.
pub(super) async fn stop() {
    let interrupt = async {
        // Without a handler the signal ends the process the hard way, which is safe too.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
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
