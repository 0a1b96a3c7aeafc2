//! Portable pixmaps and greymaps, binary.

use super::{Format, Meta, Picture, PictureError, Shape, malformed, slice};

/// The next number of the header, after white space and comments.
fn number(bytes: &[u8], at: &mut usize) -> Result<u32, PictureError> {
    loop {
        match bytes.get(*at) {
            Some(b'#') => {
                while bytes.get(*at).is_some_and(|&b| b != b'\n') {
                    *at += 1;
                }
            }
            Some(b) if b.is_ascii_whitespace() => *at += 1,
            _ => break,
        }
    }
    let digits = bytes[*at..].iter().take_while(|b| b.is_ascii_digit()).count();
    let text = std::str::from_utf8(&bytes[*at..*at + digits]).unwrap_or_default();
    *at += digits;
    text.parse().map_err(|_| malformed("PPM", format!("expected a number, found {text:?}")))
}

pub(super) fn decode(bytes: &[u8], most: u64) -> Result<Picture, PictureError> {
    let channels = if bytes.starts_with(b"P5") { 1 } else { 3 };
    let mut at = 2;
    let width = number(bytes, &mut at)?;
    let height = number(bytes, &mut at)?;
    let depth = match number(bytes, &mut at)? {
        255 => 8,
        65535 => 16,
        other => {
            return Err(malformed("PPM", format!("white is {other}, expected 255 or 65535")));
        }
    };
    let shape = Shape { width, height, channels, depth };
    shape.check_within(most)?;
    // One white space character ends the header.
    let pixels = slice(bytes, at + 1, shape.bytes(), "PPM pixels")?.to_vec();
    Ok(Picture { shape, pixels, meta: Meta::plain(Format::Pnm) })
}

pub(super) fn encode(picture: &Picture) -> Result<Vec<u8>, PictureError> {
    let Shape { width, height, channels, depth } = picture.shape;
    let magic = match channels {
        1 => "P5",
        3 => "P6",
        _ => return Err(PictureError::Kind { channels, depth }),
    };
    let white = if depth == 8 { 255 } else { 65535 };
    let mut bytes = format!("{magic}\n{width} {height}\n{white}\n").into_bytes();
    bytes.extend_from_slice(&picture.pixels);
    Ok(bytes)
}
