//! The socket that a daemon listens on: for its owner only, and never taken from a daemon that
//! lives.
//!
//! A lock on a file beside it decides between two daemons that start at once; the kernel drops it
//! with the process, however that ended. Only its holder replaces a socket that was left behind.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket};

use crate::limits;

/// Name of the socket in a node's data directory.
pub const SOCKET_NAME: &str = "control.sock";

/// The socket can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another daemon listens there.
    #[error("another daemon listens on {}", .0.display())]
    InUse(PathBuf),
    /// The path doesn't fit into a socket's address.
    #[error(
        "{} has {} bytes, expected at most {} for a socket; choose a shorter data directory",
        .0.display(), .0.as_os_str().len(), limits::SOCKET_PATH_BYTES
    )]
    PathTooLong(PathBuf),
    /// Something that is no socket has its name.
    #[error("{} is no socket; remove it or choose another data directory", .0.display())]
    NotASocket(PathBuf),
    /// The file system or the kernel refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The socket or its lock.
        path: PathBuf,
        /// What was said.
        source: io::Error,
    },
}

/// A socket that listens, and the right to its name.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    name: Name,
}

/// The socket's name in the file system; removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Name {
    path: PathBuf,
    // Dropped after the name is removed, so that it can't be a successor's.
    _lock: File,
}

impl ControlSocket {
    /// Listens on `path`, for this user only. Needs a tokio runtime.
    ///
    /// # Errors
    /// If another daemon listens there, or the socket can't be made.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        if path.as_os_str().len() > limits::SOCKET_PATH_BYTES {
            return Err(SocketError::PathTooLong(path.to_owned()));
        }
        let lock_path = path.with_extension("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|source| SocketError::Io { path: lock_path.clone(), source })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SocketError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => {
                return Err(SocketError::Io { path: lock_path, source });
            }
        }
        remove_stale(path)?;
        let listener =
            listen(path).map_err(|source| SocketError::Io { path: path.to_owned(), source })?;
        Ok(Self { listener, name: Name { path: path.to_owned(), _lock: lock } })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.name.path
    }

    pub(crate) fn split(self) -> (UnixListener, Name) {
        (self.listener, self.name)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes a socket that a dead daemon left behind.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let error = |source| SocketError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(error(source)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        // A listener that doesn't know of our lock.
        Ok(_) => Err(SocketError::InUse(path.to_owned())),
        Err(_) => fs::remove_file(path).map_err(error),
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let owner_only = Permissions::from_mode(0o600);
    let socket = UnixSocket::new_stream()?;
    // Linux gives the socket's file the mode of the socket: there is no moment at which others
    // could connect. Elsewhere the second call sets it a moment later.
    let _ = File::from(socket.as_fd().try_clone_to_owned()?).set_permissions(owner_only.clone());
    socket.bind(path)?;
    fs::set_permissions(path, owner_only)?;
    socket.listen(limits::BACKLOG)
}
