//! Decisions for those who have a place for such things: a file of lines, a collector.
//!
//! Each sink has a thread and a bounded queue of its own; one that is slow or gone costs its lines,
//! which are counted, and nobody else.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use super::ndjson::LineFile;
use super::otlp::Collector;
use super::segment::NewRow;
use super::settings::SinkSettings;
use super::takes::Takes;
use crate::telemetry::Metrics;

/// Pieces that wait; how many rows are in them has a limit of its own.
const PIECES_MAX: usize = 1024;

/// Where rows go beside the files of the history.
#[derive(Debug, Default)]
pub(super) struct Sinks {
    sinks: Vec<Sink>,
}

#[derive(Debug)]
struct Sink {
    name: &'static str,
    rows_max: usize,
    waiting: Arc<AtomicUsize>,
    pieces: SyncSender<Arc<Vec<NewRow>>>,
}

impl Sinks {
    /// Errors: the operating system gives no thread.
    pub(super) fn start(settings: &SinkSettings, metrics: &Arc<Metrics>) -> io::Result<Sinks> {
        let mut sinks = Sinks::default();
        if let Some(file) = &settings.ndjson {
            let file = LineFile::new(file.clone());
            sinks.add("ndjson", settings.queue_rows_max, metrics, file)?;
        }
        if let Some(collector) = &settings.otlp {
            let collector = Collector::new(collector.clone())?;
            sinks.add("otlp", settings.queue_rows_max, metrics, collector)?;
        }
        Ok(sinks)
    }

    fn add(
        &mut self,
        name: &'static str,
        rows_max: usize,
        metrics: &Arc<Metrics>,
        mut takes: impl Takes + 'static,
    ) -> io::Result<()> {
        let (pieces, given) = mpsc::sync_channel::<Arc<Vec<NewRow>>>(PIECES_MAX);
        let waiting = Arc::new(AtomicUsize::default());
        let (left, metrics) = (Arc::clone(&waiting), Arc::clone(metrics));
        let run = move || {
            while let Ok(rows) = given.recv() {
                let taken = catch_unwind(AssertUnwindSafe(|| takes.take(&rows)));
                let taken = taken.unwrap_or_else(|_| Err("it panicked".to_owned()));
                left.fetch_sub(rows.len(), Ordering::Relaxed);
                metrics.history.sink_fails(name, taken.is_err());
                if let Err(why) = taken {
                    metrics.history.sink_dropped(name, rows.len() as u64);
                    tracing::debug!(sink = name, why, "decisions were not taken");
                }
            }
        };
        let thread = thread::Builder::new().name(format!("history-{name}"));
        thread.spawn(run)?;
        self.sinks.push(Sink {
            name,
            rows_max,
            waiting,
            pieces,
        });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sinks.is_empty()
    }

    /// Hands rows over; never waits.
    pub(super) fn give(&self, rows: &Arc<Vec<NewRow>>, metrics: &Metrics) {
        for sink in &self.sinks {
            let count = rows.len();
            let waiting = sink.waiting.fetch_add(count, Ordering::Relaxed);
            let has_room = waiting == 0 || waiting + count <= sink.rows_max;
            if !has_room || sink.pieces.try_send(Arc::clone(rows)).is_err() {
                sink.waiting.fetch_sub(count, Ordering::Relaxed);
                metrics.history.sink_dropped(sink.name, count as u64);
            }
        }
    }
}
