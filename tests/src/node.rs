//! Daemons of a test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use outlast_api::types::{JobDetail, JobSummary, NodeRow, NodeState, NodeStatus};

use crate::binaries;
use crate::clock::Clock;
use crate::network::Host;
use crate::process::{Process, Said};
use crate::until;
use crate::world::World;

/// A daemon, or where one was: `outlast up`, or `outlast-rogue`. It is killed when dropped.
#[derive(Debug)]
pub struct Node<'w> {
    world: &'w World,
    name: String,
    data_dir: PathBuf,
    rogue: Vec<String>,
    host: Option<Host>,
    args: Vec<String>,
    env: Vec<(String, OsString)>,
    /// Where it listens; kept over a restart, as others know it by this.
    listen: String,
    process: Option<Process>,
}

impl<'w> Node<'w> {
    /// A daemon on the loopback interface; not started.
    pub fn new(world: &'w World, name: &str, slots: u32) -> Self {
        Self {
            world,
            name: name.to_owned(),
            data_dir: world.path(name),
            rogue: Vec::new(),
            host: None,
            args: vec!["--slots".to_owned(), slots.to_string()],
            env: Vec::new(),
            listen: "127.0.0.1:0".to_owned(),
            process: None,
        }
    }

    /// Lies as `outlast-rogue` is told by these options.
    pub fn rogue(mut self, options: &[&str]) -> Self {
        self.rogue = options.iter().map(|&option| option.to_owned()).collect();
        self
    }

    /// On a host of its own.
    pub fn on(mut self, host: &Host) -> Self {
        self.listen = format!("{}:0", host.address);
        self.host = Some(host.clone());
        self
    }

    /// With its data somewhere else.
    pub fn at(mut self, data_dir: &Path) -> Self {
        self.data_dir = data_dir.to_owned();
        self
    }

    /// Joins the grid of a node that runs.
    pub fn join(self, other: &Self) -> Self {
        let ticket = other.invite(&["--role", "all", "--reusable"]);
        self.joining(&ticket)
    }

    /// Joins with this ticket.
    pub fn joining(mut self, ticket: &str) -> Self {
        self.args.extend(["--join".to_owned(), ticket.to_owned()]);
        self
    }

    /// Listens on another port from its next start on.
    pub fn moves(&mut self) {
        let host = self.listen.rsplit_once(':').map_or("127.0.0.1", |(host, _)| host);
        self.listen = format!("{host}:0");
    }

    /// With these options of `up`.
    pub fn with(mut self, options: &[&str]) -> Self {
        self.args.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// With a clock that is this far ahead.
    pub fn clock(mut self, clock: &Clock, ahead_s: i64) -> Self {
        self.env.extend(clock.env(ahead_s));
        self
    }

    /// From its next start on with the right clock.
    pub fn clock_right(&mut self) {
        self.env.clear();
    }

    /// With this configuration file, which `outlast-rogue` doesn't read.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn configured(self, toml: &str) -> Self {
        std::fs::create_dir_all(&self.data_dir).expect("the test's folder can be written");
        std::fs::write(self.data_dir.join("config.toml"), toml).expect("a folder of ours");
        self
    }

    /// Starts it, and waits until it can be asked.
    ///
    /// # Panics
    /// If it doesn't start.
    #[track_caller]
    pub fn up(mut self) -> Self {
        self.start();
        self
    }

    /// Starts it, again for instance, and waits until it can be asked.
    ///
    /// # Panics
    /// If it doesn't start.
    #[track_caller]
    pub fn start(&mut self) {
        let mut process = Process::start(self.command(), &self.world.log(&self.name), None);
        let name = &self.name;
        until(&format!("node {name} prints its key"), || {
            assert!(!process.has_ended(), "node {name} ended at once: {}", process.stderr());
            process.stdout().ends_with('\n').then_some(())
        });
        self.process = Some(process);
        self.listen = self.status().addresses.first().expect("it listens").clone();
    }

    fn command(&self) -> Command {
        let program = if self.rogue.is_empty() { binaries::outlast() } else { binaries::rogue() };
        let mut command = self.world.command(program, self.host.as_ref());
        command.arg("--data-dir").arg(&self.data_dir);
        if self.rogue.is_empty() {
            command.arg("up");
        }
        command.args(&self.rogue).args(&self.args);
        command.args(["--name", &self.name, "--listen", &self.listen]);
        command.env("OUTLAST_LOG", "warn,outlast=debug");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process.
    ///
    /// # Panics
    /// If it isn't running.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the test started it")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process().kill();
        self.process = None;
    }

    /// Asks it, or gives it something to do.
    pub fn outlast(&self, args: &[&str]) -> Said {
        self.world.outlast(&self.data_dir, args)
    }

    /// A client that goes on while the test does other things.
    pub fn start_outlast(&self, args: &[&str]) -> Process {
        self.world.start(&self.data_dir, args)
    }

    /// How it is; that it answers at all is a test.
    ///
    /// # Panics
    /// If it doesn't.
    #[track_caller]
    pub fn status(&self) -> NodeStatus {
        self.outlast(&["status", "--json"]).with_code(0).json()
    }

    /// A ticket that it makes.
    ///
    /// # Panics
    /// If it doesn't.
    #[track_caller]
    pub fn invite(&self, options: &[&str]) -> String {
        let args: Vec<&str> = ["invite"].iter().chain(options).copied().collect();
        self.outlast(&args).with_code(0).stdout.trim_end().to_owned()
    }

    /// Whom it knows, itself included.
    ///
    /// # Panics
    /// If it doesn't answer.
    #[track_caller]
    pub fn nodes(&self) -> Vec<NodeRow> {
        self.outlast(&["nodes", "--json"]).with_code(0).json()
    }

    /// What it thinks of another one.
    pub fn view_of(&self, name: &str) -> Option<NodeRow> {
        self.nodes().into_iter().find(|row| row.name == name)
    }

    /// Waits until it knows so many nodes to be there, itself included.
    ///
    /// # Panics
    /// If that doesn't happen.
    #[track_caller]
    pub fn knows(&self, count: usize) {
        until(&format!("{} knows {count} nodes", self.name), || {
            let here = |row: &&NodeRow| matches!(row.state, NodeState::Alive | NodeState::Myself);
            (self.nodes().iter().filter(here).count() == count).then_some(())
        });
    }

    /// Its jobs, the newest first.
    ///
    /// # Panics
    /// If it doesn't answer.
    #[track_caller]
    pub fn jobs(&self) -> Vec<JobSummary> {
        self.outlast(&["ps", "--json"]).with_code(0).json()
    }

    /// Its one job, or its newest.
    ///
    /// # Panics
    /// If it has none after a while.
    #[track_caller]
    pub fn job(&self) -> JobSummary {
        until(&format!("{} has a job", self.name), || self.jobs().into_iter().next())
    }

    /// All about its newest job, with its gridlets.
    ///
    /// # Panics
    /// If it has none.
    #[track_caller]
    pub fn show(&self) -> JobDetail {
        let id = self.job().id;
        self.outlast(&["show", &id, "--gridlets", "--json"]).with_code(0).json()
    }
}
