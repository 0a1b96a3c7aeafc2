//! What would be done with a command: the split, what runs where, what is sent, and how results are
//! checked and joined. Nothing is run for it but what looks at inputs.

use serde::Serialize;

use outlast_types::{CellId, limits};

use crate::{
    Application, ApplicationManager, CommandLine, Gridlet, Needs, OpenError, Program, SourceFiles,
    SplitHint, Step,
};

/// Gridlets that are shown one by one.
const SHOWN_GRIDLETS: usize = 3;

/// Runs of a gridlet that are shown one by one.
const SHOWN_RUNS: usize = 3;

/// Names in a list that are shown one by one.
const SHOWN_NAMES: usize = 8;

/// A list of names of which the first are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Names {
    /// How many there are.
    pub count: usize,
    /// The first ones.
    pub first: Vec<String>,
}

/// A command, explained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    /// Which application takes it.
    pub app: String,
    /// Why this one.
    pub why: String,
    /// What the split makes of it; differs from `app` if that can't split it.
    pub run_as: String,
    /// What an atom is called.
    pub atom: String,
    /// Atoms along each axis.
    pub atoms: Vec<u64>,
    /// Cells along each axis: what is answered, voted on and accepted.
    pub cells: Vec<u64>,
    /// How many gridlets.
    pub gridlets: usize,
    /// The first of them.
    pub first: Vec<ExplainedGridlet>,
    /// Files that are staged.
    pub inputs: Names,
    /// How answers are compared, results joined and samples taken.
    pub ways: Vec<(String, String)>,
    /// What the user would be told.
    pub notes: Vec<String>,
}

/// A gridlet, explained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedGridlet {
    /// Its number.
    pub gridlet: u32,
    /// Its cells along each axis: from, and how many.
    pub cells: Vec<(u64, u64)>,
    /// Its share of the whole cost, 0 to 1.
    pub share: f64,
    /// How often a program runs for it.
    pub runs: usize,
    /// The first of its runs.
    pub first: Vec<ExplainedRun>,
}

/// A run of a program, explained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedRun {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Variables that are set for it.
    pub env: Vec<(String, String)>,
    /// The file that becomes its standard input.
    pub stdin: Option<String>,
    /// Files that it is sent.
    pub sent: Names,
    /// Cells that it answers.
    pub cells: usize,
}

impl Names {
    fn of(names: Vec<String>) -> Self {
        let count = names.len();
        Self { count, first: names.into_iter().take(SHOWN_NAMES).collect() }
    }
}

/// Explains what would be done with a command.
///
/// # Errors
/// If the application can't open it.
pub fn explain(
    application: &dyn Application,
    chosen: bool,
    command: &CommandLine,
    files: &dyn SourceFiles,
    hint: SplitHint,
) -> Result<Explained, OpenError> {
    let manager = application.open(command, files, hint)?;
    let takes = application.takes().unwrap_or_else(|| application.name().to_owned());
    let why = if chosen {
        "it was asked for by name".to_owned()
    } else {
        format!("the first that recognises it ({}); takes {takes}", application.origin())
    };
    let manager = manager.as_ref();
    let grid = manager.grid();
    let gridlets = manager.gridlets();
    let total: f64 = gridlets.iter().map(|gridlet| gridlet.cost).sum();
    let shown = gridlets.iter().take(SHOWN_GRIDLETS);
    let first = shown.map(|gridlet| explain_gridlet(manager, gridlet, total)).collect();
    let mut ways: Vec<(String, String)> =
        manager.describe().into_iter().map(|(what, how)| (what.to_owned(), how)).collect();
    let sample = match manager.sample(CellId(0), 0) {
        None => "none: replication is the only check".to_owned(),
        Some(sample) if sample.place.is_empty() => "a cell, computed here too".to_owned(),
        Some(_) => "a small part of a cell, computed here too".to_owned(),
    };
    ways.push(("samples".to_owned(), sample));
    Ok(Explained {
        app: application.name().to_owned(),
        why,
        run_as: manager.app().to_owned(),
        atom: manager.atom().to_owned(),
        atoms: grid.axes().iter().map(outlast_types::Axis::length).collect(),
        cells: grid.axes().iter().map(outlast_types::Axis::cells).collect(),
        gridlets: gridlets.len(),
        first,
        inputs: Names::of(manager.inputs().iter().map(|input| input.name.clone()).collect()),
        ways,
        notes: manager.notes(),
    })
}

fn explain_gridlet(
    manager: &dyn ApplicationManager,
    gridlet: &Gridlet,
    total: f64,
) -> ExplainedGridlet {
    let cells: Vec<CellId> =
        manager.grid().cells_in(&gridlet.cells).take(limits::GRIDLET_CELLS).collect();
    let recipe = manager.recipe(gridlet, &cells);
    let ranges = gridlet.cells.ranges.iter();
    ExplainedGridlet {
        gridlet: gridlet.id.0,
        cells: ranges.map(|range| (range.start, range.end - range.start)).collect(),
        share: if total > 0.0 { gridlet.cost / total } else { 0.0 },
        runs: recipe.steps.len(),
        first: recipe
            .steps
            .iter()
            .take(SHOWN_RUNS)
            .map(|step| explain_run(manager, step))
            .collect(),
    }
}

fn explain_run(manager: &dyn ApplicationManager, step: &Step) -> ExplainedRun {
    let program = match &step.program {
        Program::Installed(name) => name.clone(),
        Program::Staged(name) => format!("./{name}"),
    };
    let mut sent = match &step.inputs {
        Needs::All => manager.inputs().iter().map(|input| input.name.clone()).collect(),
        Needs::Only(names) => names.clone(),
    };
    let staged = match &step.program {
        Program::Staged(name) => Some(name),
        Program::Installed(_) => None,
    };
    for name in staged.into_iter().chain(&step.stdin) {
        if !sent.contains(name) {
            sent.push(name.clone());
        }
    }
    ExplainedRun {
        command: std::iter::once(program).chain(step.args.iter().cloned()).collect(),
        env: step.env.clone(),
        stdin: step.stdin.clone(),
        sent: Names::of(sent),
        cells: step.harvest.len(),
    }
}
