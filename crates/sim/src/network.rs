//! The network between the nodes: frames are late, lost, doubled, overtaken; links are cut.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::dice::Dice;

/// How a link is.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Milliseconds that every frame takes.
    pub delay_ms: u64,
    /// Milliseconds more that a frame may take: frames overtake each other by this much.
    pub jitter_ms: u64,
    /// Share of frames lost.
    pub loss: f64,
    /// Share of frames that arrive twice.
    pub doubles: f64,
}

impl Default for Link {
    /// A local network.
    fn default() -> Self {
        Self { delay_ms: 0, jitter_ms: 2, loss: 0.0, doubles: 0.0 }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Network {
    usual: Link,
    /// Links that are unlike the others, from and to.
    links: BTreeMap<(usize, usize), Link>,
    /// How many cuts are on a link, from and to.
    cuts: BTreeMap<(usize, usize), u32>,
}

impl Network {
    pub(crate) fn new(usual: Link, links: BTreeMap<(usize, usize), Link>) -> Self {
        Self { usual, links, cuts: BTreeMap::new() }
    }

    fn link(&self, from: usize, to: usize) -> Link {
        self.links.get(&(from, to)).copied().unwrap_or(self.usual)
    }

    /// Frames are neither lost nor doubled from now on.
    pub(crate) fn calm(&mut self) {
        let all = self.links.values_mut().chain(std::iter::once(&mut self.usual));
        for link in all {
            link.loss = 0.0;
            link.doubles = 0.0;
        }
        self.cuts.clear();
    }

    /// Cuts the way from one to the other.
    pub(crate) fn cut(&mut self, from: usize, to: usize) {
        *self.cuts.entry((from, to)).or_default() += 1;
    }

    /// Undoes one [`Network::cut`].
    pub(crate) fn heal(&mut self, from: usize, to: usize) {
        if let Some(cuts) = self.cuts.get_mut(&(from, to)) {
            *cuts = cuts.saturating_sub(1);
        }
    }

    /// Whether nothing gets through.
    pub(crate) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.cuts.get(&(from, to)).is_some_and(|&cuts| cuts > 0)
    }

    /// How long each copy of a frame takes; none: it is lost.
    pub(crate) fn carry(&self, from: usize, to: usize, dice: &mut Dice) -> [Option<Duration>; 2] {
        if self.is_cut(from, to) {
            return [None, None];
        }
        let link = self.link(from, to);
        let once = |dice: &mut Dice| dice.millis(link.delay_ms, link.delay_ms + link.jitter_ms);
        let first = (!dice.chance(link.loss)).then(|| once(dice));
        let second = dice.chance(link.doubles).then(|| once(dice));
        [first, second]
    }

    /// How long a transfer of a few blobs takes.
    pub(crate) fn transfer(&self, from: usize, to: usize, dice: &mut Dice) -> Duration {
        let link = self.link(from, to);
        dice.millis(2 * link.delay_ms + 1, 3 * link.delay_ms + 2 * link.jitter_ms + 3)
    }
}
