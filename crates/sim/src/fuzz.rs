//! A node that speaks the protocol well and means none of it.

use outlast_gridlet::{CellOutput, Content, OutFile};
use outlast_job::wire::{Failure, Message, Refusal, Staging, ToCoordinator, ToWorker};
use outlast_types::{Ad, Attempt, CellId, GridletId, Hash, JobId, limits, wire};

use crate::app;
use crate::dice::Dice;
use crate::world::{Event, World, card};

/// Entries of the lists that it makes up, now and then.
const LONG_LIST: u64 = 2000;

impl World {
    /// Sends something to somebody.
    pub(crate) fn fuzz(&mut self, node: usize) {
        let Some(every) = self.hosts[node].plan.behaviour.fuzz_every else { return };
        let to = self.dice.below(self.hosts.len() as u64) as usize;
        if to != node {
            let message = self.nonsense(node);
            if let Ok(frame) = wire::encode(&message, limits::FRAME_BYTES) {
                self.post(node, to, frame);
            }
        }
        let life = self.hosts[node].life;
        self.at(every, Event::Fuzz { node, life });
    }

    fn nonsense(&mut self, node: usize) -> Message {
        let somebody = self.dice.pick(&self.hosts).id;
        let job = match self.dice.below(5) {
            0 => JobId::from_u64(self.dice.number()),
            _ => *self.dice.pick(&self.jobs),
        };
        let dice = &mut self.dice;
        match dice.below(13) {
            0 => {
                let ad = Ad { slots: dice.below(4) as u32 * 1000, ..Ad::default() };
                let cards = (0..dice.below(5)).map(|_| card(somebody, dice.number())).collect();
                let me = introduction(dice.number(), ad);
                Message::Overlay(outlast_overlay::Message::Welcome { me, cards })
            }
            1 => Message::Overlay(outlast_overlay::Message::Pull),
            2 => Message::ToWorker(job, ToWorker::Ended),
            3 => Message::ToWorker(job, ToWorker::Revoke { attempts: attempts(dice) }),
            4 => {
                Message::ToWorker(job, ToWorker::Ack { attempt: attempt(dice), cells: cells(dice) })
            }
            5 => {
                let count = dice.between(1, 4) as usize;
                let shape = app::Shape {
                    cells: [1, 4],
                    gridlet: [1, 4],
                    step_cells: count,
                    watch: true,
                    sampled: false,
                    blobs: false,
                };
                let toy = app::Toy::new(dice.number(), shape);
                let mut recipe = outlast_gridlet::ApplicationManager::recipe(
                    &toy,
                    &outlast_gridlet::ApplicationManager::gridlets(&toy)[0],
                    &cells(dice).into_iter().take(9).collect::<Vec<_>>(),
                );
                if dice.chance(0.5) {
                    recipe.steps.truncate(1);
                    recipe.steps.iter_mut().for_each(|s| s.stdin = Some("../../x".to_owned()));
                }
                let manifest =
                    outlast_job::wire::ManifestRef { hash: Hash::of(b"no"), length: 1 << 60 };
                let gridlet = GridletId(dice.number() as u32);
                let attempt = attempt(dice);
                let lease = ToWorker::Lease { attempt, gridlet, vo: None, manifest, recipe };
                Message::ToWorker(job, lease)
            }
            6 => to_coordinator(job, ToCoordinator::Accepted { attempt: attempt(dice) }),
            7 => {
                let refusal = match dice.below(3) {
                    0 => Refusal::Busy,
                    1 => Refusal::Leaving,
                    _ => Refusal::BadRecipe("no".to_owned()),
                };
                to_coordinator(job, ToCoordinator::Refused { attempt: attempt(dice), refusal })
            }
            8 if dice.chance(0.5) => {
                let staging = Staging { here: dice.number(), of: dice.number() };
                to_coordinator(job, ToCoordinator::Staging { attempt: attempt(dice), staging })
            }
            8 => to_coordinator(job, ToCoordinator::Alive { attempts: attempts(dice) }),
            9 => {
                let failure = match dice.below(3) {
                    0 => Failure::Leaving,
                    1 => Failure::MissingProgram("toy".to_owned()),
                    _ => Failure::Program { exit: 1, tail: "ouch".repeat(100) },
                };
                to_coordinator(job, ToCoordinator::Failed { attempt: attempt(dice), failure })
            }
            10 => Message::Overlay(outlast_overlay::Message::Heartbeat {
                incarnation: self.hosts[node].life,
                ad: Ad { slots: 2, free: dice.below(3) as u32, ..Ad::default() },
                digest: dice.number(),
                stamp: dice.number(),
                echo: None,
                answer: dice.chance(0.5),
                next_ms: dice.below(100_000) as u32,
            }),
            11 => Message::Overlay(outlast_overlay::Message::Hello {
                me: introduction(
                    self.hosts[node].life,
                    Ad { slots: 2, free: 2, draining: dice.chance(0.2), ..Ad::default() },
                ),
                cards: dice.chance(0.5),
            }),
            _ => {
                let outputs = cells(dice).into_iter().take(600).map(|c| answer(c, dice)).collect();
                to_coordinator(job, ToCoordinator::Cells { attempt: attempt(dice), outputs })
            }
        }
    }
}

/// How it introduces itself.
pub(crate) fn introduction(incarnation: u64, ad: Ad) -> outlast_overlay::Introduction {
    outlast_overlay::Introduction { addresses: Vec::new(), relay: None, incarnation, ad }
}

fn to_coordinator(job: JobId, message: ToCoordinator) -> Message {
    Message::ToCoordinator(job, message)
}

/// Mostly one that may have been granted.
fn attempt(dice: &mut Dice) -> Attempt {
    Attempt(if dice.chance(0.9) { dice.below(40) } else { dice.number() })
}

fn attempts(dice: &mut Dice) -> Vec<Attempt> {
    let count = if dice.chance(0.1) { LONG_LIST } else { dice.below(20) };
    (0..count).map(|_| attempt(dice)).collect()
}

/// Out of range, twice, out of order.
fn cells(dice: &mut Dice) -> Vec<CellId> {
    let count = if dice.chance(0.1) { LONG_LIST } else { dice.below(10) };
    (0..count)
        .map(|_| CellId(if dice.chance(0.9) { dice.below(40) } else { dice.number() } as u32))
        .collect()
}

fn answer(cell: CellId, dice: &mut Dice) -> CellOutput {
    let mut output = app::output(cell, dice.number().to_le_bytes().repeat(2));
    match dice.below(6) {
        0 => output.files.clear(),
        1 => output.exit = dice.number() as i32,
        2 => {
            let content = Content::Blob { hash: Hash::of(b"nowhere"), length: dice.below(2048) };
            output.files[0].content = content;
        }
        3 => output.files.push(OutFile {
            name: "/etc/shadow".to_owned(),
            executable: true,
            content: Content::Inline(vec![0; 20 << 10]),
        }),
        _ => {}
    }
    output
}
