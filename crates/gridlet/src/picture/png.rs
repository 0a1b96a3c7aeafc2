//! PNG, by way of the `png` crate; the chunks that say how samples are meant are carried over as they are.

use std::io::Cursor;

use super::{Format, Meta, Picture, PictureError, Shape, malformed, slice};

/// How every PNG file starts.
pub(super) const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Chunks that are kept: all that POV-Ray writes except the time and the texts, which hold the date.
const KEPT: [[u8; 4]; 5] = [*b"gAMA", *b"cHRM", *b"sRGB", *b"sBIT", *b"oFFs"];

/// The kept chunks before the first `IDAT`, in their order.
fn records(bytes: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let mut records = Vec::new();
    let mut at = SIGNATURE.len();
    // The decoder has been over the same chunks, with their checksums: anything odd here just ends the list.
    while let Some(head) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let tag = [head[4], head[5], head[6], head[7]];
        if tag == *b"IDAT" || length > i32::MAX as usize {
            break;
        }
        if KEPT.contains(&tag) && length <= super::MAX_RECORD_BYTES {
            let Some(data) = bytes.get(at + 8..at + 8 + length) else { break };
            if !records.iter().any(|(t, _)| *t == tag) {
                records.push((tag, data.to_vec()));
            }
        }
        at += 12 + length;
    }
    records
}

pub(super) fn decode(bytes: &[u8], most: u64) -> Result<Picture, PictureError> {
    // Sizes first: the decoder allocates by them.
    let header = slice(bytes, 0, 29, "PNG header")?;
    let number = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let channels = match header[25] {
        0 => 1,
        2 => 3,
        4 => 2,
        6 => 4,
        other => {
            return Err(malformed("PNG", format!("colour type {other}, expected 0, 2, 4 or 6")));
        }
    };
    let shape = Shape { width: number(16), height: number(20), channels, depth: header[24] };
    shape.check_within(most)?;
    let failed = |error: png::DecodingError| malformed("PNG", error.to_string());
    let limits = png::Limits { bytes: shape.bytes().saturating_add(1 << 20) };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    let mut reader = decoder.read_info().map_err(failed)?;
    if reader.output_buffer_size() != Some(shape.bytes()) {
        return Err(malformed("PNG", "the header disagrees with itself about the size"));
    }
    let mut pixels = vec![0; shape.bytes()];
    reader.next_frame(&mut pixels).map_err(failed)?;
    Ok(Picture { shape, pixels, meta: Meta { format: Format::Png, records: records(bytes) } })
}

pub(super) fn encode(picture: &Picture) -> Result<Vec<u8>, PictureError> {
    let failed = |error: png::EncodingError| malformed("PNG", error.to_string());
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.shape.width, picture.shape.height);
    encoder.set_color(match picture.shape.channels {
        1 => png::ColorType::Grayscale,
        2 => png::ColorType::GrayscaleAlpha,
        3 => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    });
    encoder.set_depth(match picture.shape.depth {
        8 => png::BitDepth::Eight,
        _ => png::BitDepth::Sixteen,
    });
    let mut writer = encoder.write_header().map_err(failed)?;
    for (tag, data) in &picture.meta.records {
        if KEPT.contains(tag) {
            writer.write_chunk(png::chunk::ChunkType(*tag), data).map_err(failed)?;
        }
    }
    writer.write_image_data(&picture.pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}
