//! What is mapped, and which pages are the process's own.

use std::fs::File;
use std::io;

use outlast_image::{Backing, Bounds, Mapping, MappingFlags};
use outlast_os::foreign::{self, Span};

use crate::error::{CheckpointError, Doing};
use crate::freeze::{Copies, Frozen, StoppedProcess};
use crate::proc::{Area, Proc, Stat};

use super::Collected;
use super::files::Files;

/// The end of user space.
const TOP: u64 = 0x7fff_ffff_f000;

/// Which memory has to be copied.
#[derive(Debug, Default)]
pub(crate) struct CopyPlan {
    pub(super) pieces: Vec<Piece>,
}

/// Memory of one process, or of one object.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) source: Source,
    /// Pages, in order; of an object: offsets.
    pub(super) spans: Vec<Span>,
    /// The process's, or the object's, index in the snapshot.
    pub(super) index: usize,
}

#[derive(Debug)]
pub(super) enum Source {
    /// A process: by its memory. Spans over which zeros must be kept, as they cover a file's content.
    Process {
        pid: i32,
        over_files: Vec<Span>,
        /// Spans that can't be read in the ordinary way: no rights.
        barred: Vec<Span>,
    },
    /// A copy of a process, which is of the same process otherwise: by its open memory. Ordinary reading of another
    /// process's memory pins its pages, and pages that a fork shares are copied for that, each of them.
    Copy { memory: File, over_files: Vec<Span> },
    /// An open file.
    Object(File),
}

impl CopyPlan {
    pub(super) fn bytes(&self) -> u64 {
        self.pieces.iter().map(Piece::bytes).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Makes copies of the processes that have so many bytes to be copied. What is read from these is taken out of the
    /// plan, and answered: it can wait until the tree runs again.
    pub(super) fn defer(
        &mut self,
        from: u64,
        frozen: &mut Frozen,
        copies: &mut Copies,
    ) -> CopyPlan {
        let mut later = Self::default();
        for piece in &mut self.pieces {
            let Source::Process { over_files, .. } = &piece.source else { continue };
            if piece.bytes() < from {
                continue;
            }
            // Else it is read from the process itself.
            let copied = frozen.copy(piece.index, copies);
            let opened = copied.and_then(|pid| File::open(Proc { pid }.path("mem")));
            let Ok(memory) = opened else { continue };
            let areas = frozen.processes[piece.index].areas.iter();
            let left_out = areas.filter(|area| area.has(b"dc") || area.has(b"wf"));
            let left_out: Vec<Span> =
                left_out.map(|area| Span { start: area.start, end: area.end }).collect();
            // No span is of two mappings.
            let is_left_out = |span: &Span| {
                left_out.iter().any(|area| area.start <= span.start && span.end <= area.end)
            };
            let source = Source::Copy { memory, over_files: over_files.clone() };
            let (now, copied) = piece.spans.iter().partition(|span| is_left_out(span));
            piece.spans = now;
            later.pieces.push(Piece { source, spans: copied, index: piece.index });
        }
        later
    }
}

impl Piece {
    fn bytes(&self) -> u64 {
        self.spans.iter().map(|span| span.len()).sum()
    }
}

/// Refuses mappings that can't be carried.
pub(super) fn judge(pid: i32, comm: &[u8], areas: &[Area], collected: &mut Collected) {
    for area in areas {
        let why = if area.is_kernels() {
            match area.name.as_slice() {
                b"[vdso]" | b"[vvar]" | b"[vvar_vclock]" => continue,
                _ => "a mapping of the kernel's that isn't known",
            }
        } else if area.name.starts_with(b"/SYSV") {
            "System V shared memory is not carried"
        } else if area.name.starts_with(b"/anon_hugepage") || area.has(b"ht") {
            "explicit huge pages (hugetlb) are not carried"
        } else if area.name.starts_with(b"anon_inode:") {
            "memory of a kernel object (io_uring, perf, KVM, …) is not carried"
        } else if area.has(b"io") || area.has(b"pf") {
            "a device's memory is not carried"
        } else if area.key != 0 {
            "memory under a protection key is not carried"
        } else if area.has(b"ss") {
            "a shadow stack is not carried"
        } else if area.has(b"um") || area.has(b"uw") {
            "memory under userfaultfd is not carried"
        } else {
            continue;
        };
        let name = String::from_utf8_lossy(&area.name).into_owned();
        let place = format!("mapping {:x}-{:x} {name}", area.start, area.end);
        collected.refuse(pid, comm, place.trim_end().to_owned(), why);
    }
}

/// Describes a process's mappings, without the memory that the engine mapped itself.
pub(super) fn collect(
    process: &StoppedProcess,
    collected: &mut Collected,
    files: &mut Files,
) -> Result<Vec<Mapping>, CheckpointError> {
    judge(process.pid, &process.stat.comm, &process.areas, collected);
    let mut mappings = Vec::with_capacity(process.areas.len());
    for area in &process.areas {
        let backing = match area.name.as_slice() {
            b"[vdso]" => Backing::Vdso,
            b"[vvar]" => Backing::Vvar,
            b"[vvar_vclock]" => Backing::VvarClock,
            _ if area.inode != 0 => {
                let backing = files.backing(process, area, collected);
                match backing.doing("looking at a mapped file", process.pid)? {
                    Some(backing) => backing,
                    None => continue,
                }
            }
            _ => Backing::Anonymous,
        };
        let name = area.name.strip_prefix(b"[anon:").and_then(|name| name.strip_suffix(b"]"));
        mappings.push(Mapping {
            start: area.start,
            end: area.end,
            protection: area.protection,
            shared: area.shared,
            backing,
            flags: flags(area),
            name: name.map(|name| String::from_utf8_lossy(name).into_owned()),
        });
    }
    Ok(mappings)
}

fn flags(area: &Area) -> MappingFlags {
    MappingFlags {
        grows_down: area.has(b"gd"),
        locked: match (area.has(b"lo"), area.has(b"lf")) {
            (_, true) => 2,
            (true, false) => 1,
            _ => 0,
        },
        no_reserve: area.has(b"nr"),
        accounted: area.has(b"ac"),
        sequential: area.has(b"sr"),
        random: area.has(b"rr"),
        dont_fork: area.has(b"dc"),
        dont_dump: area.has(b"dd"),
        wipe_on_fork: area.has(b"wf"),
        huge_pages: area.has(b"hg"),
        no_huge_pages: area.has(b"nh"),
        mergeable: area.has(b"mg"),
    }
}

/// Where the program's parts are; the heap's end is what `brk` said.
pub(super) fn bounds(stat: &Stat, brk: u64) -> Bounds {
    Bounds {
        code: stat.code,
        data: stat.data,
        brk: (stat.brk_start, brk),
        stack: stat.stack,
        arguments: stat.arguments,
        environment: stat.environment,
    }
}

/// Finds the pages that are the process's own: anonymous ones, and copies of a file's.
pub(super) fn plan(
    process: &StoppedProcess,
    index: usize,
    mappings: &[Mapping],
    plan: &mut CopyPlan,
) -> io::Result<Vec<(u64, u64)>> {
    let pagemap = File::open(process.proc().path("pagemap"))?;
    let found = foreign::scan_pages(&pagemap, Span { start: 0, end: TOP })?;
    let guards = found.guards.iter().map(|span| (span.start, span.end)).collect();
    let mut spans = Vec::with_capacity(found.pages.len());
    let mut over_files = Vec::new();
    let mut barred = Vec::new();
    let mut nth = 0;
    for own in found.pages {
        let mut start = own.start;
        while start < own.end {
            while mappings.get(nth).is_some_and(|mapping| mapping.end <= start) {
                nth += 1;
            }
            let Some(mapping) = mappings.get(nth) else { break };
            if start < mapping.start {
                // The scratch memory, or what was left out.
                start = mapping.start.min(own.end);
                continue;
            }
            let span = Span { start, end: own.end.min(mapping.end) };
            start = span.end;
            let private = !mapping.shared;
            match mapping.backing {
                Backing::Vdso | Backing::Vvar | Backing::VvarClock => continue,
                Backing::File { .. } | Backing::Object { .. } if private => over_files.push(span),
                _ if !private => continue,
                _ => {}
            }
            if mapping.protection & bitmask(libc::PROT_READ) == 0 {
                barred.push(span);
            }
            spans.push(span);
        }
    }
    let source = Source::Process { pid: process.pid, over_files, barred };
    plan.pieces.push(Piece { source, spans, index });
    Ok(guards)
}

fn bitmask(protection: i32) -> u32 {
    protection.cast_unsigned()
}
