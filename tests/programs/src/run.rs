//! A test program, running.
//!
//! ```text
//!  start ──▶ until_ready ──▶ (checkpoint, kill, restore: replaced_by) ──▶ go ──▶ verdict
//! ```
//!
//! All processes that have the program's folder as a place of theirs (current directory, or standard output in it) are its
//! own: they are killed when the run is dropped, whoever started them.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::compile;
use crate::list::Program;

/// For what takes a moment, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(60);

/// Where programs find others: not in the places of whoever runs the tests.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Of what a program wrote to standard error, so much is repeated: the end, in bytes.
const STDERR_TOLD: usize = 2000;

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How a program ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Everything was as before.
    Passed,
    /// This machine lacks what the program is about.
    Skipped(String),
    /// What was expected, and what was found.
    Failed(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => to.write_str("passed"),
            Self::Skipped(why) => write!(to, "skipped: {why}"),
            Self::Failed(why) => write!(to, "failed: {why}"),
        }
    }
}

/// A program in a folder of its own. Dropped, all of its processes are killed, and the folder is removed.
#[derive(Debug)]
pub struct Run {
    name: String,
    pid: i32,
    /// As long as the process is the one that was started here.
    child: Option<Child>,
    folder: TempDir,
}

impl Run {
    /// Starts a program.
    ///
    /// # Panics
    /// If it can't be compiled or started.
    pub fn start(program: &Program) -> Self {
        let path = compile::compile(program).unwrap_or_else(|error| panic!("{error}"));
        let path = path.to_str().expect("folders of tests have usual names");
        Self::launched(&program.name, &[path], |_| {}, program.has("outside-session"))
    }

    /// Starts a command in the same way, in a folder that `prepare` fills.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn prepared(name: &str, words: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        Self::launched(name, words, prepare, false)
    }

    fn launched(
        name: &str,
        words: &[&str],
        prepare: impl FnOnce(&Path),
        outside_session: bool,
    ) -> Self {
        let launcher = compile::launcher().unwrap_or_else(|error| panic!("{error}"));
        let folder = tempfile::Builder::new()
            .prefix("outlast-program-")
            .tempdir()
            .expect("a temporary folder can be made");
        // Some programs go on as another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))
            .expect("the folder is ours");
        prepare(folder.path());
        let mut command = Command::new(launcher);
        command.env_clear();
        if outside_session {
            command.env("OUTLAST_OUTSIDE_SESSION", "1");
        }
        let child = command
            .args(words)
            .current_dir(folder.path())
            .env("PATH", PATH)
            .env("TMPDIR", folder.path())
            .env("HOME", folder.path())
            .env("OUTLAST_TEST", name)
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name}: {error}"));
        let pid = i32::try_from(child.id()).expect("process numbers are small");
        Self { name: name.to_owned(), pid, child: Some(child), folder }
    }

    /// The number of the root of its process tree, as seen from here.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it wrote to standard error.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.folder().join("stderr")).unwrap_or_default()
    }

    /// Waits until its state is set up.
    ///
    /// # Errors
    /// How it ended, if it did before that: skipped or failed.
    pub fn until_ready(&mut self) -> Result<(), Verdict> {
        let start = Instant::now();
        loop {
            // First, as one that skips itself may have been ready all the same.
            if self.folder().join("verdict").exists() || self.is_gone() {
                return Err(match self.verdict() {
                    Verdict::Passed => self.failed("it passed before it was to go on"),
                    other => other,
                });
            }
            if self.folder().join("ready").exists() {
                return Ok(());
            }
            if start.elapsed() > SOON {
                return Err(self.failed(&format!("not ready within {} s", SOON.as_secs())));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Tells that the process that was started here is dead, and that this one goes on in its place.
    pub fn replaced_by(&mut self, pid: i32) {
        if let Some(mut child) = self.child.take() {
            // A no-op for a dead one, which is only reaped.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.pid = pid;
    }

    /// Lets it check and end.
    ///
    /// # Panics
    /// If the file can't be made.
    pub fn go(&self) {
        fs::write(self.folder().join("go"), "").expect("the folder is ours");
    }

    /// Waits for a condition on the way.
    ///
    /// # Errors
    /// That it has ended before that, or takes too long.
    pub fn until(
        &mut self,
        what: &str,
        within: Duration,
        condition: impl Fn(&Self) -> bool,
    ) -> Result<(), Verdict> {
        let start = Instant::now();
        while !condition(self) {
            if self.is_gone() {
                return Err(self.failed(&format!("expected that {what}, found that it has ended")));
            }
            if start.elapsed() > within {
                return Err(self.failed(&format!("not within {} s: {what}", within.as_secs())));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Waits for the end of its root process; with its status, if that is a child of this one.
    ///
    /// # Errors
    /// That it takes too long.
    pub fn ended(&mut self, within: Duration) -> Result<Option<ExitStatus>, Verdict> {
        let start = Instant::now();
        loop {
            let status = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if status.is_some() || (self.child.is_none() && self.is_gone()) {
                return Ok(status);
            }
            if start.elapsed() > within {
                return Err(self.failed(&format!("no end within {} s", within.as_secs())));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits for its end, and that of all its processes.
    pub fn verdict(&mut self) -> Verdict {
        let status = match self.ended(SOON) {
            Ok(status) => status,
            Err(verdict) => return verdict,
        };
        let verdict = self.written(status);
        let start = Instant::now();
        while verdict == Verdict::Passed && !self.processes().is_empty() {
            if start.elapsed() > SOON {
                let left = self.processes();
                return self.failed(&format!("expected all processes to end, found {left:?}"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        verdict
    }

    fn written(&self, status: Option<ExitStatus>) -> Verdict {
        let text = fs::read_to_string(self.folder().join("verdict")).unwrap_or_default();
        let verdict = match text.trim_end().split_once(": ").unwrap_or((text.trim_end(), "")) {
            ("pass", _) => Verdict::Passed,
            ("skip", why) => Verdict::Skipped(why.to_owned()),
            ("fail", why) => Verdict::Failed(why.to_owned()),
            _ => {
                let how = status.map_or_else(String::new, |status| match status.signal() {
                    Some(signal) => format!(", killed by signal {signal}"),
                    None => format!(", {status}"),
                });
                return self.failed(&format!("it ended without a verdict{how}"));
            }
        };
        if verdict == Verdict::Passed && status.is_some_and(|status| !status.success()) {
            return self.failed(&format!("it passed, expected exit status 0, found {status:?}"));
        }
        verdict
    }

    fn failed(&self, why: &str) -> Verdict {
        let stderr = self.stderr();
        let from = stderr.floor_char_boundary(stderr.len().saturating_sub(STDERR_TOLD));
        Verdict::Failed(format!("{}: {why}; stderr: {:?}", self.name, &stderr[from..]))
    }

    /// Whether its root process has ended, whoever its parent is.
    fn is_gone(&mut self) -> bool {
        if let Some(child) = &mut self.child {
            return child.try_wait().is_ok_and(|status| status.is_some());
        }
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state.is_none_or(|state| matches!(state, 'Z' | 'X'))
    }

    /// All processes that belong to it and are alive.
    pub fn processes(&self) -> Vec<i32> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
        let own = |pid: &i32| {
            let place = |what: &str| fs::read_link(format!("/proc/{pid}/{what}"));
            let inside = |path: PathBuf| path.starts_with(self.folder());
            place("cwd").is_ok_and(inside) || place("fd/1").is_ok_and(inside)
        };
        entries.flatten().filter_map(number).filter(own).collect()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // More than once: a process may just have been forking.
        for _ in 0..10 {
            let processes = self.processes();
            if processes.is_empty() {
                break;
            }
            for pid in processes {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        } else {
            // One that was restored is a child of ours, too, or nobody's.
            let _ = waitpid(Pid::from_raw(self.pid), Some(WaitPidFlag::WNOHANG));
        }
    }
}
