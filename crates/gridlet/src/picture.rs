//! Raster pictures in the formats that POV-Ray writes, and *tiles*: rectangles of them, as workers ship them.
//!
//! ```text
//!  rendered file ──decode──▶ Picture ──cut, tile::encode──▶ tile bytes        (worker)
//!  tile bytes ──tile::decode──▶ Picture ──paste──▶ Picture ──encode──▶ file   (submitter)
//! ```
//!
//! Samples are kept exactly as the file has them: no gamma, no change of depth. [`Meta`] carries what of a file's
//! header matters to who shows it (gamma, significant bits), and nothing that depends on when or where the file
//! was written, so that two honest workers make the same tile.
//!
//! Everything here reads bytes of strangers: sizes are compared with [`MAX_PIXELS`] before anything is allocated,
//! and data that ends early is an error.

mod bmp;
mod png;
mod pnm;
mod tga;
mod thumbnail;
pub mod tile;

pub(crate) use thumbnail::Thumbnail;
pub use tile::tile;

use serde::{Deserialize, Serialize};

/// Pixels of the largest picture: 16,384 × 16,384. With 8 bytes a pixel it still fits into the memory of a large
/// machine, which merging needs.
pub const MAX_PIXELS: u64 = 1 << 28;

/// Records in a [`Meta`]; POV-Ray's PNG files have four.
const MAX_RECORDS: usize = 8;

/// Bytes in one record of a [`Meta`]; the longest, `cHRM`, has 32.
const MAX_RECORD_BYTES: usize = 64;

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Portable network graphics.
    Png,
    /// Binary portable pixmap (P6) or greymap (P5).
    Pnm,
    /// Targa, uncompressed.
    Tga,
    /// Targa with run lengths.
    TgaRle,
    /// Windows bitmap.
    Bmp,
}

impl Format {
    /// What its file names end with at POV-Ray's.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Pnm => "ppm",
            Self::Tga | Self::TgaRle => "tga",
            Self::Bmp => "bmp",
        }
    }
}

/// Size and kind of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    pub channels: u8,
    /// Bits of a sample: 8 or 16.
    pub depth: u8,
}

impl Shape {
    /// Bytes of a pixel.
    pub fn pixel_bytes(&self) -> usize {
        usize::from(self.channels) * usize::from(self.depth / 8)
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.width as usize * self.pixel_bytes()
    }

    /// The largest sample.
    pub fn peak(&self) -> f64 {
        if self.depth == 8 { 255.0 } else { 65535.0 }
    }

    /// Bytes of all pixels.
    pub fn bytes(&self) -> usize {
        self.row_bytes() * self.height as usize
    }

    /// Checks that such a picture can be held.
    ///
    /// # Errors
    /// [`PictureError::Kind`], [`PictureError::Empty`] or [`PictureError::TooLarge`].
    pub fn check(&self) -> Result<(), PictureError> {
        self.check_within(MAX_PIXELS)
    }

    /// The same with another limit, in pixels.
    ///
    /// # Errors
    /// As [`Shape::check`].
    pub fn check_within(&self, most: u64) -> Result<(), PictureError> {
        if !matches!(self.channels, 1..=4) || !matches!(self.depth, 8 | 16) {
            return Err(PictureError::Kind { channels: self.channels, depth: self.depth });
        }
        let pixels = u64::from(self.width) * u64::from(self.height);
        if pixels == 0 {
            return Err(PictureError::Empty);
        }
        if pixels > most.min(MAX_PIXELS) {
            let (width, height) = (self.width, self.height);
            return Err(PictureError::TooLarge { width, height, most });
        }
        Ok(())
    }
}

/// What else a file's header says, without anything that differs between two renders of the same picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The format of the file.
    pub format: Format,
    /// Tagged bytes: chunks of a PNG file, the gamma of a Targa file.
    pub records: Vec<([u8; 4], Vec<u8>)>,
}

impl Meta {
    /// Of a file that says nothing more.
    pub fn plain(format: Format) -> Self {
        Self { format, records: Vec::new() }
    }

    fn record(&self, tag: [u8; 4]) -> Option<&[u8]> {
        self.records.iter().find(|(t, _)| *t == tag).map(|(_, bytes)| bytes.as_slice())
    }
}

/// A picture in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Size and kind.
    pub shape: Shape,
    /// Row by row from the top, samples big-endian.
    pub pixels: Vec<u8>,
    /// What else the file said.
    pub meta: Meta,
}

/// Bytes that are no picture, or not the one that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// No format that we know.
    #[error("not a picture: it starts like no PNG, PPM, TGA or BMP file")]
    Unknown,
    /// The file ends early.
    #[error("truncated {what}: expected {expected} bytes, found {found}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes expected.
        expected: u64,
        /// Bytes there.
        found: u64,
    },
    /// Something in the file makes no sense, or is a variant that POV-Ray never writes.
    #[error("malformed {format} file: {problem}")]
    Malformed {
        /// `PNG`, `PPM` …
        format: &'static str,
        /// What was expected and what was found.
        problem: String,
    },
    /// Neither width nor height may be 0.
    #[error("a picture without pixels")]
    Empty,
    /// More than [`MAX_PIXELS`], or than asked for.
    #[error("a picture of {width} x {height} pixels, expected at most {most} in all")]
    TooLarge {
        /// Pixels in all, at most.
        most: u64,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// Not a kind of samples that we know.
    #[error(
        "samples of {depth} bits in {channels} channels, expected 8 or 16 bits in 1 to 4 channels"
    )]
    Kind {
        /// Channels.
        channels: u8,
        /// Bits.
        depth: u8,
    },
    /// Another size than was asked for.
    #[error("a picture of {found_width} x {found_height} pixels, expected {width} x {height}")]
    Size {
        /// Pixels across, expected.
        width: u32,
        /// Pixels down, expected.
        height: u32,
        /// Pixels across, found.
        found_width: u32,
        /// Pixels down, found.
        found_height: u32,
    },
    /// A rectangle that reaches over the picture's edge.
    #[error(
        "the rectangle {width} x {height} at ({x}, {y}) leaves a picture of {picture_width} x {picture_height}"
    )]
    Outside {
        /// Left edge.
        x: u32,
        /// Upper edge.
        y: u32,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The picture's width.
        picture_width: u32,
        /// The picture's height.
        picture_height: u32,
    },
}

fn malformed(format: &'static str, problem: impl Into<String>) -> PictureError {
    PictureError::Malformed { format, problem: problem.into() }
}

/// `bytes[at..at + count]`, or how much was missing.
fn slice<'a>(
    bytes: &'a [u8],
    at: usize,
    count: usize,
    what: &'static str,
) -> Result<&'a [u8], PictureError> {
    let end = at.checked_add(count);
    end.and_then(|end| bytes.get(at..end)).ok_or(PictureError::Truncated {
        what,
        expected: (at as u64).saturating_add(count as u64),
        found: bytes.len() as u64,
    })
}

/// How two pictures of one shape differ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// Pixels that aren't the same.
    pub pixels: u64,
    /// The largest difference between two samples at the same place, in steps of 1/255.
    pub steps: f64,
}

impl Picture {
    /// A black picture, opaque where there is alpha: POV-Ray leaves pixels so that it was told not to render.
    ///
    /// # Errors
    /// As [`Shape::check`].
    pub fn blank(shape: Shape, meta: Meta) -> Result<Self, PictureError> {
        shape.check()?;
        let mut pixels = vec![0; shape.bytes()];
        if matches!(shape.channels, 2 | 4) {
            let sample = usize::from(shape.depth / 8);
            for pixel in pixels.chunks_exact_mut(shape.pixel_bytes()) {
                let start = pixel.len() - sample;
                pixel[start..].fill(0xff);
            }
        }
        Ok(Self { shape, pixels, meta })
    }

    /// Reads a file of any of the formats.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, PictureError> {
        Self::decode_within(bytes, MAX_PIXELS)
    }

    /// The same for a picture of at most so many pixels; nothing is allocated for a larger one.
    ///
    /// # Errors
    /// As [`Picture::decode`].
    pub fn decode_within(bytes: &[u8], most: u64) -> Result<Self, PictureError> {
        if bytes.starts_with(&png::SIGNATURE) {
            png::decode(bytes, most)
        } else if bytes.starts_with(b"P6") || bytes.starts_with(b"P5") {
            pnm::decode(bytes, most)
        } else if bytes.starts_with(b"BM") {
            bmp::decode(bytes, most)
        } else if tga::looks_like(bytes) {
            tga::decode(bytes, most)
        } else {
            Err(PictureError::Unknown)
        }
    }

    /// Writes the file that its [`Meta`] describes.
    ///
    /// # Errors
    /// [`PictureError::Kind`] if the format has no such samples.
    pub fn encode(&self) -> Result<Vec<u8>, PictureError> {
        match self.meta.format {
            Format::Png => png::encode(self),
            Format::Pnm => pnm::encode(self),
            Format::Tga => tga::encode(self, false),
            Format::TgaRle => tga::encode(self, true),
            Format::Bmp => bmp::encode(self),
        }
    }

    fn check_inside(&self, x: u32, y: u32, width: u32, height: u32) -> Result<(), PictureError> {
        let inside = |at: u32, extent: u32, all: u32| {
            at.checked_add(extent).is_some_and(|end| end <= all && extent > 0)
        };
        if inside(x, width, self.shape.width) && inside(y, height, self.shape.height) {
            return Ok(());
        }
        Err(PictureError::Outside {
            x,
            y,
            width,
            height,
            picture_width: self.shape.width,
            picture_height: self.shape.height,
        })
    }

    /// The bytes of `width` pixels of row `y` from `x` on.
    fn span(&self, x: u32, y: u32, width: u32) -> std::ops::Range<usize> {
        let pixel = self.shape.pixel_bytes();
        let start = y as usize * self.shape.row_bytes() + x as usize * pixel;
        start..start + width as usize * pixel
    }

    /// A rectangle of it.
    ///
    /// # Errors
    /// [`PictureError::Outside`].
    pub fn cut(&self, x: u32, y: u32, width: u32, height: u32) -> Result<Self, PictureError> {
        self.check_inside(x, y, width, height)?;
        let shape = Shape { width, height, ..self.shape };
        let mut pixels = Vec::with_capacity(shape.bytes());
        for row in y..y + height {
            pixels.extend_from_slice(&self.pixels[self.span(x, row, width)]);
        }
        Ok(Self { shape, pixels, meta: self.meta.clone() })
    }

    /// Puts another picture of the same kind over it.
    ///
    /// # Errors
    /// [`PictureError::Outside`], or [`PictureError::Kind`] if the kinds differ.
    pub fn paste(&mut self, other: &Self, x: u32, y: u32) -> Result<(), PictureError> {
        let Shape { width, height, channels, depth } = other.shape;
        if (channels, depth) != (self.shape.channels, self.shape.depth) {
            return Err(PictureError::Kind { channels, depth });
        }
        self.check_inside(x, y, width, height)?;
        for row in 0..height {
            let to = self.span(x, y + row, width);
            let from = other.span(0, row, width);
            self.pixels[to].copy_from_slice(&other.pixels[from]);
        }
        Ok(())
    }

    /// How two pictures differ; `None` if they aren't of the same size and kind.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        if self.shape != other.shape {
            return None;
        }
        let bytes = self.shape.pixel_bytes();
        let pairs = self.pixels.chunks_exact(bytes).zip(other.pixels.chunks_exact(bytes));
        let mut difference = Difference::default();
        for (a, b) in pairs.filter(|(a, b)| a != b) {
            let steps = if self.shape.depth == 8 {
                f64::from(a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0))
            } else {
                let sample = |pair: &[u8]| u16::from_be_bytes([pair[0], pair[1]]);
                let samples = a.chunks_exact(2).zip(b.chunks_exact(2));
                let most = samples.map(|(a, b)| sample(a).abs_diff(sample(b))).max().unwrap_or(0);
                f64::from(most) / 257.0
            };
            difference.pixels += 1;
            difference.steps = difference.steps.max(steps);
        }
        Some(difference)
    }

    /// The samples of one channel of a row, from the left.
    pub(crate) fn samples(&self, row: usize, channel: u8) -> impl Iterator<Item = u16> {
        let (line, wide) = (self.shape.row_bytes(), self.shape.depth == 16);
        let at = usize::from(channel) * usize::from(self.shape.depth / 8);
        let pixels = self.pixels[row * line..][..line].chunks_exact(self.shape.pixel_bytes());
        pixels.map(move |pixel| match wide {
            true => u16::from_be_bytes([pixel[at], pixel[at + 1]]),
            false => u16::from(pixel[at]),
        })
    }

    /// The same with 8 bits RGBA, for showing.
    pub fn rgba8(&self) -> Vec<u8> {
        let step = usize::from(self.shape.depth / 8);
        let mut out = Vec::with_capacity(self.pixels.len() / self.shape.pixel_bytes() * 4);
        for pixel in self.pixels.chunks_exact(self.shape.pixel_bytes()) {
            // The first byte of a big-endian sample is its upper half.
            let sample = |channel: usize| pixel[channel * step];
            out.extend_from_slice(&match self.shape.channels {
                1 => [sample(0), sample(0), sample(0), 255],
                2 => [sample(0), sample(0), sample(0), sample(1)],
                3 => [sample(0), sample(1), sample(2), 255],
                _ => [sample(0), sample(1), sample(2), sample(3)],
            });
        }
        out
    }
}

#[cfg(test)]
mod tests;
