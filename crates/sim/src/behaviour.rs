//! What a node does with the work it is given, and with the truth.

use std::time::Duration;

use outlast_gridlet::{CellOutput, Content, Step};
use outlast_job::{RunEvent, RunFailure};
use outlast_types::CellId;

use crate::app;
use crate::dice::Dice;

/// How a node answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// As the program does.
    Honest,
    /// Wrong with this probability, in its own way.
    Lies(f64),
    /// Wrong with this probability, in the same way as all others of its gang.
    Colludes {
        /// Whom it agrees with.
        gang: u64,
        /// For each cell.
        p: f64,
    },
    /// Right but for one point: a sample may miss it.
    LiesInOnePoint,
    /// Something that is no answer.
    Rubbish,
    /// Says that the program failed.
    ClaimsFailure,
    /// Takes work and never ends.
    Hangs,
    /// Says that a result is there and leaves out some.
    Incomplete,
}

/// How a node is.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// How it answers.
    pub answers: Answers,
    /// It has the program.
    pub has_program: bool,
    /// How often a run meets a full disk.
    pub disk_full: f64,
    /// How often inputs can't be laid out.
    pub staging_fails: f64,
    /// How often it forgets to acknowledge.
    pub drops_acks: f64,
    /// Every so often it sends random well-formed messages to somebody.
    pub fuzz_every: Option<Duration>,
    /// Milliseconds that a cell takes, from and to.
    pub cell_ms: (u64, u64),
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            answers: Answers::Honest,
            has_program: true,
            disk_full: 0.0,
            staging_fails: 0.0,
            drops_acks: 0.0,
            fuzz_every: None,
            cell_ms: (5, 60),
        }
    }
}

impl Behaviour {
    /// Answers so, and is otherwise like everybody.
    pub fn that(answers: Answers) -> Self {
        Self { answers, ..Self::default() }
    }

    /// Whether what it says about cells may be wrong.
    pub fn lies(&self) -> bool {
        let wrong = matches!(
            self.answers,
            Answers::Lies(_)
                | Answers::Colludes { .. }
                | Answers::LiesInOnePoint
                | Answers::Rubbish
        );
        wrong || self.fuzz_every.is_some()
    }

    /// What happens when it runs a step, and when, counted from its start.
    pub(crate) fn run(&self, step: &Step, me: u64, dice: &mut Dice) -> Vec<(Duration, RunEvent)> {
        let start = dice.millis(1, 5);
        if !self.has_program {
            let failure = RunFailure::MissingProgram("toy".to_owned());
            return vec![(start, RunEvent::Failed(failure))];
        }
        if dice.chance(self.disk_full) {
            return vec![(start, RunEvent::Failed(RunFailure::DiskFull))];
        }
        match self.answers {
            Answers::Hangs => return Vec::new(),
            Answers::ClaimsFailure => {
                let event = RunEvent::Exited { code: 1, tail: "it hurts".to_owned() };
                return vec![(start, event)];
            }
            _ => {}
        }
        let mut at = start;
        let mut events = Vec::new();
        for output in app::compute(step) {
            at += dice.millis(self.cell_ms.0, self.cell_ms.1);
            if self.answers == Answers::Incomplete && dice.chance(0.5) {
                continue;
            }
            events.push((at, RunEvent::Cell(self.bend(output, me, dice))));
        }
        if !step.watch {
            events.iter_mut().for_each(|event| event.0 = at);
        }
        events.push((at, RunEvent::Exited { code: 0, tail: String::new() }));
        events
    }

    /// The answer that it gives, when this is the right one.
    fn bend(&self, mut output: CellOutput, me: u64, dice: &mut Dice) -> CellOutput {
        let cell = output.cell;
        let Some(Content::Inline(bytes)) = output.files.first_mut().map(|file| &mut file.content)
        else {
            return output;
        };
        match self.answers {
            Answers::Lies(p) if dice.chance(p) => distort(bytes, me, cell, usize::MAX),
            Answers::Colludes { gang, p } if colludes(gang, cell, p) => {
                distort(bytes, gang, cell, usize::MAX);
            }
            Answers::LiesInOnePoint => distort(bytes, me, cell, 4),
            Answers::Rubbish => match dice.below(4) {
                0 => bytes.truncate(7),
                1 => bytes.resize(900, 1),
                2 => output.files.clear(),
                _ => output.files[0].name = "../../etc/passwd".to_owned(),
            },
            _ => {}
        }
        output
    }
}

/// A gang agrees beforehand about which cells to lie.
fn colludes(gang: u64, cell: CellId, p: f64) -> bool {
    (app::mix(gang ^ (u64::from(cell.0) << 20)) >> 11) as f64 / ((1u64 << 53) as f64) < p
}

/// Makes the first `bytes` bytes wrong, each point of them.
fn distort(bytes: &mut [u8], secret: u64, cell: CellId, count: usize) {
    let x = app::mix(secret ^ u64::from(cell.0)).to_le_bytes();
    for (i, byte) in bytes.iter_mut().take(count).enumerate() {
        *byte ^= if i % 4 == 0 { x[i % 8] | 1 } else { x[i % 8] };
    }
}
