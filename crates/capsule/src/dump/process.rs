//! What each process is, besides its threads.

use std::io;
use std::path::PathBuf;

use outlast_image::{
    Action, Body, IntervalTimer, Memory, Place, PosixTimer, Process, State, Table, Thread,
};
use outlast_os::foreign::{self, Kind, Span};

use crate::error::{CheckpointError, Doing};
use crate::freeze::{Frozen, StoppedProcess, bits};
use crate::proc::descriptor::parse_timers;
use crate::proc::{Proc, Stat, Status};
use crate::remote::{call, succeeded};

use super::files::Files;
use super::memory::{self, CopyPlan};
use super::restart::Asleep;
use super::{Collected, threads};

/// What a status forbids.
pub(super) fn judge_status(
    pid: i32,
    status: &Status,
    stat: &Stat,
    spaces: &OwnSpaces,
    collected: &mut Collected,
) {
    let mut refuse = |why: String| collected.refuse(pid, &stat.comm, format!("process {pid}"), why);
    if status.seccomp != 0 {
        refuse("a seccomp filter is not carried".to_owned());
    }
    if status.shadow_stack {
        refuse("a shadow stack (CET) is not carried".to_owned());
    }
    if status.tracer != 0 && status.tracer != outlast_os::spaces::thread_id() {
        refuse(format!("it is being traced by process {}", status.tracer));
    }
    let of = |space: &str| std::fs::read_link(format!("/proc/{pid}/ns/{space}")).ok();
    for (space, ours) in SPACES.iter().zip(&spaces.links) {
        if of(space) != *ours {
            refuse(format!(
                "it is in another {space} namespace than outlast, which is not carried"
            ));
        }
    }
    // Mounts of its own, as a restored tree has, are no matter as long as what it sees is what we see.
    if of("mnt") != spaces.mounts
        && std::fs::read_link(format!("/proc/{pid}/root")).is_ok_and(|root| root.as_os_str() == "/")
        && root_of(&format!("/proc/{pid}/root/")) != spaces.root
    {
        refuse("it is in another mount namespace than outlast, with another root, which is not carried".to_owned());
    }
}

/// Namespaces that a tree has to share with the engine.
const SPACES: [&str; 4] = ["ipc", "net", "user", "uts"];

/// The engine's own namespaces.
pub(super) struct OwnSpaces {
    links: [Option<PathBuf>; 4],
    mounts: Option<PathBuf>,
    root: Option<(u64, u64)>,
}

impl OwnSpaces {
    pub(super) fn read() -> Self {
        let link = |space: &str| std::fs::read_link(format!("/proc/self/ns/{space}")).ok();
        Self { links: SPACES.map(link), mounts: link("mnt"), root: root_of("/") }
    }
}

fn root_of(path: &str) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Refuses a process in other namespaces than the root of its tree.
fn judge_spaces(root: i32, process: &StoppedProcess, collected: &mut Collected) {
    for space in ["mnt", "pid", "time"] {
        let of = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/{space}"));
        if let (Ok(own), Ok(roots)) = (of(process.pid), of(root))
            && own != roots
        {
            let why =
                format!("it is in another {space} namespace than its tree, which is not carried");
            collected.refuse(
                process.pid,
                &process.stat.comm,
                format!("process {}", process.pid),
                why,
            );
        }
    }
}

/// Collects everything but the content of memory; answers which memory has to be copied.
pub(super) fn collect(
    frozen: &mut Frozen,
    collected: &mut Collected,
    asleep: &Asleep,
    spaces: &OwnSpaces,
) -> Result<CopyPlan, CheckpointError> {
    let mut plan = CopyPlan::default();
    let mut files = Files::default();
    let root = frozen.processes[0].pid;
    for at in 0..frozen.processes.len() {
        let shared = Shared::of(&frozen.processes, at)?;
        let process = &frozen.processes[at];
        let parent = process.parent.map(|parent| u32::try_from(parent).expect("bounded"));
        let told = told(&frozen.processes, at);
        let process = &mut frozen.processes[at];
        let state =
            process.stopped_by.map_or(State::Running, |signal| State::Stopped { signal, told });
        let process = if process.is_zombie() {
            zombie(process, parent)
        } else {
            judge_status(process.pid, &process.status, &process.stat, spaces, collected);
            if at > 0 {
                judge_spaces(root, process, collected);
            }
            let threads = threads::collect(process, collected, asleep)?;
            let mut body = body(process, at, shared, collected, &mut files, &mut plan)?;
            // Told as we see them; the tree may see other ids.
            for timer in &mut body.timers {
                let nth = process.threads.iter().position(|thread| thread.held.tid == timer.thread);
                timer.thread = nth.map_or(0, |nth| threads[nth].tid);
            }
            Process {
                pid: process.status.pid,
                parent,
                group: process.status.group,
                session: process.status.session,
                exit_signal: process.stat.exit_signal,
                parent_thread: u32::try_from(process.parent_thread).expect("bounded"),
                state,
                threads,
                body: Some(body),
            }
        };
        collected.snapshot.processes.push(process);
    }
    files.finish(frozen, collected, &mut plan)?;
    Ok(plan)
}

fn zombie(process: &StoppedProcess, parent: Option<u32>) -> Process {
    let thread = Thread {
        tid: process.status.pid,
        name: process.stat.comm.clone(),
        registers: vec![0; 27],
        xstate: Vec::new(),
        xstate_len: 0,
        mask: 0,
        pending: Vec::new(),
        rseq: None,
        robust_list: (0, 0),
        clear_tid: 0,
        alternate_stack: (0, 0, 0),
        parent_death_signal: 0,
        schedule: outlast_image::Schedule::default(),
        credentials: outlast_image::Credentials {
            uids: process.status.uids,
            gids: process.status.gids,
            ..Default::default()
        },
        timer_slack: 0,
        personality: 0,
        below_stack: None,
    };
    Process {
        pid: process.status.pid,
        parent,
        group: process.status.group,
        session: process.status.session,
        parent_thread: u32::try_from(process.parent_thread).expect("bounded"),
        exit_signal: process.stat.exit_signal,
        state: State::Zombie(process.stat.exit_code),
        threads: vec![thread],
        body: None,
    }
}

/// What a process shares with an earlier one.
struct Shared {
    files: Option<u32>,
    fs: Option<u32>,
    memory: Option<i32>,
}

impl Shared {
    fn of(processes: &[StoppedProcess], at: usize) -> Result<Self, CheckpointError> {
        let mut shared = Self { files: None, fs: None, memory: None };
        let process = &processes[at];
        if process.is_zombie() {
            return Ok(shared);
        }
        for (nth, other) in
            processes[..at].iter().enumerate().filter(|(_, other)| !other.is_zombie())
        {
            let same = |kind| {
                foreign::compare(process.pid, other.pid, kind)
                    .map(std::cmp::Ordering::is_eq)
                    .doing("comparing processes (kcmp)", process.pid)
            };
            let nth = u32::try_from(nth).expect("bounded");
            if shared.files.is_none() && same(Kind::Files)? {
                shared.files = Some(nth);
            }
            if shared.fs.is_none() && same(Kind::Fs)? {
                shared.fs = Some(nth);
            }
            if same(Kind::Memory)? {
                shared.memory = Some(other.pid);
            }
        }
        Ok(shared)
    }
}

fn body(
    process: &StoppedProcess,
    at: usize,
    shared: Shared,
    collected: &mut Collected,
    files: &mut Files,
    plan: &mut CopyPlan,
) -> Result<Body, CheckpointError> {
    let pid = process.pid;
    let proc = process.proc();
    let comm = &process.stat.comm;
    if let Some(other) = shared.memory {
        let why =
            format!("it shares its memory with process {other} (vfork, or clone with CLONE_VM)");
        collected.refuse(pid, comm, format!("process {pid}"), why);
    }
    judge_threads(process, collected)?;
    judge_places(proc, comm, collected);
    let answers = ask(process).doing("asking the process", pid)?;
    let mappings = memory::collect(process, collected, files)?;
    let guards = memory::plan(process, at, &mappings, plan).doing("looking for pages", pid)?;
    let executable = files.executable(proc, comm, collected)?;
    let auxv = proc.read("auxv").doing("reading auxv", pid)?;
    let lock_future = lock_future(process).doing("reading smaps", pid)?;
    let memory = Memory {
        mappings,
        runs: Vec::new(),
        bounds: memory::bounds(&process.stat, answers.brk),
        auxv: auxv.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect(),
        executable,
        no_huge_pages: process.status.no_huge_pages,
        guards,
        lock_future,
        barriers: answers.barriers,
        extended: answers.extended,
    };
    let table = match shared.files {
        Some(with) => Table::Shared(with),
        None => Table::Own(files.table(process, collected)?),
    };
    let place = match shared.fs {
        Some(with) => Place::Shared(with),
        None => Place::Own {
            directory: proc.link("cwd").doing("reading the working directory", pid)?,
            root: Some(proc.link("root").doing("reading the root directory", pid)?)
                .filter(|root| root != b"/"),
            umask: process.status.umask,
        },
    };
    let locks = files.locks_of(process);
    let limits = limits(proc).doing("reading limits", pid)?;
    let filter = proc.read("coredump_filter").doing("reading coredump_filter", pid)?;
    let filter = String::from_utf8_lossy(&filter);
    Ok(Body {
        memory,
        table,
        place,
        actions: answers.actions,
        pending: threads::infos(pid, true).doing("reading waiting signals", pid)?,
        interval_timers: answers.interval_timers,
        timers: timers(process).doing("asking for timers", pid)?,
        limits,
        oom_score_adj: proc.number("oom_score_adj").doing("reading oom_score_adj", pid)?,
        subreaper: answers.subreaper,
        dumpable: answers.dumpable,
        coredump_filter: u32::from_str_radix(filter.trim(), 16).unwrap_or(0x33),
        locks,
    })
}

/// Threads share descriptors, directories and handlers unless they took pains not to.
fn judge_threads(
    process: &StoppedProcess,
    collected: &mut Collected,
) -> Result<(), CheckpointError> {
    let pid = process.pid;
    for thread in &process.threads[1..] {
        let tid = thread.held.tid;
        for (kind, what) in [(Kind::Files, "descriptors"), (Kind::Fs, "directories")] {
            let same = foreign::compare(pid, tid, kind).doing("comparing threads (kcmp)", pid)?;
            if same.is_ne() {
                let why = format!("it has {what} of its own (unshare), other than its process");
                collected.refuse(pid, &process.stat.comm, format!("thread {tid}"), why);
            }
        }
    }
    Ok(())
}

fn judge_places(proc: Proc, comm: &[u8], collected: &mut Collected) {
    for name in ["cwd", "root"] {
        if let Ok(path) = proc.link(name)
            && (!path.starts_with(b"/") || path.ends_with(b" (deleted)"))
        {
            let path = String::from_utf8_lossy(&path).into_owned();
            collected.refuse(proc.pid, comm, name.to_owned(), format!("`{path}` can't be reached"));
        }
    }
}

/// States that a program has to ask for: AMX's tiles.
const ON_DEMAND: u64 = 1 << 18;

/// `mlockall(MCL_FUTURE)`: to be seen in memory that was mapped just now, ours. Nobody asks for that who hasn't locked something.
fn lock_future(process: &StoppedProcess) -> io::Result<u8> {
    let any = process.areas.iter().any(|area| area.has(b"lo") || area.has(b"lf"));
    if !any {
        return Ok(0);
    }
    let areas = crate::proc::parse_areas(&process.proc().read("smaps")?)?;
    let scratch =
        areas.iter().find(|area| area.start <= process.scratch() && process.scratch() < area.end);
    Ok(scratch.map_or(0, |area| match (area.has(b"lo"), area.has(b"lf")) {
        (_, true) => 2,
        (true, false) => 1,
        _ => 0,
    }))
}

/// Whether a stopped process's parent has been told of that.
fn told(processes: &[StoppedProcess], at: usize) -> bool {
    let process = &processes[at];
    let Some(parent) = process.parent.filter(|_| process.stopped_by.is_some()) else { return true };
    let parent = &processes[parent];
    let Some(thread) = parent.threads.get(process.parent_thread) else { return true };
    // The answer is in the memory for results: 0 as the id where there is nothing to tell.
    let scratch = parent.scratch();
    let pid = u64::from(process.status.pid.cast_unsigned());
    let how = bits(libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT);
    const P_PID: u64 = 1;
    let asked = parent.remote_in(thread).call(libc::SYS_waitid, &[P_PID, pid, scratch, how, 0]);
    let mut answer = [0; 4];
    let read = foreign::read(parent.pid, &[Span { start: scratch, end: scratch + 4 }], &mut answer);
    asked.is_err() || read.is_err() || answer == [0; 4]
}

/// What only a process itself can be asked.
struct Answers {
    /// The heap's end.
    brk: u64,
    subreaper: bool,
    dumpable: u32,
    barriers: u32,
    extended: u64,
    actions: Vec<Action>,
    interval_timers: [IntervalTimer; 3],
}

/// Asks a process, all at once. Signal actions are those that aren't the default: by one call for each signal that is
/// caught or ignored, and for `SIGCHLD`, whose flags matter without a handler.
fn ask(process: &StoppedProcess) -> io::Result<Answers> {
    // Where in the memory for results.
    const SUBREAPER: u64 = 0;
    const EXTENDED: u64 = 8;
    const TIMERS: u64 = 32;
    const ACTIONS: u64 = 128;
    const EACH: u64 = 32;
    // Linux 6.3; before that a program that registered registers again when it is told so.
    const GET_REGISTRATIONS: u64 = 1 << 9;
    const ARCH_GET_XCOMP_PERM: u64 = 0x1022;
    let scratch = process.scratch();
    let prctl = |option: i32, to: u64| call(libc::SYS_prctl, &[bits(option), to]);
    let mut calls = vec![
        call(libc::SYS_brk, &[0]),
        prctl(libc::PR_GET_DUMPABLE, 0),
        prctl(libc::PR_GET_CHILD_SUBREAPER, scratch + SUBREAPER),
        call(libc::SYS_membarrier, &[GET_REGISTRATIONS]),
        call(libc::SYS_arch_prctl, &[ARCH_GET_XCOMP_PERM, scratch + EXTENDED]),
    ];
    let others = calls.len();
    let timer = |which: u64| call(libc::SYS_getitimer, &[which, scratch + TIMERS + which * EACH]);
    calls.extend((0..3).map(timer));
    let status = &process.status;
    let asked = status.caught | status.ignored | 1 << (libc::SIGCHLD - 1);
    let signals: Vec<u32> = (1..=64_u32)
        .filter(|signal| asked & 1 << (signal - 1) != 0)
        .filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(&signal.cast_signed()))
        .collect();
    calls.extend(signals.iter().zip(0..).map(|(signal, nth)| {
        let place = scratch + ACTIONS + nth * EACH;
        call(libc::SYS_rt_sigaction, &[u64::from(*signal), 0, place, 8])
    }));
    let (results, bytes) = process.ask(calls, ACTIONS + signals.len() as u64 * EACH)?;
    let [brk, dumpable, subreaper, barriers, extended] = results[..others] else {
        return Err(io::Error::other("fewer answers than questions"));
    };
    succeeded(&[brk, dumpable, subreaper])?;
    succeeded(&results[others..])?;
    let words: Vec<u64> =
        bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let word = |at: u64, nth: usize| words[usize::try_from(at).expect("small") / 8 + nth];
    let interval_timers = std::array::from_fn(|which| {
        let micros = |at: usize| {
            let word = |nth: usize| word(TIMERS, which * 4 + nth);
            word(at).saturating_mul(1_000_000).saturating_add(word(at + 1))
        };
        IntervalTimer { interval: micros(0), left: micros(2) }
    });
    let actions = signals.iter().enumerate().map(|(nth, signal)| {
        let word = |which: usize| word(ACTIONS, nth * 4 + which);
        Action {
            signal: *signal,
            handler: word(0),
            flags: word(1),
            restorer: word(2),
            mask: word(3),
        }
    });
    let has_extended = outlast_os::processor::xcr0() & ON_DEMAND != 0 && extended == 0;
    Ok(Answers {
        brk: brk.cast_unsigned(),
        // An int, beside nothing.
        subreaper: word(SUBREAPER, 0) & 0xffff_ffff != 0,
        dumpable: u32::try_from(dumpable).unwrap_or(0),
        barriers: u32::try_from(barriers).unwrap_or(0),
        extended: if has_extended { word(EXTENDED, 0) & ON_DEMAND } else { 0 },
        actions: actions.filter(|action| action.handler != 0 || action.flags != 0).collect(),
        interval_timers,
    })
}

fn timers(process: &StoppedProcess) -> io::Result<Vec<PosixTimer>> {
    let mut timers = parse_timers(&process.proc().read("timers")?)?;
    const EACH: u64 = 32;
    const AT_ONCE: usize = 256;
    for timers in timers.chunks_mut(AT_ONCE) {
        let calls = timers.iter().zip(0..).map(|(timer, nth)| {
            let place = process.scratch() + nth * EACH;
            call(libc::SYS_timer_gettime, &[u64::from(timer.id.cast_unsigned()), place])
        });
        let (results, bytes) = process.ask(calls.collect(), timers.len() as u64 * EACH)?;
        succeeded(&results)?;
        for (timer, words) in timers.iter_mut().zip(bytes.as_chunks::<8>().0.chunks(4)) {
            let word = |at: usize| u64::from_le_bytes(words[at]);
            let nanos =
                |at: usize| word(at).saturating_mul(1_000_000_000).saturating_add(word(at + 1));
            (timer.interval, timer.left) = (nanos(0), nanos(2));
        }
    }
    Ok(timers)
}

/// Soft and hard limits, by the number of the resource.
fn limits(proc: Proc) -> io::Result<Vec<(u64, u64)>> {
    let names = [
        "Max cpu time",
        "Max file size",
        "Max data size",
        "Max stack size",
        "Max core file size",
        "Max resident set",
        "Max processes",
        "Max open files",
        "Max locked memory",
        "Max address space",
        "Max file locks",
        "Max pending signals",
        "Max msgqueue size",
        "Max nice priority",
        "Max realtime priority",
        "Max realtime timeout",
    ];
    let text = proc.read("limits")?;
    let text = String::from_utf8_lossy(&text);
    names
        .iter()
        .map(|name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let mut words = line.unwrap_or_default().split_ascii_whitespace();
            let mut limit = || match words.next()? {
                "unlimited" => Some(u64::MAX),
                number => number.parse().ok(),
            };
            let pair = limit().and_then(|soft| Some((soft, limit()?)));
            pair.ok_or_else(|| crate::proc::bad("limits", name))
        })
        .collect()
}
