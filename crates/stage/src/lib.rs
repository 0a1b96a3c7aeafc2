//! Staging: files by content, in chunks, from whoever has them. Pure: no file, socket or clock; the
//! node does the reading and writing, this crate says what.
//!
//! ```text
//!   folder at the submitter ──▶ tree::Tree ──(a blob)──▶ worker ──▶ what it lacks ──▶ swarm::Swarm
//!          │                                                ▲                            │ requests
//!          └──▶ chunks::Chunker ──▶ chunks::ChunkList ──────┴── wire: List, Have, Pieces ◀┘
//! ```
//!
//! - [`tree`]: the list of a job's inputs: files, links and folders, checked so that nothing can be
//!   written outside the job's folder.
//! - [`chunks`]: where a file is cut, and how its pieces are known.
//! - [`bitmap`]: which pieces somebody has.
//! - [`swarm`]: who is asked for which piece, when.
//! - [`quota`]: what a node does for others, at most.
//! - [`wire`]: requests and answers on a stream.

pub mod bitmap;
pub mod chunks;
pub mod quota;
pub mod swarm;
pub mod tree;
pub mod wire;
