//! Terminals: what is asked and set by `ioctl`.
//!
//! A pair has two ends: the *master*, which whoever shows the terminal holds, and the *slave*, which programs
//! have as theirs. Settings and window size can be asked for, and set, at either end.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// The control characters that the kernel keeps.
const CHARACTERS: usize = 19;

/// `struct termios2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `c_iflag`, `c_oflag`, `c_cflag`, `c_lflag`.
    pub flags: [u32; 4],
    /// The line discipline; 0 is the usual one.
    pub line: u8,
    /// `c_cc`.
    pub characters: [u8; CHARACTERS],
    /// Bits per second: in, out.
    pub speeds: [u32; 2],
}

/// Which way a queue leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// What was written to the other end, and can be read here.
    In,
    /// What was written here, and has not arrived at the other end.
    Out,
}

fn answered(answer: libc::c_int) -> io::Result<libc::c_int> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

fn number(of: impl AsFd, request: libc::Ioctl) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    // SAFETY: a valid place for the int that all of these requests answer.
    answered(unsafe { libc::ioctl(of.as_fd().as_raw_fd(), request, &raw mut value) })?;
    Ok(value)
}

fn set_number(of: impl AsFd, request: libc::Ioctl, value: libc::c_int) -> io::Result<()> {
    // SAFETY: an int that is valid for reading, as all of these requests take.
    answered(unsafe { libc::ioctl(of.as_fd().as_raw_fd(), request, &raw const value) }).map(drop)
}

/// The number of a master's slave, as in `/dev/pts/3`.
///
/// # Errors
/// `ENOTTY`: it isn't a master.
pub fn index(master: impl AsFd) -> io::Result<u32> {
    number(master, libc::TIOCGPTN).map(libc::c_int::cast_unsigned)
}

/// Opens the slave of a master, whatever its path, with flags of `open`. With `O_PATH` the terminal doesn't notice.
///
/// # Errors
/// `EIO`: it is locked. `EBUSY`: it is exclusive.
pub fn open_slave(master: impl AsFd, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    let made = answered(unsafe {
        libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCGPTPEER, flags | libc::O_CLOEXEC)
    })?;
    // SAFETY: just made, for us.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

/// The device that is behind a terminal's descriptor, also where that was opened as `/dev/tty`.
///
/// # Errors
/// `EIO`: it was hung up. `ENOTTY`: it isn't a terminal.
pub fn device(of: impl AsFd) -> io::Result<u32> {
    number(of, libc::TIOCGDEV).map(libc::c_int::cast_unsigned)
}

/// Whether nobody may open a master's slave.
///
/// # Errors
/// `ENOTTY`: it isn't a master.
pub fn locked(master: impl AsFd) -> io::Result<bool> {
    number(master, libc::TIOCGPTLCK).map(|value| value != 0)
}

/// Sets whether nobody may open it.
///
/// # Errors
/// `ENOTTY`: it isn't a master.
pub fn set_locked(master: impl AsFd, locked: bool) -> io::Result<()> {
    set_number(master, libc::TIOCSPTLCK, locked.into())
}

/// Whether what a master reads begins with a byte that tells of what kind it is.
///
/// # Errors
/// `ENOTTY`: it isn't a master.
pub fn packets(master: impl AsFd) -> io::Result<bool> {
    number(master, libc::TIOCGPKT).map(|value| value != 0)
}

/// Sets that.
///
/// # Errors
/// `ENOTTY`: it isn't a master.
pub fn set_packets(master: impl AsFd, packets: bool) -> io::Result<()> {
    set_number(master, libc::TIOCPKT, packets.into())
}

/// Whether an end can't be opened once more.
///
/// # Errors
/// `EIO`: it was hung up.
pub fn exclusive(of: impl AsFd) -> io::Result<bool> {
    number(of, libc::TIOCGEXCL).map(|value| value != 0)
}

/// Makes it so.
///
/// # Errors
/// `EIO`: it was hung up.
pub fn set_exclusive(of: impl AsFd) -> io::Result<()> {
    // SAFETY: no pointers.
    answered(unsafe { libc::ioctl(of.as_fd().as_raw_fd(), libc::TIOCEXCL) }).map(drop)
}

/// How many bytes can be read: of whole lines, where a terminal collects lines.
///
/// # Errors
/// `EIO`: it was hung up.
pub fn waiting(of: impl AsFd) -> io::Result<usize> {
    number(of, libc::FIONREAD).map(|value| usize::try_from(value).unwrap_or(0))
}

/// The session that has a master's slave as its controlling terminal, and the group that is in the foreground there: ids in our namespace, 0 for none.
///
/// # Errors
/// `EIO`: it was hung up.
pub fn owners(master: impl AsFd) -> io::Result<(i32, i32)> {
    match number(&master, libc::TIOCGSID) {
        Ok(session) => Ok((session, number(&master, libc::TIOCGPGRP)?)),
        Err(error) if error.raw_os_error() == Some(libc::ENOTTY) => Ok((0, 0)),
        Err(error) => Err(error),
    }
}

/// Settings.
///
/// # Errors
/// `EIO`: it was hung up. `ENOTTY`: it isn't a terminal.
pub fn settings(of: impl AsFd) -> io::Result<Settings> {
    // SAFETY: all zeros are valid for a structure of numbers.
    let mut raw = unsafe { std::mem::zeroed::<libc::termios2>() };
    // SAFETY: a valid place for the answer.
    answered(unsafe { libc::ioctl(of.as_fd().as_raw_fd(), libc::TCGETS2, &raw mut raw) })?;
    Ok(Settings {
        flags: [raw.c_iflag, raw.c_oflag, raw.c_cflag, raw.c_lflag],
        line: raw.c_line,
        characters: raw.c_cc,
        speeds: [raw.c_ispeed, raw.c_ospeed],
    })
}

/// Sets them, at once.
///
/// # Errors
/// `EIO`: it was hung up.
pub fn set_settings(of: impl AsFd, settings: &Settings) -> io::Result<()> {
    // SAFETY: all zeros are valid for a structure of numbers.
    let mut raw = unsafe { std::mem::zeroed::<libc::termios2>() };
    [raw.c_iflag, raw.c_oflag, raw.c_cflag, raw.c_lflag] = settings.flags;
    raw.c_line = settings.line;
    raw.c_cc = settings.characters;
    [raw.c_ispeed, raw.c_ospeed] = settings.speeds;
    // SAFETY: valid for reading.
    answered(unsafe { libc::ioctl(of.as_fd().as_raw_fd(), libc::TCSETS2, &raw const raw) })
        .map(drop)
}

/// Rows, columns, and both in pixels.
///
/// # Errors
/// `EIO`: it was hung up. `ENOTTY`: it isn't a terminal.
pub fn size(of: impl AsFd) -> io::Result<[u16; 4]> {
    let mut raw = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: a valid place for the answer.
    answered(unsafe { libc::ioctl(of.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &raw mut raw) })?;
    Ok([raw.ws_row, raw.ws_col, raw.ws_xpixel, raw.ws_ypixel])
}

/// Sets them; the group in the foreground is told by `SIGWINCH`.
///
/// # Errors
/// `EIO`: it was hung up.
pub fn set_size(of: impl AsFd, size: [u16; 4]) -> io::Result<()> {
    let [ws_row, ws_col, ws_xpixel, ws_ypixel] = size;
    let raw = libc::winsize { ws_row, ws_col, ws_xpixel, ws_ypixel };
    // SAFETY: valid for reading.
    answered(unsafe { libc::ioctl(of.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const raw) })
        .map(drop)
}

/// Throws away what is in a queue.
///
/// # Errors
/// `EIO`: it was hung up.
pub fn flush(of: impl AsFd, queue: Queue) -> io::Result<()> {
    let which = match queue {
        Queue::In => libc::TCIFLUSH,
        Queue::Out => libc::TCOFLUSH,
    };
    // SAFETY: no pointers.
    answered(unsafe { libc::ioctl(of.as_fd().as_raw_fd(), libc::TCFLSH, which) }).map(drop)
}

/// The first of the standard streams that is a terminal.
pub fn standard() -> Option<OwnedFd> {
    (0..3).find_map(|which| {
        let stream = crate::files::standard_stream(which).ok()?;
        settings(&stream).is_ok().then_some(stream)
    })
}

/// The group in the foreground of this process's controlling terminal.
///
/// # Errors
/// `ENOTTY`: it is a terminal that isn't this process's.
pub fn foreground(of: impl AsFd) -> io::Result<i32> {
    number(of, libc::TIOCGPGRP)
}

/// Puts a group of this process's session in the foreground, also from the background.
///
/// # Errors
/// `EPERM`: the group isn't of this session. `ENOTTY`: the terminal isn't this process's.
pub fn set_foreground(of: impl AsFd, group: i32) -> io::Result<()> {
    without_stop(|| set_number(of, libc::TIOCSPGRP, group))
}

/// Changes a terminal, also from the background: whoever does that is stopped by `SIGTTOU` otherwise.
pub fn without_stop<T>(change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    use nix::sys::signal::{SigSet, SigmaskHow, Signal};
    let stop = SigSet::from(Signal::SIGTTOU);
    let before = stop.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let done = change();
    before.thread_set_mask()?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Option<(OwnedFd, OwnedFd)> {
        let master = std::fs::File::options().read(true).write(true).open("/dev/ptmx").ok()?.into();
        set_locked(&master, false).ok()?;
        let slave = open_slave(&master, libc::O_RDWR | libc::O_NOCTTY).ok()?;
        Some((master, slave))
    }

    #[test]
    fn what_is_set_at_one_end_is_seen_at_the_other() {
        let Some((master, slave)) = pair() else {
            eprintln!("SKIPPED: no pseudo-terminals here");
            return;
        };
        assert!(!locked(&master).unwrap());
        assert_eq!(device(&slave).unwrap() >> 8 & 0xfff, 136);
        set_size(&slave, [3, 4, 5, 6]).unwrap();
        assert_eq!(size(&master).unwrap(), [3, 4, 5, 6]);
        let mut new = settings(&slave).unwrap();
        new.flags[3] = 0;
        set_settings(&slave, &new).unwrap();
        assert_eq!(settings(&master).unwrap(), new);
        set_packets(&master, true).unwrap();
        assert!(packets(&master).unwrap());
        assert!(!exclusive(&slave).unwrap());
        set_exclusive(&slave).unwrap();
        assert!(exclusive(&slave).unwrap());
        assert_eq!(owners(&master).unwrap(), (0, 0));
    }

    #[test]
    fn a_flush_empties_what_can_be_read() {
        let Some((master, slave)) = pair() else {
            eprintln!("SKIPPED: no pseudo-terminals here");
            return;
        };
        nix::unistd::write(&master, b"line\n").unwrap();
        let mut asked = libc::pollfd { fd: slave.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid structure.
        assert_eq!(unsafe { libc::poll(&raw mut asked, 1, 10_000) }, 1);
        assert_eq!(waiting(&slave).unwrap(), 5);
        flush(&slave, Queue::In).unwrap();
        assert_eq!(waiting(&slave).unwrap(), 0);
    }
}
