//! The command line, one file per command.
//!
//! Exit codes are part of the contract: 0 done, 1 the input has errors or the answer is no,
//! 2 the command line itself is wrong, 3 a server could not be reached or started.
//!
//! Order, downward: `serve`, `status`, `send`, `check`, `test`, `replay`, `reload`, `mock`, `doctor`, `explain`, `fuzz`, `import`, `lists`, `outbox`, `audit`, `decisions`,
//! `versions`, `policy`, `trial`, `defaults`, `dialects`, `rooms`, `operators`, `hash_token`, `recorded`, `explained`, `engine`, `storage`, `api`, `client`,
//! `reach`, `token`, `audited`, `shared`, `kept`, `postgres`, `engine_file`, `at_rest`, `start_text`, `signals`, `since`, `files`, `output`, `exit`.

mod api;
mod at_rest;
mod audit;
mod audited;
mod check;
mod client;
mod decisions;
mod defaults;
mod dialects;
mod doctor;
mod engine;
mod engine_file;
mod exit;
mod explain;
mod explained;
mod files;
mod fuzz;
mod hash_token;
mod import;
mod kept;
mod lists;
mod mock;
mod operators;
mod outbox;
mod output;
mod policy;
mod postgres;
mod reach;
mod recorded;
mod reload;
mod replay;
mod rooms;
mod send;
mod serve;
mod shared;
mod signals;
mod since;
mod start_text;
mod status;
mod storage;
mod test;
mod token;
mod trial;
mod versions;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{EXIT_NO_SERVER, EXIT_USAGE};
use files::Files;

use crate::telemetry::is_obeyed;

/// Callback policy engine for instant messaging.
///
/// An IM server asks callgate before it sends a message; callgate runs the word filters, asks
/// the business server within the hook's timeout, and answers allow, block or replaced content.
/// After-events are stored on disk and delivered at least once.
#[derive(Debug, Parser)]
#[command(
    name = "callgate",
    version,
    after_help = "Without a command, `serve` is run.\nDocumentation: README.md; every setting with its default: `callgate defaults engine` and `callgate defaults policy`."
)]
pub struct Cli {
    #[command(flatten)]
    files: Files,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (the default).
    Serve(serve::Args),
    /// Show what a running server does: hooks, endpoints, outbox, rejected edits.
    Status(status::Args),
    /// Ask a running server about one message and print its decision.
    Send(send::Args),
    /// Check the policy files and print every problem.
    Check(check::Args),
    /// Run the cases of the policy, without a server: what must be decided is decided.
    Test(test::Args),
    /// Judge recorded calls under the policy in force and under another, and say what differs.
    Replay(replay::Args),
    /// Have a running server look at its policy files now.
    Reload(reload::Args),
    /// Play a business server: scripted answers and failures, and what it got.
    Mock(mock::Args),
    /// Play known calls against the business servers and say what is wrong with their answers.
    Doctor(doctor::Args),
    /// Show every step of the decision on one message, without a server.
    Explain(explain::Args),
    /// Print what every hook of every dialect can do: block, replace, reply.
    Dialects(dialects::Args),
    /// The rooms that a running server keeps for a chat server, and their bots.
    Rooms(rooms::Args),
    /// See and edit the word lists of a running server.
    Lists(lists::Args),
    /// Try a word list against its own words in disguise, and against everyday messages.
    Fuzz(fuzz::Args),
    /// Turn a foreign configuration or word list into callgate's own.
    Import(import::Args),
    /// Who may do what at the operators' port: invitations, roles, tokens.
    Operators(operators::Args),
    /// See what waits in the outbox, and replay or discard dead events.
    Outbox(outbox::Args),
    /// Who did what here, and whether any record of it was changed or taken away.
    Audit(audit::Args),
    /// What was decided, and why: by message, sender, conversation, word, list, outcome, time.
    Decisions(Box<decisions::Args>),
    /// What a running server forgets of its history.
    History(decisions::HistoryArgs),
    /// The policies that were in force: what each changed, and how one is brought back.
    Versions(versions::Args),
    /// The policy of all replicas: written from a directory, and read into one.
    Policy(policy::Args),
    /// A copy of all that is kept, made while a server runs, and the way back.
    Storage(storage::Args),
    /// How a candidate policy does beside the one in force; end it, or make it the policy.
    Trial(trial::Args),
    /// Print the SHA-256 of a caller's secret, or make a new one.
    HashToken(hash_token::Args),
    /// Print every setting with its default and its explanation.
    Defaults(defaults::Args),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    run_with(std::env::args_os())
}

/// Runs a command line, the program's name included.
pub fn run_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Cli { files, command } = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let command = command.unwrap_or_else(|| Command::Serve(serve::Args::default()));
    let done = match command {
        Command::Serve(args) => serve::run(&files, args),
        Command::Status(args) => status::run(&files, args),
        Command::Send(args) => send::run(&files, args),
        Command::Check(args) => check::run(&files, args),
        Command::Test(args) => test::run(&files, args),
        Command::Replay(args) => replay::run(&files, args),
        Command::Reload(args) => reload::run(&files, args),
        Command::Mock(args) => mock::run(&files, args),
        Command::Doctor(args) => doctor::run(&files, args),
        Command::Explain(args) => explain::run(&files, args),
        Command::Lists(args) => lists::run(&files, args),
        Command::Fuzz(args) => fuzz::run(&files, args),
        Command::Import(args) => import::run(&files, args),
        Command::Operators(args) => operators::run(&files, args),
        Command::Outbox(args) => outbox::run(&files, args),
        Command::Audit(args) => audit::run(&files, args),
        Command::Decisions(args) => decisions::run(&files, *args),
        Command::History(args) => decisions::run_history(&files, args),
        Command::Versions(args) => versions::run(&files, args),
        Command::Policy(args) => policy::run(&files, args),
        Command::Storage(args) => storage::run(&files, args),
        Command::Trial(args) => trial::run(&files, args),
        Command::Defaults(args) => defaults::run(args),
        Command::Dialects(args) => dialects::run(args),
        Command::Rooms(args) => rooms::run(&files, args),
        Command::HashToken(args) => hash_token::run(args),
    };
    done.unwrap_or_else(|error| {
        if output::is_closed(&error) {
            return ExitCode::SUCCESS;
        }
        output::complain(&format!("callgate: {error:#}"));
        ExitCode::from(EXIT_NO_SERVER)
    })
}

/// What is wrong with the command line; or the help, which was asked for. It repeats arguments,
/// and those may be names of files.
fn refuse(error: &clap::Error) -> ExitCode {
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_USAGE));
    if !error.use_stderr()
        || error
            .to_string()
            .chars()
            .all(|c| c == '\n' || !is_obeyed(c))
    {
        // Nobody reads it: nothing to be done about.
        let _ = error.print();
        return code;
    }
    output::complain(error.to_string().trim_end());
    code
}
