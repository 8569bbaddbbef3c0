//! What must not end before the process does.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

/// Tasks that run until `stop`. One that ends before, by itself, with an error or by a panic,
/// cancels `failed`, and the whole process ends too: what is left of it would look alive.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Running {
    pub(in crate::cli) tasks: TaskTracker,
    pub(in crate::cli) stop: CancellationToken,
    pub(in crate::cli) failed: CancellationToken,
}

impl Running {
    pub(in crate::cli) fn run<E: Display + Send + 'static>(
        &self,
        task: &'static str,
        run: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let (stop, failed) = (self.stop.clone(), self.failed.clone());
        self.tasks.spawn(async move {
            let why = match AssertUnwindSafe(run).catch_unwind().await {
                Ok(Ok(())) if stop.is_cancelled() => return,
                Ok(Ok(())) => "it ended by itself".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it panicked".to_owned(),
            };
            error!(task, why, "a task ended that must not, the process ends");
            failed.cancel();
        });
    }

    /// The same for what cannot fail.
    pub(in crate::cli) fn keep(
        &self,
        task: &'static str,
        run: impl Future<Output = ()> + Send + 'static,
    ) {
        self.run(task, run.map(Ok::<_, Infallible>));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the process would end for what became of the task.
    async fn ends(
        stopped: bool,
        run: impl Future<Output = Result<(), String>> + Send + 'static,
    ) -> bool {
        let (stop, failed) = (CancellationToken::new(), CancellationToken::new());
        if stopped {
            stop.cancel();
        }
        let tasks = TaskTracker::new();
        let running = Running {
            tasks: tasks.clone(),
            stop,
            failed: failed.clone(),
        };
        running.run("test", run);
        tasks.close();
        tasks.wait().await;
        failed.is_cancelled()
    }

    #[tokio::test]
    async fn what_ends_before_it_is_told_ends_the_process() {
        assert!(!ends(true, async { Ok(()) }).await);
        assert!(ends(false, async { Ok(()) }).await);
        for stopped in [true, false] {
            assert!(ends(stopped, async { Err("no thread".to_owned()) }).await);
            assert!(ends(stopped, async { panic!("on purpose") }).await);
        }
    }
}
