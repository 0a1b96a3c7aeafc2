//! Scenarios times seeds. See the crate's own page for how to add one.
//!
//! `OUTLAST_SEED=17` runs one seed of each, with its trace if it fails; `OUTLAST_SEEDS=100000` runs that many.

mod catalogue;
mod runner;

macro_rules! scenarios {
    ($($name:ident: $seeds:literal,)*) => {
        $(
            #[test]
            fn $name() {
                runner::check(stringify!($name), catalogue::$name, $seeds);
            }
        )*
    };
}

scenarios! {
    calm: 150,
    crashing_workers: 300,
    crashing_submitter: 400,
    bad_network: 300,
    partitions: 250,
    liars_and_colluders: 300,
    cut_differently: 300,
    by_load: 200,
    credible: 200,
    colluders_against_samples: 200,
    rubbish_and_claimed_failures: 200,
    hanging_workers: 100,
    fuzzing_nodes: 250,
    leaving_and_joining: 250,
    program_missing: 100,
    full_disks: 200,
    expelled: 200,
    cancelled: 150,
    several_submitters: 200,
    everything_at_once: 250,
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..20 {
        let run = || runner::run(catalogue::everything_at_once, seed, false);
        let (first, second) = (run(), run());
        assert_eq!((first.hash, first.events), (second.hash, second.events), "seed {seed}");
    }
}

#[test]
fn a_trace_does_not_depend_on_being_watched() {
    let run = |watched| runner::run(catalogue::everything_at_once, 3, watched);
    assert_eq!(run(true).hash, run(false).hash);
}
