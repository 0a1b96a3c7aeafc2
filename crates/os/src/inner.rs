//! Files inside a folder that somebody else's program has written.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{
    AT_FDCWD, AtFlags, FallocateFlags, OFlag, OpenHow, ResolveFlag, fallocate, openat2,
};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, syncfs, unlinkat};

/// Opens a regular file below `folder` for reading. Symbolic links are followed as long as they stay
/// inside; the kernel sees to it, so a program that swaps folders meanwhile gains nothing.
///
/// # Errors
/// `NotFound` if there is no such file; `InvalidInput` if it is no regular file; `CrossesDevices`
/// if the way to it leaves the folder.
pub fn open_inside(folder: &File, path: &str) -> io::Result<File> {
    let how = OpenHow::new()
        // Not blocking: opening a named pipe would wait for its other end.
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = File::from(openat2(folder, Path::new(path), how)?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// The folder that a relative path lies in, opened without following any link, and the path's last name.
fn parent<'p>(folder: &File, path: &'p str) -> io::Result<(File, &'p str)> {
    let (above, name) = path.rsplit_once('/').unwrap_or((".", path));
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(resolve);
    Ok((File::from(openat2(folder, Path::new(above), how)?), name))
}

/// Makes a new file below `folder`. No link is followed on the way, so that it is nowhere else.
///
/// # Errors
/// `AlreadyExists`; `FilesystemLoop` if there is a link on the way; whatever else the kernel says.
pub fn create_inside(folder: &File, path: &str) -> io::Result<File> {
    let (above, name) = parent(folder, path)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let file = nix::fcntl::openat(&above, name, flags, Mode::from_bits_truncate(0o600))?;
    Ok(File::from(file))
}

/// Makes a folder below `folder`, as [`create_inside`] does a file. One that is there already is no error.
///
/// # Errors
/// As [`create_inside`].
pub fn create_folder_inside(folder: &File, path: &str) -> io::Result<()> {
    let (above, name) = parent(folder, path)?;
    match mkdirat(&above, name, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Makes a symbolic link below `folder`, as [`create_inside`] does a file.
///
/// # Errors
/// As [`create_inside`].
pub fn create_link_inside(folder: &File, path: &str, target: &str) -> io::Result<()> {
    let (above, name) = parent(folder, path)?;
    Ok(symlinkat(target, &above, name)?)
}

/// Removes a file or link below `folder`, as [`create_inside`] makes one.
///
/// # Errors
/// `NotFound`, and as [`create_inside`].
pub fn remove_inside(folder: &File, path: &str) -> io::Result<()> {
    let (above, name) = parent(folder, path)?;
    Ok(unlinkat(&above, name, UnlinkatFlags::NoRemoveDir)?)
}

/// Gives an open file another name, without looking at the names that it has.
///
/// # Errors
/// `CrossesDevices` if that is on another file system, and whatever else the kernel says.
pub fn link_file(file: &File, path: &Path) -> io::Result<()> {
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(AT_FDCWD, own.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)?;
    Ok(())
}

/// Gives a new file its length, and room on the disk where the file system can.
///
/// # Errors
/// If there is no room, and whatever else the kernel says.
pub fn allocate(file: &File, length: u64) -> io::Result<()> {
    file.set_len(length)?;
    let bytes = i64::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        // Nothing to allocate; or it is found out while writing.
        Ok(()) | Err(Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until all that was written to the file system of a folder is on the disk.
///
/// # Errors
/// Whatever the kernel says.
pub fn sync_file_system(folder: &Path) -> io::Result<()> {
    Ok(syncfs(File::open(folder)?)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_way_leads_out_of_the_folder() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(outer.path().join("secret"), "s").unwrap();
        std::fs::write(inner.join("result"), "r").unwrap();
        symlink("../secret", inner.join("relative")).unwrap();
        symlink(outer.path().join("secret"), inner.join("absolute")).unwrap();
        symlink("..", inner.join("up")).unwrap();
        symlink("result", inner.join("harmless")).unwrap();
        nix::unistd::mkfifo(&inner.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let folder = File::open(&inner).unwrap();
        for path in ["relative", "absolute", "up/secret", "../secret", "pipe", ".", "/etc/passwd"] {
            assert!(open_inside(&folder, path).is_err(), "{path}");
        }
        assert_eq!(open_inside(&folder, "no").unwrap_err().kind(), io::ErrorKind::NotFound);
        for path in ["up/new", "harmless/new", "../new", "/tmp/outlast-new"] {
            assert!(create_inside(&folder, path).is_err(), "{path}");
            assert!(create_folder_inside(&folder, path).is_err(), "{path}");
            assert!(create_link_inside(&folder, path, "x").is_err(), "{path}");
        }
        assert!(create_inside(&folder, "harmless").is_err(), "not through a link either");
        create_folder_inside(&folder, "a").unwrap();
        create_folder_inside(&folder, "a").unwrap();
        create_inside(&folder, "a/file").unwrap();
        create_link_inside(&folder, "a/link", "file").unwrap();
        assert!(inner.join("a/link").is_file());
        let file = open_inside(&folder, "harmless").unwrap();
        link_file(&file, &outer.path().join("linked")).unwrap();
        assert_eq!(std::fs::read(outer.path().join("linked")).unwrap(), b"r");
    }
}
