//! `callgate import openim`: OpenIM's settings become a policy.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::exit::EXIT_BAD_INPUT;
use crate::import::import_openim;
use crate::settings::Severity;

pub fn run(file: &Path) -> anyhow::Result<ExitCode> {
    let name = file.display().to_string();
    let bytes = fs::read(file).with_context(|| format!("{name} cannot be read"))?;
    let (text, problems) = import_openim(&name, &bytes);
    for problem in &problems {
        eprintln!("{problem}");
    }
    let bad = problems
        .iter()
        .any(|problem| problem.severity == Severity::Error);
    Ok(match text {
        Some(text) if !bad => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(EXIT_BAD_INPUT),
    })
}
