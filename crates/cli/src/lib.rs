//! The `outlast` command.
//!
//! ```text
//!  args ──parse, no effects──▶ Cli ──commands──▶ connect ──▶ dyn Control ──▶ render, progress ──▶ ui
//!                                                  │  daemon: outlast_api::Client on its socket
//!                                                  └─ none:   Embedder starts a node in this process
//! ```
//!
//! Two steps: [`args`] parses without effects, [`commands`] acts. Data goes to standard output, everything
//! else to standard error. The node itself is behind [`Embedder`], which the binary provides.

pub mod args;
pub mod commands;
pub mod config;
pub mod connect;
pub mod doctor;
pub mod embed;
mod embedded;
pub mod exit;
pub mod human;
pub mod interrupts;
pub mod jobfile;
mod logging;
pub mod pages;
pub mod progress;
pub mod render;
#[cfg(test)]
mod testing;
pub mod ui;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use outlast_node::config::LogFormat;

use crate::args::capsule::CapsuleCli;
use crate::args::{Cli, Command};
use crate::commands::Context;
use crate::config::Surroundings;
use crate::embed::Embedder;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// The whole command, for nodes that can submit these applications: the built-in ones are
/// [`outlast_node::apps::registry`], and a program of one's own puts more in front of them with
/// [`Registry::register`](outlast_node::apps::Registry::register).
pub fn main_with(registry: outlast_node::apps::Registry) -> ExitCode {
    main_with_services(registry, outlast_deploy::Registry::builtin())
}

/// As [`main_with`], for jobs that can name these technical services: those that come with Outlast are
/// [`outlast_deploy::Registry::builtin`], and a program of one's own adds more with
/// [`Registry::register`](outlast_deploy::Registry::register).
pub fn main_with_services(
    registry: outlast_node::apps::Registry,
    services: outlast_deploy::Registry,
) -> ExitCode {
    main(&embedded::Here { registry, services })
}

/// The whole of `checkpoint`, `restore` and `inspect`, if the command line is one of them: they need neither node nor
/// settings nor a runtime, and take so little time that what nodes need would be most of it.
pub fn capsule() -> Option<ExitCode> {
    if !args::capsule::is_meant(std::env::args_os().skip(1)) {
        return None;
    }
    Some(match parse::<CapsuleCli>() {
        Ok(cli) => {
            let mut ui = Ui::of_process(&cli.global);
            let acted = commands::capsule::act(&cli.command, &mut ui);
            end(acted, &mut ui)
        }
        Err(exit) => exit,
    })
}

/// The whole command.
pub fn main(embedder: &dyn Embedder) -> ExitCode {
    let cli = match parse::<Cli>() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    let mut ui = Ui::of_process(&cli.global);
    if let Command::Capsule(command) = &cli.command {
        // Before there are other threads: signals are to reach the one that waits for them.
        let acted = commands::capsule::act(command, &mut ui);
        return end(acted, &mut ui);
    }
    let acted = Surroundings::find().and_then(|around| {
        ui.log_messages = logging::init(&cli, &around)? == LogFormat::Json;
        act(cli, around, &mut ui, embedder)
    });
    end(acted, &mut ui)
}

/// The process's own words, parsed; or the code to end with, once what is wrong with them was said.
fn parse<T: Parser>() -> Result<T, ExitCode> {
    let words: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let parsed = T::command()
        .color(args::colours_of_help(&words))
        .try_get_matches()
        .and_then(|matches| T::from_arg_matches(&matches));
    parsed.map_err(|error| {
        // Help is data and an error isn't; clap knows. A closed pipe is no error.
        let _ = error.print();
        if let Some(line) = args::meant(&error, &words) {
            let mut stderr = std::io::stderr();
            let _ = writeln!(stderr, "\noutlast: did you mean `{line}`?");
        }
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::USAGE.0))
    })
}

/// Says why a command failed, if it did, and with which code it ends.
fn end(acted: Result<Exit, Failure>, ui: &mut Ui) -> ExitCode {
    let exit = match acted {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.message.is_empty() {
                ui.complain(&failure.message);
            }
            failure.exit
        }
    };
    ExitCode::from(exit.0)
}

fn act(
    cli: Cli,
    around: Surroundings,
    ui: &mut Ui,
    embedder: &dyn Embedder,
) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("threads can't be started: {error}")))?;
    let result = runtime.block_on(async {
        let context = Context::new(ui, embedder, &cli, around)?;
        commands::act(cli.command, context).await
    });
    // What a node still does in the background can't hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}
