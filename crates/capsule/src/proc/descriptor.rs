//! `/proc/PID/fdinfo/N`, and `/proc/PID/timers`.

use std::io;

use outlast_image::{LockKind, PosixTimer};

use super::bad;

/// What the kernel says about a descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DescriptorInfo {
    pub(crate) position: u64,
    /// Flags of `open`, close-on-exec among them.
    pub(crate) flags: u32,
    pub(crate) mount: i32,
    /// eventfd: its counter, and whether it is a semaphore.
    pub(crate) event: Option<(u64, bool)>,
    /// signalfd: its mask.
    pub(crate) signals: Option<u64>,
    pub(crate) timer: Option<TimerInfo>,
    /// epoll: number, events, data.
    pub(crate) watched: Vec<(i32, u32, u64)>,
    /// inotify: descriptor, mask, inode, device, file handle (type and bytes).
    pub(crate) inotify: Vec<InotifyInfo>,
    pub(crate) locks: Vec<LockInfo>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimerInfo {
    pub(crate) clock: i32,
    pub(crate) ticks: u64,
    pub(crate) flags: u32,
    /// Nanoseconds.
    pub(crate) left: u64,
    pub(crate) interval: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InotifyInfo {
    pub(crate) wd: i32,
    pub(crate) mask: u32,
    pub(crate) inode: u64,
    pub(crate) device: u64,
    pub(crate) handle_type: i32,
    pub(crate) handle: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockOwner {
    /// The open file description, whole file (`flock`).
    Flock,
    /// The process.
    Process,
    /// The open file description, a range.
    Description,
    /// A lease or something else.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockInfo {
    pub(crate) owner: LockOwner,
    pub(crate) kind: LockKind,
    pub(crate) start: u64,
    /// 0: to the end.
    pub(crate) len: u64,
}

impl DescriptorInfo {
    pub(crate) fn parse(text: &[u8]) -> io::Result<Self> {
        let mut info = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line);
            info.line(&line).ok_or_else(|| bad("fdinfo", &line))?;
        }
        Ok(info)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        if let Some(rest) = line.strip_prefix("tfd:") {
            let (number, rest) = rest.trim_start().split_once(" events:")?;
            let (events, rest) = rest.trim_start().split_once(" data:")?;
            let data = rest.split_ascii_whitespace().next()?;
            self.watched.push((
                number.trim().parse().ok()?,
                hex(events.trim())? as u32,
                hex(data)?,
            ));
            return Some(());
        }
        if let Some(rest) = line.strip_prefix("inotify ") {
            self.inotify.push(inotify(rest)?);
            return Some(());
        }
        let Some((name, value)) = line.split_once(':') else { return Some(()) };
        let value = value.trim();
        match name {
            "pos" => self.position = value.parse::<i64>().ok()?.cast_unsigned(),
            "flags" => self.flags = u32::from_str_radix(value, 8).ok()?,
            "mnt_id" => self.mount = value.parse().ok()?,
            "eventfd-count" => self.event = Some((hex(value)?, self.event.is_some_and(|e| e.1))),
            "eventfd-semaphore" => {
                self.event = Some((self.event.map_or(0, |event| event.0), value == "1"));
            }
            "sigmask" => self.signals = Some(hex(value)?),
            "clockid" => self.timer().clock = value.parse().ok()?,
            "ticks" => self.timer().ticks = value.parse().ok()?,
            "settime flags" => self.timer().flags = u32::from_str_radix(value, 8).ok()?,
            "it_value" => self.timer().left = pair(value)?,
            "it_interval" => self.timer().interval = pair(value)?,
            "lock" => self.locks.push(lock(value)?),
            _ => {}
        }
        Some(())
    }

    fn timer(&mut self) -> &mut TimerInfo {
        self.timer.get_or_insert_default()
    }
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

/// `(seconds, nanoseconds)`.
fn pair(text: &str) -> Option<u64> {
    let (seconds, nanos) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    let seconds: u64 = seconds.trim().parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos.trim().parse().ok()?)
}

/// `1: POSIX  ADVISORY  WRITE 1234 fe:01:77 0 EOF`.
fn lock(text: &str) -> Option<LockInfo> {
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    let owner = match *parts.get(1)? {
        "FLOCK" => LockOwner::Flock,
        "POSIX" => LockOwner::Process,
        "OFDLCK" => LockOwner::Description,
        _ => LockOwner::Other,
    };
    let kind = match *parts.get(3)? {
        "READ" => LockKind::Shared,
        _ => LockKind::Exclusive,
    };
    let [.., start, end] = parts.as_slice() else { return None };
    let start: u64 = start.parse().ok()?;
    let len = match *end {
        "EOF" => 0,
        last => last.parse::<u64>().ok()?.checked_sub(start)?.checked_add(1)?,
    };
    Some(LockInfo { owner, kind, start, len })
}

fn inotify(rest: &str) -> Option<InotifyInfo> {
    let mut info = InotifyInfo::default();
    for part in rest.split_ascii_whitespace() {
        let Some((name, value)) = part.split_once(':') else { continue };
        match name {
            "wd" => info.wd = hex(value)?.try_into().ok()?,
            "ino" => info.inode = hex(value)?,
            "sdev" => {
                // The kernel's own packing of a device number.
                let device = hex(value)?;
                let minor = u32::try_from(device & 0xf_ffff).ok()?;
                info.device = libc::makedev(u32::try_from(device >> 20).ok()?, minor);
            }
            "mask" => info.mask = hex(value)?.try_into().ok()?,
            "fhandle-type" => info.handle_type = hex(value)?.try_into().ok()?,
            "f_handle" => {
                info.handle = value
                    .as_bytes()
                    .chunks(2)
                    .map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
                    .collect::<Option<_>>()?;
            }
            _ => {}
        }
    }
    Some(info)
}

/// `/proc/PID/timers`: what doesn't change as time passes.
pub(crate) fn parse_timers(text: &[u8]) -> io::Result<Vec<PosixTimer>> {
    let mut timers: Vec<PosixTimer> = Vec::new();
    for line in String::from_utf8_lossy(text).lines() {
        timer(line, &mut timers).ok_or_else(|| bad("timers", line))?;
    }
    Ok(timers)
}

fn timer(line: &str, timers: &mut Vec<PosixTimer>) -> Option<()> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim();
    if name == "ID" {
        timers.push(PosixTimer {
            id: value.parse().ok()?,
            clock: 0,
            notify: 0,
            signal: 0,
            value: 0,
            thread: 0,
            left: 0,
            interval: 0,
        });
        return Some(());
    }
    let timer = timers.last_mut()?;
    match name {
        "signal" => {
            let (signal, word) = value.split_once('/')?;
            timer.signal = signal.parse().ok()?;
            timer.value = hex(word)?;
        }
        "notify" => {
            // `signal/pid.77`, `none/pid.77`, `thread/tid.78`.
            let (how, whom) = value.split_once('/')?;
            let (kind, id) = whom.split_once('.')?;
            timer.notify = match how {
                "signal" => libc::SIGEV_SIGNAL,
                "none" => libc::SIGEV_NONE,
                _ => libc::SIGEV_THREAD,
            };
            if kind == "tid" {
                timer.notify |= libc::SIGEV_THREAD_ID;
                timer.thread = id.parse().ok()?;
            }
        }
        "ClockID" => timer.clock = value.parse().ok()?,
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_of_every_owner_are_told_apart() {
        let text = b"pos:\t10\nflags:\t02100002\nmnt_id:\t22\nlock:\t1: FLOCK  ADVISORY  WRITE 1234 fe:01:77 0 EOF\n\
lock:\t2: POSIX  ADVISORY  READ 1234 fe:01:77 10 19\nlock:\t3: OFDLCK ADVISORY  WRITE -1 fe:01:77 5 EOF\n";
        let info = DescriptorInfo::parse(text).expect("parsed");
        assert_eq!((info.position, info.flags, info.mount), (10, 0o2_100_002, 22));
        let locks: Vec<_> =
            info.locks.iter().map(|lock| (lock.owner, lock.kind, lock.start, lock.len)).collect();
        assert_eq!(
            locks,
            [
                (LockOwner::Flock, LockKind::Exclusive, 0, 0),
                (LockOwner::Process, LockKind::Shared, 10, 10),
                (LockOwner::Description, LockKind::Exclusive, 5, 0),
            ]
        );
    }

    #[test]
    fn anonymous_descriptors_tell_their_state() {
        let text = b"pos:\t0\nflags:\t02\nmnt_id:\t15\ntfd:        5 events:       19 data:         deadbeef  pos:0 ino:61 sdev:5\n";
        let info = DescriptorInfo::parse(text).expect("parsed");
        assert_eq!(info.watched, [(5, 0x19, 0xdead_beef)]);
        let text =
            b"clockid: 1\nticks: 3\nsettime flags: 01\nit_value: (1, 5)\nit_interval: (0, 7)\n";
        let timer = DescriptorInfo::parse(text).expect("parsed").timer.expect("a timer");
        assert_eq!(
            (timer.ticks, timer.flags, timer.left, timer.interval),
            (3, 1, 1_000_000_005, 7)
        );
        let text = b"eventfd-count:                1f\neventfd-id: 8\neventfd-semaphore: 1\n";
        assert_eq!(DescriptorInfo::parse(text).expect("parsed").event, Some((0x1f, true)));
        let text = b"inotify wd:1 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:7e9e0000640d1b6d\n";
        let info = DescriptorInfo::parse(text).expect("parsed");
        assert_eq!(info.inotify[0].device, libc::makedev(8, 0x13));
        assert_eq!(info.inotify[0].handle.len(), 8);
    }

    #[test]
    fn timers_are_read() {
        let text = b"ID: 1\nsignal: 60/00007fff86e452a8\nnotify: signal/pid.2634\nClockID: 0\n\
ID: 4\nsignal: 34/0\nnotify: signal/tid.2635\nClockID: 1\n";
        let timers = parse_timers(text).expect("parsed");
        assert_eq!((timers[0].id, timers[0].signal, timers[0].notify), (1, 60, libc::SIGEV_SIGNAL));
        assert_eq!((timers[1].thread, timers[1].notify), (2635, libc::SIGEV_THREAD_ID));
    }
}
