//! What follows from being turned away: pauses before the next attempt, and how often people hear of it.
//!
//! A stranger that keeps knocking must cost next to nothing, at either end, and must not fill the log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use outlast_types::NodeId;

/// First and longest pause before a node that turned us away is dialled again.
const PAUSE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// Between two events about one node.
const QUIET: Duration = Duration::from_secs(10);

/// Nodes about which an event was told within [`QUIET`]. More are counted and not told of: whoever makes
/// keys at will would fill the log otherwise.
const TOLD: usize = 64;

/// A node that turned us away.
#[derive(Debug, Default)]
pub(super) struct Refusal(Option<Waiting>);

#[derive(Debug)]
struct Waiting {
    until: Instant,
    pause: Duration,
    reason: String,
}

impl Refusal {
    /// It did, again.
    pub(super) fn refused(&mut self, now: Instant, reason: &str) {
        let pause = self.0.as_ref().map_or(PAUSE.0, |old| (old.pause * 2).min(PAUSE.1));
        self.0 = Some(Waiting { until: now + pause, pause, reason: reason.to_owned() });
    }

    /// It let us in, or there is reason to try again at once.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    /// Why it isn't dialled now.
    pub(super) fn hinders(&self, now: Instant) -> Option<&str> {
        self.0.as_ref().filter(|waiting| now < waiting.until).map(|waiting| waiting.reason.as_str())
    }
}

/// Which refusals are told as events.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<(NodeId, bool), Instant>);

impl Told {
    /// Whether this one is.
    pub(super) fn tells(&mut self, now: Instant, node: NodeId, by_us: bool) -> bool {
        self.0.retain(|_, told| now.saturating_duration_since(*told) < QUIET);
        let tells = self.0.len() < TOLD && !self.0.contains_key(&(node, by_us));
        if tells {
            self.0.insert((node, by_us), now);
        }
        tells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    #[test]
    fn pauses_double_up_to_five_minutes_and_end() {
        let (mut refusal, mut now) = (Refusal::default(), Instant::now());
        assert_eq!(refusal.hinders(now), None);
        for pause in [10, 20, 40, 80, 160, 300, 300] {
            refusal.refused(now, "no token");
            now += Duration::from_secs(pause) - Duration::from_millis(1);
            assert_eq!(refusal.hinders(now), Some("no token"), "{pause}");
            now += Duration::from_millis(1);
            assert_eq!(refusal.hinders(now), None, "{pause}");
        }
        refusal.refused(now, "no token");
        refusal.forget();
        assert_eq!(refusal.hinders(now), None);
    }

    #[test]
    fn a_node_is_told_of_once_in_a_while_and_a_crowd_only_in_part() {
        let (mut told, now) = (Told::default(), Instant::now());
        assert!(told.tells(now, node(1), true));
        assert!(!told.tells(now, node(1), true));
        assert!(told.tells(now, node(1), false));
        assert_eq!((2..=255).filter(|n| told.tells(now, node(*n), true)).count(), TOLD - 2);
        assert!(told.tells(now + QUIET, node(1), true));
    }
}
