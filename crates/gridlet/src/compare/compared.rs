//! An application manager that judges by a comparator of the user's, and does the rest as before.

use std::borrow::Cow;
use std::sync::Arc;

use outlast_types::{CellGrid, CellId};

use super::{Comparator, ComparatorError, Image};
use crate::{
    Answers, ApplicationManager, Blobs, CellOutput, Gridlet, InputFile, Merged, Preview, Recipe,
    ResultError, Results, Sample, Sink,
};

/// A manager that judges by this comparator in place of its own way.
///
/// # Errors
/// [`ComparatorError::Unfit`] if that makes no sense for its answers; says what would work.
pub fn with(
    manager: Arc<dyn ApplicationManager>,
    comparator: Comparator,
) -> Result<Arc<dyn ApplicationManager>, ComparatorError> {
    fits(manager.as_ref(), &comparator)?;
    Ok(Arc::new(Compared { inner: manager, comparator }))
}

fn fits(manager: &dyn ApplicationManager, comparator: &Comparator) -> Result<(), ComparatorError> {
    let unfit = |text: String| Err(ComparatorError::Unfit(text));
    match (manager.answers(), comparator) {
        (Answers::Tiles, Comparator::Numbers(_) | Comparator::Frames(_)) => unfit(format!(
            "`{comparator}` for the tiles of a picture, as {} makes them: expected image, bytes or command",
            manager.app()
        )),
        (Answers::Files(names), _)
            if !names.is_empty() && !names.iter().any(|name| comparator.reads(name)) =>
        {
            let others = ["image", "frames", "numbers"].map(str::parse::<Comparator>);
            let fit = others.into_iter().flatten().find(|other| other.reads(&names[0]));
            let fit = fit.map_or_else(String::new, |fit| format!("{fit}, "));
            unfit(format!(
                "`{comparator}` for results such as {:?}, which it can't read: expected {fit}bytes or command",
                names[0]
            ))
        }
        _ => Ok(()),
    }
}

struct Compared {
    inner: Arc<dyn ApplicationManager>,
    comparator: Comparator,
}

impl Compared {
    fn compare(
        &self,
        a: &CellOutput,
        b: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        let (a, b) = (self.inner.told(a), self.inner.told(b));
        Ok(self.comparator.compare(&a, &b, blobs)?.is_agree())
    }

    /// A whole cell as a sample: of what is judged by an average, a part proves nothing.
    fn whole_cell(&self, cell: CellId) -> Option<Sample> {
        let coordinates = self.inner.grid().coordinates(cell);
        let mut gridlets = self.inner.gridlets().iter();
        let gridlet = gridlets.find(|gridlet| gridlet.cells.contains(&coordinates))?;
        let mut steps = self.inner.recipe(gridlet, &[cell]).steps;
        let step = steps.pop().filter(|step| steps.is_empty() && step.harvest.len() == 1)?;
        Some(Sample { cell, place: Vec::new(), step })
    }
}

impl ApplicationManager for Compared {
    fn app(&self) -> &str {
        self.inner.app()
    }

    fn restorer(&self) -> &str {
        self.inner.restorer()
    }

    fn grid(&self) -> &CellGrid {
        self.inner.grid()
    }

    fn atom(&self) -> &str {
        self.inner.atom()
    }

    fn gridlets(&self) -> &[Gridlet] {
        self.inner.gridlets()
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        let own = self.inner.describe().into_iter().filter(|(name, _)| *name != "compare");
        let tiles = self.inner.answers() == Answers::Tiles;
        let compare = match &self.comparator {
            Comparator::Bytes if tiles => Image::default().describe(),
            other => other.describe(),
        };
        [("compare", compare)].into_iter().chain(own).collect()
    }

    fn notes(&self) -> Vec<String> {
        self.inner.notes()
    }

    fn program(&self) -> Option<&str> {
        self.inner.program()
    }

    fn inputs(&self) -> &[InputFile] {
        self.inner.inputs()
    }

    fn recipe(&self, gridlet: &Gridlet, cells: &[CellId]) -> Recipe {
        self.inner.recipe(gridlet, cells)
    }

    fn check(&self, output: &CellOutput, blobs: &dyn Blobs) -> Result<(), ResultError> {
        self.inner.check(output, blobs)
    }

    fn agree(
        &self,
        a: &CellOutput,
        b: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        self.compare(a, b, blobs)
    }

    fn admit(&self, output: &CellOutput, blobs: &dyn Blobs) -> Result<(), ResultError> {
        Ok(self.comparator.admit(&self.inner.told(output), blobs)?)
    }

    fn answers(&self) -> Answers {
        self.inner.answers()
    }

    fn told<'a>(&self, output: &'a CellOutput) -> Cow<'a, CellOutput> {
        self.inner.told(output)
    }

    fn part<'a>(
        &self,
        sample: &Sample,
        answer: &'a CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<Option<Cow<'a, CellOutput>>, ResultError> {
        match sample.place.is_empty() {
            true => Ok(Some(Cow::Borrowed(answer))),
            false => self.inner.part(sample, answer, blobs),
        }
    }

    fn sample(&self, cell: CellId, seed: u64) -> Option<Sample> {
        let sample = self.inner.sample(cell, seed)?;
        match self.comparator.averages() && !sample.place.is_empty() {
            true => self.whole_cell(cell),
            false => Some(sample),
        }
    }

    fn matches_sample(
        &self,
        sample: &Sample,
        truth: &CellOutput,
        answer: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        let Some(part) = self.part(sample, answer, blobs)? else { return Ok(false) };
        if self.compare(truth, &part, blobs)? {
            return Ok(true);
        }
        // It is proof of a lie only if the comparator can make something of the truth.
        self.admit(truth, blobs)?;
        Ok(false)
    }

    fn merge(&self, results: &dyn Results, sink: &mut dyn Sink) -> Result<Merged, ResultError> {
        self.inner.merge(results, sink)
    }

    fn preview(&self, results: &dyn Results) -> Result<Option<Preview>, ResultError> {
        self.inner.preview(results)
    }

    fn state(&self) -> Vec<u8> {
        self.inner.state()
    }
}
