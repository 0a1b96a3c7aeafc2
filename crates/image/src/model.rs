//! What an image says: plain data, no behaviour.
//!
//! Ids of processes and threads are those that the program itself sees, in its own pid namespace.
//! Signal sets have bit `n - 1` for signal `n`. Numbers of flags and options are Linux's, of x86-64.
//! Indexes (`u32`) point into the vectors of [`Snapshot`].

use serde::{Deserialize, Serialize};

use crate::terminal::{OutsideTerminal, Terminal};

/// A stopped process tree, without the content of its memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken, as the program saw the clocks.
    pub clocks: Clocks,
    /// Parents before their children; the first is the root.
    pub processes: Vec<Process>,
    /// Open file descriptions: what several descriptors may share.
    pub descriptions: Vec<Description>,
    /// Memory that several processes or descriptors may share, and the content of files that have no name any more.
    pub objects: Vec<Object>,
    /// Pipes and what is in them.
    pub pipes: Vec<Pipe>,
    /// Pseudo-terminals.
    pub terminals: Vec<Terminal>,
    /// The terminal from outside that the tree is run from.
    pub outside: Option<OutsideTerminal>,
    /// Unix sockets, and what is in them.
    pub unix: Vec<crate::UnixSocket>,
    /// Files that are mapped or executed, which have to be there again.
    pub files: Vec<FileId>,
}

/// Clocks at the moment of the stop, in nanoseconds, as the program saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// `CLOCK_REALTIME`.
    pub real: u64,
    /// `CLOCK_MONOTONIC`.
    pub monotonic: u64,
    /// `CLOCK_BOOTTIME`.
    pub boot: u64,
}

/// The machine that an image was taken on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Host name; for people.
    pub host: String,
    /// `uname -r`.
    pub kernel: String,
    /// The processor's name; for people.
    pub processor: String,
    /// XCR0: which extended states the kernel has switched on.
    pub xcr0: u64,
    /// Names of processor features, as `/proc/cpuinfo` has them, sorted.
    pub features: Vec<String>,
    /// The vdso's content.
    #[serde(with = "serde_bytes")]
    pub vdso: Vec<u8>,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its parent, unless it is the root.
    pub parent: Option<u32>,
    /// Which of its parent's threads made it: an index of that process's threads.
    pub parent_thread: u32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// The signal that its parent gets at its end; 0 for none.
    pub exit_signal: i32,
    /// How it was.
    pub state: State,
    /// Its threads, the leader first. A zombie has its leader alone.
    pub threads: Vec<Thread>,
    /// Everything else; a zombie has nothing else.
    pub body: Option<Body>,
}

/// How a process was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It ran or slept.
    Running,
    /// Stopped by a signal.
    Stopped {
        /// Which.
        signal: i32,
        /// Its parent has been told.
        told: bool,
    },
    /// Ended, and its parent has not asked yet; the status as `wait` tells it.
    Zombie(i32),
}

/// What all threads of a living process share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Address space.
    pub memory: Memory,
    /// Descriptors.
    pub table: Table,
    /// Directories and umask.
    pub place: Place,
    /// Signal actions that aren't the default.
    pub actions: Vec<Action>,
    /// Signals that wait for the process, oldest first.
    pub pending: Vec<SigInfo>,
    /// `ITIMER_REAL`, `ITIMER_VIRTUAL`, `ITIMER_PROF`.
    pub interval_timers: [IntervalTimer; 3],
    /// POSIX timers.
    pub timers: Vec<PosixTimer>,
    /// Limits: soft and hard, by the number of the resource.
    pub limits: Vec<(u64, u64)>,
    /// `/proc/PID/oom_score_adj`.
    pub oom_score_adj: i32,
    /// `PR_SET_CHILD_SUBREAPER`.
    pub subreaper: bool,
    /// `PR_SET_DUMPABLE`.
    pub dumpable: u32,
    /// `/proc/PID/coredump_filter`.
    pub coredump_filter: u32,
    /// POSIX record locks, held by the process.
    pub locks: Vec<RecordLock>,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// Its id.
    pub tid: i32,
    /// Its name, up to 15 bytes.
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
    /// General registers, `struct user_regs_struct`, as the thread goes on with.
    pub registers: Vec<u64>,
    /// Extended state, in XSAVE's layout, without its trailing zeros.
    #[serde(with = "serde_bytes")]
    pub xstate: Vec<u8>,
    /// Bytes of the extended state with its trailing zeros.
    pub xstate_len: u32,
    /// Blocked signals.
    pub mask: u64,
    /// Signals that wait for the thread, oldest first.
    pub pending: Vec<SigInfo>,
    /// Restartable sequences: address, size, signature.
    pub rseq: Option<(u64, u32, u32)>,
    /// Address and size of the list of robust futexes.
    pub robust_list: (u64, u64),
    /// `set_tid_address`.
    pub clear_tid: u64,
    /// Alternate signal stack: address, flags, size.
    pub alternate_stack: (u64, i32, u64),
    /// `PR_SET_PDEATHSIG`.
    pub parent_death_signal: i32,
    /// Scheduling.
    pub schedule: Schedule,
    /// Who it is.
    pub credentials: Credentials,
    /// `PR_SET_TIMERSLACK`, nanoseconds.
    pub timer_slack: u64,
    /// Execution domain.
    pub personality: u32,
    /// Bytes to put at an address below the stack, which the registers point to: the time that an
    /// interrupted call still had.
    pub below_stack: Option<(u64, Vec<u8>)>,
}

/// How a thread is scheduled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// `SCHED_OTHER`, …
    pub policy: u32,
    /// `SCHED_FLAG_…` (reset on fork).
    pub flags: u64,
    /// -20 to 19.
    pub nice: i32,
    /// Of the real-time policies.
    pub priority: u32,
    /// Of `SCHED_DEADLINE`: runtime, deadline, period in nanoseconds.
    pub deadline: (u64, u64, u64),
    /// Processors that it may use, as the kernel's bit set.
    pub affinity: Vec<u64>,
    /// I/O priority.
    pub io: u32,
}

/// User, groups, capabilities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Real, effective, saved, file system.
    pub uids: [u32; 4],
    /// Real, effective, saved, file system.
    pub gids: [u32; 4],
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Capabilities: inheritable, permitted, effective, bounding, ambient.
    pub capabilities: [u64; 5],
    /// `PR_SET_SECUREBITS`.
    pub securebits: u32,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privileges: bool,
}

/// A `siginfo_t`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigInfo(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// What a process does at a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// 1 to 64.
    pub signal: u32,
    /// Address of the handler, or `SIG_IGN`, or `SIG_DFL`.
    pub handler: u64,
    /// `SA_…`.
    pub flags: u64,
    /// Where the handler returns to.
    pub restorer: u64,
    /// What is blocked meanwhile.
    pub mask: u64,
}

/// An interval timer, microseconds; 0 is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntervalTimer {
    /// Until it fires.
    pub left: u64,
    /// Between later times.
    pub interval: u64,
}

/// A POSIX timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PosixTimer {
    /// Its id.
    pub id: i32,
    /// Its clock.
    pub clock: i32,
    /// `SIGEV_…`.
    pub notify: i32,
    /// The signal.
    pub signal: i32,
    /// The value that goes with the signal.
    pub value: u64,
    /// The thread that is told (`SIGEV_THREAD_ID`).
    pub thread: i32,
    /// Nanoseconds until it fires; 0 is off.
    pub left: u64,
    /// Nanoseconds between later times.
    pub interval: u64,
}

/// An address space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Mappings in the order of their addresses; the vdso's among them.
    pub mappings: Vec<Mapping>,
    /// Which pages hold what, in the order of their addresses.
    pub runs: Vec<Run>,
    /// `struct prctl_mm_map`'s addresses: code, data, brk, stack, arguments, environment.
    pub bounds: Bounds,
    /// The auxiliary vector.
    pub auxv: Vec<u64>,
    /// What is executed: an index of [`Snapshot::files`].
    pub executable: u32,
    /// `PR_SET_THP_DISABLE`.
    pub no_huge_pages: bool,
    /// Guard pages (`MADV_GUARD_INSTALL`): from, to.
    pub guards: Vec<(u64, u64)>,
    /// `mlockall(MCL_FUTURE)`: 0 none, 1 locked, 2 locked on fault.
    pub lock_future: u8,
    /// Registrations for `membarrier`, as it tells them.
    pub barriers: u32,
    /// Extended states that the program may use besides the usual ones (`ARCH_GET_XCOMP_PERM`).
    pub extended: u64,
}

/// Where the parts of a program are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Code.
    pub code: (u64, u64),
    /// Data.
    pub data: (u64, u64),
    /// Heap.
    pub brk: (u64, u64),
    /// Where the stack began.
    pub stack: u64,
    /// Arguments.
    pub arguments: (u64, u64),
    /// Environment.
    pub environment: (u64, u64),
}

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// The address after the last.
    pub end: u64,
    /// `PROT_…`.
    pub protection: u32,
    /// Writes are seen by others.
    pub shared: bool,
    /// What is mapped.
    pub backing: Backing,
    /// [`MappingFlags`].
    pub flags: MappingFlags,
    /// `PR_SET_VMA_ANON_NAME`.
    pub name: Option<String>,
}

/// What a mapping shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backing {
    /// Memory of its own.
    Anonymous,
    /// A file: an index of [`Snapshot::files`], from an offset.
    File {
        /// Which.
        file: u32,
        /// Bytes.
        offset: u64,
        /// It was opened for writing.
        writable: bool,
    },
    /// An object: an index of [`Snapshot::objects`], from an offset.
    Object {
        /// Which.
        object: u32,
        /// Bytes.
        offset: u64,
    },
    /// The kernel's data for the vdso.
    Vvar,
    /// The kernel's data of other clocks, for the vdso.
    VvarClock,
    /// The kernel's code.
    Vdso,
}

/// Advice and other marks of a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingFlags {
    /// `MAP_GROWSDOWN`.
    pub grows_down: bool,
    /// `mlock`: 0 none, 1 locked, 2 locked on fault.
    pub locked: u8,
    /// `MAP_NORESERVE`.
    pub no_reserve: bool,
    /// It counts as memory that can be asked for.
    pub accounted: bool,
    /// `MADV_SEQUENTIAL`.
    pub sequential: bool,
    /// `MADV_RANDOM`.
    pub random: bool,
    /// `MADV_DONTFORK`.
    pub dont_fork: bool,
    /// `MADV_DONTDUMP`.
    pub dont_dump: bool,
    /// `MADV_WIPEONFORK`.
    pub wipe_on_fork: bool,
    /// `MADV_HUGEPAGE`.
    pub huge_pages: bool,
    /// `MADV_NOHUGEPAGE`.
    pub no_huge_pages: bool,
    /// `MADV_MERGEABLE`.
    pub mergeable: bool,
}

/// Pages side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Address, or offset in an object.
    pub start: u64,
    /// How many pages.
    pub pages: u32,
    /// The first stored page; the others follow it. `None`: all zeros, over something that isn't.
    pub first: Option<u32>,
}

/// Memory, or the content of a file without a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name: what memfd was called, or the path that the file had.
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
    /// Its length in bytes.
    pub len: u64,
    /// Pages that aren't holes.
    pub runs: Vec<Run>,
    /// Permission bits, and owner and group.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectKind {
    /// `MAP_SHARED | MAP_ANONYMOUS`.
    Shared,
    /// `memfd_create`, with its seals.
    Memfd {
        /// `F_SEAL_…`.
        seals: u32,
    },
    /// A file that was deleted, or never had a name.
    Deleted,
}

/// A file that has to be there again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    /// Its path.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// Of a device: which.
    pub special: u64,
    /// Bytes.
    pub len: u64,
    /// Time of the last change, nanoseconds since 1970.
    pub modified: i64,
}

/// The descriptors of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Table {
    /// Its own, in the order of their numbers.
    Own(Vec<Descriptor>),
    /// Those of another process, which is earlier in [`Snapshot::processes`] (`CLONE_FILES`).
    Shared(u32),
}

/// One descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// Its number.
    pub number: i32,
    /// Closed by `exec`.
    pub close_on_exec: bool,
    /// An index of [`Snapshot::descriptions`].
    pub description: u32,
}

/// Directories and umask of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Its own.
    Own {
        /// Working directory.
        #[serde(with = "serde_bytes")]
        directory: Vec<u8>,
        /// Root, if it isn't the namespace's.
        root: Option<Vec<u8>>,
        /// File creation mask.
        umask: u32,
    },
    /// That of another process, which is earlier in [`Snapshot::processes`] (`CLONE_FS`).
    Shared(u32),
}

/// An open file description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// What is open.
    pub what: Open,
    /// Flags of `open`, without close-on-exec.
    pub flags: u32,
    /// Where the next read or write is.
    pub position: u64,
    /// `flock`: shared or exclusive.
    pub flock: Option<LockKind>,
    /// Who is told that something can be read or written.
    pub owner: Option<Owner>,
    /// Record locks of the description (`F_OFD_SETLK`): kind, start, length (0: to the end).
    pub locks: Vec<(LockKind, u64, u64)>,
}

/// Who gets the signal of a description (`F_SETOWN_EX`, `F_SETSIG`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// `F_OWNER_TID`, `F_OWNER_PID`, `F_OWNER_PGRP`.
    pub kind: i32,
    /// Its id.
    pub id: i32,
    /// The signal; 0 for `SIGIO`.
    pub signal: i32,
}

/// How a lock excludes others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockKind {
    /// With other shared ones.
    Shared,
    /// Nobody else.
    Exclusive,
}

/// A POSIX record lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordLock {
    /// A descriptor of the file.
    pub number: i32,
    /// How it excludes others.
    pub kind: LockKind,
    /// First byte.
    pub start: u64,
    /// Bytes; 0: to the end.
    pub len: u64,
}

/// What is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Open {
    /// A file, directory or device by its path.
    File(FileId),
    /// An object: an index of [`Snapshot::objects`].
    Object(u32),
    /// One end of a pipe: an index of [`Snapshot::pipes`].
    Pipe(u32),
    /// The master end of a pseudo-terminal: an index of [`Snapshot::terminals`].
    Master(u32),
    /// The slave end of one, the same.
    Slave(u32),
    /// The slave end of a pseudo-terminal whose master was closed.
    HungUp,
    /// A unix socket: an index of [`Snapshot::unix`].
    Unix(u32),
    /// A standard stream that comes from outside the tree: a terminal, a pipe to another program.
    Stream {
        /// 0, 1 or 2: which of the restorer's takes its place.
        which: i32,
        /// What it was; for people.
        was: String,
    },
    /// `eventfd`.
    Event {
        /// Its counter.
        count: u64,
        /// `EFD_SEMAPHORE`.
        semaphore: bool,
    },
    /// `timerfd`.
    Timer {
        /// Its clock.
        clock: i32,
        /// Expirations that were not read.
        ticks: u64,
        /// Flags of `timerfd_settime`.
        flags: u32,
        /// Nanoseconds until it fires; 0 is off.
        left: u64,
        /// Nanoseconds between later times.
        interval: u64,
    },
    /// `signalfd`, with its mask.
    Signals(u64),
    /// `epoll`.
    Epoll(Vec<Watch>),
    /// `inotify`: what is watched, and how many events wait.
    Inotify(Vec<InotifyWatch>),
}

/// An entry of an epoll instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The descriptor's number when it was added.
    pub number: i32,
    /// `EPOLL…`.
    pub events: u32,
    /// The program's word.
    pub data: u64,
    /// What it watches: an index of [`Snapshot::descriptions`].
    pub description: u32,
}

/// A watch of an inotify instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InotifyWatch {
    /// Its descriptor.
    pub wd: i32,
    /// `IN_…`.
    pub mask: u32,
    /// What is watched.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
}

/// A pipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipe {
    /// A FIFO's path.
    pub fifo: Option<FileId>,
    /// Bytes that it takes (`F_SETPIPE_SZ`).
    pub capacity: u64,
    /// What is in it: packets, of which a pipe without `O_DIRECT` has at most one.
    pub content: Vec<Packet>,
    /// It was made with `O_DIRECT`.
    pub packets: bool,
    /// Nothing can be written to it, though there may be fewer bytes than it takes.
    pub full: bool,
}

/// Bytes in a pipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet(#[serde(with = "serde_bytes")] pub Vec<u8>);
