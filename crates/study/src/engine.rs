//! What decides in a simulated world: Outlast's verifier, or somebody else's scheme.

use outlast_types::NodeId;
use outlast_verify::{Class, Verdict};

use crate::layout::Layout;

/// A participant under its present identity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who {
    pub(crate) number: u32,
    pub(crate) id: NodeId,
}

/// A quiz is due: an answer that is known already.
pub(crate) type Quiz = u32;

/// Decides the points of one job after the other, and remembers workers across jobs.
pub(crate) trait Engine {
    /// A new job.
    fn start(&mut self, layout: &Layout, seed: u64);
    /// Further answers to the point that are wanted now.
    fn demand(&self, point: u32) -> u8;
    /// Answers to the point, given and expected.
    fn count(&self, point: u32) -> u8;
    /// Whether an answer of this worker would count.
    fn may_answer(&self, point: u32, who: Who) -> bool;
    /// Whether the worker would rather be given work that others have answered already.
    fn prefers_shared(&mut self, _who: Who, _chance: f64) -> bool {
        true
    }
    /// A point to ask this worker that is decided already, if it is to be quizzed now. `chance` is uniform.
    fn quiz(&mut self, who: Who, chance: f64, pick: u64) -> Option<Quiz>;
    /// Work is handed out. `chance` is uniform: what a scheme decides at this moment.
    fn assign(&mut self, point: u32, who: Who, chance: f64);
    /// The worker doesn't answer.
    fn release(&mut self, point: u32, who: Who, out: &mut Vec<Verdict>);
    /// The worker answers.
    fn answer(&mut self, point: u32, who: Who, class: Class, refuted: bool, out: &mut Vec<Verdict>);
    /// The worker answers a quiz.
    fn answer_quiz(&mut self, point: u32, who: Who, class: Class, out: &mut Vec<Verdict>);
    /// The classes that have votes at the point.
    fn classes(&self, point: u32) -> Vec<Class>;
    /// What a sample says of them.
    fn sampled(&mut self, point: u32, right: &[Class], wrong: &[Class], out: &mut Vec<Verdict>);
    /// The submitter computed the point.
    fn own_answer(&mut self, point: u32, out: &mut Vec<Verdict>);
    /// Remembers what an event said about workers. Who is out from now on.
    fn learn(&mut self, verdicts: &[Verdict], out: &mut Vec<Verdict>) -> Vec<NodeId>;
    /// Nothing that was said under this identity counts any more.
    fn strike(&mut self, id: NodeId, out: &mut Vec<Verdict>);
    /// Free workers and waiting gridlets, for schemes that look at the load.
    fn load(&mut self, free: u32, waiting: u32);
    /// What is accepted for a point.
    fn accepted(&self, point: u32) -> Option<Class>;
    /// Whether all points are decided.
    fn is_complete(&self) -> bool;
}
