//! What each thread is: registers, signals, scheduling, who it is.

use std::io;

use outlast_image::{Credentials, Schedule, SigInfo, Thread};
use outlast_os::{foreign, schedule, trace};

use crate::error::{CheckpointError, Doing};
use crate::freeze::{StoppedProcess, bits, is_64_bit};
use crate::proc::{Proc, Status, fields};
use crate::remote::{call, succeeded};

use super::Collected;
use super::restart::{self, Asleep};

/// Signals that wait for one thread or process: `RLIMIT_SIGPENDING` is some ten thousand.
const MAX_PENDING: usize = 1 << 17;

/// Bytes of the scratch memory for each thread's answers.
const EACH: u64 = 48;

/// Collects all threads of a process, its leader first.
pub(super) fn collect(
    process: &mut StoppedProcess,
    collected: &mut Collected,
    asleep: &Asleep,
) -> Result<Vec<Thread>, CheckpointError> {
    let pid = process.pid;
    let answers = remote_answers(process).doing("asking the threads", pid)?;
    let mut threads = Vec::with_capacity(process.threads.len());
    for (nth, answers) in answers.iter().enumerate() {
        let stopped = &process.threads[nth];
        let tid = stopped.held.tid;
        let comm = process.stat.comm.clone();
        let mut refuse = |why: &str| collected.refuse(pid, &comm, format!("thread {tid}"), why);
        if !is_64_bit(&stopped.held.registers) {
            refuse("it runs 32-bit code");
        }
        if trace::dispatches_calls(tid).unwrap_or(false) {
            refuse("it dispatches its own system calls (PR_SET_SYSCALL_USER_DISPATCH)");
        }
        let status = if nth == 0 {
            process.status.clone()
        } else {
            let text = process.proc().read(&format!("task/{tid}/status"));
            Status::parse(&text.doing("reading a thread's status", pid)?)
                .doing("reading a thread's status", pid)?
        };
        if nth > 0 && status.seccomp != 0 {
            refuse("a seccomp filter is not carried");
        }
        let thread = one(process, nth, &status, answers).doing("reading a thread", pid)?;
        threads.push(thread);
    }
    for (nth, thread) in threads.iter_mut().enumerate() {
        restart::adjust(process, nth, thread, asleep).doing("reading an interrupted call", pid)?;
    }
    Ok(threads)
}

/// What only the thread itself can be asked.
struct Answers {
    clear_tid: u64,
    alternate_stack: (u64, i32, u64),
    parent_death_signal: i32,
    securebits: u32,
}

/// Some calls in each thread, all threads at once.
fn remote_answers(process: &StoppedProcess) -> io::Result<Vec<Answers>> {
    const AT_ONCE: usize = 64;
    let mut all = Vec::with_capacity(process.threads.len());
    for part in process.threads.chunks(AT_ONCE) {
        let jobs = part.iter().enumerate().map(|(nth, thread)| {
            let place = process.scratch() + nth as u64 * EACH;
            const PR_GET_TID_ADDRESS: i32 = 40;
            let prctl = |option: i32, to: u64| call(libc::SYS_prctl, &[bits(option), to]);
            let calls = vec![
                prctl(PR_GET_TID_ADDRESS, place),
                prctl(libc::PR_GET_PDEATHSIG, place + 8),
                call(libc::SYS_sigaltstack, &[0, place + 16]),
                prctl(libc::PR_GET_SECUREBITS, 0),
            ];
            (process.remote_in(thread), calls)
        });
        let (results, bytes) = process.ask_threads(jobs.collect(), part.len() as u64 * EACH)?;
        let each = usize::try_from(EACH).expect("small");
        for (results, bytes) in results.iter().zip(bytes.chunks(each)) {
            succeeded(results)?;
            let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
            let int = |at: usize| i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
            all.push(Answers {
                clear_tid: word(0),
                parent_death_signal: int(8),
                alternate_stack: (word(16), int(24), word(32)),
                securebits: u32::try_from(results[3]).unwrap_or(0),
            });
        }
    }
    Ok(all)
}

fn one(
    process: &StoppedProcess,
    nth: usize,
    status: &Status,
    answers: &Answers,
) -> io::Result<Thread> {
    let held = &process.threads[nth].held;
    let tid = held.tid;
    let mut xstate = trace::xstate(tid)?;
    let xstate_len = u32::try_from(xstate.len()).expect("bounded");
    while xstate.last() == Some(&0) {
        xstate.pop();
    }
    let rseq = trace::rseq(tid)?.map(|rseq| (rseq.pointer, rseq.size, rseq.signature));
    let proc = process.proc();
    let name = if nth == 0 {
        process.stat.comm.clone()
    } else {
        let mut name = proc.read(&format!("task/{tid}/comm"))?;
        name.pop();
        name
    };
    let attributes = schedule::attributes(tid)?;
    let affinity = if held.affinity_words > 0 {
        held.affinity[..held.affinity_words].to_vec()
    } else {
        schedule::affinity(tid)?
    };
    // Only a process's folder has these two; a thread has one too, that isn't listed.
    let timer_slack = Proc { pid: tid }.number("timerslack_ns").unwrap_or(50_000);
    let personality = Proc { pid: tid }.read("personality")?;
    let personality =
        u32::from_str_radix(String::from_utf8_lossy(&personality).trim(), 16).unwrap_or(0);
    Ok(Thread {
        tid: status.tid,
        name,
        registers: process.threads[nth].found.0.to_vec(),
        xstate,
        xstate_len,
        mask: held.mask,
        pending: infos(tid, false)?,
        rseq,
        robust_list: foreign::robust_list(tid)?,
        clear_tid: answers.clear_tid,
        alternate_stack: answers.alternate_stack,
        parent_death_signal: answers.parent_death_signal,
        schedule: Schedule {
            policy: attributes.policy,
            flags: attributes.flags,
            nice: attributes.nice,
            priority: attributes.priority,
            deadline: attributes.deadline,
            affinity,
            io: schedule::io_priority(tid)?,
        },
        credentials: Credentials {
            uids: status.uids,
            gids: status.gids,
            groups: status.groups.clone(),
            capabilities: status.capabilities,
            securebits: answers.securebits,
            no_new_privileges: status.no_new_privileges,
        },
        timer_slack,
        personality,
        below_stack: None,
    })
}

/// The signals that wait.
pub(super) fn infos(tid: i32, shared: bool) -> io::Result<Vec<SigInfo>> {
    let infos = trace::pending_signals(tid, shared, MAX_PENDING)?;
    Ok(infos.into_iter().map(|info| SigInfo(info.to_vec())).collect())
}

/// The number in `name:` of a `sched` file, which aligns its columns.
pub(super) fn sched_field(text: &[u8], name: &str) -> Option<f64> {
    fields(text).find(|(field, _)| field.trim() == name).and_then(|(_, value)| value.parse().ok())
}
