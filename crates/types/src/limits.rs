//! Limits that more than one crate has to agree on, each with its reason.

/// A control frame on the network, encoded. Larger content travels as a blob: a frame is decoded
/// in memory before anybody knows whether its sender is worth it.
pub const FRAME_BYTES: usize = 4 << 20;

/// A file that is carried inside a frame. Saves a round trip for small results; 64 of them fit
/// into one frame many times over.
pub const INLINE_BYTES: usize = 16 << 10;

/// All files carried inside one frame: half of it, the rest is names and numbers.
pub const INLINE_FRAME_BYTES: usize = FRAME_BYTES / 2;

/// Cells of one job. Bounds the coordinator's memory (16 bytes a cell, before answers).
pub const JOB_CELLS: u64 = 16 << 20;

/// Cells of one gridlet. Bounds a lease's frame: a step for each at 512 bytes.
pub const GRIDLET_CELLS: usize = 4096;

/// Files in the answer for one cell.
pub const CELL_FILES: usize = 1024;

/// A path inside a job's folder, in bytes: what Linux allows for a whole path, less room for the
/// folder's own.
pub const PATH_BYTES: usize = 3072;

/// Bytes a step may write as one result file if the job does not say otherwise.
pub const RESULT_FILE_BYTES: u64 = 4 << 30;

/// All files of the answer for one cell: as much as a node lets one step of somebody else write, if nobody says otherwise. So
/// whoever lies about sizes gets a submitter to fetch that much at most.
pub const ANSWER_BYTES: u64 = 32 << 30;

/// The last bytes of a program's output that travel with a failure.
pub const LOG_TAIL_BYTES: usize = 8 << 10;

/// The address of a relay.
pub const RELAY_BYTES: usize = 255;

/// Nodes that one node keeps in its table.
pub const MEMBERS: usize = 1024;
