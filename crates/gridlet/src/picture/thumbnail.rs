//! A picture being shown while parts of it are still missing.

use super::{Format, Meta, Picture, Shape};

/// Pixels a side of the largest preview: what a screen shows.
const SIDE: u32 = 2048;

/// Every `step`th pixel of every `step`th row; transparent where nothing was pasted.
pub(crate) struct Thumbnail {
    step: u32,
    width: u32,
    height: u32,
    rgba: Vec<u8>,
}

impl Thumbnail {
    /// Of a picture of so many pixels.
    pub(crate) fn new(width: u32, height: u32) -> Self {
        let step = width.max(height).div_ceil(SIDE).max(1);
        let (width, height) = (width.div_ceil(step), height.div_ceil(step));
        Self { step, width, height, rgba: vec![0; width as usize * height as usize * 4] }
    }

    /// Puts a part of it there.
    pub(crate) fn paste(&mut self, tile: &Picture, x: u32, y: u32) {
        let rgba = tile.rgba8();
        let Shape { width, height, .. } = tile.shape;
        let first = |at: u32| at.next_multiple_of(self.step);
        for row in (first(y)..y + height).step_by(self.step as usize) {
            for column in (first(x)..x + width).step_by(self.step as usize) {
                let from = ((row - y) as usize * width as usize + (column - x) as usize) * 4;
                let to = ((row / self.step) as usize * self.width as usize
                    + (column / self.step) as usize)
                    * 4;
                self.rgba[to..to + 4].copy_from_slice(&rgba[from..from + 4]);
            }
        }
    }

    /// As a picture to write as PNG.
    pub(crate) fn finish(self) -> Picture {
        let shape = Shape { width: self.width, height: self.height, channels: 4, depth: 8 };
        Picture { shape, pixels: self.rgba, meta: Meta::plain(Format::Png) }
    }
}
