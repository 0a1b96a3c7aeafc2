//! A command, taken apart: everything that is needed to write the command lines of gridlets and to judge and join
//! what comes back. It is what a job's record keeps.

use serde::{Deserialize, Serialize};

use outlast_types::{CellGrid, CellId};

use super::options::{Reader, Settings, usage};
use super::target::{self, Area, Frames};
use super::{scene, split};
use crate::apps::staging;
use crate::picture::{Format, Shape};
use crate::{
    Collect, CommandLine, ExitRule, Gridlet, Harvest, InputFile, InputMode, Needs, OpenError,
    Program, Recipe, SourceFiles, SplitHint, Step,
};

/// What the picture is called in a step's folder, without its ending.
const OUT: &str = "outlast-out";

/// Pixels a side of the blocks that POV-Ray renders in.
const RASTER: i64 = 32;

/// Options that a worker's own start-up file must not decide, with POV-Ray's defaults.
const DEFAULTS: [(&str, &str); 4] =
    [("Antialias", "off"), ("Dither", "off"), ("Quality", "9"), ("Bounding", "on")];

/// The same for anti-aliasing, if it is on.
const ANTIALIAS: [(&str, &str); 5] = [
    ("Antialias_Threshold", "0.3"),
    ("Antialias_Depth", "3"),
    ("Sampling_Method", "1"),
    ("Jitter", "on"),
    ("Jitter_Amount", "1"),
];

/// One thread, for runs that can be repeated; nobody to look; and of all that POV-Ray says only what goes wrong.
const QUIET: [&str; 8] = [
    "Work_Threads=1",
    "Display=off",
    "Pause_When_Done=off",
    "Continue_Trace=off",
    "Verbose=off",
    "Debug_Console=off",
    "Render_Console=off",
    "Statistic_Console=off",
];

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The program's name.
    pub program: String,
    /// What all command lines of the job have in common.
    args: Vec<String>,
    env: Vec<(String, String)>,
    folders: Vec<String>,
    pub inputs: Vec<InputFile>,
    pub notes: Vec<String>,
    pub format: Format,
    /// Of the whole picture.
    pub shape: Shape,
    /// What of it is rendered.
    pub area: Area,
    pub frames: Option<Frames>,
    /// The output's path without its ending.
    pub stem: String,
    /// Blocks that can be rendered apart from the rest, if any can.
    pub raster: Option<u32>,
    /// Whether any rectangle can be rendered apart, not only whole blocks.
    pub any_pixel: bool,
    /// Largest difference between two answers that agree, in steps of 1/255; exact if there is none.
    pub tolerance: Option<f64>,
    pub grid: CellGrid,
    pub gridlets: Vec<Gridlet>,
}

impl Plan {
    /// Takes a command apart.
    pub(super) fn new(
        command: &CommandLine,
        files: &dyn SourceFiles,
        hint: SplitHint,
    ) -> Result<Self, OpenError> {
        let Some((program, argv)) = command.argv.split_first() else {
            return Err(usage("an empty command, expected povray and its options"));
        };
        if command.stdin.is_some() {
            return Err(usage("povray reads no standard input here: give the scene as a file"));
        }
        if let Some((name, _)) = command.params.first() {
            return Err(usage(format!("--param {name} is for sweeps, not for povray")));
        }
        let tolerance = tolerance(command)?;
        let mut reader = Reader::new(files);
        reader.defaults(&command.env)?;
        let mut argv = argv.to_vec();
        argv.extend(command.output.iter().map(|output| format!("Output_File_Name={output}")));
        let settings = reader.arguments(&argv)?;
        let (format, shape) = target::file_type(&settings)?;
        let area = target::area(&settings, &shape)?;
        let frames = target::frames(&settings)?;
        let stem = target::stem(&settings, format)?;
        let found = scene::explore(&settings, files, &command.inputs)?;
        let raster = raster(&settings)?;
        let mut spoilers = found.spoilers.clone();
        if settings.flag("Dither") {
            spoilers.push("dithering".to_owned());
        }
        let tiled = spoilers.is_empty();
        let (grid, gridlets) = match &frames {
            Some(frames) => split::animation(frames, found.writes, &hint)?,
            None if tiled => split::picture(&area, raster, &hint)?,
            None => split::whole(&area)?,
        };
        let mut notes = found.notes.clone();
        if frames.is_none() && !tiled {
            notes.push(format!(
                "{} uses {}: its tiles can't be rendered apart, so the picture is one gridlet",
                found.name,
                spoilers.join(" and ")
            ));
        }
        if frames.is_some() && found.writes {
            notes.push(format!(
                "{} writes files that later frames may read, so all frames are one gridlet",
                found.name
            ));
        }
        if !settings.dropped.is_empty() {
            let names: Vec<&str> = settings.dropped.iter().copied().collect();
            notes.push(format!("left out, as workers have no use for it: {}", names.join(", ")));
        }
        // A path to the program means nothing on another machine.
        let program = program.rsplit('/').next().unwrap_or(program).to_owned();
        Ok(Self {
            args: arguments(&settings, &found, &shape),
            any_pixel: tiled && found.plain && !settings.flag("Antialias"),
            raster: tiled.then_some(raster),
            program,
            // POVINI was read here; its path means nothing elsewhere.
            env: command.env.iter().filter(|(name, _)| name != "POVINI").cloned().collect(),
            folders: found.folders,
            inputs: found.inputs,
            notes,
            format,
            shape,
            area,
            frames,
            stem,
            tolerance,
            grid,
            gridlets,
        })
    }

    /// The part of the picture that a cell's answer covers.
    pub(super) fn area_of(&self, cell: CellId) -> Area {
        if self.frames.is_some() {
            return self.area;
        }
        let atoms = self.grid.atoms_of(cell);
        let [rows, columns] = [&atoms.ranges[0], &atoms.ranges[1]];
        // All of these fit: they lie in a picture whose size is 32 bits.
        Area {
            x: self.area.x + columns.start as u32,
            y: self.area.y + rows.start as u32,
            width: (columns.end - columns.start) as u32,
            height: (rows.end - rows.start) as u32,
        }
    }

    /// What a tile of this area looks like.
    pub(super) fn shape_of(&self, area: &Area) -> Shape {
        Shape { width: area.width, height: area.height, ..self.shape }
    }

    /// Where the picture of a cell goes, as the command names it.
    pub(super) fn output_of(&self, cell: CellId) -> String {
        target::file_name(&self.stem, self.frame(cell), self.format)
    }

    fn frame(&self, cell: CellId) -> Option<(i64, usize)> {
        self.frames.map(|frames| (frames.number(u64::from(cell.0)), frames.digits))
    }

    /// A run of POV-Ray that renders `area`, of the frames of `cells` if it is an animation.
    pub(super) fn step(&self, cells: &[CellId], area: &Area) -> Step {
        let mut args = self.args.clone();
        args.push(format!("Output_File_Name={OUT}.{}", self.format.extension()));
        if let (Some(frames), Some(first), Some(last)) = (self.frames, cells.first(), cells.last())
        {
            args.push(format!("Subset_Start_Frame={}", frames.number(u64::from(first.0))));
            args.push(format!("Subset_End_Frame={}", frames.number(u64::from(last.0))));
        }
        if (area.width, area.height) != (self.shape.width, self.shape.height) {
            args.push(format!("Start_Column={}", area.x + 1));
            args.push(format!("End_Column={}", end(area.x + area.width, self.shape.width)));
            args.push(format!("Start_Row={}", area.y + 1));
            args.push(format!("End_Row={}", end(area.y + area.height, self.shape.height)));
        }
        let harvest = |cell: &CellId| Harvest {
            cell: *cell,
            collect: vec![Collect::Tile {
                path: target::file_name(OUT, self.frame(*cell), self.format),
                x: area.x,
                y: area.y,
                width: area.width,
                height: area.height,
            }],
        };
        Step {
            program: Program::Installed(self.program.clone()),
            args,
            env: self.env.clone(),
            inputs: Needs::All,
            stdin: None,
            exit: ExitRule::Zero,
            folders: self.folders.clone(),
            harvest: cells.iter().map(harvest).collect(),
            watch: self.frames.is_some() && cells.len() > 1,
        }
    }

    /// What a worker runs for these cells: each part of a picture on its own, frames that follow one another
    /// together.
    pub(super) fn recipe(&self, cells: &[CellId]) -> Recipe {
        let steps = if self.frames.is_some() {
            let runs = cells.chunk_by(|a, b| a.0 + 1 == b.0);
            runs.map(|run| self.step(run, &self.area)).collect()
        } else {
            cells.iter().map(|cell| self.step(&[*cell], &self.area_of(*cell))).collect()
        };
        // No format is larger than its samples by more than headers and what packing can't pack.
        let file_limit = self.shape.bytes() as u64 * 2 + (1 << 20);
        Recipe { steps, inputs: InputMode::Link, idles: true, file_limit }
    }
}

/// The last column or row, counted from 1. POV-Ray takes a 1 for the whole, so the first has to be said as a part.
fn end(last: u32, size: u32) -> String {
    if last == 1 && size > 1 { (1.5 / f64::from(size)).to_string() } else { last.to_string() }
}

/// `--set` options.
fn tolerance(command: &CommandLine) -> Result<Option<f64>, OpenError> {
    let mut tolerance = None;
    for (name, value) in &command.options {
        let number: Option<f64> = value.parse().ok();
        match (name.as_str(), number.filter(|number| (0.0..=255.0).contains(number))) {
            ("tolerance", Some(number)) => tolerance = Some(number),
            ("tolerance", None) => {
                return Err(usage(format!("tolerance: expected 0 to 255, found {value:?}")));
            }
            _ => return Err(usage(format!("povray has no option `{name}`, expected `tolerance`"))),
        }
    }
    Ok(tolerance)
}

fn raster(settings: &Settings) -> Result<u32, OpenError> {
    let size = settings.int("Render_Block_Size").unwrap_or(RASTER);
    u32::try_from(size).ok().filter(|size| (4..=1 << 14).contains(size)).ok_or_else(|| {
        usage(format!("Render_Block_Size: expected 4 to 16384 pixels, found {size}"))
    })
}

/// What all command lines of the job have in common.
fn arguments(settings: &Settings, scene: &scene::Scene, shape: &Shape) -> Vec<String> {
    let mut args = vec![format!("Input_File_Name={}", scene.name)];
    if let Some(header) = settings.text("Include_Header") {
        args.push(format!("Include_Header={header}"));
    }
    if scene.folders.iter().any(|folder| folder == scene::CLIMB) {
        args.push(format!("Library_Path={}", scene::CLIMB));
    }
    // For files whose names are computed, given with --input; the others are in the folder itself.
    for path in settings.library.iter().filter_map(|path| staging::inner(path)) {
        args.push(format!("Library_Path={path}"));
    }
    args.extend(settings.declares.iter().map(|declare| format!("Declare={declare}")));
    args.push(format!("Width={}", shape.width));
    args.push(format!("Height={}", shape.height));
    args.push("Output_To_File=on".to_owned());
    args.push(format!("Output_File_Type={}", settings.text("Output_File_Type").unwrap_or("N")));
    args.push(format!("Bits_Per_Color={}", settings.int("Bits_Per_Color").unwrap_or(8)));
    for name in ["Output_Alpha", "Grayscale_Output"] {
        args.push(format!("{name}={}", if settings.flag(name) { "on" } else { "off" }));
    }
    let frames = ["Initial_Frame", "Final_Frame", "Frame_Step", "Render_Block_Size"];
    for name in frames {
        args.extend(settings.text(name).map(|value| format!("{name}={value}")));
    }
    args.extend(settings.passed());
    let more: &[(&str, &str)] = if settings.flag("Antialias") { &ANTIALIAS } else { &[] };
    for (name, value) in DEFAULTS.iter().chain(more) {
        if settings.text(name).is_none() {
            args.push(format!("{name}={value}"));
        }
    }
    args.extend(QUIET.iter().map(|option| (*option).to_owned()));
    args
}
