//! Targa with 24 or 32 bits, from the top, uncompressed or with run lengths, with the extension that holds the
//! gamma.

use super::{Format, Meta, Picture, PictureError, Shape, malformed, slice};

const HEADER: usize = 18;
const EXTENSION: usize = 495;
const FOOTER: usize = 26;
const SIGNATURE: &[u8; 18] = b"TRUEVISION-XFILE.\0";

/// Of the extension area: gamma (two numbers of 16 bits) and what alpha means.
const GAMMA: [u8; 4] = *b"gamm";

/// Pixels that one packet may hold.
const PACKET: usize = 128;

/// Targa files have no magic number: a header as POV-Ray writes it will do.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER
        && bytes[..2] == [0, 0]
        && matches!(bytes[2], 2 | 10)
        && bytes[3..12].iter().all(|&b| b == 0)
        && matches!(bytes[16], 24 | 32)
}

/// The records of the extension area, if there is one where the footer says.
fn records(bytes: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let Some(footer) = bytes.len().checked_sub(FOOTER).map(|at| &bytes[at..]) else {
        return Vec::new();
    };
    if &footer[8..] != SIGNATURE {
        return Vec::new();
    }
    let at = u32::from_le_bytes([footer[0], footer[1], footer[2], footer[3]]) as usize;
    match slice(bytes, at, EXTENSION, "extension") {
        Ok(area) if at > 0 => {
            let mut data = area[478..482].to_vec();
            data.push(area[494]);
            vec![(GAMMA, data)]
        }
        _ => Vec::new(),
    }
}

/// Blue first in the file, red first in memory.
fn swap(pixel: &[u8], out: &mut Vec<u8>) {
    out.extend([pixel[2], pixel[1], pixel[0]]);
    out.extend(&pixel[3..]);
}

fn unpack(data: &[u8], shape: &Shape) -> Result<Vec<u8>, PictureError> {
    let size = shape.pixel_bytes();
    // Grown as packets come, so that a short file can't make us allocate a large picture.
    let mut pixels = Vec::new();
    let mut at = 0;
    while pixels.len() < shape.bytes() {
        let head = slice(data, at, 1, "TGA packet")?[0];
        at += 1;
        let count = usize::from(head & 0x7f) + 1;
        if pixels.len() + count * size > shape.bytes() {
            return Err(malformed("TGA", "a run that goes over the end of the picture"));
        }
        if head & 0x80 == 0 {
            for pixel in slice(data, at, count * size, "TGA packet")?.chunks_exact(size) {
                swap(pixel, &mut pixels);
            }
            at += count * size;
        } else {
            let pixel = slice(data, at, size, "TGA packet")?;
            for _ in 0..count {
                swap(pixel, &mut pixels);
            }
            at += size;
        }
    }
    Ok(pixels)
}

pub(super) fn decode(bytes: &[u8], most: u64) -> Result<Picture, PictureError> {
    let header = slice(bytes, 0, HEADER, "TGA header")?;
    let channels = header[16] / 8;
    if header[17] & 0x30 != 0x20 {
        return Err(malformed("TGA", "rows not from the upper left corner"));
    }
    let shape = Shape {
        width: u32::from(u16::from_le_bytes([header[12], header[13]])),
        height: u32::from(u16::from_le_bytes([header[14], header[15]])),
        channels,
        depth: 8,
    };
    shape.check_within(most)?;
    let (format, pixels) = if header[2] == 10 {
        (Format::TgaRle, unpack(&bytes[HEADER..], &shape)?)
    } else {
        let data = slice(bytes, HEADER, shape.bytes(), "TGA pixels")?;
        let mut pixels = Vec::with_capacity(shape.bytes());
        for pixel in data.chunks_exact(shape.pixel_bytes()) {
            swap(pixel, &mut pixels);
        }
        (Format::Tga, pixels)
    };
    Ok(Picture { shape, pixels, meta: Meta { format, records: records(bytes) } })
}

/// One row in packets; none goes over its end.
fn pack(row: &[u8], size: usize, out: &mut Vec<u8>) {
    let pixels: Vec<&[u8]> = row.chunks_exact(size).collect();
    let mut at = 0;
    while at < pixels.len() {
        let rest = &pixels[at..pixels.len().min(at + PACKET)];
        let run = rest.iter().take_while(|p| **p == rest[0]).count();
        if run > 1 {
            out.push(0x80 | (run - 1) as u8);
            swap(rest[0], out);
            at += run;
            continue;
        }
        // Up to where the next run starts.
        let pairs = rest.windows(2).position(|pair| pair[0] == pair[1]);
        let count = pairs.unwrap_or(rest.len());
        out.push((count - 1) as u8);
        for pixel in &rest[..count] {
            swap(pixel, out);
        }
        at += count;
    }
}

pub(super) fn encode(picture: &Picture, compress: bool) -> Result<Vec<u8>, PictureError> {
    let Shape { width, height, channels, depth } = picture.shape;
    if !matches!((channels, depth), (3 | 4, 8)) {
        return Err(PictureError::Kind { channels, depth });
    }
    let (Ok(wide), Ok(high)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(PictureError::TooLarge { width, height, most: super::MAX_PIXELS });
    };
    let mut bytes = vec![0; HEADER];
    bytes[2] = if compress { 10 } else { 2 };
    bytes[12..14].copy_from_slice(&wide.to_le_bytes());
    bytes[14..16].copy_from_slice(&high.to_le_bytes());
    bytes[16] = channels * 8;
    bytes[17] = if channels == 4 { 0x28 } else { 0x20 };
    let size = picture.shape.pixel_bytes();
    for row in picture.pixels.chunks_exact(picture.shape.row_bytes()) {
        if compress {
            pack(row, size, &mut bytes);
        } else {
            row.chunks_exact(size).for_each(|pixel| swap(pixel, &mut bytes));
        }
    }
    let extension = match picture.meta.record(GAMMA) {
        Some(data) if data.len() == 5 => {
            let at = u32::try_from(bytes.len()).map_err(|_| PictureError::TooLarge {
                width,
                height,
                most: super::MAX_PIXELS,
            })?;
            let mut area = [0; EXTENSION];
            area[..2].copy_from_slice(&(EXTENSION as u16).to_le_bytes());
            area[478..482].copy_from_slice(&data[..4]);
            area[494] = data[4];
            bytes.extend_from_slice(&area);
            at
        }
        _ => 0,
    };
    bytes.extend_from_slice(&extension.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(SIGNATURE);
    Ok(bytes)
}
