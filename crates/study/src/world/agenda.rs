//! Who ends when: a queue of events by time.
//!
//! Leases take about as long as each other, so that a heap of a million of them would move entries all over its
//! memory. Here events fall into days; a day is sorted when it comes.

use std::collections::BTreeMap;

/// Ticks of a day, as a power of two: an ordinary gridlet takes about a thousand days.
const DAY: u32 = 10;

/// Events, earliest first; those of the same time by worker.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    /// The present day and those before it, latest first.
    today: Vec<(u64, u32)>,
    day: u64,
    later: BTreeMap<u64, Vec<(u64, u32)>>,
}

impl Agenda {
    /// Something ends at this time, which is not before the last that was popped.
    pub(super) fn push(&mut self, time: u64, worker: u32) {
        let day = time >> DAY;
        if day > self.day {
            self.later.entry(day).or_default().push((time, worker));
        } else {
            let at = self.today.partition_point(|&event| event > (time, worker));
            self.today.insert(at, (time, worker));
        }
    }

    /// What ends next.
    pub(super) fn pop(&mut self) -> Option<(u64, u32)> {
        if self.today.is_empty() {
            let (day, mut events) = self.later.pop_first()?;
            events.sort_unstable_by(|a, b| b.cmp(a));
            (self.day, self.today) = (day, events);
        }
        self.today.pop()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn events_come_in_order_whenever_they_were_pushed(
            steps in prop::collection::vec((any::<bool>(), 0u64..5000, 0u32..9), 1..200),
        ) {
            let (mut agenda, mut now) = (Agenda::default(), 0);
            let mut model: Vec<(u64, u32)> = Vec::new();
            for (pop, after, worker) in steps {
                if pop {
                    model.sort_unstable_by(|a, b| b.cmp(a));
                    let next = model.pop();
                    prop_assert_eq!(agenda.pop(), next);
                    now = next.map_or(now, |(time, _)| time);
                } else {
                    agenda.push(now + after, worker);
                    model.push((now + after, worker));
                }
            }
        }
    }
}
