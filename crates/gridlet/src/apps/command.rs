//! `command`: any program as one gridlet of one cell.
//!
//! Files that the arguments name (by themselves or after a `=`) are staged if they lie in the
//! folder of the command, beside those that the user adds. The program runs in a copy of that
//! folder, so it may change its inputs. The answer is its exit code, whatever it is, with standard
//! output and its outputs: those that were declared, otherwise all that it created or changed.
//!
//! The merge puts the outputs where a local run would have put them, changed inputs included, or
//! below `CommandLine::output` if that is given. The streams are not written: they stay in the
//! accepted answer, as [`STDOUT`](super::STDOUT) and [`STDERR`](super::STDERR), for whoever waits
//! to print.
//!
//! Nothing smaller than the job can be computed, so there are no samples: replication is the only
//! check. Hidden files (`.name`) are written only if they were declared, or were inputs: the folder of the
//! command is often one where such files are obeyed.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use outlast_types::{Axis, CellGrid, CellId, GridletId, limits, wire};

use super::answer;
use super::staging::{self, Staging};
use crate::{
    Answers, Application, ApplicationManager, Blobs, CellOutput, CommandLine, ExitRule, Gridlet,
    Harvest, InputFile, InputMode, Merged, Needs, OpenError, Preview, Program, Recipe, ResultError,
    Results, Sample, Sink, SourceFiles, SplitHint, Step, is_inner_path,
};

/// The only cell.
const CELL: CellId = CellId(0);

/// Recognises whatever nothing else does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Command;

impl Application for Command {
    fn name(&self) -> &str {
        "command"
    }

    fn recognises(&self, command: &CommandLine) -> bool {
        !command.argv.is_empty()
    }

    fn takes(&self) -> Option<String> {
        Some("any other command".to_owned())
    }

    fn open(
        &self,
        command: &CommandLine,
        files: &dyn SourceFiles,
        _: SplitHint,
    ) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        Ok(Arc::new(Manager::new(Spec::open(command, files)?)))
    }

    fn restore(&self, state: &[u8]) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        let spec =
            wire::decode(state, usize::MAX).map_err(|error| OpenError::State(error.to_string()))?;
        Ok(Arc::new(Manager::new(spec)))
    }
}

/// A command that another application can't split, with the reason for the user.
pub(super) fn open_noted(
    command: &CommandLine,
    files: &dyn SourceFiles,
    note: String,
) -> Result<Arc<dyn ApplicationManager>, OpenError> {
    let mut spec = Spec::open(command, files)?;
    spec.notes.insert(0, note);
    Ok(Arc::new(Manager::new(spec)))
}

/// A command, understood: all there is to know about it, and what is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Spec {
    program: Program,
    args: Vec<String>,
    env: Vec<(String, String)>,
    stdin: Option<String>,
    /// Declared; empty: all that it creates.
    outputs: BTreeSet<String>,
    /// Where outputs go.
    folder: Option<String>,
    inputs: Vec<InputFile>,
    notes: Vec<String>,
}

struct Manager {
    spec: Spec,
    grid: CellGrid,
    gridlets: Vec<Gridlet>,
}

impl Spec {
    fn open(command: &CommandLine, files: &dyn SourceFiles) -> Result<Self, OpenError> {
        let (program, args) = staging::check_words(command)?;
        if let Some((name, _)) = command.params.first() {
            return Err(OpenError::Usage(format!(
                "parameter `{name}` for a plain command, expected none (a `sweep` has them)"
            )));
        }
        if let Some(name) = command.options.keys().next() {
            return Err(OpenError::Usage(format!(
                "unknown option `{name}`, expected none for a plain command"
            )));
        }
        let mut staging = Staging::new(files);
        let program = staging.program(program)?;
        for input in &command.inputs {
            staging.explicit(input, None)?;
        }
        for arg in args {
            staging.word(arg, &BTreeSet::new());
        }
        let stdin = command.stdin.as_deref().map(|path| staging.stdin(path)).transpose()?;
        let (inputs, notes) = staging.finish()?;
        Ok(Self {
            program,
            args: args.to_vec(),
            env: command.env.clone(),
            stdin,
            outputs: outputs(command)?,
            folder: command.output.clone(),
            inputs,
            notes,
        })
    }
}

/// The declared outputs.
fn outputs(command: &CommandLine) -> Result<BTreeSet<String>, OpenError> {
    // Two more files are the streams.
    if command.outputs.len() + 2 > limits::CELL_FILES {
        return Err(OpenError::Usage(format!(
            "{} outputs, expected at most {}",
            command.outputs.len(),
            limits::CELL_FILES - 2
        )));
    }
    let output = |path: &String| {
        let name = staging::inner(path).filter(|_| !path.ends_with('/'));
        name.filter(|name| is_inner_path(&format!("{}{name}", super::FILES))).ok_or_else(|| {
            OpenError::Usage(format!("output `{path}`, expected a relative path to a file"))
        })
    };
    command.outputs.iter().map(output).collect()
}

impl Manager {
    fn new(spec: Spec) -> Self {
        let grid = CellGrid::new(vec![Axis::new(1, 1)]).expect("one cell is not too many");
        let whole = Gridlet { id: GridletId(0), cells: grid.whole(), cost: 1.0 };
        Self { spec, grid, gridlets: vec![whole] }
    }

    /// Whether the user expects the program to write a file of this name.
    fn is_expected(&self, path: &str) -> bool {
        let hidden = path.split('/').any(|part| part.starts_with('.'));
        !hidden
            || self.spec.outputs.contains(path)
            || self.spec.inputs.iter().any(|input| input.name == path)
    }
}

impl ApplicationManager for Manager {
    fn app(&self) -> &str {
        Command.name()
    }

    fn grid(&self) -> &CellGrid {
        &self.grid
    }

    fn atom(&self) -> &'static str {
        "run"
    }

    fn gridlets(&self) -> &[Gridlet] {
        &self.gridlets
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        let folder = self.spec.folder.as_deref().unwrap_or("the folder of the command");
        vec![
            ("compare", "exit code, files and standard output, byte by byte".to_owned()),
            ("merge", format!("its files, into {folder}")),
        ]
    }

    fn notes(&self) -> Vec<String> {
        self.spec.notes.clone()
    }

    fn program(&self) -> Option<&str> {
        match &self.spec.program {
            Program::Installed(name) => Some(name),
            Program::Staged(_) => None,
        }
    }

    fn inputs(&self) -> &[InputFile] {
        &self.spec.inputs
    }

    fn recipe(&self, _: &Gridlet, cells: &[CellId]) -> Recipe {
        let spec = &self.spec;
        let step = |&cell: &CellId| Step {
            program: spec.program.clone(),
            args: spec.args.clone(),
            env: spec.env.clone(),
            inputs: Needs::All,
            stdin: spec.stdin.clone(),
            exit: ExitRule::Result,
            folders: answer::folders(&spec.outputs),
            harvest: vec![Harvest { cell, collect: answer::collect(&spec.outputs) }],
            watch: false,
        };
        Recipe {
            steps: cells.iter().map(step).collect(),
            inputs: InputMode::Copy,
            idles: false,
            file_limit: limits::RESULT_FILE_BYTES,
        }
    }

    fn check(&self, output: &CellOutput, _: &dyn Blobs) -> Result<(), ResultError> {
        answer::check(output, &self.spec.outputs)
    }

    fn agree(&self, a: &CellOutput, b: &CellOutput, _: &dyn Blobs) -> Result<bool, ResultError> {
        Ok(answer::same(a, b))
    }

    fn answers(&self) -> Answers {
        Answers::Files(self.spec.outputs.iter().cloned().collect())
    }

    fn told<'a>(&self, output: &'a CellOutput) -> Cow<'a, CellOutput> {
        answer::told(output)
    }

    fn sample(&self, _: CellId, _: u64) -> Option<Sample> {
        None
    }

    fn matches_sample(
        &self,
        _: &Sample,
        truth: &CellOutput,
        answer: &CellOutput,
        _: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        Ok(answer::same(truth, answer))
    }

    fn merge(&self, results: &dyn Results, sink: &mut dyn Sink) -> Result<Merged, ResultError> {
        let output = results.output(CELL)?.ok_or_else(|| {
            ResultError::Io(io::Error::new(io::ErrorKind::NotFound, "no accepted answer"))
        })?;
        let mut merged = Merged { exit: output.exit, ..Merged::default() };
        for (path, file) in answer::own_files(&output) {
            if !self.is_expected(path) {
                merged.notes.push(format!(
                    "the hidden file {path} was not written, declare it as an output to get it"
                ));
                continue;
            }
            let target = match self.spec.folder.as_deref() {
                None | Some("") => path.to_owned(),
                Some(folder) => format!("{folder}/{path}"),
            };
            sink.place(&target, &file.content, file.executable)?;
            merged.files.push(target);
        }
        let missing = answer::missing(&output, &self.spec.outputs);
        if !missing.is_empty() {
            merged.notes.push(format!("the program did not write {}", missing.join(", ")));
        }
        Ok(merged)
    }

    fn preview(&self, _: &dyn Results) -> Result<Option<Preview>, ResultError> {
        Ok(None)
    }

    fn state(&self) -> Vec<u8> {
        wire::encode(&self.spec, usize::MAX).expect("plain data without a limit can be encoded")
    }
}

#[cfg(test)]
mod tests;
