//! Where text goes: data to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::args::{Global, When};
use crate::exit::Failure;
use crate::human;

/// What a colour is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As it should be.
    Good,
    /// To be looked at.
    Middling,
    /// Wrong.
    Bad,
}

/// What decides about colours: <https://no-color.org>, <https://bixense.com/clicolors>.
#[derive(Clone, Copy, Debug, Default)]
pub struct Colours {
    /// What the command line says.
    pub choice: When,
    /// `NO_COLOR` is set.
    pub no_color: bool,
    /// `CLICOLOR_FORCE` is set.
    pub force: bool,
    /// `TERM` is `dumb`: the terminal understands no control characters.
    pub dumb: bool,
}

impl Colours {
    /// What the process finds around itself.
    pub fn of_process(choice: When) -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            choice,
            no_color: variable("NO_COLOR").is_some(),
            force: variable("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            dumb: variable("TERM").is_some_and(|term| term == "dumb"),
        }
    }

    /// Whether there are colours on a stream.
    pub fn on(self, terminal: bool) -> bool {
        match self.choice {
            When::Always => true,
            When::Never => false,
            When::Auto if self.no_color => false,
            When::Auto => self.force || terminal && !self.dumb,
        }
    }
}

/// Both streams, and what is known of them.
pub struct Ui {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Columns of the terminal that standard output is; `None`: it is none, lines may be long.
    pub width: Option<u16>,
    /// Its lines, if it is a terminal on which the cursor can be moved.
    pub height: Option<u16>,
    /// Text on standard output may be coloured.
    pub colour: bool,
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
        let dumb = Colours::of_process(global.color).dumb;
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            width: size.map(|(width, _)| width),
            height: size.filter(|_| !dumb).map(|(_, height)| height),
            colour: Colours::of_process(global.color).on(io::stdout().is_terminal()),
            bars: io::stderr().is_terminal() && !dumb && !global.quiet,
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
            colour: false,
            bars: false,
            json: false,
            quiet: false,
            log_messages: false,
        }
    }

    /// Text in a colour, if standard output may have any.
    pub fn paint(&self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Good => 32,
            Style::Middling => 33,
            Style::Bad => 31,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_somebody_says_otherwise() {
        let auto = Colours::default();
        assert!(auto.on(true) && !auto.on(false));
        let dumb = Colours { dumb: true, ..auto };
        assert!(!dumb.on(true));
        let no_color = Colours { no_color: true, force: true, ..auto };
        assert!(!no_color.on(true), "NO_COLOR wins over CLICOLOR_FORCE");
        assert!(Colours { force: true, ..auto }.on(false));
        assert!(Colours { choice: When::Always, ..no_color }.on(false));
        assert!(!Colours { choice: When::Never, force: true, ..auto }.on(true));
    }
}
