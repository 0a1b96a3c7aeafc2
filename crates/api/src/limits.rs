//! Bounds of the API, each with its reason.

use std::time::Duration;

/// A request's body. A job with some thousands of input paths fits; it is parsed in memory.
pub const REQUEST_BYTES: usize = 4 << 20;

/// A reply's body, as far as a client reads. The largest are previews: a picture of 8,000 × 6,000
/// pixels with 16 bits a channel.
pub const REPLY_BYTES: usize = 512 << 20;

/// Rows of one table in a reply: more than a person reads, less than a megabyte.
pub const ROWS: usize = 1024;

/// Gridlets in one reply.
pub const PAGE: u32 = 1024;

/// Entries of a job's log.
pub const LOG_ENTRIES: usize = 4096;

/// Bytes of a program's output in one reply: held in memory on both sides.
pub const OUTPUT_PART: usize = 1 << 20;

/// How long a long poll may hang: under what clients and intermediaries take for dead.
pub const WAIT: Duration = Duration::from_secs(50);

/// How long any other request may take. Submitting stages inputs, which may be large.
pub const REQUEST: Duration = Duration::from_secs(600);

/// How long a daemon may take to accept a connection before it counts as dead.
pub const CONNECT: Duration = Duration::from_secs(5);

/// How long requests in flight may go on once the daemon ends: a long poll would hold it for
/// [`WAIT`].
pub const GRACE: Duration = Duration::from_millis(500);

/// Connections served at a time; more wait in the kernel's queue.
pub const CONNECTIONS: usize = 256;

/// Connections that wait in the kernel's queue.
pub const BACKLOG: u32 = 128;

/// Bytes of a unix socket's path that every system accepts, without the closing zero.
pub const SOCKET_PATH_BYTES: usize = 107;

/// Connections that the address for metrics serves at a time: a scraper or two, and somebody who looks.
pub const METRICS_CONNECTIONS: usize = 16;

/// Silence after which such a connection is closed: longer than the usual pause between two scrapes.
pub const METRICS_IDLE: Duration = Duration::from_secs(120);

/// How long a node may take to answer before `/healthz` calls it unwell.
pub const HEALTH: Duration = Duration::from_secs(5);

/// Nodes named beside one that gave the same wrong answers: a clique is seen in a few.
pub const MATES: usize = 16;
