//! What is generated from the definition of the command line: shell completions and manual pages.
//!
//! Completions are static. clap's engine for dynamic ones, which could name jobs and nodes, is still marked
//! unstable.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args::Cli;
use crate::exit::EXIT_CODES;

/// The section of manual pages that commands are in.
const SECTION: &str = "1";

/// Files that a user meets, for the manual.
const FILES: &[(&str, &str)] = &[
    ("~/.local/state/outlast/", "The data directory, unless named otherwise."),
    ("DATA_DIR/config.toml", "Settings of the node."),
    ("DATA_DIR/control.sock", "Where the daemon is asked; for its owner only."),
    ("DATA_DIR/key", "The node's secret key. Who has it is this node."),
    ("DATA_DIR/outlast.redb", "The record of jobs."),
];

/// Variables that every command looks at, for the manual. Those of one command are said at its options.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("OUTLAST_DATA_DIR", "The data directory; --data-dir wins."),
    ("XDG_STATE_HOME, HOME", "Where the data directory is, if nobody names it."),
    ("OUTLAST_LOG", "What is logged: a level, or a list such as warn,outlast_node=debug."),
];

/// The whole definition, as users see it.
fn definition() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

/// A script that completes Outlast's command lines in a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    script
}

/// The manual page of the command as a whole.
///
/// # Errors
/// None: it is written to memory.
pub fn manual_page() -> io::Result<Vec<u8>> {
    page(&definition())
}

/// Writes a page for each command to a folder, which is made if it isn't there.
///
/// # Errors
/// If a page can't be written.
pub fn write_manual(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let mut written = Vec::new();
    for command in all(&definition()) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = folder.join(format!("{name}.{SECTION}"));
        fs::write(&path, page(command)?)?;
        written.push(path);
    }
    Ok(written)
}

/// A command and all below it that aren't hidden.
fn all(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|below| !below.is_hide_set());
    std::iter::once(command).chain(below.flat_map(all)).collect()
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let source = format!("outlast {}", command.get_version().unwrap_or_default());
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .section(SECTION)
        .source(source)
        .manual("Outlast");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut rest = Roff::default();
    exit_codes(&mut rest);
    list(&mut rest, "ENVIRONMENT", ENVIRONMENT.iter().copied());
    list(&mut rest, "FILES", FILES.iter().copied());
    if name != "outlast" {
        rest.control("SH", ["SEE ALSO"]);
        rest.text([bold("outlast"), roman(format!("({SECTION})"))]);
    }
    text.write_all(rest.to_roff().as_bytes())?;
    Ok(text)
}

/// From the text that `--help` shows: a list between a title and a remark.
fn exit_codes(page: &mut Roff) {
    let codes = EXIT_CODES.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(' '));
    list(page, "EXIT STATUS", codes.map(|(code, meaning)| (code, meaning.trim())));
    let remark = EXIT_CODES.lines().skip(1).find(|line| !line.starts_with(' '));
    page.control("PP", []);
    page.text([roman(remark.unwrap_or_default())]);
}

fn list<'a>(page: &mut Roff, title: &str, entries: impl Iterator<Item = (&'a str, &'a str)>) {
    page.control("SH", [title]);
    for (name, meaning) in entries {
        page.control("TP", []);
        page.text([bold(name)]);
        page.text([roman(meaning)]);
    }
}

#[cfg(test)]
mod tests;
