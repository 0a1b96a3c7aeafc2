//! The scenarios: what the world is made of, and what must come out.

use std::collections::BTreeMap;
use std::time::Duration;

use outlast_sim::app::Shape;
use outlast_sim::{Answers, Behaviour, Dice, Ends, Fault, JobPlan, Link, NodePlan, Scenario};
use outlast_verify::{Partitioning, Policy, Schedule};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn shape(dice: &mut Dice) -> Shape {
    let gridlet = [dice.between(1, 2), dice.between(1, 3)];
    Shape {
        cells: [dice.between(2, 6), dice.between(2, 6)],
        gridlet,
        step_cells: dice.between(1, 4) as usize,
        watch: dice.chance(0.5),
        sampled: dice.chance(0.7),
        blobs: dice.chance(0.3),
    }
}

/// A policy with this quorum.
fn policy(dice: &mut Dice, quorum: u8) -> Policy {
    let schedule = *dice.pick(&[Schedule::Incremental, Schedule::AllAtOnce]);
    Policy { samples: dice.below(3) as u8, schedule, ..Policy::with_quorum(quorum) }
}

fn job(dice: &mut Dice, submitter: usize, quorum: u8) -> JobPlan {
    let at = dice.millis(0, 800);
    JobPlan { submitter, at, shape: shape(dice), policy: policy(dice, quorum) }
}

/// Honest nodes with a job at the first of them.
fn grid(dice: &mut Dice, quorum: u8) -> Scenario {
    let mut scenario = Scenario::honest(dice.between(3, 6) as usize);
    scenario.jobs.push(job(dice, 0, quorum));
    scenario
}

fn spoil(scenario: &mut Scenario, node: usize, behaviour: Behaviour) {
    if let Some(plan) = scenario.nodes.get_mut(node) {
        plan.behaviour = behaviour;
    }
}

fn slower(scenario: &mut Scenario) {
    for plan in &mut scenario.nodes {
        plan.behaviour.cell_ms = (20, 400);
    }
}

fn crash(
    dice: &mut Dice,
    nodes: std::ops::Range<u64>,
    from_ms: u64,
    to_ms: u64,
) -> (Duration, Fault) {
    let node = dice.between(nodes.start, nodes.end - 1) as usize;
    let down = Some(dice.millis(50, 6000));
    (dice.millis(from_ms, to_ms), Fault::Crash { node, down })
}

pub(crate) fn calm(dice: &mut Dice) -> Scenario {
    let quorum = dice.between(1, 3) as u8;
    let mut scenario = grid(dice, quorum);
    scenario.within = secs(30);
    scenario
}

pub(crate) fn crashing_workers(dice: &mut Dice) -> Scenario {
    let quorum = dice.between(1, 2) as u8;
    let mut scenario = grid(dice, quorum);
    slower(&mut scenario);
    let nodes = scenario.nodes.len() as u64;
    for _ in 0..dice.between(1, 8) {
        scenario.faults.push(crash(dice, 1..nodes, 300, 8000));
    }
    if dice.chance(0.4) {
        let node = dice.between(1, nodes - 1) as usize;
        scenario.faults.push((dice.millis(300, 5000), Fault::Crash { node, down: None }));
    }
    scenario.calm = secs(15);
    scenario
}

pub(crate) fn crashing_submitter(dice: &mut Dice) -> Scenario {
    let quorum = dice.between(1, 2) as u8;
    let mut scenario = grid(dice, quorum);
    slower(&mut scenario);
    let nodes = scenario.nodes.len() as u64;
    for _ in 0..dice.between(1, 6) {
        scenario.faults.push(crash(dice, 0..1, 200, 9000));
    }
    for _ in 0..dice.below(3) {
        scenario.faults.push(crash(dice, 1..nodes, 200, 9000));
    }
    if quorum > 1 && dice.chance(0.5) {
        spoil(&mut scenario, 1, Behaviour::that(Answers::Lies(0.5)));
    }
    scenario.calm = secs(16);
    scenario
}

fn bad_link(dice: &mut Dice) -> Link {
    Link {
        delay_ms: dice.below(80),
        jitter_ms: dice.below(400),
        loss: *dice.pick(&[0.0, 0.02, 0.1, 0.25]),
        doubles: *dice.pick(&[0.0, 0.05, 0.3]),
    }
}

pub(crate) fn bad_network(dice: &mut Dice) -> Scenario {
    let quorum = dice.between(1, 2) as u8;
    let mut scenario = grid(dice, quorum);
    scenario.link = bad_link(dice);
    let nodes = scenario.nodes.len() as u64;
    for _ in 0..dice.below(4) {
        let link = Link { delay_ms: dice.between(100, 700), ..bad_link(dice) };
        let ends = (dice.below(nodes) as usize, dice.below(nodes) as usize);
        scenario.links.insert(ends, link);
    }
    if dice.chance(0.5) {
        scenario.nodes[0].behaviour.drops_acks = 0.5;
    }
    scenario.calm = secs(20);
    scenario
}

pub(crate) fn partitions(dice: &mut Dice) -> Scenario {
    let quorum = dice.between(1, 2) as u8;
    let mut scenario = grid(dice, quorum);
    slower(&mut scenario);
    for _ in 0..dice.between(1, 4) {
        let (from, to): (Vec<usize>, Vec<usize>) =
            (0..scenario.nodes.len()).partition(|_| dice.chance(0.5));
        let (both, lasts) = (dice.chance(0.6), dice.millis(200, 8000));
        let fault = Fault::Cut { from, to, both, lasts };
        scenario.faults.push((dice.millis(200, 8000), fault));
    }
    scenario.calm = secs(18);
    scenario
}

/// Fewer of a mind than the quorum: they never win.
pub(crate) fn liars_and_colluders(dice: &mut Dice) -> Scenario {
    let quorum = dice.between(2, 3) as u8;
    let mut scenario = grid(dice, quorum);
    for _ in 0..3 {
        scenario.nodes.push(NodePlan::new(Behaviour::default()));
    }
    let last = scenario.nodes.len() - 1;
    for gang in 1..usize::from(quorum) {
        let p = *dice.pick(&[0.2, 1.0]);
        spoil(&mut scenario, gang, Behaviour::that(Answers::Colludes { gang: 5, p }));
    }
    let alone = dice.pick(&[Answers::Lies(1.0), Answers::Lies(0.3), Answers::LiesInOnePoint]);
    spoil(&mut scenario, last, Behaviour::that(alone.clone()));
    scenario
}

/// Liars and colluders, and a submitter that may die, while replicas are cut in different ways.
pub(crate) fn cut_differently(dice: &mut Dice) -> Scenario {
    let mut scenario = liars_and_colluders(dice);
    for job in &mut scenario.jobs {
        job.shape.cells = [dice.between(3, 6), dice.between(4, 9)];
        job.shape.gridlet = [dice.between(1, 2), dice.between(3, 4)];
        job.policy.partitioning = *dice.pick(&[Partitioning::Overlapped, Partitioning::Meshed]);
        job.policy.schedule = *dice.pick(&[Schedule::Incremental, Schedule::AllAtOnce]);
    }
    if dice.chance(0.3) {
        scenario.faults.push(crash(dice, 0..1, 300, 2000));
        scenario.calm = secs(10);
    }
    scenario
}

/// Replicas follow the load, which the submitter sees through heartbeats and its own death, while nodes come and go.
pub(crate) fn by_load(dice: &mut Dice) -> Scenario {
    let mut scenario = liars_and_colluders(dice);
    for node in 2..scenario.nodes.len() {
        scenario.nodes[node].slots = dice.between(1, 6) as u32;
        scenario.nodes[node].joins = dice.millis(0, 3000);
    }
    for job in &mut scenario.jobs {
        let majority = Policy { samples: job.policy.samples, ..Policy::with_majority(5) };
        job.policy = if dice.chance(0.5) { majority } else { job.policy };
        job.policy.schedule = Schedule::Auto;
        if dice.chance(0.3) {
            job.shape.cells = [dice.between(3, 6), dice.between(4, 9)];
            job.shape.gridlet = [dice.between(1, 2), dice.between(3, 4)];
            job.policy.partitioning = *dice.pick(&[Partitioning::Overlapped, Partitioning::Meshed]);
        }
    }
    if dice.chance(0.5) {
        scenario.faults.push(crash(dice, 0..1, 300, 3000));
    }
    scenario.calm = secs(10);
    scenario
}

/// Answers count by the records of those who gave them, some leases are quizzes, and the submitter may die. Who is
/// believed may be wrong; but nothing gets stuck, and a restart decides alike.
pub(crate) fn credible(dice: &mut Dice) -> Scenario {
    let mut scenario = liars_and_colluders(dice);
    scenario.right = false;
    for job in &mut scenario.jobs {
        job.shape.sampled = dice.chance(0.8);
        job.policy = Policy {
            quizzes: *dice.pick(&[0.0, 0.3]),
            samples: dice.below(2) as u8,
            ..Policy::with_max_error(*dice.pick(&[0.2, 0.01]))
        };
    }
    if dice.chance(0.4) {
        scenario.faults.push(crash(dice, 0..1, 300, 3000));
        scenario.calm = secs(10);
    }
    scenario
}

/// Enough of a mind to outvote everybody, but each gridlet is a cell, and each is sampled.
pub(crate) fn colluders_against_samples(dice: &mut Dice) -> Scenario {
    let mut scenario = grid(dice, 2);
    for job in &mut scenario.jobs {
        job.shape.gridlet = [1, 1];
        job.shape.sampled = true;
        job.policy.samples = 1;
    }
    for node in 1..scenario.nodes.len() {
        let p = *dice.pick(&[0.3, 1.0]);
        if dice.chance(0.7) {
            spoil(&mut scenario, node, Behaviour::that(Answers::Colludes { gang: 9, p }));
        }
    }
    // An honest node may be outvoted before the sample is there; only what is accepted counts.
    if dice.chance(0.5) {
        scenario.faults.push(crash(dice, 0..1, 300, 2000));
        scenario.calm = secs(10);
    }
    scenario
}

pub(crate) fn rubbish_and_claimed_failures(dice: &mut Dice) -> Scenario {
    let quorum = dice.between(1, 2) as u8;
    let mut scenario = grid(dice, quorum);
    let kinds = [Answers::Rubbish, Answers::ClaimsFailure, Answers::Incomplete];
    for node in 1..scenario.nodes.len() {
        if dice.chance(0.6) {
            let answers = dice.pick(&kinds).clone();
            spoil(&mut scenario, node, Behaviour::that(answers));
        }
    }
    scenario
}

pub(crate) fn hanging_workers(dice: &mut Dice) -> Scenario {
    let quorum = dice.between(1, 2) as u8;
    let mut scenario = grid(dice, quorum);
    // Each of its gridlets may be at each of the hanging nodes before somebody else gets it.
    for _ in 0..2 {
        scenario.nodes.push(NodePlan::new(Behaviour::default()));
    }
    for node in 1..=dice.between(1, 2) as usize {
        spoil(&mut scenario, node, Behaviour::that(Answers::Hangs));
    }
    scenario.within = secs(120);
    scenario
}

pub(crate) fn fuzzing_nodes(dice: &mut Dice) -> Scenario {
    let quorum = dice.between(1, 3) as u8;
    let mut scenario = grid(dice, quorum);
    let every = Some(dice.millis(2, 40));
    let behaviour = Behaviour { fuzz_every: every, ..Behaviour::default() };
    scenario.nodes.push(NodePlan::new(behaviour.clone()));
    if dice.chance(0.3) {
        scenario.nodes.push(NodePlan::new(behaviour));
    }
    // It answers honestly and spoils that with nonsense about the leases that it holds: wrong with one voice.
    scenario.right = quorum > 1;
    scenario
}

pub(crate) fn leaving_and_joining(dice: &mut Dice) -> Scenario {
    let quorum = dice.between(1, 2) as u8;
    let mut scenario = grid(dice, quorum);
    slower(&mut scenario);
    let nodes = scenario.nodes.len() as u64;
    for _ in 0..dice.between(1, 3) {
        let mut plan = NodePlan::new(Behaviour::default());
        plan.joins = dice.millis(300, 6000);
        scenario.nodes.push(plan);
    }
    for _ in 0..dice.between(1, 4) {
        let node = dice.between(1, nodes - 1) as usize;
        let back = dice.chance(0.6).then(|| dice.millis(50, 4000));
        scenario.faults.push((dice.millis(300, 6000), Fault::Drain { node, back }));
    }
    if dice.chance(0.3) {
        let back = Some(dice.millis(50, 4000));
        scenario.faults.push((dice.millis(300, 6000), Fault::Drain { node: 0, back }));
    }
    scenario.calm = secs(14);
    scenario.within = secs(90);
    scenario
}

pub(crate) fn program_missing(dice: &mut Dice) -> Scenario {
    let mut scenario = grid(dice, 1);
    for job in &mut scenario.jobs {
        job.policy.decision = outlast_verify::Decision::First { matching: 1 };
    }
    let nobody = dice.chance(0.5);
    let has = dice.below(scenario.nodes.len() as u64) as usize;
    for (node, plan) in scenario.nodes.iter_mut().enumerate() {
        plan.behaviour.has_program = !nobody && node == has;
    }
    scenario.ends = if nobody { Ends::NoProgram } else { Ends::Done };
    scenario
}

pub(crate) fn full_disks(dice: &mut Dice) -> Scenario {
    let quorum = dice.between(1, 2) as u8;
    let mut scenario = grid(dice, quorum);
    for plan in scenario.nodes.iter_mut() {
        plan.behaviour.disk_full = *dice.pick(&[0.0, 0.0, 0.2]);
        plan.behaviour.staging_fails = *dice.pick(&[0.0, 0.0, 0.3]);
    }
    let lasts = dice.millis(500, 9000);
    scenario.faults.push((dice.millis(0, 3000), Fault::NoRoom { node: 0, lasts }));
    if dice.chance(0.4) {
        scenario.faults.push(crash(dice, 0..1, 300, 8000));
    }
    scenario.calm = secs(16);
    scenario.within = secs(240);
    scenario
}

pub(crate) fn expelled(dice: &mut Dice) -> Scenario {
    let mut scenario = grid(dice, 2);
    scenario.nodes.push(NodePlan::new(Behaviour::default()));
    slower(&mut scenario);
    scenario.link = bad_link(dice);
    let nodes = scenario.nodes.len() as u64;
    for _ in 0..dice.between(1, 2) {
        let node = dice.between(2, nodes - 1) as usize;
        scenario.faults.push((dice.millis(300, 4000), Fault::Expel { node }));
    }
    scenario.faults.push(crash(dice, 0..nodes, 300, 5000));
    scenario.calm = secs(12);
    scenario.within = secs(120);
    scenario
}

pub(crate) fn cancelled(dice: &mut Dice) -> Scenario {
    let mut scenario = grid(dice, 2);
    slower(&mut scenario);
    scenario.link = bad_link(dice);
    scenario.faults.push((dice.millis(900, 5000), Fault::Cancel { job: 0 }));
    scenario.calm = secs(8);
    scenario.ends = Ends::DoneOrCancelled;
    scenario
}

pub(crate) fn several_submitters(dice: &mut Dice) -> Scenario {
    let mut scenario = grid(dice, 2);
    for submitter in [0, 1, 1, 2] {
        let quorum = dice.between(1, 2) as u8;
        scenario.jobs.push(job(dice, submitter, quorum));
    }
    scenario.faults.push(crash(dice, 0..3, 300, 5000));
    scenario.faults.push(crash(dice, 0..3, 300, 5000));
    scenario.calm = secs(12);
    scenario
}

pub(crate) fn everything_at_once(dice: &mut Dice) -> Scenario {
    let mut scenario = grid(dice, 2);
    for _ in 0..3 {
        scenario.nodes.push(NodePlan::new(Behaviour::default()));
    }
    if dice.chance(0.5) {
        scenario.jobs.push(job(dice, 1, 2));
    }
    slower(&mut scenario);
    scenario.link = bad_link(dice);
    scenario.links = BTreeMap::new();
    let nodes = scenario.nodes.len();
    let bad = [
        Answers::Lies(0.5),
        Answers::LiesInOnePoint,
        Answers::Rubbish,
        Answers::Incomplete,
        Answers::ClaimsFailure,
    ];
    spoil(&mut scenario, nodes - 1, Behaviour::that(dice.pick(&bad).clone()));
    if dice.chance(0.5) {
        scenario.nodes[nodes - 2].behaviour.fuzz_every = Some(dice.millis(10, 60));
    }
    for _ in 0..dice.below(6) {
        scenario.faults.push(crash(dice, 0..nodes as u64, 300, 9000));
    }
    for _ in 0..dice.below(3) {
        let cut: Vec<usize> = vec![dice.below(nodes as u64) as usize];
        let others = (0..nodes).collect();
        let (both, lasts) = (dice.chance(0.6), dice.millis(200, 6000));
        let fault = Fault::Cut { from: cut, to: others, both, lasts };
        scenario.faults.push((dice.millis(200, 8000), fault));
    }
    if dice.chance(0.3) {
        let node = dice.between(2, nodes as u64 - 1) as usize;
        scenario.faults.push((dice.millis(300, 6000), Fault::Drain { node, back: None }));
    }
    scenario.calm = secs(18);
    scenario.within = secs(120);
    scenario
}
