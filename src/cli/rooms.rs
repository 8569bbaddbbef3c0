//! `callgate rooms`: the rooms that a running server keeps, and their bots.

use std::process::ExitCode;

use serde_json::json;
use tonic::Code;

use super::client::{self, AdminClient};
use super::exit::{EXIT_BAD_INPUT, EXIT_NO_SERVER};
use super::files::Files;
use super::output::{self, plain};
use super::reach::AdminArgs;
use crate::proto::v1;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    admin: AdminArgs,
    /// Print one JSON object a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Order {
    /// Print every room (the default).
    List,
    /// Keep a room, or change the URL of its bot.
    Set {
        /// The room's id.
        id: String,
        /// Called for each event of the room.
        webhook: String,
        /// Move its bot to this state; an empty one is the default.
        #[arg(long)]
        state: Option<String>,
    },
    /// Forget a room and the state of its bot.
    Remove {
        /// The room's id.
        id: String,
    },
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let reach = args.admin.reach(files)?;
    client::block_on(async {
        let admin = client::admin(&reach).await?;
        let order = args.order.unwrap_or(Order::List);
        let done = match order {
            Order::List => list(admin, args.json).await?,
            order => give(admin, order).await,
        };
        match done {
            Ok(room) => {
                if let Some(room) = room {
                    output::line(&line(&room, args.json))?;
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(status) => {
                output::complain(&format!("callgate: {}", client::words(&status)));
                Ok(ExitCode::from(match status.code() {
                    Code::InvalidArgument | Code::NotFound | Code::ResourceExhausted => {
                        EXIT_BAD_INPUT
                    }
                    _ => EXIT_NO_SERVER,
                }))
            }
        }
    })
}

/// What came of an order: the room that it was about, where there is one to be shown.
type Given = Result<Option<v1::Room>, tonic::Status>;

/// Prints every room, page by page. The outer error is the reader's.
async fn list(mut admin: AdminClient, json: bool) -> anyhow::Result<Given> {
    let mut after = String::new();
    loop {
        let request = v1::RoomsRequest { after, limit: 0 };
        let page = match admin.rooms(request).await {
            Ok(page) => page.into_inner(),
            Err(status) => return Ok(Err(status)),
        };
        for room in &page.rooms {
            output::line(&line(room, json))?;
        }
        match page.rooms.into_iter().next_back() {
            Some(last) if page.more => after = last.id,
            _ => return Ok(Ok(None)),
        }
    }
}

async fn give(mut admin: AdminClient, order: Order) -> Given {
    match order {
        Order::List => Ok(None),
        Order::Set { id, webhook, state } => {
            let request = v1::SetRoomRequest {
                id,
                webhook,
                bot_state: state,
            };
            Ok(Some(admin.set_room(request).await?.into_inner()))
        }
        Order::Remove { id } => {
            admin.remove_room(v1::RemoveRoomRequest { id }).await?;
            Ok(None)
        }
    }
}

fn line(room: &v1::Room, as_json: bool) -> String {
    let v1::Room {
        id,
        webhook,
        bot_state,
    } = room;
    match as_json {
        true => json!({ "id": id, "webhook": webhook, "bot_state": bot_state }).to_string(),
        false if bot_state.is_empty() => format!("{} {}", plain(id), plain(webhook)),
        false => {
            let (id, webhook, state) = (plain(id), plain(webhook), plain(bot_state));
            format!("{id} {webhook} in state {state}")
        }
    }
}
