//! Start a program, and end it with everything it started.
//!
//! ```text
//!            spawn                     its leader exits, or Group::kill
//!  (nothing) ─────▶ Child: running ────────────────────────────────────▶ zombie
//!                     │ wait(timeout): pidfd readable                      │
//!                     └────────── finish(): kill the rest of the group, then reap ──▶ Ending
//! ```
//!
//! The child leads a session and a process group of its own. Its group can't be mistaken for
//! another: the number of the group is free again only after the leader was reaped, and both
//! killing and reaping happen under one lock.
//!
//! The child is made by `clone(CLONE_VM | CLONE_VFORK)`, as `posix_spawn` does, because neither
//! the time nor the memory that it takes then depends on the size of the daemon. `posix_spawn`
//! itself can't set the parent-death signal or limits. Measured on two shared cores with
//! `/bin/true` from two threads, runs per second with 1, 200 and 1024 MiB touched by the parent:
//!
//! | | 1 MiB | 200 MiB | 1 GiB |
//! | --- | --- | --- | --- |
//! | this | 2480 | 2020 | 2130 |
//! | `Command` (`posix_spawn`) | 2710 | 2390 | 2510 |
//! | `Command` with `pre_exec` (`fork`) | 1860 | 340 | 80 |
//!
//! The parent-death signal is sent when the *thread* that spawned ends. So spawn from threads
//! that live as long as their children; [`Child`] is not `Send` for that reason. It reaches the
//! leader only: [`orphans`](crate::orphans) finds what the leader had started.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::libc;

/// Stack of the child between `clone` and `exec`: it makes about fifty system calls and calls nothing deep.
const CHILD_STACK_BYTES: usize = 64 << 10;

/// Standard signals; real-time signals are never ignored by accident.
const SIGNALS: std::ops::Range<libc::c_int> = 1..32;

/// What to run and how.
#[derive(Debug, Clone, Copy)]
pub struct Spawn<'a> {
    /// The file to execute; see [`find_program`].
    pub program: &'a Path,
    /// `argv[0]` is `name`, then these.
    pub name: &'a str,
    /// Arguments without the program's name.
    pub args: &'a [String],
    /// The whole environment; nothing is inherited.
    pub env: &'a [(String, String)],
    /// Its working folder.
    pub folder: &'a Path,
    /// Standard input; `None`: `/dev/null`.
    pub stdin: Option<&'a File>,
    /// Standard output.
    pub stdout: &'a File,
    /// Standard error.
    pub stderr: &'a File,
    /// No file it writes may grow beyond this, in bytes: it gets `SIGXFSZ` (25).
    pub file_limit: Option<u64>,
    /// Added to its nice level, 0 to 19.
    pub nice: i32,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// A string with a zero byte can't be handed to a program.
    #[error("{0:?} holds a zero byte")]
    ZeroByte(String),
    /// The kernel refused a new process.
    #[error("no new process: {0}")]
    Clone(io::Error),
    /// A step between `clone` and `exec` failed.
    #[error("{step}: {source}")]
    Setup {
        /// Which.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file can't be executed.
    #[error("executing {}: {source}", program.display())]
    Exec {
        /// The file.
        program: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It returned this code.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
}

impl Ending {
    /// As a shell writes it: 128 + n after signal n.
    pub fn code(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Signalled(signal) => 128 + signal,
        }
    }
}

/// The process group of a child, to kill from any thread at any time.
#[derive(Debug, Clone)]
pub struct Group(Arc<Mutex<Option<libc::pid_t>>>);

impl Group {
    /// Kills everything in it; nothing happens if it has ended already.
    pub fn kill(&self) {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *pid {
            kill_group(pid);
        }
    }
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    group: Group,
    pid: libc::pid_t,
    pidfd: OwnedFd,
    /// The parent-death signal follows the thread.
    not_send: PhantomData<*const ()>,
}

impl Child {
    /// Its process id, also the id of its group and session.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// A handle to kill it with.
    pub fn group(&self) -> Group {
        self.group.clone()
    }

    /// Waits until it ends, at most for `timeout` (`None`: for ever). Whether it has ended.
    ///
    /// # Errors
    /// If the kernel can't say.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let timeout_ms = timeout.map_or(-1, |timeout| {
            libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX)
        });
        let mut poll =
            libc::pollfd { fd: self.pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd that outlives the call, and a descriptor that we own.
        match unsafe { libc::poll(&raw mut poll, 1, timeout_ms) } {
            -1 => {
                let error = io::Error::last_os_error();
                // A signal handler ran: the caller's loop looks at its deadline and comes back.
                if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) }
            }
            ready => Ok(ready > 0),
        }
    }

    /// Kills whatever is left of its group and collects its ending; waits for it if it still runs.
    ///
    /// # Errors
    /// If somebody else has collected it.
    pub fn finish(self) -> io::Result<Ending> {
        while !self.wait(None)? {}
        self.reap()
    }

    fn reap(&self) -> io::Result<Ending> {
        let mut pid = self.group.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(leader) = pid.take() else {
            return Err(io::Error::from_raw_os_error(libc::ECHILD));
        };
        kill_group(leader);
        let mut status = 0;
        // SAFETY: plain call; `leader` is our child and was not reaped before, or it was not in
        // the group any more.
        while unsafe { libc::waitpid(leader, &raw mut status, 0) } < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        Ok(if libc::WIFSIGNALED(status) {
            Ending::Signalled(libc::WTERMSIG(status))
        } else {
            Ending::Exited(libc::WEXITSTATUS(status))
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // After `finish` the group is empty and this does nothing.
        let _ = self.reap();
    }
}

fn kill_group(pid: libc::pid_t) {
    // SAFETY: plain call. `pid` is a child of ours that leads its group and was not reaped.
    unsafe { libc::kill(-pid, libc::SIGKILL) };
}

/// The executable file of this name: as given if it holds a `/`, otherwise the first on `path`
/// (colon-separated folders).
pub fn find_program(name: &str, path: &OsStr) -> Option<PathBuf> {
    let executable = |file: &Path| {
        file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let file = PathBuf::from(name);
        return executable(&file).then_some(file);
    }
    if name.is_empty() {
        return None;
    }
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| executable(file))
}

/// What the child reads and writes while it shares our memory.
struct Plan {
    program: CString,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    folder: CString,
    stdio: [libc::c_int; 3],
    file_limit: Option<libc::rlim_t>,
    nice: libc::c_int,
    parent: libc::pid_t,
    failed: Step,
    errno: libc::c_int,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Nothing,
    Session,
    Death,
    Descriptors,
    Folder,
    Limits,
    Exec,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Session => "a session of its own",
            Self::Death => "the parent-death signal",
            Self::Descriptors => "standard input and output",
            Self::Folder => "changing into its folder",
            Self::Limits => "its limits",
            Self::Exec => "executing",
        }
    }
}

fn c_string(bytes: &[u8]) -> Result<CString, SpawnError> {
    CString::new(bytes).map_err(|_| SpawnError::ZeroByte(String::from_utf8_lossy(bytes).into()))
}

/// Starts a program.
///
/// # Errors
/// If it can't be; then nothing runs.
pub fn spawn(spawn: &Spawn<'_>) -> Result<Child, SpawnError> {
    let null;
    let stdin = match spawn.stdin {
        Some(file) => file.as_raw_fd(),
        None => {
            null = File::open("/dev/null")
                .map_err(|source| SpawnError::Setup { step: "opening /dev/null", source })?;
            null.as_raw_fd()
        }
    };
    let mut args = vec![c_string(spawn.name.as_bytes())?];
    for arg in spawn.args {
        args.push(c_string(arg.as_bytes())?);
    }
    let env = spawn
        .env
        .iter()
        .map(|(name, value)| c_string(format!("{name}={value}").as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    let pointers = |strings: &[CString]| {
        strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
    };
    let mut plan = Plan {
        program: c_string(spawn.program.as_os_str().as_bytes())?,
        argv: pointers(&args),
        envp: pointers(&env),
        folder: c_string(spawn.folder.as_os_str().as_bytes())?,
        stdio: [stdin, spawn.stdout.as_raw_fd(), spawn.stderr.as_raw_fd()],
        file_limit: spawn.file_limit,
        nice: spawn.nice,
        parent: nix::unistd::getpid().as_raw(),
        failed: Step::Nothing,
        errno: 0,
    };
    let (pid, pidfd) = clone_child(&mut plan).map_err(SpawnError::Clone)?;
    let child =
        Child { group: Group(Arc::new(Mutex::new(Some(pid)))), pid, pidfd, not_send: PhantomData };
    if plan.failed == Step::Nothing {
        return Ok(child);
    }
    let source = io::Error::from_raw_os_error(plan.errno);
    Err(match plan.failed {
        Step::Exec => SpawnError::Exec { program: spawn.program.to_owned(), source },
        step => SpawnError::Setup { step: step.name(), source },
    })
}

fn clone_child(plan: &mut Plan) -> io::Result<(libc::pid_t, OwnedFd)> {
    let mut stack = vec![0_u128; CHILD_STACK_BYTES / size_of::<u128>()];
    let mut pidfd: libc::c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the signal sets are initialised by the calls that fill them. All signals are
    // blocked around `clone`, so no handler of ours runs in the child on shared memory.
    // CLONE_VFORK suspends this thread until the child has executed or exited, so `plan`,
    // everything it points to, and `stack` outlive their use. The stack's top is aligned to 16
    // bytes as u128 is. `pidfd` is written by the kernel before the call returns.
    let pid = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let pid = libc::clone(
            child_main,
            stack.as_mut_ptr_range().end.cast(),
            flags,
            std::ptr::from_mut(plan).cast(),
            &raw mut pidfd,
        );
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        if pid < 0 {
            return Err(error);
        }
        pid
    };
    // SAFETY: the kernel made this descriptor for us alone; it is close-on-exec.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Runs in the child, on our memory: system calls only, no allocation, no locks, no panics.
extern "C" fn child_main(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `plan` is the exclusive reference that `clone_child` holds, and its thread is
    // suspended while we run.
    let plan = unsafe { &mut *plan.cast::<Plan>() };
    // SAFETY: as for this function; its own failure is reported through `plan`.
    plan.failed = unsafe { child_setup(plan) };
    // SAFETY: errno of the suspended thread, which is ours now; `_exit` runs no handlers.
    unsafe {
        plan.errno = *libc::__errno_location();
        libc::_exit(127)
    }
}

/// Returns the step that failed.
///
/// # Safety
/// Only in a child that shares memory with its suspended parent.
unsafe fn child_setup(plan: &Plan) -> Step {
    // SAFETY: async-signal-safe system calls on strings and descriptors that the parent keeps
    // alive; the signal dispositions are the child's own (no CLONE_SIGHAND).
    unsafe {
        // Rust ignores SIGPIPE, `nohup` SIGHUP, the daemon SIGXFSZ; a program expects defaults.
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        for signal in SIGNALS {
            libc::sigaction(signal, &raw const default, std::ptr::null_mut());
        }
        if libc::setsid() < 0 {
            return Step::Session;
        }
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) < 0 {
            return Step::Death;
        }
        // The daemon may have died before the signal was asked for.
        if libc::getppid() != plan.parent {
            return Step::Death;
        }
        for (target, &source) in plan.stdio.iter().enumerate() {
            // Rust's start-up makes sure that 0 to 2 are open, so a file of ours is none of them
            // and `dup2` clears close-on-exec.
            if libc::dup2(source, target as libc::c_int) < 0 {
                return Step::Descriptors;
            }
        }
        // Ours are close-on-exec; this is for those that the daemon itself was started with. The
        // table of descriptors is the child's own (no CLONE_FILES). Kernels before 5.11 refuse;
        // then a stray descriptor stays open, as it would without this line.
        libc::syscall(
            libc::SYS_close_range,
            3 as libc::c_uint,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
        if libc::chdir(plan.folder.as_ptr()) < 0 {
            return Step::Folder;
        }
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::setrlimit(libc::RLIMIT_CORE, &raw const none) < 0 {
            return Step::Limits;
        }
        if let Some(limit) = plan.file_limit {
            let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
            if libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) < 0 {
                return Step::Limits;
            }
        }
        if plan.nice != 0 && libc::setpriority(libc::PRIO_PROCESS, 0, plan.nice) < 0 {
            return Step::Limits;
        }
        let mut empty: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut empty);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, std::ptr::null_mut());
        libc::execve(plan.program.as_ptr(), plan.argv.as_ptr(), plan.envp.as_ptr());
        Step::Exec
    }
}

#[cfg(test)]
mod tests;
