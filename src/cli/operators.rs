//! `callgate operators`: who may do what at the operators' port of a running server.

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
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
    /// Print operators and tokens (the default).
    List,
    /// Print a link, good once and for an hour: to become an operator, or to set another password.
    Invite {
        /// Whom it is for. Without a name, whoever follows it is the first operator.
        name: Option<String>,
        #[command(flatten)]
        grant: GrantArgs,
    },
    /// Change what an operator may; the operator's sessions end.
    Set {
        /// The operator's name.
        name: String,
        #[command(flatten)]
        grant: GrantArgs,
    },
    /// Shut an operator out, sessions and tokens too, until the next invitation.
    Disable {
        /// The operator's name.
        name: String,
    },
    /// Make a token for a program, and print it this once; or take one away.
    Token {
        /// The program's name; with `--remove` the id of a token.
        name: String,
        #[command(flatten)]
        grant: GrantArgs,
        /// How long it is good for, as in 12h or 90d.
        #[arg(long, default_value = "90d", value_parser = humantime::parse_duration)]
        expires: Duration,
        /// Take the token with this id away.
        #[arg(long, conflicts_with_all = ["role", "rights", "lists", "expires"])]
        remove: bool,
    },
}

#[derive(Debug, clap::Args)]
struct GrantArgs {
    /// viewer, moderator or operator.
    #[arg(long)]
    role: Option<String>,
    /// What no role brings: text (to read what people wrote), audit, or both with a comma.
    #[arg(long)]
    rights: Option<String>,
    /// The word lists that a moderator may change, with commas; `*` for all of them.
    #[arg(long, value_name = "LIST,LIST", value_delimiter = ',')]
    lists: Vec<String>,
}

impl GrantArgs {
    fn limit(&mut self) -> Option<v1::ListLimit> {
        let names = std::mem::take(&mut self.lists);
        (!names.is_empty()).then_some(v1::ListLimit { names })
    }
}

pub(super) fn run(files: &Files, args: Args) -> anyhow::Result<ExitCode> {
    let reach = args.admin.reach(files)?;
    client::block_on(async {
        let admin = client::admin(&reach).await?;
        let order = args.order.unwrap_or(Order::List);
        match give(admin, order, &reach.url).await {
            Ok(lines) => {
                for (line, json) in lines {
                    output::line(&if args.json { json.to_string() } else { line })?;
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(status) => {
                output::complain(&format!("callgate: {}", client::words(&status)));
                Ok(ExitCode::from(match status.code() {
                    Code::InvalidArgument
                    | Code::NotFound
                    | Code::AlreadyExists
                    | Code::ResourceExhausted => EXIT_BAD_INPUT,
                    _ => EXIT_NO_SERVER,
                }))
            }
        }
    })
}

/// What is printed, for people and as JSON.
type Lines = Vec<(String, Value)>;

async fn give(mut admin: AdminClient, order: Order, url: &str) -> Result<Lines, tonic::Status> {
    match order {
        Order::List => {
            let listed = admin.operators(v1::OperatorsRequest {}).await?.into_inner();
            let operators = listed.operators.iter().map(operator_line);
            Ok(operators
                .chain(listed.tokens.iter().map(token_line))
                .collect())
        }
        Order::Invite { name, mut grant } => {
            let request = v1::InviteOperatorRequest {
                lists: grant.limit(),
                name: name.unwrap_or_default(),
                role: grant.role.unwrap_or_default(),
                rights: grant.rights.unwrap_or_default(),
            };
            let invited = admin.invite_operator(request).await?.into_inner();
            let link = link(url, &invited.token);
            let json = json!({ "link": link, "expires_at_ms": invited.expires_at_ms });
            Ok(vec![(link, json)])
        }
        Order::Set { name, mut grant } => {
            let request = v1::SetOperatorRequest {
                lists: grant.limit(),
                name,
                role: grant.role.unwrap_or_default(),
                rights: grant.rights,
                disabled: None,
            };
            let operator = admin.set_operator(request).await?.into_inner();
            Ok(vec![operator_line(&operator)])
        }
        Order::Disable { name } => {
            let request = v1::SetOperatorRequest {
                name,
                disabled: Some(true),
                ..v1::SetOperatorRequest::default()
            };
            let operator = admin.set_operator(request).await?.into_inner();
            Ok(vec![operator_line(&operator)])
        }
        Order::Token {
            name, remove: true, ..
        } => {
            admin
                .remove_token(v1::RemoveTokenRequest { id: name })
                .await?;
            Ok(Vec::new())
        }
        Order::Token {
            name,
            mut grant,
            expires,
            ..
        } => {
            let request = v1::MakeTokenRequest {
                lists: grant.limit(),
                name,
                role: grant.role.unwrap_or_else(|| "viewer".to_owned()),
                rights: grant.rights.unwrap_or_default(),
                lives_s: expires.as_secs(),
            };
            let made = admin.make_token(request).await?.into_inner();
            let json = json!({ "token": made.secret, "id": made.token.map(|token| token.id) });
            Ok(vec![(made.secret, json)])
        }
    }
}

/// The link that an invitation is sent as. What stands behind `#` is in no log of any server.
pub(super) fn link(url: &str, token: &str) -> String {
    format!("{}/setup#{token}", url.trim_end_matches('/'))
}

fn operator_line(operator: &v1::Operator) -> (String, Value) {
    let v1::Operator {
        name,
        role,
        rights,
        disabled,
        made_at_ms,
        lists,
    } = operator;
    let with = match rights.is_empty() {
        true => String::new(),
        false => format!(" with {rights}"),
    };
    let off = if *disabled { ", disabled" } else { "" };
    let line = format!(
        "{} {role}{}{with}, since {}{off}",
        plain(name),
        limited(lists.as_ref()),
        date(*made_at_ms)
    );
    let json = json!({
        "operator": name, "role": role, "rights": rights, "disabled": disabled,
        "made_at_ms": made_at_ms, "lists": names(lists.as_ref()),
    });
    (line, json)
}

fn token_line(token: &v1::OperatorToken) -> (String, Value) {
    let v1::OperatorToken {
        id,
        name,
        operator,
        role,
        rights,
        expires_at_ms,
        used_at_ms,
        lists,
    } = token;
    let with = match rights.is_empty() {
        true => String::new(),
        false => format!(" with {rights}"),
    };
    let of = match operator.is_empty() {
        true => String::new(),
        false => format!(" of {}", plain(operator)),
    };
    let used = match used_at_ms {
        0 => "never used".to_owned(),
        at_ms => format!("used {}", date(*at_ms)),
    };
    let until = date(*expires_at_ms);
    let line = format!(
        "token {id} {}{of} {role}{}{with}, until {until}, {used}",
        plain(name),
        limited(lists.as_ref())
    );
    let json = json!({
        "token": id, "name": name, "operator": operator, "role": role, "rights": rights,
        "expires_at_ms": expires_at_ms, "used_at_ms": used_at_ms, "lists": names(lists.as_ref()),
    });
    (line, json)
}

fn names(lists: Option<&v1::ListLimit>) -> Vec<&str> {
    let names = lists.into_iter().flat_map(|lists| &lists.names);
    names.map(String::as_str).collect()
}

/// ` of ads,spam`; nothing, where it is all of them.
fn limited(lists: Option<&v1::ListLimit>) -> String {
    match names(lists)[..] {
        [] | ["*"] => String::new(),
        ref names => format!(" of {}", plain(&names.join(","))),
    }
}

fn date(at_ms: u64) -> String {
    // Beyond the year 9999 there is no such text.
    let at = Duration::from_millis(at_ms.min(253_402_300_799_000));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + at).to_string()
}
