//! `outlast restore`.
//!
//! ```text
//!   pidfile's place ──▶ signals blocked ──▶ restore ──▶ pidfile ──┬── --detach: its number, the end
//!                                                                 └── wait: signals go to the root, until it ends
//! ```
//!
//! Signals are blocked before there is a tree: one that comes meanwhile reaches the tree once it is there, rather
//! than leave it without its waiter. A tree that was given the terminal's foreground gives it back when it ends; when it
//! stops, so does this command, for whoever reads the terminal to see it, and both go on together. The first process of its pid namespace lives as long as any process of the
//! tree: it isn't waited for, whoever is next above reaps it.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpgrp};
use outlast_capsule::{
    Pids, RestoreError, RestoreOptions, Restored, Standard, restore as make, take_foreground,
};
use outlast_os::{foreign, terminal};
use serde_json::{Map, Value, json};

use crate::args::capsule::{RestoreArgs, Streams};
use crate::exit::{Exit, Failure};
use crate::render;
use crate::ui::Ui;

/// What ends this command elsewhere is the program's business here.
const FORWARDED: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// For the first process of the namespace, after the root: without other processes it ends at once.
const INIT_ENDS: Duration = Duration::from_millis(20);

/// `outlast restore`.
pub(super) fn restore(ui: &mut Ui, args: &RestoreArgs) -> Result<Exit, Failure> {
    let pidfile = args.pidfile.as_deref().map(PidFile::begin).transpose()?;
    let options = RestoreOptions {
        pids: if args.same_pids { Pids::Same } else { Pids::New },
        standard: match args.streams {
            Streams::Kept => Standard::Kept,
            Streams::Given => Standard::Given,
        },
        accept_changed: args.accept_changed,
        continue_clocks: !args.real_clocks,
        foreground: !args.detach,
        copiers: args.threads.unwrap_or_default(),
        fail_after: None,
    };
    let signals: SigSet = FORWARDED.into_iter().chain([Signal::SIGCHLD]).collect();
    if !args.detach {
        signals.thread_block().map_err(|error| failed("blocking signals", error))?;
    }
    let restored = make(&args.image, &options).map_err(|error| failure(&error))?;
    // From here on a program runs: whatever goes wrong is said, and doesn't keep it from being waited for.
    let mut wrong = None;
    if let Some(file) = pidfile
        && let Err(failure) = file.finish(restored.pid)
    {
        ui.complain(&format!("process {} runs again, but {failure}", restored.pid));
        wrong = Some(failure.exit);
    }
    if !ui.json {
        for note in &restored.report.notes {
            ui.say(&format!("note: {note}"));
        }
    }
    if args.detach {
        if ui.json {
            ui.print_json(&as_json(&restored))?;
        } else if args.stats {
            ui.print(&format!(
                "{}\n{}",
                restored.pid,
                render::capsule::restored(&restored.report, ui.width)
            ))?;
        } else {
            ui.print(&format!("{}\n", restored.pid))?;
        }
        return Ok(wrong.unwrap_or(Exit::OK));
    }
    if ui.json {
        ui.write_err(format!("{}\n", as_json(&restored)).as_bytes());
    } else if args.stats {
        ui.write_err(render::capsule::restored(&restored.report, ui.width).as_bytes());
    }
    let code = wait(&restored, &signals)
        .map_err(|error| failed(&format!("waiting for process {}", restored.pid), error))?;
    Ok(wrong.unwrap_or_else(|| Exit::of_program(code)))
}

/// Waits for the root, handing signals on to it: its exit code, 128 + n after signal n.
fn wait(restored: &Restored, signals: &SigSet) -> io::Result<i32> {
    let root = foreign::pidfd_open(restored.pid)?;
    let init = restored.init.and_then(|pid| foreign::pidfd_open(pid).ok());
    let incoming = SignalFd::with_flags(signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    loop {
        let mut ready = [
            PollFd::new(root.as_fd(), PollFlags::POLLIN),
            PollFd::new(incoming.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ended = ready[0].any() == Some(true);
        while let Some(signal) = incoming.read_signal()? {
            if signal.ssi_signo.cast_signed() == Signal::SIGCHLD as i32 {
                stop_with(restored)?;
                continue;
            }
            // It may have ended just now.
            let _ = foreign::kill(root.as_fd(), signal.ssi_signo.cast_signed());
        }
        if ended {
            break;
        }
    }
    if restored.in_foreground {
        take_foreground();
    }
    // Its parent may be told of its end by another signal than usual, or by none.
    let code = match waitpid(Pid::from_raw(restored.pid), Some(WaitPidFlag::__WALL))? {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        other => return Err(io::Error::other(format!("unexpected {other:?}"))),
    };
    if let (Some(pid), Some(init)) = (restored.init, init) {
        reap(pid, &init);
    }
    Ok(code)
}

/// If the root was stopped at the terminal: stops with it, and goes on with it.
fn stop_with(restored: &Restored) -> io::Result<()> {
    let root = Pid::from_raw(restored.pid);
    let how = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG | WaitPidFlag::__WALL;
    let stopped = match waitid(Id::Pid(root), how) {
        Ok(status) => matches!(status, WaitStatus::Stopped(..)),
        // It has ended, which isn't asked for here.
        Err(Errno::ECHILD) => false,
        Err(error) => return Err(error.into()),
    };
    let terminal = terminal::standard().filter(|_| stopped && restored.in_foreground);
    let Some(terminal) = terminal else { return Ok(()) };
    let group = terminal::foreground(&terminal)?;
    take_foreground();
    // As if this group had been the one to get it; one that nobody could continue isn't stopped by that.
    killpg(getpgrp(), Signal::SIGTSTP)?;
    if terminal::foreground(&terminal)? == getpgrp().as_raw() {
        // It may have ended, or have been given to another group of the tree's meanwhile.
        let _ = terminal::set_foreground(&terminal, group);
    }
    let _ = killpg(Pid::from_raw(group), Signal::SIGCONT);
    Ok(())
}

/// Reaps the first process of the namespace, unless the tree has left others behind.
fn reap(pid: i32, init: &OwnedFd) {
    let mut ready = [PollFd::new(init.as_fd(), PollFlags::POLLIN)];
    let patience = PollTimeout::try_from(INIT_ENDS).unwrap_or(PollTimeout::ZERO);
    if poll(&mut ready, patience).is_ok_and(|count| count > 0) {
        let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
    }
}

fn failure(error: &RestoreError) -> Failure {
    match error {
        RestoreError::Denied { .. } => Failure::new(Exit::REFUSED, error.to_string()),
        _ => Failure::failed(error.to_string()),
    }
}

fn failed(doing: &str, error: impl std::fmt::Display) -> Failure {
    Failure::failed(format!("{doing}: {error}"))
}

fn as_json(restored: &Restored) -> Value {
    let report = &restored.report;
    let mut keys = Map::new();
    keys.insert("pid".to_owned(), restored.pid.into());
    keys.insert("inner_pid".to_owned(), restored.inner_pid.into());
    keys.insert("init".to_owned(), json!(restored.init));
    keys.insert("total_us".to_owned(), report.total_us.into());
    keys.insert("processes".to_owned(), report.processes.into());
    keys.insert("threads".to_owned(), report.threads.into());
    keys.insert("memory_bytes".to_owned(), report.memory_bytes.into());
    keys.insert("image_bytes".to_owned(), report.image_bytes.into());
    keys.insert("notes".to_owned(), json!(report.notes));
    super::phase_keys(&report.phases, &mut keys);
    Value::Object(keys)
}

/// A file that gets its name once it says something. Begun before there is a tree: a folder that can't be written is
/// no reason to make one.
struct PidFile {
    path: PathBuf,
    temporary: PathBuf,
}

impl PidFile {
    fn begin(path: &Path) -> Result<Self, Failure> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let temporary = PathBuf::from(name);
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|error| failed(&format!("writing {}", path.display()), error))?;
        Ok(Self { path: path.to_owned(), temporary })
    }

    fn finish(self, pid: i32) -> Result<(), Failure> {
        let write = || {
            let mut file = std::fs::OpenOptions::new().write(true).open(&self.temporary)?;
            file.write_all(format!("{pid}\n").as_bytes())?;
            std::fs::rename(&self.temporary, &self.path)
        };
        write().map_err(|error| failed(&format!("writing {}", self.path.display()), error))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Gone by then, unless there is no tree.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pidfile_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        drop(PidFile::begin(&path).unwrap());
        assert_eq!(names(), 0, "nothing was restored");
        let file = PidFile::begin(&path).unwrap();
        assert!(!path.exists());
        file.finish(4711).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "4711\n");
        assert_eq!(names(), 1);
        let nowhere = folder.path().join("no/pid");
        let error = PidFile::begin(&nowhere).map(drop).unwrap_err();
        assert!(error.message.contains("no/pid"), "{error}");
    }

    #[test]
    fn a_missing_right_has_a_code_of_its_own() {
        let denied = RestoreError::Denied {
            doing: "making a pid namespace",
            needs: "CAP_SYS_ADMIN",
            source: io::Error::from_raw_os_error(1),
        };
        assert_eq!(failure(&denied).exit, Exit::REFUSED);
        assert_eq!(failure(&RestoreError::Taken(5)).exit, Exit::FAILED);
    }
}
