//! How fast the state machines are alone: one submitter, workers that answer at once, no network, no disk.

use std::collections::VecDeque;
use std::sync::Arc;

use outlast_broker::Flops;
use outlast_gridlet::CellOutput;
use outlast_job::wire::{ManifestRef, Message, ToCoordinator, ToWorker};
use outlast_job::{Effect, Examined, Input, JobSpec, Peer, Phase, Settings, Standing};
use outlast_types::{Ad, Hash, JobId, NodeId, Time, VoId};
use outlast_verify::{Class, Ledger, Policy};

use crate::app::{self, Shape, Toy};
use crate::fuzz::introduction;
use crate::world::card;

/// What was pumped through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throughput {
    /// Gridlets done.
    pub gridlets: u64,
    /// Cells accepted.
    pub cells: u64,
    /// Inputs that the peer handled.
    pub events: u64,
    /// Effects that it asked for.
    pub effects: u64,
    /// Records that it wrote.
    pub records: u64,
    /// Leases that it granted.
    pub leases: u64,
}

/// Runs one job of `gridlets` gridlets with `cells_per_gridlet` cells each on `workers` workers of four slots, with quorum
/// 1. The caller takes the time.
///
/// # Panics
/// If a count is zero, or the job doesn't come to its end.
pub fn throughput(gridlets: u32, workers: u32, cells_per_gridlet: u32) -> Throughput {
    assert!(gridlets > 0 && workers > 0 && cells_per_gridlet > 0, "nothing to measure");
    let me = node(0);
    let offer = Ad::default();
    let overlay = outlast_overlay::Settings::default();
    let mut now = Time::from_micros(1);
    let mut peer = Peer::new(
        card(me, 1),
        offer,
        Settings::default(),
        overlay,
        Box::new(Flops),
        Ledger::new(),
        now,
    );
    let mut inputs = VecDeque::new();
    for worker in (1..=workers).map(node) {
        let ad = Ad { slots: 4, free: 4, cores: 4, flops: 1, ..Ad::default() };
        let standing = Standing::full(VoId::from_bytes([1; 32]));
        inputs.push_back(Input::Standing { node: worker, standing });
        let hello = outlast_overlay::Message::Hello { me: introduction(1, ad), cards: false };
        inputs.push_back(Input::Message { from: worker, message: Message::Overlay(hello) });
    }
    let shape = Shape {
        cells: [u64::from(gridlets), u64::from(cells_per_gridlet)],
        gridlet: [1, u64::from(cells_per_gridlet)],
        step_cells: cells_per_gridlet as usize,
        watch: false,
        sampled: false,
        blobs: false,
    };
    let id = JobId::from_u64(1);
    inputs.push_back(Input::Submit(Arc::new(JobSpec {
        id,
        manager: Arc::new(Toy::new(1, shape)),
        manifest: ManifestRef { hash: Hash::of(b""), length: 0 },
        vo: None,
        policy: Policy { samples: 0, ..Policy::with_quorum(1) },
        layers: Vec::new(),
        trusted: Vec::new(),
        seed: 1,
        created: now,
    })));
    let mut done = Throughput::default();
    let mut effects = Vec::new();
    while let Some(input) = inputs.pop_front() {
        done.events += 1;
        now = Time::from_micros(now.as_micros() + 1);
        peer.handle(now, input, &mut effects);
        for effect in effects.drain(..) {
            done.effects += 1;
            answer(effect, &mut inputs, &mut done);
        }
    }
    let job = peer.job(id).expect("the job was submitted");
    assert!(matches!(job.phase(), Phase::Ended(_)), "the job ends: {:?}", job.report(now));
    done.gridlets = u64::from(job.report(now).gridlets_done);
    done
}

/// What ideal workers, an ideal examiner and an ideal disk make of an effect.
fn answer(effect: Effect, inputs: &mut VecDeque<Input>, done: &mut Throughput) {
    match effect {
        Effect::Send {
            to,
            message: Message::ToWorker(job, ToWorker::Lease { attempt, recipe, .. }),
        } => {
            done.leases += 1;
            let cells = recipe.steps.iter().flat_map(|step| &step.harvest);
            let outputs: Vec<CellOutput> =
                cells.map(|harvest| app::output(harvest.cell, vec![0; 16])).collect();
            let answer = ToCoordinator::Cells { attempt, outputs };
            let message = Message::ToCoordinator(job, answer);
            inputs.push_back(Input::Message { from: to, message });
        }
        Effect::Examine { job, ticket, outputs } => {
            let class = Examined::Class { class: Class(0), new: true, refuted: false };
            let results = outputs.into_iter().map(|output| (output, class.clone())).collect();
            inputs.push_back(Input::Examined { job, ticket, results });
        }
        Effect::Accepted { .. } => done.cells += 1,
        Effect::Journal { .. } => done.records += 1,
        Effect::Merge(job) => {
            inputs.push_back(Input::Merged { job, result: Ok(Default::default()) });
        }
        _ => {}
    }
}

fn node(n: u32) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    NodeId::from_bytes(bytes)
}
