//! The control API: versioned types, server routes and client.
//!
//! ```text
//!  outlast (CLI), anything that speaks HTTP               outlast up (daemon)
//!    Client ──HTTP/1.1, JSON──▶ DATA_DIR/control.sock ──▶ routes ──▶ dyn Control
//! ```
//!
//! The socket is a file that only its owner may open, so there is no further authentication: who
//! can open it can read the node's key as well. `GET /openapi.json` describes the routes. All of them are
//! below `/v1`; a change that old clients can't live with gets a new prefix.
//!
//! Every body is bounded and every request ends ([`limits`]). Requests that change something are
//! carried out to the end even if the client goes away meanwhile; a reply that nobody reads is dropped.

mod bounded;
mod client;
pub mod control;
mod error;
pub mod limits;
mod metrics;
mod server;
mod socket;
pub mod trust;
pub mod types;

pub use client::Client;
pub use control::{Answer, Control};
pub use error::{ApiError, ErrorCode};
pub use metrics::serve_metrics;
pub use server::{openapi, serve};
pub use socket::{ControlSocket, SOCKET_NAME, SocketError};
pub use trust::TrustControl;
