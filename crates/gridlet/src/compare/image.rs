//! Pictures: how far two of them may be apart.
//!
//! Sizes, channels, depth and what the headers say about colours have to be the same, always. Then all the
//! limits that are given have to hold; without any, every sample has to be the same.
//!
//! Peak signal-to-noise ratio and structural similarity are averages over the picture: a small part that is
//! all wrong may hide in a large picture. A limit on single samples (`channel`) beside them doesn't let it.

use serde::{Deserialize, Serialize};

use super::ssim::ssim;
use crate::picture::Picture;

/// What pictures may differ by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// No sample differs by more than so many steps of 255 (of 16-bit samples: of 257 each).
    pub channel: Option<f64>,
    /// The peak signal-to-noise ratio over all samples is at least this, in decibels.
    pub psnr: Option<f64>,
    /// The structural similarity of each channel is at least this.
    pub ssim: Option<f64>,
}

impl Image {
    pub(super) fn describe(&self) -> String {
        let limits = [
            self.channel
                .map(|steps| format!("no sample differs by more than {steps} steps of 255")),
            self.psnr.map(|least| format!("a signal-to-noise ratio of at least {least} dB")),
            self.ssim.map(|least| format!("a structural similarity of at least {least}")),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        match limits.is_empty() {
            true => "pictures, every sample the same".to_owned(),
            false => format!("pictures: {}", limits.join(", ")),
        }
    }

    /// Compares two pictures.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub(super) fn compare(&self, a: &Picture, b: &Picture) -> Result<(), String> {
        let Some(difference) = a.difference(b) else {
            return Err("pictures of different size or kind".to_owned());
        };
        if a.meta != b.meta {
            return Err("the headers of the pictures differ".to_owned());
        }
        let averages = self.psnr.is_some() || self.ssim.is_some();
        let most = self.channel.or((!averages).then_some(0.0));
        if let Some(most) = most.filter(|most| difference.steps > *most) {
            let found = difference.steps;
            return Err(format!("a sample differs by {found:.3} steps, expected at most {most}"));
        }
        if let Some(least) = self.psnr {
            let found = psnr(a, b);
            if found < least {
                return Err(format!("a ratio of {found:.2} dB, expected at least {least}"));
            }
        }
        if let Some(least) = self.ssim.filter(|_| difference.pixels > 0) {
            let of = |channel: u8| ssim(a, b, channel);
            let found = (0..a.shape.channels).map(of).fold(f64::INFINITY, f64::min);
            if found < least {
                return Err(format!("a similarity of {found:.4}, expected at least {least}"));
            }
        }
        Ok(())
    }
}

/// `10 log10(peak² / mean squared error)` over all samples, in decibels; infinite for the same samples.
fn psnr(a: &Picture, b: &Picture) -> f64 {
    let mut sum = 0.0;
    for row in 0..a.shape.height as usize {
        for channel in 0..a.shape.channels {
            let pairs = a.samples(row, channel).zip(b.samples(row, channel));
            sum += pairs.map(|(a, b)| f64::from(a.abs_diff(b)).powi(2)).sum::<f64>();
        }
    }
    let samples =
        f64::from(a.shape.width) * f64::from(a.shape.height) * f64::from(a.shape.channels);
    10.0 * (a.shape.peak().powi(2) * samples / sum).log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Format, Meta, Shape};

    fn picture(depth: u8, samples: &[u16]) -> Picture {
        let shape = Shape { width: samples.len() as u32 / 3, height: 1, channels: 3, depth };
        let bytes = |sample: &u16| match depth {
            8 => vec![*sample as u8],
            _ => sample.to_be_bytes().to_vec(),
        };
        let pixels = samples.iter().flat_map(bytes).collect();
        Picture { shape, pixels, meta: Meta::plain(Format::Png) }
    }

    #[test]
    fn each_limit_that_is_given_has_to_hold() {
        let (a, b) = (picture(8, &[10, 20, 30, 40, 50, 60]), picture(8, &[10, 20, 30, 40, 50, 66]));
        let image = |channel, psnr, ssim| Image { channel, psnr, ssim }.compare(&a, &b);
        assert!(image(None, None, None).is_err());
        assert!(image(Some(6.0), None, None).is_ok());
        assert!(image(Some(5.9), None, None).is_err());
        // 10 log10(255² / (36 / 6)) = 40.35
        assert!(image(None, Some(40.3), None).is_ok());
        assert!(image(None, Some(40.4), None).is_err());
        assert!(image(Some(1.0), Some(30.0), None).is_err());
        assert!(image(None, None, Some(0.999)).is_err() != image(None, None, Some(0.5)).is_err());
        assert!(Image { psnr: Some(90.0), ..Image::default() }.compare(&a, &a).is_ok());
    }

    #[test]
    fn sixteen_bits_count_in_the_same_steps() {
        let (a, b) = (picture(16, &[0, 257, 65535]), picture(16, &[0, 514, 65535]));
        let limit = |steps| Image { channel: Some(steps), ..Image::default() }.compare(&a, &b);
        assert!(limit(1.0).is_ok() && limit(0.9).is_err());
        // 10 log10(65535² / (257² / 3)) = 52.9
        let limit = |least| Image { psnr: Some(least), ..Image::default() }.compare(&a, &b);
        assert!(limit(52.8).is_ok() && limit(53.0).is_err());
    }

    #[test]
    fn other_sizes_depths_and_headers_never_agree() {
        let any = Image { channel: Some(255.0), ..Image::default() };
        let a = picture(8, &[1, 2, 3]);
        assert!(any.compare(&a, &picture(8, &[1, 2, 3, 1, 2, 3])).is_err());
        assert!(any.compare(&a, &picture(16, &[1, 2, 3])).is_err());
        let mut gamma = a.clone();
        gamma.meta.records.push((*b"gAMA", vec![0; 4]));
        assert!(any.compare(&a, &gamma).is_err());
    }
}
