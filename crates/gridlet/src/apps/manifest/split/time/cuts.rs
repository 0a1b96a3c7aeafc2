//! Where a film may be cut, and where it is.
//!
//! ```text
//!  decoded:  I0 P3 B1 B2 │ I6 B4 B5 P9 …      closed: nothing after I is shown before it
//!  shown:    0  1  2  3  │ 4  5  6 …          open: B4 and B5 are, and need I0's pictures
//! ```
//!
//! A cut lies before a key frame, where all that was decoded before is shown before all that is
//! decoded after. If pictures after the key frame are shown before it (an open group), they
//! refer to the group before: the part then brings this group along, and what is shown before the part begins
//! is decoded and dropped.
//!
//! **Invariants.** Parts are disjoint, in order, and together all packets; so are the times at which
//! their pictures are shown. A part begins with a key frame and brings along at most what lies
//! between two key frames.

use std::collections::BTreeSet;
use std::ops::Range;

use super::media::Packet;

/// A place where a film may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The first packet after it.
    pub(super) at: usize,
    /// Where decoding has to begin for it: `at`, or the key frame before.
    pub(super) from: usize,
}

/// A part of a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its packets.
    pub(super) packets: Range<usize>,
    /// The first packet that it needs for them: brought along up to where they begin.
    pub(super) from: usize,
    /// When its first picture is shown.
    pub(super) first_pts: i64,
    /// When the last picture before it is shown.
    pub(super) last_before: Option<i64>,
}

/// The places where a film may be cut so that no less than `gap` ticks lie between what is shown
/// before and after.
pub(super) fn possible(packets: &[Packet], gap: i64) -> Vec<Cut> {
    // first_after[i]: what is shown first of i and all that is decoded later.
    let mut first_after = vec![i64::MAX; packets.len() + 1];
    for (i, packet) in packets.iter().enumerate().rev() {
        first_after[i] = first_after[i + 1].min(packet.pts);
    }
    let mut cuts = Vec::new();
    let (mut last_before, mut key_before) = (i64::MIN, None);
    for (i, packet) in packets.iter().enumerate() {
        if let Some(key) = key_before.filter(|_| packet.key) {
            let first = first_after[i];
            if first > last_before && first.saturating_sub(last_before) >= gap {
                let closed = first == packet.pts;
                cuts.push(Cut { at: i, from: if closed { i } else { key } });
            }
        }
        if packet.key {
            key_before = Some(i);
        }
        last_before = last_before.max(packet.pts);
    }
    cuts
}

/// Those of the possible cuts that make about `parts` parts of about the same length.
pub(super) fn choose(packets: usize, possible: &[Cut], parts: usize) -> Vec<Cut> {
    let mut chosen: Vec<Cut> = Vec::new();
    for k in 1..parts.max(1) {
        let aim = (packets as u128 * k as u128 / parts as u128) as usize;
        let after = possible.partition_point(|cut| cut.at < aim);
        // What a cut brings along is decoded twice: as bad as being off by as much.
        let price = |cut: &&Cut| cut.at.abs_diff(aim) + (cut.at - cut.from);
        // Beyond the nearest ones on each side there may be a closed one, but hardly a better one.
        let near = possible[after.saturating_sub(4)..possible.len().min(after + 4)].iter();
        let Some(best) = near.min_by_key(price) else { continue };
        if chosen.last().is_none_or(|last| last.at < best.at) {
            chosen.push(*best);
        }
    }
    chosen
}

/// The parts between these cuts, of which there is at least one packet.
pub(super) fn parts(packets: &[Packet], cuts: &[Cut]) -> Vec<Part> {
    let start = Cut { at: 0, from: 0 };
    let starts = || std::iter::once(&start).chain(cuts);
    let ends = cuts.iter().map(|cut| cut.at).chain([packets.len()]);
    let mut last_before = None;
    let part = |(cut, end): (&Cut, usize)| {
        let shown = || packets[cut.at..end].iter().map(|packet| packet.pts);
        let part = Part {
            packets: cut.at..end,
            from: cut.from,
            first_pts: shown().min().unwrap_or(0),
            last_before,
        };
        last_before = shown().max();
        part
    };
    starts().zip(ends).map(part).collect()
}

/// One pass over a film that writes files, each with the packets up to the next border.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pass {
    /// First packets of all files but the first.
    pub(super) borders: Vec<usize>,
    /// For each part of the pass: its number, and that of its file.
    pub(super) files: Vec<(usize, usize)>,
}

/// The passes that write each part with what it brings along: one, or two if parts overlap, each
/// with every second part.
pub(super) fn passes(packets: usize, parts: &[Part]) -> Vec<Pass> {
    let apart = parts.iter().all(|part| part.from == part.packets.start);
    let step = if apart { 1 } else { 2 };
    let pass = |first: usize| {
        let mine = || (first..parts.len()).step_by(step);
        let ends = |k: usize| [parts[k].from, parts[k].packets.end];
        let borders: BTreeSet<usize> =
            mine().flat_map(ends).filter(|at| (1..packets).contains(at)).collect();
        let file = |k: usize| (k, borders.range(..=parts[k].from).count());
        Pass { files: mine().map(file).collect(), borders: borders.iter().copied().collect() }
    };
    (0..step.min(parts.len())).map(pass).collect()
}

#[cfg(test)]
mod tests;
