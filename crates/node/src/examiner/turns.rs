//! Work by subject: of each subject one piece at a time, in order; subjects side by side, each in its turn.
//!
//! ```text
//!  put(subject, task) ──▶ its queue ──first task──▶ ready ──take──▶ a thread, with what is known of the subject
//!                            ▲                        ▲                  │
//!                            └── more tasks ──────────┴──── give_back ◀──┘
//! ```
//!
//! Invariants: a subject is with one thread at most; its tasks are taken in the order that they were put; a subject
//! that gave back goes behind all others that are ready, so nobody waits for more than one task of each.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

struct Subject<T, S> {
    tasks: VecDeque<T>,
    /// What is known of it; `None` while a thread has it.
    state: Option<S>,
}

struct Inner<K, T, S> {
    subjects: BTreeMap<K, Subject<T, S>>,
    ready: VecDeque<K>,
    closed: bool,
}

/// See the module.
pub(super) struct Turns<K, T, S> {
    inner: Mutex<Inner<K, T, S>>,
    wake: Condvar,
}

impl<K: Copy + Ord, T, S: Default> Turns<K, T, S> {
    pub(super) fn new() -> Self {
        let inner = Inner { subjects: BTreeMap::new(), ready: VecDeque::new(), closed: false };
        Self { inner: Mutex::new(inner), wake: Condvar::new() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<K, T, S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, subject: K, task: T) {
        let mut inner = self.inner();
        let fresh = || Subject { tasks: VecDeque::new(), state: Some(S::default()) };
        let entry = inner.subjects.entry(subject).or_insert_with(fresh);
        entry.tasks.push_back(task);
        if entry.tasks.len() == 1 && entry.state.is_some() {
            inner.ready.push_back(subject);
            self.wake.notify_one();
        }
    }

    /// Waits for something to do; `None`: there will be nothing any more.
    pub(super) fn take(&self) -> Option<(K, T, S)> {
        let mut inner = self.inner();
        loop {
            if inner.closed {
                return None;
            }
            if let Some(subject) = inner.ready.pop_front() {
                let entry = inner.subjects.get_mut(&subject);
                let taken = entry.and_then(|entry| entry.tasks.pop_front().zip(entry.state.take()));
                let (task, state) = taken.expect("who is ready has a task, and is with nobody");
                return Some((subject, task, state));
            }
            inner = self.wake.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A task of the subject is done. `None`: nothing of it is to be remembered.
    pub(super) fn give_back(&self, subject: K, state: Option<S>) {
        let mut inner = self.inner();
        let Some(entry) = inner.subjects.get_mut(&subject) else { return };
        let more = !entry.tasks.is_empty();
        if state.is_none() && !more {
            inner.subjects.remove(&subject);
            return;
        }
        entry.state = Some(state.unwrap_or_default());
        if more {
            inner.ready.push_back(subject);
            self.wake.notify_one();
        }
    }

    /// Whoever waits, or comes, leaves.
    pub(super) fn close(&self) {
        self.inner().closed = true;
        self.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Log = Turns<u8, u32, Vec<u32>>;

    #[test]
    fn a_subject_is_with_one_thread_at_a_time_and_its_tasks_keep_their_order() {
        let turns = Log::new();
        for task in [1, 2] {
            turns.put(7, task);
        }
        turns.put(8, 3);
        let (subject, task, mut state) = turns.take().unwrap();
        assert_eq!((subject, task), (7, 1));
        state.push(task);
        // Whoever else comes gets another subject, though 7 has more.
        let (other, task, _) = turns.take().unwrap();
        assert_eq!((other, task), (8, 3));
        turns.put(7, 4);
        turns.give_back(7, Some(state));
        let (subject, task, state) = turns.take().unwrap();
        assert_eq!((subject, task, state), (7, 2, vec![1]), "with what is known of it");
    }

    #[test]
    fn a_subject_with_much_to_do_waits_for_its_turn() {
        let turns = Log::new();
        for task in 0..5 {
            turns.put(1, task);
        }
        let (_, _, state) = turns.take().unwrap();
        turns.put(2, 9);
        turns.give_back(1, Some(state));
        assert_eq!(turns.take().unwrap().0, 2);
    }

    #[test]
    fn what_is_forgotten_leaves_nothing_behind() {
        let turns = Log::new();
        turns.put(1, 1);
        let (_, _, mut state) = turns.take().unwrap();
        state.push(5);
        turns.put(1, 2);
        turns.give_back(1, None);
        let (_, task, state) = turns.take().unwrap();
        assert_eq!((task, state), (2, vec![]), "what came meanwhile begins anew");
        turns.give_back(1, None);
        assert!(turns.inner().subjects.is_empty());
    }

    #[test]
    fn at_the_end_nobody_waits() {
        let turns = Log::new();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| turns.take().is_none());
            turns.close();
            assert!(waiting.join().unwrap());
        });
    }
}
