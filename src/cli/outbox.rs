//! `callgate outbox`: what waits, what was given up on, and orders about it.
//!
//! A running server is asked over its operators' port. When none runs, the file is opened here.

mod print;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{anyhow, bail};
use futures_util::StreamExt;
use serde_json::json;

use self::print::{discarded_line, letter_line, print_status};
use super::client::{self, AdminClient, said};
use super::engine_file::load_config;
use super::exit::EXIT_BAD_INPUT;
use super::files::Files;
use crate::admin::outbox as orders;
use crate::config::Config;
use crate::outbox::{self, Kind, OpenError, Outbox};
use crate::proto::v1;
use crate::telemetry::UsageLimits;

/// Dead letters asked for at once.
const PAGE: u32 = 200;
/// How often a long order says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    order: Order,
    /// Operators' address of the running server; without it `admin.listen` of engine.yaml is
    /// tried, and then the file `outbox.path` is opened.
    #[arg(long, global = true, env = "CALLGATE_ADMIN", value_name = "URL")]
    server: Option<String>,
    /// Print one JSON object, or one a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Show for each endpoint what was accepted and what became of it.
    Status,
    /// List events that were given up on, oldest first.
    Dead {
        #[command(flatten)]
        which: Which,
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

/// Which events are meant; all of what is given must hold.
#[derive(Debug, clap::Args)]
struct Which {
    /// Name of the endpoint.
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Name of the hook, such as afterSendSingleMsg.
    #[arg(long, value_name = "HOOK")]
    hook: Option<String>,
    /// Id of one event.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Accepted at this time or later: 2026-01-31T08:00:00Z, or 2h for two hours ago.
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    since: Option<u64>,
    /// Accepted before this time.
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    until: Option<u64>,
    /// A part of the reason, such as timeout or `answered 410`.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Which {
    fn names_nothing(&self) -> bool {
        self.filter() == v1::DeadFilter::default()
    }

    fn filter(&self) -> v1::DeadFilter {
        v1::DeadFilter {
            endpoint: self.endpoint.clone().unwrap_or_default(),
            hook: self.hook.clone().unwrap_or_default(),
            id: self.id.clone().unwrap_or_default(),
            since_ms: self.since.unwrap_or_default(),
            until_ms: self.until.unwrap_or_default(),
            reason: self.reason.clone().unwrap_or_default(),
        }
    }
}

/// `2026-01-31T08:00:00Z`, or a time ago, in milliseconds since 1970.
fn time_ms(text: &str) -> Result<u64, String> {
    let ago = humantime::parse_duration(text).ok();
    let at = match ago {
        Some(ago) => SystemTime::now().checked_sub(ago),
        None => humantime::parse_rfc3339_weak(text).ok(),
    };
    at.and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        .map(|since| since.as_millis() as u64)
        .ok_or_else(|| "write 2026-01-31T08:00:00Z, or 2h for two hours ago".to_owned())
}

pub fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    if let Order::Discard {
        which, all: false, ..
    } = &args.order
        && which.names_nothing()
    {
        eprintln!("callgate: say which events are to be discarded, or `--all`");
        return Ok(ExitCode::from(EXIT_BAD_INPUT));
    }
    client::block_on(async {
        let client = Client::find(files, args.server.as_deref()).await?;
        let done = client.run(&args.order, args.json).await;
        if let Client::File(outbox, _) = client {
            outbox.close().await;
        }
        done
    })
}

/// Whoever has the outbox open: a server, or this command itself.
enum Client {
    Server(AdminClient),
    File(Arc<dyn Outbox>, UsageLimits),
}

impl Client {
    async fn find(files: &Files, server: Option<&str>) -> anyhow::Result<Client> {
        if let Some(url) = server {
            return Ok(Client::Server(client::admin(url).await?));
        }
        let env: Vec<_> = std::env::vars().collect();
        let config = load_config(&files.policies, &env)?.map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            anyhow!("{}", lines.join("\n"))
        })?;
        let url = client::url_of(config.admin.listen);
        if let Ok(admin) = client::admin(&url).await {
            return Ok(Client::Server(admin));
        }
        let outbox = open_file(&config, &url)?;
        Ok(Client::File(outbox, config.usage_limits()))
    }

    async fn run(&self, order: &Order, json: bool) -> anyhow::Result<ExitCode> {
        match order {
            Order::Status => print_status(&self.status().await?, json),
            Order::Dead { which, limit } => self.print_dead(which, *limit, json).await?,
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

    async fn status(&self) -> anyhow::Result<v1::OutboxStatusResponse> {
        Ok(match self {
            Client::Server(client) => client
                .clone()
                .outbox_status(v1::OutboxStatusRequest {})
                .await
                .map_err(said)?
                .into_inner(),
            Client::File(outbox, limits) => {
                orders::status(&**outbox, *limits).await.map_err(said)?
            }
        })
    }

    async fn dead(
        &self,
        request: v1::DeadLettersRequest,
    ) -> anyhow::Result<v1::DeadLettersResponse> {
        Ok(match self {
            Client::Server(client) => client
                .clone()
                .dead_letters(request)
                .await
                .map_err(said)?
                .into_inner(),
            Client::File(outbox, _) => orders::dead(&**outbox, request).await.map_err(said)?,
        })
    }

    async fn discarded(
        &self,
        request: v1::DiscardedEventsRequest,
    ) -> anyhow::Result<v1::DiscardedEventsResponse> {
        Ok(match self {
            Client::Server(client) => client
                .clone()
                .discarded_events(request)
                .await
                .map_err(said)?
                .into_inner(),
            Client::File(outbox, _) => orders::discarded(&**outbox, request).await.map_err(said)?,
        })
    }

    async fn replay(&self, mut request: v1::ReplayDeadRequest) -> anyhow::Result<orders::Progress> {
        Ok(match self {
            Client::Server(client) => client
                .clone()
                .replay_dead(request)
                .await
                .map_err(said)?
                .into_inner()
                .boxed(),
            Client::File(outbox, _) => {
                // Nothing is sent before the next start, so there is nothing to spare.
                request.rate = u32::MAX;
                orders::replay(outbox.clone(), request).map_err(said)?
            }
        })
    }

    async fn discard(&self, request: v1::DiscardEventsRequest) -> anyhow::Result<orders::Progress> {
        Ok(match self {
            Client::Server(client) => client
                .clone()
                .discard_events(request)
                .await
                .map_err(said)?
                .into_inner()
                .boxed(),
            Client::File(outbox, _) => orders::discard(outbox.clone(), request).map_err(said)?,
        })
    }

    async fn print_dead(&self, which: &Which, limit: u64, json: bool) -> anyhow::Result<()> {
        let mut pages = Pages::of(limit);
        while let Some((cursor, limit)) = pages.next() {
            let request = v1::DeadLettersRequest {
                filter: Some(which.filter()),
                cursor,
                limit,
            };
            let page = self.dead(request).await?;
            for letter in &page.letters {
                println!("{}", letter_line(letter, json));
            }
            pages.go_on(page.next, page.letters.len());
        }
        Ok(())
    }

    async fn print_discarded(&self, which: &Which, limit: u64, json: bool) -> anyhow::Result<()> {
        let mut pages = Pages::of(limit);
        while let Some((cursor, limit)) = pages.next() {
            let request = v1::DiscardedEventsRequest {
                filter: Some(which.filter()),
                cursor,
                limit,
            };
            let page = self.discarded(request).await?;
            for event in &page.events {
                println!("{}", discarded_line(event, json));
            }
            pages.go_on(page.next, page.events.len());
        }
        Ok(())
    }
}

/// How far a listing has come.
struct Pages {
    /// Where the next page begins; `None` at the end.
    cursor: Option<String>,
    /// Lines that may still be printed.
    left: u64,
}

impl Pages {
    fn of(limit: u64) -> Pages {
        Pages {
            cursor: Some(String::new()),
            left: limit,
        }
    }

    /// Where the next page begins, and how many it may have.
    fn next(&mut self) -> Option<(String, u32)> {
        let cursor = self.cursor.take()?;
        if self.left == 0 {
            eprintln!("there are more; `--limit` prints them");
            return None;
        }
        Some((cursor, PAGE.min(u32::try_from(self.left).unwrap_or(PAGE))))
    }

    fn go_on(&mut self, next: String, printed: usize) {
        self.left = self.left.saturating_sub(printed as u64);
        self.cursor = Some(next).filter(|next| !next.is_empty());
    }
}

fn open_file(config: &Config, url: &str) -> anyhow::Result<Arc<dyn Outbox>> {
    let path = config.outbox.path.display();
    if config.outbox.kind == Kind::Memory {
        bail!("no callgate answers at {url}, and an outbox in memory ends with its server");
    }
    if !config.outbox.path.exists() {
        bail!("no callgate answers at {url}, and there is no outbox at `{path}`");
    }
    let on_fatal = |why: &str| eprintln!("callgate: the disk of the outbox failed: {why}");
    outbox::open(&config.outbox, Box::new(on_fatal)).map_err(|error| match error {
        OpenError::Locked { .. } => anyhow!(
            "`{path}` is in use by a server that does not answer at {url}; name its `admin.listen` with --server"
        ),
        error => error.into(),
    })
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
            eprintln!("{} events {done} so far", last.done);
        }
    }
    match (json, dry_run) {
        (true, _) => println!(
            "{}",
            json!({ "order": done, "events": last.done, "dry_run": dry_run })
        ),
        (false, true) => println!("{} events would be {done}", last.done),
        (false, false) => println!("{} events {done}", last.done),
    }
    Ok(())
}
