//! What a swarm hears and what it wants done.

use std::fmt;

use outlast_types::{Hash, NodeId};

use crate::bitmap::Bitmap;
use crate::wire::Have;

/// A request of a swarm, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A chunk of a wanted blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece {
    /// The blob.
    pub blob: Hash,
    /// Which of its chunks; 0 of a blob in one piece.
    pub index: u32,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A blob is wanted whose list is known. Again: changes nothing.
    Want {
        /// Its hash.
        blob: Hash,
        /// Bytes of its chunks, in order: one for a blob in one piece, none for the empty one.
        lengths: Vec<u32>,
        /// What is here already, from an earlier attempt or another version of the file.
        here: Bitmap,
    },
    /// A node can be asked. The origin has everything; others have what they say.
    Source {
        /// The node.
        node: NodeId,
        /// Whether the blobs are its own.
        origin: bool,
    },
    /// What a source said that it has ([`Effect::Survey`] asks). Replaces what it said before.
    Has {
        /// The source.
        node: NodeId,
        /// Of these blobs.
        haves: Vec<(Hash, Have)>,
    },
    /// A piece arrived, or was found here, and its hash is right. Also right when nobody asked.
    Arrived {
        /// The request that it answers.
        request: Option<RequestId>,
        /// The piece.
        piece: Piece,
    },
    /// A source sent something else than the piece: it is struck out.
    Wrong {
        /// The request.
        request: RequestId,
        /// The piece.
        piece: Piece,
    },
    /// The source says that it doesn't have the piece.
    Lacks {
        /// The request.
        request: RequestId,
        /// The piece.
        piece: Piece,
    },
    /// A request came to nothing: its stream broke, was refused, or answered by nonsense. What
    /// arrived before counts.
    Broke {
        /// The request.
        request: RequestId,
        /// Why, for people.
        reason: String,
    },
    /// A source can't be asked any more. It may come back as [`Event::Source`].
    Lost {
        /// The source.
        node: NodeId,
        /// Why, for people.
        reason: String,
    },
    /// Time passed.
    Tick,
}

/// What is asked for in one request, as [`crate::wire`] has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Chunks of a blob of several, ascending.
    Pieces {
        /// The blob.
        blob: Hash,
        /// Which chunks.
        indexes: Vec<u32>,
    },
    /// Blobs in one piece.
    Blobs(Vec<Hash>),
}

impl Ask {
    /// The pieces, in the order in which they are asked for.
    pub fn pieces(&self) -> Vec<Piece> {
        match self {
            Self::Pieces { blob, indexes } => {
                indexes.iter().map(|&index| Piece { blob: *blob, index }).collect()
            }
            Self::Blobs(blobs) => blobs.iter().map(|&blob| Piece { blob, index: 0 }).collect(),
        }
    }
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask a source; answer with one of `Arrived`, `Wrong`, `Lacks` for each piece, or `Broke`.
    Request {
        /// The source.
        node: NodeId,
        /// Names the request in answers.
        request: RequestId,
        /// For what: at most 1 MiB in 64 pieces.
        ask: Ask,
    },
    /// Nobody waits for this request's answer any more.
    Cancel {
        /// The source.
        node: NodeId,
        /// The request.
        request: RequestId,
    },
    /// Ask a source what it has of these; answer with `Has`, `Broke` isn't needed.
    Survey {
        /// The source.
        node: NodeId,
        /// Blobs, at most [`crate::wire::HAVE_BLOBS`].
        blobs: Vec<Hash>,
    },
    /// Every piece of this blob is here. (Whether they make up the blob is for the store to check.)
    Complete {
        /// The blob.
        blob: Hash,
    },
    /// Every piece of every wanted blob is here. Again after each later `Want`.
    Done,
    /// It can't be done. The swarm is over and does nothing any more; what arrived is of use to the
    /// next one.
    Failed(Failure),
}

/// Why a swarm gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// More is wanted than its tables hold, or chunks have lengths that none has.
    #[error("at most {blobs} files in {pieces} pieces are fetched at once; pack them into archives", blobs = super::BLOBS, pieces = super::PIECES)]
    TooMuch,
    /// Nobody is left to ask.
    #[error("nobody is left to ask")]
    Nobody,
    /// There were some to ask, but nothing came.
    #[error("nothing came for {} s", super::GIVE_UP.as_secs())]
    Nothing,
}

/// Why a swarm gave up, with what was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub cause: Cause,
    /// Pieces that are missing.
    pub pieces: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What came of each source; the origin first.
    pub tried: Vec<Tried>,
}

/// What came of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The source.
    pub node: NodeId,
    /// Whether the blobs are its own.
    pub origin: bool,
    /// Bytes that came from it.
    pub bytes: u64,
    /// The last that went wrong with it; `None`: it had nothing more of what is missing.
    pub trouble: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cause, pieces, bytes, .. } = self;
        write!(f, "{bytes} bytes in {pieces} pieces couldn't be fetched: {cause}")?;
        for tried in &self.tried {
            write!(f, "; ")?;
            let role = if tried.origin { "the submitter" } else { "node" };
            write!(f, "{role} {} ", tried.node.short())?;
            match &tried.trouble {
                Some(trouble) => write!(f, "{trouble}")?,
                None => write!(f, "doesn't have them")?,
            }
        }
        Ok(())
    }
}
