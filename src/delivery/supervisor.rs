//! One worker for each endpoint with pending events.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::tools::{LOOK_AGAIN, Tools};
use super::worker;
use crate::callback::Callbacks;
use crate::clock::Clock;
use crate::outbox::Outbox;
use crate::reload::Policies;
use crate::telemetry::{LogThrottle, Metrics};

/// Endpoints without a worker are not looked for more often than this.
const PAUSE: Duration = Duration::from_millis(1);

/// Delivers events until it is told to stop.
pub struct Supervisor {
    tools: Arc<Tools>,
}

impl Supervisor {
    /// `grace`: at the end, how long requests in flight may take before their events are put back.
    pub fn new(
        policies: Arc<Policies>,
        callbacks: Arc<Callbacks>,
        outbox: Arc<dyn Outbox>,
        metrics: Arc<Metrics>,
        clock: Clock,
        grace: Duration,
    ) -> Supervisor {
        let tools = Tools {
            endpoints: Box::new(move |name| policies.current().endpoint(name).cloned()),
            transport: Box::new(callbacks),
            outbox,
            metrics,
            clock,
            look_again: LOOK_AGAIN,
            grace,
            failures_logged: LogThrottle::default(),
        };
        Supervisor {
            tools: Arc::new(tools),
        }
    }

    /// Runs until `stop`; then what is in flight is settled or put back.
    pub async fn run(self, stop: CancellationToken) {
        let tools = self.tools;
        let mut workers: HashMap<String, JoinHandle<()>> = HashMap::new();
        while !stop.is_cancelled() {
            workers.retain(|_, worker| !worker.is_finished());
            let mut wakeups = tools.outbox.wakeups();
            match tools.outbox.endpoints().await {
                Ok(endpoints) => {
                    for endpoint in endpoints {
                        workers.entry(endpoint.clone()).or_insert_with(|| {
                            let tools = Arc::clone(&tools);
                            tokio::spawn(worker::serve(tools, endpoint, stop.clone()))
                        });
                    }
                }
                Err(error) => tools.outbox_failed(&error),
            }
            // Workers see what is new of their endpoints themselves, so nothing is lost by a pause.
            tokio::time::sleep(PAUSE).await;
            tokio::select! {
                () = stop.cancelled() => {}
                _ = wakeups.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        for (_, worker) in workers {
            // A panicked worker was reported by its panic; its events stay pending.
            let _ = worker.await;
        }
    }
}
