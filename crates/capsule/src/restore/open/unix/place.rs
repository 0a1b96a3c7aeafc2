//! Files of names: where they are looked up from, and which were made.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, OFlag, open};
use nix::sys::stat::{Mode, UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use outlast_image::{SocketFile, UnixSocket};
use outlast_os::{spaces, unix};

/// Where names are looked up from, which is changed for moments.
#[derive(Debug)]
pub(super) struct Place {
    root: OwnedFd,
    directory: OwnedFd,
    folder: OnceCell<PathBuf>,
}

/// A name has room for so many steps up.
const DEEP: usize = unix::MAX_NAME / 3;

impl Place {
    pub(super) fn new() -> io::Result<Self> {
        // This thread's own, so that nobody else's are changed.
        spaces::unshare(spaces::DIRECTORIES)?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let get = |path: &str| open(path, flags, Mode::empty());
        Ok(Self { root: get("/")?, directory: get(".")?, folder: OnceCell::new() })
    }

    /// Does something in a folder, which is the root for the moment if `as_root`.
    pub(super) fn within<T>(
        &self,
        folder: &Path,
        as_root: bool,
        what: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let go = || {
            nix::unistd::chdir(folder)?;
            if as_root {
                nix::unistd::chroot(".").map_err(|error| {
                    io::Error::other(format!("it needs CAP_SYS_CHROOT ({error})"))
                })?;
            }
            what()
        };
        let done = go();
        nix::unistd::fchdir(&self.root)?;
        if as_root {
            let _ = nix::unistd::chroot(".");
        }
        nix::unistd::fchdir(&self.directory)?;
        done
    }

    /// Does something in the folder of a path, with its last part.
    pub(super) fn near<T>(
        &self,
        path: &[u8],
        what: impl FnOnce(&[u8]) -> io::Result<T>,
    ) -> io::Result<T> {
        let path = Path::new(OsStr::from_bytes(path));
        let (Some(folder), Some(last)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        self.within(folder, false, || what(last.as_bytes()))
    }

    /// Does something with a name in the private folder; an abstract one has no place.
    pub(super) fn apart<T>(
        &self,
        name: &[u8],
        what: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        if name.first().is_none_or(|first| *first == 0) {
            return what();
        }
        let folder = match self.folder.get() {
            Some(folder) => folder,
            None => {
                let made = nix::unistd::mkdtemp(&std::env::temp_dir().join("outlast-XXXXXX"))?;
                let folder = self.folder.get_or_init(|| made);
                // Others connect here, too.
                fs::set_permissions(folder, Permissions::from_mode(0o755))?;
                fs::create_dir_all(folder.join("d/".repeat(DEEP)))?;
                folder
            }
        };
        let absolute = name.starts_with(b"/");
        let from = if absolute { folder.clone() } else { folder.join("d/".repeat(DEEP)) };
        self.within(&from, absolute, || {
            let path = Path::new(OsStr::from_bytes(name));
            if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
                fs::create_dir_all(parent)?;
            }
            what()
        })
    }

    /// Gives a name whose file nobody else sees.
    pub(super) fn name_apart(&self, socket: &OwnedFd, name: &[u8]) -> io::Result<()> {
        self.apart(name, || {
            let path = Path::new(OsStr::from_bytes(name));
            let file = !name.starts_with(&[0]);
            if file && fs::symlink_metadata(path).is_ok() {
                fs::remove_file(path)?;
            }
            unix::bind(socket, name)?;
            if file { fs::set_permissions(path, Permissions::from_mode(0o777)) } else { Ok(()) }
        })
    }

    /// Gives a name with its file.
    pub(super) fn name(&self, socket: &OwnedFd, name: &[u8], file: &SocketFile) -> io::Result<()> {
        let path = Path::new(OsStr::from_bytes(&file.path));
        if fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket()) {
            fs::remove_file(path)?;
        }
        let bind = || unix::bind(socket, name);
        let plain = name.strip_prefix(b"./").unwrap_or(name);
        let folder = file.path.strip_suffix(plain).map(OsStr::from_bytes).map(Path::new);
        match folder {
            Some(folder) if folder == Path::new("") => bind(),
            Some(folder) => self.within(folder, name.starts_with(b"/"), bind),
            None => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Does something with the address of a socket.
    pub(super) fn reach<T>(
        &self,
        socket: &UnixSocket,
        what: impl FnOnce(&[u8]) -> io::Result<T>,
    ) -> io::Result<T> {
        match &socket.file {
            Some(file) => self.near(&file.path, what),
            None => self.apart(&socket.name, || what(&socket.name)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.get() {
            // Nothing is in it that anybody needs.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Files of names that were made, which are removed again unless the tree lives.
#[derive(Debug, Default)]
pub(in crate::restore) struct Names(pub(super) Vec<PathBuf>);

impl Names {
    /// The tree lives.
    pub(in crate::restore) fn keep(&mut self) {
        self.0.clear();
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// A file is what it was, by its time too: so that it is known again.
pub(super) fn finish_file(file: &SocketFile) -> io::Result<()> {
    let path = Path::new(OsStr::from_bytes(&file.path));
    // Only root can give files away; its owner is who made it otherwise.
    let _ = std::os::unix::fs::lchown(path, Some(file.owner.0), Some(file.owner.1));
    fs::set_permissions(path, Permissions::from_mode(file.mode))?;
    let seconds = file.modified.div_euclid(1_000_000_000);
    let time = TimeSpec::new(seconds, file.modified.rem_euclid(1_000_000_000));
    utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink)?;
    Ok(())
}
