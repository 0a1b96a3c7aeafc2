//! What this machine allows, for `outlast doctor`. Nothing here changes anything.

use std::io;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{AccessFlags, access};

/// Whether this user may write a file, or into a folder.
pub fn is_writable(path: &Path) -> bool {
    access(path, AccessFlags::W_OK).is_ok()
}

/// Files that may be open: now, and what the limit may be raised to. `u64::MAX`: unlimited.
pub fn file_limit() -> Option<(u64, u64)> {
    getrlimit(Resource::RLIMIT_NOFILE).ok()
}

/// Processes that this user may run: now, and what the limit may be raised to.
pub fn process_limit() -> Option<(u64, u64)> {
    getrlimit(Resource::RLIMIT_NPROC).ok()
}

/// Whether the kernel holds the clock to be in step with others.
///
/// # Errors
/// If it can't be asked.
pub fn clock_in_step() -> io::Result<bool> {
    // SAFETY: an all-zero `timex` is valid; its `modes` of 0 means that nothing is set.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes into a struct of ours that is of the right type.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0)
}

/// The kind of control groups that this process is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlGroups {
    /// The old kind.
    V1,
    /// The new kind.
    V2 {
        /// Whether this user may make groups below the process's own.
        delegated: bool,
    },
}

/// The control groups, if there are any.
pub fn control_groups() -> Option<ControlGroups> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    match unified_group(&groups) {
        Some(path) => {
            let folder = Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
            let procs = folder.join("cgroup.procs");
            if !procs.exists() {
                // A hybrid: the new kind is there for systemd alone.
                return (groups.lines().count() > 1).then_some(ControlGroups::V1);
            }
            let delegated = is_writable(&folder) && is_writable(&procs);
            Some(ControlGroups::V2 { delegated })
        }
        None => (!groups.trim().is_empty()).then_some(ControlGroups::V1),
    }
}

/// The path of the group of the new kind, from `/proc/self/cgroup`.
fn unified_group(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Whether an ordinary user may make a user namespace; `None`: can't be told.
pub fn user_namespaces() -> Option<bool> {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let most = number("/proc/sys/user/max_user_namespaces")?;
    // Debian's and Ubuntu's own switches; where they are absent there is nothing to switch.
    let debian = number("/proc/sys/kernel/unprivileged_userns_clone").unwrap_or(1);
    let ubuntu = number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").unwrap_or(0);
    Some(most > 0 && debian > 0 && ubuntu == 0)
}

/// Who has a UDP port: `outlast (pid 123)`, if it is a process that this user may look at.
pub fn udp_owner(port: u16) -> Option<String> {
    let tables = ["/proc/net/udp", "/proc/net/udp6"];
    let tables = tables.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    let inodes: Vec<u64> = tables.flat_map(|table| inodes_of(&table, port)).collect();
    let wanted: Vec<PathBuf> =
        inodes.iter().map(|inode| PathBuf::from(format!("socket:[{inode}]"))).collect();
    let processes = std::fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, entry.path()))
    });
    for (pid, folder) in processes {
        let Ok(files) = std::fs::read_dir(folder.join("fd")) else { continue };
        let mut links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        if links.any(|link| wanted.contains(&link)) {
            let name = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim()));
        }
    }
    None
}

/// The sockets bound to a port, from a table of `/proc/net`.
fn inodes_of(table: &str, port: u16) -> Vec<u64> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let local = words.get(1)?.rsplit(':').next()?;
        let inode = words.get(9)?.parse().ok()?;
        (u16::from_str_radix(local, 16) == Ok(port)).then_some(inode)
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_can_be_asked() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_writable(folder.path()));
        assert!(!is_writable(&folder.path().join("absent")));
        assert!(file_limit().is_some_and(|(now, most)| 0 < now && now <= most));
        assert!(process_limit().is_some());
        let _ = (control_groups(), user_namespaces());
        // Forbidden in some sandboxes, and then said to be so.
        if let Err(error) = clock_in_step() {
            assert!(error.raw_os_error().is_some(), "{error}");
        }
    }

    #[test]
    fn the_owner_of_a_port_is_named() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let owner = udp_owner(port).unwrap();
        assert!(owner.ends_with(&format!("(pid {})", std::process::id())), "{owner}");
        drop(socket);
    }

    #[test]
    fn tables_of_sockets_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode\n\
            12: 00000000:1E5B 00000000:0000 07 00000000:00000000 00:00000000 00000000 1000 0 4711 2 0 0\n\
            13: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 4712 2 0 0\n\
            a broken line\n";
        assert_eq!(inodes_of(table, 7771), [4711]);
        assert_eq!(inodes_of(table, 53), [4712]);
        assert!(inodes_of(table, 54).is_empty());
        assert_eq!(unified_group("4:memory:/a\n0::/b/c\n"), Some("/b/c"));
        assert_eq!(unified_group("4:memory:/a\n"), None);
    }
}
