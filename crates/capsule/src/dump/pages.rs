//! Copies memory into the image, by several threads, a block of pages at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use outlast_image::{BLOCK_PAGES, PAGE, PageWriter, Placed, Run, Snapshot};
use outlast_os::foreign::{self, MAX_PIECES, Span};

use super::memory::{CopyPlan, Piece, Source};

/// What one thread copies at once: spans of one piece, at most [`BLOCK_PAGES`] pages together.
struct Portion {
    piece: usize,
    spans: Vec<Span>,
}

/// Memory of this much is read while the target is stopped, and stored when it runs again.
const SMALL: u64 = 8 << 20;

/// The memory of a tree, on its way into the image.
pub(super) struct Job {
    plan: CopyPlan,
    portions: Vec<Portion>,
    /// The content, portion after portion, if it was read before it is stored.
    content: Vec<u8>,
}

impl Job {
    pub(super) fn new(plan: CopyPlan) -> Self {
        let portions = portions(&plan.pieces);
        Self { plan, portions, content: Vec::new() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.plan.bytes()
    }

    /// Whether it is worth reading all of it before any of it is stored.
    pub(super) fn is_small(&self) -> bool {
        self.bytes() <= SMALL
    }

    /// Reads everything; [`Job::store`] then needs the target no more.
    pub(super) fn read(&mut self) -> io::Result<()> {
        self.content = vec![0; usize::try_from(self.bytes()).expect("small")];
        let mut at = 0;
        for portion in &self.portions {
            let len = portion.len();
            let source = &self.plan.pieces[portion.piece].source;
            read(source, &portion.spans, &mut self.content[at..at + len])?;
            at += len;
        }
        Ok(())
    }

    /// Stores everything, and fills in where each page went. What was not read is read by several threads.
    /// `progress` is told the bytes so far.
    pub(super) fn store(
        mut self,
        snapshot: &mut Snapshot,
        store: &PageWriter,
        copiers: usize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> io::Result<()> {
        let mut content = std::mem::take(&mut self.content);
        let runs = if content.is_empty() {
            self.copy(store, copiers, progress)?
        } else {
            let mut rest = &mut content[..];
            let mut all = Vec::with_capacity(self.portions.len());
            for portion in &self.portions {
                let (part, after) = std::mem::take(&mut rest).split_at_mut(portion.len());
                rest = after;
                let placed = store.place(part)?;
                all.push(runs(&self.plan.pieces[portion.piece], &portion.spans, &placed));
            }
            progress(self.bytes());
            all
        };
        for (portion, runs) in self.portions.iter().zip(runs) {
            let piece = &self.plan.pieces[portion.piece];
            let to = match &piece.source {
                Source::Process { .. } | Source::Copy { .. } => {
                    let body = snapshot.processes[piece.index].body.as_mut();
                    &mut body.expect("only living processes have memory").memory.runs
                }
                Source::Object(_) => &mut snapshot.objects[piece.index].runs,
            };
            for run in runs {
                join(to, run);
            }
        }
        // Of a process that was read in two parts, one came after the other.
        for piece in &self.plan.pieces {
            if let Source::Process { .. } | Source::Copy { .. } = piece.source
                && let Some(body) = &mut snapshot.processes[piece.index].body
                && !body.memory.runs.is_sorted_by_key(|run| run.start)
            {
                body.memory.runs.sort_unstable_by_key(|run| run.start);
            }
        }
        Ok(())
    }

    /// Reads and stores, a portion at a time: where the pages of each went.
    fn copy(
        &self,
        store: &PageWriter,
        copiers: usize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> io::Result<Vec<Vec<Run>>> {
        let all: Vec<Mutex<Vec<Run>>> = self.portions.iter().map(|_| Mutex::default()).collect();
        let next = AtomicUsize::new(0);
        let done = AtomicU64::new(0);
        let work = || -> io::Result<()> {
            // Used again and again, it stays in the processor's cache.
            let mut buffer = vec![0; BLOCK_PAGES * PAGE];
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let Some(portion) = self.portions.get(nth) else { return Ok(()) };
                let piece = &self.plan.pieces[portion.piece];
                let part = &mut buffer[..portion.len()];
                read(&piece.source, &portion.spans, part)?;
                let placed = store.place(part)?;
                *all[nth].lock().expect("no panic") = runs(piece, &portion.spans, &placed);
                let bytes = portion.len() as u64;
                progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes);
            }
        };
        // A thread costs more than copying a few blocks.
        let threads = copiers.min(self.portions.len() / 4 + 1);
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut result = work();
            for other in others {
                let other = other.join();
                result = result
                    .and(other.unwrap_or_else(|_| Err(io::Error::other("a copier panicked"))));
            }
            result
        })?;
        Ok(all.into_iter().map(|runs| runs.into_inner().expect("no panic")).collect())
    }
}

impl Portion {
    fn len(&self) -> usize {
        let bytes: u64 = self.spans.iter().map(|span| span.len()).sum();
        usize::try_from(bytes).expect("a block")
    }
}

fn portions(pieces: &[Piece]) -> Vec<Portion> {
    let block = (BLOCK_PAGES * PAGE) as u64;
    let mut portions = Vec::new();
    for (piece, Piece { spans, .. }) in pieces.iter().enumerate() {
        let mut now = Portion { piece, spans: Vec::new() };
        let mut room = block;
        for span in spans {
            let mut start = span.start;
            while start < span.end {
                let end = span.end.min(start + room);
                now.spans.push(Span { start, end });
                room -= end - start;
                start = end;
                if room == 0 || now.spans.len() == MAX_PIECES {
                    portions
                        .push(std::mem::replace(&mut now, Portion { piece, spans: Vec::new() }));
                    room = block;
                }
            }
        }
        if !now.spans.is_empty() {
            portions.push(now);
        }
    }
    portions
}

fn read(source: &Source, spans: &[Span], into: &mut [u8]) -> io::Result<()> {
    match source {
        Source::Process { pid, barred, .. } => {
            let touches = |span: &Span| {
                let nth = barred.partition_point(|barred| barred.end <= span.start);
                barred.get(nth).is_some_and(|barred| barred.start < span.end)
            };
            if !spans.iter().any(touches) {
                return foreign::read(*pid, spans, into);
            }
            // What isn't readable for the program is for its tracer, through this file.
            read_memory(&File::open(format!("/proc/{pid}/mem"))?, spans, into)
        }
        Source::Copy { memory, .. } => read_memory(memory, spans, into),
        Source::Object(file) => {
            let mut at = 0;
            for span in spans {
                let len = usize::try_from(span.len()).expect("a block");
                let part = &mut into[at..at + len];
                part.fill(0);
                let mut filled = 0;
                // The last page of a file is rarely whole.
                while filled < len {
                    match file.read_at(&mut part[filled..], span.start + filled as u64)? {
                        0 => break,
                        n => filled += n,
                    }
                }
                at += len;
            }
            Ok(())
        }
    }
}

fn read_memory(memory: &File, spans: &[Span], into: &mut [u8]) -> io::Result<()> {
    let mut at = 0;
    for span in spans {
        let len = usize::try_from(span.len()).expect("a block");
        memory.read_exact_at(&mut into[at..at + len], span.start)?;
        at += len;
    }
    Ok(())
}

/// Where pages went, as runs. Zeros are told only where something else would be seen without them.
fn runs(piece: &Piece, spans: &[Span], placed: &[Placed]) -> Vec<Run> {
    let mut runs = Vec::new();
    let addresses = spans.iter().flat_map(|span| (span.start..span.end).step_by(PAGE));
    for (start, placed) in addresses.zip(placed) {
        let first = match placed {
            Placed::At(number) => Some(*number),
            Placed::Zero => {
                let (Source::Process { over_files, .. } | Source::Copy { over_files, .. }) =
                    &piece.source
                else {
                    continue;
                };
                let nth = over_files.partition_point(|span| span.end <= start);
                if over_files.get(nth).is_none_or(|span| start < span.start) {
                    continue;
                }
                None
            }
        };
        join(&mut runs, Run { start, pages: 1, first });
    }
    runs
}

/// Adds a run, to the last one if it follows it in both places.
fn join(runs: &mut Vec<Run>, run: Run) {
    if let Some(last) = runs.last_mut() {
        let after = last.start + u64::from(last.pages) * PAGE as u64;
        let follows = match (last.first, run.first) {
            (Some(a), Some(b)) => a + last.pages == b,
            (None, None) => true,
            _ => false,
        };
        if after == run.start && follows {
            last.pages += run.pages;
            return;
        }
    }
    runs.push(run);
}
