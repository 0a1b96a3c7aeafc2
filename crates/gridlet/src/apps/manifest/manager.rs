//! The [`ApplicationManager`] of a command that a manifest describes.

use std::borrow::Cow;

use outlast_types::{CellGrid, CellId, limits};

use super::join;
use super::judge::{Judge, invalid, sampled};
use super::model::{Covers, Manifest, SampleBy, Shows};
use super::opened::Opened;
use super::split::{Cells as _, Cut as _, Pieces, Rect};
use crate::apps::answer;
use crate::picture::tile;
use crate::{
    Answers, ApplicationManager, Blobs, CellOutput, Collect, ExitRule, Gridlet, Harvest, InputFile,
    InputMode, Merged, Needs, Preview, Program, Recipe, ResultError, Results, Sample, Sink, Step,
};

/// What manages jobs of manifests, whatever they are called: who restores them after a restart.
pub(super) const RESTORER: &str = "manifest";

/// One command.
pub(super) struct Manager {
    pub(super) manifest: Manifest,
    pub(super) opened: Opened,
}

/// Numbers that look random and follow from `state` alone (SplitMix64, Steele et al. 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Manager {
    pub(super) fn new(manifest: Manifest, opened: Opened) -> Self {
        Self { manifest, opened }
    }

    /// The rectangle of a cell, if the work is a picture.
    pub(super) fn rect(&self, cell: CellId) -> Option<Rect> {
        match &self.opened.pieces {
            Pieces::Tiles(picture) => Some(picture.tile(&self.opened.grid, cell)),
            _ => None,
        }
    }

    /// Names of the results of a cell, as the run leaves them and as they are shipped.
    pub(super) fn results(&self, cell: CellId) -> Vec<String> {
        if self.rect(cell).is_some() {
            return vec![tile::NAME.to_owned()];
        }
        let values = self.opened.values_of(&[cell]);
        self.manifest
            .gridlet
            .results
            .iter()
            .map(|name| name.word(&values).unwrap_or_default())
            .collect()
    }

    /// A run that answers these cells; of a picture, this rectangle of its only cell.
    fn step(&self, cells: &[CellId], part: Option<Rect>) -> Step {
        let (manifest, opened) = (&self.manifest, &self.opened);
        let spec = &manifest.gridlet;
        let mut values = opened.values_of(cells);
        let rect = part.or_else(|| cells.first().and_then(|cell| self.rect(*cell)));
        if let (Pieces::Tiles(picture), Some(rect)) = (&opened.pieces, rect) {
            let piece = cells.first().map_or(0, |cell| i64::from(cell.0));
            values.extend(picture.values_of(rect, piece));
        }
        // All of it was rendered when the command was opened: nothing is missing here.
        let words =
            |template: &super::template::Template| template.words(&values).unwrap_or_default();
        let word =
            |template: &super::template::Template| template.word(&values).unwrap_or_default();
        let run = match opened.pieces.is_other(cells) {
            true => manifest.split.other(),
            false => &spec.run,
        };
        let stdout = spec.stdout.as_ref().map(word);
        let harvest = |&cell: &CellId| {
            let own = if cells.len() > 1 { opened.values_of(&[cell]) } else { values.clone() };
            let name =
                |template: &super::template::Template| template.word(&own).unwrap_or_default();
            let collect = spec.results.iter().map(name).map(|path| match rect {
                Some(rect) => self.tile_of(rect, path),
                None if stdout.as_ref() == Some(&path) => Collect::Stdout(path),
                None => Collect::File { name: path.clone(), path, required: !spec.exit_any },
            });
            Harvest { cell, collect: collect.collect() }
        };
        let harvest: Vec<Harvest> = cells.iter().map(harvest).collect();
        let paths = harvest.iter().flat_map(|harvest| &harvest.collect).filter_map(|c| match c {
            Collect::File { path, .. } | Collect::Tile { path, .. } => Some(path.clone()),
            _ => None,
        });
        let folders = answer::folders(&paths.collect());
        let own = opened.pieces.needs(&opened.grid, cells);
        let needs = if own.is_empty() && opened.shared.len() == opened.inputs.len() {
            Needs::All
        } else {
            Needs::Only(opened.shared.iter().cloned().chain(own).collect())
        };
        let mut env = opened.env.clone();
        env.extend(spec.env.iter().map(|(name, value)| (name.clone(), word(value))));
        Step {
            program: opened
                .run_program(manifest, &values)
                .unwrap_or(Program::Installed(String::new())),
            args: run.iter().skip(1).flat_map(words).collect(),
            env,
            inputs: needs,
            stdin: spec.stdin.as_ref().map(word),
            exit: if spec.exit_any { ExitRule::Result } else { ExitRule::Zero },
            folders,
            harvest,
            watch: cells.len() > 1,
        }
    }

    fn tile_of(&self, rect: Rect, path: String) -> Collect {
        let outer = match &self.opened.pieces {
            Pieces::Tiles(picture) => picture.halo(rect),
            _ => rect,
        };
        let (x, y) = match self.manifest.gridlet.shows {
            Shows::Tile => (0, 0),
            Shows::Halo => (rect.x - outer.x, rect.y - outer.y),
            Shows::Picture => (rect.x, rect.y),
        };
        Collect::Tile { path, x, y, width: rect.width, height: rect.height }
    }

    pub(super) fn judge(&self) -> Judge<'_> {
        Judge { manager: self }
    }
}

impl ApplicationManager for Manager {
    fn app(&self) -> &str {
        &self.manifest.name
    }

    fn restorer(&self) -> &str {
        RESTORER
    }

    fn grid(&self) -> &CellGrid {
        &self.opened.grid
    }

    fn atom(&self) -> &str {
        &self.manifest.atom
    }

    fn gridlets(&self) -> &[Gridlet] {
        &self.opened.gridlets
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        vec![("compare", self.judge().describe()), ("merge", join::describe(self))]
    }

    fn notes(&self) -> Vec<String> {
        self.opened.notes.clone()
    }

    fn program(&self) -> Option<&str> {
        let first = self.manifest.gridlet.run.first()?;
        let installed = match (&self.opened.program, first.only()) {
            (Program::Installed(name), Some("program")) => name,
            (Program::Staged(_), Some("program")) => return None,
            _ => &first.text,
        };
        (!installed.contains(['{', '/'])).then_some(installed)
    }

    fn inputs(&self) -> &[InputFile] {
        &self.opened.inputs
    }

    fn recipe(&self, _: &Gridlet, cells: &[CellId]) -> Recipe {
        let steps = match self.manifest.covers {
            Covers::Atom | Covers::Piece => {
                cells.iter().map(|cell| self.step(std::slice::from_ref(cell), None)).collect()
            }
            Covers::Atoms => {
                // Only what follows each other can be one run.
                let runs = cells.chunk_by(|a, b| a.0 + 1 == b.0);
                runs.map(|run| self.step(run, None)).collect()
            }
        };
        Recipe {
            steps,
            inputs: if self.manifest.gridlet.copy { InputMode::Copy } else { InputMode::Link },
            idles: false,
            file_limit: limits::RESULT_FILE_BYTES,
        }
    }

    fn check(&self, output: &CellOutput, blobs: &dyn Blobs) -> Result<(), ResultError> {
        self.judge().check(output, blobs)
    }

    fn agree(
        &self,
        a: &CellOutput,
        b: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        self.judge().agree(a, b, blobs)
    }

    fn answers(&self) -> Answers {
        match &self.opened.pieces {
            Pieces::Tiles(_) => Answers::Tiles,
            _ => Answers::Files(self.results(CellId(0))),
        }
    }

    fn part<'a>(
        &self,
        sample: &Sample,
        answer: &'a CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<Option<Cow<'a, CellOutput>>, ResultError> {
        let Some(part) = sampled(sample)? else { return Ok(Some(Cow::Borrowed(answer))) };
        let Some(piece) = self.judge().piece(sample, part, answer, blobs)? else {
            return Ok(None);
        };
        let part = tile::answer(answer.cell, &piece).map_err(|error| invalid(error.to_string()))?;
        Ok(Some(Cow::Owned(part)))
    }

    fn sample(&self, cell: CellId, seed: u64) -> Option<Sample> {
        if !self.opened.samples {
            return None;
        }
        let size = match (self.manifest.sample, self.rect(cell)) {
            (SampleBy::None, _) => return None,
            (SampleBy::Tile(size), Some(rect)) => Some((size, rect)),
            _ => None,
        };
        let Some((size, whole)) = size else {
            return Some(Sample { cell, place: Vec::new(), step: self.step(&[cell], None) });
        };
        let mut state = seed;
        let mut pick = |length: u32| {
            let part = length.min(size);
            ((next(&mut state) % u64::from(length - part + 1)) as u32, part)
        };
        let ((x, width), (y, height)) = (pick(whole.width), pick(whole.height));
        let part = Rect { x: whole.x + x, y: whole.y + y, width, height };
        let place = [part.x, part.y, width, height].map(u64::from).to_vec();
        Some(Sample { cell, place, step: self.step(&[cell], Some(part)) })
    }

    fn matches_sample(
        &self,
        sample: &Sample,
        truth: &CellOutput,
        answer: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        self.judge().matches_sample(sample, truth, answer, blobs)
    }

    fn merge(&self, results: &dyn Results, sink: &mut dyn Sink) -> Result<Merged, ResultError> {
        join::merge(self, results, sink)
    }

    fn preview(&self, results: &dyn Results) -> Result<Option<Preview>, ResultError> {
        join::preview(self, results)
    }

    fn state(&self) -> Vec<u8> {
        self.opened.encode()
    }
}
