//! `callgate hash-token`: the SHA-256 of a caller's secret, as a policy has it.

use std::io::{self, Read};
use std::process::ExitCode;

use anyhow::Context;

use super::exit::EXIT_BAD_INPUT;
use super::output;
use super::token::new_token;
use crate::policy::Digest;

/// Shorter secrets can be found from their digest.
const SECRET_BYTES_MIN: usize = 16;

/// Reads the secret from standard input, so that no list of processes shows it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Make a new secret, and print it before its SHA-256.
    #[arg(long)]
    new: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.new {
        let token = new_token()?;
        let digest = Digest::of(token.as_bytes());
        output::line(&format!("secret  {token}"))?;
        output::line(&format!("sha256  {digest}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut secret = String::new();
    io::stdin()
        .read_to_string(&mut secret)
        .context("the secret is read from standard input, and that cannot be read")?;
    let secret = secret.trim();
    if secret.len() < SECRET_BYTES_MIN || secret.contains(char::is_whitespace) {
        output::complain(&format!(
            "callgate: a secret is one word of {SECRET_BYTES_MIN} bytes or more; `callgate hash-token --new` makes one"
        ));
        return Ok(ExitCode::from(EXIT_BAD_INPUT));
    }
    output::line(&Digest::of(secret.as_bytes()).to_string())?;
    Ok(ExitCode::SUCCESS)
}
