//! Files, answers and an output folder in memory, for tests.

use std::collections::BTreeMap;
use std::io;

use outlast_types::{CellId, Hash};

use crate::{Blobs, CellOutput, Content, OutFile, Results, Sink, SourceFiles};

fn not_found() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

/// The submitter's files: content by path.
#[derive(Default)]
pub(super) struct Files(pub(super) BTreeMap<String, String>);

impl Files {
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    fn plain(path: &str) -> &str {
        path.strip_prefix("./").unwrap_or(path)
    }
}

impl SourceFiles for Files {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let text = self.0.get(Self::plain(path)).ok_or_else(not_found)?;
        Ok(text.clone().into_bytes())
    }

    fn is_file(&self, path: &str) -> bool {
        self.0.contains_key(Self::plain(path))
    }

    fn list(&self, path: &str) -> io::Result<Option<Vec<String>>> {
        let folder = if path == "." { String::new() } else { format!("{path}/") };
        let below = |name: &&String| name.starts_with(&folder) && !name.starts_with('/');
        let found: Vec<String> = self.0.keys().filter(below).cloned().collect();
        Ok((!found.is_empty()).then_some(found))
    }

    fn has_program(&self, name: &str) -> bool {
        name == "true"
    }
}

/// Accepted answers.
#[derive(Default)]
pub(super) struct Accepted(pub(super) BTreeMap<CellId, CellOutput>);

impl Blobs for Accepted {
    fn read(&self, _: &Hash) -> io::Result<Vec<u8>> {
        Err(not_found())
    }
}

impl Results for Accepted {
    fn output(&self, cell: CellId) -> io::Result<Option<CellOutput>> {
        Ok(self.0.get(&cell).cloned())
    }
}

/// An output folder: content by path.
#[derive(Default)]
pub(super) struct Folder(pub(super) BTreeMap<String, String>);

impl Sink for Folder {
    fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let text = String::from_utf8(bytes.to_vec()).map_err(io::Error::other)?;
        match self.0.insert(path.to_owned(), text) {
            None => Ok(()),
            Some(_) => Err(io::Error::other(format!("{path} is written twice"))),
        }
    }

    fn place(&mut self, path: &str, content: &Content, _: bool) -> io::Result<()> {
        match content {
            Content::Inline(bytes) => self.write(path, bytes),
            Content::Blob { .. } => Err(not_found()),
        }
    }
}

/// An answer with these files.
pub(super) fn answer(cell: u32, exit: i32, files: &[(&str, &str)]) -> CellOutput {
    let file = |(name, text): &(&str, &str)| OutFile {
        name: (*name).to_owned(),
        executable: false,
        content: Content::Inline(text.as_bytes().to_vec()),
    };
    CellOutput { cell: CellId(cell), exit, files: files.iter().map(file).collect() }
}

/// Words as a command line has them.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
