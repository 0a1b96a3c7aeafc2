//! The namespaces that a tree is restored into, and their first process.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use outlast_image::Snapshot;
use outlast_os::stub::{Init, spawn_init};
use outlast_os::{foreign, spaces};

use crate::machine;
use crate::proc::{self, Status};

use super::{Pids, RestoreError, RestoreOptions, Trying};

/// Where the tree is restored. Dropped before it was kept, the first process ends, and all others with it.
#[derive(Debug)]
pub(super) struct Spaces {
    /// The `/proc` that shows the ids that this thread uses: its mounts may have another.
    proc: File,
    /// Who this thread is: what processes that it makes begin as.
    pub(super) own: Status,
    init: Option<InitProcess>,
}

#[derive(Debug)]
struct InitProcess {
    pid: i32,
    leash: RefCell<Option<File>>,
    kept: Cell<bool>,
}

impl Spaces {
    /// Makes the namespaces, and enters those that files are opened in.
    pub(super) fn enter(
        snapshot: &Snapshot,
        options: &RestoreOptions,
        anywhere: &[u64],
        notes: &mut Vec<String>,
    ) -> Result<Self, RestoreError> {
        let proc = File::open("/proc").with(|| "opening /proc".to_owned())?;
        let own = proc::read("/proc/thread-self/status").and_then(|text| Status::parse(&text));
        let own = own.with(|| "reading our own status".to_owned())?;
        let mut spaces = Self { proc, own, init: None };
        // Before pids: the first process has to see these clocks too.
        if options.continue_clocks
            && let Err(error) = set_clocks(snapshot)
        {
            notes.push(format!(
                "CLOCK_MONOTONIC doesn't go on from where it was: no time namespace ({error}; it needs CAP_SYS_ADMIN and CAP_SYS_TIME)"
            ));
        }
        if options.pids == Pids::New {
            spaces::unshare(spaces::PIDS).needing("making a pid namespace", "CAP_SYS_ADMIN")?;
            spaces.init = Some(first_process(notes)?);
            let pid = spaces.init.as_ref().expect("just set").pid;
            // It isn't bound to where this thread is.
            let _ = outlast_os::schedule::set_affinity(pid, anywhere);
            let mounts = spaces
                .open(&format!("{pid}/ns/mnt"), OFlag::O_RDONLY)
                .with(|| "opening the mounts".to_owned())?;
            spaces::unshare(spaces::DIRECTORIES)
                .with(|| "taking directories of its own".to_owned())?;
            spaces::enter_mounts(&mounts)
                .needing("entering the mounts", "CAP_SYS_ADMIN and CAP_SYS_CHROOT")?;
        }
        Ok(spaces)
    }

    /// Whether the tree has a pid namespace, and mounts, of its own.
    pub(super) fn are_new(&self) -> bool {
        self.init.is_some()
    }

    /// Opens a file of `/proc`, by ids as this thread sees them.
    pub(super) fn open(&self, path: &str, flags: OFlag) -> io::Result<File> {
        let fd = openat(&self.proc, path, flags | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(File::from(fd))
    }

    /// Opens a descriptor of ours anew.
    pub(super) fn reopen(&self, descriptor: &impl AsFd, flags: OFlag) -> io::Result<OwnedFd> {
        use std::os::fd::AsRawFd;
        let path = format!("thread-self/fd/{}", descriptor.as_fd().as_raw_fd());
        self.open(&path, flags).map(OwnedFd::from)
    }

    /// Tells the first process that the tree is whole, and which process is its root.
    pub(super) fn release(&self, root: i32) -> io::Result<()> {
        if let Some(init) = &self.init
            && let Some(mut leash) = init.leash.take()
        {
            let mut order = vec![1];
            order.extend(root.to_le_bytes());
            leash.write_all(&order)?;
        }
        Ok(())
    }

    /// From now on it lives without us: its id.
    pub(super) fn keep(&self) -> Option<i32> {
        self.init.as_ref().map(|init| {
            init.kept.set(true);
            init.pid
        })
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        let Some(init) = &self.init else { return };
        if init.kept.get() {
            return;
        }
        drop(init.leash.take());
        if let Ok(handle) = foreign::pidfd_open(init.pid) {
            let _ = foreign::kill(handle.as_fd(), libc::SIGKILL);
        }
        let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(init.pid), None);
    }
}

fn first_process(notes: &mut Vec<String>) -> Result<InitProcess, RestoreError> {
    let pipe = || nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(io::Error::from);
    let (leash, hold) = pipe().with(|| "making a pipe".to_owned())?;
    let (ready, tell) = pipe().with(|| "making a pipe".to_owned())?;
    // It must not hold its own leash: the child closes nothing, so the end is given away before it is made.
    let init = Init { leash: leash.as_fd(), ready: tell.as_fd(), mounts: true };
    let pid = spawn_init(&init).needing("making a process", "CAP_SYS_ADMIN")?;
    drop(tell);
    let mut byte = [0];
    File::from(ready).read_exact(&mut byte).with(|| "waiting for the first process".to_owned())?;
    if byte[0] != 0 {
        let error = io::Error::from_raw_os_error(i32::from(byte[0]));
        notes.push(format!("/proc shows the ids of outside: it can't be mounted anew ({error})"));
    }
    Ok(InitProcess { pid, leash: RefCell::new(Some(File::from(hold))), kept: Cell::new(false) })
}

/// A time namespace for children, whose clocks go on from where the tree's were.
fn set_clocks(snapshot: &Snapshot) -> io::Result<()> {
    let now = machine::clocks_of(std::process::id().cast_signed())?;
    let own = machine::offsets(std::process::id().cast_signed());
    spaces::unshare(spaces::TIME)?;
    let then = snapshot.clocks;
    let offset = |then: u64, now: u64, own: i64| {
        then.cast_signed().saturating_sub(now.cast_signed()).saturating_add(own)
    };
    let write = |name: &str, nanos: i64| {
        let (seconds, nanos) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
        format!("{name} {seconds} {nanos}\n")
    };
    let text = write("monotonic", offset(then.monotonic, now.monotonic, own[0]))
        + &write("boottime", offset(then.boot, now.boot, own[1]));
    std::fs::write(format!("/proc/{}/timens_offsets", spaces::thread_id()), text)
}
