//! Judges, samples, joins and shows tiles by a [`Plan`].

use std::borrow::Cow;

use outlast_types::{CellGrid, CellId};

use super::plan::Plan;
use super::target::Area;
use crate::picture::{Meta, Picture, Shape, Thumbnail, tile};
use crate::{
    Answers, ApplicationManager, Blobs, CellOutput, Gridlet, InputFile, Merged, OpenError, Preview,
    Recipe, ResultError, Results, Sample, Sink,
};

/// The application's name.
pub(super) const NAME: &str = "povray";

/// Of the saved state.
const VERSION: u32 = 1;

/// Pixels a side of a sample where any pixel can be rendered apart.
const SAMPLE: u32 = 4;

/// Bytes that a tile may have besides its samples: headers, and what the packer adds to noise.
const TILE_SLACK: u64 = 1 << 16;

/// The manager of one command.
pub(super) struct Manager {
    plan: Plan,
}

/// Numbers that look random and follow from `state` alone (SplitMix64, Steele et al. 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn invalid(text: impl Into<String>) -> ResultError {
    ResultError::Invalid(text.into())
}

/// The rectangle that a sample shows.
fn sampled(sample: &Sample) -> Result<Area, ResultError> {
    let number = |at: usize| sample.place.get(at).and_then(|n| u32::try_from(*n).ok());
    match (number(0), number(1), number(2), number(3)) {
        (Some(x), Some(y), Some(width), Some(height)) => Ok(Area { x, y, width, height }),
        _ => Err(invalid("a sample without a place")),
    }
}

/// POV-Ray's own noise: what it remembers from ray to ray (which object threw the last shadow, for instance) makes a
/// pixel here and there depend, by a step or three of 255, on which pixels were rendered before it. Its own
/// pictures with one and with two threads differ so in 3 of 518,400 pixels of the demo's scene. An honest
/// worker must not be called a liar for that.
const NOISE_STEPS: f64 = 4.0;

/// Besides one, one pixel in so many may differ by noise: over ten times as many as were ever seen.
const PIXELS_FOR_ONE_NOISY: u64 = 10_000;

impl Manager {
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan }
    }

    /// From what [`ApplicationManager::state`] gave.
    pub(super) fn restore(state: &[u8]) -> Result<Self, OpenError> {
        let failed = |error: postcard::Error| OpenError::State(error.to_string());
        let (version, rest) = postcard::take_from_bytes::<u32>(state).map_err(failed)?;
        if version != VERSION {
            return Err(OpenError::State(format!("version {version}, expected {VERSION}")));
        }
        Ok(Self::new(postcard::from_bytes(rest).map_err(failed)?))
    }

    /// The picture in an answer, which has to show this area.
    fn tile(
        &self,
        output: &CellOutput,
        area: &Area,
        blobs: &dyn Blobs,
    ) -> Result<Picture, ResultError> {
        if output.exit != 0 {
            return Err(invalid(format!("exit code {}, expected 0", output.exit)));
        }
        let [file] = output.files.as_slice() else {
            return Err(invalid(format!("{} files, expected one", output.files.len())));
        };
        if file.name != tile::NAME {
            return Err(invalid(format!("file {:?}, expected {:?}", file.name, tile::NAME)));
        }
        let expected = self.plan.shape_of(area);
        let limit = expected.bytes() as u64 + expected.bytes() as u64 / 64 + TILE_SLACK;
        if file.content.length() > limit {
            return Err(invalid(format!(
                "a tile of {} bytes, expected at most {limit}",
                file.content.length()
            )));
        }
        let bytes = blobs.bytes(&file.content)?;
        let picture = tile::decode(&bytes, area.width, area.height)
            .map_err(|error| invalid(error.to_string()))?;
        let Shape { channels, depth, .. } = picture.shape;
        if (channels, depth) != (expected.channels, expected.depth) {
            return Err(invalid(format!(
                "{channels} channels of {depth} bits, expected {} of {}",
                expected.channels, expected.depth
            )));
        }
        if picture.meta.format != self.plan.format {
            return Err(invalid(format!(
                "a tile of a {:?} file, expected {:?}",
                picture.meta.format, self.plan.format
            )));
        }
        Ok(picture)
    }

    fn alike(&self, a: &Picture, b: &Picture) -> bool {
        if a.meta != b.meta {
            return false;
        }
        let Some(difference) = a.difference(b) else { return false };
        match self.plan.tolerance {
            Some(most) => difference.steps <= most,
            None => {
                let pixels = u64::from(a.shape.width) * u64::from(a.shape.height);
                difference.steps <= NOISE_STEPS
                    && difference.pixels <= 1 + pixels / PIXELS_FOR_ONE_NOISY
            }
        }
    }

    /// The rectangle of a sample in an answer; `None` if the answer isn't even a picture of the right form.
    fn piece(
        &self,
        sample: &Sample,
        answer: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<Option<Picture>, ResultError> {
        let Area { x, y, width, height } = sampled(sample)?;
        let whole = self.plan.area_of(sample.cell);
        let picture = match self.tile(answer, &whole, blobs) {
            Err(ResultError::Invalid(_)) => return Ok(None),
            other => other?,
        };
        let piece = x.checked_sub(whole.x).zip(y.checked_sub(whole.y));
        let piece = piece.and_then(|(x, y)| picture.cut(x, y, width, height).ok());
        piece.map(Some).ok_or_else(|| invalid("a sample outside its cell"))
    }

    fn accepted(
        &self,
        results: &dyn Results,
        cell: CellId,
    ) -> Result<Option<Picture>, ResultError> {
        let Some(output) = results.output(cell)? else { return Ok(None) };
        self.tile(&output, &self.plan.area_of(cell), results).map(Some)
    }

    fn required(&self, results: &dyn Results, cell: CellId) -> Result<Picture, ResultError> {
        self.accepted(results, cell)?
            .ok_or_else(|| invalid(format!("no accepted answer for cell {}", cell.0)))
    }

    /// The whole picture, blank outside of what was to be rendered.
    fn canvas(&self, meta: Meta) -> Result<Picture, ResultError> {
        Picture::blank(self.plan.shape, meta).map_err(|error| invalid(error.to_string()))
    }

    fn paste(&self, canvas: &mut Picture, tile: &Picture, cell: CellId) -> Result<(), ResultError> {
        let area = self.plan.area_of(cell);
        canvas.paste(tile, area.x, area.y).map_err(|error| invalid(error.to_string()))
    }

    fn write(
        &self,
        picture: &Picture,
        cell: CellId,
        sink: &mut dyn Sink,
    ) -> Result<String, ResultError> {
        let path = self.plan.output_of(cell);
        let bytes = picture.encode().map_err(|error| invalid(error.to_string()))?;
        sink.write(&path, &bytes)?;
        Ok(path)
    }

    fn cells(&self) -> impl DoubleEndedIterator<Item = CellId> + use<> {
        (0..self.plan.grid.cells()).map(CellId)
    }
}

impl ApplicationManager for Manager {
    fn app(&self) -> &str {
        NAME
    }

    fn grid(&self) -> &CellGrid {
        &self.plan.grid
    }

    fn atom(&self) -> &'static str {
        if self.plan.frames.is_some() { "frame" } else { "pixel" }
    }

    fn gridlets(&self) -> &[Gridlet] {
        &self.plan.gridlets
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        let compare = match self.plan.tolerance {
            Some(steps) => format!("pictures that differ by at most {steps} steps of 255"),
            None => "pictures, but for POV-Ray's own noise".to_owned(),
        };
        let first = self.plan.output_of(CellId(0));
        let merge = if self.plan.frames.is_some() {
            format!("a picture for each frame, the first is {first}")
        } else {
            format!("tiles, into {first}")
        };
        vec![("compare", compare), ("merge", merge)]
    }

    fn notes(&self) -> Vec<String> {
        self.plan.notes.clone()
    }

    fn program(&self) -> Option<&str> {
        Some(&self.plan.program)
    }

    fn inputs(&self) -> &[InputFile] {
        &self.plan.inputs
    }

    fn recipe(&self, _: &Gridlet, cells: &[CellId]) -> Recipe {
        self.plan.recipe(cells)
    }

    fn check(&self, output: &CellOutput, blobs: &dyn Blobs) -> Result<(), ResultError> {
        self.tile(output, &self.plan.area_of(output.cell), blobs).map(drop)
    }

    fn agree(
        &self,
        a: &CellOutput,
        b: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        if a.digest() == b.digest() {
            return Ok(true);
        }
        // Another release may pack the same pixels into other bytes: what counts is what is in them.
        let area = self.plan.area_of(a.cell);
        let a = self.tile(a, &area, blobs)?;
        let b = self.tile(b, &area, blobs)?;
        Ok(self.alike(&a, &b))
    }

    fn answers(&self) -> Answers {
        Answers::Tiles
    }

    fn part<'a>(
        &self,
        sample: &Sample,
        answer: &'a CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<Option<Cow<'a, CellOutput>>, ResultError> {
        let Some(piece) = self.piece(sample, answer, blobs)? else { return Ok(None) };
        let part = tile::answer(answer.cell, &piece).map_err(|error| invalid(error.to_string()))?;
        Ok(Some(Cow::Owned(part)))
    }

    fn sample(&self, cell: CellId, seed: u64) -> Option<Sample> {
        let raster = self.plan.raster?;
        let mut state = seed;
        let whole = self.plan.area_of(cell);
        let mut pick = |size: u32, piece: u32| {
            if self.plan.any_pixel {
                let piece = size.min(SAMPLE);
                return ((next(&mut state) % u64::from(size - piece + 1)) as u32, piece);
            }
            let start = (next(&mut state) % u64::from(size.div_ceil(piece))) as u32 * piece;
            (start, piece.min(size - start))
        };
        let (x, width) = pick(whole.width, raster);
        let (y, height) = pick(whole.height, raster);
        let area = Area { x: whole.x + x, y: whole.y + y, width, height };
        let place = [area.x, area.y, width, height].map(u64::from).to_vec();
        Some(Sample { cell, place, step: self.plan.step(&[cell], &area) })
    }

    fn matches_sample(
        &self,
        sample: &Sample,
        truth: &CellOutput,
        answer: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        let truth = self.tile(truth, &sampled(sample)?, blobs)?;
        let piece = self.piece(sample, answer, blobs)?;
        Ok(piece.is_some_and(|piece| self.alike(&truth, &piece)))
    }

    fn merge(&self, results: &dyn Results, sink: &mut dyn Sink) -> Result<Merged, ResultError> {
        let mut merged = Merged::default();
        if self.plan.frames.is_some() {
            for cell in self.cells() {
                let tile = self.required(results, cell)?;
                let mut canvas = self.canvas(tile.meta.clone())?;
                self.paste(&mut canvas, &tile, cell)?;
                merged.files.push(self.write(&canvas, cell, sink)?);
            }
            return Ok(merged);
        }
        let first = self.required(results, CellId(0))?;
        let mut canvas = self.canvas(first.meta.clone())?;
        self.paste(&mut canvas, &first, CellId(0))?;
        for cell in self.cells().skip(1) {
            let tile = self.required(results, cell)?;
            self.paste(&mut canvas, &tile, cell)?;
        }
        merged.files.push(self.write(&canvas, CellId(0), sink)?);
        Ok(merged)
    }

    /// The picture so far, transparent where nothing is accepted; of an animation the last frame that there is.
    fn preview(&self, results: &dyn Results) -> Result<Option<Preview>, ResultError> {
        let mut thumbnail = Thumbnail::new(self.plan.shape.width, self.plan.shape.height);
        if self.plan.frames.is_some() {
            for cell in self.cells().rev() {
                if let Some(tile) = self.accepted(results, cell)? {
                    thumbnail.paste(&tile, self.plan.area.x, self.plan.area.y);
                    break;
                }
            }
        } else {
            for cell in self.cells() {
                if let Some(tile) = self.accepted(results, cell)? {
                    let area = self.plan.area_of(cell);
                    thumbnail.paste(&tile, area.x, area.y);
                }
            }
        }
        let bytes = thumbnail.finish().encode().map_err(|error| invalid(error.to_string()))?;
        Ok(Some(Preview { media_type: "image/png", bytes }))
    }

    fn state(&self) -> Vec<u8> {
        postcard::to_stdvec(&(VERSION, &self.plan))
            .expect("a plan has nothing that can't be encoded")
    }
}
