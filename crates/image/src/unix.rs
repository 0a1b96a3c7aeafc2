//! Unix sockets: plain data, and what must be true of it.
//!
//! A name is what `sun_path` holds: a path, without its zero at the end; or a zero and the bytes of an abstract name.
//! Options are Linux's numbers, of `SOL_SOCKET`.

use serde::{Deserialize, Serialize};

use crate::model::Snapshot;
use crate::validate::{Judged, path, wrong};

/// A name has its place in `struct sockaddr_un`.
pub const MAX_UNIX_NAME: usize = 108;

/// Descriptors that a message carries at most (`SCM_MAX_FD`).
pub const MAX_PASSED: usize = 253;

/// Bytes in one queue: a sender's buffer is of 31 bits, of which half is the kernel's own.
const MAX_QUEUE: usize = 1 << 30;

/// There are some eighty options.
const MAX_OPTIONS: usize = 128;

/// One unix socket. There is one open file description of it, or more if an image says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnixSocket {
    /// Its type.
    pub kind: UnixKind,
    /// Its name, if it has one.
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
    /// The file of its name, if it is still there and this socket's own.
    pub file: Option<SocketFile>,
    /// What it is connected to.
    pub link: UnixLink,
    /// 1: it receives no more; 2: it sends no more; or both.
    pub shut: u8,
    /// What waits to be received, oldest first.
    pub queue: Vec<UnixMessage>,
    /// Nothing can be sent by it: what it has sent takes so much of the kernel's memory, in bytes. 0: something can.
    pub full: u32,
    /// Options that are numbers: which, and what they are.
    pub options: Vec<(i32, i32)>,
    /// `SO_RCVTIMEO` and `SO_SNDTIMEO`, in microseconds; 0: none.
    pub timeouts: [u64; 2],
    /// User and group that it says of its other end (`SO_PEERCRED`).
    pub peer: Option<(u32, u32)>,
}

/// A unix socket's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnixKind {
    /// `SOCK_STREAM`.
    #[default]
    Stream,
    /// `SOCK_DGRAM`.
    Datagram,
    /// `SOCK_SEQPACKET`.
    Packets,
}

/// The file that a socket's name leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketFile {
    /// Where it is, from the root.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// User and group.
    pub owner: (u32, u32),
    /// Time of its last change, nanoseconds since 1970: by this it is known again.
    pub modified: i64,
}

/// What a socket is connected to. Others are indexes of [`Snapshot::unix`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnixLink {
    /// Nothing.
    #[default]
    None,
    /// It waits for others.
    Listening {
        /// How many may wait.
        backlog: u32,
        /// Those that wait, the first first.
        waiting: Vec<u32>,
    },
    /// It waits to be accepted by one that is listening.
    Waiting,
    /// To another one, which is connected to it, too, unless they are of datagrams.
    Connected(u32),
    /// To one that is closed.
    Gone {
        /// The name that this had.
        #[serde(with = "serde_bytes")]
        name: Vec<u8>,
        /// It was closed before it had received everything, and nobody has been told.
        reset: bool,
    },
}

/// What was sent by one call; of a stream, what comes before the next descriptors or another sender.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnixMessage {
    /// Its bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
    /// The name of the sender, of datagrams.
    #[serde(with = "serde_bytes")]
    pub from: Vec<u8>,
    /// Descriptors that come with it: indexes of [`Snapshot::descriptions`].
    pub passed: Vec<u32>,
    /// Process (0: of none of the tree), user and group of the sender, if the receiver wanted to know.
    pub sender: Option<(i32, u32, u32)>,
}

impl Snapshot {
    /// Judges sockets.
    pub(crate) fn judge_unix(&self) -> Judged {
        let mut waits = vec![false; self.unix.len()];
        for (nth, socket) in self.unix.iter().enumerate() {
            let place = format!("unix socket {nth}");
            self.unix_socket(&place, nth, socket)?;
            let UnixLink::Listening { waiting, .. } = &socket.link else { continue };
            for index in waiting {
                let other = self.unix.get(*index as usize);
                let fits = other.is_some_and(|other| {
                    other.link == UnixLink::Waiting && other.kind == socket.kind
                });
                if !fits || std::mem::replace(&mut waits[*index as usize], true) {
                    return wrong(&place, format!("socket {index} doesn't wait for it alone"));
                }
            }
        }
        let lone = self.unix.iter().zip(waits).position(|(socket, waits)| {
            socket.link == UnixLink::Waiting && (!waits || !socket.queue.is_empty())
        });
        match lone {
            Some(nth) => wrong(&format!("unix socket {nth}"), "it waits to be accepted by nobody"),
            None => Ok(()),
        }
    }

    fn unix_socket(&self, place: &str, nth: usize, socket: &UnixSocket) -> Judged {
        let datagrams = socket.kind == UnixKind::Datagram;
        let named = |bytes: &[u8]| {
            bytes.len() <= MAX_UNIX_NAME && (bytes.first() == Some(&0) || !bytes.contains(&0))
        };
        if !named(&socket.name) {
            return wrong(place, "a name that is too long, or a path with a zero in it");
        }
        if let Some(file) = &socket.file {
            path(place, &file.path)?;
            if socket.name.first().is_none_or(|first| *first == 0) || file.mode > 0o7777 {
                return wrong(place, "a file that no socket has");
            }
        }
        match &socket.link {
            UnixLink::None | UnixLink::Waiting => {}
            UnixLink::Listening { backlog, waiting } => {
                if datagrams || !socket.queue.is_empty() {
                    return wrong(place, "it listens, and can't");
                }
                if *backlog > i32::MAX.cast_unsigned()
                    || waiting.len() as u64 > u64::from(*backlog) + 1
                {
                    return wrong(place, format!("{} wait, at most {backlog} may", waiting.len()));
                }
            }
            UnixLink::Connected(other) => {
                let back = self.unix.get(*other as usize).is_some_and(|other| {
                    let nth = u32::try_from(nth).unwrap_or(u32::MAX);
                    other.kind == socket.kind
                        && (datagrams || other.link == UnixLink::Connected(nth))
                });
                if !back || (*other as usize == nth && !datagrams) {
                    return wrong(place, "it is connected to nothing that is connected to it");
                }
            }
            UnixLink::Gone { name, .. } => {
                if !named(name) {
                    return wrong(
                        place,
                        "the other's name is too long, or a path with a zero in it",
                    );
                }
            }
        }
        if socket.shut > 3 || socket.options.len() > MAX_OPTIONS {
            return wrong(place, "ends or options that no socket has");
        }
        let bytes: usize = socket.queue.iter().map(|message| message.bytes.len()).sum();
        if bytes > MAX_QUEUE || socket.full as usize > 2 * MAX_QUEUE {
            return wrong(place, format!("{bytes} bytes in its queue, at most {MAX_QUEUE}"));
        }
        let sends = matches!(socket.link, UnixLink::Connected(_) | UnixLink::Gone { .. });
        if !socket.queue.is_empty() && !datagrams && !sends {
            return wrong(place, "something in its queue that nobody can have sent");
        }
        for message in &socket.queue {
            if message.passed.len() > MAX_PASSED || !named(&message.from) {
                return wrong(
                    place,
                    "a message with too many descriptors, or of an impossible sender",
                );
            }
            if message.bytes.is_empty() && socket.kind == UnixKind::Stream {
                return wrong(place, "nothing, as a part of a stream");
            }
            let known = |index: &u32| (*index as usize) < self.descriptions.len();
            if !message.passed.iter().all(known) {
                return wrong(place, "a descriptor that the image doesn't have is on its way");
            }
        }
        Ok(())
    }
}
