//! Copies of processes: a fork of each, made while it is stopped. Its memory stays what it was when the process runs
//! again, so that it can be read without anybody waiting (the fork that Redis saves by, made from outside).
//!
//! ```text
//!   copy      clone in the process; the child is stopped before its first instruction, and never runs
//!   end       it is killed; its process, whose leader is stopped for that once more, reaps it
//! ```
//!
//! It shares its process's descriptors and directories: what the process closes is closed. It has no exit signal, so
//! neither SIGCHLD nor a usual `wait` tells the process of it. Should the tracer die, it dies with it, and the watchdog
//! has it reaped. What a copy hasn't: memory that is shared, and what the program said isn't to be in a fork
//! (`MADV_DONTFORK`, `MADV_WIPEONFORK`).
//!
//! While it is there, a process that ends, or executes another program, leaves its descriptors open in the copy, at most
//! until the image is written.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outlast_os::foreign;
use outlast_os::trace::{self, Event, Seize};

use super::{Frozen, bits};
use crate::error::CheckpointError;
use crate::proc::{Proc, Stat, Status, parse_areas};
use crate::remote::{Remote, find_syscall, wait_for_mortal};
use crate::rescue::{self, FORK, MAX_THREADS, Rescue};

/// Copies of processes of a tree. Dropped, they end.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    all: Vec<Copy>,
    rescue: Option<Arc<Rescue>>,
    patience: Duration,
    /// A place in the rescue's memory that nobody has when the tree runs again.
    slot: usize,
}

#[derive(Clone, Copy, Debug)]
struct Copy {
    pid: i32,
    /// What its process knows it by.
    inner: i32,
    of: i32,
    slot: usize,
}

impl Frozen {
    /// Makes a copy of a process, and answers its id.
    ///
    /// # Errors
    /// There is no memory for it, or the program may have no more processes; or calls can't be made safely in it.
    pub(crate) fn copy(&mut self, index: usize, copies: &mut Copies) -> io::Result<i32> {
        let process = &self.processes[index];
        let leader = &process.threads[0].held;
        // Places for it, and for its process when that is stopped again.
        const PLACES: usize = 4;
        if leader.parked == 0 || self.slots + PLACES > MAX_THREADS {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let tid = leader.tid;
        let of = process.pid;
        let remote = Remote { at: leader.parked + FORK, ..*process.remote() };
        let slot = self.next_slot();
        let since = since_boot()?;
        self.rescue.copied(slot, of, 0, since);
        trace::set_options(tid, Seize { follow: true, ..Seize::default() })?;
        let made = fork(&remote);
        trace::set_options(tid, Seize::default())?;
        let (pid, inner) = made.inspect_err(|_| self.rescue.forget(slot))?;
        self.rescue.copied(slot, of, pid, since);
        copies.all.push(Copy { pid, inner, of, slot });
        copies.rescue = Some(Arc::clone(&self.rescue));
        copies.patience = self.patience;
        copies.slot = self.next_slot();
        trace::set_options(pid, Seize { kill_with_tracer: true, ..Seize::default() })?;
        Ok(pid)
    }

    /// Stops the first thread of a process alone, and prepares it for calls that need no memory.
    fn leader(
        pid: i32,
        rescue: Arc<Rescue>,
        slot: usize,
        patience: Duration,
    ) -> Result<Self, CheckpointError> {
        let mut frozen = Self::nothing(rescue, slot, patience);
        frozen.stop_leader(pid)?;
        frozen.park(0)?;
        Ok(frozen)
    }
}

/// Has a process fork: the child's id, and what the process knows it by.
fn fork(remote: &Remote) -> io::Result<(i32, i32)> {
    let flags = bits(libc::CLONE_FILES | libc::CLONE_FS);
    remote.start(libc::SYS_clone, &[flags, 0, 0, 0, 0])?;
    let mut child = None;
    let mut boundaries = 0;
    while boundaries < 2 {
        match wait_for_mortal(remote.tid)? {
            Event::Clone => child = i32::try_from(trace::message(remote.tid)?).ok(),
            Event::Signal(libc::SIGTRAP) => boundaries += 1,
            Event::Exited(_) | Event::Killed(_) | Event::Exit => {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            _ => {}
        }
        if boundaries < 2 {
            trace::to_call_boundary(remote.tid)?;
        }
    }
    let result = trace::registers(remote.tid)?.result();
    let (Some(child), Ok(inner)) = (child, i32::try_from(result)) else {
        let number = i32::try_from(-result).unwrap_or(libc::EIO);
        return Err(io::Error::from_raw_os_error(number));
    };
    while !matches!(wait_for_mortal(child)?, Event::Stop(_)) {
        trace::go_on(child, 0)?;
    }
    Ok((child, inner))
}

impl Copies {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Ends them: how long their processes were stopped for that.
    pub(crate) fn end(mut self) -> Duration {
        self.end_all()
    }

    /// A process that is gone, or that somebody else traces by now, reaps its copy later or not at all: it is of no
    /// other effect.
    fn end_all(&mut self) -> Duration {
        let mut stopped = Duration::ZERO;
        for copy in self.all.drain(..) {
            if let Ok(handle) = foreign::pidfd_open(copy.pid) {
                let _ = foreign::kill(handle.as_fd(), libc::SIGKILL);
            }
            while !matches!(
                trace::wait(copy.pid, true),
                Ok(Some(Event::Exited(_) | Event::Killed(_))) | Err(_)
            ) {
                let _ = trace::go_on(copy.pid, 0);
            }
            let Some(rescue) = &self.rescue else { continue };
            let begin = Instant::now();
            if let Ok(frozen) =
                Frozen::leader(copy.of, Arc::clone(rescue), self.slot, self.patience)
            {
                let _ = wait_for(frozen.processes[0].remote(), copy.inner);
                let _ = frozen.thaw();
                stopped += begin.elapsed();
            }
            rescue.forget(copy.slot);
        }
        stopped
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        self.end_all();
    }
}

/// Has a thread reap a child.
fn wait_for(remote: &Remote, child: i32) -> io::Result<u64> {
    let child = u64::from(child.cast_unsigned());
    remote.call(libc::SYS_wait4, &[child, 0, bits(libc::__WALL | libc::WNOHANG), 0])
}

/// Hundredths of a second since the machine began, as `stat` counts.
fn since_boot() -> io::Result<u64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)?;
    let hundredths = now.tv_sec() * 100 + now.tv_nsec() / 10_000_000;
    Ok(hundredths.cast_unsigned())
}

/// A copy whose tracer died before it heard of it: a child that no other could be.
fn unknown_copy(of: i32, since: u64) -> io::Result<i32> {
    let is_it = |pid: &i32| {
        let stat = Proc { pid: *pid }.read("stat").and_then(|text| Stat::parse(&text));
        stat.is_ok_and(|stat| stat.exit_signal == 0 && stat.started >= since)
    };
    let children = Proc { pid: of }.children(of)?;
    children.into_iter().find(is_it).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Has a process reap a copy of it, for the watchdog, whom nobody watches. What it is given is what was written down.
pub(crate) fn reap_in(pid: i32, copy: i32, since: u64) -> io::Result<()> {
    const MOMENT: Duration = Duration::from_secs(10);
    let copy = Proc { pid: if copy == 0 { unknown_copy(pid, since)? } else { copy } };
    // A dying tracer is heard of before it lets go, which is the end of the copy.
    let deadline = Instant::now() + MOMENT;
    while Stat::parse(&copy.read("stat")?)?.state != b'Z' {
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    let child = Status::parse(&copy.read("status")?)?.pid;
    rescue::take(pid)?;
    let reaped = || -> io::Result<()> {
        let areas = parse_areas(&Proc { pid }.read("maps")?)?;
        let vdso = areas.iter().find(|area| area.name == b"[vdso]");
        let vdso = vdso.ok_or_else(|| io::Error::other("no vdso"))?;
        let mut code = vec![0; usize::try_from(vdso.end - vdso.start).expect("two pages")];
        let span = foreign::Span { start: vdso.start, end: vdso.end };
        foreign::read(pid, &[span], &mut code)?;
        let at = find_syscall(&code).ok_or_else(|| io::Error::other("no system call"))?;
        let mask = trace::signal_mask(pid)?;
        let base = crate::dump::begin_again(pid, pid, trace::registers(pid)?, mask);
        trace::set_signal_mask(pid, u64::MAX)?;
        let remote = Remote { tid: pid, base, at: vdso.start + at, rounds: 0, careful: true };
        let reaped = wait_for(&remote, child);
        trace::set_registers(pid, &base)?;
        trace::set_signal_mask(pid, mask)?;
        reaped.map(drop)
    };
    let reaped = reaped();
    trace::detach(pid, 0)?;
    reaped
}
