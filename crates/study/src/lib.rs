//! What verification schemes achieve: GINGER's simulator (section 4.1), around the very verifier of the grid.
//!
//! ```text
//!  Sweep ──points──▶ Scenario ──Layout (the work, cut)──▶ run(n): Outcome ──▶ Summary ──▶ CSV, JSON, Chart
//!                                                            │
//!                        population, events ◀── World ──▶ Engine: Verifier + Ledger, or another's scheme
//! ```
//!
//! [`sweep::points`] makes scenarios of what a user asks for; [`run`] does one as often as wanted. Runs depend on
//! nothing but the scenario and their number, so whoever drives them may do so in any order and on any number of
//! threads.
//!
//! What it does not do: start threads, read or write files, decide what is accepted. The last is
//! `outlast_verify`'s; a copy of its logic here would be the one that is tested, and not the one that runs.

mod dice;
mod engine;
pub mod figures;
mod grid;
pub mod layout;
mod others;
pub mod outcome;
pub mod plot;
mod population;
pub mod scenario;
pub mod sweep;
pub mod table;
pub mod theory;
mod world;

pub use layout::Layout;
pub use outcome::{Estimate, Outcome, Summary};
pub use scenario::{Behaviour, Scenario, ScenarioError, Scheme};

/// One run of a scenario; `number` chooses its chance. `layout` is the scenario's.
pub fn run(scenario: &Scenario, layout: &Layout, number: u32) -> Outcome {
    let parts = (0..scenario.submitters).map(|part| run_part(scenario, layout, number, part));
    Outcome::of_parts(&parts.collect::<Vec<_>>())
}

/// What one submitter of a run sees, counted from 0: parts depend on nothing of each other, so threads may share
/// them. [`Outcome::of_parts`] puts them together.
pub fn run_part(scenario: &Scenario, layout: &Layout, number: u32, submitter: u32) -> Outcome {
    let part = scenario.part(submitter);
    let chance = u64::from(number) * u64::from(scenario.submitters) + u64::from(submitter);
    match part.scheme {
        Scheme::Outlast(policy) => {
            let engine = grid::Grid::new(policy, &part);
            world::World::new(&part, layout, engine, chance).run()
        }
        scheme => {
            let engine = others::Others::new(scheme, part.participants);
            world::World::new(&part, layout, engine, chance).run()
        }
    }
}
