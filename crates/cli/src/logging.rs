//! Logs, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};
use crate::exit::Failure;

/// What is logged without OUTLAST_LOG: a foreground daemon tells what happens, other commands only what
/// goes wrong.
fn default_filter(cli: &Cli) -> &'static str {
    let daemon = u8::from(matches!(cli.command, Command::Up(_)));
    match cli.global.verbose + daemon {
        _ if cli.global.quiet => "error",
        0 => "error,outlast=warn",
        1 => "error,outlast=info",
        2 => "warn,outlast=debug",
        _ => "info,outlast=trace",
    }
}

/// Starts logging.
///
/// # Errors
/// If OUTLAST_LOG can't be meant.
pub(crate) fn init(cli: &Cli) -> Result<(), Failure> {
    let filter = match std::env::var("OUTLAST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text)
            .map_err(|error| Failure::usage(format!("OUTLAST_LOG `{text}`: {error}")))?,
        _ => EnvFilter::new(default_filter(cli)),
    };
    let colours = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // Fails if somebody else has started logging: then it goes there.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .try_init();
    Ok(())
}
