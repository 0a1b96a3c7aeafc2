//! One run: a population computes jobs, an [`Engine`] decides what is accepted.
//!
//! ```text
//!            ┌── demand ───────────────── Engine ◀── votes, samples ──┐
//!            ▼                                                        │
//!  fresh, again (pieces) ──random free worker──▶ lease ──event queue──┴──▶ free
//! ```
//!
//! Time passes in events: a lease ends with an answer, or without one. Work goes to a free worker chosen
//! at random; what needs a further answer goes before what nobody has begun, so that few decisions
//! are open at a time. Who is thought to lie gets no work.
//!
//! Invariants: the same scenario, run number and engine give the same outcome; a run ends, since what no
//! worker may answer is computed by the submitter.
//!
//! What it doesn't do: decide. It neither counts votes nor remembers who was right.

mod agenda;
mod hand_out;

use outlast_types::NodeId;
use outlast_verify::{Class, Proof, Verdict};

use crate::dice::{Dice, owner};
use crate::engine::{Engine, Who};
use crate::layout::Layout;
use crate::outcome::Outcome;
use crate::population::Population;
use crate::scenario::{Behaviour, Scenario};
use agenda::Agenda;

/// Time of an ordinary gridlet on an ordinary machine.
const GRIDLET_TIME: f64 = 1e6;
/// Leases end after so many times what they should take.
const LEASE: f64 = 3.0;
/// Machines of the same speed don't end at the same moment.
const JITTER: f64 = 0.1;
/// Pairs of work and worker that are tried before others are waited for.
const TRIES: usize = 16;

/// The right answer's class.
const HONEST: Class = Class(0);
/// The answer that colluders agreed on.
const AGREED: Class = Class(1);
/// Answers that match no other, from here on.
const FIRST_OWN: u16 = 2;

/// What a point knows of its own.
const SAMPLED: u8 = 1;
/// The sample saw that the agreed lie is one.
const SEEN: u8 = 2;
/// Colluders know that pieces that hold this point have it in common, if [`KNOWLEDGE_DRAWN`].
const KNOWN: u8 = 4;
const KNOWLEDGE_DRAWN: u8 = 8;

/// What a worker is doing.
#[derive(Clone, Copy, Debug)]
enum Task {
    None,
    /// The piece, and whether an answer comes.
    Piece {
        piece: u32,
        life: u32,
        answers: bool,
    },
    /// A point that is decided already.
    Quiz {
        point: u32,
        life: u32,
    },
}

pub(crate) struct World<'a, E> {
    scenario: &'a Scenario,
    layout: &'a Layout,
    engine: E,
    people: Population,
    dice: Dice,
    now: u64,
    tasks: Vec<Task>,
    events: Agenda,
    free: Vec<u32>,
    /// Pieces of layer 0 that were handed out once.
    begun: u32,
    /// Pieces that need a further answer.
    again: Vec<u32>,
    /// For each point: pieces in `again` that hold it.
    queued: Vec<u8>,
    /// For each point, where there are layers: a bit for each of the first 64 of them that it was handed out in, or is queued
    /// in.
    taken: Vec<u64>,
    /// For each point: answers so far, to number those that match no other.
    answers: Vec<u16>,
    flags: Vec<u8>,
    /// For each point, where liars are careful: colluders who have it, or lied about it.
    accomplices: Vec<u8>,
    /// Votes somewhere became void: points elsewhere may need answers.
    dirty: bool,
    /// Events since all points were looked at.
    since_scan: u64,
    verdicts: Vec<Verdict>,
    /// Points whose decision was taken back.
    reopened: Vec<u32>,
    done_at: u64,
    outcome: Outcome,
}

impl<'a, E: Engine> World<'a, E> {
    pub(crate) fn new(scenario: &'a Scenario, layout: &'a Layout, engine: E, run: u64) -> Self {
        let mut dice = Dice::of_run(scenario.seed, run);
        let people = Population::new(scenario, &mut dice);
        let workers = people.len();
        let points = layout.points() as usize;
        let careful = scenario.behaviour == Behaviour::Careful;
        Self {
            scenario,
            layout,
            engine,
            people,
            dice,
            now: 0,
            tasks: vec![Task::None; workers as usize],
            events: Agenda::default(),
            free: (0..workers).collect(),
            begun: 0,
            again: Vec::new(),
            queued: vec![0; points],
            taken: vec![0; if layout.layers() > 1 { points } else { 0 }],
            answers: vec![0; points],
            flags: vec![0; points],
            accomplices: vec![0; if careful { points } else { 0 }],
            dirty: false,
            since_scan: 0,
            verdicts: Vec::new(),
            reopened: Vec::new(),
            done_at: 0,
            outcome: Outcome::default(),
        }
    }

    /// All jobs.
    pub(crate) fn run(mut self) -> Outcome {
        for _ in 0..self.scenario.jobs {
            self.job();
        }
        let gridlets = f64::from(self.layout.gridlets()) * f64::from(self.scenario.jobs);
        self.outcome.finish(gridlets);
        self.outcome
    }

    fn job(&mut self) {
        let seed = self.dice.number();
        self.engine.start(self.layout, seed);
        self.begun = 0;
        self.again.clear();
        self.queued.fill(0);
        self.taken.fill(0);
        self.answers.fill(0);
        self.flags.fill(0);
        self.accomplices.fill(0);
        self.dirty = false;
        let start = self.now;
        self.done_at = start;
        loop {
            self.dispatch();
            if let Some((time, worker)) = self.events.pop() {
                self.now = time;
                self.since_scan += 1;
                self.end_lease(worker);
            } else if self.engine.is_complete() {
                break;
            } else {
                self.unstick();
            }
        }
        self.outcome.makespan += (self.done_at - start) as f64 / GRIDLET_TIME;
        for point in 0..self.layout.points() {
            if self.engine.accepted(point) != Some(HONEST) {
                self.outcome.accepted_wrong += self.layout.weight(point);
            }
        }
    }

    fn own_answer(&mut self, point: u32) {
        self.outcome.copies += self.layout.weight(point);
        self.engine.own_answer(point, &mut self.verdicts);
    }

    fn end_lease(&mut self, worker: u32) {
        let task = std::mem::replace(&mut self.tasks[worker as usize], Task::None);
        self.free.push(worker);
        let (Task::Piece { life, .. } | Task::Quiz { life, .. }) = task else { return };
        // What somebody was given who isn't himself any more is of no interest.
        let current = life == self.people.get(worker).life;
        let who = self.people.who(worker);
        match task {
            Task::Quiz { point, .. } if current => {
                let lies = self.people.lies(worker, false, &mut self.dice);
                let class = if lies { self.lie(point, who) } else { HONEST };
                self.engine.answer_quiz(point, who, class, &mut self.verdicts);
            }
            Task::Piece { piece, answers: true, .. } if current => self.answer(piece, who),
            Task::Piece { piece, .. } => {
                let who = Who { number: worker, id: crate::dice::identity(worker, life) };
                for at in self.layout.range(piece) {
                    let point = self.layout.point_at(at);
                    self.forget_accomplice(point, worker);
                    self.engine.release(point, who, &mut self.verdicts);
                }
            }
            Task::None | Task::Quiz { .. } => {}
        }
        self.digest();
        if let Task::Piece { piece, .. } = task {
            for at in self.layout.range(piece) {
                self.refill(self.layout.point_at(at));
            }
        }
    }

    fn answer(&mut self, piece: u32, who: Who) {
        let accomplices = !self.accomplices.is_empty() && {
            let mut points = self.layout.points_of(piece).iter();
            points.any(|&point| self.accomplices[point as usize] >= 2)
        };
        let lies = self.people.lies(who.number, accomplices, &mut self.dice);
        for at in self.layout.range(piece) {
            let point = self.layout.point_at(at);
            // A careful liar lies where it has company, and nowhere else.
            let lies = lies && self.accomplices.get(point as usize).is_none_or(|&n| n >= 2);
            let class = if lies { self.lie(point, who) } else { HONEST };
            if !lies {
                self.forget_accomplice(point, who.number);
            }
            let refuted = self.flags[point as usize] & SAMPLED != 0 && self.is_seen(point, class);
            let (decided, said) = (self.engine.accepted(point).is_some(), self.verdicts.len());
            self.engine.answer(point, who, class, refuted, &mut self.verdicts);
            // What nobody asked for any more is neither detected nor missed.
            if !decided || self.verdicts.len() > said {
                let weight = self.layout.weight(point);
                *if lies { &mut self.outcome.lies } else { &mut self.outcome.truths } += weight;
            }
        }
    }

    fn forget_accomplice(&mut self, point: u32, worker: u32) {
        if self.people.get(worker).liar
            && let Some(others) = self.accomplices.get_mut(point as usize)
        {
            *others = others.saturating_sub(1);
        }
    }

    /// The class of a lie about a point. Two match with the probability c, if each is the agreed one with
    /// the root of it.
    fn lie(&mut self, point: u32, _who: Who) -> Class {
        let at = point as usize;
        if self.flags[at] & KNOWLEDGE_DRAWN == 0 {
            let known = self.layout.layers() == 1 || self.dice.chance(self.scenario.knowledge);
            self.flags[at] |= KNOWLEDGE_DRAWN | if known { KNOWN } else { 0 };
        }
        self.answers[at] = self.answers[at].saturating_add(1);
        let agreed = self.flags[at] & KNOWN != 0 && self.dice.chance(self.scenario.matching.sqrt());
        if agreed { AGREED } else { Class(FIRST_OWN + self.answers[at]) }
    }

    /// Whether a sample of the point tells that an answer of this class is wrong. The agreed lie is one answer,
    /// and a sample sees it or doesn't.
    fn is_seen(&mut self, point: u32, class: Class) -> bool {
        match class {
            HONEST => false,
            AGREED => self.flags[point as usize] & SEEN != 0,
            _ => self.sample_hits(point),
        }
    }

    fn sample_hits(&mut self, point: u32) -> bool {
        let chance = match u64::from(self.scenario.sample_atoms) >= self.layout.atoms(point) {
            true => 1.0,
            false => 1.0 - (1.0 - self.scenario.forged).powf(f64::from(self.scenario.sample_atoms)),
        };
        self.dice.chance(chance)
    }

    fn sample(&mut self, point: u32) {
        let atoms = self.layout.atoms(point).max(1) as f64;
        let share = (f64::from(self.scenario.sample_atoms) / atoms).min(1.0);
        self.outcome.copies += share * self.layout.weight(point);
        let at = point as usize;
        if self.flags[at] & SAMPLED == 0 {
            let seen = if self.sample_hits(point) { SEEN } else { 0 };
            self.flags[at] |= SAMPLED | seen;
        }
        let classes = self.engine.classes(point);
        let mut split = (Vec::new(), Vec::new());
        for class in classes {
            let seen = self.is_seen(point, class);
            if seen { &mut split.1 } else { &mut split.0 }.push(class);
        }
        self.engine.sampled(point, &split.0, &split.1, &mut self.verdicts);
    }

    /// Does what the verdicts ask for until there are none.
    fn digest(&mut self) {
        let mut batch = Vec::new();
        while !self.verdicts.is_empty() {
            std::mem::swap(&mut batch, &mut self.verdicts);
            for verdict in &batch {
                self.heed(verdict);
            }
            for id in self.engine.learn(&batch, &mut self.verdicts) {
                self.expel(id);
            }
            batch.clear();
        }
        while let Some(point) = self.reopened.pop() {
            self.refill(point);
        }
    }

    fn heed(&mut self, verdict: &Verdict) {
        match *verdict {
            Verdict::Accepted { .. } => self.done_at = self.now,
            Verdict::Wrong { worker, cell, proof } => {
                let (number, _) = owner(&worker);
                if number < self.people.len() {
                    let weight = self.layout.weight(cell.0);
                    let liar = self.people.get(number).liar;
                    *if liar { &mut self.outcome.caught } else { &mut self.outcome.blamed } +=
                        weight;
                }
                self.dirty |= proof != Proof::Outvoted;
            }
            Verdict::Right { .. } | Verdict::Passed { .. } | Verdict::Together { .. } => {}
            Verdict::SampleWanted { cell, .. } => self.sample(cell.0),
            Verdict::Hopeless { cell } => self.own_answer(cell.0),
            Verdict::Retracted { cell, .. } => self.reopened.push(cell.0),
        }
    }

    /// Somebody is found out: he gets no work, and what he said counts no longer.
    fn expel(&mut self, id: NodeId) {
        let (number, life) = owner(&id);
        self.dirty = true;
        self.engine.strike(id, &mut self.verdicts);
        if number < self.people.len() && life == self.people.get(number).life {
            self.outcome.expelled += 1;
            self.people.expel(number, self.scenario.whitewash);
        }
    }
}
