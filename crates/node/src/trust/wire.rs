//! Records between members, in frames of their own.
//!
//! ```text
//!   dialler, whose records differ:  Records{…}, …, Records{answer: true} ──▶ merged
//!                                   merged ◀── Records{…}, …  all that the other one has
//!   news, anybody:                  Records{new ones} ──▶ merged, and passed on if new
//! ```
//!
//! The first byte tells them from the frames of the job machines, whose first byte is their version.

use outlast_types::{VoId, limits, wire};
use outlast_vo::{RECORD_BYTES, Record};
use serde::{Deserialize, Serialize};

/// In front of these frames. No version of the others will be that large.
const MARK: u8 = 0xf0;

/// Records of one frame, in bytes: far below a frame's limit, so that others get their turn.
const CHUNK_BYTES: usize = 512 << 10;

/// What members say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) vo: VoId,
    pub(super) records: Vec<Record>,
    /// The receiver is to answer with all that it has.
    pub(super) answer: bool,
}

/// The rest of a frame, if it is one of these.
pub(crate) fn body(frame: &[u8]) -> Option<&[u8]> {
    frame.strip_prefix(&[MARK])
}

/// Frames with these records; at least one if an answer is wanted.
pub(super) fn frames(vo: VoId, records: Vec<Record>, answer: bool) -> Vec<Vec<u8>> {
    let mut chunks: Vec<Vec<Record>> = Vec::new();
    let mut room = 0;
    for record in records {
        // The largest that it may be: measuring each would be encoding it twice.
        if room < RECORD_BYTES {
            chunks.push(Vec::new());
            room = CHUNK_BYTES;
        }
        room -= size(&record);
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(record);
        }
    }
    if chunks.is_empty() && answer {
        chunks.push(Vec::new());
    }
    let last = chunks.len().saturating_sub(1);
    let said = chunks.into_iter().enumerate().map(|(index, records)| {
        let said = Said { vo, records, answer: answer && index == last };
        let mut frame = vec![MARK];
        frame.extend(wire::encode(&said, limits::FRAME_BYTES).ok()?);
        Some(frame)
    });
    // None is too large: a chunk and one record are far below the limit.
    said.flatten().collect()
}

/// An upper bound, from what is of variable length.
fn size(record: &Record) -> usize {
    let chain = record.signer.chain.len() * 192;
    let keep = match &record.fact {
        outlast_vo::Fact::Expelled { keep, .. } => keep.len() * 32,
        outlast_vo::Fact::Claimed { .. } => 0,
    };
    (512 + chain + keep).min(RECORD_BYTES)
}

/// Reads one.
pub(super) fn decode(bytes: &[u8]) -> Result<Said, wire::FrameError> {
    wire::decode(bytes, limits::FRAME_BYTES)
}
