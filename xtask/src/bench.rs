//! `cargo xtask bench NAME`: measurements that `docs/BENCHMARKS.md` reports.
//!
//! Each benchmark is a module of its own below this one and a line in [`BENCHES`].

mod checkpoint;
mod grid;
mod lab;
mod machine;
mod parts;
mod soak;
mod staging;
mod verification;

use crate::Failure;

/// A benchmark.
struct Bench {
    name: &'static str,
    /// What it measures, in one line.
    about: &'static str,
    run: fn(&[String]) -> anyhow::Result<()>,
}

/// All of them.
const BENCHES: &[Bench] = &[
    Bench { name: "checkpoint", about: checkpoint::ABOUT, run: checkpoint::main },
    Bench { name: "grid", about: grid::ABOUT, run: grid::main },
    Bench { name: "soak", about: soak::ABOUT, run: soak::main },
    Bench { name: "staging", about: staging::ABOUT, run: staging::main },
    Bench { name: "verification", about: verification::ABOUT, run: verification::main },
];

/// Runs the benchmark that the first argument names.
pub(crate) fn main(args: &[String]) -> Result<(), Failure> {
    let Some((name, rest)) = args.split_first() else {
        for bench in BENCHES {
            println!("{:12} {}", bench.name, bench.about);
        }
        return Ok(());
    };
    match BENCHES.iter().find(|bench| bench.name == name) {
        Some(bench) => Ok((bench.run)(rest)?),
        None => {
            let known: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
            Err(Failure::Usage(format!(
                "unknown benchmark `{name}`, expected one of: {}",
                known.join(", ")
            )))
        }
    }
}
