//! What goes wrong, on both sides of the socket.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What kind of error, as far as a client acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request can't be meant: unknown option, missing input. HTTP 400.
    BadRequest,
    /// Somebody may not do that: a right is missing, or a ticket is of no use. HTTP 403.
    Forbidden,
    /// No such job, or nothing there yet. HTTP 404.
    NotFound,
    /// Ambiguous: it may mean any of several. HTTP 409.
    Conflict,
    /// Not possible in this state. HTTP 409.
    WrongState,
    /// A request larger than the limit. HTTP 413.
    TooLarge,
    /// The daemon doesn't answer, can't be reached, or is leaving. HTTP 503.
    Unavailable,
    /// It took too long. HTTP 504.
    Timeout,
    /// A request that the daemon doesn't know: it is of another version. HTTP 404.
    Unsupported,
    /// Our fault, or the disk's. HTTP 500. Also what this build doesn't know.
    #[serde(other)]
    Internal,
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::NotFound | Self::Unsupported => 404,
            Self::Conflict | Self::WrongState => 409,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
            Self::Timeout => 504,
            Self::Internal => 500,
        }
    }
}

/// An error that a node answers with, or that kept its answer from arriving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind.
    pub code: ErrorCode,
    /// For people: what was expected and what was found.
    pub message: String,
}

impl ApiError {
    /// An error of this kind.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// [`ErrorCode::BadRequest`].
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    /// [`ErrorCode::Forbidden`].
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    /// [`ErrorCode::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// [`ErrorCode::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// [`ErrorCode::WrongState`].
    pub fn wrong_state(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::WrongState, message)
    }

    /// [`ErrorCode::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unavailable, message)
    }

    /// [`ErrorCode::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }
}
