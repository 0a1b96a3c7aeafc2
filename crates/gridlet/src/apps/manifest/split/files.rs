//! `by = "files"`: each input file is an atom. A gridlet is sent its own files and no others.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use outlast_types::{Axis, CellGrid, CellId, limits};

use super::{Cells, Cut, Opening, Pieces, Plan, in_a_row, usage, wanted};
use crate::OpenError;
use crate::apps::manifest::check::check_variable;
use crate::apps::manifest::diagnostic::Problems;
use crate::apps::manifest::expr::{Scope, Values, unknown};
use crate::apps::manifest::model::Covers;
use crate::apps::manifest::reader::{Reader, Text};
use crate::apps::manifest::value::{Kind, Value};

/// Bytes that a file counts for besides its own: starting a program takes time, too.
const EACH: f64 = 65_536.0;

/// `[split]` of this kind.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::apps::manifest) struct Files {
    /// The variable with the list.
    of: Text,
    /// The variable of one file.
    variable: String,
    /// Files of a gridlet at most.
    most: Option<u64>,
    /// Bytes of a gridlet at most, unless one file has more.
    most_bytes: Option<u64>,
}

/// Files of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::apps::manifest) struct Names {
    list: String,
    variable: String,
    names: Vec<String>,
    sizes: Vec<u64>,
}

impl Files {
    pub(super) fn read(problems: &mut Problems<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let of = reader.required(problems, "of", "the variable with the input files");
        let variable = reader.text(problems, "variable");
        if let Some(name) = &variable {
            check_variable(problems, name);
        }
        let variable = variable.map_or_else(|| "input".to_owned(), |name| name.text);
        let most = reader.integer(problems, "gridlet-files", 1..limits::GRIDLET_CELLS as i64 + 1);
        let bytes = reader.integer(problems, "gridlet-bytes", 1..i64::MAX);
        Some(Self {
            of: of?,
            variable,
            most: most.map(|most| most as u64),
            most_bytes: bytes.map(|bytes| bytes as u64),
        })
    }
}

impl Cut for Files {
    fn default_atom(&self) -> &'static str {
        "file"
    }

    fn of_atom(&self) -> Vec<(String, Kind)> {
        vec![(self.variable.clone(), Kind::Path), ("bytes".to_owned(), Kind::Integer)]
    }

    fn of_run(&self) -> Vec<(String, Kind)> {
        let integer = |name: &str| (name.to_owned(), Kind::Integer);
        vec![(self.of.text.clone(), Kind::Words), integer("count"), integer("piece")]
    }

    fn suffices(&self, used: &[&str]) -> Result<(), String> {
        if used.contains(&self.of.text.as_str()) {
            return Ok(());
        }
        Err(format!(
            "uses neither {{{}}} nor {{{}}}: every run would do the same work",
            self.variable, self.of.text
        ))
    }

    fn check(&self, scope: &Scope, problems: &mut Problems<'_>) {
        match scope.get(&self.of.text) {
            Some(Kind::Words) => {}
            Some(kind) => problems.add(
                &self.of.span,
                format!("`of`: expected a list of files, `{}` is {}", self.of.text, kind.name()),
            ),
            None => problems.add(&self.of.span, unknown(scope, &self.of.text)),
        }
    }

    fn plan(&self, opening: &Opening<'_>) -> Result<Plan, OpenError> {
        let names = opening.values.get(&self.of.text).map(Value::words).unwrap_or_default();
        if names.is_empty() {
            return Err(usage(format!("no input files, expected {} to name some", self.of.text)));
        }
        let mut seen = BTreeSet::new();
        if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(usage(format!("`{name}` is named twice, expected each file once")));
        }
        let size = |name: &String| {
            let error = |source| OpenError::Input { path: name.clone(), source };
            opening.files.size(name).map_err(error)
        };
        let sizes: Vec<u64> = names.iter().map(size).collect::<Result<_, _>>()?;
        let count = names.len() as u64;
        let mut wanted = wanted(&opening.hint, count);
        if let Some(most) = self.most_bytes {
            let bytes: u64 = sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(*size));
            wanted = wanted.max(bytes.div_ceil(most)).min(count);
        }
        let most = self.most.unwrap_or(limits::GRIDLET_CELLS as u64);
        let each = match opening.covers {
            Covers::Piece => count.div_ceil(wanted).min(most),
            Covers::Atom | Covers::Atoms => 1,
        };
        let grid = CellGrid::new(vec![Axis::new(count, each)])
            .map_err(|error| usage(error.to_string()))?;
        let names =
            Names { list: self.of.text.clone(), variable: self.variable.clone(), names, sizes };
        let mut others = opening.values.clone();
        others.remove(&names.list);
        let of_file = |file: usize| {
            let bytes = names.sizes[file];
            let Some(expr) = opening.cost else { return bytes as f64 + EACH };
            let mut values = others.clone();
            names.describe(file, &mut values);
            expr.number(&values).unwrap_or(0.0)
        };
        let cost = |cell: u64| {
            let atoms = grid.axes()[0].atoms(cell);
            atoms.map(|atom| of_file(atom as usize)).sum()
        };
        let cells = grid.axes()[0].cells();
        let most = if opening.covers == Covers::Piece { 1 } else { most };
        let gridlets = in_a_row(cells, wanted, most, cost);
        let pieces = Pieces::Files(names.clone());
        Ok(Plan { gridlets, grid: grid.clone(), pieces, inputs: Vec::new(), notes: Vec::new() })
    }
}

impl Names {
    fn describe(&self, file: usize, values: &mut Values) {
        values.insert(self.variable.clone(), Value::Text(self.names[file].clone()));
        let bytes = i64::try_from(self.sizes[file]).unwrap_or(i64::MAX);
        values.insert("bytes".to_owned(), Value::Integer(bytes));
    }

    fn of(&self, grid: &CellGrid, cells: &[CellId]) -> Vec<usize> {
        let axis = &grid.axes()[0];
        let atoms = cells.iter().flat_map(|cell| axis.atoms(u64::from(cell.0)));
        atoms.map(|atom| atom as usize).collect()
    }
}

impl Cells for Names {
    fn values(&self, grid: &CellGrid, cells: &[CellId]) -> Values {
        let files = self.of(grid, cells);
        let mut values = Values::new();
        if let [file] = files.as_slice() {
            self.describe(*file, &mut values);
        }
        let piece = cells.first().map_or(0, |cell| i64::from(cell.0));
        values.insert("piece".to_owned(), Value::Integer(piece));
        values.insert("count".to_owned(), Value::Integer(files.len() as i64));
        let names = files.iter().map(|file| self.names[*file].clone()).collect();
        values.insert(self.list.clone(), Value::Texts(names));
        values
    }

    fn needs(&self, grid: &CellGrid, cells: &[CellId]) -> Vec<String> {
        self.of(grid, cells).into_iter().map(|file| self.names[file].clone()).collect()
    }

    fn owned(&self) -> &[String] {
        &self.names
    }
}
