//! Places where a test makes the engine fail, one after each phase.

/// After which phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPoint {
    /// The image's file and the watchdog are there.
    Prepared,
    /// All threads are stopped.
    Stopped,
    /// Registers are written down, signals blocked, memory for results mapped.
    Held,
    /// All but the memory is collected.
    Collected,
    /// The memory is copied.
    Copied,
    /// The target runs again; the image has no name yet.
    Thawed,
    /// All pages are in the file; forks that kept them are there still.
    Stored,
    /// The image is on the disk; the target isn't killed yet.
    Written,
    /// Restoring: the namespaces are there.
    Spaces,
    /// Restoring: everything is opened.
    Opened,
    /// Restoring: the root has its memory.
    Filled,
    /// Restoring: all processes and threads are there.
    Built,
    /// Restoring: everything is let go.
    Released,
}

impl FaultPoint {
    /// Those of a restore, in order.
    pub const RESTORING: [Self; 6] =
        [Self::Prepared, Self::Spaces, Self::Opened, Self::Filled, Self::Built, Self::Released];

    /// Those of a checkpoint, in order.
    pub const CHECKPOINTING: [Self; 8] = [
        Self::Prepared,
        Self::Stopped,
        Self::Held,
        Self::Collected,
        Self::Copied,
        Self::Thawed,
        Self::Stored,
        Self::Written,
    ];
}
