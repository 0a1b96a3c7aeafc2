//! Logs, on standard error.

use std::io::IsTerminal;

use outlast_node::config::LogFormat;
use tracing_subscriber::EnvFilter;

use crate::args::{Cli, Command};
use crate::config::{self, Surroundings};
use crate::exit::Failure;
use crate::ui::Colours;

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

/// Starts logging, and says how it is done.
///
/// # Errors
/// If OUTLAST_LOG can't be meant.
pub(crate) fn init(cli: &Cli, around: &Surroundings) -> Result<LogFormat, Failure> {
    let filter = match std::env::var("OUTLAST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text)
            .map_err(|error| Failure::usage(format!("OUTLAST_LOG `{text}`: {error}")))?,
        _ => EnvFilter::new(default_filter(cli)),
    };
    let format = match (&cli.command, around.data_dir(&cli.global)) {
        (Command::Up(args), Ok(dir)) => config::log_format(&dir, &around.cwd, args),
        _ => LogFormat::Text,
    };
    let colours = Colours::of_process(cli.global.color).on(std::io::stderr().is_terminal());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails if somebody else has started logging: then it goes there.
    let _ = match format {
        LogFormat::Text => log.with_ansi(colours).try_init(),
        LogFormat::Json => log.json().with_current_span(false).with_span_list(false).try_init(),
    };
    Ok(format)
}
