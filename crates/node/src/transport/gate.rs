//! Who may speak with this node.
//!
//! ```text
//!   dialler                                        acceptor
//!   hello(peer) ──── Hello{shown, observed} ────▶  admit(peer, shown)
//!                                                    │ Err: closes, with the reason
//!   confirm(peer, answer) ◀── Welcome{answer, observed} ┘
//!     │ Err: closes, with the reason
//!     ▼
//!   frames and requests, both ways
//! ```
//!
//! The exchange itself is in `admission`. What is shown and what it is worth is the gate's own
//! business: here it is bytes.
//!
//! # Invariants
//! - Nothing else of a connection is read before the gate was asked, at either end.
//! - What is shown, answered and given as a reason is bounded before it is read.

use outlast_types::NodeId;

/// What a node shows, and what it is answered: some tokens and revocations, far below a frame.
pub const HELLO_BYTES: usize = 64 << 10;

/// Why a node is turned away: fits into the packet that closes a connection.
pub const REASON_BYTES: usize = 512;

/// Who may speak with this node: asked once for each connection, before anything else is read from it.
///
/// Methods are called on a thread that may block shortly.
pub trait Gate: Send + Sync + 'static {
    /// What this node shows `peer` when it dials it; at most [`HELLO_BYTES`].
    fn hello(&self, peer: NodeId) -> Vec<u8>;

    /// At the acceptor: looks at what the dialler showed. `Ok`: the answer for it, at most [`HELLO_BYTES`].
    ///
    /// # Errors
    /// Why it is turned away: it is told that, cut to [`REASON_BYTES`].
    fn admit(&self, peer: NodeId, hello: &[u8]) -> Result<Vec<u8>, String>;

    /// At the dialler: looks at the acceptor's answer.
    ///
    /// # Errors
    /// Why this node won't speak with that one: it is told that, cut to [`REASON_BYTES`].
    fn confirm(&self, peer: NodeId, answer: &[u8]) -> Result<(), String>;
}

/// Lets everybody in. For tests, and for a grid where whoever reaches a node is trusted.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenGate;

impl Gate for OpenGate {
    fn hello(&self, _: NodeId) -> Vec<u8> {
        Vec::new()
    }

    fn admit(&self, _: NodeId, _: &[u8]) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    fn confirm(&self, _: NodeId, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// A reason as it may be sent, shown and logged: bounded, and without characters that steer a terminal.
pub(super) fn tidy(reason: &str) -> String {
    let mut tidied = String::new();
    for c in reason.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if tidied.len() + c.len_utf8() > REASON_BYTES {
            break;
        }
        tidied.push(c);
    }
    tidied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_at_a_character_and_steers_no_terminal() {
        assert_eq!(tidy("no\x1b[2Jtoken\n"), "no [2Jtoken ");
        let long = tidy(&"ü".repeat(400));
        assert_eq!((long.len(), long.chars().count()), (REASON_BYTES, REASON_BYTES / 2));
    }
}
