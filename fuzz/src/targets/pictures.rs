//! Pictures and tiles: what renderers write, and what workers ship.

use outlast_gridlet::picture::{Format, Meta, Picture, Shape, tile as tiles_of};

/// The first two bytes say which tile is cut.
pub(super) fn picture(bytes: &[u8]) {
    let [x, y, file @ ..] = bytes else { return };
    let Ok(picture) = Picture::decode(file) else { return };
    let shape = picture.shape;
    shape.check().expect("what was decoded can be held");
    assert_eq!(picture.pixels.len(), shape.bytes());
    if let Ok(again) = picture.encode() {
        let same = Picture::decode(&again).expect("what was encoded can be decoded");
        assert!(same.shape == shape && same.pixels == picture.pixels, "other pixels: {shape:?}");
    }
    let (x, y) = (u32::from(*x) % shape.width, u32::from(*y) % shape.height);
    let (width, height) = ((shape.width - x).min(64), (shape.height - y).min(64));
    let part = picture.cut(x, y, width, height).expect("it lies inside");
    let bytes = tiles_of::tile(file, x, y, width, height).expect("it lies inside");
    let tile = tiles_of::decode(&bytes, width, height).expect("a tile can be decoded");
    assert!(tile.shape == part.shape && tile.pixels == part.pixels);
    assert!(picture.cut(x, y, shape.width - x + 1, height).is_err(), "it reaches over the edge");
}

fn some() -> Vec<Picture> {
    let mut pictures = Vec::new();
    for (format, kinds) in [
        (Format::Png, &[(1, 8), (2, 8), (3, 16), (4, 8)][..]),
        (Format::Pnm, &[(1, 8), (3, 8), (3, 16)]),
        (Format::Tga, &[(3, 8), (4, 8), (1, 8)]),
        (Format::TgaRle, &[(3, 8), (4, 8)]),
        (Format::Bmp, &[(3, 8), (4, 8)]),
    ] {
        for &(channels, depth) in kinds {
            let shape = Shape { width: 5, height: 3, channels, depth };
            let Ok(mut picture) = Picture::blank(shape, Meta::plain(format)) else { continue };
            for (at, byte) in picture.pixels.iter_mut().enumerate() {
                *byte = byte.wrapping_add((at / 4) as u8);
            }
            pictures.push(picture);
        }
    }
    pictures
}

pub(super) fn files() -> Vec<Vec<u8>> {
    let files = some().into_iter().filter_map(|picture| picture.encode().ok());
    files.map(|file| [&[1, 1], &file[..]].concat()).collect()
}

/// The size that is expected is the one that it says, but for the first byte.
pub(super) fn tile(bytes: &[u8]) {
    let Some((&other, bytes)) = bytes.split_first() else { return };
    let number = |at: usize| {
        let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
        four.map_or(0, u32::from_le_bytes)
    };
    // As large as the workers' tiles are, or a little more: what is expected comes from this node's own plan.
    let (width, height) = (number(8) % 4096, number(12) % 64);
    let width = if other == 255 { width + 1 } else { width };
    let Ok(picture) = tiles_of::decode(bytes, width, height) else { return };
    assert_eq!((picture.shape.width, picture.shape.height), (width, height));
    assert_eq!(picture.pixels.len(), picture.shape.bytes());
    let again = tiles_of::encode(&picture).expect("what was decoded can be encoded");
    let same = tiles_of::decode(&again, width, height).expect("what was encoded can be decoded");
    assert_eq!(picture, same);
}

pub(super) fn tiles() -> Vec<Vec<u8>> {
    let tiles = some().into_iter().filter_map(|picture| tiles_of::encode(&picture).ok());
    tiles.map(|tile| [&[0], &tile[..]].concat()).collect()
}
