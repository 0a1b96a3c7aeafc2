//! A restore: from an image to a running tree.
//!
//! ```text
//!   judge   the image, the machine, the files that must be there again
//!   spaces  new pid, mount and time namespaces, and their first process    (or none: the same ids here)
//!   open    descriptions, pipes with content, objects; parked above all numbers that the tree uses
//!   build   each process, parents first: a stub (or a fork of its parent's memory), its address space,
//!           its pages, its children, its threads, descriptors, signals, timers, credentials
//!   go      registers; everything is let go
//! ```
//!
//! All of it is done by one thread, made for it: what it changes of itself (namespaces, directories) ends
//! with it. Until `go`, everything that was made dies with that thread.
//!
//! A child's memory begins as a copy of its parent's, as it did in life: pages that have the same content in the image
//! stay shared, and cost memory once.

mod build;
mod descriptors;
pub(crate) mod fill;
mod layout;
mod open;
mod signals;
mod spaces;
mod terminal;
mod threads;
pub(crate) mod vdso;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use outlast_image::{ImageError, Reader};

use crate::FaultPoint;
use crate::dump::micros;

/// Where the tree's ids are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pids {
    /// In a new pid namespace, with a `/proc` of its own.
    #[default]
    New,
    /// In this one: they have to be free.
    Same,
}

/// What the standard streams are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standard {
    /// What they were: files are opened again, pipes and terminals from outside are the restorer's.
    #[default]
    Kept,
    /// The restorer's own, whatever they were.
    Given,
}

/// How a tree is restored.
#[derive(Clone, Copy, Debug)]
pub struct RestoreOptions {
    /// Where its ids are.
    pub pids: Pids,
    /// What its standard streams are.
    pub standard: Standard,
    /// Files that have changed or are gone since are no reason to refuse.
    pub accept_changed: bool,
    /// `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME` go on from where they were (a time namespace).
    pub continue_clocks: bool,
    /// A tree that had its terminal's foreground gets that of the restorer's terminal, if the restorer has it. Whoever asks for that
    /// takes it back when the tree ends or stops: [`take_foreground`].
    pub foreground: bool,
    /// Threads that fill memory; 0: one for each processor.
    pub copiers: usize,
    /// Where a test wants it to fail.
    pub fail_after: Option<FaultPoint>,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            pids: Pids::New,
            standard: Standard::Kept,
            accept_changed: false,
            continue_clocks: true,
            foreground: false,
            copiers: 0,
            fail_after: None,
        }
    }
}

/// What a restore took. Times in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Everything.
    pub total_us: u64,
    /// Time of each phase, in order.
    pub phases: Vec<(&'static str, u64)>,
    /// Processes.
    pub processes: usize,
    /// Threads of all of them.
    pub threads: usize,
    /// Memory that was filled.
    pub memory_bytes: u64,
    /// The image's length.
    pub image_bytes: u64,
    /// What isn't as it was, and why it doesn't matter enough to refuse.
    pub notes: Vec<String>,
}

/// A tree that runs again.
#[derive(Debug)]
pub struct Restored {
    /// Its root, a child of this process, as this process sees it.
    pub pid: i32,
    /// Its root's id as the tree sees it.
    pub inner_pid: i32,
    /// The first process of its pid namespace, a child of this process as well.
    pub init: Option<i32>,
    /// It has the foreground of the restorer's terminal.
    pub in_foreground: bool,
    /// What it took.
    pub report: RestoreReport,
}

/// Why a tree isn't restored. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The image can't be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Files aren't what they were.
    #[error("{}", changed(.0))]
    Changed(Vec<String>),
    /// The image is of another kind of machine.
    #[error("this machine can't run it: {0}")]
    Machine(String),
    /// An id is in use.
    #[error("id {0} is in use; end that process, or restore into a new pid namespace")]
    Taken(i32),
    /// The number of a pseudo-terminal is in use.
    #[error(
        "terminal /dev/pts/{0} is in use; restore into a new pid namespace, or accept another number (--accept-changed)"
    )]
    TerminalTaken(u32),
    /// A right is missing.
    #[error("{doing} isn't allowed: it needs {needs} ({source})")]
    Denied {
        /// What was tried.
        doing: &'static str,
        /// Which capability.
        needs: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file can't be opened, or another thing of the world's is not as it has to be.
    #[error("{what}: {source}")]
    World {
        /// What was tried with what.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused something.
    #[error("{doing} of process {pid}: {source}")]
    Kernel {
        /// What was tried.
        doing: &'static str,
        /// With whom, as the tree sees it.
        pid: i32,
        /// What it said.
        source: io::Error,
    },
    /// A test asked for this failure.
    #[error("failed on purpose after {0:?}")]
    OnPurpose(FaultPoint),
}

fn changed(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("  {line}")).collect();
    format!(
        "files are not what they were at the checkpoint:\n{}\nif that doesn't matter, accept it (--accept-changed)",
        lines.join("\n")
    )
}

/// Adds what was tried, and with whom, to what the kernel said.
trait Trying<T> {
    fn trying(self, doing: &'static str, pid: i32) -> Result<T, RestoreError>;
    fn needing(self, doing: &'static str, needs: &'static str) -> Result<T, RestoreError>;
    fn with(self, what: impl FnOnce() -> String) -> Result<T, RestoreError>;
}

impl<T> Trying<T> for io::Result<T> {
    fn trying(self, doing: &'static str, pid: i32) -> Result<T, RestoreError> {
        self.map_err(|source| RestoreError::Kernel { doing, pid, source })
    }

    fn needing(self, doing: &'static str, needs: &'static str) -> Result<T, RestoreError> {
        self.map_err(|source| match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => RestoreError::Denied { doing, needs, source },
            _ => RestoreError::World { what: doing.to_owned(), source },
        })
    }

    fn with(self, what: impl FnOnce() -> String) -> Result<T, RestoreError> {
        self.map_err(|source| RestoreError::World { what: what(), source })
    }
}

/// Measures phases, and fails where a test wants it.
struct Progress<'a> {
    last: Instant,
    done: Vec<(&'static str, u64)>,
    options: &'a RestoreOptions,
    notes: Vec<String>,
}

impl Progress<'_> {
    fn end(&mut self, name: &'static str, point: FaultPoint) -> Result<(), RestoreError> {
        let now = Instant::now();
        self.done.push((name, micros(now - self.last)));
        self.last = now;
        if self.options.fail_after == Some(point) {
            return Err(RestoreError::OnPurpose(point));
        }
        Ok(())
    }
}

/// Each process is made inside the making of its parent: room for a thousand in a row.
const STACK: usize = 32 << 20;

/// Restores the tree of the image at `path`.
///
/// # Errors
/// [`RestoreError`]; nothing of the tree is left.
pub fn restore(path: &Path, options: &RestoreOptions) -> Result<Restored, RestoreError> {
    let path: PathBuf = path.to_owned();
    let options = *options;
    let thread = std::thread::Builder::new().name("restore".to_owned()).stack_size(STACK);
    let thread =
        thread.spawn(move || run(&path, &options)).with(|| "starting a thread".to_owned())?;
    thread.join().unwrap_or_else(|_| {
        Err(RestoreError::World {
            what: "restoring".to_owned(),
            source: io::Error::other("the restoring thread panicked"),
        })
    })
}

fn run(path: &Path, options: &RestoreOptions) -> Result<Restored, RestoreError> {
    let begin = Instant::now();
    let mut progress = Progress { last: begin, done: Vec::new(), options, notes: Vec::new() };
    // Its own descriptors: so that numbers are free, and nobody else's are handed on.
    let own = || {
        outlast_os::spaces::unshare(outlast_os::spaces::DESCRIPTORS)?;
        const STANDARD: u32 = 3;
        outlast_os::spaces::close_from(STANDARD)
    };
    own().with(|| "taking descriptors of its own".to_owned())?;
    let reader = Arc::new(Reader::open(path)?);
    let copiers = match options.copiers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    // Small ones are filled sooner than a thread is made.
    const SMALL: u64 = 16 << 20;
    let others = if reader.image_bytes() < SMALL { 0 } else { copiers - 1 };
    let crew = fill::Crew::new(others).with(|| "starting a thread".to_owned())?;
    let snapshot = reader.snapshot();
    let own = vdso::judge_machine(reader.machine(), &mut progress.notes)?;
    progress.end("read", FaultPoint::Prepared)?;

    // Stubs are made on this processor, and stay here until they are whole: calls are ten times as fast.
    let anywhere = pin();
    let spaces = spaces::Spaces::enter(snapshot, options, &anywhere, &mut progress.notes)?;
    progress.end("spaces", FaultPoint::Spaces)?;

    let files = open::judge_files(snapshot, options)?;
    progress.notes.extend(files);
    let parked = open::open_all(&reader, &spaces, options, &mut progress.notes)?;
    progress.end("open", FaultPoint::Opened)?;

    let mut builder = build::Builder::new(&reader, &crew, &spaces, parked, own, anywhere);
    builder.build(&mut progress)?;
    let (memory_bytes, threads) = (builder.filled_bytes, builder.thread_count());
    let in_foreground = builder.bind_outside(options);
    let mut go = || -> Result<(), RestoreError> {
        builder.go()?;
        progress.end("go", FaultPoint::Released)?;
        let root = snapshot.processes[0].pid;
        spaces.release(root).with(|| "starting the tree's first process".to_owned())
    };
    if let Err(error) = go() {
        if in_foreground {
            take_foreground();
        }
        return Err(error);
    }
    let pid = builder.root_pid();
    builder.keep();
    builder.tell_size();
    progress.notes.append(&mut builder.notes);
    let init = spaces.keep();
    Ok(Restored {
        pid,
        inner_pid: snapshot.processes[0].pid,
        init,
        in_foreground,
        report: RestoreReport {
            total_us: micros(begin.elapsed()),
            phases: progress.done,
            processes: snapshot.processes.len(),
            threads,
            memory_bytes,
            image_bytes: reader.image_bytes(),
            notes: progress.notes,
        },
    })
}

/// Brings this process's group to the foreground of its terminal, from wherever it is: when a tree that was given it has ended or
/// stopped. Where there is none, nothing is done.
pub fn take_foreground() {
    if let Some(terminal) = outlast_os::terminal::standard() {
        // Who hung it up needs no foreground.
        let own = nix::unistd::getpgrp().as_raw();
        let _ = outlast_os::terminal::set_foreground(&terminal, own);
    }
}

/// Binds this thread to the processor that it is on: where it was allowed to be before.
fn pin() -> Vec<u64> {
    use outlast_os::schedule;
    let own = schedule::affinity(0).unwrap_or_default();
    // Slower if it can't be.
    let _ = schedule::set_affinity(0, &schedule::only(schedule::current_processor()));
    own
}

/// How long something that is about to happen may take.
const SOON: Duration = Duration::from_secs(10);
