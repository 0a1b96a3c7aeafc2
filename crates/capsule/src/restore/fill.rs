//! The content of memory.
//!
//! Fresh anonymous memory is filled by `userfaultfd`, which makes pages with their content, without
//! zeroing or faulting them first. Everything else is written through `/proc/PID/mem`, which asks for no
//! rights of the mapping. In memory inherited from the parent only pages that differ are written, and those that
//! the child doesn't have are dropped.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use outlast_image::{BLOCK_PAGES, Backing, Mapping, PAGE, Reader, Run};
use outlast_os::foreign::{self, Span};
use outlast_os::uffd::{self, Filler};

use crate::freeze::bits;

use super::build::Builder;
use super::{RestoreError, Trying};

/// Fewer pages than this are written faster than userfaultfd is set up.
const WORTH_FILLING: u64 = 128;

/// A thread more costs about as much as filling this.
const WORTH_A_THREAD: u64 = 8 << 20;

/// Pages to write somewhere.
#[derive(Clone, Copy, Debug)]
struct Portion {
    at: u64,
    pages: u32,
    first: u32,
    fresh: bool,
}

impl Builder<'_> {
    /// Gives a process the content of its memory, and what depends on that.
    pub(super) fn fill(&mut self, index: usize) -> Result<(), RestoreError> {
        let process = self.process(index);
        let memory = &process.body.as_ref().expect("not a zombie").memory;
        let inherited = self.inherited(index);
        let mut portions = Vec::new();
        let mut drops = Vec::new();
        let mut zeros = Vec::new();
        let mut fresh_pages = 0;
        let mut fresh = Vec::new();
        for mapping in memory.mappings.iter().filter(|mapping| !mapping.shared) {
            let own = within(&memory.runs, mapping);
            if Self::is_kept(inherited, mapping) {
                let parents =
                    inherited.map(|parent| within(&parent.runs, mapping)).unwrap_or_default();
                let (write, drop) = difference(&parents, &own);
                add(&mut portions, &mut zeros, &write, false);
                drops.extend(drop);
                continue;
            }
            let anonymous = matches!(mapping.backing, Backing::Anonymous);
            let pages: u64 = own.iter().map(|run| u64::from(run.pages)).sum();
            if anonymous && pages > 0 {
                fresh_pages += pages;
                fresh.push(Span { start: mapping.start, end: mapping.end });
            }
            add(&mut portions, &mut zeros, &own, anonymous);
        }
        let filler = if fresh_pages >= WORTH_FILLING { self.filler(index, &fresh) } else { None };
        let (bytes, result) = self.write_all(index, portions, &zeros, filler);
        result?;
        self.filled_bytes += bytes;
        let below: Vec<_> =
            process.threads.iter().filter_map(|thread| thread.below_stack.as_ref()).collect();
        let made = self.made(index);
        let rest = || -> io::Result<()> {
            for span in &drops {
                made.call(libc::SYS_madvise, &[span.start, span.len(), bits(libc::MADV_DONTNEED)])?;
            }
            for (from, to) in &memory.guards {
                const MADV_GUARD_INSTALL: u64 = 102;
                made.call(libc::SYS_madvise, &[*from, to - from, MADV_GUARD_INSTALL])
                    .map_err(|error| super::layout::about(error, "guard pages (Linux 6.13)"))?;
            }
            for (at, bytes) in below {
                let memory = made.memory.as_ref().expect("opened when it was made");
                memory.write_all_at(bytes, *at)?;
            }
            Ok(())
        };
        rest().trying("filling the memory", process.pid)?;
        self.finish_memory(index).trying("finishing the memory", process.pid)
    }

    /// A userfaultfd of the process, over its fresh memory; `None` where that can't be.
    fn filler(&self, index: usize, fresh: &[Span]) -> Option<Filler> {
        let made = self.made(index);
        let flags = bits(libc::O_CLOEXEC | libc::O_NONBLOCK) | uffd::USER_MODE_ONLY;
        let number = made.call(libc::SYS_userfaultfd, &[flags]).ok()?;
        let process = foreign::pidfd_open(made.pid).ok()?;
        let taken = foreign::pidfd_getfd(process.as_fd(), i32::try_from(number).ok()?);
        made.call(libc::SYS_close, &[number]).ok()?;
        let filler = Filler::new(taken.ok()?).ok()?;
        for span in fresh {
            filler.register(*span).ok()?;
        }
        Some(filler)
    }

    fn write_all(
        &self,
        index: usize,
        portions: Vec<Portion>,
        zeros: &[Run],
        filler: Option<Filler>,
    ) -> (u64, Result<(), RestoreError>) {
        let pid = self.process(index).pid;
        let bytes: u64 =
            portions.iter().map(|portion| u64::from(portion.pages) * PAGE as u64).sum();
        let memory = self.made(index).memory.as_ref().expect("opened when it was made");
        let done = || -> Result<(), RestoreError> {
            let memory = memory.try_clone().trying("filling the memory", pid)?;
            let next = AtomicUsize::new(0);
            let reader = Arc::clone(&self.reader);
            let job = Arc::new(Job { reader, pid, memory, filler, portions, next });
            let worth = usize::try_from(bytes / WORTH_A_THREAD).unwrap_or(usize::MAX);
            self.crew.run(&job, worth)
        };
        let done = done();
        let blank = vec![0; PAGE];
        let zeroed = || -> io::Result<()> {
            for run in zeros {
                for nth in 0..u64::from(run.pages) {
                    memory.write_all_at(&blank, run.start + nth * PAGE as u64)?;
                }
            }
            Ok(())
        };
        (bytes, done.and_then(|()| zeroed().trying("filling the memory", pid)))
    }
}

/// Memory to fill, by whoever has time.
#[derive(Debug)]
struct Job {
    reader: Arc<Reader>,
    pid: i32,
    memory: File,
    filler: Option<Filler>,
    portions: Vec<Portion>,
    next: AtomicUsize,
}

impl Job {
    fn work(&self) -> Result<(), RestoreError> {
        let mut buffer = Vec::new();
        loop {
            let nth = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(portion) = self.portions.get(nth) else { return Ok(()) };
            self.reader.read(portion.first, portion.pages, &mut buffer)?;
            let put = match &self.filler {
                Some(filler) if portion.fresh => filler.copy(portion.at, &buffer),
                _ => self.memory.write_all_at(&buffer, portion.at),
            };
            put.trying("filling the memory", self.pid)?;
        }
    }
}

/// Threads that fill memory. They are made before the namespaces: a thread whose children are to be in another pid
/// namespace can't make threads.
#[derive(Debug, Default)]
pub(super) struct Crew {
    others: Vec<mpsc::Sender<Arc<Job>>>,
    done: Option<mpsc::Receiver<Result<(), RestoreError>>>,
}

impl Crew {
    /// `count` threads, besides the caller. They end when this is dropped.
    pub(super) fn new(count: usize) -> io::Result<Self> {
        let (tell, done) = mpsc::channel();
        let mut others = Vec::with_capacity(count);
        for _ in 0..count {
            let (give, take) = mpsc::channel::<Arc<Job>>();
            let tell = tell.clone();
            std::thread::Builder::new().name("fill".to_owned()).spawn(move || {
                for job in take {
                    let result = job.work();
                    drop(job);
                    if tell.send(result).is_err() {
                        return;
                    }
                }
            })?;
            others.push(give);
        }
        Ok(Self { others, done: Some(done) })
    }

    /// Does a job, with the help of at most `helpers`.
    fn run(&self, job: &Arc<Job>, helpers: usize) -> Result<(), RestoreError> {
        let mut asked = 0;
        for other in self.others.iter().take(helpers) {
            asked += usize::from(other.send(Arc::clone(job)).is_ok());
        }
        let mut all = job.work();
        for _ in 0..asked {
            let other = self.done.as_ref().and_then(|done| done.recv().ok());
            all = all.and(other.unwrap_or_else(|| {
                Err(io::Error::other("a thread that fills memory is gone"))
                    .trying("filling the memory", job.pid)
            }));
        }
        all
    }
}

fn end(run: &Run) -> u64 {
    run.start + u64::from(run.pages) * PAGE as u64
}

/// The parts of runs that are in a mapping.
pub(crate) fn within(runs: &[Run], mapping: &Mapping) -> Vec<Run> {
    let from = runs.partition_point(|run| end(run) <= mapping.start);
    runs[from..]
        .iter()
        .take_while(|run| run.start < mapping.end)
        .map(|run| cut(run, run.start.max(mapping.start), end(run).min(mapping.end)))
        .collect()
}

/// The part of a run between two addresses.
fn cut(run: &Run, from: u64, to: u64) -> Run {
    let skipped = u32::try_from((from - run.start) / PAGE as u64).expect("inside the run");
    Run {
        start: from,
        pages: u32::try_from((to - from) / PAGE as u64).expect("inside the run"),
        first: run.first.map(|first| first + skipped),
    }
}

/// What a child has to write, and to drop, where it begins with its parent's pages.
pub(crate) fn difference(parents: &[Run], own: &[Run]) -> (Vec<Run>, Vec<Span>) {
    let mut write = Vec::new();
    let mut drops = Vec::new();
    let (mut a, mut b) = (parents.iter().copied().peekable(), own.iter().copied().peekable());
    loop {
        match (a.peek_mut(), b.peek_mut()) {
            (None, None) => return (write, drops),
            (Some(old), None) => {
                drops.push(Span { start: old.start, end: end(old) });
                a.next();
            }
            (None, Some(new)) => {
                write.push(*new);
                b.next();
            }
            (Some(old), Some(new)) if old.start < new.start => {
                let to = end(old).min(new.start);
                drops.push(Span { start: old.start, end: to });
                if to == end(old) {
                    a.next();
                } else {
                    *old = cut(old, to, end(old));
                }
            }
            (Some(old), Some(new)) if new.start < old.start => {
                let to = end(new).min(old.start);
                write.push(cut(new, new.start, to));
                if to == end(new) {
                    b.next();
                } else {
                    *new = cut(new, to, end(new));
                }
            }
            (Some(old), Some(new)) => {
                let to = end(old).min(end(new));
                if old.first != new.first {
                    write.push(cut(new, new.start, to));
                }
                let (old_done, new_done) = (to == end(old), to == end(new));
                if !old_done {
                    *old = cut(old, to, end(old));
                }
                if !new_done {
                    *new = cut(new, to, end(new));
                }
                if old_done {
                    a.next();
                }
                if new_done {
                    b.next();
                }
            }
        }
    }
}

fn add(portions: &mut Vec<Portion>, zeros: &mut Vec<Run>, runs: &[Run], fresh: bool) {
    let block = u32::try_from(BLOCK_PAGES).expect("256");
    for run in runs {
        let Some(first) = run.first else {
            if !fresh {
                zeros.push(*run);
            }
            continue;
        };
        let mut done = 0;
        while done < run.pages {
            let pages = (run.pages - done).min(block);
            let at = run.start + u64::from(done) * PAGE as u64;
            portions.push(Portion { at, pages, first: first + done, fresh });
            done += pages;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: u64, pages: u32, first: u32) -> Run {
        Run { start: start * PAGE as u64, pages, first: Some(first) }
    }

    #[test]
    fn a_child_writes_what_differs_and_drops_what_it_has_not() {
        let parents = [run(0, 4, 0), run(10, 2, 10)];
        let own = [run(1, 1, 1), run(2, 2, 7), run(11, 3, 11)];
        let (write, drops) = difference(&parents, &own);
        // Page 11 is the parent's 11th as well; 12 and 13 are new.
        assert_eq!(write, [run(2, 2, 7), run(12, 2, 12)]);
        let page = PAGE as u64;
        assert_eq!(
            drops,
            [Span { start: 0, end: page }, Span { start: 10 * page, end: 11 * page }]
        );
    }

    #[test]
    fn equal_memory_is_left_alone() {
        let runs = [run(0, 4, 0), run(10, 2, 10)];
        let halves = [run(0, 1, 0), run(1, 3, 1), run(10, 2, 10)];
        assert_eq!(difference(&runs, &halves), (vec![], vec![]));
    }
}
