//! The command line of checkpoints.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use outlast_capsule::Compression;
use outlast_node::config::parse_duration;

use super::Global;
use crate::exit::EXIT_CODES;

/// What can be done without a node: programs stopped, written down, and run again.
#[derive(Debug, Subcommand)]
pub enum CapsuleCommand {
    /// Write a running program, with all its processes, to an image, and end it or let it go on
    ///
    /// The program needs no preparation. Whatever goes wrong, it runs on as if nothing had happened. What
    /// can't be carried (network sockets, terminals of its own, devices) is refused by name.
    #[command(after_long_help = EXIT_CODES)]
    Checkpoint(CheckpointArgs),
    /// Run a program again from its image, and wait for it
    ///
    /// Signals that would end this command (Ctrl-C among them) go to the program. An image is as powerful
    /// as whoever restores it: restore none that you would not run as a program.
    #[command(after_long_help = EXIT_CODES)]
    Restore(RestoreArgs),
    /// Tell what is in an image: processes, files, where and when it was taken
    Inspect(InspectArgs),
}

const NAMES: [&str; 3] = ["checkpoint", "restore", "inspect"];

/// Whether the words after the program's name are one of these commands. It is asked before anything else is prepared.
pub fn is_meant<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> bool {
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_ref().as_encoded_bytes() {
            b"--" => return false,
            // Of the options that all commands share, those with a value.
            b"--data-dir" | b"--color" => drop(words.next()),
            [b'-', ..] => {}
            _ => return NAMES.iter().any(|name| word.as_ref() == *name),
        }
    }
    false
}

/// The command line of these commands alone: to define all the others takes a good part of the time that a
/// small checkpoint does.
#[derive(Debug, Parser)]
#[command(name = "outlast", version, propagate_version = true)]
pub struct CapsuleCli {
    /// Options that all commands share.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: CapsuleCommand,
}

/// Threads that copy memory: more don't make it faster on any machine.
const MAX_THREADS: i64 = 1024;

/// Options of `checkpoint`.
#[derive(Debug, Args)]
pub struct CheckpointArgs {
    /// The process; all its descendants belong to it
    #[arg(value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: i32,
    /// File to write; one that is there is replaced once the new one is whole
    #[arg(long, short, value_name = "FILE", required_unless_present = "check")]
    pub output: Option<PathBuf>,
    /// Let it go on afterwards
    #[arg(long)]
    pub leave_running: bool,
    /// End it once the image is safe: the default
    #[arg(long, conflicts_with = "leave_running")]
    pub kill: bool,
    /// Tell what would stand in the way; stops and writes nothing. Exit code 1: something does
    #[arg(long, conflicts_with_all = ["output", "leave_running", "kill", "compress", "stats", "timeout", "threads"])]
    pub check: bool,
    /// Pack memory: zstd, or zstd:LEVEL with 1 (quick, the default) to 19 (small)
    #[arg(long, value_name = "HOW", value_parser = compression)]
    pub compress: Option<Compression>,
    /// Print what each phase took
    #[arg(long)]
    pub stats: bool,
    /// How long a thread may take to stop, such as 500ms
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Threads that copy memory [default: one per core]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
}

/// Options of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The image
    #[arg(value_name = "FILE")]
    pub image: PathBuf,
    /// In this pid namespace, where its process numbers have to be free [default: in a new one]
    #[arg(long)]
    pub same_pids: bool,
    /// Print the process's number and end; the program runs on
    #[arg(long)]
    pub detach: bool,
    /// File to write the process's number to, as it is seen from here
    #[arg(long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
    /// Standard streams of the program
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    pub streams: Streams,
    /// Go on although files are not what they were at the checkpoint
    #[arg(long)]
    pub accept_changed: bool,
    /// Show this machine's monotonic clock, which jumps for the program [default: it goes on from where it was]
    #[arg(long)]
    pub real_clocks: bool,
    /// Print what each phase took; to standard error without --detach, as standard output is the program's
    #[arg(long)]
    pub stats: bool,
    /// Threads that fill memory [default: one per core]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
}

/// What the standard streams become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Streams {
    /// What they were: files are opened again; those from outside become this command's
    #[default]
    Kept,
    /// This command's own
    Given,
}

/// Options of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The image
    #[arg(value_name = "FILE")]
    pub image: PathBuf,
    /// Read and check all of its memory, too
    #[arg(long)]
    pub verify: bool,
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse::<i64>() {
        Ok(n @ 1..=MAX_THREADS) => usize::try_from(n).map_err(|error| error.to_string()),
        _ => Err(format!("expected 1 to {MAX_THREADS}, found `{text}`")),
    }
}

fn compression(text: &str) -> Result<Compression, String> {
    let error = || format!("expected zstd or zstd:LEVEL with a level from 1 to 19, found `{text}`");
    let level = match text.split_once(':') {
        None if text == "zstd" => "1",
        Some(("zstd", level)) => level,
        _ => return Err(error()),
    };
    match level.parse() {
        Ok(level @ 1..=19) => Ok(Compression::Zstd(level)),
        _ => Err(error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<CapsuleCommand, clap::Error> {
        CapsuleCli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn compression_has_levels() {
        assert_eq!(compression("zstd"), Ok(Compression::Zstd(1)));
        assert_eq!(compression("zstd:19"), Ok(Compression::Zstd(19)));
        for text in ["", "zstd:", "zstd:0", "zstd:20", "gzip", "gzip:3", "zstd:-1", "zstd:x"] {
            assert!(compression(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_checkpoint_needs_a_file_and_a_check_none() {
        for line in [
            "outlast checkpoint 5",
            "outlast checkpoint -o f",
            "outlast checkpoint 0 -o f",
            "outlast checkpoint 5 -o f --kill --leave-running",
            "outlast checkpoint 5 --check -o f",
            "outlast checkpoint 5 -o f --threads 0",
            "outlast checkpoint 5 -o f --threads 1025",
            "outlast restore",
            "outlast restore f --streams none",
            "outlast inspect",
        ] {
            assert_eq!(parse(line).map(drop).unwrap_err().exit_code(), 2, "{line}");
        }
        for line in [
            "outlast checkpoint 5 --check --json",
            "outlast checkpoint 5 -o f --leave-running --compress zstd:3 --timeout 500ms --threads 8",
            "outlast restore f --same-pids --detach --pidfile p --streams given --real-clocks",
            "outlast inspect f --verify --json",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn the_names_are_those_of_the_commands() {
        use clap::CommandFactory;
        let command = CapsuleCli::command();
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(names, NAMES);
        command.debug_assert();
    }

    #[test]
    fn these_commands_are_known_by_their_first_word_that_is_no_option() {
        for line in ["restore f", "--json checkpoint 5", "-q --color never --data-dir=d inspect f"]
        {
            assert!(is_meant(line.split(' ')), "{line}");
        }
        for line in
            ["", "--json", "run -- restore", "-- restore", "--data-dir restore ps", "help restore"]
        {
            assert!(!is_meant(line.split(' ')), "{line}");
        }
        use clap::CommandFactory;
        let command = CapsuleCli::command();
        let shared = command.get_arguments().filter(|argument| argument.is_global_set());
        let valued: Vec<_> = shared
            .filter(|argument| argument.get_action().takes_values())
            .filter_map(clap::Arg::get_long)
            .collect();
        assert_eq!(valued, ["data-dir", "color"], "those that `is_meant` steps over");
    }
}
