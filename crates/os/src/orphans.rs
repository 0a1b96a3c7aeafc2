//! What a previous life of the daemon left running.
//!
//! The parent-death signal ends only the leaders of the groups that the daemon started; what
//! those had started themselves lives on when the daemon is killed. Each program gets a variable
//! that names its work folder, and descendants inherit it, also those that made a session of their
//! own. So nothing has to be recorded for each start: one look at `/proc` finds them all.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::libc;

/// The variable that names a run's work folder.
pub const FOLDER_VARIABLE: &str = "OUTLAST_FOLDER";

/// Looks at `/proc` this often: a process may fork while it is looked at, but each time fewer can.
const PASSES: usize = 16;

/// Kills every process that was started with a work folder below `root`, at any depth. How many.
///
/// # Errors
/// If `/proc` can't be read. A process that ends meanwhile or belongs to somebody else is no error.
pub fn kill_orphans(root: &Path) -> io::Result<usize> {
    let mut needle = format!("{FOLDER_VARIABLE}=").into_bytes();
    needle.extend_from_slice(root.as_os_str().as_bytes());
    if !needle.ends_with(b"/") {
        needle.push(b'/');
    }
    let own = nix::unistd::getpid().as_raw();
    let mut killed = BTreeSet::new();
    for _ in 0..PASSES {
        let mut found = 0;
        for entry in std::fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if pid != own && is_marked(pid, &needle) && kill_if(pid, || is_marked(pid, &needle)) {
                found += 1;
                killed.insert(pid);
            }
        }
        if found == 0 {
            break;
        }
    }
    Ok(killed.len())
}

/// A zombie has no environment any more, so it doesn't count.
fn is_marked(pid: libc::pid_t, needle: &[u8]) -> bool {
    std::fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|env| env.split(|&b| b == 0).any(|variable| variable.starts_with(needle)))
}

/// Kills `pid` if `check` still holds once a descriptor pins down which process that is.
fn kill_if(pid: libc::pid_t, check: impl Fn() -> bool) -> bool {
    // SAFETY: plain system call without pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let Ok(fd @ 0..) = libc::c_int::try_from(fd) else { return false };
    // SAFETY: the kernel made this descriptor for us alone.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    if !check() {
        return false;
    }
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a descriptor that we own, and no siginfo, which the call allows.
    let sent = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), libc::SIGKILL, no_info, 0)
    };
    sent == 0
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn descendants_in_sessions_of_their_own_are_found_and_others_are_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let start = |folder: &Path| {
            Command::new("sh")
                .args(["-c", "setsid sleep 1000 & echo $!; exec sleep 1000"])
                .env(FOLDER_VARIABLE, folder)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let read_pid = |child: &mut std::process::Child| {
            let mut line = String::new();
            let mut out = io::BufReader::new(child.stdout.as_mut().unwrap());
            io::BufRead::read_line(&mut out, &mut line).unwrap();
            line.trim().parse::<i32>().unwrap()
        };
        let mut ours = start(&root.path().join("1-0"));
        let grandchild = read_pid(&mut ours);
        let sibling = root.path().with_extension("other");
        let mut other = start(&sibling);
        let other_grandchild = read_pid(&mut other);

        assert!(kill_orphans(root.path()).unwrap() >= 2);
        ours.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let needle = format!("{FOLDER_VARIABLE}=").into_bytes();
        while is_marked(grandchild, &needle) {
            assert!(Instant::now() < deadline, "grandchild {grandchild} still runs");
            std::thread::yield_now();
        }
        assert!(is_marked(other_grandchild, &needle));
        other.kill().unwrap();
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(other_grandchild),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();
        other.wait().unwrap();
    }
}
