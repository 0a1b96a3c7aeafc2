//! Has an answer the right form, and do two of them say the same?

use super::manager::Manager;
use super::model::Compare;
use super::split::Rect;
use crate::compare::{self, Format, Numbers};
use crate::picture::{Picture, Shape, tile};
use crate::{Blobs, CellOutput, Content, ResultError, Sample, Tool};

/// Bytes of a file that is compared as numbers or as a picture: all of it is read into memory.
const READ_BYTES: u64 = 1 << 30;

/// Bytes of a sample in a tile: four channels of 16 bits.
const PIXEL_BYTES: u64 = 8;

/// Bytes that a tile may have besides its samples: headers, and what the packer adds to noise.
const TILE_SLACK: u64 = 1 << 16;

/// Judges answers of one job.
pub(super) struct Judge<'a> {
    pub(super) manager: &'a Manager,
}

pub(super) fn invalid(text: impl Into<String>) -> ResultError {
    ResultError::Invalid(text.into())
}

impl Judge<'_> {
    /// How it compares, for people.
    pub(super) fn describe(&self) -> String {
        match &self.manager.manifest.compare {
            Compare::Bytes if self.manager.rect(outlast_types::CellId(0)).is_some() => {
                "pictures, every sample the same".to_owned()
            }
            Compare::Bytes => "files, byte by byte".to_owned(),
            Compare::Numbers { tolerance, relative } => {
                let tolerance = self.manager.opened.tolerance.unwrap_or(*tolerance);
                format!("numbers that differ by at most {tolerance}, or {relative} of themselves")
            }
            Compare::Picture { .. } => {
                format!("pictures that differ by at most {} steps of 255", self.picture_tolerance())
            }
            Compare::Command { run, .. } => {
                let words: Vec<&str> = run.iter().map(|word| word.text.as_str()).collect();
                format!("by a command here: {}", words.join(" "))
            }
        }
    }

    pub(super) fn check(&self, output: &CellOutput, blobs: &dyn Blobs) -> Result<(), ResultError> {
        let spec = &self.manager.manifest.gridlet;
        if !spec.exit_any && output.exit != 0 {
            return Err(invalid(format!("exit code {}, expected 0", output.exit)));
        }
        if !(0..=255).contains(&output.exit) {
            return Err(invalid(format!("exit code {}, expected 0 to 255", output.exit)));
        }
        let mut expected = self.manager.results(output.cell);
        expected.sort();
        let found: Vec<&str> = output.files.iter().map(|file| file.name.as_str()).collect();
        let fits = if spec.exit_any {
            found.iter().all(|name| expected.iter().any(|expected| expected == name))
        } else {
            found == expected
        };
        if !fits {
            return Err(invalid(format!("files {found:?}, expected {expected:?}")));
        }
        if let (Some(rect), Some(_)) = (self.manager.rect(output.cell), output.file(tile::NAME)) {
            self.tile(output, rect, blobs)?;
        }
        Ok(())
    }

    /// The picture in an answer, which has to be of this size.
    pub(super) fn tile(
        &self,
        output: &CellOutput,
        rect: Rect,
        blobs: &dyn Blobs,
    ) -> Result<Picture, ResultError> {
        let file = output.file(tile::NAME).ok_or_else(|| invalid("no tile"))?;
        let most = rect.pixels() * PIXEL_BYTES;
        let limit = most + most / 64 + TILE_SLACK;
        if file.content.length() > limit {
            let length = file.content.length();
            return Err(invalid(format!("a tile of {length} bytes, expected at most {limit}")));
        }
        let bytes = blobs.bytes(&file.content)?;
        tile::decode(&bytes, rect.width, rect.height).map_err(|error| invalid(error.to_string()))
    }

    fn picture_tolerance(&self) -> f64 {
        let own = match self.manager.manifest.compare {
            Compare::Picture { tolerance } => tolerance,
            _ => 0.0,
        };
        self.manager.opened.tolerance.unwrap_or(own)
    }

    fn alike(&self, a: &Picture, b: &Picture) -> bool {
        let same_kind = a.meta == b.meta || self.picture_tolerance() > 0.0;
        let difference = a.difference(b).filter(|_| same_kind);
        difference.is_some_and(|difference| difference.steps <= self.picture_tolerance())
    }

    pub(super) fn agree(
        &self,
        a: &CellOutput,
        b: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        if a.digest() == b.digest() {
            return Ok(true);
        }
        if a.exit != b.exit {
            return Ok(false);
        }
        if let Some(rect) = self.manager.rect(a.cell) {
            // Another release may pack the same pixels into other bytes: what counts is what is in them.
            return Ok(self.alike(&self.tile(a, rect, blobs)?, &self.tile(b, rect, blobs)?));
        }
        let names = |output: &CellOutput| -> Vec<String> {
            output.files.iter().map(|file| file.name.clone()).collect()
        };
        if names(a) != names(b) {
            return Ok(false);
        }
        for (a, b) in a.files.iter().zip(&b.files) {
            if a.content.hash() != b.content.hash()
                && !self.same(&a.name, &a.content, &b.content, blobs)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether two files that aren't byte for byte the same say the same.
    fn same(
        &self,
        name: &str,
        a: &Content,
        b: &Content,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        let compare = &self.manager.manifest.compare;
        let too_large = a.length().max(b.length()) > READ_BYTES;
        if too_large && !matches!(compare, Compare::Bytes | Compare::Command { .. }) {
            return Err(invalid(format!("a file of more than {READ_BYTES} bytes to compare")));
        }
        match compare {
            Compare::Bytes => Ok(false),
            Compare::Numbers { tolerance, relative } => {
                let tolerance = self.manager.opened.tolerance.unwrap_or(*tolerance);
                let numbers =
                    Numbers { absolute: tolerance, relative: *relative, format: Format::Auto };
                Ok(numbers.compare(name, &blobs.bytes(a)?, &blobs.bytes(b)?).is_ok())
            }
            Compare::Picture { .. } => {
                let picture = |content: &Content| -> Result<Picture, ResultError> {
                    let bytes = blobs.bytes(content)?;
                    Picture::decode(&bytes).map_err(|error| invalid(format!("{name}: {error}")))
                };
                Ok(self.alike(&picture(a)?, &picture(b)?))
            }
            Compare::Command { run, timeout_s } => {
                let file = name.rsplit('/').next().unwrap_or(name);
                let files = [(format!("a/{file}"), a.clone()), (format!("b/{file}"), b.clone())];
                let mut values = self.manager.opened.values.clone();
                for (name, (path, _)) in ["a", "b"].into_iter().zip(&files) {
                    values.insert(name.to_owned(), super::value::Value::Text(path.clone()));
                }
                let words: Result<Vec<Vec<String>>, String> =
                    run.iter().map(|word| word.words(&values)).collect();
                let words: Vec<String> = words.map_err(invalid)?.concat();
                let (program, args) =
                    words.split_first().ok_or_else(|| invalid("nothing to compare with"))?;
                let tool =
                    Tool { program: program.clone(), args: args.to_vec(), timeout_s: *timeout_s };
                let line = words.join(" ");
                let ran = blobs.run(&files, &tool);
                let ran = ran.map_err(|error| compare::failed(&line, program, error))?;
                Ok(compare::verdict(&line, &ran)?)
            }
        }
    }

    pub(super) fn matches_sample(
        &self,
        sample: &Sample,
        truth: &CellOutput,
        answer: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        let Some(part) = sampled(sample)? else {
            return self.agree(truth, answer, blobs);
        };
        let truth = self.tile(truth, part, blobs)?;
        let same = self.piece(sample, part, answer, blobs)?.and_then(|p| truth.difference(&p));
        Ok(same.is_some_and(|difference| difference.steps <= self.picture_tolerance()))
    }

    /// The rectangle of a sample in an answer; `None` if the answer isn't even a picture of the right form.
    pub(super) fn piece(
        &self,
        sample: &Sample,
        part: Rect,
        answer: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<Option<Picture>, ResultError> {
        let outside = || invalid("a sample outside its cell");
        let whole = self.manager.rect(sample.cell).ok_or_else(outside)?;
        let picture = match self.tile(answer, whole, blobs) {
            Err(ResultError::Invalid(_)) => return Ok(None),
            other => other?,
        };
        let at = part.x.checked_sub(whole.x).zip(part.y.checked_sub(whole.y));
        let piece = at.and_then(|(x, y)| picture.cut(x, y, part.width, part.height).ok());
        piece.map(Some).ok_or_else(outside)
    }
}

/// The rectangle that a sample shows; `None`: a whole cell.
pub(super) fn sampled(sample: &Sample) -> Result<Option<Rect>, ResultError> {
    let [x, y, width, height] = sample.place.as_slice() else { return Ok(None) };
    let number = |n: &u64| u32::try_from(*n).map_err(|_| invalid("a sample without a place"));
    let (x, y) = (number(x)?, number(y)?);
    Ok(Some(Rect { x, y, width: number(width)?, height: number(height)? }))
}

/// The kind of a picture, in messages.
pub(super) fn shape(shape: &Shape) -> String {
    format!("{} channels of {} bits", shape.channels, shape.depth)
}
