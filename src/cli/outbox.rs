//! `callgate outbox`: what waits, what was given up on, and orders about it.
//!
//! A running server is asked over its operators' port. When none runs, the file is opened here.
//!
//! Order, downward: `care`, `lists`, `holder`, `print`, `which`.

mod care;
mod holder;
mod lists;
mod print;
mod which;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;

use self::holder::{Client, Refused, said};
use self::print::print_status;
use self::which::{Which, WhichPending};
use super::exit::EXIT_BAD_INPUT;
use super::files::Files;
use super::reach::TlsArgs;
use super::{at_rest, client, output};
use crate::admin::outbox as orders;
use crate::proto::v1;

/// How often a long order says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Order,
    /// Operators' address of the running server; without it `admin.listen` of engine.yaml is
    /// tried, and then the file `outbox.path` is opened.
    #[arg(long, global = true, env = "CALLGATE_ADMIN", value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    tls: TlsArgs,
    /// Print one JSON object, or one a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Show for each endpoint what was accepted and what became of it.
    Status,
    /// Read the whole file and say what is damaged; no server may have it open.
    Check,
    /// Make a new file of what can be read of a damaged one; the old one is kept beside it.
    Repair,
    /// Print every event that waits or was given up on, one JSON object a line, also of a damaged
    /// file. The bodies hold what people wrote.
    Export,
    /// List events that wait, and for what, oldest first.
    Pending {
        #[command(flatten)]
        which: WhichPending,
        /// Print no more than this many.
        #[arg(long, default_value_t = 1000, value_name = "N")]
        limit: u64,
        /// The bodies too: they hold what people wrote.
        #[arg(long)]
        show: bool,
    },
    /// Try events now that wait for their next attempt.
    Retry {
        #[command(flatten)]
        which: WhichPending,
        /// Whatever waits; needed when nothing else says which.
        #[arg(long)]
        all: bool,
    },
    /// List events that were given up on, oldest first.
    Dead {
        #[command(flatten)]
        which: Which,
        /// The bodies too: they hold what people wrote.
        #[arg(long)]
        show: bool,
        /// Print no more than this many.
        #[arg(long, default_value_t = 1000, value_name = "N")]
        limit: u64,
    },
    /// List the events that were discarded last, and why, oldest first.
    Discarded {
        #[command(flatten)]
        which: Which,
        /// Print no more than this many.
        #[arg(long, default_value_t = 1000, value_name = "N")]
        limit: u64,
    },
    /// Send dead events again. Broken off, the same command goes on where it stopped.
    Replay {
        #[command(flatten)]
        which: Which,
        /// Only say how many it would be.
        #[arg(long)]
        dry_run: bool,
        /// Events a second that become pending again.
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        rate: u32,
    },
    /// End dead events, or what waits for an endpoint, for good. Each is logged and counted.
    Discard {
        #[command(flatten)]
        which: Which,
        /// Only say how many it would be.
        #[arg(long)]
        dry_run: bool,
        /// Every dead event; needed when nothing else says which.
        #[arg(long)]
        all: bool,
        /// Instead of dead events, what waits for `--endpoint`: for one that is gone for good.
        #[arg(long, requires = "endpoint")]
        pending: bool,
        /// Why, for the log.
        #[arg(long, default_value = "", value_name = "TEXT")]
        why: String,
    },
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    if let Order::Discard {
        which, all: false, ..
    } = &args.order
        && which.names_nothing()
    {
        output::complain("callgate: say which events are to be discarded, or `--all`");
        return Ok(ExitCode::from(EXIT_BAD_INPUT));
    }
    if let Order::Retry { which, all: false } = &args.order
        && which.filter() == v1::PendingFilter::default()
    {
        output::complain("callgate: say which events are to be tried, or `--all`");
        return Ok(ExitCode::from(EXIT_BAD_INPUT));
    }
    at_rest::make_private();
    match args.order {
        Order::Check => return care::check(files, args.json),
        Order::Repair => return care::repair(files, args.json),
        Order::Export => return care::export(files),
        _ => {}
    }
    let done = client::block_on(async {
        let client = Client::find(files, args.server, &args.tls).await?;
        let done = client.run(&args.order, args.json).await;
        if let Client::File(held) = client {
            held.outbox.close().await;
        }
        done
    });
    match done {
        Err(error) if error.is::<Refused>() => {
            output::complain(&format!("callgate: {error}"));
            Ok(ExitCode::from(EXIT_BAD_INPUT))
        }
        done => done,
    }
}

impl Client {
    async fn run(&self, order: &Order, json: bool) -> anyhow::Result<ExitCode> {
        match order {
            // Done before anyone is asked.
            Order::Check | Order::Repair | Order::Export => {}
            Order::Status => print_status(&self.status().await?, json)?,
            Order::Pending { which, limit, show } => {
                self.print_pending(which, *limit, *show, json).await?;
            }
            Order::Retry { which, .. } => {
                let request = v1::RetryPendingRequest {
                    filter: Some(which.filter()),
                };
                let progress = self.retry(request).await?;
                report(progress, "tried now", false, json).await?;
            }
            Order::Dead { which, limit, show } => {
                self.print_dead(which, *limit, *show, json).await?;
            }
            Order::Discarded { which, limit } => self.print_discarded(which, *limit, json).await?,
            Order::Replay {
                which,
                dry_run,
                rate,
            } => {
                let request = v1::ReplayDeadRequest {
                    filter: Some(which.filter()),
                    dry_run: *dry_run,
                    rate: *rate,
                };
                let progress = self.replay(request).await?;
                report(progress, "replayed", *dry_run, json).await?;
            }
            Order::Discard {
                which,
                dry_run,
                pending,
                why,
                ..
            } => {
                let request = v1::DiscardEventsRequest {
                    filter: Some(which.filter()),
                    dry_run: *dry_run,
                    pending: *pending,
                    why: why.clone(),
                };
                let progress = self.discard(request).await?;
                report(progress, "discarded", *dry_run, json).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints what was done; on a long way also what was done so far.
async fn report(
    mut progress: orders::Progress,
    done: &str,
    dry_run: bool,
    json: bool,
) -> anyhow::Result<()> {
    let mut last = v1::OutboxProgress::default();
    let mut told = Instant::now();
    while let Some(step) = progress.next().await {
        last = step.map_err(said)?;
        if !last.ended && !dry_run && !json && told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            output::complain(&format!("{} events {done} so far", last.done));
        }
    }
    let said = match (json, dry_run) {
        (true, _) => json!({ "order": done, "events": last.done, "dry_run": dry_run }).to_string(),
        (false, true) => format!("{} events would be {done}", last.done),
        (false, false) => format!("{} events {done}", last.done),
    };
    output::line(&said)
}
