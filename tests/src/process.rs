//! A process that can't outlive its test, nor hang it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::LOOK_EVERY;

/// A process whose output goes to files. It is killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    what: String,
    out: PathBuf,
    err: PathBuf,
}

/// What a process that ended had to say.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its command line, for messages.
    pub what: String,
    /// Exit code; 128 + n after signal n.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Process {
    /// Starts `command`; its output goes to `log.out` and `log.err`, `input` to its standard input.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn start(mut command: Command, log: &Path, input: Option<&str>) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
        let what = words.join(" ");
        let (out, err) = (log.with_extension("out"), log.with_extension("err"));
        let file = |path: &Path| File::create(path).expect("the test's folder can be written");
        command.stdout(file(&out)).stderr(file(&err));
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("starting `{what}`: {error}"));
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // Whoever doesn't read it has a reason.
            let _ = stdin.write_all(input.as_bytes());
        }
        Self { child, what, out, err }
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process numbers are small")
    }

    /// Standard output so far.
    pub fn stdout(&self) -> String {
        read(&self.out)
    }

    /// Standard error so far.
    pub fn stderr(&self) -> String {
        read(&self.err)
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If that doesn't come in time.
    pub fn ended(&mut self, within: Duration) -> Said {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return self.said(status);
            }
            if start.elapsed() >= within {
                self.kill();
                panic!(
                    "`{}` did not end within {} s\nstdout: {}\nstderr: {}",
                    self.what,
                    within.as_secs(),
                    self.stdout(),
                    self.stderr()
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn said(&self, status: ExitStatus) -> Said {
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Said {
            what: self.what.clone(),
            code: code.unwrap_or(-1),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read(path: &Path) -> String {
    std::fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

impl Said {
    /// This exit code is what was expected; gives it back.
    ///
    /// # Panics
    /// If it was another.
    #[track_caller]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "exit code of `{}`\nstdout: {}\nstderr: {}",
            self.what, self.stdout, self.stderr
        );
        self
    }

    /// Standard error has this text in it, as a message for people: no panic, no backtrace.
    ///
    /// # Panics
    /// If it hasn't.
    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        let clean = !self.stderr.contains("panicked at");
        assert!(
            self.stderr.contains(text) && clean,
            "`{}` was expected to say {text:?}, found: {}",
            self.what,
            self.stderr
        );
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// If it isn't.
    #[track_caller]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("`{}`: {error}\nstdout: {}\nstderr: {}", self.what, self.stdout, self.stderr)
        })
    }
}
