use proptest::prelude::*;

use super::*;

fn picture(format: Format, channels: u8, depth: u8, width: u32, height: u32, seed: u8) -> Picture {
    let shape = Shape { width, height, channels, depth };
    // Some runs, some noise.
    let mut state = u32::from(seed) + 1;
    let pixels = (0..shape.bytes())
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if (i / 40) % 2 == 0 { 7 } else { (state >> 24) as u8 }
        })
        .collect();
    Picture { shape, pixels, meta: Meta::plain(format) }
}

fn kinds() -> impl Strategy<Value = (Format, u8, u8)> {
    prop_oneof![
        (1u8..=4, prop_oneof![Just(8u8), Just(16)]).prop_map(|(c, d)| (Format::Png, c, d)),
        (prop_oneof![Just(1u8), Just(3)], prop_oneof![Just(8u8), Just(16)]).prop_map(|(c, d)| (
            Format::Pnm,
            c,
            d
        )),
        (3u8..=4).prop_map(|c| (Format::Tga, c, 8)),
        (3u8..=4).prop_map(|c| (Format::TgaRle, c, 8)),
        (3u8..=4).prop_map(|c| (Format::Bmp, c, 8)),
    ]
}

proptest! {
    #[test]
    fn files_and_tiles_come_back_as_they_were(
        (format, channels, depth) in kinds(), width in 1u32..70, height in 1u32..20, seed: u8,
    ) {
        let picture = picture(format, channels, depth, width, height, seed);
        let file = picture.encode().unwrap();
        prop_assert_eq!(&Picture::decode(&file).unwrap(), &picture);
        let tile = tile(&file, 0, 0, width, height).unwrap();
        prop_assert_eq!(&tile::decode(&tile, width, height).unwrap(), &picture);
    }

    #[test]
    fn a_cut_pasted_back_changes_nothing(
        (format, channels, depth) in kinds(), x in 0u32..20, y in 0u32..20, seed: u8,
    ) {
        let whole = picture(format, channels, depth, 33, 27, seed);
        let part = whole.cut(x, y, 33 - x, 27 - y).unwrap();
        let mut again = whole.clone();
        again.paste(&part, x, y).unwrap();
        prop_assert_eq!(again, whole);
    }

    #[test]
    fn damaged_files_never_panic(
        (format, channels, depth) in kinds(), seed: u8,
        at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>(),
    ) {
        let picture = picture(format, channels, depth, 40, 9, seed);
        for mut bytes in [picture.encode().unwrap(), tile::encode(&picture).unwrap()] {
            let i = at.index(bytes.len());
            bytes[i] = byte;
            let _ = Picture::decode(&bytes);
            let _ = tile::decode(&bytes, 40, 9);
            let short = &bytes[..cut.index(bytes.len())];
            let _ = Picture::decode(short);
            prop_assert!(tile::decode(short, 40, 9).is_err());
        }
    }

    #[test]
    fn noise_never_panics(start in 0usize..7, mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let starts: [&[u8]; 7] = [
            b"", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"P6\n", b"P5 9 9 255 ", b"BM",
            b"\0\0\x0a\0\0\0\0\0\0\0\0\0\x09\0\x09\0\x18\x20", b"OlTi\x01\0\x03\x08\x09\0\0\0\x09\0\0\0",
        ];
        let mut file = starts[start].to_vec();
        file.append(&mut bytes);
        let _ = Picture::decode(&file);
        let _ = tile::decode(&file, 9, 9);
    }
}

#[test]
fn a_picture_too_large_is_refused_before_it_is_allocated() {
    let mut file = picture(Format::Png, 3, 8, 4, 4, 0).encode().unwrap();
    file[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    assert!(matches!(Picture::decode(&file), Err(PictureError::TooLarge { .. })));
    assert!(matches!(
        Picture::decode(b"P6\n4000000000 4000000000\n255\n"),
        Err(PictureError::TooLarge { .. })
    ));
}

#[test]
fn a_tile_of_another_size_is_refused() {
    let bytes = tile::encode(&picture(Format::Png, 3, 8, 8, 4, 0)).unwrap();
    assert!(matches!(tile::decode(&bytes, 4, 8), Err(PictureError::Size { .. })));
}

#[test]
fn a_tile_with_anything_after_it_is_refused() {
    let mut bytes = tile::encode(&picture(Format::Png, 3, 8, 8, 4, 0)).unwrap();
    bytes.push(0);
    assert!(tile::decode(&bytes, 8, 4).is_err());
}

#[test]
fn distance_is_in_steps_of_8_bits() {
    let a = picture(Format::Png, 3, 16, 8, 4, 0);
    let mut b = a.clone();
    b.pixels[0] ^= 1;
    let distance = a.difference(&b).unwrap().steps;
    assert!((distance - 256.0 / 257.0).abs() < 1e-9, "{distance}");
    assert_eq!(a.difference(&a.cut(0, 0, 4, 4).unwrap()), None);
}
