//! Signals, timers, limits: what is set last, when nothing can fire into a process that isn't whole.

use std::io::{self, Write};

use nix::fcntl::OFlag;
use outlast_image::{Action, Body, PosixTimer, Process, SigInfo};
use outlast_os::trace;

use crate::freeze::bits;
use crate::remote::Remote;

use super::build::{Builder, Made};
use super::layout::about;
use super::{RestoreError, Trying};

impl Builder<'_> {
    /// Everything of a process but its threads' registers and masks.
    pub(super) fn finish_process(&mut self, index: usize) -> Result<(), RestoreError> {
        self.finish_threads(index)?;
        let process = self.process(index);
        let body = process.body.as_ref().expect("not a zombie");
        let pid = process.pid;
        let has_children = self
            .snapshot
            .processes
            .iter()
            .any(|other| other.parent == Some(u32::try_from(index).expect("bounded")));
        let made = self.made(index);
        if has_children {
            forget_ends(made).trying("forgetting children's ends", pid)?;
        }
        actions(made, body, self.spaces.own.ignored).trying("setting signal actions", pid)?;
        self.limits(index)?;
        self.become_users(index)?;
        let process = self.process(index);
        let made = self.made(index);
        let marks = self.marks(index);
        let made_dumpable = || -> io::Result<()> {
            // Becoming somebody else changed it.
            let now = made.call(libc::SYS_prctl, &[bits(libc::PR_GET_DUMPABLE), 0, 0, 0, 0])?;
            // 2 (only for root) is what the kernel makes of setuid programs; nobody can ask for it.
            let wanted = if body.dumpable == 1 { 1 } else { 0 };
            if now != wanted {
                made.call(libc::SYS_prctl, &[bits(libc::PR_SET_DUMPABLE), wanted, 0, 0, 0])?;
            }
            Ok(())
        };
        made_dumpable().trying("setting what may be dumped", pid)?;
        timers(made, body).trying("setting timers", pid)?;
        pending(made, process).trying("sending waiting signals", pid)?;
        leave(made, process).trying("unmapping what is ours", pid)?;
        self.notes.extend(marks);
        Ok(())
    }

    /// Marks that are written from outside. What isn't allowed is noted.
    fn marks(&self, index: usize) -> Vec<String> {
        let process = self.process(index);
        let body = process.body.as_ref().expect("not a zombie");
        let made = self.made(index);
        let mut notes = Vec::new();
        let mut write = |name: &str, now: &str, wanted: String| {
            let path = format!("{}/{name}", made.pid);
            let written = || -> io::Result<()> {
                let mut text = String::new();
                use std::io::Read;
                self.spaces.open(&path, OFlag::O_RDONLY)?.read_to_string(&mut text)?;
                if text.trim() != now {
                    self.spaces.open(&path, OFlag::O_WRONLY)?.write_all(wanted.as_bytes())?;
                }
                Ok(())
            };
            if let Err(error) = written() {
                notes.push(format!("process {}: {name} isn't as it was: {error}", process.pid));
            }
        };
        let score = body.oom_score_adj.to_string();
        write("oom_score_adj", &score, score.clone());
        let filter = body.coredump_filter;
        write("coredump_filter", &format!("{filter:08x}"), format!("{filter:#x}"));
        notes
    }

    fn limits(&mut self, index: usize) -> Result<(), RestoreError> {
        let process = self.process(index);
        let body = process.body.as_ref().expect("not a zombie");
        let mut notes = Vec::new();
        let made = self.made(index);
        for (resource, (soft, hard)) in body.limits.iter().enumerate() {
            let resource = resource as u64;
            let set = || -> io::Result<()> {
                let old = made.put(16, &[0; 16])?;
                made.call(libc::SYS_prlimit64, &[0, resource, 0, old])?;
                let mut now = [0; 16];
                let span = outlast_os::foreign::Span { start: old, end: old + 16 };
                outlast_os::foreign::read(made.pid, &[span], &mut now)?;
                let mut wanted = Vec::with_capacity(16);
                wanted.extend(soft.to_le_bytes());
                wanted.extend(hard.to_le_bytes());
                if now[..] == wanted[..] {
                    return Ok(());
                }
                let at = made.put(0, &wanted)?;
                match made.call(libc::SYS_prlimit64, &[0, resource, at, 0]) {
                    Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                        // A hard limit can't be raised: the soft one, as far as it goes.
                        let now_hard = u64::from_le_bytes(now[8..].try_into().expect("eight"));
                        let at = made.put(0, &soft.min(&now_hard).to_le_bytes())?;
                        made.put(8, &now_hard.to_le_bytes())?;
                        made.call(libc::SYS_prlimit64, &[0, resource, at, 0])?;
                        notes.push(format!(
                            "process {}: hard limit {resource} stays {now_hard}, it was {hard} (CAP_SYS_RESOURCE)",
                            process.pid
                        ));
                        Ok(())
                    }
                    other => other.map(drop),
                }
            };
            let mut set = set;
            set().trying("setting a limit", process.pid)?;
        }
        self.notes.extend(notes);
        Ok(())
    }
}

/// A zombie that was made sent its signal: the program has had it.
fn forget_ends(made: &Made) -> io::Result<()> {
    let mut bytes = (1_u64 << (libc::SIGCHLD - 1)).to_le_bytes().to_vec();
    bytes.extend([0; 16]);
    let at = made.put(0, &bytes)?;
    loop {
        match made.call(libc::SYS_rt_sigtimedwait, &[at, 0, at + 8, 8]) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn set_action(remote: &Remote, made: &Made, signal: u64, words: [u64; 4]) -> io::Result<()> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let at = made.put(0, &bytes)?;
    remote
        .call(libc::SYS_rt_sigaction, &[signal, at, 0, 8])
        .map(drop)
        .map_err(|error| about(error, &format!("signal {signal}")))
}

fn actions(made: &Made, body: &Body, inherited: u64) -> io::Result<()> {
    let remote = made.remote();
    for action in body.actions.iter().filter(|action| !ignores_traps(action)) {
        let words = [action.handler, action.flags, action.restorer, action.mask];
        set_action(&remote, made, u64::from(action.signal), words)?;
    }
    // What the restorer ignores came along.
    for signal in (1..=64_u64).filter(|signal| inherited & 1 << (signal - 1) != 0) {
        if body.actions.iter().all(|action| u64::from(action.signal) != signal) {
            set_action(&remote, made, signal, [0; 4])?;
        }
    }
    Ok(())
}

/// An ignored `SIGTRAP`, which each step of a call resets.
fn ignores_traps(action: &Action) -> bool {
    const IGNORED: u64 = 1;
    action.signal == libc::SIGTRAP.cast_unsigned() && action.handler == IGNORED
}

/// The last calls: what is ours goes. Where `SIGTRAP` is ignored they are made without steps.
fn leave(made: &Made, process: &Process) -> io::Result<()> {
    let body = process.body.as_ref().expect("not a zombie");
    let mut remote = made.remote();
    // A trap that waits is blocked from here on: by threads, and last by the leader, who makes the calls.
    let traps = |infos: &[SigInfo]| -> Vec<SigInfo> {
        infos.iter().filter(|info| signal_of(info) == libc::SIGTRAP).cloned().collect()
    };
    for (nth, thread) in process.threads.iter().enumerate() {
        let shared = if nth == 0 { traps(&body.pending) } else { Vec::new() };
        let own = traps(&thread.pending);
        if shared.is_empty() && own.is_empty() {
            continue;
        }
        for tid in &made.tids {
            trace::set_signal_mask(*tid, u64::MAX)?;
        }
        remote.careful = true;
        let to = Remote { careful: true, ..made.remote_in(nth) };
        let (pid, tid, signal) = (bits(process.pid), bits(thread.tid), bits(libc::SIGTRAP));
        for info in shared {
            let at = made.put(0, &info.0)?;
            to.call(libc::SYS_rt_sigqueueinfo, &[pid, signal, at])?;
        }
        for info in own {
            let at = made.put(0, &info.0)?;
            to.call(libc::SYS_rt_tgsigqueueinfo, &[pid, tid, signal, at])?;
        }
    }
    if let Some(action) = body.actions.iter().find(|action| ignores_traps(action)) {
        remote.careful = true;
        let words = [action.handler, action.flags, action.restorer, action.mask];
        set_action(&remote, made, u64::from(action.signal), words)?;
    }
    remote.call(libc::SYS_munmap, &[made.scratch, crate::freeze::SCRATCH]).map(drop)
}

fn timers(made: &Made, body: &Body) -> io::Result<()> {
    for (which, timer) in body.interval_timers.iter().enumerate() {
        if timer.left == 0 && timer.interval == 0 {
            continue;
        }
        // One whose signal waits to be taken has no time left, and is set again when it is taken; the signal
        // of this one joins the one that waits.
        let left = timer.left.max(1);
        let words = [
            timer.interval / 1_000_000,
            timer.interval % 1_000_000,
            left / 1_000_000,
            left % 1_000_000,
        ];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let at = made.put(0, &bytes)?;
        made.call(libc::SYS_setitimer, &[which as u64, at, 0])?;
    }
    if body.timers.is_empty() {
        return Ok(());
    }
    const PR_TIMER_CREATE_RESTORE_IDS: u64 = 77;
    let chooses = made.call(libc::SYS_prctl, &[PR_TIMER_CREATE_RESTORE_IDS, 1, 0, 0, 0]).is_ok();
    for timer in &body.timers {
        make_timer(made, timer, chooses)
            .map_err(|error| about(error, &format!("timer {}", timer.id)))?;
    }
    if chooses {
        made.call(libc::SYS_prctl, &[PR_TIMER_CREATE_RESTORE_IDS, 0, 0, 0, 0])?;
    }
    Ok(())
}

fn make_timer(made: &Made, timer: &PosixTimer, chooses: bool) -> io::Result<()> {
    let mut event = Vec::with_capacity(64);
    event.extend(timer.value.to_le_bytes());
    event.extend(timer.signal.to_le_bytes());
    event.extend(timer.notify.to_le_bytes());
    event.extend(timer.thread.to_le_bytes());
    event.resize(64, 0);
    let at = made.put(0, &event)?;
    // Ids that can't be chosen come one after the other.
    const PATIENCE: i32 = 1 << 16;
    for _ in 0..PATIENCE {
        let id_at = made.put(64, &timer.id.to_le_bytes())?;
        made.call(libc::SYS_timer_create, &[bits(timer.clock), at, id_at])?;
        let mut id = [0; 4];
        let span = outlast_os::foreign::Span { start: id_at, end: id_at + 4 };
        outlast_os::foreign::read(made.pid, &[span], &mut id)?;
        let id = i32::from_le_bytes(id);
        if id == timer.id {
            if timer.left > 0 {
                let second = 1_000_000_000;
                let words = [
                    timer.interval / second,
                    timer.interval % second,
                    timer.left / second,
                    timer.left % second,
                ];
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                let value = made.put(72, &bytes)?;
                made.call(libc::SYS_timer_settime, &[bits(id), 0, value, 0])?;
            }
            return Ok(());
        }
        made.call(libc::SYS_timer_delete, &[bits(id)])?;
        if chooses || id > timer.id {
            break;
        }
    }
    Err(io::Error::other("its id can't be had"))
}

fn signal_of(info: &SigInfo) -> i32 {
    i32::from_le_bytes(info.0[..4].try_into().expect("128 bytes, as was judged"))
}

fn pending(made: &Made, process: &outlast_image::Process) -> io::Result<()> {
    let body = process.body.as_ref().expect("not a zombie");
    // A trap comes last.
    let skip = [libc::SIGKILL, libc::SIGSTOP, libc::SIGTRAP];
    for info in &body.pending {
        let signal = signal_of(info);
        if !skip.contains(&signal) {
            let at = made.put(0, &info.0)?;
            made.call(libc::SYS_rt_sigqueueinfo, &[bits(process.pid), bits(signal), at])?;
        }
    }
    for (nth, thread) in process.threads.iter().enumerate() {
        // Some may only be sent by the thread to itself.
        let remote = made.remote_in(nth);
        for info in &thread.pending {
            let signal = signal_of(info);
            if !skip.contains(&signal) {
                let at = made.put(0, &info.0)?;
                let to = [bits(process.pid), bits(thread.tid), bits(signal), at];
                remote.call(libc::SYS_rt_tgsigqueueinfo, &to)?;
            }
        }
    }
    Ok(())
}
