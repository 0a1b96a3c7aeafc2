//! A checkpoint: from a running tree to an image.
//!
//! ```text
//!   prepare  who sleeps since when, files of /proc opened, the watchdog, room in the image
//!   stop     every thread                                                    ┐
//!   hold     registers written down, calls possible                          │
//!   collect  threads, signals, timers, descriptors, mappings; refuse         │ the target
//!   copy     pages: into the image by several threads; if they are few,      │ is frozen
//!            into memory; if they are many, and the target is to go on,      │
//!            its large processes are copied by a fork                        │
//!   thaw     let go, if it is to go on                                       ┘
//!   store    the pages that were copied into memory, or by a fork
//!   reap     the copies, by processes that are stopped once more for that
//!   write    the description, sync, rename
//!   kill     the target, which was frozen until now, if it isn't to go on
//! ```
//!
//! [`check`] looks for what would be refused without any of this: it stops nothing.
//!
//! With [`After::Kill`] the tree is killed only when the image has its name: until then a failure
//! lets it go on.

mod files;
mod memory;
mod pages;
mod process;
mod restart;
mod threads;

use std::path::Path;
use std::time::{Duration, Instant};

use outlast_image::{Compression, Snapshot, Writer};

use crate::error::{CheckpointError, Doing, Obstacle};
use crate::freeze::{Copies, Frozen};
use crate::proc::{self, Proc, Stat, Status, parse_areas};
use crate::rescue::Rescue;
use crate::{FaultPoint, machine};

use memory::CopyPlan;

pub(crate) use files::Streams;
pub(crate) use restart::begin_again;

/// What becomes of the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// It is killed once the image is safe.
    #[default]
    Kill,
    /// It goes on.
    LeaveRunning,
}

/// How a checkpoint is taken.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointOptions {
    /// What becomes of the target.
    pub after: After,
    /// How pages are stored.
    pub compression: Compression,
    /// How long a thread may take to stop.
    pub patience: Duration,
    /// Threads that copy memory; 0: one for each processor.
    pub copiers: usize,
    /// A process with so many bytes of memory, if it is left running, isn't stopped until they are copied, but for as long as a
    /// fork of it takes. What it writes while that is read takes memory twice.
    pub fork_from: u64,
    /// Where a test wants it to fail.
    pub fail_after: Option<FaultPoint>,
}

impl Default for CheckpointOptions {
    fn default() -> Self {
        Self {
            after: After::Kill,
            compression: Compression::None,
            patience: Duration::from_secs(2),
            copiers: 0,
            fork_from: 32 << 20,
            fail_after: None,
        }
    }
}

/// What a checkpoint took. Times in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointReport {
    /// From the first thread's stop to the last one's going on (or end); and how long processes were stopped again to
    /// reap copies of them.
    pub frozen_us: u64,
    /// Everything.
    pub total_us: u64,
    /// Time of each phase, in order.
    pub phases: Vec<(&'static str, u64)>,
    /// Processes and threads.
    pub processes: usize,
    /// Threads of all of them.
    pub threads: usize,
    /// Memory that was looked at.
    pub memory_bytes: u64,
    /// Of that, stored: without zeros and repetitions.
    pub stored_bytes: u64,
    /// The image's length.
    pub image_bytes: u64,
}

/// What is being put together.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) snapshot: Snapshot,
    pub(crate) obstacles: Vec<Obstacle>,
}

impl Collected {
    pub(crate) fn refuse(
        &mut self,
        pid: i32,
        process: &[u8],
        place: String,
        why: impl Into<String>,
    ) {
        self.obstacles.push(Obstacle {
            pid,
            process: String::from_utf8_lossy(process).into_owned(),
            place,
            why: why.into(),
        });
    }
}

/// Measures phases.
struct Phases {
    last: Instant,
    done: Vec<(&'static str, u64)>,
}

impl Phases {
    fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        self.done.push((name, micros(now - self.last)));
        self.last = now;
    }
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Takes a checkpoint of process `root` and all its descendants, into the file `path`. `progress`
/// is told how many bytes of memory were looked at so far, of how many.
///
/// # Errors
/// [`CheckpointError`]; the target runs on, and a file of that name is as it was.
pub fn checkpoint(
    root: i32,
    path: &Path,
    options: &CheckpointOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<CheckpointReport, CheckpointError> {
    // A thread of its own: whatever it still traces at its end is let go by the kernel.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("checkpoint".to_owned());
        let run = || take(root, path, options, progress);
        let thread = thread.spawn_scoped(scope, run).doing("starting a thread", root)?;
        thread.join().unwrap_or_else(|_| {
            Err(std::io::Error::other("the checkpointing thread panicked"))
                .doing("checkpointing", root)
        })
    })
}

fn take(
    root: i32,
    path: &Path,
    options: &CheckpointOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<CheckpointReport, CheckpointError> {
    let begin = Instant::now();
    let mut phases = Phases { last: begin, done: Vec::new() };
    let fail = |point: FaultPoint| {
        if options.fail_after == Some(point) {
            Err(CheckpointError::OnPurpose(point))
        } else {
            Ok(())
        }
    };
    let machine = machine::this();
    let writer = Writer::create(path, options.compression)?;
    let asleep = restart::look(root);
    let _opened = proc::Opened::of_tree(root);
    let rescue = Rescue::start().doing("starting the watchdog", root)?;
    let copiers = match options.copiers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let spaces = process::OwnSpaces::read();
    writer.pages().expect(expected_bytes(root));
    phases.end("prepare");
    fail(FaultPoint::Prepared)?;

    // Ended after the tree was let go, whatever happens.
    let mut copies = Copies::default();
    let mut frozen = Frozen::stop(root, rescue, options.patience)?;
    phases.end("stop");
    fail(FaultPoint::Stopped)?;
    frozen.hold()?;
    phases.end("hold");
    fail(FaultPoint::Held)?;

    let mut collected = Collected::default();
    collected.snapshot.clocks = machine::clocks_of(root).doing("reading clocks", root)?;
    let mut plan = process::collect(&mut frozen, &mut collected, &asleep, &spaces)?;
    if !collected.obstacles.is_empty() {
        return Err(CheckpointError::Refused(collected.obstacles));
    }
    phases.end("collect");
    fail(FaultPoint::Collected)?;
    let memory_bytes = plan.bytes();
    let later = match options.after {
        After::LeaveRunning => plan.defer(options.fork_from, &mut frozen, &mut copies),
        After::Kill => CopyPlan::default(),
    };
    let later = Some(later).filter(|plan| !plan.is_empty()).map(pages::Job::new);
    let deferred = later.as_ref().map_or(0, pages::Job::bytes);
    let store = |job: pages::Job, before: u64, snapshot: &mut Snapshot| {
        let progress = |done| progress(before + done, memory_bytes);
        job.store(snapshot, writer.pages(), copiers, &progress).doing("copying the memory", root)
    };
    let mut job = Some(pages::Job::new(plan));
    if let Some(job) = job.as_mut().filter(|job| job.is_small()) {
        job.read().doing("reading the memory", root)?;
    } else if let Some(job) = job.take() {
        frozen.spread();
        store(job, 0, &mut collected.snapshot)?;
    }
    phases.end("copy");
    fail(FaultPoint::Copied)?;

    let threads = frozen.processes.iter().map(|process| process.threads.len()).sum();
    let since = frozen.since;
    let mut frozen = Some(frozen);
    let mut frozen_us = 0;
    if options.after == After::LeaveRunning
        && let Some(frozen) = frozen.take()
    {
        let until = frozen.thaw()?;
        frozen_us = micros(until - since);
        phases.end("thaw");
        fail(FaultPoint::Thawed)?;
    }
    let of_copies = later.map(|job| (job, memory_bytes - deferred));
    let left: Vec<_> = job.map(|job| (job, 0)).into_iter().chain(of_copies).collect();
    if !left.is_empty() {
        for (job, before) in left {
            store(job, before, &mut collected.snapshot)?;
        }
        phases.end("store");
    }
    fail(FaultPoint::Stored)?;
    if !copies.is_empty() {
        frozen_us += micros(copies.end());
        phases.end("reap");
    }
    let finished = writer.finish(&collected.snapshot, &machine)?;
    phases.end("write");
    if let Some(frozen) = frozen {
        fail(FaultPoint::Written)?;
        frozen.kill();
        frozen_us = micros(since.elapsed());
        phases.end("kill");
    }
    Ok(CheckpointReport {
        frozen_us,
        total_us: micros(begin.elapsed()),
        phases: phases.done,
        processes: collected.snapshot.processes.len(),
        threads,
        memory_bytes,
        stored_bytes: finished.stored_pages * outlast_image::PAGE as u64,
        image_bytes: finished.image_bytes,
    })
}

/// About how much memory the largest process of a tree has, by what its status says. Not the sum: those that were
/// forked share most of theirs, and room that isn't needed may be missed elsewhere.
fn expected_bytes(root: i32) -> u64 {
    let mut largest = 0;
    proc::walk(root, |proc, _| {
        let status = proc.read("status").unwrap_or_default();
        let mut kib = 0;
        for (name, value) in proc::fields(&status) {
            if ["RssAnon", "RssShmem", "VmSwap"].contains(&name) {
                let value = value.split(' ').next().and_then(|kib| kib.parse::<u64>().ok());
                kib += value.unwrap_or(0);
            }
        }
        largest = largest.max(kib);
        true
    });
    largest * 1024
}

/// Looks, without stopping anything, for what a checkpoint of the tree would be refused for. A running
/// program changes: an empty answer is no promise.
///
/// # Errors
/// The process isn't there, or may not be looked at.
pub fn check(root: i32) -> Result<Vec<Obstacle>, CheckpointError> {
    let mut collected = Collected::default();
    let spaces = process::OwnSpaces::read();
    let mut queue = vec![root];
    let mut streams = Streams::default();
    while let Some(pid) = queue.pop() {
        let proc = Proc { pid };
        let looked = look(proc, &spaces, &mut collected, &mut streams);
        match looked {
            Ok(children) => queue.extend(children),
            // A descendant may end at any time.
            Err(CheckpointError::NoProcess(_) | CheckpointError::Ended(_)) if pid != root => {}
            Err(error) => return Err(error),
        }
    }
    streams.judge(&mut collected);
    Ok(collected.obstacles)
}

fn look(
    proc: Proc,
    spaces: &process::OwnSpaces,
    collected: &mut Collected,
    streams: &mut Streams,
) -> Result<Vec<i32>, CheckpointError> {
    let pid = proc.pid;
    let read = |name: &str| match proc.read(name) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
            Err(CheckpointError::NoProcess(pid))
        }
        other => other.doing("reading /proc", pid),
    };
    let stat = Stat::parse(&read("stat")?).doing("reading stat", pid)?;
    let status = Status::parse(&read("status")?).doing("reading status", pid)?;
    if stat.state == b'Z' {
        return Ok(Vec::new());
    }
    process::judge_status(pid, &status, &stat, spaces, collected);
    let areas = parse_areas(&read("smaps")?).doing("reading smaps", pid)?;
    memory::judge(pid, &stat.comm, &areas, collected);
    files::judge(proc, &stat.comm, collected, streams)?;
    let threads = proc.numbers("task").doing("listing the threads", pid)?;
    // A thread may end meanwhile, and its children are then another's.
    Ok(threads.into_iter().flat_map(|tid| proc.children(tid).unwrap_or_default()).collect())
}
