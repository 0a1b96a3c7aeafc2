//! Windows bitmaps with 24 or 32 bits, uncompressed; 32 bits hold alpha, as at POV-Ray's.

use super::{Format, Meta, Picture, PictureError, Shape, malformed, slice};

/// File header and information header.
const HEADER: usize = 54;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Bytes of a row in the file: a multiple of 4.
fn stride(shape: &Shape) -> usize {
    shape.row_bytes().next_multiple_of(4)
}

/// Blue first in the file, red first in memory; the same both ways.
fn swap(pixel: &[u8], out: &mut Vec<u8>) {
    out.extend([pixel[2], pixel[1], pixel[0]]);
    out.extend(&pixel[3..]);
}

pub(super) fn decode(bytes: &[u8], most: u64) -> Result<Picture, PictureError> {
    let header = slice(bytes, 0, HEADER, "BMP header")?;
    if u32_at(header, 14) != 40 {
        return Err(malformed(
            "BMP",
            format!("a header of {} bytes, expected 40", u32_at(header, 14)),
        ));
    }
    let channels = match (u16::from_le_bytes([header[28], header[29]]), u32_at(header, 30)) {
        (24, 0) => 3,
        (32, 0) => 4,
        (bits, compression) => {
            return Err(malformed(
                "BMP",
                format!("{bits} bits with compression {compression}, expected 24 or 32 without"),
            ));
        }
    };
    let height = u32_at(header, 22);
    if height > i32::MAX as u32 {
        return Err(malformed("BMP", "rows from the top, expected from the bottom"));
    }
    let shape = Shape { width: u32_at(header, 18), height, channels, depth: 8 };
    shape.check_within(most)?;
    let stride = stride(&shape);
    let rows = slice(bytes, u32_at(header, 10) as usize, stride * height as usize, "BMP pixels")?;
    let mut pixels = Vec::with_capacity(shape.bytes());
    for row in rows.chunks_exact(stride).rev() {
        for pixel in row[..shape.row_bytes()].chunks_exact(shape.pixel_bytes()) {
            swap(pixel, &mut pixels);
        }
    }
    Ok(Picture { shape, pixels, meta: Meta::plain(Format::Bmp) })
}

pub(super) fn encode(picture: &Picture) -> Result<Vec<u8>, PictureError> {
    let Shape { width, height, channels, depth } = picture.shape;
    if !matches!((channels, depth), (3 | 4, 8)) {
        return Err(PictureError::Kind { channels, depth });
    }
    let stride = stride(&picture.shape);
    let size = stride * height as usize;
    let mut bytes = Vec::with_capacity(HEADER + size);
    bytes.extend_from_slice(b"BM");
    let total = u32::try_from(HEADER + size).map_err(|_| PictureError::TooLarge {
        width,
        height,
        most: super::MAX_PIXELS,
    })?;
    for number in [total, 0, HEADER as u32, 40, width, height] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&1u16.to_le_bytes());
    bytes.extend_from_slice(&(u16::from(channels) * 8).to_le_bytes());
    for number in [0, size as u32, 0, 0, 0, 0] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for row in picture.pixels.chunks_exact(picture.shape.row_bytes()).rev() {
        for pixel in row.chunks_exact(picture.shape.pixel_bytes()) {
            swap(pixel, &mut bytes);
        }
        bytes.resize(bytes.len() + stride - row.len(), 0);
    }
    Ok(bytes)
}
