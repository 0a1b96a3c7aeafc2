//! The operating system: every unsafe block of Outlast, behind safe functions.
//!
//! - [`process`]: start a program in a session of its own, bound to the life of the daemon, and
//!   end it with everything it started.
//! - [`orphans`]: what a previous life of the daemon left running.
//! - [`inner`]: files inside a folder that somebody else's program has written.
//! - [`lock`]: one daemon for one data directory.
//! - [`host`]: what this machine has: cores, memory, space, load, addresses.
//! - [`trace`], [`foreign`]: stop another process, look into it, change it.
//! - [`terminal`]: both ends of pseudo-terminals.
//! - [`unix`]: unix sockets, looked into and made.
//! - [`survey`]: what this machine allows: limits, namespaces, control groups, who has a port.
//!
//! Linux only. Nothing here knows of jobs or networks.

#![allow(unsafe_code)]

pub mod files;
pub mod foreign;
pub mod host;
pub mod inner;
pub mod lock;
pub mod orphans;
pub mod process;
pub mod processor;
pub mod schedule;
pub mod shared;
pub mod spaces;
pub mod stub;
pub mod survey;
pub mod terminal;
pub mod trace;
pub mod uffd;
pub mod unix;

pub use lock::{FolderLock, LockError, lock_folder};
pub use process::{Child, Ending, Group, Spawn, SpawnError, find_program, spawn};

/// Whether an error says that there is no room: no space, no quota, or no inode left.
pub fn is_disk_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
