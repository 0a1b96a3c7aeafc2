//! Structural similarity: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image Quality
//! Assessment: From Error Visibility to Structural Similarity", IEEE Transactions on Image Processing
//! 13(4), 2004, section III-B: equation 13 with the constants and the window of section III-C (Gaussian, 11 x 11,
//! standard deviation 1.5, K1 = 0.01, K2 = 0.03), averaged over all windows that lie inside of the
//! picture (equation 17).
//!
//! Where a picture is smaller than the window, the window is cut to it. Rows are gone through one after the
//! other: the memory is that of a few rows.

use crate::picture::Picture;

/// Pixels a side of the window.
const WINDOW: usize = 11;

/// Its standard deviation, in pixels.
const SIGMA: f64 = 1.5;

const K1: f64 = 0.01;
const K2: f64 = 0.03;

/// The weights along one axis of a window of `size` pixels; their sum is 1. The window is the product of two of these.
fn weights(size: usize) -> Vec<f64> {
    let middle = (size as f64 - 1.0) / 2.0;
    let weight = |i: usize| (-(i as f64 - middle).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    let raw: Vec<f64> = (0..size).map(weight).collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|weight| weight / sum).collect()
}

/// Weighted means in a window: of both pictures, of their squares and of their product.
type Means = [f64; 5];

fn products(x: f64, y: f64) -> Means {
    [x, y, x * x, y * y, x * y]
}

fn add(sum: &mut Means, weight: f64, means: &Means) {
    for (sum, mean) in sum.iter_mut().zip(means) {
        *sum += weight * mean;
    }
}

/// Equation 13, for samples from 0 to `peak`.
fn similarity([mx, my, xx, yy, xy]: Means, peak: f64) -> f64 {
    let (c1, c2) = ((K1 * peak).powi(2), (K2 * peak).powi(2));
    let (vx, vy, cov) = (xx - mx * mx, yy - my * my, xy - mx * my);
    ((2.0 * mx * my + c1) * (2.0 * cov + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))
}

/// The mean similarity of one channel of two pictures, which have to be of one shape: 1 if they are the same.
pub(super) fn ssim(a: &Picture, b: &Picture, channel: u8) -> f64 {
    let (width, height) = (a.shape.width as usize, a.shape.height as usize);
    let (across, down) = (weights(width.min(WINDOW)), weights(height.min(WINDOW)));
    let peak = a.shape.peak();
    let mut row: Vec<Means> = vec![Means::default(); width];
    let mut total = 0.0;
    for y in 0..=height - down.len() {
        row.fill(Means::default());
        for (line, weight) in (y..).zip(&down) {
            let samples = a.samples(line, channel).zip(b.samples(line, channel));
            for (means, (x, y)) in row.iter_mut().zip(samples) {
                add(means, *weight, &products(f64::from(x), f64::from(y)));
            }
        }
        let mut sum = 0.0;
        for window in row.windows(across.len()) {
            let mut means = Means::default();
            for (column, weight) in window.iter().zip(&across) {
                add(&mut means, *weight, column);
            }
            sum += similarity(means, peak);
        }
        total += sum;
    }
    let windows = (height - down.len() + 1) * (width - across.len() + 1);
    total / windows as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Format, Meta, Shape};

    fn picture(width: u32, height: u32, sample: impl Fn(u32, u32) -> u8) -> Picture {
        let shape = Shape { width, height, channels: 1, depth: 8 };
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let pixels = pixels.map(|(x, y)| sample(x, y)).collect();
        Picture { shape, pixels, meta: Meta::plain(Format::Pnm) }
    }

    /// As the paper writes it: for each window, with a two-dimensional kernel and central moments.
    fn by_definition(a: &Picture, b: &Picture) -> f64 {
        let kernel = |x: usize, y: usize| {
            (-((x as f64 - 5.0).powi(2) + (y as f64 - 5.0).powi(2)) / 4.5).exp()
        };
        let all = (0..11).flat_map(|y| (0..11).map(move |x| (x, y)));
        let sum: f64 = all.clone().map(|(x, y)| kernel(x, y)).sum();
        let (width, height) = (a.shape.width as usize, a.shape.height as usize);
        let (mut total, mut windows) = (0.0, 0.0);
        for top in 0..=height - 11 {
            for left in 0..=width - 11 {
                let at = |p: &Picture, x, y| f64::from(p.pixels[(top + y) * width + left + x]);
                let mean = |f: &dyn Fn(usize, usize) -> f64| -> f64 {
                    all.clone().map(|(x, y)| kernel(x, y) / sum * f(x, y)).sum()
                };
                let (mx, my) = (mean(&|x, y| at(a, x, y)), mean(&|x, y| at(b, x, y)));
                let vx = mean(&|x, y| (at(a, x, y) - mx).powi(2));
                let vy = mean(&|x, y| (at(b, x, y) - my).powi(2));
                let cov = mean(&|x, y| (at(a, x, y) - mx) * (at(b, x, y) - my));
                let (c1, c2) = (2.55f64.powi(2), 7.65f64.powi(2));
                total += (2.0 * mx * my + c1) * (2.0 * cov + c2)
                    / ((mx * mx + my * my + c1) * (vx + vy + c2));
                windows += 1.0;
            }
        }
        total / windows
    }

    #[test]
    fn it_is_what_the_paper_defines() {
        let a = picture(23, 17, |x, y| (x * 11 + y * 7) as u8);
        let b = picture(23, 17, |x, y| ((x * 11 + y * 7) as u8).wrapping_add((x * y % 23) as u8));
        let (fast, slow) = (ssim(&a, &b, 0), by_definition(&a, &b));
        assert!((fast - slow).abs() < 1e-9, "{fast} {slow}");
        assert!(fast < 0.99, "{fast}");
        assert!((ssim(&a, &a, 0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn of_plain_pictures_only_the_luminance_counts() {
        let (a, b) = (picture(20, 20, |_, _| 100), picture(20, 20, |_, _| 120));
        let c1 = 2.55f64.powi(2);
        let expected = (2.0 * 100.0 * 120.0 + c1) / (100f64.powi(2) + 120f64.powi(2) + c1);
        assert!((ssim(&a, &b, 0) - expected).abs() < 1e-9);
    }

    #[test]
    fn a_picture_smaller_than_the_window_is_one_window() {
        let (a, b) = (picture(3, 2, |x, _| x as u8 * 90), picture(3, 2, |x, _| 180 - x as u8 * 90));
        assert!((ssim(&a, &a, 0) - 1.0).abs() < 1e-12);
        assert!(ssim(&a, &b, 0) < 0.0, "{}", ssim(&a, &b, 0));
    }
}
