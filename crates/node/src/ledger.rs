//! The ledger of credibility as it is kept: signed by its observer, this node.
//!
//! ```text
//!  meta "ledger-signed"   observer · the ledger's canonical bytes · ed25519 signature of them
//!                         └─ another observer, wrong signature, unreadable ──▶ meta "ledger-refused", and an empty one
//!  meta "ledger"          what earlier versions wrote, unsigned: taken over if there is no signed one
//! ```
//!
//! Whoever can write to the data directory, but hasn't the node's key, can't put words into its mouth: a blacklist
//! without the liar, or with a rival on it. A damaged one isn't believed either. What is refused is set aside, not
//! deleted, and said: the grid is met as by a newcomer then.

use serde::{Deserialize, Serialize};
use tracing::warn;

use outlast_types::{NodeId, limits, wire};
use outlast_verify::{Ledger, SecondForm};
use outlast_vo::{Secret, Signature};

use crate::journal::{Batch, Journal, JournalError};

const SIGNED: &str = "ledger-signed";
const REFUSED: &str = "ledger-refused";
/// Of earlier versions.
const UNSIGNED: &str = "ledger";

/// Room for what is around the ledger in its frame.
const AROUND: usize = 1024;

#[derive(Serialize, Deserialize)]
struct Signed {
    observer: NodeId,
    ledger: Vec<u8>,
    signature: Signature,
}

/// Why a ledger isn't used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    #[error("it can't be read: {0}")]
    Unreadable(#[from] wire::FrameError),
    #[error("it is of node {found}, expected one of this node, {expected}")]
    Observer { found: NodeId, expected: NodeId },
    #[error("its signature isn't this node's: somebody changed it, or the disk did")]
    Signature,
}

/// Writes a ledger down, signed.
///
/// # Errors
/// If it is too large for a frame.
pub(crate) fn save(
    ledger: &Ledger,
    observer: NodeId,
    secret: &Secret,
    batch: &mut Batch,
) -> Result<(), wire::FrameError> {
    let bytes = wire::encode(ledger, limits::FRAME_BYTES - AROUND)?;
    let signature = secret.sign_ledger(&bytes);
    let signed = Signed { observer, ledger: bytes, signature };
    batch.put_meta(SIGNED, wire::encode(&signed, limits::FRAME_BYTES)?);
    batch.delete_meta(UNSIGNED);
    Ok(())
}

/// The ledger that this node has signed, or an empty one; what was there and can't be used is set aside.
///
/// # Errors
/// If the journal can't be read or written.
pub(crate) fn read(journal: &mut Journal, me: NodeId) -> Result<Ledger, JournalError> {
    let signed = journal.meta(SIGNED)?;
    let unsigned = match signed {
        Some(_) => None,
        None => journal.meta(UNSIGNED)?,
    };
    let (name, bytes, read) = match (signed, unsigned) {
        (Some(bytes), _) => {
            let read = verified(&bytes, me);
            (SIGNED, bytes, read)
        }
        (None, Some(bytes)) => {
            let read = earlier(&bytes).map_err(LedgerError::from);
            (UNSIGNED, bytes, read)
        }
        (None, None) => return Ok(Ledger::new()),
    };
    match read {
        Ok(ledger) => Ok(ledger),
        Err(error) => {
            warn!(
                "the ledger of credibility is refused: {error}; it is set aside in the journal (`{REFUSED}`), and \
                 this node knows nobody: `outlast expel` whom you know to lie, or put back a copy of the data directory"
            );
            let mut batch = Batch::default();
            batch.put_meta(REFUSED, bytes);
            batch.delete_meta(name);
            journal.commit(&batch)?;
            Ok(Ledger::new())
        }
    }
}

fn verified(bytes: &[u8], me: NodeId) -> Result<Ledger, LedgerError> {
    let signed: Signed = wire::decode(bytes, limits::FRAME_BYTES)?;
    if signed.observer != me {
        return Err(LedgerError::Observer { found: signed.observer, expected: me });
    }
    if !signed.signature.is_of_ledger(me, &signed.ledger) {
        return Err(LedgerError::Signature);
    }
    Ok(wire::decode(&signed.ledger, limits::FRAME_BYTES)?)
}

/// What versions before signatures wrote.
fn earlier(bytes: &[u8]) -> Result<Ledger, wire::FrameError> {
    let second = wire::decode::<SecondForm>(bytes, limits::FRAME_BYTES);
    match second.map(Ledger::try_from) {
        Ok(Ok(ledger)) => Ok(ledger),
        _ => wire::decode(bytes, limits::FRAME_BYTES).map(Ledger::from_first_form),
    }
}

#[cfg(test)]
mod tests;
