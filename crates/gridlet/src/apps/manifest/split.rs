//! How the work is cut: one module for each value of `[split] by`.
//!
//! ```text
//!  [split] ──Cut──▶ which variables there are ──check──▶ Covers (what a run answers)
//!  values of a command, files ──Cut::plan──▶ Plan: cells, gridlets, Pieces
//!  Pieces ──values(cells)──▶ variables of a run      ──needs(cells)──▶ its own files
//! ```
//!
//! To add one: a module with a type that reads its table and implements [`Cut`], a type of
//! [`Pieces`] that is saved with the job, and a line in each `match` below.

mod files;
mod ranges;
mod tiles;
mod time;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use outlast_types::{CellGrid, CellId, GridletId, Region, limits};

use super::diagnostic::Problems;
use super::expr::{Expr, Scope, Values};
use super::model::Covers;
use super::reader::Reader;
use super::template::Template;
use super::value::Kind;
use crate::{Gridlet, InputFile, OpenError, SourceFiles, SplitHint};

pub(super) use tiles::{Rect, Tiles};

/// Gridlets for each slot: enough that slow workers hold nobody up at the end.
const PER_SLOT: u64 = 4;

/// Gridlets of one job, whatever is asked for: what a coordinator handles without noticing.
pub(super) const MOST: u64 = 1 << 14;

/// Atoms whose cost is looked at one by one.
const WEIGHED: u64 = 1 << 20;

/// `[split]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Split {
    /// A range of whole numbers.
    Ranges(ranges::Ranges),
    /// Each input file is an atom.
    Files(files::Files),
    /// Rectangles of a picture.
    Tiles(Tiles),
    /// A film, between key frames.
    Time(Box<time::Time>),
}

/// What there is when a command is cut.
pub(super) struct Opening<'a> {
    /// All variables of the command.
    pub(super) values: &'a Values,
    pub(super) files: &'a dyn SourceFiles,
    pub(super) hint: SplitHint,
    pub(super) covers: Covers,
    /// `[gridlet] cost`.
    pub(super) cost: Option<&'a Expr>,
}

/// A command, cut.
pub(super) struct Plan {
    pub(super) grid: CellGrid,
    pub(super) gridlets: Vec<Gridlet>,
    pub(super) pieces: Pieces,
    /// Files to stage besides those that the command names, such as prepared ones.
    pub(super) inputs: Vec<InputFile>,
    /// For the user.
    pub(super) notes: Vec<String>,
}

/// What is saved of a plan, to know again what a cell is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Pieces {
    /// Numbers.
    Ranges(ranges::Numbers),
    /// Files.
    Files(files::Names),
    /// Rectangles.
    Tiles(tiles::Picture),
    /// Parts of a film.
    Time(time::Film),
}

/// Why there is no plan.
pub(super) enum Uncut {
    /// The command runs as it is, as one gridlet; why.
    Whole(String),
    /// The command can't be run.
    Wrong(OpenError),
}

/// A way to cut.
pub(super) trait Cut {
    /// What an atom is called if the manifest doesn't say.
    fn default_atom(&self) -> &'static str;

    /// Variables that differ from atom to atom: a command that uses one is run for each atom.
    fn of_atom(&self) -> Vec<(String, Kind)>;

    /// Variables of several atoms that follow each other.
    fn of_run(&self) -> Vec<(String, Kind)>;

    /// Whether a command that uses these variables of [`Cut::of_run`] does its part of the work,
    /// and no more.
    ///
    /// # Errors
    /// What is missing.
    fn suffices(&self, used: &[&str]) -> Result<(), String>;

    /// Its expressions, which need a value for every variable in them.
    fn expressions(&self) -> Vec<&Expr> {
        Vec::new()
    }

    /// Checks its own expressions; `scope` has the command's variables.
    fn check(&self, scope: &Scope, problems: &mut Problems<'_>);

    /// Cuts.
    ///
    /// # Errors
    /// [`OpenError::Usage`] if the command asks for work that can't be cut.
    fn plan(&self, opening: &Opening<'_>) -> Result<Plan, OpenError>;

    /// Cuts, or finds out that the work can't be cut.
    ///
    /// # Errors
    /// What becomes of the command instead.
    fn try_plan(&self, opening: &Opening<'_>) -> Result<Plan, Uncut> {
        self.plan(opening).map_err(Uncut::Wrong)
    }

    /// Variables that the merge has besides the command's, known once the work is cut.
    fn of_whole(&self) -> Vec<(String, Kind)> {
        Vec::new()
    }

    /// What is run for [other](Cells::is_other) cells instead of `[gridlet] run`.
    fn other(&self) -> &[Template] {
        &[]
    }
}

/// A way to know cells again.
pub(super) trait Cells {
    /// Variables of a run that answers these cells (ascending, at least one): those of an atom if
    /// there is just one atom, and those of a run.
    fn values(&self, grid: &CellGrid, cells: &[CellId]) -> Values;

    /// Input files that belong to these cells and no others, by their names at the worker.
    fn needs(&self, _grid: &CellGrid, _cells: &[CellId]) -> Vec<String> {
        Vec::new()
    }

    /// Files of the command that belong to single cells: what [`Cells::needs`] gives for all.
    fn owned(&self) -> &[String] {
        &[]
    }

    /// Whether these cells are of another kind, with a command of their own ([`Cut::other`]).
    fn is_other(&self, _cells: &[CellId]) -> bool {
        false
    }

    /// Values of [`Cut::of_whole`].
    fn whole(&self) -> Values {
        Values::new()
    }
}

impl Split {
    /// Reads `[split]`.
    pub(super) fn read(problems: &mut Problems<'_>, mut reader: Reader<'_, '_>) -> Option<Self> {
        let choices = [("ranges", 0), ("files", 1), ("tiles", 2), ("time", 3)];
        if !reader.has("by") {
            let message = "[split] has no `by`, expected one of ranges, files, tiles, time";
            problems.add(&reader.span.clone(), message);
        }
        let by = reader.choice(problems, "by", &choices)?;
        let split = match by {
            0 => ranges::Ranges::read(problems, &mut reader).map(Self::Ranges),
            1 => files::Files::read(problems, &mut reader).map(Self::Files),
            2 => Tiles::read(problems, &mut reader).map(Self::Tiles),
            _ => time::Time::read(problems, &mut reader).map(|time| Self::Time(Box::new(time))),
        };
        reader.finish(problems);
        split
    }

    fn cut(&self) -> &dyn Cut {
        match self {
            Self::Ranges(ranges) => ranges,
            Self::Files(files) => files,
            Self::Tiles(tiles) => tiles,
            Self::Time(time) => time.as_ref(),
        }
    }
}

impl Cut for Split {
    fn default_atom(&self) -> &'static str {
        self.cut().default_atom()
    }

    fn of_atom(&self) -> Vec<(String, Kind)> {
        self.cut().of_atom()
    }

    fn of_run(&self) -> Vec<(String, Kind)> {
        self.cut().of_run()
    }

    fn suffices(&self, used: &[&str]) -> Result<(), String> {
        self.cut().suffices(used)
    }

    fn expressions(&self) -> Vec<&Expr> {
        self.cut().expressions()
    }

    fn check(&self, scope: &Scope, problems: &mut Problems<'_>) {
        self.cut().check(scope, problems);
    }

    fn plan(&self, opening: &Opening<'_>) -> Result<Plan, OpenError> {
        self.cut().plan(opening)
    }

    fn try_plan(&self, opening: &Opening<'_>) -> Result<Plan, Uncut> {
        self.cut().try_plan(opening)
    }

    fn of_whole(&self) -> Vec<(String, Kind)> {
        self.cut().of_whole()
    }

    fn other(&self) -> &[Template] {
        self.cut().other()
    }
}

impl Pieces {
    fn cells(&self) -> &dyn Cells {
        match self {
            Self::Ranges(numbers) => numbers,
            Self::Files(names) => names,
            Self::Tiles(picture) => picture,
            Self::Time(film) => film,
        }
    }
}

impl Cells for Pieces {
    fn values(&self, grid: &CellGrid, cells: &[CellId]) -> Values {
        self.cells().values(grid, cells)
    }

    fn needs(&self, grid: &CellGrid, cells: &[CellId]) -> Vec<String> {
        self.cells().needs(grid, cells)
    }

    fn owned(&self) -> &[String] {
        self.cells().owned()
    }

    fn is_other(&self, cells: &[CellId]) -> bool {
        self.cells().is_other(cells)
    }

    fn whole(&self) -> Values {
        self.cells().whole()
    }
}

/// A command that can't be run.
pub(super) fn usage(message: impl Into<String>) -> OpenError {
    OpenError::Usage(message.into())
}

/// How many gridlets to aim at for so many atoms.
pub(super) fn wanted(hint: &SplitHint, atoms: u64) -> u64 {
    let asked = hint.gridlets.map(u64::from);
    let wanted = asked.unwrap_or(u64::from(hint.slots).saturating_mul(PER_SLOT));
    wanted.clamp(1, MOST).min(atoms.max(1))
}

/// Gridlets of cells in a row, each cell of this cost, about `wanted` of them with about the same
/// cost, none with more than `most` cells. Costs that are negative or no numbers count as nothing.
pub(super) fn in_a_row(
    cells: u64,
    wanted: u64,
    most: u64,
    cost: impl Fn(u64) -> f64,
) -> Vec<Gridlet> {
    let cost = |cell: u64| cost(cell).clamp(0.0, 1e300);
    let most = most.clamp(1, limits::GRIDLET_CELLS as u64);
    let mut gridlets: Vec<Gridlet> = Vec::new();
    let mut push = |range: Range<u64>, cost: f64| {
        let id = GridletId(gridlets.len() as u32);
        gridlets.push(Gridlet { id, cells: Region::new(vec![range]), cost });
    };
    if cells > WEIGHED {
        let each = cells.div_ceil(wanted.max(1)).min(most);
        for first in (0..cells).step_by(each as usize) {
            let end = (first + each).min(cells);
            push(first..end, (end - first) as f64);
        }
        return gridlets;
    }
    let total: f64 = (0..cells).map(cost).sum();
    // Without any cost they count alike.
    let cost = |cell: u64| if total > 0.0 { cost(cell) } else { 1.0 };
    let total = if total > 0.0 { total } else { cells as f64 };
    let (mut first, mut sum, mut before) = (0, 0.0, 0.0);
    let mut made = 0;
    for cell in 0..cells {
        let own = cost(cell);
        // A cell goes where its middle lies.
        let boundary = total * (made + 1) as f64 / wanted.max(1) as f64;
        let full = cell - first >= most || before + sum + own / 2.0 > boundary;
        if cell > first && full {
            push(first..cell, sum);
            before += sum;
            (first, sum) = (cell, 0.0);
            made += 1;
            while made + 1 < wanted && total * (made + 1) as f64 / wanted as f64 <= before {
                made += 1;
            }
        }
        sum += own;
    }
    if cells > first {
        push(first..cells, sum);
    }
    gridlets
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn gridlets_in_a_row_cover_every_cell_once(
            costs in proptest::collection::vec(0.0f64..100.0, 1..200),
            wanted in 1u64..50,
            most in 1u64..100,
        ) {
            let cells = costs.len() as u64;
            let gridlets = in_a_row(cells, wanted, most, |cell| costs[cell as usize]);
            let mut next = 0;
            for (id, gridlet) in gridlets.iter().enumerate() {
                let range = gridlet.cells.ranges[0].clone();
                proptest::prop_assert_eq!(gridlet.id.0 as usize, id);
                proptest::prop_assert_eq!(range.start, next);
                proptest::prop_assert!(range.end > range.start && range.end - range.start <= most);
                next = range.end;
            }
            proptest::prop_assert_eq!(next, cells);
            let room = wanted + cells.div_ceil(most);
            proptest::prop_assert!(gridlets.len() as u64 <= room, "{} of {wanted}", gridlets.len());
        }
    }

    #[test]
    fn equal_costs_give_the_number_that_is_wanted() {
        for wanted in [1, 2, 3, 7, 10] {
            assert_eq!(in_a_row(10, wanted, 4096, |_| 1.0).len() as u64, wanted);
        }
        let uneven = in_a_row(4, 2, 4096, |cell| if cell == 0 { 9.0 } else { 1.0 });
        assert_eq!(uneven[0].cells.ranges[0], 0..1);
        assert_eq!(uneven.len(), 2);
    }
}
