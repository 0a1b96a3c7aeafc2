//! Threads: made by the leader, all in the same memory; and what each is.

use std::io;

use outlast_image::{Credentials, Process, Thread};
use outlast_os::schedule::{self, Attributes};

use crate::freeze::bits;
use crate::proc::Status;

use super::build::{Builder, Made, clone_in, taken};
use super::layout::about;
use super::{RestoreError, Trying};

/// In the scratch memory: arguments of each thread's calls.
const EACH: u64 = 64;

/// Without the changes that the kernel makes to capabilities when user ids change.
const NO_SETUID_FIXUP: u64 = 1 << 2;

impl Builder<'_> {
    /// Makes a process's other threads, stopped.
    pub(super) fn make_threads(&mut self, index: usize) -> Result<(), RestoreError> {
        let process = self.process(index);
        for thread in &process.threads[1..] {
            let mut flags = libc::CLONE_VM
                | libc::CLONE_FS
                | libc::CLONE_FILES
                | libc::CLONE_SIGHAND
                | libc::CLONE_THREAD
                | libc::CLONE_SYSVSEM;
            if thread.clear_tid != 0 {
                flags |= libc::CLONE_CHILD_CLEARTID;
            }
            let made = self.made(index);
            let tid = clone_in(made, 0, bits(flags), 0, thread.clear_tid, thread.tid)
                .map_err(|error| taken(error, thread.tid))?;
            self.made[index].as_mut().expect("made before").tids.push(tid);
        }
        Ok(())
    }

    /// Everything of the threads but registers and masks.
    pub(super) fn finish_threads(&mut self, index: usize) -> Result<(), RestoreError> {
        let process = self.process(index);
        let made = self.made(index);
        let leader = &process.threads[0];
        made.call(libc::SYS_set_tid_address, &[leader.clear_tid])
            .trying("setting the address to clear", process.pid)?;
        steps(made, process).trying("preparing the threads", process.pid)?;
        Ok(())
    }

    /// How the threads are scheduled: when they make no more calls for us.
    pub(super) fn schedule_threads(&mut self, index: usize) {
        let mut notes = Vec::new();
        for (thread, tid) in self.process(index).threads.iter().zip(&self.made(index).tids) {
            schedule_one(*tid, thread, &self.anywhere, &mut notes);
        }
        self.notes.append(&mut notes);
    }

    /// Who the threads are: last, as it may take away the right to do the rest.
    pub(super) fn become_users(&mut self, index: usize) -> Result<(), RestoreError> {
        let process = self.process(index);
        let made = self.made(index);
        let own = &self.spaces.own;
        for (nth, thread) in process.threads.iter().enumerate() {
            let remote = made.remote_in(nth);
            let call = |number, arguments: &[u64]| remote.call(number, arguments);
            let wanted = &thread.credentials;
            let same = wanted.uids == own.uids
                && wanted.gids == own.gids
                && wanted.groups == own.groups
                && wanted.capabilities == own.capabilities
                && wanted.securebits == 0
                && wanted.no_new_privileges == own.no_new_privileges;
            if !same {
                change_user(made, wanted, own, &call).trying("becoming the user", thread.tid)?;
            }
            if thread.parent_death_signal != 0 && process.parent.is_some() {
                let signal = bits(thread.parent_death_signal);
                call(libc::SYS_prctl, &[bits(libc::PR_SET_PDEATHSIG), signal, 0, 0, 0])
                    .trying("asking for a parent's death", thread.tid)?;
            }
        }
        Ok(())
    }
}

/// Calls that all threads make, side by side.
fn steps(made: &Made, process: &Process) -> io::Result<()> {
    type Call = Option<(libc::c_long, Vec<u64>)>;
    let at_once = usize::try_from((crate::freeze::SCRATCH) / EACH).expect("small");
    for first in (0..process.threads.len()).step_by(at_once) {
        let part = &process.threads[first..process.threads.len().min(first + at_once)];
        let mut bytes = Vec::with_capacity(part.len() * 64);
        for thread in part {
            // A name of 16 bytes, then a stack_t of 24.
            let mut name = thread.name.clone();
            name.resize(16, 0);
            bytes.extend(&name);
            const SS_ONSTACK: i32 = 1;
            let (address, flags, size) = thread.alternate_stack;
            bytes.extend(address.to_le_bytes());
            bytes.extend(u64::from((flags & !SS_ONSTACK).cast_unsigned()).to_le_bytes());
            bytes.extend(size.to_le_bytes());
            bytes.resize(bytes.len().next_multiple_of(64), 0);
        }
        let at = made.put(0, &bytes)?;
        let place = |nth: usize| at + nth as u64 * EACH;
        type Step<'a> = &'a dyn Fn(usize, &Thread) -> Call;
        let steps: [Step<'_>; 6] = [
            &|_, thread| {
                let (pointer, size, signature) = thread.rseq?;
                Some((libc::SYS_rseq, vec![pointer, u64::from(size), 0, u64::from(signature)]))
            },
            &|_, thread| {
                let (head, size) = thread.robust_list;
                (head != 0).then(|| (libc::SYS_set_robust_list, vec![head, size]))
            },
            &|nth, _| Some((libc::SYS_sigaltstack, vec![place(nth) + 16, 0])),
            &|nth, _| Some((libc::SYS_prctl, vec![bits(libc::PR_SET_NAME), place(nth), 0, 0, 0])),
            &|_, thread| {
                const DEFAULT: u64 = 50_000;
                (thread.timer_slack != DEFAULT).then(|| {
                    (
                        libc::SYS_prctl,
                        vec![bits(libc::PR_SET_TIMERSLACK), thread.timer_slack, 0, 0, 0],
                    )
                })
            },
            &|_, thread| {
                (thread.personality != 0)
                    .then(|| (libc::SYS_personality, vec![u64::from(thread.personality)]))
            },
        ];
        for step in steps {
            for (nth, thread) in part.iter().enumerate() {
                if let Some((number, arguments)) = step(nth, thread) {
                    made.remote_in(first + nth).start(number, &arguments)?;
                }
            }
            for (nth, thread) in part.iter().enumerate() {
                if let Some((number, _)) = step(nth, thread) {
                    made.remote_in(first + nth)
                        .finish()
                        .map_err(|error| about(error, &format!("system call {number}")))?;
                }
            }
        }
    }
    Ok(())
}

/// Scheduling is set from outside; what isn't allowed is noted, as the program runs without.
fn schedule_one(tid: i32, thread: &Thread, anywhere: &[u64], notes: &mut Vec<String>) {
    let wanted = &thread.schedule;
    let attributes = Attributes {
        policy: wanted.policy,
        flags: wanted.flags,
        nice: wanted.nice,
        priority: wanted.priority,
        deadline: wanted.deadline,
    };
    let mut note = |what: &str, result: io::Result<()>| {
        if let Err(error) = result {
            notes.push(format!("thread {}: {what} isn't as it was: {error}", thread.tid));
        }
    };
    let now = schedule::attributes(tid).ok();
    let same = now.is_some_and(|now| {
        // A default time slice is told, but was never asked for.
        (now.policy, now.flags, now.nice, now.priority)
            == (attributes.policy, attributes.flags, attributes.nice, attributes.priority)
    });
    if !same {
        note("scheduling", schedule::set_attributes(tid, &attributes));
    }
    if schedule::affinity(tid).ok().as_ref() != Some(&wanted.affinity) {
        let set = schedule::set_affinity(tid, &wanted.affinity);
        if set.is_err() {
            // Other processors than there were.
            let _ = schedule::set_affinity(tid, anywhere);
        }
        note("the set of processors", set);
    }
    if schedule::io_priority(tid).ok() != Some(wanted.io) {
        note("the I/O priority", schedule::set_io_priority(tid, wanted.io));
    }
}

type Caller<'a> = dyn Fn(libc::c_long, &[u64]) -> io::Result<u64> + 'a;

/// Makes one thread be who it was. The kernel refuses what the restorer has no right to.
fn change_user(
    made: &Made,
    wanted: &Credentials,
    own: &Status,
    call: &Caller<'_>,
) -> io::Result<()> {
    let prctl = |option: i32, a: u64, b: u64| call(libc::SYS_prctl, &[bits(option), a, b, 0, 0]);
    let ids = wanted.uids != own.uids || wanted.gids != own.gids || wanted.groups != own.groups;
    if ids {
        prctl(libc::PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0)
            .map_err(|error| about(error, "other users (CAP_SETUID, CAP_SETGID, CAP_SETPCAP)"))?;
        let groups: Vec<u8> = wanted.groups.iter().flat_map(|group| group.to_le_bytes()).collect();
        // A process may be in 65536 groups: more than the scratch memory holds.
        if groups.len() as u64 > crate::freeze::SCRATCH {
            return Err(io::Error::other("more than 16384 groups"));
        }
        let at = made.put(0, &groups)?;
        call(libc::SYS_setgroups, &[wanted.groups.len() as u64, at])?;
        let words = |ids: [u32; 4]| ids.map(u64::from);
        let (gids, uids) = (words(wanted.gids), words(wanted.uids));
        call(libc::SYS_setresgid, &gids[..3])?;
        call(libc::SYS_setfsgid, &gids[3..])?;
        call(libc::SYS_setresuid, &uids[..3])?;
        call(libc::SYS_setfsuid, &uids[3..])?;
    }
    let [inheritable, permitted, effective, bounding, ambient] = wanted.capabilities;
    for bit in (0..64).filter(|bit| own.capabilities[3] & !bounding & 1 << bit != 0) {
        prctl(libc::PR_CAPBSET_DROP, bit, 0)?;
    }
    if u64::from(wanted.securebits) != if ids { NO_SETUID_FIXUP } else { 0 } {
        prctl(libc::PR_SET_SECUREBITS, u64::from(wanted.securebits), 0)?;
    }
    const VERSION_3: u32 = 0x2008_0522;
    let mut bytes = Vec::with_capacity(32);
    bytes.extend(VERSION_3.to_le_bytes());
    bytes.extend([0; 4]);
    for half in [0, 32] {
        for set in [effective, permitted, inheritable] {
            bytes.extend(u32::try_from(set >> half & 0xffff_ffff).expect("masked").to_le_bytes());
        }
    }
    let at = made.put(0, &bytes)?;
    call(libc::SYS_capset, &[at, at + 8]).map_err(|error| about(error, "capabilities"))?;
    for bit in (0..64).filter(|bit| ambient & 1 << bit != 0) {
        prctl(libc::PR_CAP_AMBIENT, bits(libc::PR_CAP_AMBIENT_RAISE), bit)?;
    }
    if wanted.no_new_privileges && !own.no_new_privileges {
        prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)?;
    }
    Ok(())
}
