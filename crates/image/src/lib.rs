//! The checkpoint image: a stopped process tree, written down.
//!
//! [`Snapshot`] is what the image says, without the content of memory; [`Writer`] and [`Reader`]
//! are the file. The file:
//!
//! ```text
//!       0  header   64 bytes   magic "OUTLAST IMAGE\r\n\0", version, place of the table, checksums
//!    4096  data                pages of 4096 bytes, each once, or zstd frames of up to 256 of them
//!       …  blocks              where which pages are: first page, count, offset, bytes, packed or not
//!       …  sums                XXH3 of each page, 8 bytes each
//!       …  snapshot            postcard of `Snapshot`
//!       …  machine             postcard of `Machine`: what the processor and the kernel were
//!       …  table               name, offset, length and XXH3 of each section
//! ```
//!
//! Numbers are little-endian. The header is written last: a file whose writing was cut has none. A
//! section whose name isn't known is refused by that name, as are versions other than [`VERSION`].
//!
//! **Invariants.** A file under its final name is whole and on the disk ([`Writer::finish`] writes a
//! temporary file, syncs, reads the table back, renames). A page is stored once however often it
//! occurs: equal sums are compared byte by byte before they count as equal. Nothing is believed that
//! is read: sizes are checked against the file's before memory is taken for them, and
//! [`Snapshot::validate`] looks at each number that the engine will act upon. The sums find damage,
//! not malice.

mod error;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod model;
mod pages;
mod reader;
mod terminal;
mod unix;
mod validate;
mod writer;

pub use error::ImageError;
pub use format::{VERSION, is_image};
pub use model::*;
pub use pages::{BLOCK_PAGES, Block, PageWriter, Placed};
pub use reader::Reader;
pub use terminal::{OutsideTerminal, Terminal, TerminalSettings};
pub use unix::*;
pub use validate::{Fault, MAX_WATCH};
pub use writer::{Compression, Finished, Writer};

/// Bytes of a page.
pub const PAGE: usize = 4096;
