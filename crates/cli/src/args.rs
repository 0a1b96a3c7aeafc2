//! The command line, parsed. Nothing here touches a file, a socket or the clock.

pub mod capsule;
pub mod services;
pub mod sim;
pub mod vo;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};
use outlast_api::types::{JobSpec, Param, VerificationSpec};
use outlast_node::config::parse_duration;

use crate::exit::{EXIT_CODES, Failure};
use crate::human;
use services::ServiceArgs;

/// Programs that outlast the machines they run on.
///
/// Splits an unmodified program's work over the machines of a grid, verifies what they answer, and
/// puts the output together, although machines crash, leave or lie.
#[derive(Debug, Parser)]
#[command(name = "outlast", version, after_long_help = EXIT_CODES, propagate_version = true)]
pub struct Cli {
    /// Options that all commands share.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that all commands share.
#[derive(Debug, Default, Args)]
pub struct Global {
    /// Where the node keeps its key, jobs and files [default: $OUTLAST_DATA_DIR, else ~/.local/state/outlast]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Colours [default: on a terminal, unless NO_COLOR is set]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_default_value = true
    )]
    pub color: When,
    /// Log more; twice: still more (OUTLAST_LOG chooses exactly)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// When there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal
    #[default]
    Auto,
    /// Also into a pipe
    Always,
    /// Not at all
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node in the foreground; prints its key once it is ready
    Up(UpArgs),
    /// Run a program on the grid and wait for its output
    ///
    /// If no daemon answers, a node in this process does the work and ends with it. Ctrl-C leaves the
    /// job and says how to come back; a second one cancels it.
    #[command(after_long_help = EXIT_CODES)]
    Run(RunArgs),
    /// Give a job to the daemon and print its id
    Submit(JobArgs),
    /// Wait for a job, as `run` does
    #[command(after_long_help = EXIT_CODES)]
    Wait(WaitArgs),
    /// List jobs
    Ps(WatchArgs),
    /// Tell all about a job: how it was verified, who was wrong and where
    Show(ShowArgs),
    /// Print what happened to a job, or what its program wrote
    Logs(LogsArgs),
    /// End a job
    Cancel(JobArg),
    /// Write the output of a job again that couldn't be written
    #[command(after_long_help = EXIT_CODES)]
    Retry(WaitArgs),
    /// Write what is accepted so far as a picture or text
    Preview(PreviewArgs),
    /// List the nodes of the grid
    Nodes(WatchArgs),
    /// Tell how the daemon is, and what it belongs to
    Status,
    /// Join a virtual organisation with a ticket that `outlast invite` made on a member
    #[command(after_long_help = EXIT_CODES)]
    Join(JoinArgs),
    /// Make a ticket that lets another node in: one line, to be handed on in secret
    #[command(after_long_help = EXIT_CODES)]
    Invite(vo::InviteArgs),
    /// Throw a node out: nobody works with it any more
    Expel(vo::ExpelArgs),
    /// Make, show, list or leave virtual organisations: the nodes that trust each other
    Vo(vo::VoArgs),
    /// Take a node off the blacklist, which `outlast nodes` shows
    Pardon(PardonArgs),
    /// End the daemon: it hands back its work, says goodbye and goes
    Down(DownArgs),
    /// Show, check and explain applications: what Outlast knows about programs
    #[command(subcommand)]
    App(AppCommand),
    /// List technical services: how a job may be treated, with arguments and defaults
    ///
    /// A job file names them in `[[service]]` tables. Needs no daemon.
    Services(services::ServicesArgs),
    /// Simulate before you trust: what verification achieves against how many liars
    #[command(subcommand)]
    Sim(sim::SimCommand),
    /// What needs no node: checkpoints.
    #[command(flatten)]
    Capsule(capsule::CapsuleCommand),
    /// Look at what works on this machine, what doesn't, and how to mend it
    ///
    /// Changes nothing and needs no privileges. Exit code 1: something won't work.
    Doctor,
    /// Print a script that completes command lines in a shell
    #[command(after_long_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command to a folder
    Man(ManArgs),
}

impl Command {
    /// Whether it has to do with a node at all.
    pub fn needs_data(&self) -> bool {
        !matches!(
            self,
            Self::Completions(_)
                | Self::Man(_)
                | Self::Services(_)
                | Self::Sim(_)
                | Self::Capsule(_)
                | Self::App(AppCommand::Check(_))
        )
    }
}

/// What to do with applications.
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// List applications: what they take, where they come from, whether their programs are here
    List,
    /// Print the manifest of an application
    Show(AppShowArgs),
    /// Check manifests; tells what is wrong with line and column
    Check(AppCheckArgs),
    /// Tell what would be done with a command: the split, what each gridlet runs and is sent
    ///
    /// Runs nothing but the tools that look at inputs, such as `identify`. Needs no daemon.
    Explain(Box<AppExplainArgs>),
}

/// Options of `app show`.
#[derive(Debug, Args)]
pub struct AppShowArgs {
    /// Name of the application
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Options of `app check`.
#[derive(Debug, Args)]
pub struct AppCheckArgs {
    /// Manifests, in TOML
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// Options of `app explain`.
#[derive(Debug, Args)]
pub struct AppExplainArgs {
    /// Slots of the grid to split for [default: the cores of this machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub slots: Option<u32>,
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
}

/// Where each shell looks for completions.
const COMPLETIONS_HELP: &str = "\
Where they go:
  bash  outlast completions bash > ~/.local/share/bash-completion/completions/outlast
  zsh   outlast completions zsh > a folder of $fpath, as _outlast
  fish  outlast completions fish > ~/.config/fish/completions/outlast.fish";

/// Options of `up`. What is absent comes from the configuration file, then from defaults.
#[derive(Debug, Default, Args)]
pub struct UpArgs {
    /// Address to listen on; a second one for IPv6 [default: 0.0.0.0:7771]
    #[arg(long, env = "OUTLAST_LISTEN", value_name = "ADDRESS:PORT", value_delimiter = ',')]
    pub listen: Vec<SocketAddr>,
    /// Ticket to join with, which `outlast invite` made on a member; may be given several times
    #[arg(long, env = "OUTLAST_JOIN", value_name = "TICKET", value_delimiter = ',')]
    pub join: Vec<String>,
    /// Relay of yours for nodes that don't reach each other directly; may be given several times
    #[arg(long = "relay", env = "OUTLAST_RELAY", value_name = "URL", value_delimiter = ',')]
    pub relays: Vec<String>,
    /// Neither look for nodes on the LAN nor let them find this one
    #[arg(long)]
    pub no_lan: bool,
    /// Gridlets to run at a time; 0: none for others [default: one per core]
    #[arg(long, env = "OUTLAST_SLOTS", value_name = "N")]
    pub slots: Option<u32>,
    /// Name to show to people [default: the host's]
    #[arg(long, env = "OUTLAST_NAME", value_name = "NAME")]
    pub name: Option<String>,
    /// Address for a scraper of metrics; serves /metrics and /healthz to whoever reaches it [default: none]
    #[arg(long, env = "OUTLAST_METRICS", value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,
    /// How to write the log [default: text]
    #[arg(long, env = "OUTLAST_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormatArg>,
    /// Configuration in TOML [default: DATA_DIR/config.toml, if it is there]
    #[arg(long, env = "OUTLAST_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormatArg {
    /// For people
    Text,
    /// For programs: a JSON object a line
    Json,
}

/// A job, as `run` and `submit` take it.
#[derive(Debug, Default, Args)]
pub struct JobArgs {
    /// Values for {NAME} in the command: a list a,b,c or a range 1..100; several make a grid
    #[arg(long = "param", value_name = "NAME=VALUES", value_parser = pair, help_heading = "Work")]
    pub params: Vec<(String, String)>,
    /// File or folder that the program needs; may be given several times
    #[arg(long = "input", value_name = "PATH", help_heading = "Work")]
    pub inputs: Vec<String>,
    /// Where the results go
    #[arg(long, short, value_name = "PATH", help_heading = "Work")]
    pub output: Option<String>,
    /// File that the program writes; may be given several times [default: all that it creates]
    #[arg(long, value_name = "FILE", help_heading = "Work")]
    pub collect: Vec<String>,
    /// File that becomes the program's standard input
    #[arg(long, value_name = "FILE", help_heading = "Work")]
    pub stdin: Option<String>,
    /// Variable to set for the program; may be given several times
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair, help_heading = "Work")]
    pub env: Vec<(String, String)>,
    /// Application that takes the command apart (`app list` names them) [default: found out]
    #[arg(long, value_name = "NAME", help_heading = "Work")]
    pub app: Option<String>,
    /// Option for the application; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair, help_heading = "Work")]
    pub options: Vec<(String, String)>,
    /// Into how many gridlets to split [default: chosen by the application]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Work")]
    pub gridlets: Option<u32>,
    /// Name for the job
    #[arg(long, value_name = "NAME", help_heading = "Work")]
    pub name: Option<String>,
    /// Virtual organisation whose members may work on it [default: all that this node may submit in]
    #[arg(long, value_name = "NAME", help_heading = "Work")]
    pub vo: Option<String>,
    /// How it is treated besides.
    #[command(flatten)]
    pub treated: ServiceArgs,
    /// Job file in TOML; flags go above what it says, paths are relative to its folder
    #[arg(long, short, value_name = "FILE", help_heading = "Work")]
    pub file: Option<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, required_unless_present = "file", value_name = "COMMAND")]
    pub argv: Vec<String>,
}

/// Options of `run`.
#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// How to wait.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// How `run` and `wait` wait.
#[derive(Debug, Default, Args)]
pub struct FollowArgs {
    /// Keep a picture of what is accepted so far in this file
    #[arg(long, value_name = "FILE")]
    pub preview: Option<PathBuf>,
    /// Leave the job and exit with code 5 after this time, such as 90s or 1h30m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

/// A job that is there already.
#[derive(Debug, Args)]
pub struct JobArg {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB")]
    pub job: String,
}

/// Options of `wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Which job.
    #[command(flatten)]
    pub job: JobArg,
    /// How to wait.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// Options of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Which job.
    #[command(flatten)]
    pub job: JobArg,
    /// Tell the story of a gridlet: who answered what, what was sampled, why it was accepted
    #[arg(long, value_name = "GRIDLET", conflicts_with_all = ["gridlets", "limit"])]
    pub why: Option<u32>,
    /// List gridlets too, from this one on
    #[arg(long, value_name = "FIRST", num_args = 0..=1, default_missing_value = "0")]
    pub gridlets: Option<u32>,
    /// How many gridlets to list
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub limit: u32,
}

/// Options of `ps` and `nodes`.
#[derive(Debug, Default, Args)]
pub struct WatchArgs {
    /// Look again every INTERVAL [2s if none is given] until Ctrl-C; where there is no terminal, print what changed
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "2s", value_parser = interval)]
    pub watch: Option<Duration>,
}

/// Options of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Which job.
    #[command(flatten)]
    pub job: JobArg,
    /// Go on until the job ends; with --json, a line for each entry
    #[arg(long, short)]
    pub follow: bool,
    /// What the program wrote on standard output, for a job of a single command
    #[arg(long)]
    pub stdout: bool,
    /// What it wrote on standard error
    #[arg(long, conflicts_with = "stdout")]
    pub stderr: bool,
}

/// Options of `preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// Which job.
    #[command(flatten)]
    pub job: JobArg,
    /// Where to write it; - is standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// Options of `join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// What `outlast invite` printed there
    #[arg(value_name = "TICKET")]
    pub ticket: String,
}

/// Options of `pardon`.
#[derive(Debug, Args)]
pub struct PardonArgs {
    /// The node's key, or the beginning of it
    #[arg(value_name = "NODE")]
    pub node: String,
}

/// Options of `down`.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Leave at once; others find out by its silence
    #[arg(long)]
    pub now: bool,
    /// How long running work may take to end before it is handed back
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub timeout: Duration,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder to write a page for each command to, such as ~/.local/share/man/man1
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// Whether help and errors about the command line are coloured: they come before it is understood.
pub fn colours_of_help(words: &[String]) -> clap::ColorChoice {
    let own = words.iter().take_while(|word| *word != "--");
    let mut choice = clap::ColorChoice::Auto;
    let mut named = false;
    for word in own {
        let value = word.strip_prefix("--color=").or(named.then_some(word.as_str()));
        choice = match value {
            Some("never") => clap::ColorChoice::Never,
            Some("always") => clap::ColorChoice::Always,
            _ => choice,
        };
        named = word == "--color";
    }
    choice
}

/// The command line that somebody meant who forgot `run` or the dashes before a program.
pub fn meant(error: &clap::Error, words: &[String]) -> Option<String> {
    let invalid = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let (word, middle) = match error.kind() {
        // clap knows of a similar one.
        ErrorKind::InvalidSubcommand if error.get(ContextKind::SuggestedSubcommand).is_some() => {
            return None;
        }
        ErrorKind::InvalidSubcommand => {
            (invalid(ContextKind::InvalidSubcommand)?, ["run", "--"].as_slice())
        }
        ErrorKind::UnknownArgument => (invalid(ContextKind::InvalidArg)?, ["--"].as_slice()),
        _ => return None,
    };
    let at = words.iter().position(|other| other == word)?;
    let takes_a_program = words[..at].iter().any(|word| word == "run" || word == "submit");
    if word.starts_with('-')
        || words.contains(&"--".to_owned())
        || middle.len() == 1 && !takes_a_program
    {
        return None;
    }
    let middle = middle.iter().map(|word| (*word).to_owned());
    let before = std::iter::once("outlast".to_owned()).chain(words[1..at].iter().cloned());
    let line: Vec<String> = before.chain(middle).chain(words[at..].iter().cloned()).collect();
    Some(human::command(&line))
}

/// No shorter than this: each look is a question to the daemon.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if interval < SHORTEST_INTERVAL {
        let least = SHORTEST_INTERVAL.as_millis();
        return Err(format!("expected at least {least}ms, found `{text}`"));
    }
    Ok(interval)
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("expected NAME=VALUE, found `{text}`")),
    }
}

impl JobArgs {
    /// What the command line says, for a client in the folder `cwd`.
    pub(crate) fn spec(self, cwd: &Path) -> Result<JobSpec, Failure> {
        let cwd = cwd.to_str().ok_or_else(|| {
            Failure::usage(format!("the folder {} has a name that is no text", cwd.display()))
        })?;
        Ok(JobSpec {
            argv: self.argv,
            cwd: cwd.to_owned(),
            env: unique("--env", self.env)?,
            inputs: self.inputs,
            stdin: self.stdin,
            output: self.output,
            outputs: self.collect,
            params: self.params.into_iter().map(|(name, values)| Param { name, values }).collect(),
            app: self.app,
            options: unique("--set", self.options)?,
            verification: VerificationSpec::default(),
            services: Vec::new(),
            gridlets: self.gridlets,
            name: self.name,
            vo: self.vo,
        })
    }
}

fn unique(
    option: &str,
    pairs: Vec<(String, String)>,
) -> Result<std::collections::BTreeMap<String, String>, Failure> {
    let mut map = std::collections::BTreeMap::new();
    for (name, value) in pairs {
        if map.insert(name.clone(), value).is_some() {
            return Err(Failure::usage(format!("{option} gives {name} twice")));
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests;
