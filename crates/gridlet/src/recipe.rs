//! What a worker runs: a list of steps, self-contained, the same for every application.

use serde::{Deserialize, Serialize};

use outlast_types::CellId;

/// Where the program of a step comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Program {
    /// A name that the worker looks up on its `PATH`.
    Installed(String),
    /// A staged input, by its path in the job's folder.
    Staged(String),
}

/// How a step finds the job's inputs in its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputMode {
    /// As symbolic links to the worker's read-only copy: quick, for many small steps.
    Link,
    /// As files of its own, for programs that change their inputs.
    Copy,
}

/// Which of the job's inputs a step needs. A worker fetches no others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Needs {
    /// All of them.
    #[default]
    All,
    /// Those of these names; a folder's name stands for all that is below it.
    Only(Vec<String>),
}

/// What a gridlet's lease tells the worker to do. Steps run one after another, each in a fresh
/// folder that holds the job's inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Each cell of the lease belongs to exactly one step.
    pub steps: Vec<Step>,
    /// How inputs appear in a step's folder.
    pub inputs: InputMode,
    /// The program leaves its core idle for part of its time (POV-Ray sleeps 0.6 s a run): the
    /// worker may run one gridlet more than it has cores.
    pub idles: bool,
    /// No file that a step writes may be larger, in bytes.
    pub file_limit: u64,
}

/// Which exit codes are answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitRule {
    /// Any exit code is part of the result, as for `sweep` and `command`.
    Result,
    /// Anything but 0 is a failure of the step: no cell of it has an answer.
    Zero,
}

/// One run of a program, which answers one cell or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What to run.
    pub program: Program,
    /// Its arguments, without the program's own name.
    pub args: Vec<String>,
    /// Variables on top of the worker's minimal environment (`PATH`, `HOME`, `TMPDIR`, `LANG`).
    pub env: Vec<(String, String)>,
    /// Which inputs it finds in its folder. A staged program and `stdin` are there in any case.
    pub inputs: Needs,
    /// An input that becomes its standard input; otherwise that is empty.
    pub stdin: Option<String>,
    /// Which exit codes are answers.
    pub exit: ExitRule,
    /// Folders to create before it runs, relative to the step's.
    pub folders: Vec<String>,
    /// One for each cell that it answers.
    pub harvest: Vec<Harvest>,
    /// Ship a cell as soon as its files are complete while the program still runs: the files of
    /// cell i count as complete when all files of cell i + 1 have appeared (GINGER 3.1: "monitoring the result
    /// file"). Otherwise all cells are shipped when the program ends.
    pub watch: bool,
}

impl Step {
    /// All that has to be in its folder: its inputs, a staged program, and what becomes its standard input.
    pub fn needs(&self) -> Needs {
        let Needs::Only(names) = &self.inputs else { return Needs::All };
        let program = match &self.program {
            Program::Staged(name) => Some(name),
            Program::Installed(_) => None,
        };
        Needs::Only(names.iter().chain(program).chain(&self.stdin).cloned().collect())
    }
}

/// What of a step's results belongs to a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harvest {
    /// The cell.
    pub cell: CellId,
    /// What to collect.
    pub collect: Vec<Collect>,
}

/// One way to get files out of a step's folder. If a required file is missing the step failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Collect {
    /// The file at `path`, shipped as `name`.
    File {
        /// Relative to the step's folder.
        path: String,
        /// Its name in the answer.
        name: String,
        /// Whether the step failed if it isn't there.
        required: bool,
    },
    /// Every regular file below the step's folder that is no unchanged input, shipped as
    /// `prefix` followed by its own path.
    Created {
        /// Empty, or ends with a slash: keeps the program's files apart from the streams.
        prefix: String,
    },
    /// What the program wrote on standard output, as a file of this name.
    Stdout(String),
    /// What the program wrote on standard error, as a file of this name.
    Stderr(String),
    /// A rectangle of the picture at `path`, in the form of [`crate::apps::povray`]'s tiles, shipped as `tile`.
    /// The rest of the picture is not this worker's business and would be shipped in vain.
    Tile {
        /// Relative to the step's folder.
        path: String,
        /// Left edge in pixels.
        x: u32,
        /// Upper edge in pixels.
        y: u32,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
}
