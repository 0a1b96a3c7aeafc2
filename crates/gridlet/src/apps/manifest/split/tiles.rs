//! `by = "tiles"`: rectangles of a picture, with a halo around each for filters that look at a
//! pixel's neighbours.
//!
//! ```text
//!   halo_x, halo_y ┌───────────────┐
//!                  │   x, y ┌────┐ │ halo_height      inner_x = x - halo_x
//!                  │        │    │ │ height           inner_y = y - halo_y
//!                  │        └────┘ │
//!                  └───────────────┘ cut off at the picture's edges
//! ```

use serde::{Deserialize, Serialize};

use outlast_types::{Axis, CellGrid, CellId, GridletId};

use super::{Cells, Cut, Opening, Pieces, Plan, usage, wanted};
use crate::apps::manifest::check::check_expr;
use crate::apps::manifest::diagnostic::Problems;
use crate::apps::manifest::expr::{Expr, Scope, Values};
use crate::apps::manifest::reader::Reader;
use crate::apps::manifest::value::{Kind, Value};
use crate::picture::MAX_PIXELS;
use crate::{Gridlet, OpenError};

/// Pixels of the smallest tile, unless the manifest says otherwise: what is worth a lease.
const SMALLEST: u64 = 4096;

/// `[split]` of this kind.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::apps::manifest) struct Tiles {
    width: Expr,
    height: Expr,
    halo: Option<Expr>,
    /// Cuts lie at multiples of this.
    align: u64,
    smallest: u64,
    /// Tiles are as wide as the picture.
    bands: bool,
}

/// A picture and how it is cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::apps::manifest) struct Picture {
    pub(in crate::apps::manifest) width: u32,
    pub(in crate::apps::manifest) height: u32,
    halo: u32,
}

/// A part of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::apps::manifest) struct Rect {
    pub(in crate::apps::manifest) x: u32,
    pub(in crate::apps::manifest) y: u32,
    pub(in crate::apps::manifest) width: u32,
    pub(in crate::apps::manifest) height: u32,
}

impl Tiles {
    pub(super) fn read(problems: &mut Problems<'_>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        for key in ["width", "height"] {
            if !reader.has(key) {
                let message = format!("[split] has no `{key}`, expected the picture's in pixels");
                problems.add(&reader.span.clone(), message);
            }
        }
        let width = reader.expression(problems, "width");
        let height = reader.expression(problems, "height");
        let halo = reader.expression(problems, "halo");
        let align = reader.integer(problems, "align", 1..1 << 16).unwrap_or(1) as u64;
        let smallest = reader.integer(problems, "smallest", 1..MAX_PIXELS as i64);
        let bands = reader.boolean(problems, "bands");
        let smallest = smallest.map_or(SMALLEST, |pixels| pixels as u64);
        Some(Self { width: width?, height: height?, halo, align, smallest, bands })
    }

    /// Steps along both axes that give about so many tiles, of those the squarest.
    fn steps(&self, width: u64, height: u64, wanted: u64) -> (u64, u64) {
        let up =
            |length: u64, parts: u64| length.div_ceil(parts.max(1)).next_multiple_of(self.align);
        let columns = if self.bands { 1..=1 } else { 1..=wanted.min(width) };
        let candidate = |columns: u64| {
            let across = if columns == 1 { width } else { up(width, columns) };
            let rows = (wanted / width.div_ceil(across)).clamp(1, height);
            let down = if rows == 1 { height } else { up(height, rows) };
            let tiles = width.div_ceil(across) * height.div_ceil(down);
            (tiles.abs_diff(wanted), across.abs_diff(down), (across, down))
        };
        columns.map(candidate).min().map_or((width, height), |(_, _, steps)| steps)
    }
}

impl Cut for Tiles {
    fn default_atom(&self) -> &'static str {
        "pixel"
    }

    fn of_atom(&self) -> Vec<(String, Kind)> {
        Vec::new()
    }

    fn of_run(&self) -> Vec<(String, Kind)> {
        NAMES.map(|name| (name.to_owned(), Kind::Integer)).to_vec()
    }

    fn suffices(&self, used: &[&str]) -> Result<(), String> {
        let has = |names: [&str; 2]| names.iter().any(|name| used.contains(name));
        let mut wants = vec![(["y", "halo_y"], "{y}"), (["height", "halo_height"], "{height}")];
        if !self.bands {
            wants.push((["x", "halo_x"], "{x}"));
            wants.push((["width", "halo_width"], "{width}"));
        }
        match wants.iter().find(|(names, _)| !has(*names)) {
            None => Ok(()),
            Some((names, shown)) => Err(format!(
                "doesn't use {shown} (or {{{}}}): tiles that differ in it would be the same",
                names[1]
            )),
        }
    }

    fn expressions(&self) -> Vec<&Expr> {
        [&self.width, &self.height].into_iter().chain(&self.halo).collect()
    }

    fn check(&self, scope: &Scope, problems: &mut Problems<'_>) {
        for (name, expr) in [("width", &self.width), ("height", &self.height)] {
            check_expr(problems, expr, scope);
            if let Some(number) = expr.as_constant()
                && (number < 1.0 || number.fract() != 0.0)
            {
                let message = format!("`{name}`: expected a whole number of pixels, at least 1");
                problems.add(&expr.span, format!("{message}, found {number}"));
            }
        }
        if let Some(halo) = &self.halo {
            check_expr(problems, halo, scope);
            if let Some(number) = halo.as_constant()
                && (number < 0.0 || number.fract() != 0.0)
            {
                let message = "`halo`: expected a whole number of pixels, at least 0";
                problems.add(&halo.span, format!("{message}, found {number}"));
            }
        }
    }

    fn plan(&self, opening: &Opening<'_>) -> Result<Plan, OpenError> {
        let side = |what: &str, expr: &Expr, least: i64| {
            let number = expr.integer(opening.values);
            let number = number.map_err(|error| usage(format!("{what}: {error}")))?;
            u32::try_from(number).ok().filter(|_| number >= least).ok_or_else(|| {
                usage(format!("{what}: expected at least {least} pixels, found {number}"))
            })
        };
        let (width, height) = (side("width", &self.width, 1)?, side("height", &self.height, 1)?);
        let halo = self.halo.as_ref().map_or(Ok(0), |halo| side("halo", halo, 0))?;
        let pixels = u64::from(width) * u64::from(height);
        if pixels > MAX_PIXELS {
            return Err(usage(format!(
                "a picture of {width} x {height} pixels, expected at most {MAX_PIXELS} in all"
            )));
        }
        let most = if opening.hint.gridlets.is_some() { pixels } else { pixels / self.smallest };
        let wanted = wanted(&opening.hint, most);
        let (across, down) = self.steps(u64::from(width), u64::from(height), wanted);
        let axes = vec![Axis::new(u64::from(height), down), Axis::new(u64::from(width), across)];
        let grid = CellGrid::new(axes).map_err(|error| usage(error.to_string()))?;
        let picture = Picture { width, height, halo };
        let gridlet = |(id, cells)| {
            let cell = CellId(id as u32);
            let cost = opening.cost.map_or_else(
                || picture.outer(&grid, cell).pixels() as f64,
                |expr| {
                    let mut values = opening.values.clone();
                    values.extend(picture.values(&grid, &[cell]));
                    expr.number(&values).unwrap_or(0.0).max(0.0)
                },
            );
            Gridlet { id: GridletId(id as u32), cells, cost }
        };
        let gridlets = grid.tiles(&[1, 1]).into_iter().enumerate().map(gridlet).collect();
        let pieces = Pieces::Tiles(picture.clone());
        Ok(Plan { gridlets, grid, pieces, inputs: Vec::new(), notes: Vec::new() })
    }
}

/// Variables of a tile.
const NAMES: [&str; 11] = [
    "x",
    "y",
    "width",
    "height",
    "halo_x",
    "halo_y",
    "halo_width",
    "halo_height",
    "inner_x",
    "inner_y",
    "piece",
];

impl Rect {
    pub(in crate::apps::manifest) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

impl Picture {
    /// The tile of a cell.
    pub(in crate::apps::manifest) fn tile(&self, grid: &CellGrid, cell: CellId) -> Rect {
        let atoms = grid.atoms_of(cell);
        let (rows, columns) = (&atoms.ranges[0], &atoms.ranges[1]);
        Rect {
            x: columns.start as u32,
            y: rows.start as u32,
            width: (columns.end - columns.start) as u32,
            height: (rows.end - rows.start) as u32,
        }
    }

    /// With its halo, as far as the picture goes.
    pub(in crate::apps::manifest) fn halo(&self, tile: Rect) -> Rect {
        let grow = |start: u32, length: u32, all: u32| {
            let first = start.saturating_sub(self.halo);
            (first, (start + length).saturating_add(self.halo).min(all) - first)
        };
        let (x, width) = grow(tile.x, tile.width, self.width);
        let (y, height) = grow(tile.y, tile.height, self.height);
        Rect { x, y, width, height }
    }

    fn outer(&self, grid: &CellGrid, cell: CellId) -> Rect {
        self.halo(self.tile(grid, cell))
    }

    /// Variables of a run that makes this rectangle.
    pub(in crate::apps::manifest) fn values_of(&self, tile: Rect, piece: i64) -> Values {
        let outer = self.halo(tile);
        let numbers = [
            tile.x,
            tile.y,
            tile.width,
            tile.height,
            outer.x,
            outer.y,
            outer.width,
            outer.height,
            tile.x - outer.x,
            tile.y - outer.y,
        ];
        let numbers = numbers.map(i64::from).into_iter().chain([piece]);
        let value = |(name, number): (&str, i64)| (name.to_owned(), Value::Integer(number));
        NAMES.into_iter().zip(numbers).map(value).collect()
    }
}

impl Cells for Picture {
    fn values(&self, grid: &CellGrid, cells: &[CellId]) -> Values {
        let Some(cell) = cells.first() else { return Values::new() };
        self.values_of(self.tile(grid, *cell), i64::from(cell.0))
    }
}
