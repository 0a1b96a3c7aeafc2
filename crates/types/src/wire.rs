//! Frames: a version byte, then postcard. The same codec for the network and for the journal.
//!
//! A frame that is too large, of another version, cut or with bytes left over is an error: nothing
//! that came from another node is trusted.

use serde::{Serialize, de::DeserializeOwned};

/// What this build writes, and the only version it reads.
pub const VERSION: u8 = 1;

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Larger than the limit for its kind.
    #[error("a frame of {found} bytes, expected at most {limit}")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Nothing at all.
    #[error("an empty frame")]
    Empty,
    /// Written by another version of Outlast.
    #[error("a frame of version {found}, expected version {VERSION}")]
    Version {
        /// The version found.
        found: u8,
    },
    /// Not what the type expects.
    #[error("a malformed frame: {0}")]
    Malformed(postcard::Error),
    /// More bytes than the value needs.
    #[error("{0} bytes after the end of a frame")]
    Trailing(usize),
}

/// Encodes `value` as a frame of at most `limit` bytes.
///
/// # Errors
/// [`FrameError::TooLarge`] if it does not fit; [`FrameError::Malformed`] if the type can't be
/// encoded.
pub fn encode<T: Serialize>(value: &T, limit: usize) -> Result<Vec<u8>, FrameError> {
    let frame = postcard::to_extend(value, vec![VERSION]).map_err(FrameError::Malformed)?;
    if frame.len() > limit {
        return Err(FrameError::TooLarge { found: frame.len(), limit });
    }
    Ok(frame)
}

/// Decodes a frame of at most `limit` bytes.
///
/// # Errors
/// One for each way in which bytes may not be a frame.
pub fn decode<T: DeserializeOwned>(frame: &[u8], limit: usize) -> Result<T, FrameError> {
    if frame.len() > limit {
        return Err(FrameError::TooLarge { found: frame.len(), limit });
    }
    let (&version, body) = frame.split_first().ok_or(FrameError::Empty)?;
    if version != VERSION {
        return Err(FrameError::Version { found: version });
    }
    let (value, rest) = postcard::take_from_bytes(body).map_err(FrameError::Malformed)?;
    if !rest.is_empty() {
        return Err(FrameError::Trailing(rest.len()));
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
