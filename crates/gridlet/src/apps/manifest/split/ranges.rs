//! `by = "ranges"`: whole numbers from … to …, such as frames of an animation.

use serde::{Deserialize, Serialize};

use outlast_types::{Axis, CellGrid, CellId, limits};

use super::{Cells, Cut, Opening, Pieces, Plan, WEIGHED, in_a_row, usage, wanted};
use crate::OpenError;
use crate::apps::manifest::check::{check_expr, check_variable};
use crate::apps::manifest::diagnostic::Problems;
use crate::apps::manifest::expr::{Expr, Scope, Values};
use crate::apps::manifest::model::Covers;
use crate::apps::manifest::reader::Reader;
use crate::apps::manifest::value::{Kind, Value};

/// `[split]` of this kind.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::apps::manifest) struct Ranges {
    from: Expr,
    /// Included.
    to: Expr,
    step: Expr,
    variable: String,
    /// Atoms of a piece at most.
    piece: Option<Expr>,
}

/// Numbers of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::apps::manifest) struct Numbers {
    from: i64,
    step: i64,
    variable: String,
}

impl Ranges {
    pub(super) fn read(problems: &mut Problems<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        for key in ["from", "to"] {
            if !reader.has(key) {
                let message = format!("[split] has no `{key}`, expected a number or an expression");
                problems.add(&reader.span.clone(), message);
            }
        }
        let from = reader.expression(problems, "from");
        let to = reader.expression(problems, "to");
        let span = reader.span.clone();
        let step = if reader.has("step") {
            reader.expression(problems, "step")
        } else {
            Some(Expr::constant(1.0, span))
        };
        let piece = reader.expression(problems, "piece");
        let variable = reader.text(problems, "variable");
        if let Some(name) = &variable {
            check_variable(problems, name);
        }
        let variable = variable.map_or_else(|| "n".to_owned(), |name| name.text);
        Some(Self { from: from?, to: to?, step: step?, variable, piece })
    }
}

impl Cut for Ranges {
    fn default_atom(&self) -> &'static str {
        "number"
    }

    fn of_atom(&self) -> Vec<(String, Kind)> {
        vec![(self.variable.clone(), Kind::Integer)]
    }

    fn of_run(&self) -> Vec<(String, Kind)> {
        ["first", "last", "step", "count", "piece"].map(|n| (n.to_owned(), Kind::Integer)).to_vec()
    }

    fn suffices(&self, used: &[&str]) -> Result<(), String> {
        let has = |name| used.contains(&name);
        match (has("first"), has("last") || has("count")) {
            (true, true) => Ok(()),
            (true, false) => Err("uses {first} but neither {last} nor {count}: every run would \
                                  go on to the end, and do the work of the next ones too"
                .to_owned()),
            (false, true) => Err("uses {last} or {count} but not {first}: every run would begin \
                                  at the beginning, and do the work of the others too"
                .to_owned()),
            (false, false) => Err(format!(
                "uses neither {{{}}} nor {{first}} and {{last}}: every run would do the same work",
                self.variable
            )),
        }
    }

    fn expressions(&self) -> Vec<&Expr> {
        [&self.from, &self.to, &self.step].into_iter().chain(&self.piece).collect()
    }

    fn check(&self, scope: &Scope, problems: &mut Problems<'_>) {
        for expr in [Some(&self.from), Some(&self.to), Some(&self.step), self.piece.as_ref()]
            .into_iter()
            .flatten()
        {
            check_expr(problems, expr, scope);
        }
        let integer = |expr: &Expr, problems: &mut Problems<'_>| {
            let number = expr.as_constant()?;
            if number.fract() != 0.0 {
                problems.add(&expr.span, format!("expected a whole number, found {number}"));
            }
            Some(number)
        };
        let (from, to) = (integer(&self.from, problems), integer(&self.to, problems));
        let step = integer(&self.step, problems);
        if step == Some(0.0) {
            let message = "a step of 0 never gets anywhere, expected another number";
            problems.add(&self.step.span, message);
        }
        if let (Some(from), Some(to), Some(step)) = (from, to, step)
            && (to - from) * step < 0.0
        {
            let message = format!("from {from} to {to} in steps of {step} is nothing at all");
            problems.add(&self.to.span, message);
        }
        if let Some(piece) = self.piece.as_ref().and_then(Expr::as_constant)
            && piece < 1.0
        {
            let place = &self.piece.as_ref().map_or(0..0, |piece| piece.span.clone());
            problems.add(place, format!("`piece`: expected at least 1, found {piece}"));
        }
    }

    fn plan(&self, opening: &Opening<'_>) -> Result<Plan, OpenError> {
        let values = opening.values;
        let number = |what: &str, expr: &Expr| {
            expr.integer(values).map_err(|error| usage(format!("{what}: {error}")))
        };
        let (from, to) = (number("from", &self.from)?, number("to", &self.to)?);
        let step = number("step", &self.step)?;
        if step == 0 {
            return Err(usage(format!("step: `{}` is 0, expected another number", self.step.text)));
        }
        let span = i128::from(to) - i128::from(from);
        let count = span / i128::from(step) + 1;
        if span * i128::from(step) < 0 || count > i128::from(u64::MAX >> 1) {
            return Err(usage(format!("from {from} to {to} in steps of {step}: nothing to do")));
        }
        let count = count as u64;
        let wanted = wanted(&opening.hint, count);
        let mut each = 1;
        if opening.covers == Covers::Piece {
            each = count.div_ceil(wanted);
            if let Some(piece) = &self.piece {
                let most = number("piece", piece)?;
                each = each.min(u64::try_from(most).unwrap_or(0).max(1));
            }
        }
        let grid = CellGrid::new(vec![Axis::new(count, each)])
            .map_err(|error| usage(error.to_string()))?;
        let numbers = Numbers { from, step, variable: self.variable.clone() };
        let cost = |cell: u64| {
            let atoms = grid.axes()[0].atoms(cell);
            let expr = opening.cost.filter(|_| count <= WEIGHED);
            let Some(expr) = expr else { return (atoms.end - atoms.start) as f64 };
            let mut values = values.clone();
            atoms
                .map(|atom| {
                    values.insert(self.variable.clone(), Value::Integer(numbers.at(atom)));
                    expr.number(&values).unwrap_or(0.0)
                })
                .sum()
        };
        let gridlets = in_a_row(grid.axes()[0].cells(), wanted, limits::GRIDLET_CELLS as u64, cost);
        let pieces = Pieces::Ranges(numbers.clone());
        Ok(Plan { gridlets, grid: grid.clone(), pieces, inputs: Vec::new(), notes: Vec::new() })
    }
}

impl Numbers {
    fn at(&self, atom: u64) -> i64 {
        // Fits: `plan` has counted from one end to the other in an i64.
        self.from.wrapping_add((atom as i64).wrapping_mul(self.step))
    }
}

impl Cells for Numbers {
    fn values(&self, grid: &CellGrid, cells: &[CellId]) -> Values {
        let axis = &grid.axes()[0];
        let (Some(first), Some(last)) = (cells.first(), cells.last()) else {
            return Values::new();
        };
        let (start, end) =
            (axis.atoms(u64::from(first.0)).start, axis.atoms(u64::from(last.0)).end);
        let count = end - start;
        let mut values: Values = [
            ("first", self.at(start)),
            ("last", self.at(end - 1)),
            ("step", self.step),
            ("count", count as i64),
            ("piece", i64::from(first.0)),
        ]
        .map(|(name, number)| (name.to_owned(), Value::Integer(number)))
        .into();
        if count == 1 {
            values.insert(self.variable.clone(), Value::Integer(self.at(start)));
        }
        values
    }
}
