//! Descriptors, and what they are open to.
//!
//! Descriptors that share an open file description are found by what the kernel shows of it (device,
//! inode, position, flags) and then, where that is equal, by `kcmp`. What a description is open to is
//! described once; memory and files without a name become objects, whose content is copied with the
//! memory.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use outlast_image::{
    Backing, Description, Descriptor, FileId, InotifyWatch, LockKind, MAX_WATCH, Object,
    ObjectKind, Open, Owner, Pipe, RecordLock, Watch,
};
use outlast_os::foreign::{self, Kind, Span};

use crate::error::{CheckpointError, Doing};
use crate::freeze::{Frozen, StoppedProcess};
use crate::proc::descriptor::{InotifyInfo, LockOwner};
use crate::proc::{Area, DescriptorInfo, Proc};

use super::Collected;
use super::memory::{CopyPlan, Piece, Source};

mod class;
mod pipes;
mod terminal;
mod unix;

use class::{Class, classify};
pub(crate) use pipes::Streams;

/// What makes two descriptors candidates for being one description.
type Key = (u64, u64, u64, u32, i32);

/// What epoll watches: number, events, data.
type Entry = (i32, u32, u64);

/// Where a description was first seen.
#[derive(Clone, Copy)]
struct Seen {
    description: u32,
    pid: i32,
    number: i32,
}

/// What is known of all files of the tree so far.
#[derive(Default)]
pub(crate) struct Files {
    ids: HashMap<(u64, u64), u32>,
    objects: HashMap<(u64, u64), u32>,
    content: Vec<(u32, File)>,
    descriptions: HashMap<Key, Vec<Seen>>,
    first: Vec<Seen>,
    epolls: Vec<(Seen, Vec<Entry>)>,
    locks: HashMap<i32, Vec<RecordLock>>,
    streams: Streams,
    terminals: terminal::Terminals,
    sockets: unix::Sockets,
    tables: Vec<(i32, Vec<Descriptor>)>,
}

/// Refuses descriptors that can't be carried, of a process that runs.
pub(super) fn judge(
    proc: Proc,
    comm: &[u8],
    collected: &mut Collected,
    streams: &mut Streams,
) -> Result<(), CheckpointError> {
    let pid = proc.pid;
    for number in proc.numbers("fd").doing("listing the descriptors", pid)? {
        // It may be closed meanwhile.
        let Ok(link) = proc.link(&format!("fd/{number}")) else { continue };
        let Ok(meta) = std::fs::metadata(proc.path(&format!("fd/{number}"))) else { continue };
        let Ok(text) = proc.read(&format!("fdinfo/{number}")) else { continue };
        let info = DescriptorInfo::parse(&text).doing("reading fdinfo", pid)?;
        let place = || format!("descriptor {number}");
        match classify(&link, &meta, &info) {
            Class::Refused(why) => collected.refuse(pid, comm, place(), why),
            Class::Pipe | Class::Fifo => streams.saw(pid, comm, number, meta.ino(), &info),
            Class::Socket => streams.sockets.saw(pid, comm, number, meta.ino(), collected),
            _ => {}
        }
    }
    Ok(())
}

impl Files {
    /// The descriptors of a process.
    pub(super) fn table(
        &mut self,
        process: &StoppedProcess,
        collected: &mut Collected,
    ) -> Result<Vec<Descriptor>, CheckpointError> {
        let pid = process.pid;
        let proc = process.proc();
        let handle = foreign::pidfd_open(pid).doing("opening the process", pid)?;
        let (comm, session) = (&process.stat.comm, process.stat.session);
        let mut table = Vec::new();
        for number in proc.numbers("fd").doing("listing the descriptors", pid)? {
            let descriptor = self
                .descriptor(proc, (comm, session), &handle, number, collected)
                .doing("reading a descriptor", pid)?;
            table.extend(descriptor);
        }
        self.tables.push((pid, table.clone()));
        Ok(table)
    }

    fn descriptor(
        &mut self,
        proc: Proc,
        (comm, session): (&[u8], i32),
        handle: &OwnedFd,
        number: i32,
        collected: &mut Collected,
    ) -> io::Result<Option<Descriptor>> {
        let pid = proc.pid;
        let path = proc.path(&format!("fd/{number}"));
        let link = proc.link(&format!("fd/{number}"))?;
        let mut meta = std::fs::metadata(&path);
        let info = DescriptorInfo::parse(&proc.read_at_once(&format!("fdinfo/{number}"))?)?;
        let cloexec = libc::O_CLOEXEC.cast_unsigned();
        let flags = info.flags & !cloexec;
        if flags & libc::O_PATH.cast_unsigned() != 0 {
            // What the descriptor's link leads to is followed if it is a link itself.
            let opened = File::from(foreign::pidfd_getfd(handle.as_fd(), number)?);
            meta = opened.metadata();
        }
        let meta = meta?;
        let key = (meta.dev(), meta.ino(), info.position, flags, info.mount);
        self.note_locks(pid, number, &info);
        let mut description = None;
        for seen in self.descriptions.get(&key).into_iter().flatten() {
            let same = foreign::compare(pid, seen.pid, Kind::File(number, seen.number))?;
            if same.is_eq() {
                description = Some(seen.description);
                break;
            }
        }
        let description = match description {
            Some(known) => {
                // A description with a standard number anywhere is a stream of that number.
                self.streams.also(known, number);
                known
            }
            None => {
                let new = u32::try_from(collected.snapshot.descriptions.len()).expect("bounded");
                let seen = Seen { description: new, pid, number };
                let what = if classify(&link, &meta, &info) == Class::Terminal {
                    let end = foreign::pidfd_getfd(handle.as_fd(), number)?;
                    let own = self.terminals.other(seen, session, &meta, end)?;
                    own.or_else(|| Some(self.stream(seen, &link)))
                } else {
                    self.open(proc, comm, handle, seen, &link, &meta, &info, collected)?
                };
                let Some(what) = what else { return Ok(None) };
                let mut described = describe(what, flags, &info);
                if flags & libc::O_PATH.cast_unsigned() == 0 {
                    let own = foreign::pidfd_getfd(handle.as_fd(), number)?;
                    described.owner = outlast_os::files::owner(&own)?
                        .map(|(kind, id, signal)| Owner { kind, id, signal });
                }
                collected.snapshot.descriptions.push(described);
                self.descriptions.entry(key).or_default().push(seen);
                self.first.push(seen);
                new
            }
        };
        let close_on_exec = info.flags & cloexec != 0;
        Ok(Some(Descriptor { number, close_on_exec, description }))
    }

    /// What a descriptor is open to; `None`: it was refused.
    #[expect(clippy::too_many_arguments, reason = "all that was read of one descriptor")]
    fn open(
        &mut self,
        proc: Proc,
        comm: &[u8],
        handle: &OwnedFd,
        seen: Seen,
        link: &[u8],
        meta: &std::fs::Metadata,
        info: &DescriptorInfo,
        collected: &mut Collected,
    ) -> io::Result<Option<Open>> {
        let number = seen.number;
        let place = || format!("descriptor {number}");
        let path = || proc.path(&format!("fd/{number}"));
        let what = match classify(link, meta, info) {
            Class::Refused(why) => {
                collected.refuse(proc.pid, comm, place(), why);
                return Ok(None);
            }
            Class::Named | Class::Nameless if is_queue(&path()) => {
                collected.refuse(
                    proc.pid,
                    comm,
                    place(),
                    "a message queue (mqueue) is not carried",
                );
                return Ok(None);
            }
            Class::Named => match self.named(link, meta)? {
                Some(id) => Open::File(id),
                None => {
                    let why = format!("`{}` is not the file that is open", printable(link));
                    collected.refuse(proc.pid, comm, place(), why);
                    return Ok(None);
                }
            },
            Class::Nameless => {
                if meta.nlink() > 0 {
                    match sibling(link, meta) {
                        Some(path) => Open::File(file_id(&path, meta)),
                        None => {
                            let why = format!(
                                "`{}` was removed, and its other name isn't in the same folder",
                                printable(link)
                            );
                            collected.refuse(proc.pid, comm, place(), why);
                            return Ok(None);
                        }
                    }
                } else {
                    let file = readable(&path(), handle, number)?;
                    Open::Object(self.object(link, meta, file, collected)?)
                }
            }
            Class::Pipe | Class::Fifo => {
                let end = foreign::pidfd_getfd(handle.as_fd(), number)?;
                let named = link.starts_with(b"/") && meta.nlink() > 0;
                let fifo = named.then(|| file_id(link, meta));
                let pipe = self.streams.pipe(seen, comm, meta.ino(), fifo, end, info, collected)?;
                Open::Pipe(pipe)
            }
            Class::Master => {
                let end = foreign::pidfd_getfd(handle.as_fd(), number)?;
                self.terminals.master(seen, comm, end)?
            }
            Class::Socket => {
                let end = foreign::pidfd_getfd(handle.as_fd(), number)?;
                match self.sockets.add(seen, comm, meta.ino(), end, collected)? {
                    Some(socket) => Open::Unix(socket),
                    None => return Ok(None),
                }
            }
            Class::Terminal => self.stream(seen, link),
            Class::Event(count, semaphore) => Open::Event { count, semaphore },
            Class::Timer(_) => {
                // Asked for its time, a timer counts what it has missed.
                let end = foreign::pidfd_getfd(handle.as_fd(), number)?;
                let armed = outlast_os::files::timer_left(&end)?;
                let info = DescriptorInfo::parse(&proc.read(&format!("fdinfo/{number}"))?)?;
                let timer = info.timer.unwrap_or_default();
                Open::Timer {
                    clock: timer.clock,
                    ticks: timer.ticks,
                    flags: timer.flags,
                    left: match timer.left {
                        // It fired since it was asked, and isn't wound up again before it is read.
                        0 if armed > 0 => timer.interval,
                        left => left,
                    },
                    interval: timer.interval,
                }
            }
            Class::Signals(mask) => Open::Signals(mask),
            Class::Epoll => {
                self.epolls.push((seen, info.watched.clone()));
                Open::Epoll(Vec::new())
            }
            Class::Inotify => {
                let end = foreign::pidfd_getfd(handle.as_fd(), number)?;
                if pipes::ready(&end)? {
                    let why = "inotify events wait in it; try again when the program has read them";
                    collected.refuse(proc.pid, comm, place(), why);
                    return Ok(None);
                }
                if let Some(high) = info.inotify.iter().find(|watch| watch.wd > MAX_WATCH) {
                    let why = format!(
                        "inotify has given so many watches that the number of one, {}, can't be had again; at most {MAX_WATCH}",
                        high.wd
                    );
                    collected.refuse(proc.pid, comm, place(), why);
                    return Ok(None);
                }
                match info.inotify.iter().map(|watch| watched(proc, watch)).collect() {
                    Ok(watches) => Open::Inotify(watches),
                    Err(error) => {
                        let error: io::Error = error;
                        let why = format!("what inotify watches can't be named: {error}");
                        collected.refuse(proc.pid, comm, place(), why);
                        return Ok(None);
                    }
                }
            }
        };
        Ok(Some(what))
    }

    /// A terminal from outside, unless its master turns up.
    fn stream(&mut self, seen: Seen, link: &[u8]) -> Open {
        let which = if (0..3).contains(&seen.number) { seen.number } else { 0 };
        self.streams.terminal(seen.description);
        Open::Stream { which, was: printable(link) }
    }

    /// The file of a name, if that name is the file's.
    fn named(&self, path: &[u8], meta: &std::fs::Metadata) -> io::Result<Option<FileId>> {
        let name = Path::new(std::ffi::OsStr::from_bytes(path));
        // A link itself can be open, for its path only.
        let there = match std::fs::symlink_metadata(name) {
            Ok(link) if (link.dev(), link.ino()) == (meta.dev(), meta.ino()) => Ok(link),
            _ => std::fs::metadata(name),
        };
        Ok(match there {
            Ok(there) if (there.dev(), there.ino()) == (meta.dev(), meta.ino()) => {
                Some(file_id(path, meta))
            }
            // A name in /proc may be of a process that only the program sees.
            _ if path.starts_with(b"/proc/") => Some(file_id(path, meta)),
            _ => None,
        })
    }

    fn file(&mut self, id: FileId, collected: &mut Collected) -> u32 {
        let files = &mut collected.snapshot.files;
        *self.ids.entry((id.device, id.inode)).or_insert_with(|| {
            files.push(id);
            u32::try_from(files.len() - 1).expect("bounded")
        })
    }

    fn object(
        &mut self,
        link: &[u8],
        meta: &std::fs::Metadata,
        file: File,
        collected: &mut Collected,
    ) -> io::Result<u32> {
        let key = (meta.dev(), meta.ino());
        if let Some(known) = self.objects.get(&key) {
            return Ok(*known);
        }
        let name = link.strip_suffix(b" (deleted)").unwrap_or(link);
        let (kind, name) = if name == b"/dev/zero" {
            (ObjectKind::Shared, name)
        } else if let Some(name) = name.strip_prefix(b"/memfd:") {
            let seals = fcntl(&file, FcntlArg::F_GET_SEALS)?;
            let known = SealFlag::from_bits_retain(seals).bits();
            (ObjectKind::Memfd { seals: known.cast_unsigned() }, name)
        } else {
            (ObjectKind::Deleted, name)
        };
        let new = u32::try_from(collected.snapshot.objects.len()).expect("bounded");
        collected.snapshot.objects.push(Object {
            kind,
            name: name.to_vec(),
            len: meta.len(),
            runs: Vec::new(),
            mode: meta.mode() & 0o7777,
            owner: (meta.uid(), meta.gid()),
        });
        self.objects.insert(key, new);
        self.content.push((new, file));
        Ok(new)
    }

    /// What a mapping shows; `None`: it was refused.
    pub(super) fn backing(
        &mut self,
        process: &StoppedProcess,
        area: &Area,
        collected: &mut Collected,
    ) -> io::Result<Option<Backing>> {
        let proc = process.proc();
        let link = area.name.as_slice();
        let mapped = || proc.path(&format!("map_files/{:x}-{:x}", area.start, area.end));
        let offset = area.offset;
        if let Some(path) = link.strip_suffix(b" (deleted)") {
            let file = match File::open(mapped()) {
                Ok(file) => file,
                // The kernel's own: asynchronous I/O, secret memory.
                Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
                    let place = format!("mapping {:x}-{:x}", area.start, area.end);
                    let why =
                        format!("`{}`, memory of the kernel's, is not carried", printable(path));
                    collected.refuse(proc.pid, &process.stat.comm, place, why);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let meta = file.metadata()?;
            if meta.nlink() > 0 && !link.starts_with(b"/memfd:") && path != b"/dev/zero" {
                let Some(path) = sibling(link, &meta) else {
                    let why = "the file was removed, and its other name isn't in the same folder";
                    let place =
                        format!("mapping {:x}-{:x} {}", area.start, area.end, printable(link));
                    collected.refuse(proc.pid, &process.stat.comm, place, why);
                    return Ok(None);
                };
                let file = self.file(file_id(&path, &meta), collected);
                return Ok(Some(Backing::File {
                    file,
                    offset,
                    writable: area.has(b"mw") && area.shared,
                }));
            }
            let object = self.object(link, &meta, file, collected)?;
            return Ok(Some(Backing::Object { object, offset }));
        }
        let known = self.ids.get(&(area.device, area.inode)).copied();
        let writable = area.shared && area.has(b"mw");
        if let Some(file) = known {
            return Ok(Some(Backing::File { file, offset, writable }));
        }
        let there = std::fs::metadata(Path::new(std::ffi::OsStr::from_bytes(link)));
        let meta = match there {
            Ok(there) if (there.dev(), there.ino()) == (area.device, area.inode) => there,
            there => {
                // A layered file system tells one device here and another there.
                let meta = std::fs::metadata(mapped())?;
                let same =
                    there.is_ok_and(|there| (there.dev(), there.ino()) == (meta.dev(), meta.ino()));
                if !same {
                    let place = format!("mapping {:x}-{:x}", area.start, area.end);
                    let why = format!("`{}` is not the file that is mapped", printable(link));
                    collected.refuse(proc.pid, &process.stat.comm, place, why);
                    return Ok(None);
                }
                meta
            }
        };
        let file = self.file(file_id(link, &meta), collected);
        self.ids.insert((area.device, area.inode), file);
        Ok(Some(Backing::File { file, offset, writable }))
    }

    /// The program that a process executes.
    pub(super) fn executable(
        &mut self,
        proc: Proc,
        comm: &[u8],
        collected: &mut Collected,
    ) -> Result<u32, CheckpointError> {
        let path = proc.link("exe").doing("reading what it executes", proc.pid)?;
        let meta =
            std::fs::metadata(proc.path("exe")).doing("reading what it executes", proc.pid)?;
        if self.named(&path, &meta).doing("reading what it executes", proc.pid)?.is_none() {
            let why = format!("`{}` was replaced or removed while it ran", printable(&path));
            collected.refuse(proc.pid, comm, "executable".to_owned(), why);
        }
        Ok(self.file(file_id(&path, &meta), collected))
    }

    fn note_locks(&mut self, pid: i32, number: i32, info: &DescriptorInfo) {
        let of_process = info.locks.iter().filter(|lock| lock.owner == LockOwner::Process);
        let locks = self.locks.entry(pid).or_default();
        for lock in of_process {
            let new = RecordLock { number, kind: lock.kind, start: lock.start, len: lock.len };
            // Descriptors of one description show the same locks: taking one twice is taking it once.
            locks.push(new);
        }
    }

    /// The record locks that a process holds.
    pub(super) fn locks_of(&mut self, process: &StoppedProcess) -> Vec<RecordLock> {
        self.locks.remove(&process.pid).unwrap_or_default()
    }

    /// Once all processes are known: which pipes leave the tree, what epoll watches, which content has to be copied.
    pub(super) fn finish(
        mut self,
        frozen: &Frozen,
        collected: &mut Collected,
        plan: &mut CopyPlan,
    ) -> Result<(), CheckpointError> {
        let root = frozen.processes[0].pid;
        // First: what waits in them may be of any kind.
        self.finish_sockets(frozen, collected).doing("looking at sockets", root)?;
        let terminals = std::mem::take(&mut self.terminals);
        terminals.finish(frozen, collected).doing("looking at terminals", root)?;
        std::mem::take(&mut self.streams).finish(collected).doing("looking at pipes", root)?;
        for (seen, watched) in std::mem::take(&mut self.epolls) {
            let watches =
                self.watches(seen, &watched, collected).doing("looking at epoll", seen.pid)?;
            collected.snapshot.descriptions[seen.description as usize].what = Open::Epoll(watches);
        }
        translate_owners(frozen, collected);
        for (object, file) in self.content {
            let len = collected.snapshot.objects[object as usize].len;
            let spans = data_spans(&file, len).doing("reading shared memory", root)?;
            let index = object as usize;
            plan.pieces.push(Piece { source: Source::Object(file), spans, index });
        }
        Ok(())
    }

    fn watches(
        &self,
        epoll: Seen,
        watched: &[Entry],
        collected: &mut Collected,
    ) -> io::Result<Vec<Watch>> {
        let mut watches = Vec::with_capacity(watched.len());
        let mut counts: HashMap<i32, u32> = HashMap::new();
        for &(number, events, data) in watched {
            let nth = counts.entry(number).or_default();
            let is = |pid: i32, mine: i32| {
                foreign::epoll_watches(pid, mine, epoll.pid, epoll.number, number, *nth)
            };
            // Nearly always what has that number now.
            let own = self.tables.iter().find(|(pid, _)| *pid == epoll.pid);
            let likely = own.and_then(|(pid, table)| {
                let descriptor = table.iter().find(|descriptor| descriptor.number == number)?;
                Some((*pid, *descriptor))
            });
            let all = || {
                self.tables
                    .iter()
                    .flat_map(|(pid, table)| table.iter().map(move |one| (*pid, *one)))
            };
            let mut found = None;
            for (pid, descriptor) in likely.into_iter().chain(all()) {
                if is(pid, descriptor.number)? {
                    found = Some(descriptor.description);
                    break;
                }
            }
            *nth += 1;
            match found {
                Some(description) => watches.push(Watch { number, events, data, description }),
                None => {
                    let place = format!("descriptor {}", epoll.number);
                    let why = format!(
                        "epoll watches a file (as {number}) that the tree has no descriptor of"
                    );
                    collected.refuse(epoll.pid, b"epoll", place, why);
                }
            }
        }
        Ok(watches)
    }
}

/// Ids of owners as the tree sees them. One outside the tree is told nothing any more.
fn translate_owners(frozen: &Frozen, collected: &mut Collected) {
    let processes = &collected.snapshot.processes;
    let inner = |id: i32| {
        frozen.processes.iter().zip(processes).find_map(|(stopped, process)| {
            if stopped.pid == id {
                return Some(process.pid);
            }
            let nth = stopped.threads.iter().position(|thread| thread.held.tid == id)?;
            process.threads.get(nth).map(|thread| thread.tid)
        })
    };
    for description in &mut collected.snapshot.descriptions {
        description.owner = description.owner.and_then(|owner| {
            let id = inner(owner.id)?;
            Some(Owner { id, ..owner })
        });
    }
}

fn describe(what: Open, flags: u32, info: &DescriptorInfo) -> Description {
    let flock = info.locks.iter().find(|lock| lock.owner == LockOwner::Flock);
    let locks = info.locks.iter().filter(|lock| lock.owner == LockOwner::Description);
    Description {
        what,
        flags,
        position: info.position,
        owner: None,
        flock: flock.map(|lock| lock.kind),
        locks: locks
            .map(|lock| -> (LockKind, u64, u64) { (lock.kind, lock.start, lock.len) })
            .collect(),
    }
}

/// How a file is known again. What the kernel makes up as it is read has no identity.
fn file_id(path: &[u8], meta: &std::fs::Metadata) -> FileId {
    let made_up = path.starts_with(b"/proc/") || path.starts_with(b"/sys/");
    let regular = meta.file_type().is_file() && !made_up;
    FileId {
        path: path.to_vec(),
        device: meta.dev(),
        inode: meta.ino(),
        mode: meta.mode(),
        special: if meta.file_type().is_char_device() { meta.rdev() } else { 0 },
        len: if regular { meta.len() } else { 0 },
        modified: if regular { meta.mtime() * 1_000_000_000 + meta.mtime_nsec() } else { 0 },
    }
}

/// Another name of a removed file, in the folder where it was.
fn sibling(link: &[u8], meta: &std::fs::Metadata) -> Option<Vec<u8>> {
    let path = link.strip_suffix(b" (deleted)")?;
    let folder = Path::new(std::ffi::OsStr::from_bytes(path)).parent()?;
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let there = entry.metadata().ok()?;
        let same = (there.dev(), there.ino()) == (meta.dev(), meta.ino());
        same.then(|| entry.path().as_os_str().as_bytes().to_vec())
    })
}

/// A file that is open somewhere else, for reading: opened anew, or, where its rights forbid that, the same description.
fn readable(path: &str, handle: &OwnedFd, number: i32) -> io::Result<File> {
    File::open(path).or_else(|_| foreign::pidfd_getfd(handle.as_fd(), number).map(File::from))
}

/// POSIX message queues look like files.
fn is_queue(path: &str) -> bool {
    const MQUEUE_MAGIC: i64 = 0x1980_0202;
    nix::sys::statfs::statfs(path).is_ok_and(|fs| fs.filesystem_type().0 == MQUEUE_MAGIC)
}

/// The parts of a file that aren't holes, in whole pages.
fn data_spans(file: &File, len: u64) -> io::Result<Vec<Span>> {
    use nix::unistd::{Whence, lseek};
    let mut spans: Vec<Span> = Vec::new();
    let mut at = 0_i64;
    loop {
        let start = match lseek(file, at, Whence::SeekData) {
            Ok(start) => start,
            Err(nix::errno::Errno::ENXIO) => return Ok(spans),
            Err(error) => return Err(error.into()),
        };
        let end = lseek(file, start, Whence::SeekHole)?;
        let page = foreign::PAGE;
        let end_of_page = end.cast_unsigned().next_multiple_of(page);
        let span = Span {
            start: start.cast_unsigned() / page * page,
            end: end_of_page.min(len.next_multiple_of(page)),
        };
        match spans.last_mut() {
            Some(last) if span.start <= last.end => last.end = span.end,
            _ if span.is_empty() => {}
            _ => spans.push(span),
        }
        if end <= at {
            return Ok(spans);
        }
        at = end;
    }
}

/// What a watch of inotify is on, by its handle.
fn watched(proc: Proc, watch: &InotifyInfo) -> io::Result<InotifyWatch> {
    let (major, minor) = (libc::major(watch.device), libc::minor(watch.device));
    let device = format!("{major}:{minor}");
    let mounts = proc.read("mountinfo")?;
    let mounts = String::from_utf8_lossy(&mounts).into_owned();
    let mut last =
        io::Error::new(io::ErrorKind::NotFound, format!("no file system {device} is mounted"));
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, _, of, _, place, ..] = fields.as_slice() else { continue };
        if *of != device {
            continue;
        }
        let opened = File::open(place).and_then(|within| {
            outlast_os::files::open_by_handle(&within, watch.handle_type, &watch.handle)
        });
        match opened {
            Ok(file) => {
                use std::os::fd::AsRawFd;
                let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
                let path = path.as_os_str().as_bytes().to_vec();
                return Ok(InotifyWatch { wd: watch.wd, mask: watch.mask, path });
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A pipe as it begins: nothing in it yet.
fn empty_pipe(fifo: Option<FileId>, packets: bool) -> Pipe {
    Pipe { fifo, capacity: 0, content: Vec::new(), packets, full: false }
}
