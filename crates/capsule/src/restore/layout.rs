//! Address spaces: every mapping where it was.
//!
//! A process begins with its parent's address space (the root with the restorer's). Mappings that are the same
//! in both images are kept, with the pages in them; all others are unmapped and made. The
//! kernel's own mappings are moved, as they can't be made.

use std::io;

use outlast_image::{Backing, Mapping, Memory};
use outlast_os::foreign::Span;

use crate::freeze::{SCRATCH, bits};
use crate::remote::find_syscall;

use super::build::{Builder, Made};
use super::vdso::{self, KernelArea, Kind};
use super::{RestoreError, Trying};

/// The end of user space.
const TOP: u64 = 0x7fff_ffff_f000;

/// Below this nothing is mapped (`vm.mmap_min_addr`).
const BOTTOM: u64 = 0x1_0000;

/// Where things go that must be out of the way for a moment.
const ASIDE: u64 = 0x2000_0000_0000;

/// Offsets in the scratch memory.
const TEXT: u64 = 4096;

impl Builder<'_> {
    /// The parent's memory, if this process begins with a copy of it.
    pub(super) fn inherited(&self, index: usize) -> Option<&Memory> {
        let parent = self.process(index).parent?;
        self.process(parent as usize).body.as_ref().map(|body| &body.memory)
    }

    /// Whether a mapping is the parent's as well.
    pub(super) fn is_kept(inherited: Option<&Memory>, mapping: &Mapping) -> bool {
        if mapping.flags.dont_fork || mapping.flags.wipe_on_fork {
            return false;
        }
        let kernels = matches!(mapping.backing, Backing::Vdso | Backing::Vvar | Backing::VvarClock);
        let of_parent = inherited.is_some_and(|memory| {
            let at = memory.mappings.partition_point(|other| other.start < mapping.start);
            memory.mappings.get(at) == Some(mapping)
        });
        of_parent && !kernels
    }

    /// Gives a process its mappings, empty.
    pub(super) fn lay_out(&mut self, index: usize) -> Result<(), RestoreError> {
        let process = self.process(index);
        let memory = &process.body.as_ref().expect("not a zombie").memory;
        let inherited = self.inherited(index).cloned();
        let mut made = self.made[index].take().expect("made before");
        let laid = self
            .make_mappings(&mut made, inherited.as_ref(), memory)
            .trying("laying out the memory", process.pid);
        self.made[index] = Some(made);
        laid
    }

    fn make_mappings(
        &self,
        made: &mut Made,
        inherited: Option<&Memory>,
        memory: &Memory,
    ) -> io::Result<()> {
        let (kept, fresh): (Vec<&Mapping>, Vec<&Mapping>) = memory
            .mappings
            .iter()
            .filter(|one| {
                !matches!(one.backing, Backing::Vdso | Backing::Vvar | Backing::VvarClock)
            })
            .partition(|one| Self::is_kept(inherited, one));
        let mut stays: Vec<Span> =
            kept.iter().map(|one| Span { start: one.start, end: one.end }).collect();
        stays.extend(made.kernel.iter().map(|area| area.span));
        if made.scratch != 0 {
            stays.push(Span { start: made.scratch, end: made.scratch + SCRATCH });
        }
        stays.sort_unstable_by_key(|span| span.start);
        for gap in gaps(&stays) {
            made.call(libc::SYS_munmap, &[gap.start, gap.len()])?;
        }
        let all: Vec<Span> =
            memory.mappings.iter().map(|one| Span { start: one.start, end: one.end }).collect();
        self.place_kernel(made, memory, &all)?;
        if made.scratch == 0 || all.iter().any(|span| overlaps(*span, made.scratch, SCRATCH)) {
            self.place_scratch(made, &all)?;
        }
        self.place_old_vdso(made, memory)?;
        for mapping in fresh {
            self.map(made, mapping)
                .map_err(|error| about(error, &format!("{:x}-{:x}", mapping.start, mapping.end)))?;
        }
        Ok(())
    }

    /// Moves the kernel's mappings to where the image has them, or, where they are of another kernel, out of the way.
    fn place_kernel(&self, made: &mut Made, memory: &Memory, all: &[Span]) -> io::Result<()> {
        let wanted = KernelArea::wanted(&memory.mappings);
        let shape = |areas: &[KernelArea]| -> Vec<(Kind, u64, u64)> {
            let first = areas.first().map_or(0, |area| area.span.start);
            areas.iter().map(|area| (area.kind, area.span.start - first, area.span.len())).collect()
        };
        let same = self.is_same_vdso() && shape(&wanted) == shape(&made.kernel);
        let first = made.kernel[0].span.start;
        let len = made.kernel.last().map_or(0, |area| area.span.end) - first;
        let to = if same { wanted[0].span.start } else { free(all, &[], len)? };
        if to == first {
            return Ok(());
        }
        let mut hops = Vec::new();
        if to < first + len && first < to + len {
            // It can't be moved onto itself.
            hops.push(free(all, &[Span { start: first, end: first + len }], len)?);
        }
        hops.push(to);
        for hop in hops {
            self.move_kernel(made, hop)?;
        }
        Ok(())
    }

    pub(super) fn is_same_vdso(&self) -> bool {
        self.reader.machine().vdso == self.own.code
    }

    fn move_kernel(&self, made: &mut Made, to: u64) -> io::Result<()> {
        let first = made.kernel[0].span.start;
        let flags = bits(libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED);
        // The vdso last: the calls are made from it.
        let mut order: Vec<usize> = (0..made.kernel.len()).collect();
        order.sort_by_key(|nth| made.kernel[*nth].kind == Kind::Vdso);
        for nth in order {
            let area = made.kernel[nth];
            let (len, start) = (area.span.len(), area.span.start - first + to);
            made.call(libc::SYS_mremap, &[area.span.start, len, len, flags, start])?;
            made.kernel[nth].span = Span { start, end: start + len };
            if area.kind == Kind::Vdso {
                let offset = find_syscall(&self.own.code).expect("found when the root was made");
                made.at = start + offset;
            }
        }
        Ok(())
    }

    fn place_scratch(&self, made: &mut Made, all: &[Span]) -> io::Result<()> {
        let kernel: Vec<Span> = made.kernel.iter().map(|area| area.span).collect();
        let to = free(all, &kernel, SCRATCH)?;
        if made.scratch != 0 {
            made.call(libc::SYS_munmap, &[made.scratch, SCRATCH])?;
        }
        let protection = bits(libc::PROT_READ | libc::PROT_WRITE);
        let flags = bits(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE);
        made.scratch = made.call(libc::SYS_mmap, &[to, SCRATCH, protection, flags, u64::MAX, 0])?;
        Ok(())
    }

    /// Another kernel's vdso: its code where it was, leading to this one's.
    fn place_old_vdso(&self, made: &Made, memory: &Memory) -> io::Result<()> {
        if self.is_same_vdso() {
            return Ok(());
        }
        let wanted = KernelArea::wanted(&memory.mappings);
        let Some(old) = wanted.iter().find(|area| area.kind == Kind::Vdso) else { return Ok(()) };
        let Some(new) = made.kernel.iter().find(|area| area.kind == Kind::Vdso) else {
            return Ok(());
        };
        let code = vdso::redirected(&self.reader.machine().vdso, &self.own.code, new.span.start);
        let flags = bits(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE);
        let (read, execute) = (bits(libc::PROT_READ), bits(libc::PROT_EXEC));
        made.call(
            libc::SYS_mmap,
            &[old.span.start, old.span.len(), read | execute, flags, u64::MAX, 0],
        )?;
        use std::os::unix::fs::FileExt;
        let len = code.len().min(usize::try_from(old.span.len()).expect("two pages"));
        made.memory
            .as_ref()
            .expect("opened when it was made")
            .write_all_at(&code[..len], old.span.start)
    }

    fn map(&self, made: &Made, mapping: &Mapping) -> io::Result<()> {
        let len = mapping.end - mapping.start;
        let mut flags = libc::MAP_FIXED_NOREPLACE;
        flags |= if mapping.shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE };
        if mapping.flags.grows_down {
            flags |= libc::MAP_GROWSDOWN | libc::MAP_STACK;
        }
        if mapping.flags.no_reserve {
            flags |= libc::MAP_NORESERVE;
        }
        let (fd, offset) = match mapping.backing {
            Backing::File { file, offset, writable } => {
                (self.parked().file(file, writable), offset)
            }
            Backing::Object { object, offset } => (Some(self.parked().object(object)), offset),
            _ => {
                flags |= libc::MAP_ANONYMOUS;
                (None, 0)
            }
        };
        let fd = fd.map_or(u64::MAX, |fd| u64::from(fd.cast_unsigned()));
        let write = libc::PROT_WRITE.cast_unsigned();
        // What was written to once, and is read-only now, stays apart from its neighbours.
        let was_writable =
            mapping.flags.accounted && !mapping.shared && mapping.protection & write == 0;
        let at_first =
            u64::from(if was_writable { mapping.protection | write } else { mapping.protection });
        let protection = u64::from(mapping.protection);
        made.call(libc::SYS_mmap, &[mapping.start, len, at_first, bits(flags), fd, offset])?;
        if was_writable {
            made.call(libc::SYS_mprotect, &[mapping.start, len, protection])?;
        }
        self.advise(made, mapping)
    }

    fn advise(&self, made: &Made, mapping: &Mapping) -> io::Result<()> {
        let len = mapping.end - mapping.start;
        let flags = &mapping.flags;
        let advice = [
            (flags.sequential, libc::MADV_SEQUENTIAL),
            (flags.random, libc::MADV_RANDOM),
            (flags.dont_fork, libc::MADV_DONTFORK),
            (flags.dont_dump, libc::MADV_DONTDUMP),
            (flags.wipe_on_fork, libc::MADV_WIPEONFORK),
            (flags.huge_pages, libc::MADV_HUGEPAGE),
            (flags.no_huge_pages, libc::MADV_NOHUGEPAGE),
            (flags.mergeable, libc::MADV_MERGEABLE),
        ];
        for (_, advice) in advice.into_iter().filter(|(given, _)| *given) {
            match made.call(libc::SYS_madvise, &[mapping.start, len, bits(advice)]) {
                // This kernel is built without it: advice only.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                other => drop(other?),
            }
        }
        if let Some(name) = &mapping.name {
            const PR_SET_VMA: u64 = 0x5356_4d41;
            let mut text = name.clone().into_bytes();
            text.push(0);
            let at = made.put(TEXT, &text)?;
            // Names are for people.
            let _ = made.call(libc::SYS_prctl, &[PR_SET_VMA, 0, mapping.start, len, at]);
        }
        Ok(())
    }

    /// What the kernel knows of the program in this memory, and which of it must stay in it: once it is filled.
    pub(super) fn finish_memory(&self, index: usize) -> io::Result<()> {
        let memory = &self.process(index).body.as_ref().expect("not a zombie").memory;
        let made = self.made(index);
        let bounds = &memory.bounds;
        let auxv: Vec<u8> = memory.auxv.iter().flat_map(|word| word.to_le_bytes()).collect();
        let auxv_at = made.put(TEXT, &auxv)?;
        let mut words = vec![
            bounds.code.0,
            bounds.code.1,
            bounds.data.0,
            bounds.data.1,
            bounds.brk.0,
            bounds.brk.1,
            bounds.stack,
            bounds.arguments.0,
            bounds.arguments.1,
            bounds.environment.0,
            bounds.environment.1,
            auxv_at,
        ];
        // A child executes what its parent does unless it is told otherwise, and can't be told while that is mapped.
        let same =
            self.inherited(index).is_some_and(|parent| parent.executable == memory.executable);
        let exe = self.parked().file(memory.executable, false).filter(|_| !same);
        words.push(auxv.len() as u64 | u64::from(exe.unwrap_or(-1).cast_unsigned()) << 32);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let at = made.put(0, &bytes)?;
        const PR_SET_MM_MAP: u64 = 14;
        let set = [bits(libc::PR_SET_MM), PR_SET_MM_MAP, at, bytes.len() as u64, 0];
        made.call(libc::SYS_prctl, &set).map_err(|error| {
            about(error, "the program's bounds and executable (CAP_CHECKPOINT_RESTORE)")
        })?;
        if memory.no_huge_pages {
            made.call(libc::SYS_prctl, &[bits(libc::PR_SET_THP_DISABLE), 1, 0, 0, 0])?;
        }
        for command in
            (0..32).map(|bit| 1_u64 << bit).filter(|bit| u64::from(memory.barriers) & bit != 0)
        {
            made.call(libc::SYS_membarrier, &[command, 0, 0])
                .map_err(|error| about(error, "registering for memory barriers"))?;
        }
        if memory.extended != 0 {
            const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
            let state = u64::from(memory.extended.trailing_zeros());
            made.call(libc::SYS_arch_prctl, &[ARCH_REQ_XCOMP_PERM, state])
                .map_err(|error| about(error, "asking for extended processor state"))?;
        }
        for mapping in memory.mappings.iter().filter(|mapping| mapping.flags.locked > 0) {
            const MLOCK_ONFAULT: u64 = 1;
            let how = if mapping.flags.locked == 2 { MLOCK_ONFAULT } else { 0 };
            made.call(libc::SYS_mlock2, &[mapping.start, mapping.end - mapping.start, how])
                .map_err(|error| about(error, "locking memory (ulimit -l, or CAP_IPC_LOCK)"))?;
        }
        if memory.lock_future > 0 {
            let how =
                libc::MCL_FUTURE | if memory.lock_future == 2 { libc::MCL_ONFAULT } else { 0 };
            made.call(libc::SYS_mlockall, &[bits(how)])
                .map_err(|error| about(error, "locking memory to come"))?;
        }
        Ok(())
    }
}

/// Adds what an error is about.
pub(super) fn about(error: io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// What is between spans that are in order.
fn gaps(spans: &[Span]) -> Vec<Span> {
    let mut gaps = Vec::new();
    let mut at = 0;
    for span in spans {
        if span.start > at {
            gaps.push(Span { start: at, end: span.start });
        }
        at = at.max(span.end);
    }
    if at < TOP {
        gaps.push(Span { start: at, end: TOP });
    }
    gaps
}

fn overlaps(span: Span, start: u64, len: u64) -> bool {
    span.start < start + len && start < span.end
}

/// A place of `len` bytes that nothing wants.
fn free(wanted: &[Span], others: &[Span], len: u64) -> io::Result<u64> {
    let mut taken: Vec<Span> = wanted.iter().chain(others).copied().collect();
    taken.sort_unstable_by_key(|span| span.start);
    let from = |from: u64| {
        let mut at = from;
        for span in &taken {
            if overlaps(*span, at, len) {
                // Kept apart, so that it doesn't grow together with its neighbour.
                at = span.end + BOTTOM;
            }
        }
        (at + len <= TOP).then_some(at)
    };
    from(ASIDE)
        .or_else(|| from(BOTTOM))
        .ok_or_else(|| io::Error::other(format!("no {len} bytes of addresses are free")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64) -> Span {
        Span { start, end }
    }

    #[test]
    fn gaps_and_spans_are_all_there_is() {
        assert_eq!(gaps(&[]), [span(0, TOP)]);
        let found = gaps(&[span(0x1000, 0x2000), span(0x2000, 0x3000), span(0x5000, TOP)]);
        assert_eq!(found, [span(0, 0x1000), span(0x3000, 0x5000)]);
    }

    #[test]
    fn a_free_place_is_free() {
        let wanted = [span(ASIDE, ASIDE + 0x1000), span(ASIDE + 0x12000, TOP)];
        let at = free(&wanted, &[], 0x2000).expect("there is room");
        assert!(wanted.iter().all(|span| !overlaps(*span, at, 0x2000)), "{at:x}");
    }

    #[test]
    fn memory_that_leaves_no_place_is_refused() {
        assert!(free(&[span(0, TOP)], &[], 0x1000).is_err());
        let wanted = [span(BOTTOM, ASIDE), span(ASIDE + 0x1000, TOP)];
        assert!(free(&wanted, &[], 0x2000).is_err());
    }
}
