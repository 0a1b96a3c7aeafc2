//! What kind of thing a descriptor is open to, by what the kernel calls it.

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use crate::proc::DescriptorInfo;
use crate::proc::descriptor::TimerInfo;

/// A descriptor's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A file, folder or device that has a name.
    Named,
    /// A file, or memory, that has none (any more).
    Nameless,
    Pipe,
    Fifo,
    Master,
    Terminal,
    /// Counter, semaphore.
    Event(u64, bool),
    Timer(TimerInfo),
    Signals(u64),
    Epoll,
    Inotify,
    Socket,
    Refused(String),
}

/// Devices without a state: null, zero, full, random, urandom.
const STATELESS: [(u32, u32); 5] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9)];

pub(super) fn classify(link: &[u8], meta: &std::fs::Metadata, info: &DescriptorInfo) -> Class {
    let kind = meta.file_type();
    if let Some(name) = link.strip_prefix(b"anon_inode:") {
        return anonymous(name, info);
    }
    if kind.is_socket() || link.starts_with(b"socket:") {
        return Class::Socket;
    }
    if link.starts_with(b"pipe:[") {
        return Class::Pipe;
    }
    if !link.starts_with(b"/") {
        let link = String::from_utf8_lossy(link);
        let kind = link.split(":[").next().unwrap_or_default();
        let known = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
        return Class::Refused(if known.contains(&kind) {
            format!("a namespace ({link}) is not carried")
        } else {
            format!("`{link}` is of a kind that is not carried")
        });
    }
    let nameless = link.ends_with(b" (deleted)") && (meta.nlink() == 0 || !exists(link));
    if kind.is_fifo() {
        // Without its name it is a pipe.
        return if nameless { Class::Pipe } else { Class::Fifo };
    }
    if kind.is_char_device() {
        let device = (libc::major(meta.rdev()), libc::minor(meta.rdev()));
        return match device {
            _ if STATELESS.contains(&device) => Class::Named,
            (5 | 136..=143, _) if info.flags & libc::O_PATH.cast_unsigned() != 0 => Class::Named,
            // Pseudo-terminals, consoles, /dev/tty.
            (136..=143 | 4, _) | (5, 0 | 1) => Class::Terminal,
            (5, 2) if info.flags & libc::O_ACCMODE.cast_unsigned() != libc::O_RDWR.cast_unsigned() => Class::Refused(
                "the master end of a pseudo-terminal (pty) that can't be read and written is not carried".to_owned(),
            ),
            (5, 2) => Class::Master,
            (major, minor) => {
                let link = String::from_utf8_lossy(link);
                Class::Refused(format!("device {link} ({major}:{minor}) is not carried"))
            }
        };
    }
    if kind.is_block_device() {
        return Class::Refused("a block device is not carried".to_owned());
    }
    if nameless && kind.is_dir() {
        return Class::Refused("a folder that was removed is not carried".to_owned());
    }
    if !info.locks.iter().all(|lock| lock.owner != crate::proc::descriptor::LockOwner::Other) {
        return Class::Refused("a lease is not carried".to_owned());
    }
    if nameless { Class::Nameless } else { Class::Named }
}

/// A name may really end so.
fn exists(link: &[u8]) -> bool {
    use std::os::unix::ffi::OsStrExt;
    std::path::Path::new(std::ffi::OsStr::from_bytes(link)).exists()
}

fn anonymous(name: &[u8], info: &DescriptorInfo) -> Class {
    let missing = |what: &str| Class::Refused(format!("{what} doesn't tell its state"));
    match name {
        b"[eventfd]" => info.event.map_or_else(
            || missing("an eventfd"),
            |(count, semaphore)| Class::Event(count, semaphore),
        ),
        b"[timerfd]" => info.timer.map_or_else(|| missing("a timerfd"), Class::Timer),
        b"[signalfd]" => info.signals.map_or_else(|| missing("a signalfd"), Class::Signals),
        b"[eventpoll]" => Class::Epoll,
        b"inotify" | b"[inotify]" => Class::Inotify,
        other => {
            let other = String::from_utf8_lossy(other);
            let name = other.trim_matches(['[', ']']).replace(':', "_");
            Class::Refused(format!("{name} is not carried"))
        }
    }
}
