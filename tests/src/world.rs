//! Where a test lives: a temporary folder with the data of its nodes, its jobs and all logs.

use std::cell::Cell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::binaries;
use crate::network::Host;
use crate::process::{Process, Said};

/// For a client that does its work and ends. A test has ten minutes in all (.config/nextest.toml).
const CLIENT: Duration = Duration::from_secs(180);

/// Bytes at the end of a log that a failure shows.
const LOG_SHOWN: usize = 12 << 10;

/// Logs that a failure shows in any case.
const LAST_LOGS: usize = 4;

/// A test's folder. Make it first: what is dropped later may still write to it.
#[derive(Debug)]
pub struct World {
    folder: tempfile::TempDir,
    processes: Cell<u32>,
}

impl World {
    /// A new one.
    ///
    /// # Panics
    /// If no folder can be made.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        // A short name: the control socket's path has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("olt-").tempdir();
        let world = Self { folder: folder.expect("a temporary folder"), processes: Cell::new(0) };
        for name in ["logs", "home", "job"] {
            std::fs::create_dir(world.path(name)).expect("a new folder is empty");
        }
        world
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder that jobs are submitted from.
    pub fn job_folder(&self) -> PathBuf {
        self.path("job")
    }

    /// Writes a file that jobs find.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.job_folder().join(name);
        std::fs::write(&path, text).expect("the test's folder can be written");
        path
    }

    /// A file that a job has written.
    ///
    /// # Panics
    /// If it isn't there.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        let path = self.job_folder().join(name);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
    }

    /// A path for the log of another process.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        let number = self.processes.get();
        self.processes.set(number + 1);
        self.path("logs").join(format!("{number:03}-{name}.log"))
    }

    /// A command with nothing around it that could change what it does, on a host of its own or this one.
    pub fn command(&self, program: &Path, host: Option<&Host>) -> Command {
        let mut command = match host {
            Some(host) => host.command(program),
            None => Command::new(program),
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OUTLAST_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.job_folder()).env("HOME", self.path("home"));
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env_remove(name);
        }
        command.env("NO_COLOR", "1").env("RUST_BACKTRACE", "1");
        command
    }

    /// Starts `outlast` with a data directory.
    pub fn start(&self, data_dir: &Path, args: &[&str]) -> Process {
        let mut command = self.command(binaries::outlast(), None);
        command.arg("--data-dir").arg(data_dir).args(args);
        Process::start(command, &self.log("client"), None)
    }

    /// Starts `outlast` with these words alone, for commands that no node takes part in.
    pub fn start_plain(&self, args: &[&str]) -> Process {
        let mut command = self.command(binaries::outlast(), None);
        command.args(args);
        Process::start(command, &self.log("client"), None)
    }

    /// Runs `outlast` with these words alone, to its end.
    pub fn plain(&self, args: &[&str]) -> Said {
        self.start_plain(args).ended(CLIENT)
    }

    /// Runs `outlast` with a data directory, to its end.
    pub fn outlast(&self, data_dir: &Path, args: &[&str]) -> Said {
        self.start(data_dir, args).ended(CLIENT)
    }

    fn logs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("logs")).into_iter().flatten().flatten();
        let mut logs: Vec<_> = entries.map(|entry| entry.path()).collect();
        logs.sort();
        logs
    }
}

impl Drop for World {
    #[expect(clippy::print_stderr, reason = "a failing test tells what it knows")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let logs = self.logs();
        // What clients printed as data is long and seldom of interest, but for the last ones.
        let old = logs.len().saturating_sub(LAST_LOGS);
        for (number, log) in logs.into_iter().enumerate() {
            let data = log.to_string_lossy().ends_with("client.out");
            if data && number < old {
                continue;
            }
            let text = std::fs::read(&log).unwrap_or_default();
            let end = &text[text.len().saturating_sub(LOG_SHOWN)..];
            if !end.is_empty() {
                let name = log.file_name().unwrap_or(OsStr::new("?"));
                eprintln!("── {} ──\n{}", name.display(), String::from_utf8_lossy(end));
            }
        }
    }
}
