//! What each command does.

mod app;
pub mod capsule;
mod doctor;
mod follow;
mod job;
mod node;
mod pages;
mod run;
mod services;
mod sim;
mod tail;
mod vo;
mod watch;

use std::path::PathBuf;

use outlast_api::types::{JobSummary, Page};
use tokio::time::Instant;

use crate::args::{Cli, Command};
use crate::config::Surroundings;
use crate::connect::{self, Attached};
use crate::embed::{Embedder, Role};
use crate::exit::{Exit, Failure};
use crate::interrupts::Interrupts;
use crate::ui::Ui;

pub use follow::Pacing;

/// What commands need.
pub struct Context<'a> {
    /// Where text goes.
    pub ui: &'a mut Ui,
    /// Starts nodes.
    pub embedder: &'a dyn Embedder,
    /// The node's data directory, absolute.
    pub data_dir: PathBuf,
    /// The current folder.
    pub cwd: PathBuf,
    /// How waiting is paced.
    pub pacing: Pacing,
    /// Where interrupts come from; `None`: the process's signals, caught once a command needs to.
    pub interrupts: Option<Interrupts>,
}

impl<'a> Context<'a> {
    /// What the command line and the surroundings say.
    ///
    /// # Errors
    /// If there is no data directory and the command needs one.
    pub fn new(
        ui: &'a mut Ui,
        embedder: &'a dyn Embedder,
        cli: &Cli,
        around: Surroundings,
    ) -> Result<Self, Failure> {
        let data_dir = match around.data_dir(&cli.global) {
            // Those who build packages have no home.
            Err(_) if !cli.command.needs_data() => PathBuf::new(),
            data_dir => data_dir?,
        };
        let pacing = Pacing::default();
        Ok(Self { ui, embedder, data_dir, cwd: around.cwd, pacing, interrupts: None })
    }

    fn interrupts(&mut self) -> Result<Interrupts, Failure> {
        match self.interrupts.take() {
            Some(interrupts) => Ok(interrupts),
            None => Interrupts::of_process()
                .map_err(|error| Failure::failed(format!("signals can't be received: {error}"))),
        }
    }

    async fn attach(&self, role: Role) -> Result<Attached, Failure> {
        connect::connect_or_embed(self.embedder, &self.data_dir, role).await
    }

    /// For a client whose daemon stopped answering: what the record says, if nobody else has it. A node
    /// that leaves once all jobs have ended can't tell everybody.
    async fn look_at_record(&self, job: &str) -> Recorded {
        let Ok(attached) = self.attach(Role::Passive).await else { return Recorded::Unknown };
        if !attached.is_embedded() {
            return Recorded::Unknown;
        }
        if let Ok(detail) = attached.control().job(job, Page::NONE).await
            && detail.summary.state.ended()
        {
            return Recorded::Ended(attached, Box::new(detail.summary));
        }
        attached.stop().await;
        Recorded::GoesOn
    }
}

/// A job in a record without a daemon.
enum Recorded {
    /// It ended with the daemon; here is who can be asked about it.
    Ended(Attached, Box<JobSummary>),
    /// It waits for the next daemon.
    GoesOn,
    /// Somebody still uses the record, or does so again.
    Unknown,
}

/// A daemon that doesn't answer.
struct Lost {
    since: Instant,
    /// Its record was seen, and there is nothing to do but wait for it.
    goes_on: bool,
}

impl Lost {
    fn now() -> Self {
        Self { since: Instant::now(), goes_on: false }
    }
}

/// Does what a command line says.
///
/// # Errors
/// With the code to exit with.
pub async fn act(command: Command, mut context: Context<'_>) -> Result<Exit, Failure> {
    let context = &mut context;
    match command {
        Command::Up(args) => node::up(context, args).await,
        Command::Run(args) => run::run(context, args).await,
        Command::Submit(args) => job::submit(context, args).await,
        Command::Wait(args) => run::wait(context, args).await,
        Command::Ps(args) => job::ps(context, args).await,
        Command::Show(args) => job::show(context, args).await,
        Command::Logs(args) => job::logs(context, args).await,
        Command::Cancel(args) => job::cancel(context, args).await,
        Command::Retry(args) => run::retry(context, args).await,
        Command::Preview(args) => job::preview(context, args).await,
        Command::Nodes(args) => node::nodes(context, args).await,
        Command::Status => node::status(context).await,
        Command::Join(args) => vo::join(context, args).await,
        Command::Vo(args) => vo::vo(context, args).await,
        Command::Invite(args) => vo::invite(context, args).await,
        Command::Expel(args) => vo::expel(context, args).await,
        Command::Pardon(args) => node::pardon(context, args).await,
        Command::Down(args) => node::down(context, args).await,
        Command::App(command) => app::app(context, command),
        Command::Services(args) => services::services(context, &args),
        Command::Capsule(_) => unreachable!("done before there is a runtime"),
        Command::Sim(command) => sim::sim(context, command),
        Command::Doctor => doctor::doctor(context).await,
        Command::Completions(args) => pages::completions(context, &args),
        Command::Man(args) => pages::man(context, &args),
    }
}

#[cfg(test)]
mod tests;
