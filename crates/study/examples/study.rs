//! `study SCENARIO RUNS [THREADS]`: simulates a scenario, given as JSON (what is absent is as by default),
//! and prints what came of it, how long it took and what memory. `cargo xtask bench verification` runs it.
//!
//! `study --machine OPEN`: decisions a second of the verifier alone, and its memory for each open gridlet.

// A tool for the terminal: printing is its purpose.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use outlast_study::{Layout, Outcome, Scenario, Summary};
use outlast_types::{CellId, NodeId};
use outlast_verify::{Class, Policy, Verifier};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args.get(at).and_then(|text| text.parse::<u32>().ok());
    match args.first().map(String::as_str) {
        Some("--machine") => machine(number(1).unwrap_or(1_000_000)),
        Some(scenario) => {
            let scenario: Scenario = serde_json::from_str(scenario).unwrap();
            simulate(scenario, number(1).unwrap_or(1), number(2).unwrap_or(2));
        }
        None => println!("usage: study SCENARIO RUNS [THREADS] | study --machine OPEN"),
    }
}

fn simulate(scenario: Scenario, runs: u32, threads: u32) {
    let start = Instant::now();
    let layout = Arc::new(Layout::new(&scenario).unwrap());
    let parts = runs * scenario.submitters;
    let outcomes = Mutex::new(vec![Outcome::default(); parts as usize]);
    let next = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(parts) {
            scope.spawn(|| {
                loop {
                    let part = next.fetch_add(1, Ordering::Relaxed);
                    if part >= parts {
                        return;
                    }
                    let (run, submitter) = (part / scenario.submitters, part % scenario.submitters);
                    let outcome = outlast_study::run_part(&scenario, &layout, run, submitter);
                    outcomes.lock().unwrap()[part as usize] = outcome;
                }
            });
        }
    });
    let parts = outcomes.into_inner().unwrap();
    let outcomes: Vec<Outcome> =
        parts.chunks(scenario.submitters as usize).map(Outcome::of_parts).collect();
    let summary = Summary::of(&outcomes);
    let mut said = serde_json::to_value(summary).unwrap();
    said["seconds"] = start.elapsed().as_secs_f64().into();
    said["cpu_seconds"] = cpu_seconds().into();
    said["peak_kib"] = memory_kib("VmHWM").into();
    println!("{said}");
}

/// Two votes decide a cell. First all cells are opened by one vote, then all are decided.
fn machine(open: u32) {
    let node = |number: u32| {
        // Spread over all bytes, as keys are.
        let word = u64::from(number).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut bytes = [0; 32];
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&word.to_le_bytes()));
        NodeId::from_bytes(bytes)
    };
    let workers: Vec<NodeId> = (0..1000).map(node).collect();
    let policy = Policy { samples: 0, ..Policy::with_quorum(2) };
    let groups: Vec<Vec<CellId>> = (0..open).map(|cell| vec![CellId(cell)]).collect();
    // The groups are the caller's, and as large when all are open as before.
    let before = memory_kib("VmRSS");
    let mut verifier = Verifier::new(policy, &groups, node(5000), 1);
    let mut out = Vec::new();
    let start = Instant::now();
    let mut round = |shift: u32, out: &mut Vec<_>| {
        for cell in 0..open {
            let worker = workers[(cell.wrapping_mul(7) + shift) as usize % workers.len()];
            verifier.assign(CellId(cell), worker);
            verifier.vote(CellId(cell), worker, Class(0), false, out);
            out.clear();
        }
    };
    round(0, &mut out);
    let after = memory_kib("VmRSS");
    round(1, &mut out);
    drop(groups);
    let seconds = start.elapsed().as_secs_f64();
    assert!(verifier.is_complete());
    let bytes = (after.saturating_sub(before) * 1024) as f64 / f64::from(open);
    let rate = f64::from(open) / seconds;
    println!("{}", serde_json::json!({ "decisions_per_second": rate, "bytes_per_open": bytes }));
}

/// Processor time of this process, of all threads; 100 ticks a second, as on every Linux that Rust runs on.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn memory_kib(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().unwrap_or(0)
}
