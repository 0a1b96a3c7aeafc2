//! Runs a scenario for many seeds; a seed that fails is run again with its trace.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use outlast_sim::{Dice, Outcome, Scenario, World};

/// How a scenario is made from chance.
pub(crate) type Make = fn(&mut Dice) -> Scenario;

/// Runs one seed.
pub(crate) fn run(make: Make, seed: u64, tracing: bool) -> Outcome {
    World::new(make(&mut Dice::new(seed, 0)), seed, tracing).run()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}, expected a number")))
}

/// Runs the seeds that the environment asks for, or the first `seeds`.
// What it prints is seen with `--no-capture`: whether the scenario still does what it is meant to do.
#[allow(clippy::print_stdout)]
pub(crate) fn check(name: &str, make: Make, seeds: u64) {
    let seeds = match number("OUTLAST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("OUTLAST_SEEDS").unwrap_or(seeds),
    };
    let (start, count) = (Instant::now(), seeds.end - seeds.start);
    let mut events = 0;
    let mut tally = outlast_sim::Tally::default();
    for seed in seeds {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(make, seed, false)));
        match outcome {
            Ok(outcome) if outcome.violation.is_none() => {
                events += outcome.events;
                tally += outcome.tally;
            }
            _ => report(name, make, seed),
        }
    }
    println!("{count} seeds, {events} events, {:?}; {tally:?}", start.elapsed());
}

fn report(name: &str, make: Make, seed: u64) -> ! {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(make, seed, true)));
    let again = format!("OUTLAST_SEED={seed} cargo nextest run -p outlast-sim {name}");
    match outcome {
        Ok(outcome) => panic!(
            "{name}, seed {seed}:\n{}\n\nthe last of the trace:\n{}\n\nto see it again: {again}",
            outcome.violation.unwrap_or_else(|| "no violation the second time".to_owned()),
            outcome.trace.join("\n"),
        ),
        Err(_) => panic!("{name}, seed {seed}: it panics, see above; to see it again: {again}"),
    }
}
