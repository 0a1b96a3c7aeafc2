//! Where text goes: data to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::args::Global;
use crate::exit::Failure;
use crate::human;

/// Both streams, and what is known of them.
pub struct Ui {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Columns of the terminal that standard output is; `None`: it is none, lines may be long.
    pub width: Option<u16>,
    /// Its lines, if it is a terminal on which the cursor can be moved.
    pub height: Option<u16>,
    /// Standard error is a terminal: progress bars may be drawn.
    pub bars: bool,
    /// Data as JSON.
    pub json: bool,
    /// Nothing but errors.
    pub quiet: bool,
    /// Messages go to the log, of which every line is JSON.
    pub log_messages: bool,
}

impl Ui {
    /// The process's own streams.
    pub fn of_process(global: &Global) -> Self {
        let size = terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            width: size.map(|(width, _)| width),
            height: size.filter(|_| !dumb).map(|(_, height)| height),
            bars: io::stderr().is_terminal() && !global.quiet,
            json: global.json,
            quiet: global.quiet,
            log_messages: false,
        }
    }

    /// These streams, none of them a terminal.
    pub fn new(out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Self {
        Self {
            out: Box::new(out),
            err: Box::new(err),
            width: None,
            height: None,
            bars: false,
            json: false,
            quiet: false,
            log_messages: false,
        }
    }

    /// Whether what is on the screen can be drawn anew.
    pub fn redraws(&self) -> bool {
        self.height.is_some() && !self.json
    }

    /// Columns and lines as they are now: people change their windows.
    pub fn look_at_terminal(&mut self) -> (u16, u16) {
        if let Some((width, height)) = terminal() {
            (self.width, self.height) = (Some(width), Some(height));
        }
        (self.width.unwrap_or(u16::MAX), self.height.unwrap_or(u16::MAX))
    }

    /// Data, as text that ends its lines itself.
    ///
    /// # Errors
    /// If standard output is closed or full.
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        self.write(text.as_bytes())
    }

    /// Data, as JSON.
    ///
    /// # Errors
    /// As [`Ui::print`].
    pub fn print_json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::failed(format!("as JSON: {error}")))?;
        self.print(&format!("{text}\n"))
    }

    /// Data, as JSON on one line: for lists that are read as they grow.
    ///
    /// # Errors
    /// As [`Ui::print`].
    pub fn print_json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::failed(format!("as JSON: {error}")))?;
        self.print(&format!("{text}\n"))
    }

    /// Data, as bytes.
    ///
    /// # Errors
    /// As [`Ui::print`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes)?;
        Ok(self.out.flush()?)
    }

    /// A message for people, unless they want quiet.
    pub fn say(&mut self, text: &str) {
        if self.quiet {
            return;
        }
        if self.log_messages {
            return tracing::info!(target: "outlast", "{}", text.trim_end());
        }
        self.complain(text);
    }

    /// A message that has to be seen.
    pub fn complain(&mut self, text: &str) {
        if self.log_messages {
            return tracing::error!(target: "outlast", "{}", text.trim_end());
        }
        // If nobody reads standard error, nobody can be told.
        let _ = writeln!(self.err, "outlast: {}", human::tame(text.trim_end()));
    }

    /// A program's own standard error.
    pub fn write_err(&mut self, bytes: &[u8]) {
        let _ = self.err.write_all(bytes).and_then(|()| self.err.flush());
    }
}

/// Columns and lines of the terminal that standard output is.
fn terminal() -> Option<(u16, u16)> {
    let size = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    size.map(|(terminal_size::Width(width), terminal_size::Height(height))| (width, height))
}
