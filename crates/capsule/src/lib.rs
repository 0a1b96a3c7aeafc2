//! Checkpoint and restore of unmodified processes, with nothing but the kernel's own calls.
//!
//! [`checkpoint`] stops a process and all its descendants for a moment and writes an image;
//! [`restore`] makes the tree again, from that file, with the same ids; [`check`] says what would stand in the
//! way. The program needs no help, no relinking, no library; nothing is loaded into it: what only it can
//! do, it is made to do by single system calls from its own vdso (`remote`).
//!
//! **Invariants.** A checkpoint that fails, at any step and in any way, leaves the target running as if nothing
//! had happened (`rescue`). A restore that fails leaves nothing. What can't be carried is refused by
//! name before anything is stopped for good.
//!
//! Linux on x86-64, 6.7 or later.

#![forbid(unsafe_code)]

mod dump;
mod error;
mod events;
mod fault;
mod freeze;
#[doc(hidden)]
pub mod fuzzing;
mod machine;
mod proc;
mod remote;
mod rescue;
mod restore;
mod terminal;

pub use dump::{After, CheckpointOptions, CheckpointReport, check, checkpoint};
pub use error::{CheckpointError, Obstacle};
pub use fault::FaultPoint;
pub use outlast_image::Compression;
pub use restore::{
    Pids, RestoreError, RestoreOptions, RestoreReport, Restored, Standard, restore, take_foreground,
};
