//! Comparators that the user chooses: when do two answers for one cell say the same?
//!
//! ```text
//!  "image:psnr=40" ──parse──▶ Comparator ──with(manager)──▶ a manager that judges by it
//!                                 │ compare(a, b) ─▶ Agree | Differ(why) | CompareError
//!                                 │ admit(a)      ─▶ can it be compared at all?
//! ```
//!
//! An application manager has a way of its own to compare ([`agree`](crate::ApplicationManager::agree)); a job that
//! names a comparator is judged by that instead ([`with`]). What is compared is decided by the manager
//! all the same: [`told`](crate::ApplicationManager::told) leaves out what doesn't count, and
//! [`answers`](crate::ApplicationManager::answers) says which comparators make sense.
//!
//! **Classes.** Tolerance isn't transitive: 1.0 agrees with 1.1 and 1.1 with 1.2, while 1.0 and 1.2
//! differ. A new answer is compared with the first one of each class, in the order in which the classes
//! came up, and belongs to the first of them that it agrees with. So all answers of a class agree with
//! its first one, which is the one that is merged; two of its members may differ from each other by
//! twice the tolerance.
//!
//! **What strangers send.** Everything here reads answers of other nodes. Sizes are checked before
//! anything is read or decoded; what is too large, and a program that crashes, hangs or says nonsense,
//! is a [`CompareError`]: it says nothing about either answer, accepts none and rejects none.
//! A file that isn't what the comparator expects (no picture, no film) is no error: it agrees with the
//! same bytes only.
//!
//! What it does not do: vote, count, or remember anything.

mod command;
mod compared;
mod frames;
mod image;
mod numbers;
mod parse;
mod ssim;

use std::io;

use serde::{Deserialize, Serialize};

use crate::picture::{Picture, PictureError, tile};
use crate::{Blobs, CellOutput, Content, OutFile};

pub use command::Command;
pub(crate) use command::{failed, verdict};
pub use compared::with;
pub use frames::Frames;
pub use image::Image;
pub use numbers::{Format, Numbers};
pub use parse::ComparatorError;

/// Bytes of a file that is read into memory to be compared. Two of them have to fit.
const READ_BYTES: u64 = 256 << 20;

/// Pixels of a picture that is decoded to be compared: 8,192 x 8,192, half a gibibyte with 8 bytes a pixel.
const PIXELS: u64 = 1 << 26;

/// How two answers are compared. Parsed from a text such as `numbers:rel=1e-9` ([`std::str::FromStr`])
/// and written back as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Comparator {
    /// The same bytes; of tiles, the same samples.
    Bytes,
    /// Texts with numbers, which may differ a little.
    Numbers(Numbers),
    /// Pictures.
    Image(Image),
    /// Films and sound, by what they decode to.
    Frames(Frames),
    /// A program of the user's says.
    Command(Command),
}

/// What comparing two answers gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// They say the same.
    Agree,
    /// They don't: says where, for people.
    Differ(String),
}

impl Agreement {
    /// Whether they say the same.
    pub fn is_agree(&self) -> bool {
        *self == Self::Agree
    }
}

/// Two answers can't be compared, which says nothing about either.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The program isn't there.
    #[error(
        "`{program}`, which compares answers, isn't installed here; install it, or choose another comparator"
    )]
    Missing {
        /// Its name.
        program: String,
    },
    /// It was ended because it didn't end itself.
    #[error(
        "the comparator `{command}` didn't end: {said}; try it by hand on two results, or give it more time (command:timeout=SECONDS:…)"
    )]
    Hung {
        /// The program and its arguments.
        command: String,
        /// Who ended it when.
        said: String,
    },
    /// It crashed, or said neither yes nor no.
    #[error(
        "the comparator `{command}` ended with exit code {exit}, expected 0 (they agree) or 1 (they differ){said}; try it by hand on two results"
    )]
    Nonsense {
        /// The program and its arguments.
        command: String,
        /// 128 + n after signal n.
        exit: i32,
        /// The end of what it wrote, with a colon in front, or nothing.
        said: String,
    },
    /// It holds that an answer isn't the same as itself.
    #[error(
        "the comparator `{command}` says that an answer differs from itself{said}; it has to end with 0 for those, and with more than 1 if it fails"
    )]
    Absurd {
        /// The program and its arguments.
        command: String,
        /// The end of what it wrote, with a colon in front, or nothing.
        said: String,
    },
    /// What a program printed isn't what it always prints.
    #[error("`{program}` printed something unexpected: {found:?}")]
    Output {
        /// Its name.
        program: String,
        /// What it printed.
        found: String,
    },
    /// More than is compared.
    #[error(
        "{name:?} is too large to be compared so: {found} {unit}, expected at most {limit}; bytes and command have no such limit"
    )]
    TooLarge {
        /// The file.
        name: String,
        /// Bytes or pixels.
        found: u64,
        /// Which of them.
        unit: &'static str,
        /// How many of them are compared.
        limit: u64,
    },
    /// Our own store or disk failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Comparator {
    /// Compares two answers for one cell. The same exit code, names and bytes always agree.
    ///
    /// # Errors
    /// [`CompareError`]: nothing is known about either then.
    pub fn compare(
        &self,
        a: &CellOutput,
        b: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<Agreement, CompareError> {
        if a.digest() == b.digest() {
            return Ok(Agreement::Agree);
        }
        if a.exit != b.exit {
            return Ok(Agreement::Differ(format!("exit codes {} and {}", a.exit, b.exit)));
        }
        if let Self::Command(command) = self {
            return command.compare(a, b, blobs);
        }
        let names = |output: &CellOutput| -> Vec<(String, bool)> {
            output.files.iter().map(|file| (file.name.clone(), file.executable)).collect()
        };
        if names(a) != names(b) {
            return Ok(Agreement::Differ("they have different files".to_owned()));
        }
        for (a, b) in a.files.iter().zip(&b.files) {
            if a.content.hash() == b.content.hash() {
                continue;
            }
            if let Agreement::Differ(why) = self.files(a, b, blobs)? {
                return Ok(Agreement::Differ(format!("{}: {why}", a.name)));
            }
        }
        Ok(Agreement::Agree)
    }

    /// Two files of one name that aren't the same bytes.
    fn files(
        &self,
        a: &OutFile,
        b: &OutFile,
        blobs: &dyn Blobs,
    ) -> Result<Agreement, CompareError> {
        let found = match self {
            Self::Bytes => {
                let (Some(a), Some(b)) = (tile_in(a, blobs)?, tile_in(b, blobs)?) else {
                    return Ok(Agreement::Differ("other bytes".to_owned()));
                };
                Image::default().compare(&a, &b)
            }
            Self::Numbers(numbers) => numbers.compare(&a.name, &read(a, blobs)?, &read(b, blobs)?),
            Self::Image(image) => match (picture(a, blobs)?, picture(b, blobs)?) {
                (Some(a), Some(b)) => image.compare(&a, &b),
                _ => Err("other bytes, and not both are pictures".to_owned()),
            },
            Self::Frames(frames) => return frames.compare(a, b, blobs),
            Self::Command(_) => Err("other bytes".to_owned()),
        };
        Ok(found.map_or_else(Agreement::Differ, |()| Agreement::Agree))
    }

    /// Whether an answer can be compared with others at all. Asked before it stands for a class: an answer that
    /// breaks the comparator would break it for each that comes after.
    ///
    /// # Errors
    /// [`CompareError`].
    pub fn admit(&self, output: &CellOutput, blobs: &dyn Blobs) -> Result<(), CompareError> {
        match self {
            Self::Bytes => output.files.iter().try_for_each(|file| tile_in(file, blobs).map(drop)),
            Self::Frames(_) => Ok(()),
            Self::Numbers(_) => output.files.iter().try_for_each(readable),
            Self::Image(_) => output
                .files
                .iter()
                .filter(|file| is_picture(&file.name))
                .try_for_each(|file| picture(file, blobs).map(drop)),
            Self::Command(command) => command.admit(output, blobs),
        }
    }

    /// Programs that have to be installed at the submitter.
    pub fn program(&self) -> Option<&str> {
        match self {
            Self::Frames(_) => Some(frames::PROGRAM),
            Self::Command(command) => command.words.first().map(String::as_str),
            _ => None,
        }
    }

    /// The same with its command as it is to be run from anywhere: what names a file in the job's folder becomes
    /// an absolute path. `in_folder` gives that for a relative path, if there is such a file.
    #[must_use]
    pub fn resolved(mut self, in_folder: impl Fn(&str) -> Option<String>) -> Self {
        if let Self::Command(command) = &mut self {
            command.resolve(in_folder);
        }
        self
    }

    /// Whether it judges by an average over the whole: then a part of an answer tells it nothing.
    pub fn averages(&self) -> bool {
        match self {
            Self::Image(image) => image.psnr.is_some() || image.ssim.is_some(),
            Self::Frames(_) | Self::Command(_) => true,
            Self::Bytes | Self::Numbers(_) => false,
        }
    }

    /// Whether it can do more with a file of this name than compare bytes.
    fn reads(&self, name: &str) -> bool {
        match self {
            Self::Image(_) => is_picture(name),
            Self::Numbers(_) => !is_picture(name) && !frames::is_media(name),
            Self::Frames(_) => is_picture(name) || frames::is_media(name),
            Self::Bytes | Self::Command(_) => true,
        }
    }

    /// What it is for, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Bytes => "byte by byte, as you asked".to_owned(),
            Self::Numbers(numbers) => numbers.describe(),
            Self::Image(image) => image.describe(),
            Self::Frames(frames) => frames.describe(),
            Self::Command(command) => format!("by a command here: {}", command.line()),
        }
    }
}

/// The end of a file's name, in small letters, without the dot.
fn extension(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map_or_else(String::new, |(_, end)| end.to_ascii_lowercase())
}

/// Whether a file of this name is taken for a picture of those that [`crate::picture`] reads.
fn is_picture(name: &str) -> bool {
    name == tile::NAME
        || matches!(extension(name).as_str(), "png" | "pnm" | "ppm" | "pgm" | "tga" | "bmp")
}

fn readable(file: &OutFile) -> Result<(), CompareError> {
    let found = file.content.length();
    if found <= READ_BYTES {
        return Ok(());
    }
    let (name, unit) = (file.name.clone(), "bytes");
    Err(CompareError::TooLarge { name, found, unit, limit: READ_BYTES })
}

fn read(file: &OutFile, blobs: &dyn Blobs) -> Result<Vec<u8>, CompareError> {
    readable(file)?;
    Ok(blobs.bytes(&file.content)?)
}

/// The picture in a file, if it is one by name and content.
fn picture(file: &OutFile, blobs: &dyn Blobs) -> Result<Option<Picture>, CompareError> {
    if !is_picture(&file.name) {
        return Ok(None);
    }
    let bytes = read(file, blobs)?;
    let decoded = if file.name == tile::NAME {
        tile::decode_within(&bytes, PIXELS)
    } else {
        Picture::decode_within(&bytes, PIXELS)
    };
    match decoded {
        Ok(picture) => Ok(Some(picture)),
        Err(PictureError::TooLarge { width, height, .. }) => Err(CompareError::TooLarge {
            name: file.name.clone(),
            found: u64::from(width) * u64::from(height),
            unit: "pixels",
            limit: PIXELS,
        }),
        Err(_) => Ok(None),
    }
}

/// The picture in a worker's tile.
fn tile_in(file: &OutFile, blobs: &dyn Blobs) -> Result<Option<Picture>, CompareError> {
    if file.name == tile::NAME { picture(file, blobs) } else { Ok(None) }
}

/// The files of an answer as programs are to find them: tiles as the picture files that they were cut from.
fn plain_files(
    folder: &str,
    output: &CellOutput,
    blobs: &dyn Blobs,
) -> Result<Vec<(String, Content)>, CompareError> {
    let plain = |file: &OutFile| -> Result<(String, Content), CompareError> {
        let Some(picture) = tile_in(file, blobs)? else {
            return Ok((format!("{folder}/{}", file.name), file.content.clone()));
        };
        let bytes = picture.encode().map_err(|error| CompareError::Io(io::Error::other(error)))?;
        let name = format!("{folder}/{}.{}", file.name, picture.meta.format.extension());
        Ok((name, Content::Inline(bytes)))
    };
    output.files.iter().map(plain).collect()
}

#[cfg(test)]
mod tests;
