//! What a worker ships for a cell: an exit code and files.

use serde::{Deserialize, Serialize};

use outlast_types::{CellId, Hash, limits};

/// The bytes of a file, carried along or named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// At most [`limits::INLINE_BYTES`].
    Inline(Vec<u8>),
    /// In the blob store of whoever sent it.
    Blob {
        /// Hash of the bytes.
        hash: Hash,
        /// How many bytes.
        length: u64,
    },
}

impl Content {
    /// How many bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Blob { length, .. } => *length,
        }
    }

    /// Hash of the bytes, the same whichever way they are carried.
    pub fn hash(&self) -> Hash {
        match self {
            Self::Inline(bytes) => Hash::of(bytes),
            Self::Blob { hash, .. } => *hash,
        }
    }
}

/// One file of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutFile {
    /// Path inside the cell's folder, `/` between its parts, as the recipe's [`Collect`](crate::Collect) named it.
    pub name: String,
    /// Whether it may be executed.
    pub executable: bool,
    /// Its bytes.
    pub content: Content,
}

/// A worker's answer for one cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellOutput {
    /// The cell.
    pub cell: CellId,
    /// The exit code of the step that computed it (128 + n after signal n).
    pub exit: i32,
    /// Sorted by name, no name twice.
    pub files: Vec<OutFile>,
}

/// An answer that breaks the rules before anybody looks at what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// More files than [`limits::CELL_FILES`].
    #[error("{0} files for one cell, expected at most {max}", max = limits::CELL_FILES)]
    TooManyFiles(usize),
    /// More bytes in all than [`limits::ANSWER_BYTES`].
    #[error("{0} bytes for one cell, expected at most {max}", max = limits::ANSWER_BYTES)]
    TooLarge(u64),
    /// A name that leaves the folder, is empty or too long.
    #[error("file name {0:?} is not a relative path inside the cell's folder")]
    BadName(String),
    /// Names not strictly ascending.
    #[error("file {0:?} is out of order or there twice")]
    Disorder(String),
    /// Carried along although it is too large for that.
    #[error("{0:?} carries {1} bytes inline, expected at most {max}", max = limits::INLINE_BYTES)]
    InlineTooLarge(String, usize),
    /// A file larger than the job allows.
    #[error("{name:?} has {found} bytes, expected at most {limit}")]
    FileTooLarge {
        /// The file.
        name: String,
        /// Its bytes.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

/// Whether `name` is a relative path that stays inside its folder.
pub fn is_inner_path(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= limits::PATH_BYTES
        && !name.contains('\0')
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

impl CellOutput {
    /// The same for the same exit code, names and bytes, whichever way the bytes are carried.
    pub fn digest(&self) -> Hash {
        let mut bytes = Vec::with_capacity(64 + self.files.len() * 64);
        bytes.extend_from_slice(&self.exit.to_le_bytes());
        for file in &self.files {
            bytes.extend_from_slice(&(file.name.len() as u64).to_le_bytes());
            bytes.extend_from_slice(file.name.as_bytes());
            bytes.push(u8::from(file.executable));
            bytes.extend_from_slice(&file.content.length().to_le_bytes());
            bytes.extend_from_slice(file.content.hash().as_bytes());
        }
        Hash::of(&bytes)
    }

    /// The file with this name.
    pub fn file(&self, name: &str) -> Option<&OutFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Checks what can be checked without reading any content.
    ///
    /// # Errors
    /// The first rule that is broken; `file_limit` is in bytes.
    pub fn validate(&self, file_limit: u64) -> Result<(), OutputError> {
        if self.files.len() > limits::CELL_FILES {
            return Err(OutputError::TooManyFiles(self.files.len()));
        }
        let mut previous: Option<&str> = None;
        for file in &self.files {
            if !is_inner_path(&file.name) {
                return Err(OutputError::BadName(file.name.clone()));
            }
            if previous.is_some_and(|previous| previous >= file.name.as_str()) {
                return Err(OutputError::Disorder(file.name.clone()));
            }
            previous = Some(&file.name);
            match &file.content {
                Content::Inline(bytes) if bytes.len() > limits::INLINE_BYTES => {
                    return Err(OutputError::InlineTooLarge(file.name.clone(), bytes.len()));
                }
                content if content.length() > file_limit => {
                    return Err(OutputError::FileTooLarge {
                        name: file.name.clone(),
                        found: content.length(),
                        limit: file_limit,
                    });
                }
                _ => {}
            }
        }
        let total = self.files.iter().fold(0u64, |sum, f| sum.saturating_add(f.content.length()));
        if total > limits::ANSWER_BYTES { Err(OutputError::TooLarge(total)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(names: &[&str]) -> CellOutput {
        let file = |name: &&str| OutFile {
            name: (*name).to_owned(),
            executable: false,
            content: Content::Inline(b"x".to_vec()),
        };
        CellOutput { cell: CellId(0), exit: 0, files: names.iter().map(file).collect() }
    }

    #[test]
    fn names_stay_inside_their_folder() {
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a\0b"] {
            assert!(output(&[bad]).validate(10).is_err(), "{bad:?}");
        }
        assert_eq!(output(&["a", "a/b", "b"]).validate(10), Ok(()));
    }

    #[test]
    fn an_answer_is_bounded_by_its_bytes_in_all_too() {
        let mut many = output(&["a", "b", "c", "d"]);
        let mut each = |length: u64| {
            let content = Content::Blob { hash: Hash::of(b"x"), length };
            many.files.iter_mut().for_each(|file| file.content = content.clone());
            many.validate(u64::MAX)
        };
        let quarter = limits::ANSWER_BYTES / 4;
        assert_eq!(each(quarter), Ok(()));
        assert_eq!(each(quarter + 1), Err(OutputError::TooLarge(limits::ANSWER_BYTES + 4)));
        assert_eq!(each(u64::MAX), Err(OutputError::TooLarge(u64::MAX)), "no overflow");
    }

    #[test]
    fn names_are_sorted_and_unique() {
        assert!(output(&["a", "a"]).validate(10).is_err());
        assert!(output(&["b", "a"]).validate(10).is_err());
    }

    #[test]
    fn digest_does_not_depend_on_how_bytes_travel() {
        let inline = output(&["a"]);
        let mut blob = inline.clone();
        blob.files[0].content = Content::Blob { hash: Hash::of(b"x"), length: 1 };
        assert_eq!(inline.digest(), blob.digest());
        blob.exit = 1;
        assert_ne!(inline.digest(), blob.digest());
    }
}
