//! The traits between an application's knowledge and the grid.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use outlast_types::{CellGrid, CellId, GridletId, Hash, Region};

use crate::compare::CompareError;
use crate::tool::unsupported;
use crate::{CellOutput, Content, Placed, Ran, Recipe, Step, Tool};

/// What the user wants to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLine {
    /// Program and arguments, as typed after `--`.
    pub argv: Vec<String>,
    /// Variables to set for the program, besides a minimal environment.
    pub env: Vec<(String, String)>,
    /// Files or folders to stage, besides those that the application manager finds itself.
    pub inputs: Vec<String>,
    /// A file whose content becomes the program's standard input.
    pub stdin: Option<String>,
    /// Where results go, relative to the folder of the command; each manager says what it does
    /// with it.
    pub output: Option<String>,
    /// Files that the program writes (`command`, `sweep`); empty: all that it creates.
    pub outputs: Vec<String>,
    /// `--param NAME=VALUES` of a sweep, in the order given.
    pub params: Vec<(String, String)>,
    /// Other `--set NAME=VALUE` options for the manager (`povray`: `tolerance`).
    pub options: BTreeMap<String, String>,
}

/// The submitter's files, read while a command is taken apart. Paths are as the command names
/// them: relative to its folder, or absolute. Unless something else is said there are no files at all.
pub trait SourceFiles {
    /// The whole file.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn read(&self, _path: &str) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    /// Bytes of a file.
    ///
    /// # Errors
    /// As [`SourceFiles::read`].
    fn size(&self, path: &str) -> std::io::Result<u64> {
        self.read(path).map(|bytes| bytes.len() as u64)
    }

    /// Whether there is a regular file.
    fn is_file(&self, _path: &str) -> bool {
        false
    }

    /// All regular files below a folder, as `path/…`, sorted; `None` if it is no folder.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn list(&self, _path: &str) -> std::io::Result<Option<Vec<String>>> {
        Ok(None)
    }

    /// As [`SourceFiles::list`], with what can be staged besides: symbolic links, whatever they lead to, and
    /// empty folders, with a slash at the end.
    ///
    /// # Errors
    /// As [`SourceFiles::list`]; if there is something that can't be staged.
    fn everything(&self, path: &str) -> std::io::Result<Option<Vec<String>>> {
        self.list(path)
    }

    /// Whether the program is installed at the submitter, where samples are computed.
    fn has_program(&self, name: &str) -> bool;

    /// Runs a program in the command's folder, to look at inputs or to prepare parts of them.
    ///
    /// # Errors
    /// `NotFound` if it isn't installed, `TimedOut`, and whatever the system says. An exit code
    /// other than 0 is none: see [`Ran::ok`].
    fn run(&self, _tool: &Tool) -> std::io::Result<Ran> {
        Err(unsupported())
    }

    /// An empty folder (absolute, always the same one) for what tools prepare. Files in it may be
    /// named as [`InputFile::source`]; it is removed once the inputs are staged.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn scratch(&self) -> std::io::Result<String> {
        Err(unsupported())
    }
}

/// Blobs in this node's store.
pub trait Blobs {
    /// All bytes of a blob.
    ///
    /// # Errors
    /// If it isn't there or can't be read.
    fn read(&self, hash: &Hash) -> std::io::Result<Vec<u8>>;

    /// All bytes of a content, wherever they are.
    ///
    /// # Errors
    /// As [`Blobs::read`].
    fn bytes(&self, content: &Content) -> std::io::Result<Vec<u8>> {
        match content {
            Content::Inline(bytes) => Ok(bytes.clone()),
            Content::Blob { hash, .. } => self.read(hash),
        }
    }

    /// Runs a program in a fresh folder that holds these files (path in it, content), to compare
    /// answers.
    ///
    /// # Errors
    /// As [`SourceFiles::run`], and as [`Blobs::read`].
    fn run(&self, _files: &[(String, Content)], _tool: &Tool) -> std::io::Result<Ran> {
        Err(unsupported())
    }
}

/// The accepted answers of a job.
pub trait Results: Blobs {
    /// The accepted answer for a cell, if there is one yet.
    ///
    /// # Errors
    /// If the record can't be read.
    fn output(&self, cell: CellId) -> std::io::Result<Option<CellOutput>>;
}

/// Where merged output goes. Nothing appears under its name before all of it is there.
pub trait Sink {
    /// Writes a file. `path` as in the command: relative to its folder, or absolute.
    ///
    /// # Errors
    /// Whatever the file system says (disk full, no such folder, not allowed).
    fn write(&mut self, path: &str, bytes: &[u8]) -> std::io::Result<()>;

    /// Writes a file from parts that follow one another, and holds no more than one of them in
    /// memory if it can.
    ///
    /// # Errors
    /// As [`Sink::write`], and the first error among the parts.
    fn join(
        &mut self,
        path: &str,
        parts: &mut dyn Iterator<Item = std::io::Result<Vec<u8>>>,
    ) -> std::io::Result<()> {
        let all: std::io::Result<Vec<Vec<u8>>> = parts.collect();
        self.write(path, &all?.concat())
    }

    /// Puts a file there without reading it into memory.
    ///
    /// # Errors
    /// As [`Sink::write`].
    fn place(&mut self, path: &str, content: &Content, executable: bool) -> std::io::Result<()>;

    /// Runs a program in a fresh folder that holds `files` (path in it, content), and puts what it
    /// wrote where `outputs` say. Files in the command's own folder aren't there.
    ///
    /// # Errors
    /// As [`SourceFiles::run`]; if it ends with another exit code than 0, or a file of `outputs` is
    /// missing, with what it said.
    fn run(
        &mut self,
        _files: &[(String, Content)],
        _tool: &Tool,
        _outputs: &[Placed],
    ) -> std::io::Result<Ran> {
        Err(unsupported())
    }
}

/// How finely to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitHint {
    /// Execution slots in the grid as far as known, at least 1.
    pub slots: u32,
    /// Exactly this many gridlets if the application can; otherwise its own choice.
    pub gridlets: Option<u32>,
}

/// A unit of work that one worker gets as a whole: a box of cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gridlet {
    /// Its number; also its index among [`ApplicationManager::gridlets`].
    pub id: GridletId,
    /// In cell coordinates.
    pub cells: Region,
    /// Estimated cost in any unit, the same for all gridlets of the job.
    pub cost: f64,
}

/// A file to stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Path in the job's folder at the worker: relative, inside.
    pub name: String,
    /// Path at the submitter.
    pub source: String,
}

/// A small piece of a cell for the submitter to compute itself (GINGER 3.2, "Sampling").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The cell it belongs to.
    pub cell: CellId,
    /// What the manager needs to know about it again, such as a rectangle.
    pub place: Vec<u64>,
    /// How to compute it; its harvest has exactly one entry, for `cell`.
    pub step: Step,
}

/// What `merge` wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    /// The files that a user looks for, as the command names them (a folder: once).
    pub files: Vec<String>,
    /// The exit code that the whole deserves: the program's own for `command`.
    pub exit: i32,
    /// What the user should know: how many runs failed, for instance.
    pub notes: Vec<String>,
}

/// What there is so far, to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// `image/png`, `text/plain` …
    pub media_type: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A command that can't be run.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An option or argument is wrong; says what was expected and what was found.
    #[error("{0}")]
    Usage(String),
    /// A file that the command needs isn't there or can't be read.
    #[error("input {path}: {source}")]
    Input {
        /// As the command names it.
        path: String,
        /// What the file system said.
        source: std::io::Error,
    },
    /// Saved state that this build can't read.
    #[error("saved job can't be read: {0}")]
    State(String),
}

/// An answer that can't be right, whoever else says the same.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// What was expected and what was found.
    #[error("{0}")]
    Invalid(String),
    /// Our own store failed: says nothing about the answer.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Whatever compares answers failed: says nothing about them.
    #[error("{0}")]
    Undecided(CompareError),
}

impl From<CompareError> for ResultError {
    fn from(error: CompareError) -> Self {
        match error {
            CompareError::Io(error) => Self::Io(error),
            other => Self::Undecided(other),
        }
    }
}

/// What answers look like to a comparator that the user chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Whole files, with these names as far as they are known beforehand.
    Files(Vec<String>),
    /// Tiles of pictures.
    Tiles,
}

/// An application: recognises its command lines and makes managers for them.
pub trait Application: Send + Sync {
    /// `povray`, `sweep`, `command`.
    fn name(&self) -> &str;

    /// Whether this command line is one of its own. The first application of a
    /// [`Registry`](crate::Registry) that says so gets it.
    fn recognises(&self, command: &CommandLine) -> bool;

    /// What it takes, for people: `commands of povray`. `None`: nobody has to know of it.
    fn takes(&self) -> Option<String> {
        Some(format!("commands of {}", self.name()))
    }

    /// Where it comes from, for people.
    fn origin(&self) -> String {
        "built in".to_owned()
    }

    /// The text of its manifest, if it has one.
    fn text(&self) -> Option<String> {
        None
    }

    /// Programs that it needs on workers, as far as they are always the same.
    fn programs(&self) -> Vec<String> {
        Vec::new()
    }

    /// Takes a command line apart.
    ///
    /// # Errors
    /// If it can't be run; nothing was started.
    fn open(
        &self,
        command: &CommandLine,
        files: &dyn SourceFiles,
        hint: SplitHint,
    ) -> Result<Arc<dyn ApplicationManager>, OpenError>;

    /// The manager that wrote `state`, after a restart of the submitter.
    ///
    /// # Errors
    /// [`OpenError::State`].
    fn restore(&self, state: &[u8]) -> Result<Arc<dyn ApplicationManager>, OpenError>;
}

/// One command, understood. Everything here is a function of what was there when it was opened.
pub trait ApplicationManager: Send + Sync {
    /// Name of its application.
    fn app(&self) -> &str;

    /// Name of the application that [`Application::restore`]s it: its own, unless that one may be
    /// gone by then.
    fn restorer(&self) -> &str {
        self.app()
    }

    /// The job's atoms, and how they are cut into cells.
    fn grid(&self) -> &CellGrid;

    /// What one atom is called, in the singular: `pixel`, `frame`, `run`.
    fn atom(&self) -> &str;

    /// The boxes of cells to hand out; disjoint, together everything, each of at most
    /// [`GRIDLET_CELLS`](outlast_types::limits::GRIDLET_CELLS).
    fn gridlets(&self) -> &[Gridlet];

    /// How answers are compared and results joined: name of the way and what it is, for people.
    fn describe(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What the user should be told about the split, one sentence each.
    fn notes(&self) -> Vec<String>;

    /// The program that workers need, if it isn't staged.
    fn program(&self) -> Option<&str>;

    /// Files to stage.
    fn inputs(&self) -> &[InputFile];

    /// What to run for these cells (ascending, all of `gridlet`'s box).
    fn recipe(&self, gridlet: &Gridlet, cells: &[CellId]) -> Recipe;

    /// Whether an answer has the right form: names, sizes, a picture of the right size. Its
    /// [`CellOutput::validate`] has passed already.
    ///
    /// # Errors
    /// [`ResultError::Invalid`] says what was expected and what was found.
    fn check(&self, output: &CellOutput, blobs: &dyn Blobs) -> Result<(), ResultError>;

    /// Whether two answers for one cell, which both passed [`ApplicationManager::check`], say the same.
    /// By default: the same bytes.
    ///
    /// # Errors
    /// [`ResultError::Io`].
    fn agree(&self, a: &CellOutput, b: &CellOutput, _: &dyn Blobs) -> Result<bool, ResultError> {
        Ok(a.digest() == b.digest())
    }

    /// Whether an answer can be compared with others at all. Asked before it becomes the first of its class: an
    /// answer that makes comparing fail would make it fail for every other one. By default: yes.
    ///
    /// # Errors
    /// [`ResultError::Undecided`] or [`ResultError::Io`].
    fn admit(&self, _: &CellOutput, _: &dyn Blobs) -> Result<(), ResultError> {
        Ok(())
    }

    /// What answers look like, for [`compare`](crate::compare). By default: files, of whatever name.
    fn answers(&self) -> Answers {
        Answers::Files(Vec::new())
    }

    /// What of an answer counts when a comparator of the user's judges it. By default: all.
    fn told<'a>(&self, output: &'a CellOutput) -> Cow<'a, CellOutput> {
        Cow::Borrowed(output)
    }

    /// The part of an answer that a sample shows, in the form of what the sample's step gives; `None` if the answer
    /// has no such part. By default: all of it.
    ///
    /// # Errors
    /// As [`ApplicationManager::matches_sample`].
    fn part<'a>(
        &self,
        _: &Sample,
        answer: &'a CellOutput,
        _: &dyn Blobs,
    ) -> Result<Option<Cow<'a, CellOutput>>, ResultError> {
        Ok(Some(Cow::Borrowed(answer)))
    }

    /// A random piece of a cell for the submitter to compute; `None` if nothing smaller than the whole job can be.
    fn sample(&self, cell: CellId, seed: u64) -> Option<Sample>;

    /// How many samples of a gridlet pay, if the user says nothing; `None`: there are none. By default one.
    fn samples(&self) -> Option<u8> {
        self.sample(CellId(0), 0).map(|_| 1)
    }

    /// Whether an answer is right where `sample` was computed. `truth` is what the sample's step gave here.
    ///
    /// # Errors
    /// [`ResultError::Io`], or [`ResultError::Invalid`] if `truth` itself is unusable.
    fn matches_sample(
        &self,
        sample: &Sample,
        truth: &CellOutput,
        answer: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError>;

    /// Joins the accepted answers of all cells into the output.
    ///
    /// # Errors
    /// If a result is missing or can't be read, or the output can't be written.
    fn merge(&self, results: &dyn Results, sink: &mut dyn Sink) -> Result<Merged, ResultError>;

    /// What there is so far; `None` if the application has nothing to show.
    ///
    /// # Errors
    /// If a result can't be read.
    fn preview(&self, results: &dyn Results) -> Result<Option<Preview>, ResultError>;

    /// Everything needed to [`Application::restore`] it.
    fn state(&self) -> Vec<u8>;
}
