//! Where logs go, and from when on.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};
use tracing::{debug, error};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use super::callers::CallerLimits;
use super::clean::Escape;
use super::queue::{Losses, Queue};
use super::rate::LineRate;

/// At the end, how long the last lines may take.
const FLUSH_TIME: Duration = Duration::from_millis(500);
/// How long standard output may take what is said.
const SAY_TIME: Duration = Duration::from_millis(500);

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// What is logged, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    pub format: LogFormat,
    /// A level, or pairs of target and level.
    pub level: String,
    /// Of one kind, in a second; 0 is no limit.
    pub lines_per_second_max: u32,
    pub callers: CallerLimits,
    /// Of the lines that wait to be written.
    pub queue_bytes_max: usize,
}

/// Logs that were started; when dropped, the last lines are written.
#[derive(Debug)]
#[must_use = "the last lines are written when it is dropped"]
pub struct Logs {
    queue: Queue,
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.queue.flush(FLUSH_TIME);
    }
}

/// Sends logs to standard error, panics too.
///
/// Errors: the filter cannot be read, there is no thread or standard error, or logs were set up
/// already.
pub fn start_logs(settings: &LogSettings, losses: Losses) -> Result<Logs, String> {
    let filter = &settings.level;
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("log level `{filter}` cannot be read: {error}"))?;
    let escape = match settings.format {
        LogFormat::Text => Escape::Text,
        LogFormat::Json => Escape::Json,
    };
    let rate = LineRate::new(settings.lines_per_second_max, losses.rate.clone());
    // A handle of its own: who writes to `stderr()` would wait for our lock.
    let log = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let queue = log
        .and_then(|log| Queue::start(log, settings.queue_bytes_max, escape, losses))
        .map_err(|error| format!("standard error cannot be written to: {error}"))?;
    let lines = tracing_subscriber::registry().with(filter).with(rate);
    let writer = queue.clone();
    let started = match settings.format {
        LogFormat::Text => lines
            .with(fmt::layer().with_writer(writer).with_ansi(false))
            .try_init(),
        LogFormat::Json => lines
            .with(fmt::layer().json().flatten_event(true).with_writer(writer))
            .try_init(),
    };
    started.map_err(|error| error.to_string())?;
    log_panics();
    Ok(Logs { queue })
}

/// The standard library would write them itself, and wait for whoever reads.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        let thread = thread::current();
        let thread = thread.name().unwrap_or_default();
        error!(
            place,
            thread, "callgate panicked, which is a fault of callgate"
        );
        // Its words may quote the message that it stumbled over.
        let words = panic.payload();
        let text = words
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| words.downcast_ref::<String>().map(String::as_str))
            .unwrap_or_default();
        debug!(place, text, "the panic said");
    }));
}

/// Writes to standard output for the person who starts the program, but waits for no reader.
pub fn say(text: String) {
    let (done, said) = mpsc::sync_channel(1);
    let write = move || {
        let mut out = io::stdout().lock();
        // Nobody reads it when standard output is closed; that is no reason not to serve.
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
        let _ = done.try_send(());
    };
    if thread::Builder::new().spawn(write).is_ok() {
        let _ = said.recv_timeout(SAY_TIME);
    }
}
