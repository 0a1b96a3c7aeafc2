//! The control API: versioned types, server routes and client.

mod control;
mod error;
pub mod limits;
pub mod types;

pub use control::{Answer, Control};
pub use error::{ApiError, ErrorCode};
