//! `sweep`: any command, once for each point of a grid of parameters.
//!
//! `outlast run --param a=1..3 --param b=x,y -- ./model --alpha {a} --beta {b}` is six runs. Each
//! parameter is an axis of the job, in the order given, the last one running fastest; an atom is a
//! run, and so is a cell. How values are written: see the table in `sweep/values.rs`.
//!
//! - Placeholders stand in arguments, in values of variables, in the name of standard input and in
//!   those of outputs; `{n}` is the number of the run, counted from 0 and padded, so that names sort.
//!   Each parameter has to be used, the program's own name is fixed.
//! - Files that arguments name (by themselves or after a `=`) are staged if they lie in the folder
//!   of the command; an argument with placeholders is looked at for each of its values, up to
//!   [`LOOKED_AT`] of them. Runs get their inputs as links, or with `--set inputs=copy` as files
//!   that they may change.
//! - An answer is an exit code, whatever it is, with standard output and the outputs: those that
//!   were declared, otherwise all that the run created. Standard error is kept but not compared.
//! - The output is a folder (default [`FOLDER`]) with a folder for each run that wrote anything, and
//!   `manifest.csv` and `manifest.json` for all.
//!
//! Nothing is kept for a single run: its values are computed from its number, so that a million runs take no more
//! memory than their gridlets.

mod cut;
mod merge;
mod spec;
mod template;
mod values;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use outlast_types::{CellGrid, CellId, limits, wire};

use self::spec::{Spec, grid_of};
use super::answer;
use crate::{
    Answers, Application, ApplicationManager, Blobs, CellOutput, CommandLine, ExitRule, Gridlet,
    Harvest, InputFile, Merged, Needs, OpenError, Preview, Program, Recipe, ResultError, Results,
    Sample, Sink, SourceFiles, SplitHint, Step,
};

/// Where results go if the command does not say.
pub const FOLDER: &str = "sweep-results";

/// Gridlets for each slot of the grid: enough for slow and fast nodes to finish together, few
/// enough that a short run does not pay for a lease of its own.
pub const GRIDLETS_PER_SLOT: u64 = 64;

/// Gridlets of a job that are aimed at, at most. Bounds the coordinator's memory and scheduling.
pub const GRIDLETS: u64 = 1 << 16;

/// Values of one argument with placeholders for which input files are looked for.
pub const LOOKED_AT: u64 = 4096;

/// Recognises commands with parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sweep;

impl Application for Sweep {
    fn name(&self) -> &str {
        "sweep"
    }

    fn recognises(&self, command: &CommandLine) -> bool {
        !command.params.is_empty()
    }

    fn takes(&self) -> Option<String> {
        Some("any command with --param".to_owned())
    }

    fn open(
        &self,
        command: &CommandLine,
        files: &dyn SourceFiles,
        hint: SplitHint,
    ) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        Ok(Arc::new(Manager::new(Spec::open(command, files, hint)?)?))
    }

    fn restore(&self, state: &[u8]) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        let spec: Spec =
            wire::decode(state, usize::MAX).map_err(|error| OpenError::State(error.to_string()))?;
        let manager = Manager::new(spec).map_err(|error| match error {
            OpenError::State(_) => error,
            other => OpenError::State(other.to_string()),
        })?;
        Ok(Arc::new(manager))
    }
}

struct Manager {
    spec: Spec,
    grid: CellGrid,
    gridlets: Vec<Gridlet>,
}

impl Manager {
    /// # Errors
    /// Only if the state is not what [`Spec::open`] made.
    fn new(spec: Spec) -> Result<Self, OpenError> {
        let grid = grid_of(&spec.parameters)?;
        let axes = spec.parameters.len();
        let outputs = spec.outputs.iter().chain(&spec.args).chain(&spec.stdin);
        let mut templates = outputs.chain(spec.env.iter().map(|(_, value)| value));
        let fit = spec.pieces.len() == axes
            && spec.pieces.iter().zip(grid.axes()).all(|(p, axis)| (1..=axis.cells()).contains(p))
            && spec.pieces.iter().fold(1, |n: u64, p| n.saturating_mul(*p)) <= 2 * GRIDLETS
            && templates.all(|template| template.fits(axes));
        if !fit {
            return Err(OpenError::State("its parts do not belong together".to_owned()));
        }
        let gridlets = cut::boxes(&grid, &spec.pieces);
        Ok(Self { spec, grid, gridlets })
    }

    fn step(&self, cell: CellId) -> Step {
        let spec = &self.spec;
        let run = spec.run(&self.grid, cell);
        let outputs = spec.outputs_of(&run);
        Step {
            program: spec.program.clone(),
            args: spec.args.iter().map(|word| word.render(&run)).collect(),
            env: spec.env.iter().map(|(name, value)| (name.clone(), value.render(&run))).collect(),
            inputs: Needs::All,
            stdin: spec.stdin.as_ref().map(|name| name.render(&run)),
            exit: ExitRule::Result,
            folders: answer::folders(&outputs),
            harvest: vec![Harvest { cell, collect: answer::collect(&outputs) }],
            watch: false,
        }
    }

    fn outputs(&self, cell: CellId) -> BTreeSet<String> {
        if self.spec.outputs.is_empty() {
            return BTreeSet::new();
        }
        self.spec.outputs_of(&self.spec.run(&self.grid, cell))
    }
}

impl ApplicationManager for Manager {
    fn app(&self) -> &str {
        Sweep.name()
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
        let folder = if self.spec.folder.is_empty() { "." } else { &self.spec.folder };
        vec![
            ("compare", "exit code, files and standard output, byte by byte".to_owned()),
            ("merge", format!("a folder for each run, below {folder}")),
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
        Recipe {
            steps: cells.iter().map(|&cell| self.step(cell)).collect(),
            inputs: self.spec.mode,
            idles: false,
            file_limit: limits::RESULT_FILE_BYTES,
        }
    }

    fn check(&self, output: &CellOutput, _: &dyn Blobs) -> Result<(), ResultError> {
        answer::check(output, &self.outputs(output.cell))
    }

    fn agree(&self, a: &CellOutput, b: &CellOutput, _: &dyn Blobs) -> Result<bool, ResultError> {
        Ok(answer::same(a, b))
    }

    fn answers(&self) -> Answers {
        Answers::Files(self.outputs(CellId(0)).into_iter().collect())
    }

    fn told<'a>(&self, output: &'a CellOutput) -> Cow<'a, CellOutput> {
        answer::told(output)
    }

    fn sample(&self, cell: CellId, _: u64) -> Option<Sample> {
        // Nothing smaller than a run, but a run is a small part of the job.
        let sample = || Sample { cell, place: Vec::new(), step: self.step(cell) };
        self.spec.samples.then(sample)
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
        merge::merge(self, results, sink)
    }

    fn preview(&self, results: &dyn Results) -> Result<Option<Preview>, ResultError> {
        merge::preview(self, results).map(Some)
    }

    fn state(&self) -> Vec<u8> {
        wire::encode(&self.spec, usize::MAX).expect("plain data without a limit can be encoded")
    }
}

#[cfg(test)]
mod tests;
