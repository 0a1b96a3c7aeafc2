//! Identifiers, time, spaces of atoms and limits that every Outlast crate speaks of.
//!
//! Level 0: it depends on nothing of ours, does no I/O, and holds no component's own types (a
//! gridlet's recipe lives in `gridlet`, a lease in `job`).

mod hash;
mod id;
pub mod limits;
mod resources;
pub mod space;
mod time;
pub mod wire;

pub use hash::{Hash, HashParseError};
pub use id::{Attempt, CellId, GridletId, IdParseError, JobId, NodeId, VoId};
pub use resources::Ad;
pub use space::{Axis, CellGrid, Region};
pub use time::Time;
