//! Unix sockets, made again: connected, named, and with what waited in them.
//!
//! ```text
//!   judge    files of names that are in the way
//!   make     connections and names, before there are processes
//!   finish   queues, ends that are closed, options: when the processes are there that senders are told by
//! ```
//!
//! **A name is given as it was, wherever its file is.** One whose file is gone, or which an accepted connection has from
//! who listened, is given in a folder that is the root for that moment, so nobody else's file is touched and none is left.
//!
//! **Only a socket's own file is replaced**: a socket that nobody answers for, with the time of change that the image says,
//! which restored ones get, too. Others are refused, or, if dead, accepted as changed.
//!
//! Who is told as a connection's other end (`SO_PEERCRED`) has the user and group that it had; the process is this one.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use outlast_image::{Open, Snapshot, Table, UnixKind, UnixLink, UnixSocket};
use outlast_os::unix;

use super::super::{RestoreError, Trying};

mod place;
mod queue;

pub(in crate::restore) use place::Names;
use place::{Place, finish_file};
use queue::{listen_to_senders, make_room, post, pour, resize};

/// What differs of the files of names, if that can be accepted.
pub(super) fn judge(snapshot: &Snapshot) -> Result<Vec<String>, RestoreError> {
    let mut differing = Vec::new();
    let files = snapshot.unix.iter().filter_map(|socket| socket.file.as_ref());
    let mut place = None;
    for file in files {
        let path = Path::new(OsStr::from_bytes(&file.path));
        let name = path.display();
        let Ok(there) = fs::symlink_metadata(path) else { continue };
        let refuse = |why: &str| RestoreError::World {
            what: format!("naming the unix socket {name}: {why}"),
            source: io::Error::from_raw_os_error(libc::EADDRINUSE),
        };
        if !there.file_type().is_socket() {
            return Err(refuse("something else is there, move it away"));
        }
        if place.is_none() {
            place = Some(Place::new().with(|| "looking at directories".to_owned())?);
        }
        let place = place.as_ref().expect("just made");
        let answers = place.near(&file.path, unix::answers);
        if answers.with(|| format!("asking who is behind {name}"))? {
            return Err(refuse("another program has it, end that first"));
        }
        if there.mtime() * 1_000_000_000 + there.mtime_nsec() != file.modified {
            differing.push(format!("{name}: another socket, though nobody answers there"));
        }
    }
    Ok(differing)
}

/// Sockets, until they are whole.
#[derive(Debug)]
pub(super) struct Sockets {
    place: Option<Place>,
    /// By index of [`Snapshot::unix`]; taken once the descriptions have them.
    ends: Vec<Option<OwnedFd>>,
    /// By the same index: other ends that are to be closed.
    gone: Vec<Option<OwnedFd>>,
    /// Datagram sockets that were made as a pair.
    pairs: HashMap<usize, usize>,
    names: Names,
    /// By the same index: some description has it.
    given: Vec<bool>,
}

/// What [`Sockets::finish`] needs to know.
pub(super) struct Tree<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// A description's descriptor.
    pub(super) description: &'a dyn Fn(u32) -> BorrowedFd<'a>,
    /// A process's id as this thread sees it.
    pub(super) pid: &'a dyn Fn(i32) -> Option<i32>,
    /// By index of [`Snapshot::unix`].
    pub(super) sockets: Vec<Option<BorrowedFd<'a>>>,
}

fn kind(socket: &UnixSocket) -> unix::Type {
    match socket.kind {
        UnixKind::Stream => libc::SOCK_STREAM,
        UnixKind::Datagram => libc::SOCK_DGRAM,
        UnixKind::Packets => libc::SOCK_SEQPACKET,
    }
}

fn printable(name: &[u8]) -> String {
    match name {
        [] => "a unix socket without a name".to_owned(),
        [0, rest @ ..] => format!("the unix socket @{}", String::from_utf8_lossy(rest)),
        path => format!("the unix socket {}", String::from_utf8_lossy(path)),
    }
}

fn as_peer<T>(who: Option<(u32, u32)>, what: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match who {
        Some((user, group)) => unix::as_user(user, group, what),
        None => what(),
    }
}

impl Sockets {
    /// Makes all of them, with connections and names.
    pub(super) fn make(snapshot: &Snapshot) -> Result<Self, RestoreError> {
        let count = snapshot.unix.len();
        let none = || (0..count).map(|_| None).collect::<Vec<Option<OwnedFd>>>();
        let place = if count > 0 {
            Some(Place::new().with(|| "looking at directories".to_owned())?)
        } else {
            None
        };
        let (ends, gone) = (none(), none());
        let (pairs, names, given) = (HashMap::new(), Names::default(), vec![false; count]);
        let mut made = Self { place, ends, gone, pairs, names, given };
        // Names of connections are held for a moment only: before those that are held for good.
        for (nth, socket) in snapshot.unix.iter().enumerate() {
            made.connection(nth, socket, snapshot)
                .with(|| format!("making {} again", printable(&socket.name)))?;
        }
        let datagrams = |socket: &UnixSocket| socket.kind == UnixKind::Datagram;
        let connected = |socket: &UnixSocket| {
            matches!(socket.link, UnixLink::Connected(_) | UnixLink::Gone { .. })
        };
        let names = |nth: &usize| {
            let socket = &snapshot.unix[*nth];
            !socket.name.is_empty() && (datagrams(socket) || !connected(socket))
        };
        // Those whose file is gone come first: a name may have been given again.
        let mut named: Vec<usize> = (0..count).filter(names).collect();
        named.sort_by_key(|nth| snapshot.unix[*nth].file.is_some());
        for nth in named {
            let socket = &snapshot.unix[nth];
            made.give_name(nth, socket).with(|| format!("naming {}", printable(&socket.name)))?;
        }
        for (nth, socket) in snapshot.unix.iter().enumerate() {
            made.listening(nth, socket, snapshot)
                .with(|| format!("listening as {}", printable(&socket.name)))?;
        }
        for file in snapshot.unix.iter().filter_map(|socket| socket.file.as_ref()) {
            let what = || format!("the file {}", String::from_utf8_lossy(&file.path));
            finish_file(file).with(what)?;
        }
        Ok(made)
    }

    fn place(&self) -> &Place {
        self.place.as_ref().expect("there is where there is a socket")
    }

    fn end(&self, nth: usize) -> &OwnedFd {
        self.ends[nth].as_ref().expect("made, and not taken yet")
    }

    /// A socket's descriptor, for a description.
    pub(super) fn descriptor(&mut self, index: u32) -> io::Result<OwnedFd> {
        self.given[index as usize] = true;
        self.end(index as usize).try_clone()
    }

    /// Whether a description has it: one that was a standard stream may be the restorer's.
    pub(super) fn is_given(&self, index: u32) -> bool {
        self.given[index as usize]
    }

    /// All descriptions have theirs.
    pub(super) fn taken(&mut self) {
        self.ends.clear();
    }

    /// Makes a socket, and the one that it is connected to.
    fn connection(
        &mut self,
        nth: usize,
        socket: &UnixSocket,
        snapshot: &Snapshot,
    ) -> io::Result<()> {
        if self.ends[nth].is_some() {
            return Ok(());
        }
        let kind = kind(socket);
        let datagrams = socket.kind == UnixKind::Datagram;
        match &socket.link {
            UnixLink::Connected(other) if !datagrams => {
                let other = *other as usize;
                let peer = &snapshot.unix[other];
                let (one, two) = self.connected(kind, socket, &peer.name, peer.peer, snapshot)?;
                self.ends[nth] = Some(one);
                self.ends[other] = Some(two);
            }
            UnixLink::Gone { name, .. } if !datagrams => {
                let (one, two) = self.connected(kind, socket, name, None, snapshot)?;
                self.ends[nth] = Some(one);
                self.gone[nth] = Some(two);
            }
            UnixLink::Gone { name, .. } => {
                let (one, two) = unix::pair(kind)?;
                if !name.is_empty() {
                    self.place().name_apart(&two, name)?;
                }
                self.ends[nth] = Some(one);
                self.gone[nth] = Some(two);
            }
            UnixLink::Connected(other) => {
                let other = *other as usize;
                let peer = &snapshot.unix[other];
                // Without a name nobody could connect to it.
                let paired = peer.name.is_empty() && other != nth && self.ends[other].is_none();
                if !paired {
                    self.ends[nth] = Some(unix::socket(kind)?);
                    return Ok(());
                }
                let (one, two) = as_peer(socket.peer, || unix::pair(kind))?;
                self.ends[nth] = Some(one);
                self.ends[other] = Some(two);
                self.pairs.extend([(nth, other), (other, nth)]);
            }
            _ => {
                // One that another has to be paired with is made with that.
                let wanted = datagrams && socket.name.is_empty();
                let by = snapshot.unix.iter().position(|one| {
                    wanted
                        && one.link == UnixLink::Connected(u32::try_from(nth).unwrap_or(u32::MAX))
                });
                match by.filter(|by| self.ends[*by].is_none()) {
                    Some(by) => self.connection(by, &snapshot.unix[by], snapshot)?,
                    None => self.ends[nth] = Some(unix::socket(kind)?),
                }
            }
        }
        Ok(())
    }

    /// Two ends of a connection: `socket`, and one of that name, which says `others` of it.
    fn connected(
        &self,
        kind: unix::Type,
        socket: &UnixSocket,
        name: &[u8],
        others: Option<(u32, u32)>,
        snapshot: &Snapshot,
    ) -> io::Result<(OwnedFd, OwnedFd)> {
        if socket.name.is_empty() && name.is_empty() {
            return as_peer(socket.peer, || unix::pair(kind));
        }
        // Who was accepted has the name of who listened.
        let listens = |name: &[u8]| {
            let named = |one: &UnixSocket| {
                matches!(one.link, UnixLink::Listening { .. }) && one.name == name
            };
            snapshot.unix.iter().any(named)
        };
        let accepted = name.is_empty() || (!socket.name.is_empty() && !listens(name));
        let (server, client) =
            if accepted { (socket.name.as_slice(), name) } else { (name, socket.name.as_slice()) };
        let (tells_client, tells_server) =
            if accepted { (others, socket.peer) } else { (socket.peer, others) };
        let place = self.place();
        let listener = unix::socket(kind)?;
        place.name_apart(&listener, server)?;
        as_peer(tells_client, || unix::listen(&listener, 1))?;
        let connecting = unix::socket(kind)?;
        if !client.is_empty() && client != server {
            place.name_apart(&connecting, client)?;
        }
        place.apart(server, || as_peer(tells_server, || unix::connect(&connecting, server)))?;
        let made = unix::accept(&listener)?;
        Ok(if accepted { (made, connecting) } else { (connecting, made) })
    }

    fn give_name(&mut self, nth: usize, socket: &UnixSocket) -> io::Result<()> {
        let end = self.end(nth);
        match &socket.file {
            Some(file) => {
                self.place().name(end, &socket.name, file)?;
                self.names.0.push(PathBuf::from(OsStr::from_bytes(&file.path)));
                // Whoever was connected is connected again, whatever the file allows now.
                let path = Path::new(OsStr::from_bytes(&file.path));
                fs::set_permissions(path, Permissions::from_mode(0o777))
            }
            None => self.place().name_apart(end, &socket.name),
        }
    }

    /// Listens, and lets those connect that had not been accepted.
    fn listening(&self, nth: usize, socket: &UnixSocket, snapshot: &Snapshot) -> io::Result<()> {
        let UnixLink::Listening { backlog, waiting } = &socket.link else { return Ok(()) };
        let backlog = i32::try_from(*backlog).unwrap_or(i32::MAX);
        as_peer(socket.peer, || unix::listen(self.end(nth), backlog))?;
        for index in waiting {
            let client = self.end(*index as usize);
            let flags = fcntl(client, FcntlArg::F_GETFL)?;
            let without_waiting = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
            fcntl(client, FcntlArg::F_SETFL(without_waiting))?;
            let who = owner(snapshot, *index);
            self.place().reach(socket, |name| as_peer(who, || unix::connect(client, name)))?;
            fcntl(client, FcntlArg::F_SETFL(OFlag::from_bits_retain(flags)))?;
        }
        Ok(())
    }

    /// Fills queues, closes ends, sets options. The names' files, to be kept with the tree.
    pub(super) fn finish(&mut self, tree: &Tree<'_>) -> Result<Names, RestoreError> {
        let all = &tree.snapshot.unix;
        let what = |socket: &UnixSocket| format!("filling {}", printable(&socket.name));
        let datagrams = |nth: &usize| all[*nth].kind == UnixKind::Datagram;
        // A pair is parted when its messages are there, and the new connection's come later.
        let parted = |nth: &usize| {
            let other = self.pairs.get(nth).and_then(|other| u32::try_from(*other).ok());
            other.is_some_and(|other| all[*nth].link != UnixLink::Connected(other))
        };
        let (later, first): (Vec<usize>, Vec<usize>) =
            (0..all.len()).filter(datagrams).partition(parted);
        for nth in &first {
            self.datagrams(*nth, tree).with(|| what(&all[*nth]))?;
        }
        for nth in &later {
            self.connect(*nth, tree).with(|| what(&all[*nth]))?;
        }
        for nth in &later {
            self.datagrams(*nth, tree).with(|| what(&all[*nth]))?;
        }
        for nth in first.iter().filter(|nth| !self.pairs.contains_key(nth)) {
            self.connect(*nth, tree).with(|| what(&all[*nth]))?;
        }
        for (nth, socket) in all.iter().enumerate() {
            if !datagrams(&nth) {
                self.stream(nth, tree).with(|| what(socket))?;
            }
        }
        for (nth, socket) in all.iter().enumerate() {
            let gone = self.gone[nth].take();
            let Some(fd) = tree.sockets[nth] else { continue };
            if let (UnixLink::Gone { reset: true, .. }, Some(_)) = (&socket.link, &gone) {
                // What it had not received when it was closed.
                unix::send(fd, b"x", None, &[], None).with(|| what(socket))?;
            }
            drop(gone);
        }
        for (fd, socket) in tree.sockets.iter().zip(all) {
            let Some(fd) = fd else { continue };
            settle(*fd, socket)
                .with(|| format!("setting options of {}", printable(&socket.name)))?;
        }
        self.place = None;
        Ok(std::mem::take(&mut self.names))
    }

    /// Connects a datagram socket as it was.
    fn connect(&self, nth: usize, tree: &Tree<'_>) -> io::Result<()> {
        let Some(fd) = tree.sockets[nth] else { return Ok(()) };
        match &tree.snapshot.unix[nth].link {
            UnixLink::Connected(other) => {
                let other = &tree.snapshot.unix[*other as usize];
                self.place().reach(other, |name| unix::connect(fd, name))
            }
            UnixLink::None if self.pairs.contains_key(&nth) => unix::disconnect(fd),
            _ => Ok(()),
        }
    }

    fn datagrams(&self, nth: usize, tree: &Tree<'_>) -> io::Result<()> {
        let socket = &tree.snapshot.unix[nth];
        let Some(fd) = tree.sockets[nth].filter(|_| !socket.queue.is_empty()) else {
            return Ok(());
        };
        listen_to_senders(fd, socket)?;
        let all = &tree.snapshot.unix;
        let mut strangers: HashMap<&[u8], OwnedFd> = HashMap::new();
        for message in &socket.queue {
            let paired = self.pairs.get(&nth).filter(|other| all[**other].name == message.from);
            if let Some(gone) = &self.gone[nth] {
                post(gone.as_fd(), message, None, tree)?;
                continue;
            }
            if let Some(other) = paired.and_then(|other| tree.sockets[*other]) {
                post(other, message, None, tree)?;
                continue;
            }
            let known = all.iter().position(|one| {
                one.kind == UnixKind::Datagram && !one.name.is_empty() && one.name == message.from
            });
            let known = known.and_then(|known| tree.sockets[known]).or_else(|| {
                let named = |link: &UnixLink| {
                    matches!(link, UnixLink::Gone { name, .. } if !name.is_empty() && *name == message.from)
                };
                let both = all.iter().zip(&self.gone);
                both.into_iter().find_map(|(one, gone)| {
                    gone.as_ref().filter(|_| named(&one.link)).map(AsFd::as_fd)
                })
            });
            let sender = match known {
                Some(sender) => sender,
                None => {
                    if !strangers.contains_key(message.from.as_slice()) {
                        let stranger = unix::socket(libc::SOCK_DGRAM)?;
                        if !message.from.is_empty() {
                            self.place().name_apart(&stranger, &message.from)?;
                        }
                        strangers.insert(&message.from, stranger);
                    }
                    strangers[message.from.as_slice()].as_fd()
                }
            };
            self.place().reach(socket, |name| post(sender, message, Some(name), tree))?;
        }
        Ok(())
    }

    fn stream(&self, nth: usize, tree: &Tree<'_>) -> io::Result<()> {
        let socket = &tree.snapshot.unix[nth];
        let Some(fd) = tree.sockets[nth].filter(|_| !socket.queue.is_empty()) else {
            return Ok(());
        };
        let (from, full) = match &socket.link {
            UnixLink::Connected(other) => {
                (tree.sockets[*other as usize], tree.snapshot.unix[*other as usize].full)
            }
            _ => (self.gone[nth].as_ref().map(AsFd::as_fd), 0),
        };
        // Where the other end is nobody's, nobody can have sent it.
        let Some(from) = from else { return Ok(()) };
        listen_to_senders(fd, socket)?;
        let bytes: usize = socket.queue.iter().map(|message| message.bytes.len()).sum();
        // Each message takes some memory of its own.
        const EACH: usize = 4096;
        let messages = socket.queue.len().saturating_mul(EACH);
        // In pieces half as large it takes less than twice as much.
        make_room(from, bytes.saturating_add(messages).saturating_add(full as usize))?;
        if socket.kind == UnixKind::Packets {
            return socket.queue.iter().try_for_each(|message| post(from, message, None, tree));
        }
        let mut piece = bytes.max(1);
        loop {
            for message in &socket.queue {
                pour(from, message, piece, tree)?;
            }
            // One that was full with less was written to in small pieces.
            if piece == 1 || unix::unreceived(from)? >= full {
                return Ok(());
            }
            piece = piece.div_ceil(2);
            let mut sink = vec![0; bytes];
            while unix::unread(fd)? > 0 {
                nix::unistd::read(fd, &mut sink)?;
            }
        }
    }
}

/// Options, and directions that have ended.
fn settle(fd: BorrowedFd<'_>, socket: &UnixSocket) -> io::Result<()> {
    for (name, value) in &socket.options {
        if unix::option(fd, *name)? == *value {
            continue;
        }
        // The kernel tells twice of what it was asked for.
        match *name {
            libc::SO_SNDBUF => resize(fd, libc::SO_SNDBUFFORCE, *name, value / 2)?,
            libc::SO_RCVBUF => resize(fd, libc::SO_RCVBUFFORCE, *name, value / 2)?,
            name => unix::set_option(fd, name, *value)?,
        }
    }
    let timeouts = [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO];
    for (name, micros) in timeouts.into_iter().zip(socket.timeouts) {
        if micros > 0 {
            unix::set_timeout(fd, name, micros)?;
        }
    }
    match socket.shut {
        0 => Ok(()),
        1 => unix::shutdown(fd, libc::SHUT_RD),
        2 => unix::shutdown(fd, libc::SHUT_WR),
        _ => unix::shutdown(fd, libc::SHUT_RDWR),
    }
}

/// User and group of the first process that has a socket.
fn owner(snapshot: &Snapshot, socket: u32) -> Option<(u32, u32)> {
    let open = |index: u32| {
        snapshot.descriptions.get(index as usize).is_some_and(|one| one.what == Open::Unix(socket))
    };
    snapshot.processes.iter().find_map(|process| {
        let Table::Own(table) = &process.body.as_ref()?.table else { return None };
        table.iter().any(|one| open(one.description)).then_some(())?;
        let credentials = &process.threads.first()?.credentials;
        Some((credentials.uids[1], credentials.gids[1]))
    })
}
