//! Everything that the tree has open, opened again by the restorer and parked at high numbers, from where
//! each process takes its own.

use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;
use outlast_image::{
    Description, FileId, LockKind, Object, ObjectKind, Open, PAGE, Reader, Snapshot, Table,
};
use outlast_os::files;

mod terminal;

use super::spaces::Spaces;
use super::{RestoreError, RestoreOptions, Standard, Trying};
use terminal::Terminals;
pub(super) use terminal::settings_of;

mod unix;

pub(super) use unix::Names;
use unix::{Sockets, Tree};

/// Flags of `open` that say how it was opened, not what is open.
const ONCE: i32 = libc::O_CREAT | libc::O_EXCL | libc::O_TRUNC | libc::O_NOCTTY | libc::O_CLOEXEC;

/// Flags that can be set later.
const LATER: i32 = libc::O_APPEND | libc::O_NONBLOCK | libc::O_DIRECT | libc::O_NOATIME;

/// A page number of a packed image is of a block of so many pages.
const AT_ONCE: u32 = 256;

/// The restorer's own may be among the numbers, at most so many.
const OTHERS: usize = 64;

/// Everything that is open. A stub inherits the descriptors under the same numbers.
#[derive(Debug)]
pub(super) struct Parked {
    /// The lowest number of them: none of the tree's is between this and `end`.
    pub(super) base: RawFd,
    /// The number after the highest.
    pub(super) end: RawFd,
    /// By index of [`Snapshot::descriptions`].
    descriptions: Vec<OwnedFd>,
    /// By index of [`Snapshot::files`]: for reading, and for writing where some mapping needs it.
    files: Vec<(Option<OwnedFd>, Option<OwnedFd>)>,
    /// By index of [`Snapshot::objects`].
    objects: Vec<OwnedFd>,
    /// By index of [`Snapshot::terminals`]: the slaves of those that control a session.
    controlling: Vec<Option<OwnedFd>>,
    sockets: Sockets,
}

impl Parked {
    pub(super) fn description(&self, index: u32) -> RawFd {
        self.descriptions[index as usize].as_raw_fd()
    }

    /// `None`: the file can't be opened so.
    pub(super) fn file(&self, index: u32, writable: bool) -> Option<RawFd> {
        let (read, write) = &self.files[index as usize];
        let which = if writable { write } else { read };
        which.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Tells who is told by a signal, by its id as this thread sees it.
    pub(super) fn own(&self, index: u32, owner: outlast_image::Owner, id: i32) -> io::Result<()> {
        files::set_owner(&self.descriptions[index as usize], owner.kind, id, owner.signal)
    }

    /// The slave of a terminal that controls a session.
    pub(super) fn controlling(&self, terminal: usize) -> Option<RawFd> {
        self.controlling[terminal].as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Fills the sockets, when the processes are there (`pid`: their ids as this thread sees them).
    pub(super) fn finish_sockets(
        &mut self,
        snapshot: &Snapshot,
        pid: &dyn Fn(i32) -> Option<i32>,
    ) -> Result<Names, RestoreError> {
        let Self { descriptions, sockets, .. } = self;
        let mut ends: Vec<Option<BorrowedFd<'_>>> = vec![None; snapshot.unix.len()];
        for (description, fd) in snapshot.descriptions.iter().zip(&*descriptions) {
            if let Open::Unix(index) = description.what
                && sockets.is_given(index)
            {
                ends[index as usize] = Some(fd.as_fd());
            }
        }
        let description = |index: u32| descriptions[index as usize].as_fd();
        sockets.finish(&Tree { snapshot, description: &description, pid, sockets: ends })
    }

    pub(super) fn object(&self, index: u32) -> RawFd {
        self.objects[index as usize].as_raw_fd()
    }

    /// Seals of memory files, once everything is mapped.
    pub(super) fn seal(&self, snapshot: &Snapshot) -> Result<(), RestoreError> {
        for (object, file) in snapshot.objects.iter().zip(&self.objects) {
            if let ObjectKind::Memfd { seals } = object.kind {
                let seal = || -> io::Result<()> {
                    let now = fcntl(file, FcntlArg::F_GET_SEALS)?;
                    if now != seals.cast_signed() {
                        let seals = SealFlag::from_bits_retain(seals.cast_signed());
                        fcntl(file, FcntlArg::F_ADD_SEALS(seals))?;
                    }
                    Ok(())
                };
                seal().with(|| "sealing a memfd".to_owned())?;
            }
        }
        Ok(())
    }
}

/// Compares the files that must be there with what was written down: what differs, if that is accepted.
pub(super) fn judge_files(
    snapshot: &Snapshot,
    options: &RestoreOptions,
) -> Result<Vec<String>, RestoreError> {
    let opened = snapshot.descriptions.iter().filter_map(|description| match &description.what {
        Open::File(file) => Some(file),
        _ => None,
    });
    let mut differing: Vec<String> = opened.chain(&snapshot.files).filter_map(difference).collect();
    differing.extend(unix::judge(snapshot)?);
    differing.sort_unstable();
    differing.dedup();
    if differing.is_empty() || options.accept_changed {
        return Ok(differing);
    }
    Err(RestoreError::Changed(differing))
}

fn difference(file: &FileId) -> Option<String> {
    let path = Path::new(OsStr::from_bytes(&file.path));
    let name = path.display();
    let kind = file.mode & libc::S_IFMT;
    if file.path.starts_with(b"/proc/") || file.path.starts_with(b"/sys/") {
        return None;
    }
    let now = if kind == libc::S_IFLNK {
        std::fs::symlink_metadata(path)
    } else {
        std::fs::metadata(path)
    };
    match now {
        Err(error) => Some(format!("{name}: {error}")),
        Ok(now) if now.mode() & libc::S_IFMT != kind => {
            Some(format!("{name}: it is of another kind"))
        }
        Ok(now) if kind == libc::S_IFREG => {
            let modified = now.mtime() * 1_000_000_000 + now.mtime_nsec();
            if now.len() != file.len {
                Some(format!("{name}: {} bytes then, {} now", file.len, now.len()))
            } else if modified != file.modified {
                Some(format!("{name}: changed since"))
            } else {
                None
            }
        }
        Ok(_) => None,
    }
}

/// Opens everything.
pub(super) fn open_all(
    reader: &Reader,
    spaces: &Spaces,
    options: &RestoreOptions,
    notes: &mut Vec<String>,
) -> Result<Parked, RestoreError> {
    let snapshot = reader.snapshot();
    let count = snapshot.descriptions.len() + 2 * snapshot.files.len() + snapshot.objects.len();
    let count = count + snapshot.terminals.len();
    // Their ends, until the descriptions have them.
    let count = count + 2 * (snapshot.pipes.len() + snapshot.unix.len());
    let count = RawFd::try_from(count + OTHERS).expect("an image is smaller");
    let base = gap(snapshot, count);
    raise_limit((base + count).cast_unsigned().into())?;
    let park = |fd: &dyn AsFdDyn| -> Result<OwnedFd, RestoreError> { park(fd.fd(), base) };

    let mut objects = Vec::with_capacity(snapshot.objects.len());
    for object in &snapshot.objects {
        let file = make_object(reader, object)?;
        objects.push(park(&file)?);
    }
    let mut pipes = Pipes::make(snapshot)?;
    let terminals = Terminals::make(snapshot, spaces, options, notes)?;
    let mut sockets = Sockets::make(snapshot)?;
    let mut descriptions = Vec::with_capacity(snapshot.descriptions.len());
    for (nth, description) in snapshot.descriptions.iter().enumerate() {
        let opened = match given(nth, snapshot, options) {
            Some(which) => files::standard_stream(which),
            None => {
                let (objects, terminals) = (&objects, &terminals);
                let (pipes, sockets) = (&mut pipes, &mut sockets);
                let ends = Ends { objects, pipes, sockets, terminals };
                open_one(description, snapshot, spaces, ends, options)
            }
        };
        let fd = opened.with(|| format!("opening {}", name_of(&description.what)))?;
        later(&fd, description)?;
        let fd = park(&fd)?;
        lock(&fd, description)?;
        descriptions.push(fd);
    }
    drop(pipes);
    let mut controlling = Vec::with_capacity(snapshot.terminals.len());
    for (nth, terminal) in snapshot.terminals.iter().enumerate() {
        let slave = (terminal.session > 0).then(|| terminals.controlling(nth)).transpose();
        let slave = slave.with(|| "opening a controlling terminal".to_owned())?;
        controlling.push(slave.map(|slave| park(&slave)).transpose()?);
    }
    terminals.finish(snapshot)?;
    sockets.taken();
    let mut files = Vec::with_capacity(snapshot.files.len());
    for (nth, file) in snapshot.files.iter().enumerate() {
        let writable = needs_writing(snapshot, nth);
        let path = Path::new(OsStr::from_bytes(&file.path));
        let get = |flags: OFlag| -> Result<OwnedFd, RestoreError> {
            let fd = open(path, flags | OFlag::O_CLOEXEC, Mode::empty()).map_err(io::Error::from);
            park(&fd.with(|| format!("opening {}", path.display()))?)
        };
        let write = if writable { Some(get(OFlag::O_RDWR)?) } else { None };
        files.push((Some(get(OFlag::O_RDONLY)?), write));
    }
    Ok(Parked { base, end: base + count, descriptions, files, objects, controlling, sockets })
}

/// The lowest of `count` numbers side by side that no process of the tree uses.
fn gap(snapshot: &Snapshot, count: RawFd) -> RawFd {
    let bodies = snapshot.processes.iter().filter_map(|process| process.body.as_ref());
    let tables = bodies.filter_map(|body| match &body.table {
        Table::Own(table) => Some(table),
        Table::Shared(_) => None,
    });
    // Watches of epoll may be added under numbers that are free now.
    let watched = snapshot.descriptions.iter().filter_map(|description| match &description.what {
        Open::Epoll(watches) => Some(watches),
        _ => None,
    });
    let watched = watched.flatten().map(|watch| watch.number);
    let mut used: Vec<RawFd> = tables.flatten().map(|one| one.number).chain(watched).collect();
    used.sort_unstable();
    // Above the restorer's own usual ones, which are few.
    const LEAST: RawFd = 64;
    let mut base = LEAST;
    for number in used {
        if number >= base + count {
            break;
        }
        base = base.max(number + 1);
    }
    base
}

/// Anything with a descriptor.
trait AsFdDyn {
    fn fd(&self) -> BorrowedFd<'_>;
}

impl<T: AsFd> AsFdDyn for T {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

fn park(fd: BorrowedFd<'_>, base: RawFd) -> Result<OwnedFd, RestoreError> {
    outlast_os::files::duplicate_above(fd, base).with(|| "keeping a descriptor".to_owned())
}

/// Lets this process have as many descriptors as it takes, as far as its hard limit goes.
fn raise_limit(wanted: u64) -> Result<(), RestoreError> {
    let limits = getrlimit(Resource::RLIMIT_NOFILE).map_err(io::Error::from);
    let (soft, hard) = limits.with(|| "reading the limit of descriptors".to_owned())?;
    if soft >= wanted {
        return Ok(());
    }
    if hard < wanted {
        return Err(RestoreError::World {
            what: format!("{wanted} descriptors are needed, the hard limit is {hard} (ulimit -Hn)"),
            source: io::Error::from_raw_os_error(libc::EMFILE),
        });
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)
        .map_err(io::Error::from)
        .with(|| "raising the limit of descriptors".to_owned())
}

fn needs_writing(snapshot: &Snapshot, file: usize) -> bool {
    let bodies = snapshot.processes.iter().filter_map(|process| process.body.as_ref());
    bodies.flat_map(|body| &body.memory.mappings).any(|mapping| {
        matches!(mapping.backing, outlast_image::Backing::File { file: of, writable: true, .. } if of as usize == file)
    })
}

fn name_of(what: &Open) -> String {
    match what {
        Open::File(file) => String::from_utf8_lossy(&file.path).into_owned(),
        Open::Object(_) => "a file without a name".to_owned(),
        Open::Pipe(_) => "a pipe".to_owned(),
        Open::Master(_) => "the master of a terminal".to_owned(),
        Open::Slave(_) | Open::HungUp => "a terminal".to_owned(),
        Open::Unix(_) => "a unix socket".to_owned(),
        Open::Stream { which, .. } => format!("standard stream {which}"),
        Open::Event { .. } => "an eventfd".to_owned(),
        Open::Timer { .. } => "a timerfd".to_owned(),
        Open::Signals(_) => "a signalfd".to_owned(),
        Open::Epoll(_) => "an epoll instance".to_owned(),
        Open::Inotify(_) => "an inotify instance".to_owned(),
    }
}

/// The lowest number that a description has in any process.
fn lowest_number(snapshot: &Snapshot, index: usize) -> Option<i32> {
    let bodies = snapshot.processes.iter().filter_map(|process| process.body.as_ref());
    let tables = bodies.filter_map(|body| match &body.table {
        Table::Own(table) => Some(table),
        Table::Shared(_) => None,
    });
    let of = tables.flatten().filter(|one| one.description as usize == index);
    of.map(|one| one.number).min()
}

/// Which of the restorer's own streams takes its place.
fn given(nth: usize, snapshot: &Snapshot, options: &RestoreOptions) -> Option<i32> {
    let is_given = options.standard == Standard::Given;
    let lowest = is_given.then(|| lowest_number(snapshot, nth)).flatten();
    lowest.filter(|lowest| (0..3).contains(lowest))
}

/// Opens a file, if it is of that kind: nobody is waited for at the other end of a FIFO that took its place.
fn open_as(path: &Path, flags: OFlag, kind: u32) -> io::Result<OwnedFd> {
    let fd = match open(path, flags | OFlag::O_NONBLOCK, Mode::empty()) {
        Err(nix::errno::Errno::ENXIO) if kind == libc::S_IFREG => {
            return Err(io::Error::other("it is of another kind: a FIFO, socket or device"));
        }
        other => other?,
    };
    let found = nix::sys::stat::fstat(&fd)?.st_mode & libc::S_IFMT;
    if found != kind {
        return Err(io::Error::other(format!(
            "it is of another kind: expected {kind:o}, found {found:o}"
        )));
    }
    if !flags.intersects(OFlag::O_NONBLOCK | OFlag::O_PATH) {
        let now = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(now.difference(OFlag::O_NONBLOCK)))?;
    }
    Ok(fd)
}

/// What was made before the descriptions.
struct Ends<'a> {
    objects: &'a [OwnedFd],
    pipes: &'a mut Pipes,
    sockets: &'a mut Sockets,
    terminals: &'a Terminals,
}

fn open_one(
    description: &Description,
    snapshot: &Snapshot,
    spaces: &Spaces,
    ends: Ends<'_>,
    options: &RestoreOptions,
) -> io::Result<OwnedFd> {
    let flags = description.flags.cast_signed();
    match &description.what {
        Open::File(file) => {
            let path = Path::new(OsStr::from_bytes(&file.path));
            let flags = OFlag::from_bits_retain(flags & !ONCE) | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
            let fd = match open_as(path, flags, file.mode & libc::S_IFMT) {
                // Gone, and that was accepted: an empty file without a name takes its place.
                Err(error) if error.kind() == io::ErrorKind::NotFound && options.accept_changed => {
                    memfd_create(c"gone", MFdFlags::MFD_CLOEXEC)?
                }
                other => other?,
            };
            if flags & OFlag::O_PATH == OFlag::empty() && description.position > 0 {
                let position = description.position.cast_signed();
                // Devices have none.
                let _ = nix::unistd::lseek(&fd, position, nix::unistd::Whence::SeekSet);
            }
            Ok(fd)
        }
        Open::Object(index) => {
            let keep = libc::O_ACCMODE | LATER | libc::O_PATH;
            let fd = spaces
                .reopen(&ends.objects[*index as usize], OFlag::from_bits_retain(flags & keep))?;
            let position = description.position.cast_signed();
            nix::unistd::lseek(&fd, position, nix::unistd::Whence::SeekSet)?;
            Ok(fd)
        }
        Open::Pipe(index) => ends.pipes.end(*index, flags, spaces),
        Open::Unix(index) => ends.sockets.descriptor(*index),
        what @ (Open::Master(_) | Open::Slave(_) | Open::HungUp) => ends.terminals.end(what, flags),
        Open::Stream { which, .. } => files::standard_stream(*which),
        Open::Event { count, semaphore } => files::eventfd(*count, *semaphore),
        Open::Timer { clock, ticks, flags, left, interval } => {
            let absolute = flags & 1 != 0
                && [libc::CLOCK_REALTIME, libc::CLOCK_REALTIME_ALARM].contains(clock);
            let timer = if absolute && *left > 0 {
                // The wall clock didn't stop.
                let at = snapshot.clocks.real + left;
                files::timerfd(*clock, at, *interval, flags.cast_signed())?
            } else {
                files::timerfd(*clock, *left, *interval, 0)?
            };
            if *ticks > 0 {
                files::set_timer_ticks(&timer, *ticks)?;
            }
            Ok(timer)
        }
        Open::Signals(mask) => files::signalfd(*mask),
        Open::Epoll(_) => {
            let epoll =
                nix::sys::epoll::Epoll::new(nix::sys::epoll::EpollCreateFlags::EPOLL_CLOEXEC)?;
            Ok(epoll.0)
        }
        Open::Inotify(watches) => {
            let inotify = files::Inotify::new()?;
            let mut watches: Vec<_> = watches.iter().collect();
            watches.sort_by_key(|watch| watch.wd);
            for watch in watches {
                let path = CString::new(watch.path.clone())?;
                inotify.watch(&path, watch.mask, watch.wd)?;
            }
            inotify.into_descriptor()
        }
    }
}

/// Flags that `open` wasn't given, or that other calls made.
fn later(fd: &OwnedFd, description: &Description) -> Result<(), RestoreError> {
    let flags = description.flags.cast_signed();
    if flags & libc::O_PATH != 0 || matches!(description.what, Open::Stream { .. }) {
        return Ok(());
    }
    let set = || -> io::Result<()> {
        let now = fcntl(fd, FcntlArg::F_GETFL)?;
        if (now ^ flags) & LATER != 0 {
            let flags = OFlag::from_bits_retain((now & !LATER) | flags & LATER);
            fcntl(fd, FcntlArg::F_SETFL(flags))?;
        }
        Ok(())
    };
    set().with(|| format!("setting the flags of {}", name_of(&description.what)))
}

fn lock(fd: &OwnedFd, description: &Description) -> Result<(), RestoreError> {
    let what = || format!("locking {}: somebody else has locked it?", name_of(&description.what));
    if let Some(kind) = description.flock {
        files::flock(fd, kind == LockKind::Exclusive).with(what)?;
    }
    for (kind, start, len) in &description.locks {
        let lock = libc::flock {
            l_type: lock_type(*kind),
            l_whence: 0,
            l_start: start.cast_signed(),
            l_len: len.cast_signed(),
            l_pid: 0,
        };
        fcntl(fd, FcntlArg::F_OFD_SETLK(&lock)).map_err(io::Error::from).with(what)?;
    }
    Ok(())
}

/// As `struct flock` has it.
pub(super) fn lock_type(kind: LockKind) -> i16 {
    let kind = match kind {
        LockKind::Shared => libc::F_RDLCK,
        LockKind::Exclusive => libc::F_WRLCK,
    };
    i16::try_from(kind).expect("0 or 1")
}

/// Memory to share, or a file without a name, with its content.
fn make_object(reader: &Reader, object: &Object) -> Result<OwnedFd, RestoreError> {
    let name = String::from_utf8_lossy(&object.name).into_owned();
    let what = || format!("making `{name}` again");
    let file = match object.kind {
        ObjectKind::Deleted => nameless(&object.name).with(what)?,
        ObjectKind::Shared => memfd(b"outlast-shared", false).with(what)?,
        ObjectKind::Memfd { seals } => {
            let sealed = seals & libc::F_SEAL_SEAL.cast_unsigned() != 0;
            memfd(&object.name, !sealed || seals != libc::F_SEAL_SEAL.cast_unsigned()).with(what)?
        }
    };
    file.set_len(object.len).with(what)?;
    let mut buffer = Vec::new();
    for run in &object.runs {
        let Some(first) = run.first else { continue };
        let mut done = 0;
        while done < run.pages {
            let count = (run.pages - done).min(AT_ONCE);
            reader.read(first + done, count, &mut buffer)?;
            let at = run.start + u64::from(done) * PAGE as u64;
            let len = usize::try_from(object.len - at).unwrap_or(usize::MAX).min(buffer.len());
            file.write_all_at(&buffer[..len], at).with(what)?;
            done += count;
        }
    }
    if object.kind == ObjectKind::Deleted {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(object.mode)).with(what)?;
        // Only root can give files away; its owner is who made it otherwise.
        let _ = std::os::unix::fs::fchown(&file, Some(object.owner.0), Some(object.owner.1));
    }
    Ok(OwnedFd::from(file))
}

fn memfd(name: &[u8], sealable: bool) -> io::Result<File> {
    // Longer names are refused.
    const MAX_NAME: usize = 249;
    let name = CString::new(&name[..name.len().min(MAX_NAME)])?;
    let mut flags = MFdFlags::MFD_CLOEXEC;
    if sealable {
        flags |= MFdFlags::MFD_ALLOW_SEALING;
    }
    Ok(File::from(memfd_create(name.as_c_str(), flags)?))
}

/// A file of the name that it had, if that is free, and removed at once; else one without a name in the same
/// folder, or in memory.
fn nameless(path: &[u8]) -> io::Result<File> {
    let path = Path::new(OsStr::from_bytes(path));
    let make = std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(path);
    if let Ok(file) = make {
        std::fs::remove_file(path)?;
        return Ok(file);
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    match open(folder, flags, Mode::from_bits_retain(0o600)) {
        Ok(fd) => Ok(File::from(fd)),
        Err(_) => memfd(b"deleted", false),
    }
}

/// How bytes are written into a pipe. One that was full with fewer bytes than it takes had pages that weren't: so
/// each page gets its share, which is more than half of it, so that the next can't join it.
fn pieces<'a>(pipe: &outlast_image::Pipe, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let slots = usize::try_from(pipe.capacity).unwrap_or(PAGE) / PAGE;
    // The last page is whole: nothing more goes into it.
    let others = bytes.len().saturating_sub(PAGE);
    let share = others.div_ceil(slots.saturating_sub(1).max(1));
    let spread = pipe.full && !pipe.packets && share > PAGE / 2 && share < PAGE;
    let (first, last) = bytes.split_at(if spread { others } else { 0 });
    first.chunks(share.max(1)).chain(last.chunks(last.len().max(1)))
}

/// Pipes, with their content, until their ends are taken.
struct Pipes {
    ends: Vec<(OwnedFd, OwnedFd)>,
    taken: HashMap<(u32, bool), ()>,
}

impl Pipes {
    fn make(snapshot: &Snapshot) -> Result<Self, RestoreError> {
        let mut ends = Vec::with_capacity(snapshot.pipes.len());
        for pipe in &snapshot.pipes {
            let make = || -> io::Result<(OwnedFd, OwnedFd)> {
                let (read, write) = match &pipe.fifo {
                    Some(fifo) => {
                        let path = Path::new(OsStr::from_bytes(&fifo.path));
                        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
                        let both = open(path, flags, Mode::empty())?;
                        (both.try_clone()?, both)
                    }
                    None => {
                        let mut flags = OFlag::O_CLOEXEC;
                        if pipe.packets {
                            flags |= OFlag::O_DIRECT;
                        }
                        nix::unistd::pipe2(flags)?
                    }
                };
                if pipe.capacity > 0 {
                    let size = i32::try_from(pipe.capacity).unwrap_or(i32::MAX);
                    fcntl(&write, FcntlArg::F_SETPIPE_SZ(size))?;
                }
                let mut to = File::from(write.try_clone()?);
                for packet in &pipe.content {
                    // It was in a pipe of that size: it fits.
                    for piece in pieces(pipe, &packet.0) {
                        to.write_all(piece)?;
                    }
                }
                Ok((read, write))
            };
            ends.push(make().with(|| "making a pipe again".to_owned())?);
        }
        Ok(Self { ends, taken: HashMap::new() })
    }

    fn end(&mut self, index: u32, flags: i32, spaces: &Spaces) -> io::Result<OwnedFd> {
        let (read, write) = &self.ends[index as usize];
        let mode = flags & libc::O_ACCMODE;
        let end = if mode == libc::O_RDONLY { read } else { write };
        // A second description of the same end, or one for both directions, is another opening of it.
        let first = self.taken.insert((index, mode == libc::O_RDONLY), ()).is_none();
        let opened = fcntl(end, FcntlArg::F_GETFL)? & libc::O_ACCMODE;
        if first && opened == mode {
            return end.try_clone();
        }
        spaces.reopen(end, OFlag::from_bits_retain(mode | flags & LATER))
    }
}
