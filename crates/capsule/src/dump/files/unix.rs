//! Unix sockets: who is connected to whom, and what waits in them.
//!
//! The kernel tells the other end of each by its inode (`sock_diag`). One that no process of the tree has, neither open
//! nor on its way in a queue, is outside: as a standard stream the socket is replaced by the restorer's; elsewhere it is
//! refused, and its holder named.
//!
//! **Looking changes nothing.** What waits is read by `MSG_PEEK`, which leaves it where it is, and passed descriptors with
//! it. Only where there are several messages is `SO_PEEK_OFF` moved, and put back at once. What can't be looked at so
//! is refused: what was sent on a connection that nobody has accepted yet, urgent bytes, an error that nobody was told.
//! An empty datagram behind others can be peeked at once only: the second image of a program that runs on lacks it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::poll::PollFlags;
use outlast_image::{Open, SocketFile, UnixKind, UnixLink, UnixMessage, UnixSocket};
use outlast_os::foreign;
use outlast_os::unix::{self, Message, Told};

use crate::freeze::Frozen;
use crate::proc::Proc;

use super::super::Collected;
use super::{Files, Seen};

mod queue;

use queue::{packets, stream};

/// Options that are numbers and can be set again: those of `SOL_SOCKET` that mean something to a unix socket, or that it
/// keeps at least: `SO_DEBUG` to `SO_RCVBUF`, `SO_KEEPALIVE` to `SO_PRIORITY`, `SO_PASSCRED`, `SO_RCVLOWAT`,
/// `SO_TIMESTAMP`, `SO_PASSSEC`, `SO_TIMESTAMPNS`, `SO_MARK`, `SO_RXQ_OVFL`, `SO_PEEK_OFF`, `SO_PASSPIDFD`,
/// `SO_PASSRIGHTS`.
const OPTIONS: [i32; 19] = [1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 16, 18, 29, 34, 35, 36, 40, 76, 83];

/// Sockets of processes that run.
#[derive(Default)]
pub(super) struct Looked {
    seen: Vec<(i32, Vec<u8>, i32, u32)>,
}

impl Looked {
    /// A socket of a process that runs.
    pub(super) fn saw(
        &mut self,
        pid: i32,
        comm: &[u8],
        number: i32,
        inode: u64,
        collected: &mut Collected,
    ) {
        let domain = foreign::pidfd_open(pid)
            .and_then(|process| foreign::pidfd_getfd(process.as_fd(), number))
            .and_then(|socket| unix::option(&socket, libc::SO_DOMAIN));
        match domain {
            Ok(libc::AF_UNIX) => self.seen.push((pid, comm.to_vec(), number, short(inode))),
            Ok(domain) => {
                collected.refuse(pid, comm, format!("descriptor {number}"), other(domain))
            }
            // It may be closed meanwhile.
            Err(_) => {}
        }
    }

    /// Refuses those that lead out.
    pub(super) fn judge(&self, collected: &mut Collected) {
        let Ok(all) = unix::all() else { return };
        let all: HashMap<u32, &Told> = all.iter().map(|told| (told.inode, told)).collect();
        for (pid, comm, number, inode) in &self.seen {
            let peer = all.get(inode).and_then(|told| told.peer).filter(|peer| *peer != 0);
            if let Some(peer) = peer.filter(|_| *number > 2)
                && self.seen.iter().all(|other| other.3 != peer)
                && let Some(holder) = holder(peer)
            {
                collected.refuse(*pid, comm, format!("descriptor {number}"), outside(&holder));
            }
        }
    }
}

/// Inodes of sockets have 32 bits.
fn short(inode: u64) -> u32 {
    u32::try_from(inode).unwrap_or(u32::MAX)
}

fn other(domain: i32) -> String {
    let name = match domain {
        libc::AF_INET => "an IPv4 ",
        libc::AF_INET6 => "an IPv6 ",
        libc::AF_NETLINK => "a netlink ",
        libc::AF_PACKET => "a packet ",
        _ => "a ",
    };
    format!("{name}socket is not carried")
}

fn outside(holder: &str) -> String {
    format!("the other end of this unix socket is outside the tree: {holder}")
}

/// Who has a socket, for people.
fn holder(inode: u32) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let numbers = |path: &str| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
    };
    for pid in numbers("/proc") {
        let folder = format!("/proc/{pid}/fd");
        for number in numbers(&folder) {
            let link = std::fs::read_link(format!("{folder}/{number}"));
            if link.is_ok_and(|link| link.as_os_str() == wanted.as_str()) {
                let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                return Some(format!("process {pid} ({})", comm.trim_end()));
            }
        }
    }
    None
}

/// A socket of the tree.
struct One {
    seen: Seen,
    comm: Vec<u8>,
    inode: u32,
    handle: OwnedFd,
}

/// The unix sockets of a tree, in the order of [`outlast_image::Snapshot::unix`].
#[derive(Default)]
pub(super) struct Sockets {
    all: Vec<One>,
    /// Descriptors that were on their way, with the socket in whose queue they were. They stay open while they're compared.
    passed: Vec<(OwnedFd, usize)>,
}

impl Sockets {
    /// A socket of a stopped process: its index; `None`: it was refused.
    pub(super) fn add(
        &mut self,
        seen: Seen,
        comm: &[u8],
        inode: u64,
        handle: OwnedFd,
        collected: &mut Collected,
    ) -> io::Result<Option<u32>> {
        let domain = unix::option(&handle, libc::SO_DOMAIN)?;
        if domain != libc::AF_UNIX {
            collected.refuse(seen.pid, comm, format!("descriptor {}", seen.number), other(domain));
            return Ok(None);
        }
        let kind = match unix::option(&handle, libc::SO_TYPE)? {
            libc::SOCK_STREAM => UnixKind::Stream,
            libc::SOCK_DGRAM => UnixKind::Datagram,
            _ => UnixKind::Packets,
        };
        collected.snapshot.unix.push(UnixSocket { kind, ..UnixSocket::default() });
        self.all.push(One { seen, comm: comm.to_vec(), inode: short(inode), handle });
        Ok(Some(u32::try_from(self.all.len() - 1).expect("bounded")))
    }
}

/// What the kernel tells of all sockets of this network namespace.
struct World {
    told: HashMap<u32, Told>,
    /// For each that waits to be accepted, who listens.
    listeners: HashMap<u32, u32>,
    /// Sockets of the tree: their indexes.
    tree: HashMap<u32, u32>,
}

impl Files {
    /// Once all processes are known: connections and queues.
    pub(super) fn finish_sockets(
        &mut self,
        frozen: &Frozen,
        collected: &mut Collected,
    ) -> io::Result<()> {
        if self.sockets.all.is_empty() {
            return Ok(());
        }
        let all = unix::all().map_err(|error| {
            let why = format!("the kernel doesn't tell of unix sockets (unix_diag): {error}");
            io::Error::new(error.kind(), why)
        })?;
        let mut world =
            World { told: HashMap::new(), listeners: HashMap::new(), tree: HashMap::new() };
        for told in all {
            world.listeners.extend(told.waiting.iter().map(|one| (*one, told.inode)));
            world.told.insert(told.inode, told);
        }
        // What waits in a queue may be another socket.
        let mut nth = 0;
        while nth < self.sockets.all.len() {
            self.content(nth, frozen, &world, collected)?;
            nth += 1;
        }
        let tree = self.sockets.all.iter().map(|one| one.inode).zip(0..);
        world.tree = tree.collect();
        for nth in 0..self.sockets.all.len() {
            self.link(nth, &world, collected)?;
        }
        let own = own_pid();
        for obstacle in collected.obstacles.iter_mut().filter(|obstacle| obstacle.pid == own) {
            let number = obstacle.place.rsplit(' ').next().and_then(|text| text.parse().ok());
            let of = self.sockets.passed.iter().find(|(fd, _)| Some(fd.as_raw_fd()) == number);
            if let Some((_, nth)) = of {
                let one = &self.sockets.all[*nth];
                obstacle.pid = one.seen.pid;
                obstacle.process = String::from_utf8_lossy(&one.comm).into_owned();
                obstacle.place = format!(
                    "a descriptor on its way in the socket of descriptor {}",
                    one.seen.number
                );
            }
        }
        Ok(())
    }

    fn refuse_socket(&self, nth: usize, collected: &mut Collected, why: &str) {
        let one = &self.sockets.all[nth];
        let place = format!("descriptor {}", one.seen.number);
        collected.refuse(one.seen.pid, &one.comm, place, why);
    }

    /// What waits in a socket, and what it is set to.
    fn content(
        &mut self,
        nth: usize,
        frozen: &Frozen,
        world: &World,
        collected: &mut Collected,
    ) -> io::Result<()> {
        let one = &self.sockets.all[nth];
        let handle = one.handle.try_clone()?;
        let Some(told) = world.told.get(&one.inode) else {
            self.refuse_socket(nth, collected, "a unix socket of another network namespace");
            return Ok(());
        };
        let found = events(&handle)?;
        let kind = collected.snapshot.unix[nth].kind;
        let failed = found.contains(PollFlags::POLLERR);
        let mut refuse = |why: &str| self.refuse_socket(nth, collected, why);
        if found.contains(PollFlags::POLLPRI) {
            refuse("urgent bytes (MSG_OOB) wait in this unix socket");
            return Ok(());
        }
        if unix::has_filter(&handle) {
            refuse("a filter (SO_ATTACH_FILTER) of a unix socket is not carried");
        }
        // Looking would tell of the error.
        let queued = kind != UnixKind::Stream && failed;
        if queued && (kind == UnixKind::Datagram || unix::unread(&handle)? > 0) {
            refuse("an error waits in this unix socket; try again when the program has read it");
            return Ok(());
        }
        let peek_off = unix::option(&handle, libc::SO_PEEK_OFF)?;
        let mut messages = Vec::new();
        if !told.listens && !queued && (told.peer.is_some() || kind == UnixKind::Datagram) {
            messages = match kind {
                UnixKind::Stream => stream(&handle, peek_off)?,
                _ => packets(&handle, peek_off, kind == UnixKind::Packets)?,
            };
        }
        let mut queue = Vec::with_capacity(messages.len());
        for message in messages {
            queue.push(self.message(nth, message, frozen, collected)?);
        }
        let mut options = Vec::new();
        for name in OPTIONS {
            // An older kernel may not know it.
            options.extend(unix::option(&handle, name).ok().map(|value| (name, value)));
        }
        options.push((libc::SO_PEEK_OFF, peek_off));
        let timeout = |name| unix::timeout(&handle, name);
        let (_, uid, gid) = unix::peer_credentials(&handle)?;
        let sends = told.peer.is_some() && told.shut & 2 == 0 && !told.listens;
        let full = sends && !found.contains(PollFlags::POLLOUT);
        let socket = &mut collected.snapshot.unix[nth];
        *socket = UnixSocket {
            kind,
            name: unix::name(&handle)?,
            shut: told.shut & 3,
            queue,
            full: if full { unix::unreceived(&handle)? } else { 0 },
            options,
            timeouts: [timeout(libc::SO_RCVTIMEO)?, timeout(libc::SO_SNDTIMEO)?],
            peer: Some((uid, gid)).filter(|(uid, _)| *uid != u32::MAX),
            ..UnixSocket::default()
        };
        Ok(())
    }

    fn message(
        &mut self,
        nth: usize,
        message: Message,
        frozen: &Frozen,
        collected: &mut Collected,
    ) -> io::Result<UnixMessage> {
        let own = own_pid();
        let handle = foreign::pidfd_open(own)?;
        let comm = self.sockets.all[nth].comm.clone();
        let mut passed = Vec::with_capacity(message.passed.len());
        for fd in message.passed {
            let number = fd.as_raw_fd();
            self.sockets.passed.push((fd, nth));
            let described =
                self.descriptor(Proc { pid: own }, (&comm, 0), &handle, number, collected)?;
            let Some(described) = described else { continue };
            let what = &collected.snapshot.descriptions[described.description as usize].what;
            let ours =
                self.first.get(described.description as usize).is_some_and(|seen| seen.pid == own);
            let unready = match what {
                Open::Epoll(_) => Some("an epoll instance that is on its way only"),
                Open::Master(_) | Open::Slave(_) | Open::HungUp => {
                    Some("a terminal that is on its way only")
                }
                _ => None,
            };
            if let Some(why) = unready.filter(|_| ours) {
                collected.refuse(own, &comm, format!("descriptor {number}"), why);
            }
            passed.push(described.description);
        }
        let inner = |pid: i32| {
            let both = frozen.processes.iter().zip(&collected.snapshot.processes);
            both.into_iter().find(|(stopped, _)| stopped.pid == pid).map_or(0, |(_, one)| one.pid)
        };
        Ok(UnixMessage {
            bytes: message.bytes,
            from: message.from,
            passed,
            sender: message.sender.map(|(pid, uid, gid)| (inner(pid), uid, gid)),
        })
    }

    /// What a socket is connected to, and its file.
    fn link(&self, nth: usize, world: &World, collected: &mut Collected) -> io::Result<()> {
        let one = &self.sockets.all[nth];
        let Some(told) = world.told.get(&one.inode) else { return Ok(()) };
        let listener = world.listeners.get(&one.inode);
        let leaves = match (told.peer, listener) {
            (Some(0), Some(listener)) => Some(*listener),
            (Some(0) | None, _) => None,
            (Some(peer), _) => Some(peer),
        };
        if let Some(peer) = leaves.filter(|peer| !world.tree.contains_key(peer)) {
            self.lead_out(nth, peer, collected);
            return Ok(());
        }
        let link = match told.peer {
            _ if told.listens => {
                let mut waiting = Vec::with_capacity(told.waiting.len());
                for inode in &told.waiting {
                    let why = match world.tree.get(inode) {
                        _ if *inode == 0 => "a connection was closed before it was accepted; try again when the program has accepted it".to_owned(),
                        None => outside(&holder(*inode).unwrap_or_else(|| "an unknown one".to_owned())),
                        Some(index) => {
                            let client = &self.sockets.all[*index as usize];
                            waiting.push(*index);
                            if unix::unreceived(&client.handle)? == 0 {
                                continue;
                            }
                            "a connection that is not accepted yet has something in it; try again when the program has accepted it".to_owned()
                        }
                    };
                    self.refuse_socket(nth, collected, &why);
                }
                UnixLink::Listening { backlog: told.backlog, waiting }
            }
            None => UnixLink::None,
            Some(0) if listener.is_some() => UnixLink::Waiting,
            Some(0) => UnixLink::Gone {
                name: unix::peer_name(&one.handle).unwrap_or_default(),
                reset: events(&one.handle)?.contains(PollFlags::POLLERR),
            },
            Some(peer) => UnixLink::Connected(world.tree[&peer]),
        };
        let kind = collected.snapshot.unix[nth].kind;
        let apart = matches!(link, UnixLink::Connected(_) | UnixLink::Gone { .. });
        collected.snapshot.unix[nth].link = link;
        let name = collected.snapshot.unix[nth].name.clone();
        // An accepted one has the name of who listened, and no file of its own.
        if name.first().is_some_and(|first| *first != 0) && !(apart && kind != UnixKind::Datagram) {
            match file(one, &name)? {
                Ok(file) => collected.snapshot.unix[nth].file = file,
                Err(why) => self.refuse_socket(nth, collected, &why),
            }
        }
        Ok(())
    }

    /// The other end is outside.
    fn lead_out(&self, nth: usize, peer: u32, collected: &mut Collected) {
        let description = self.sockets.all[nth].seen.description;
        let all = self.tables.iter().flat_map(|(_, table)| table);
        let numbers = all.filter(|one| one.description == description).map(|one| one.number);
        let holder =
            holder(peer).unwrap_or_else(|| format!("socket {peer}, of no process that is shown"));
        match numbers.min() {
            Some(which @ 0..=2) => {
                collected.snapshot.unix[nth] = UnixSocket::default();
                let was = format!("a unix socket to {holder}");
                collected.snapshot.descriptions[description as usize].what =
                    Open::Stream { which, was };
            }
            _ => self.refuse_socket(nth, collected, &outside(&holder)),
        }
    }
}

fn own_pid() -> i32 {
    std::process::id().cast_signed()
}

fn events(handle: &OwnedFd) -> io::Result<PollFlags> {
    let wanted = PollFlags::POLLIN | PollFlags::POLLOUT | PollFlags::POLLPRI;
    crate::events::now(handle, wanted)
}

/// The file of a socket's name: `None` if it was removed; `Err` says why it can't be made again.
fn file(one: &One, name: &[u8]) -> io::Result<Result<Option<SocketFile>, String>> {
    let named = Path::new(std::ffi::OsStr::from_bytes(name));
    let told = |path: &[u8], meta: &std::fs::Metadata| SocketFile {
        path: path.to_vec(),
        mode: meta.mode() & 0o7777,
        owner: (meta.uid(), meta.gid()),
        modified: meta.mtime() * 1_000_000_000 + meta.mtime_nsec(),
    };
    let bound = match unix::bound_file(&one.handle) {
        Ok(None) => return Ok(Ok(None)),
        Ok(Some(bound)) => bound,
        // Without the right to ask, the name is believed if somebody answers there.
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            let cwd = Proc { pid: one.seen.pid }.link("cwd")?;
            let path = Path::new(std::ffi::OsStr::from_bytes(&cwd)).join(named);
            let path = path.as_os_str().as_bytes();
            return Ok(match std::fs::metadata(std::ffi::OsStr::from_bytes(path)) {
                Ok(meta) if meta.file_type().is_socket() && unix::answers(path)? => {
                    Ok(Some(told(path, &meta)))
                }
                _ => Ok(None),
            });
        }
        Err(error) => return Err(error),
    };
    let link = std::fs::read_link(format!("/proc/self/fd/{}", bound.as_raw_fd()))?;
    let meta = File::from(bound).metadata()?;
    let same = |there: std::fs::Metadata| (there.dev(), there.ino()) == (meta.dev(), meta.ino());
    if named.is_absolute() && std::fs::metadata(named).is_ok_and(same) {
        return Ok(Ok(Some(told(name, &meta))));
    }
    if meta.nlink() == 0 || !std::fs::metadata(&link).is_ok_and(same) {
        return Ok(Ok(None));
    }
    // Seen from another folder, or another root.
    let relative = named.strip_prefix("/").unwrap_or(named);
    let plain = relative.strip_prefix(".").unwrap_or(relative);
    if link.ends_with(plain) {
        return Ok(Ok(Some(told(link.as_os_str().as_bytes(), &meta))));
    }
    let why = format!(
        "the unix socket's file was moved from `{}` to `{}`",
        named.display(),
        link.display()
    );
    Ok(Err(why))
}
