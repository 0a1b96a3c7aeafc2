//! How fast a core computes, measured: a short kernel of dependent and independent multiply-adds.
//!
//! The figure is for comparing nodes with each other when work is placed, not a datasheet's: it is
//! what scalar code of moderate parallelism gets out of one core.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Long enough to see the core's real pace, short enough that nobody minds.
const MEASURE_FOR: Duration = Duration::from_millis(50);

/// Multiply-adds between two looks at the clock.
const ROUND: u64 = 100_000;

/// Floating-point operations per second of one core. Takes 50 ms of it.
pub(crate) fn measure() -> u64 {
    let mut lanes = [1.0f64, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7];
    let (start, mut rounds) = (Instant::now(), 0u64);
    while start.elapsed() < MEASURE_FOR {
        for _ in 0..ROUND / lanes.len() as u64 {
            for lane in &mut lanes {
                *lane = *lane * 0.999_999 + 1e-6;
            }
        }
        black_box(&mut lanes);
        rounds += 1;
    }
    (2.0 * (rounds * ROUND) as f64 / start.elapsed().as_secs_f64()) as u64
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_core_computes_something() {
        assert!(super::measure() > 1_000_000);
    }
}
