//! What the tests of the machines share: a job without content, and a peer to drive.

use std::sync::Arc;
use std::time::Duration;

use outlast_broker::Flops;
use outlast_gridlet::{
    ApplicationManager, Blobs, CellOutput, ExitRule, Gridlet, Harvest, InputFile, InputMode,
    Merged, Needs, Preview, Program, Recipe, ResultError, Results, Sample, Sink, Step,
};
use outlast_overlay::{Card, Introduction};
use outlast_types::{
    Ad, Attempt, Axis, CellGrid, CellId, GridletId, Hash, JobId, NodeId, Region, Time, VoId,
};
use outlast_verify::{Class, Ledger, Policy};

use crate::wire::{ManifestRef, Message, ToCoordinator, ToWorker};
use crate::{Effect, Examined, Input, JobSpec, Peer, Record, Settings, Standing};

pub(crate) const JOB: JobId = JobId::from_u64(7);
pub(crate) const ME: NodeId = NodeId::from_bytes([1; 32]);

/// A worker.
pub(crate) fn node(n: u8) -> NodeId {
    NodeId::from_bytes([n; 32])
}

/// A job of some gridlets with some cells each, all of which are empty.
pub(crate) struct Empty {
    grid: CellGrid,
    gridlets: Vec<Gridlet>,
}

impl Empty {
    /// Boxes of cells of a grid as gridlets.
    fn of(grid: CellGrid, boxes: impl IntoIterator<Item = Region>) -> Arc<Self> {
        let gridlet = |(id, cells)| Gridlet { id: GridletId(id), cells, cost: 1.0 };
        Arc::new(Self { grid, gridlets: (0u32..).zip(boxes).map(gridlet).collect() })
    }

    /// A row of cells, cut so.
    pub(crate) fn cut(cells: u64, cuts: &[std::ops::Range<u64>]) -> Arc<Self> {
        let grid = CellGrid::new(vec![Axis::new(1, 1), Axis::new(cells, 1)]).unwrap();
        Self::of(grid, cuts.iter().map(|cut| Region::new([0..1, cut.clone()])))
    }
}

/// The recipe for these cells, one step each.
pub(crate) fn recipe(cells: &[u32]) -> Recipe {
    let step = |&cell: &u32| Step {
        program: Program::Installed("true".to_owned()),
        args: Vec::new(),
        env: Vec::new(),
        inputs: Needs::All,
        stdin: None,
        exit: ExitRule::Zero,
        folders: Vec::new(),
        harvest: vec![Harvest { cell: CellId(cell), collect: Vec::new() }],
        watch: false,
    };
    let steps = cells.iter().map(step).collect();
    Recipe { steps, inputs: InputMode::Link, idles: false, file_limit: 100 }
}

/// An answer.
pub(crate) fn output(cell: u32) -> CellOutput {
    CellOutput { cell: CellId(cell), exit: 0, files: Vec::new() }
}

impl ApplicationManager for Empty {
    fn app(&self) -> &str {
        "empty"
    }
    fn grid(&self) -> &CellGrid {
        &self.grid
    }
    fn atom(&self) -> &'static str {
        "cell"
    }
    fn gridlets(&self) -> &[Gridlet] {
        &self.gridlets
    }
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
    fn program(&self) -> Option<&str> {
        Some("true")
    }
    fn inputs(&self) -> &[InputFile] {
        &[]
    }
    fn recipe(&self, _: &Gridlet, cells: &[CellId]) -> Recipe {
        recipe(&cells.iter().map(|cell| cell.0).collect::<Vec<_>>())
    }
    fn check(&self, _: &CellOutput, _: &dyn Blobs) -> Result<(), ResultError> {
        Ok(())
    }
    fn sample(&self, _: CellId, _: u64) -> Option<Sample> {
        None
    }
    fn matches_sample(
        &self,
        _: &Sample,
        _: &CellOutput,
        _: &CellOutput,
        _: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        Ok(true)
    }
    fn merge(&self, _: &dyn Results, _: &mut dyn Sink) -> Result<Merged, ResultError> {
        Ok(Merged::default())
    }
    fn preview(&self, _: &dyn Results) -> Result<Option<Preview>, ResultError> {
        Ok(None)
    }
    fn state(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// A job of `gridlets` gridlets of `cells` cells, decided by `quorum`.
pub(crate) fn spec(gridlets: u64, cells: u64, quorum: u8) -> Arc<JobSpec> {
    let grid = CellGrid::new(vec![Axis::new(gridlets, 1), Axis::new(cells, 1)]).unwrap();
    let boxes = grid.tiles(&[1, cells]);
    Arc::new(JobSpec {
        id: JOB,
        manager: Empty::of(grid, boxes),
        manifest: ManifestRef { hash: Hash::of(b""), length: 0 },
        vo: None,
        policy: Policy { samples: 0, max_answers: quorum, ..Policy::with_quorum(quorum) },
        layers: Vec::new(),
        trusted: Vec::new(),
        seed: 1,
        created: Time::ZERO,
    })
}

/// The organisation that all nodes are in.
pub(crate) const VO: VoId = VoId::from_bytes([7; 32]);

/// A peer with a clock.
pub(crate) struct Driver {
    pub(crate) peer: Peer,
    pub(crate) now: Time,
}

impl Driver {
    /// A node with these slots.
    pub(crate) fn new(slots: u32, ledger: Ledger) -> Self {
        Self::set_up(slots, ledger, Settings::default())
    }

    /// One with these settings.
    pub(crate) fn with(slots: u32, settings: Settings) -> Self {
        Self::set_up(slots, Ledger::new(), settings)
    }

    fn set_up(slots: u32, ledger: Ledger, settings: Settings) -> Self {
        let now = Time::from_micros(1_000_000);
        let card = Card { node: ME, addresses: Vec::new(), relay: None, incarnation: 1 };
        let offer = Ad { slots, ..Ad::default() };
        let overlay = outlast_overlay::Settings::default();
        let mut peer = Peer::new(card, offer, settings, overlay, Box::new(Flops), ledger, now);
        for number in 0..=u8::MAX {
            let (node, standing) = (NodeId::from_bytes([number; 32]), Standing::full(VO));
            peer.handle(now, Input::Standing { node, standing }, &mut Vec::new());
        }
        Self { peer, now }
    }

    pub(crate) fn input(&mut self, input: Input) -> Vec<Effect> {
        let mut out = Vec::new();
        self.peer.handle(self.now, input, &mut out);
        out
    }

    pub(crate) fn hear(&mut self, from: NodeId, message: Message) -> Vec<Effect> {
        self.input(Input::Message { from, message })
    }

    /// A worker with one slot introduces itself.
    pub(crate) fn meet(&mut self, node: NodeId) -> Vec<Effect> {
        self.meet_kind(node, "")
    }

    /// One whose machine is of this kind.
    pub(crate) fn meet_kind(&mut self, node: NodeId, kind: &str) -> Vec<Effect> {
        let ad = Ad { slots: 1, free: 1, kind: kind.to_owned(), ..Ad::default() };
        let me = Introduction { addresses: Vec::new(), relay: None, incarnation: 1, ad };
        self.hear(node, Message::Overlay(outlast_overlay::Message::Hello { me, cards: false }))
    }

    /// A worker says goodbye.
    pub(crate) fn lose(&mut self, node: NodeId) -> Vec<Effect> {
        self.hear(node, Message::Overlay(outlast_overlay::Message::Bye { incarnation: 1 }))
    }

    pub(crate) fn worker_says(&mut self, from: NodeId, message: ToCoordinator) -> Vec<Effect> {
        self.hear(from, Message::ToCoordinator(JOB, message))
    }

    pub(crate) fn submitter_says(&mut self, from: NodeId, message: ToWorker) -> Vec<Effect> {
        self.hear(from, Message::ToWorker(JOB, message))
    }

    /// A worker answers these cells; hands out the ticket of their examination.
    pub(crate) fn answers(&mut self, from: NodeId, attempt: Attempt, cells: &[u32]) -> u64 {
        let outputs = cells.iter().map(|&cell| output(cell)).collect();
        let effects = self.worker_says(from, ToCoordinator::Cells { attempt, outputs });
        let ticket = effects.iter().find_map(|effect| match effect {
            Effect::Examine { ticket, .. } => Some(*ticket),
            _ => None,
        });
        ticket.expect("fresh answers are examined")
    }

    /// They are all of this class.
    pub(crate) fn examined(&mut self, ticket: u64, class: u16, cells: &[u32]) -> Vec<Effect> {
        let examined = Examined::Class { class: Class(class), new: true, refuted: false };
        let results = cells.iter().map(|&cell| (output(cell), examined.clone())).collect();
        self.input(Input::Examined { job: JOB, ticket, results })
    }

    pub(crate) fn wait(&mut self, time: Duration) -> Vec<Effect> {
        self.now += time;
        self.input(Input::Tick)
    }
}

/// Leases that leave: to whom, attempt, cells.
pub(crate) fn leases(effects: &[Effect]) -> Vec<(NodeId, Attempt, Vec<u32>)> {
    let lease = |effect: &Effect| match effect {
        Effect::Send {
            to,
            message: Message::ToWorker(_, ToWorker::Lease { attempt, recipe, .. }),
        } => {
            let cells = recipe.steps.iter().flat_map(|step| &step.harvest);
            Some((*to, *attempt, cells.map(|harvest| harvest.cell.0).collect()))
        }
        _ => None,
    };
    effects.iter().filter_map(lease).collect()
}

/// What is said to workers, apart from leases.
pub(crate) fn to_workers(effects: &[Effect]) -> Vec<ToWorker> {
    let said = |effect: &Effect| match effect {
        Effect::Send { message: Message::ToWorker(_, message), .. } => Some(message.clone()),
        _ => None,
    };
    effects.iter().filter_map(said).filter(|m| !matches!(m, ToWorker::Lease { .. })).collect()
}

/// What is said to coordinators.
pub(crate) fn to_coordinators(effects: &[Effect]) -> Vec<ToCoordinator> {
    let said = |effect: &Effect| match effect {
        Effect::Send { message: Message::ToCoordinator(_, message), .. } => Some(message.clone()),
        _ => None,
    };
    effects.iter().filter_map(said).collect()
}

/// What is written into the journal.
pub(crate) fn records(effects: &[Effect]) -> Vec<Record> {
    let record = |effect: &Effect| match effect {
        Effect::Journal { record, .. } => Some(record.clone()),
        _ => None,
    };
    effects.iter().filter_map(record).collect()
}
