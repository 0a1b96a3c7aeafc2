//! What a lie looks like.

use std::fs;
use std::path::PathBuf;

use outlast_gridlet::picture::{Picture, tile};
use outlast_gridlet::{CellOutput, Content, OutFile};
use outlast_types::{Hash, limits};

/// One pixel in so many is changed: a glance does not tell, and a sample of 16 pixels misses it once in a hundred times.
const PIXELS: u64 = 4;

/// What a node says in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// The same picture with some pixels changed, or a file with some bytes changed. Liars with the same seed change the
    /// same, so that they agree.
    Convincing(u64),
    /// Half of it.
    Truncated,
    /// More than any answer may have.
    Oversize,
    /// A few bytes that unpack to far more than the picture has.
    Bomb,
    /// A picture of another size.
    WrongSize,
    /// Something else.
    NotAnImage,
}

/// The files of the node, for answers that are too large to be carried along.
#[derive(Clone, Debug)]
pub(super) struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    pub(super) fn new(data_dir: PathBuf) -> Self {
        Self { folder: data_dir.join("blobs") }
    }

    fn read(&self, content: &Content) -> Vec<u8> {
        let hash = match content {
            Content::Inline(bytes) => return bytes.clone(),
            Content::Blob { hash, .. } => hash.to_string(),
        };
        let new = self.folder.join("new").join(&hash);
        fs::read(new)
            .or_else(|_| fs::read(self.folder.join(&hash[..2]).join(&hash)))
            .unwrap_or_default()
    }

    fn content(&self, bytes: Vec<u8>) -> Content {
        if bytes.len() <= limits::INLINE_BYTES {
            return Content::Inline(bytes);
        }
        let hash = Hash::of(&bytes);
        // Where the node's own answers are before anybody has asked for them.
        if let Err(error) = fs::write(self.folder.join("new").join(hash.to_string()), &bytes) {
            tracing::error!("a lie can't be written: {error}");
        }
        Content::Blob { hash, length: bytes.len() as u64 }
    }
}

/// Numbers that look random and follow from `state` alone (SplitMix64, Steele et al. 2014).
pub(super) fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Lie {
    /// Another answer in place of this one.
    pub(super) fn tell(self, mut output: CellOutput, blobs: &Blobs) -> CellOutput {
        // A run that printed nothing has empty streams.
        let index = output.files.iter().position(|file| file.content.length() > 0);
        let Some(index) = index else {
            output.files = vec![made_up()];
            return output;
        };
        let file = &mut output.files[index];
        let bytes = blobs.read(&file.content);
        file.content = match self {
            Self::Convincing(seed) => {
                blobs.content(convincing(bytes, mix(seed ^ u64::from(output.cell.0))))
            }
            Self::Truncated => blobs.content(bytes[..bytes.len() / 2].to_vec()),
            Self::Oversize => Content::Blob { hash: Hash::of(&bytes), length: 1 << 40 },
            Self::Bomb => blobs.content(bomb(&bytes)),
            Self::WrongSize => blobs.content(wrong_size(bytes)),
            Self::NotAnImage => Content::Inline(b"You asked for a picture?\n".to_vec()),
        };
        output
    }
}

fn made_up() -> OutFile {
    let content = Content::Inline(b"made up\n".to_vec());
    OutFile { name: "stdout".to_owned(), executable: false, content }
}

/// The picture in a tile. Its size is in its header; whoever asked knows it.
fn picture(bytes: &[u8]) -> Option<Picture> {
    let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    tile::decode(bytes, number(8)?, number(12)?).ok()
}

fn encoded(picture: &Picture) -> Vec<u8> {
    tile::encode(picture).unwrap_or_default()
}

fn convincing(mut bytes: Vec<u8>, seed: u64) -> Vec<u8> {
    let Some(mut picture) = picture(&bytes) else {
        let at = (seed % bytes.len() as u64) as usize;
        bytes[at] ^= 1;
        return bytes;
    };
    let pixel = picture.shape.pixel_bytes();
    for (at, bytes) in (0u64..).zip(picture.pixels.chunks_exact_mut(pixel)) {
        let dice = mix(seed ^ mix(at));
        if dice.is_multiple_of(PIXELS) {
            bytes[0] ^= 0x10 | (dice >> 60) as u8;
        }
    }
    encoded(&picture)
}

fn wrong_size(bytes: Vec<u8>) -> Vec<u8> {
    let Some(mut picture) = picture(&bytes) else { return [bytes.as_slice(), &bytes].concat() };
    let row = picture.shape.row_bytes();
    picture.shape.height += 1;
    picture.pixels.extend_from_within(..row);
    encoded(&picture)
}

/// The header of a tile that says one size, and pixels of a far larger one.
fn bomb(bytes: &[u8]) -> Vec<u8> {
    let Some(mut picture) = picture(bytes) else { return bytes.repeat(100) };
    let header = bytes[..16].to_vec();
    picture.shape.height = (64 << 20) / picture.shape.row_bytes() as u32;
    picture.pixels = vec![0; picture.shape.bytes()];
    let mut bomb = encoded(&picture);
    bomb[..16].copy_from_slice(&header);
    bomb
}

#[cfg(test)]
mod tests {
    use outlast_gridlet::picture::{Format, Meta, Shape};
    use outlast_types::CellId;

    use super::*;

    fn answer() -> CellOutput {
        let shape = Shape { width: 32, height: 16, channels: 3, depth: 8 };
        let picture = Picture::blank(shape, Meta::plain(Format::Png)).unwrap();
        let content = Content::Inline(tile::encode(&picture).unwrap());
        let file = OutFile { name: tile::NAME.to_owned(), executable: false, content };
        CellOutput { cell: CellId(3), exit: 0, files: vec![file] }
    }

    fn told(lie: Lie) -> (CellOutput, Option<Picture>) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("blobs/new")).unwrap();
        let blobs = Blobs::new(folder.path().to_owned());
        let output = lie.tell(answer(), &blobs);
        let bytes = blobs.read(&output.files[0].content);
        (output, tile::decode(&bytes, 32, 16).ok())
    }

    #[test]
    fn a_convincing_lie_is_a_picture_that_differs_here_and_there() {
        let (_, lie) = told(Lie::Convincing(7));
        let changed = lie.unwrap().pixels.iter().filter(|byte| **byte != 0).count();
        assert!((80..180).contains(&changed), "{changed} of 512 pixels");
    }

    #[test]
    fn colluders_agree_and_others_do_not() {
        assert_eq!(told(Lie::Convincing(7)).0, told(Lie::Convincing(7)).0);
        assert_ne!(told(Lie::Convincing(7)).0, told(Lie::Convincing(8)).0);
    }

    #[test]
    fn the_other_lies_are_no_answers() {
        for lie in [Lie::Truncated, Lie::Oversize, Lie::Bomb, Lie::WrongSize, Lie::NotAnImage] {
            assert_eq!(told(lie).1, None, "{lie:?}");
        }
    }
}
