use std::io;
use std::path::PathBuf;

use crate::Fault;

/// Why an image can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file can't be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It isn't an image, or its writing was cut.
    #[error("{} is not an image: expected the first 16 bytes of one, found others; was its writing cut?", .0.display())]
    Foreign(PathBuf),
    /// It is of another version.
    #[error(
        "this image is of version {found}, this program reads version {}; use the outlast that wrote it",
        crate::VERSION
    )]
    Version {
        /// Its version.
        found: u32,
    },
    /// A section is damaged.
    #[error("section `{section}` of the image is damaged: {what}")]
    Damaged {
        /// Which.
        section: String,
        /// What was expected and what was found.
        what: String,
    },
    /// A section that this version doesn't know.
    #[error("the image has a section `{0}`, which this version doesn't know")]
    Unknown(String),
    /// What it says can't be true.
    #[error("the image contradicts itself: {0}")]
    Impossible(#[from] Fault),
    /// What is to be written is more than an image may hold.
    #[error("{what}: at most {limit}, found {found}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// The most.
        limit: u64,
        /// How many there are.
        found: u64,
    },
}
