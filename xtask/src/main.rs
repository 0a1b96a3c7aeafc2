//! `cargo xtask`: what the project does with itself.
//!
//! ```text
//! cargo xtask ci [--fail-fast] [STAGE …]   all checks, or only these; a table at the end
//! cargo xtask bench [NAME [ARG …]]         one benchmark; without a name: which there are
//! ```
//!
//! Exit code: 0 if all went well, 1 if a check failed, 2 if the command line is wrong.

// A tool for the terminal: printing is its purpose.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod ci;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask ci [--fail-fast] [STAGE …]
       cargo xtask bench [NAME [ARG …]]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        Some((command, rest)) if command == "ci" => ci::main(rest),
        Some((command, rest)) if command == "bench" => bench::main(rest),
        Some((command, _)) if matches!(command.as_str(), "-h" | "--help" | "help") => {
            println!("{USAGE}\n\nstages: {}", ci::names().join(" "));
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(error)) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Why a command did not succeed.
enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// What it was to check or measure went wrong.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().map_or_else(|| own.to_owned(), Path::to_owned)
}

/// Cargo, in the folder of the workspace. It gets none of the variables that `cargo run` set for us: build
/// scripts (ring's) look at them, and would build again what a plain `cargo build` has built.
fn cargo(root: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.current_dir(root);
    command
}
