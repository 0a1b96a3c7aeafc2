//! Who is asked for which piece: what a swarm hears and wants done.
mod event;
pub use event::{Ask, Effect, Event, Failure, Piece, RequestId, Tried};
