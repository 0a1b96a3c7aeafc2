//! Tiles: a rectangle of a rendered picture, as a worker ships it.
//!
//! ```text
//!  0  "OlTi"          magic
//!  4  version  u8     1
//!  5  format   u8     0 PNG, 1 PNM, 2 TGA, 3 TGA with run lengths, 4 BMP
//!  6  channels u8     1 to 4
//!  7  depth    u8     8 or 16
//!  8  width    u32    little-endian, as all numbers here
//! 12  height   u32
//! 16  records  u8     then for each: tag, 4 bytes; length, u8; bytes
//!     pixels          zlib stream of the rows, each byte less the one a pixel to its left
//! ```
//!
//! The same rectangle of the same picture always gives the same tile. Another version of the compressor may pack
//! the same pixels otherwise, so whoever compares tiles of different makers compares what is in them.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use outlast_types::CellId;

use super::{
    Format, MAX_RECORD_BYTES, MAX_RECORDS, Meta, Picture, PictureError, Shape, malformed, slice,
};

use crate::{CellOutput, Content, OutFile};

const MAGIC: &[u8; 4] = b"OlTi";
const VERSION: u8 = 1;
const HEADER: usize = 17;
const FORMATS: [Format; 5] = [Format::Png, Format::Pnm, Format::Tga, Format::TgaRle, Format::Bmp];

/// The name of the file in a worker's answer.
pub const NAME: &str = "tile";

/// Cuts a rectangle out of a rendered file.
///
/// # Errors
/// If the file is no picture or smaller than that.
pub fn tile(file: &[u8], x: u32, y: u32, width: u32, height: u32) -> Result<Vec<u8>, PictureError> {
    encode(&Picture::decode(file)?.cut(x, y, width, height)?)
}

/// A whole picture as a tile.
///
/// # Errors
/// If its pixels can't be packed, which doesn't happen in memory.
pub fn encode(picture: &Picture) -> Result<Vec<u8>, PictureError> {
    let Shape { width, height, channels, depth } = picture.shape;
    let mut bytes = MAGIC.to_vec();
    let format = FORMATS.iter().position(|f| *f == picture.meta.format).unwrap_or_default();
    bytes.extend_from_slice(&[VERSION, format as u8, channels, depth]);
    bytes.extend_from_slice(&width.to_le_bytes());
    bytes.extend_from_slice(&height.to_le_bytes());
    let fits = |record: &&([u8; 4], Vec<u8>)| record.1.len() <= MAX_RECORD_BYTES;
    let records: Vec<_> = picture.meta.records.iter().filter(fits).take(MAX_RECORDS).collect();
    bytes.push(records.len() as u8);
    for (tag, data) in records {
        bytes.extend_from_slice(tag);
        bytes.push(data.len() as u8);
        bytes.extend_from_slice(data);
    }
    let pixel = picture.shape.pixel_bytes();
    let mut packer = ZlibEncoder::new(bytes, Compression::new(6));
    let failed = |error: std::io::Error| malformed("tile", error.to_string());
    for row in picture.pixels.chunks_exact(picture.shape.row_bytes()) {
        let mut line = row.to_vec();
        for i in (pixel..line.len()).rev() {
            line[i] = line[i].wrapping_sub(line[i - pixel]);
        }
        packer.write_all(&line).map_err(failed)?;
    }
    packer.finish().map_err(failed)
}

/// The answer of a worker that shows this.
///
/// # Errors
/// As [`encode`].
pub(crate) fn answer(cell: CellId, picture: &Picture) -> Result<CellOutput, PictureError> {
    let content = Content::Inline(encode(picture)?);
    let files = vec![OutFile { name: NAME.to_owned(), executable: false, content }];
    Ok(CellOutput { cell, exit: 0, files })
}

/// Reads a tile of any size, of at most so many pixels.
///
/// # Errors
/// As [`decode`].
pub fn decode_within(bytes: &[u8], most: u64) -> Result<Picture, PictureError> {
    let header = slice(bytes, 0, HEADER, "tile header")?;
    let number = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let (width, height) = (number(8), number(12));
    Shape { width, height, channels: 1, depth: 8 }.check_within(most)?;
    decode(bytes, width, height)
}

/// Reads a tile, which has to be of this size.
///
/// # Errors
/// Whatever is wrong with it. No more is allocated than a picture of this size needs.
pub fn decode(bytes: &[u8], width: u32, height: u32) -> Result<Picture, PictureError> {
    let header = slice(bytes, 0, HEADER, "tile header")?;
    if &header[..4] != MAGIC {
        return Err(malformed("tile", "it doesn't start like a tile"));
    }
    if header[4] != VERSION {
        return Err(malformed("tile", format!("version {}, expected {VERSION}", header[4])));
    }
    let format = *FORMATS
        .get(usize::from(header[5]))
        .ok_or_else(|| malformed("tile", format!("format {}, expected 0 to 4", header[5])))?;
    let number = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let shape =
        Shape { width: number(8), height: number(12), channels: header[6], depth: header[7] };
    if (shape.width, shape.height) != (width, height) {
        return Err(PictureError::Size {
            width,
            height,
            found_width: shape.width,
            found_height: shape.height,
        });
    }
    shape.check()?;
    let count = usize::from(header[16]);
    if count > MAX_RECORDS {
        return Err(malformed("tile", format!("{count} records, expected at most {MAX_RECORDS}")));
    }
    let mut at = HEADER;
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        let head = slice(bytes, at, 5, "tile record")?;
        let length = usize::from(head[4]);
        if length > MAX_RECORD_BYTES {
            return Err(malformed("tile", format!("a record of {length} bytes")));
        }
        let data = slice(bytes, at + 5, length, "tile record")?;
        records.push(([head[0], head[1], head[2], head[3]], data.to_vec()));
        at += 5 + length;
    }
    let pixels = unpack(&bytes[at..], &shape)?;
    Ok(Picture { shape, pixels, meta: Meta { format, records } })
}

fn unpack(packed: &[u8], shape: &Shape) -> Result<Vec<u8>, PictureError> {
    let mut pixels = Vec::new();
    let mut stream = ZlibDecoder::new(packed);
    // One byte more than expected tells a stream that is too long from one that is right.
    let limit = shape.bytes() as u64 + 1;
    stream
        .by_ref()
        .take(limit)
        .read_to_end(&mut pixels)
        .map_err(|error| malformed("tile", error.to_string()))?;
    if pixels.len() < shape.bytes() {
        return Err(PictureError::Truncated {
            what: "tile pixels",
            expected: shape.bytes() as u64,
            found: pixels.len() as u64,
        });
    }
    if pixels.len() > shape.bytes() || stream.total_in() != packed.len() as u64 {
        return Err(malformed("tile", "more bytes than its size calls for"));
    }
    let pixel = shape.pixel_bytes();
    for row in pixels.chunks_exact_mut(shape.row_bytes()) {
        for i in pixel..row.len() {
            row[i] = row[i].wrapping_add(row[i - pixel]);
        }
    }
    Ok(pixels)
}
