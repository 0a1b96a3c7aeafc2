//! What must be true of an image before anything is done with it.
//!
//! The engine hands these numbers to the kernel on behalf of a process that it makes, and uses them
//! as indexes: so each index is in range, addresses are of user space, aligned and in order, names hold no
//! zeros, and counts are such as Linux allows.

use crate::*;

/// User space of x86-64 with four levels of page tables ends here.
const TOP: u64 = 0x7fff_ffff_f000;

/// `kernel.pid_max` at most.
const MAX_PID: i32 = 1 << 22;

/// Linux allows paths of fewer bytes: the zero at the end counts.
const MAX_PATH: usize = 4096;

/// Descendants in a row. Each is made by its parent, so the engine's stack grows with them.
const MAX_DEPTH: u32 = 1000;

/// The highest number of an inotify watch: they are made and taken away one after the other until that number's turn comes,
/// some two microseconds each.
pub const MAX_WATCH: i32 = 1_000_000;

/// The kernel's times are nanoseconds of 63 bits; two of them can be added.
const MAX_NANOS: u64 = i64::MAX.cast_unsigned();

/// A mapping's name has at most 79 bytes, of which each may have become a replacement character.
const MAX_MAPPING_NAME: usize = 256;

/// The vdso's code is of one or two pages.
const MAX_VDSO: usize = 64 * 1024;

/// A processor has some two hundred features.
const MAX_FEATURES: usize = 4096;

/// `SIGSTOP`, `SIGTSTP`, `SIGTTIN`, `SIGTTOU`.
const STOPS: std::ops::RangeInclusive<i32> = 19..=22;

/// What is below a stack is a `struct timespec`.
const MAX_BELOW_STACK: usize = PAGE;

/// What is wrong, where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Fault {
    /// Of which part.
    pub place: String,
    /// What was expected and what was found.
    pub what: String,
}

pub(crate) type Judged = Result<(), Fault>;

pub(crate) fn wrong(place: &str, what: impl Into<String>) -> Judged {
    Err(Fault { place: place.to_owned(), what: what.into() })
}

impl Snapshot {
    /// Checks all that the engine relies upon; `pages` is how many the image stores.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self, pages: usize) -> Judged {
        if self.processes.is_empty() {
            return wrong("processes", "there is none");
        }
        let clocks = &self.clocks;
        times("clocks", [clocks.real, clocks.monotonic, clocks.boot])?;
        let mut ids = std::collections::HashSet::new();
        let mut depths: Vec<u32> = Vec::with_capacity(self.processes.len());
        for (nth, process) in self.processes.iter().enumerate() {
            let place = format!("process {}", process.pid);
            for thread in &process.threads {
                if !(1..=MAX_PID).contains(&thread.tid) || !ids.insert(thread.tid) {
                    return wrong(
                        &place,
                        format!("thread id {} is impossible or there twice", thread.tid),
                    );
                }
            }
            self.process(nth, process, pages, &place)?;
            let depth = process.parent.map_or(0, |parent| depths[parent as usize] + 1);
            if depth > MAX_DEPTH {
                return wrong(&place, format!("more than {MAX_DEPTH} ancestors"));
            }
            depths.push(depth);
        }
        for (nth, object) in self.objects.iter().enumerate() {
            let place = format!("object {nth}");
            name(&place, &object.name)?;
            if object.len > i64::MAX.cast_unsigned() - PAGE as u64 {
                return wrong(&place, format!("{} bytes", object.len));
            }
            let end = object.len.next_multiple_of(PAGE as u64);
            judge_runs(&place, &object.runs, pages, |start, after| start < after && after <= end)?;
        }
        for (nth, file) in self.files.iter().enumerate() {
            path(&format!("file {nth}"), &file.path)?;
        }
        for (nth, pipe) in self.pipes.iter().enumerate() {
            let place = format!("pipe {nth}");
            let bytes: usize = pipe.content.iter().map(|packet| packet.0.len()).sum();
            if bytes as u64 > pipe.capacity || pipe.capacity > 1 << 31 {
                return wrong(&place, format!("{bytes} bytes in a pipe of {}", pipe.capacity));
            }
            // Each packet begins a page of its own. Whoever writes more than fits waits for ever.
            let taken: usize = pipe.content.iter().map(|one| one.0.len().div_ceil(PAGE)).sum();
            let fits = if pipe.packets {
                taken as u64 <= pipe.capacity / PAGE as u64
            } else {
                pipe.content.len() <= 1
            };
            if !fits || pipe.content.iter().any(|packet| packet.0.is_empty()) {
                return wrong(
                    &place,
                    format!("{} packets in a pipe of {}", pipe.content.len(), pipe.capacity),
                );
            }
            if let Some(fifo) = &pipe.fifo {
                path(&place, &fifo.path)?;
            }
        }
        self.judge_terminals()
            .map_err(|(nth, what)| Fault { place: format!("terminal {nth}"), what })?;
        self.judge_unix()?;
        for (nth, description) in self.descriptions.iter().enumerate() {
            self.description(&format!("open file {nth}"), nth, description)?;
        }
        Ok(())
    }

    fn process(&self, nth: usize, process: &Process, pages: usize, place: &str) -> Judged {
        match process.parent {
            None if nth == 0 => {}
            Some(parent) if (parent as usize) < nth => {}
            _ => return wrong(place, "its parent doesn't come before it"),
        }
        if let Some(parent) = process.parent {
            let parent = &self.processes[parent as usize];
            if parent.body.is_none() {
                return wrong(place, "its parent has ended");
            }
            if process.parent_thread as usize >= parent.threads.len() {
                return wrong(place, "its parent has no such thread");
            }
        }
        let Some(leader) = process.threads.first() else {
            return wrong(place, "it has no thread");
        };
        if leader.tid != process.pid {
            return wrong(place, "its first thread isn't its leader");
        }
        if process.group < 0 || process.session < 0 || !(0..=64).contains(&process.exit_signal) {
            return wrong(place, "group, session or exit signal out of range");
        }
        match (&process.state, &process.body) {
            (State::Zombie(status), None) => {
                if nth == 0 {
                    return wrong(place, "the first process has ended");
                }
                if process.threads.len() > 1 {
                    return wrong(place, "it has ended, but has more than one thread");
                }
                if !is_end(*status) {
                    return wrong(place, format!("no process ends with status {status:#x}"));
                }
                return Ok(());
            }
            (State::Stopped { signal, .. }, Some(_)) if !STOPS.contains(signal) => {
                return wrong(place, format!("signal {signal} stops nobody"));
            }
            (State::Running | State::Stopped { .. }, Some(body)) => {
                self.body(nth, body, pages, place)?;
            }
            _ => return wrong(place, "a living process has a body, a zombie has none"),
        }
        for thread in &process.threads {
            let place = format!("thread {}", thread.tid);
            if thread.registers.len() != 27 {
                return wrong(&place, format!("{} registers, expected 27", thread.registers.len()));
            }
            if thread.xstate.len() > thread.xstate_len as usize || thread.xstate_len > 64 * 1024 {
                return wrong(&place, "its extended state is larger than it says");
            }
            if thread.name.len() > 15 {
                return wrong(&place, "its name has more than 15 bytes");
            }
            name(&place, &thread.name)?;
            infos(&place, &thread.pending)?;
            if thread.credentials.groups.len() > 65_536 {
                return wrong(&place, "more than 65536 groups");
            }
            if thread.schedule.affinity.len() > 1024 {
                return wrong(&place, "more than 65536 processors");
            }
            if thread.below_stack.as_ref().is_some_and(|(_, bytes)| bytes.len() > MAX_BELOW_STACK) {
                return wrong(&place, "more than a page below its stack");
            }
        }
        Ok(())
    }

    fn body(&self, nth: usize, body: &Body, pages: usize, place: &str) -> Judged {
        let memory = &body.memory;
        let mut last = 0;
        for mapping in &memory.mappings {
            let what = || format!("mapping {:x}-{:x}", mapping.start, mapping.end);
            let aligned = mapping.start % PAGE as u64 == 0 && mapping.end % PAGE as u64 == 0;
            if !aligned || mapping.start < last || mapping.end <= mapping.start || mapping.end > TOP
            {
                return wrong(
                    place,
                    format!("{}: not in order, or no address of a program", what()),
                );
            }
            last = mapping.end;
            if mapping.protection > 7 {
                return wrong(place, format!("{}: protection {}", what(), mapping.protection));
            }
            let odd = |name: &String| name.len() > MAX_MAPPING_NAME || name.contains('\0');
            if mapping.name.as_ref().is_some_and(odd) {
                return wrong(place, format!("{}: a name that no mapping has", what()));
            }
            let (limit, index, offset) = match mapping.backing {
                Backing::File { file, offset, .. } => (self.files.len(), file, offset),
                Backing::Object { object, offset } => (self.objects.len(), object, offset),
                _ => continue,
            };
            if index as usize >= limit
                || offset % PAGE as u64 != 0
                || offset > i64::MAX.cast_unsigned()
            {
                return wrong(place, format!("{}: of nothing that the image has", what()));
            }
        }
        judge_runs(place, &memory.runs, pages, |start, after| {
            // A run may go on in the mapping that begins where this one ends.
            let nth = memory.mappings.partition_point(|mapping| mapping.end <= start);
            let mut covered = start;
            for mapping in memory.mappings[nth..].iter().take_while(|mapping| !mapping.shared) {
                if mapping.start > covered || covered >= after {
                    break;
                }
                covered = mapping.end;
            }
            covered >= after
        })?;
        if memory.guards.iter().any(|(from, to)| from >= to || *to > TOP) {
            return wrong(place, "a guard that isn't in the memory of a program");
        }
        if memory.auxv.len() > 128 {
            return wrong(place, format!("{} words of auxiliary vector", memory.auxv.len()));
        }
        if memory.executable as usize >= self.files.len() {
            return wrong(place, "its executable isn't among the files");
        }
        match &body.table {
            Table::Own(descriptors) => {
                let mut last = -1;
                for descriptor in descriptors {
                    if descriptor.number <= last || descriptor.number >= 1 << 30 {
                        return wrong(
                            place,
                            format!("descriptor {} is out of order", descriptor.number),
                        );
                    }
                    last = descriptor.number;
                    if descriptor.description as usize >= self.descriptions.len() {
                        return wrong(
                            place,
                            format!("descriptor {} is open to nothing", descriptor.number),
                        );
                    }
                }
            }
            Table::Shared(with) => self.earlier(nth, *with, place)?,
        }
        match &body.place {
            Place::Own { directory, root, umask } => {
                path(place, directory)?;
                if let Some(root) = root {
                    path(place, root)?;
                }
                if *umask > 0o777 {
                    return wrong(place, format!("umask {umask:o}"));
                }
            }
            Place::Shared(with) => self.earlier(nth, *with, place)?,
        }
        let signal = |signal: u32| (1..=64).contains(&signal);
        if let Some(odd) = body.actions.iter().find(|action| !signal(action.signal)) {
            return wrong(place, format!("signal {}", odd.signal));
        }
        if body.limits.len() > 32 || body.timers.len() > 1 << 20 {
            return wrong(place, "more limits or timers than there can be");
        }
        body.timers.iter().try_for_each(|timer| times(place, [timer.left, timer.interval]))?;
        infos(place, &body.pending)
    }

    /// `with` is a living process before `nth`.
    fn earlier(&self, nth: usize, with: u32, place: &str) -> Judged {
        let other = self.processes.get(with as usize).filter(|_| (with as usize) < nth);
        if other.is_some_and(|other| other.body.is_some()) {
            return Ok(());
        }
        wrong(place, "it shares with a process that doesn't come before it")
    }

    fn description(&self, place: &str, nth: usize, description: &Description) -> Judged {
        let (limit, index) = match &description.what {
            Open::File(file) => return path(place, &file.path),
            Open::Object(object) => (self.objects.len(), *object),
            Open::Pipe(pipe) => (self.pipes.len(), *pipe),
            Open::Master(terminal) | Open::Slave(terminal) => (self.terminals.len(), *terminal),
            Open::Unix(socket) => (self.unix.len(), *socket),
            Open::Stream { which, .. } => (3, which.cast_unsigned()),
            Open::Epoll(watches) => {
                let ok = watches.iter().all(|watch| {
                    (watch.description as usize) < self.descriptions.len()
                        && watch.description as usize != nth
                        && (0..1 << 30).contains(&watch.number)
                });
                return if ok {
                    Ok(())
                } else {
                    wrong(place, "it watches nothing that the image has")
                };
            }
            Open::Inotify(watches) => {
                let ok = watches.iter().all(|watch| (1..=MAX_WATCH).contains(&watch.wd));
                watches.iter().try_for_each(|watch| path(place, &watch.path))?;
                return if ok {
                    Ok(())
                } else {
                    wrong(place, "the number of a watch isn't from 1 to a million")
                };
            }
            Open::Timer { left, interval, .. } => return times(place, [*left, *interval]),
            Open::Event { .. } | Open::Signals(_) | Open::HungUp => return Ok(()),
        };
        if index as usize >= limit {
            return wrong(place, "it is open to nothing that the image has");
        }
        Ok(())
    }
}

impl Machine {
    /// Checks that it is no larger than a machine's description is.
    ///
    /// # Errors
    /// What is larger.
    pub fn validate(&self) -> Judged {
        if self.vdso.len() > MAX_VDSO {
            return wrong(
                "machine",
                format!("a vdso of {} bytes, at most {MAX_VDSO}", self.vdso.len()),
            );
        }
        if self.features.len() > MAX_FEATURES {
            return wrong("machine", format!("{} features", self.features.len()));
        }
        let mut texts =
            [&self.host, &self.kernel, &self.processor].into_iter().chain(&self.features);
        if texts.any(|text| text.len() > MAX_PATH) {
            return wrong("machine", "a name that is too long");
        }
        Ok(())
    }
}

/// Whether that is a status of a process that has ended: by its own will, or by a signal that ends processes.
fn is_end(status: i32) -> bool {
    /// `SIGCHLD`, `SIGCONT`, `SIGURG`, `SIGWINCH`.
    const IGNORED: [i32; 4] = [17, 18, 23, 28];
    const CORE: i32 = 0x80;
    match (status & 0x7f, status >> 8) {
        (0, 0..=255) => status & CORE == 0,
        (signal @ 1..=64, 0) => !STOPS.contains(&signal) && !IGNORED.contains(&signal),
        _ => false,
    }
}

fn times<const N: usize>(place: &str, nanos: [u64; N]) -> Judged {
    match nanos.into_iter().find(|nanos| *nanos > MAX_NANOS) {
        Some(nanos) => wrong(place, format!("{nanos} ns, at most {MAX_NANOS}")),
        None => Ok(()),
    }
}

fn name(place: &str, name: &[u8]) -> Judged {
    if name.contains(&0) || name.len() >= MAX_PATH {
        return wrong(place, "a name with a zero in it, or too long");
    }
    Ok(())
}

pub(crate) fn path(place: &str, bytes: &[u8]) -> Judged {
    if !bytes.starts_with(b"/") {
        return wrong(place, "a path that doesn't start at the root");
    }
    name(place, bytes)
}

fn infos(place: &str, infos: &[SigInfo]) -> Judged {
    if infos.iter().any(|info| info.0.len() != 128) {
        return wrong(place, "a waiting signal isn't of 128 bytes");
    }
    Ok(())
}

fn judge_runs(
    place: &str,
    runs: &[Run],
    pages: usize,
    inside: impl Fn(u64, u64) -> bool,
) -> Judged {
    let mut last = 0;
    for run in runs {
        let what = || format!("{} pages at {:x}", run.pages, run.start);
        let after = run.start.checked_add(u64::from(run.pages) * PAGE as u64);
        let Some(after) = after.filter(|_| run.pages > 0 && run.start % PAGE as u64 == 0) else {
            return wrong(place, format!("{}: no place for pages", what()));
        };
        if run.start < last || !inside(run.start, after) {
            return wrong(place, format!("{}: outside what is mapped, or out of order", what()));
        }
        last = after;
        if run.first.is_some_and(|first| first as usize + run.pages as usize > pages) {
            return wrong(place, format!("{}: the image has only {pages} pages", what()));
        }
    }
    Ok(())
}
