//! The toy application of the simulated grid: the right answer for a cell is a function of the job and
//! the cell, so that the world knows at any time whether what was accepted is right.
//!
//! An answer is one file `out` of [`POINTS`] numbers of four bytes. A sample is one of the points, as a few
//! pixels are of a picture's tile: a liar that is wrong in one point may get through a sample, and one that is
//! wrong in all can't.

use outlast_gridlet::{
    ApplicationManager, Blobs, CellOutput, Collect, Content, ExitRule, Gridlet, Harvest, InputFile,
    InputMode, Merged, Needs, OutFile, Preview, Program, Recipe, ResultError, Results, Sample,
    Sink, Step,
};
use outlast_types::{Axis, CellGrid, CellId, GridletId, Hash};

/// Numbers in an answer.
pub const POINTS: usize = 4;

/// Bytes of an answer.
const ANSWER_BYTES: usize = POINTS * 4;

/// What a toy job looks like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Rows and columns of cells.
    pub cells: [u64; 2],
    /// Rows and columns of cells in a gridlet.
    pub gridlet: [u64; 2],
    /// Cells answered by one step.
    pub step_cells: usize,
    /// A cell is shipped as soon as it is there, not only when the program ends.
    pub watch: bool,
    /// Samples can be computed.
    pub sampled: bool,
    /// Answers travel as blobs.
    pub blobs: bool,
}

/// The application manager of one toy job.
#[derive(Debug)]
pub struct Toy {
    salt: u64,
    shape: Shape,
    grid: CellGrid,
    gridlets: Vec<Gridlet>,
}

impl Toy {
    /// A job of this shape; `salt` makes its answers differ from those of others.
    ///
    /// # Panics
    /// If the shape has no cell.
    pub fn new(salt: u64, shape: Shape) -> Self {
        let axes = shape.cells.map(|cells| Axis::new(cells, 1)).to_vec();
        let grid = CellGrid::new(axes).expect("a toy job has an axis and few cells");
        let boxes = grid.tiles(&shape.gridlet);
        let gridlets = (0u32..)
            .zip(boxes)
            .map(|(id, cells)| Gridlet { id: GridletId(id), cost: cells.volume() as f64, cells })
            .collect();
        Self { salt, shape, grid, gridlets }
    }

    /// Whether this is the right answer.
    pub fn is_right(&self, output: &CellOutput, blobs: &dyn Blobs) -> bool {
        output.exit == 0
            && self.read(output, blobs).is_ok_and(|bytes| bytes == answer(self.salt, output.cell))
    }

    /// What a right merge writes.
    pub fn truth(&self) -> Vec<u8> {
        (0..self.grid.cells()).flat_map(|cell| answer(self.salt, CellId(cell))).collect()
    }

    fn read(&self, output: &CellOutput, blobs: &dyn Blobs) -> Result<Vec<u8>, ResultError> {
        let [file] = output.files.as_slice() else {
            let found = output.files.len();
            return Err(ResultError::Invalid(format!("{found} files, expected 1")));
        };
        Ok(blobs.bytes(&file.content)?)
    }
}

/// The right answer for a cell.
fn answer(salt: u64, cell: CellId) -> [u8; ANSWER_BYTES] {
    let mut bytes = [0; ANSWER_BYTES];
    for (point, slot) in (0u64..).zip(bytes.chunks_exact_mut(4)) {
        let x = mix(salt ^ mix(u64::from(cell.0) << 8 | point));
        slot.copy_from_slice(&(x as u32).to_le_bytes());
    }
    bytes
}

/// splitmix64's finaliser.
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What the toy program computes when it is run as `step` says: an honest machine's answers.
pub fn compute(step: &Step) -> Vec<CellOutput> {
    let salt = step.args.first().and_then(|salt| salt.parse().ok()).unwrap_or(0);
    let point: Option<usize> = step.args.get(1).and_then(|point| point.parse().ok());
    step.harvest
        .iter()
        .map(|harvest| {
            let bytes = answer(salt, harvest.cell);
            let bytes = match point {
                Some(point) => bytes[point * 4..][..4].to_vec(),
                None => bytes.to_vec(),
            };
            output(harvest.cell, bytes)
        })
        .collect()
}

/// An answer of these bytes.
pub(crate) fn output(cell: CellId, bytes: Vec<u8>) -> CellOutput {
    let file =
        OutFile { name: "out".to_owned(), executable: false, content: Content::Inline(bytes) };
    CellOutput { cell, exit: 0, files: vec![file] }
}

/// Whether a step wants its answers shipped as blobs.
pub(crate) fn wants_blobs(step: &Step) -> bool {
    step.env.iter().any(|(name, _)| name == "BLOBS")
}

/// Puts the bytes of an answer into blobs; hands out what is to be stored.
pub(crate) fn to_blobs(output: &mut CellOutput) -> Vec<(Hash, Vec<u8>)> {
    let mut blobs = Vec::new();
    for file in &mut output.files {
        if let Content::Inline(bytes) = &mut file.content {
            let bytes = std::mem::take(bytes);
            let hash = Hash::of(&bytes);
            file.content = Content::Blob { hash, length: bytes.len() as u64 };
            blobs.push((hash, bytes));
        }
    }
    blobs
}

impl Toy {
    /// Half of all toys have an input for each of their cells, the others one that all need.
    fn needs(&self, cells: &[CellId], point: Option<u64>) -> Needs {
        if self.salt.is_multiple_of(2) || point.is_some() {
            return Needs::All;
        }
        Needs::Only(cells.iter().map(|cell| format!("in/{}", cell.0)).collect())
    }

    fn step(&self, cells: &[CellId], point: Option<u64>) -> Step {
        let collect =
            || Collect::File { path: "out".to_owned(), name: "out".to_owned(), required: true };
        let blobs = self.shape.blobs && point.is_none();
        let args = std::iter::once(self.salt).chain(point).map(|n| n.to_string()).collect();
        Step {
            program: Program::Installed("toy".to_owned()),
            args,
            env: if blobs { vec![("BLOBS".to_owned(), "1".to_owned())] } else { Vec::new() },
            inputs: self.needs(cells, point),
            stdin: None,
            exit: ExitRule::Zero,
            folders: Vec::new(),
            harvest: cells.iter().map(|&cell| Harvest { cell, collect: vec![collect()] }).collect(),
            watch: self.shape.watch,
        }
    }
}

impl ApplicationManager for Toy {
    fn app(&self) -> &str {
        "toy"
    }

    fn grid(&self) -> &CellGrid {
        &self.grid
    }

    fn atom(&self) -> &'static str {
        "cell"
    }

    fn gridlets(&self) -> &[Gridlet] {
        &self.gridlets
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    fn program(&self) -> Option<&str> {
        Some("toy")
    }

    fn inputs(&self) -> &[InputFile] {
        &[]
    }

    fn recipe(&self, _: &Gridlet, cells: &[CellId]) -> Recipe {
        Recipe {
            steps: cells
                .chunks(self.shape.step_cells.max(1))
                .map(|cells| self.step(cells, None))
                .collect(),
            inputs: InputMode::Link,
            idles: false,
            file_limit: 1024,
        }
    }

    fn check(&self, output: &CellOutput, blobs: &dyn Blobs) -> Result<(), ResultError> {
        match self.read(output, blobs)?.len() {
            ANSWER_BYTES => Ok(()),
            other => Err(ResultError::Invalid(format!("{other} bytes, expected {ANSWER_BYTES}"))),
        }
    }

    fn sample(&self, cell: CellId, seed: u64) -> Option<Sample> {
        let point = seed % POINTS as u64;
        let step = self.step(&[cell], Some(point));
        self.shape.sampled.then(|| Sample { cell, place: vec![point], step })
    }

    fn matches_sample(
        &self,
        sample: &Sample,
        truth: &CellOutput,
        answer: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        let at = sample.place.first().map_or(0, |&point| point as usize * 4);
        let answer = self.read(answer, blobs)?;
        Ok(answer.get(at..at + 4) == Some(&self.read(truth, blobs)?))
    }

    fn merge(&self, results: &dyn Results, sink: &mut dyn Sink) -> Result<Merged, ResultError> {
        let mut bytes = Vec::new();
        for cell in (0..self.grid.cells()).map(CellId) {
            let output = results.output(cell)?.ok_or_else(|| {
                ResultError::Invalid(format!("no answer for cell {cell}, which is accepted"))
            })?;
            bytes.extend(self.read(&output, results)?);
        }
        sink.write("out", &bytes)?;
        Ok(Merged { files: vec!["out".to_owned()], exit: 0, notes: Vec::new() })
    }

    fn preview(&self, _: &dyn Results) -> Result<Option<Preview>, ResultError> {
        Ok(None)
    }

    fn state(&self) -> Vec<u8> {
        self.salt.to_le_bytes().to_vec()
    }
}
