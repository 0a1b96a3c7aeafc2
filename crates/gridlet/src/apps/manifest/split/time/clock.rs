//! Times of a film's parts in the joined film.
//!
//! The program that encodes counts pictures in units of 1/rate. A film whose pictures come at even
//! times (but for the rounding of its container) is as good as a list of numbered pictures: part i begins where
//! the pictures before it end. Of any other film each picture keeps its own time, rounded to
//! the unit. Whatever begins later than the file itself (sound that begins before the picture
//! does) leaves a gap at the start: containers of constant rate fill it with copies of the first
//! picture, as the program does by itself.
//!
//! **Invariant.** Lengths are differences of rounded sums, never sums of rounded lengths, so
//! nothing drifts.

use super::cuts::Part;
use super::media::{Packet, Ratio};

/// The times of one film, relative to the start of its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Seconds in a tick.
    pub(super) tick: Ratio,
    /// Pictures a second.
    pub(super) rate: Ratio,
    /// The file's start, in microseconds.
    pub(super) start_us: i64,
}

/// When a part is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// In microseconds of the joined film.
    pub(super) begin_us: i64,
    /// Of this part's first picture; before it is what was brought along. In microseconds of the
    /// film's own time; `None` if nothing was.
    pub(super) trim_us: Option<i64>,
}

/// `a / b`, to the nearest, away from zero in the middle.
fn divide(a: i128, b: i128) -> i128 {
    let half = b / 2;
    if a >= 0 { (a + half) / b } else { (a - half) / b }
}

impl Clock {
    /// A time in microseconds.
    pub(super) fn us(&self, pts: i64) -> i64 {
        let us = i128::from(pts) * i128::from(self.tick.num) * 1_000_000;
        divide(us, i128::from(self.tick.den)) as i64 - self.start_us
    }

    /// Microseconds of so many pictures.
    fn pictures_us(&self, count: i64) -> i64 {
        let us = i128::from(count) * i128::from(self.rate.den) * 1_000_000;
        divide(us, i128::from(self.rate.num)) as i64
    }

    /// How many pictures last so long, to the nearest.
    fn pictures(&self, us: i64) -> i64 {
        let count = i128::from(us) * i128::from(self.rate.num);
        divide(count, i128::from(self.rate.den) * 1_000_000) as i64
    }

    /// Ticks in nine tenths of a picture: closer ones would be taken for one.
    pub(super) fn gap(&self) -> i64 {
        let ticks = i128::from(self.rate.den) * i128::from(self.tick.den) * 9;
        let gap = ticks / (i128::from(self.rate.num) * i128::from(self.tick.num) * 10);
        i64::try_from(gap).unwrap_or(i64::MAX).max(1)
    }

    /// Whether picture k is shown k / rate after the first, but for a quarter of a picture: the rounding of
    /// its container and the noise of a camera.
    pub(super) fn is_even(&self, packets: &[Packet]) -> bool {
        let mut times: Vec<i64> = packets.iter().map(|packet| packet.pts).collect();
        times.sort_unstable();
        let Some(first) = times.first().copied() else { return true };
        // In units of 1 / (tick.den · rate.num): a picture has `picture` of them, a tick `tick`.
        let picture = i128::from(self.rate.den) * i128::from(self.tick.den);
        let tick = i128::from(self.rate.num) * i128::from(self.tick.num);
        (0i128..).zip(&times).all(|(k, &pts)| {
            let off = (i128::from(pts) - i128::from(first)) * tick - k * picture;
            off.abs() * 4 <= picture
        })
    }

    /// When each part is shown. `fills`: the first one from 0 on, with copies of its first picture.
    pub(super) fn spans(&self, parts: &[Part], even: bool, fills: bool) -> Vec<Span> {
        let first = parts.first().map_or(0, |part| self.pictures(self.us(part.first_pts)));
        let mut count = first;
        let mut last = None;
        let span = |part: &Part| {
            let number = if even {
                let number = count;
                count += part.packets.len() as i64;
                number
            } else {
                // Two parts never begin at once.
                let number = self.pictures(self.us(part.first_pts));
                number.max(last.map_or(number, |last| last + 1))
            };
            let begin = if fills && last.is_none() { 0 } else { number };
            last = Some(number);
            let brings = part.from < part.packets.start;
            let middle = |before: i64| i64::midpoint(self.us(before), self.us(part.first_pts));
            Span {
                begin_us: self.pictures_us(begin),
                trim_us: part.last_before.filter(|_| brings).map(middle),
            }
        };
        parts.iter().map(span).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cuts::{choose, parts, possible};
    use super::*;

    fn film(times: impl IntoIterator<Item = i64>, group: usize) -> Vec<Packet> {
        let packet = |(k, pts)| Packet { pts, key: k % group == 0 };
        times.into_iter().enumerate().map(packet).collect()
    }

    const NTSC: Ratio = Ratio { num: 30_000, den: 1001 };
    const MILLI: Ratio = Ratio { num: 1, den: 1000 };

    #[test]
    fn milliseconds_of_a_matroska_file_are_even() {
        let clock = Clock { tick: MILLI, rate: NTSC, start_us: 0 };
        let times = (0..3000).map(|k: i64| 23 + (k * 1_001_000 + 15_000) / 30_000);
        assert!(clock.is_even(&film(times.clone(), 10)));
        let missing = times.enumerate().filter(|(k, _)| *k != 7).map(|(_, pts)| pts);
        assert!(!clock.is_even(&film(missing, 10)));
    }

    #[test]
    fn a_late_picture_leaves_a_gap_at_the_start() {
        let clock = Clock { tick: MILLI, rate: Ratio { num: 25, den: 1 }, start_us: -7000 };
        let film = film((0..100).map(|k| 16 + k * 40), 50);
        let cuts = choose(film.len(), &possible(&film, clock.gap()), 2);
        let parts = parts(&film, &cuts);
        let begins = |fills| -> Vec<i64> {
            clock.spans(&parts, true, fills).iter().map(|span| span.begin_us).collect()
        };
        assert_eq!(begins(false), [40_000, 2_040_000]);
        assert_eq!(begins(true), [0, 2_040_000]);
    }

    #[test]
    fn pictures_of_an_uneven_film_keep_their_times() {
        let clock = Clock { tick: MILLI, rate: Ratio { num: 25, den: 1 }, start_us: 0 };
        let film = film([0, 40, 80, 400, 440, 1000], 3);
        assert!(!clock.is_even(&film));
        let cuts = possible(&film, clock.gap());
        let spans = clock.spans(&parts(&film, &cuts), false, false);
        assert_eq!(spans[1].begin_us, 400_000);
    }

    proptest! {
        #[test]
        fn no_part_drifts(count in 2i64..4000, group in 1usize..60, want in 1usize..20,
            num in prop::sample::select(vec![30_000i64, 24_000, 60_000]))
        {
            let rate = Ratio { num, den: 1001 };
            let clock = Clock { tick: MILLI, rate, start_us: 0 };
            let film = film((0..count).map(|k| (k * 1_001_000 + num / 2) / num), group);
            prop_assert!(clock.is_even(&film));
            let cuts = choose(film.len(), &possible(&film, clock.gap()), want);
            let parts = parts(&film, &cuts);
            for (part, span) in parts.iter().zip(clock.spans(&parts, true, false)) {
                let exact = part.packets.start as i128 * 1_001_000_000 / i128::from(num);
                prop_assert!((i128::from(span.begin_us) - exact).abs() <= 1);
                prop_assert!((span.begin_us - clock.us(part.first_pts)).abs() <= 1000);
            }
        }
    }
}
