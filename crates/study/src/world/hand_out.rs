//! Work finds workers.

use super::{GRIDLET_TIME, JITTER, LEASE, TRIES, Task, World};
use crate::engine::{Engine, Who};

impl<E: Engine> World<'_, E> {
    /// Gives work to whoever is free.
    pub(super) fn dispatch(&mut self) {
        let waiting = self.again.len() as u32 + self.layout_left();
        if waiting == 0 && !self.dirty || self.free.is_empty() {
            return;
        }
        self.engine.load(self.free.len() as u32, waiting);
        self.rescan(false);
        while !self.free.is_empty() && self.lease_one() {}
    }

    fn layout_left(&self) -> u32 {
        self.layout.gridlets() - self.begun
    }

    /// Finds work and somebody free for it. False if nothing goes together.
    fn lease_one(&mut self) -> bool {
        for _ in 0..TRIES {
            if self.again.is_empty() && self.layout_left() == 0 {
                return false;
            }
            let Some(at) = self.pick_free() else { return false };
            let number = self.free[at];
            let who = self.people.who(number);
            let (chance, pick) = (self.dice.share(), self.dice.number());
            if let Some(point) = self.engine.quiz(who, chance, pick) {
                self.free.swap_remove(at);
                self.lease_quiz(point, who);
                return true;
            }
            let chance = self.dice.share();
            let shared = self.layout_left() == 0 || self.engine.prefers_shared(who, chance);
            if shared && !self.again.is_empty() {
                let nth = self.dice.below(self.again.len());
                let piece = self.again[nth];
                if !self.is_wanted(piece) {
                    self.unqueue(nth);
                } else if self.may_do(piece, who) {
                    self.unqueue(nth);
                    self.free.swap_remove(at);
                    self.lease(piece, who);
                    return true;
                }
            } else if self.layout_left() > 0 && self.may_do(self.begun, who) {
                self.free.swap_remove(at);
                self.begun += 1;
                self.lease(self.begun - 1, who);
                return true;
            }
        }
        self.lease_fresh()
    }

    /// What nobody has begun, for somebody who may do nothing else.
    fn lease_fresh(&mut self) -> bool {
        if self.layout_left() == 0 {
            return false;
        }
        let Some(at) = self.pick_free() else { return false };
        let who = self.people.who(self.free[at]);
        if !self.may_do(self.begun, who) {
            return false;
        }
        self.free.swap_remove(at);
        self.begun += 1;
        self.lease(self.begun - 1, who);
        true
    }

    /// Somebody free who is not out, by his place.
    fn pick_free(&mut self) -> Option<usize> {
        while !self.free.is_empty() {
            let at = self.dice.below(self.free.len());
            if !self.people.get(self.free[at]).out {
                return Some(at);
            }
            self.free.swap_remove(at);
        }
        None
    }

    fn unqueue(&mut self, nth: usize) {
        let piece = self.again.swap_remove(nth);
        for at in self.layout.range(piece) {
            let queued = &mut self.queued[self.layout.point_at(at) as usize];
            *queued = queued.saturating_sub(1);
        }
    }

    /// Whether some point of the piece needs an answer.
    fn is_wanted(&self, piece: u32) -> bool {
        self.layout.points_of(piece).iter().any(|&point| self.engine.demand(point) > 0)
    }

    /// Whether the worker's answers would count at each point of the piece that needs any.
    fn may_do(&self, piece: u32, who: Who) -> bool {
        let points = self.layout.points_of(piece).iter();
        let mut open = points.filter(|&&point| self.engine.accepted(point).is_none());
        open.all(|&point| self.engine.may_answer(point, who))
    }

    fn lease(&mut self, piece: u32, who: Who) {
        let answers = !self.dice.chance(self.scenario.departures);
        let mut weight = 0.0;
        let careful = self.people.get(who.number).liar && !self.accomplices.is_empty();
        let chance = self.dice.share();
        for at in self.layout.range(piece) {
            let point = self.layout.point_at(at);
            weight += self.layout.weight(point);
            self.engine.assign(point, who, chance);
            if careful {
                let others = &mut self.accomplices[point as usize];
                *others = others.saturating_add(1);
            }
        }
        self.take(piece);
        self.outcome.copies += weight;
        let life = self.people.get(who.number).life;
        self.begin(who.number, Task::Piece { piece, life, answers }, weight, answers);
        for at in self.layout.range(piece) {
            self.refill(self.layout.point_at(at));
        }
    }

    fn lease_quiz(&mut self, point: u32, who: Who) {
        let weight = self.layout.weight(point);
        self.outcome.copies += weight;
        let life = self.people.get(who.number).life;
        self.begin(who.number, Task::Quiz { point, life }, weight, true);
    }

    fn begin(&mut self, worker: u32, task: Task, weight: f64, answers: bool) {
        let speed = f64::from(self.people.get(worker).speed);
        let late = 1.0 + JITTER * self.dice.share();
        let factor = if answers { late } else { LEASE };
        let takes = (weight * GRIDLET_TIME * factor / speed).max(1.0) as u64;
        self.tasks[worker as usize] = task;
        self.events.push(self.now + takes, worker);
    }

    /// Queues pieces for a point until as many answers are on their way as it needs.
    pub(super) fn refill(&mut self, point: u32) {
        // A gridlet of layer 0 that nobody has begun is on its way, although another layer may have come before it.
        let coming = self.layout.owner(0, point).is_some_and(|piece| piece >= self.begun);
        loop {
            let queued = usize::from(self.queued[point as usize]) + usize::from(coming);
            let known = usize::from(self.engine.count(point)) + queued;
            let enough = usize::from(self.engine.demand(point)) <= queued;
            if enough || (coming && known == 1) {
                return;
            }
            let Some(piece) = self.next_piece(point, known) else { return };
            if piece >= self.begun && piece < self.layout.gridlets() {
                return;
            }
            self.again.push(piece);
            self.take(piece);
            for at in self.layout.range(piece) {
                let queued = &mut self.queued[self.layout.point_at(at) as usize];
                *queued = queued.saturating_add(1);
            }
        }
    }

    /// Where a point of which so many answers are known or on their way gets the next one: in the first layer that it
    /// was in nowhere yet, or else in each in turn.
    fn next_piece(&self, point: u32, known: usize) -> Option<u32> {
        let layers = self.layout.layers();
        if layers == 1 {
            return self.layout.owner(0, point);
        }
        let taken = self.taken[point as usize];
        let fresh = (0..layers.min(64)).filter(|layer| taken & (1 << layer) == 0);
        let in_turn = (known % layers..layers).chain(0..known % layers);
        fresh.chain(in_turn).find_map(|layer| self.layout.owner(layer, point))
    }

    /// The points of this piece are handed out, or queued, in its layer.
    fn take(&mut self, piece: u32) {
        let layers = self.layout.layers();
        let points = self.layout.points_of(piece);
        let Some(&first) = points.first().filter(|_| layers > 1) else { return };
        let owned = |layer: &usize| self.layout.owner(*layer, first) == Some(piece);
        let Some(layer) = (0..layers.min(64)).find(owned) else { return };
        for &point in points {
            self.taken[point as usize] |= 1 << layer;
        }
    }

    /// Looks at all points again, if votes somewhere became void; not so often that it would cost more
    /// than the events themselves.
    fn rescan(&mut self, now: bool) {
        let due = self.since_scan >= u64::from(self.layout.points()) / 8;
        if now || (self.dirty && due) {
            self.dirty = false;
            self.since_scan = 0;
            for point in 0..self.layout.points() {
                if self.engine.accepted(point).is_none() {
                    self.refill(point);
                }
            }
        }
    }

    /// Nobody computes, and something is undecided: finds a pair that chance missed, or the submitter does it.
    pub(super) fn unstick(&mut self) {
        self.rescan(true);
        let people = &self.people;
        self.free.retain(|&number| !people.get(number).out);
        for nth in 0..self.again.len() {
            let piece = self.again[nth];
            let able = |&number: &u32| self.may_do(piece, self.people.who(number));
            if let Some(at) = self.free.iter().position(able) {
                let who = self.people.who(self.free.swap_remove(at));
                self.unqueue(nth);
                self.lease(piece, who);
                return;
            }
        }
        for point in 0..self.layout.points() {
            if self.engine.accepted(point).is_none() {
                self.own_answer(point);
                // One at a time while there are workers: they may be able to go on.
                if !self.free.is_empty() {
                    break;
                }
            }
        }
        self.digest();
    }
}
