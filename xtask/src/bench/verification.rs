//! `cargo xtask bench verification`: wrong results accepted and copies computed, beside other systems' schemes.
//!
//! ```text
//! cargo xtask bench verification [--quick] [--runs N] [PART …]     parts: liars on-off schedules machine scale
//! ```
//!
//! All but `machine` is simulated by `crates/study/examples/study.rs`, around the verifier of the grid. A gridlet is one
//! atom, so that a sample is a whole copy: the worst case, a lie that no smaller sample would see.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::lab::{self, Lab};
use super::parts::{Options, Part};

/// What it measures.
pub(super) const ABOUT: &str = "wrong results accepted, copies, beside others' schemes; scale";

/// Runs of each scenario.
const RUNS: usize = 20;

const PARTS: &[Part] = &[
    Part { name: "liars", run: liars },
    Part { name: "on-off", run: on_off },
    Part { name: "schedules", run: schedules },
    Part { name: "machine", run: machine },
    Part { name: "scale", run: scale },
];

/// Runs all parts, or those that are named.
pub(super) fn main(args: &[String]) -> anyhow::Result<()> {
    super::parts::main(args, PARTS, RUNS, |_| Ok(()))
}

/// Workers of a population, gridlets of a job, and jobs: 250 gridlets a worker.
const WORKERS: u32 = 200;
const GRIDLETS: u32 = 2_500;
const JOBS: u32 = 20;
/// Jobs of those who lie now and then: 1,000 gridlets a worker, so that periods come again.
const LONG_JOBS: u32 = 80;

/// Ours.
fn policy(decision: &Value, samples: u8, schedule: &str) -> Value {
    json!({ "outlast": {
        "decision": decision, "max_answers": 15, "samples": samples, "sample_rate": 0.02, "quizzes": 0.0,
        "schedule": schedule, "partitioning": "Standard", "homogeneous": false,
    } })
}

fn credibility(max_error: f64) -> Value {
    policy(&json!({ "Credibility": { "max_error": max_error } }), 1, "Incremental")
}

/// Who is compared, and how he is called.
fn contenders() -> Vec<(String, Value)> {
    let named = |name: &str, scheme| (name.to_owned(), scheme);
    vec![
        named("Outlast, credibility, max_error 0.001", credibility(0.001)),
        named("majority of 3, fixed", json!({ "fixed": { "replication": 3 } })),
        named("majority of 5, fixed", json!({ "fixed": { "replication": 5 } })),
        named("majority of 15, fixed", json!({ "fixed": { "replication": 15 } })),
        named("BOINC, adaptive replication", json!({ "boinc": { "trusted_after": 10 } })),
        named(
            "spot checks of 10 %, blacklist",
            json!({ "spot-check": { "rate": 0.1, "blacklist": true } }),
        ),
        named(
            "spot checks of 10 %, no blacklist",
            json!({ "spot-check": { "rate": 0.1, "blacklist": false } }),
        ),
    ]
}

/// What the example says of a scenario.
fn simulate(lab: &Lab, scenario: &Value, runs: usize) -> anyhow::Result<Value> {
    let program = lab.release.join("examples/study");
    let mut command = Command::new(program);
    command.arg(scenario.to_string()).arg(runs.to_string());
    let output = command.output().context("starting the example")?;
    ensure!(output.status.success(), "{scenario}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("what the example says")
}

fn build(lab: &Lab) -> anyhow::Result<()> {
    lab::cargo(&lab.root, &["build", "--release", "-p", "outlast-study", "--example", "study"])
}

/// `mean (low–high)`.
fn interval(said: &Value, name: &str, digits: usize) -> String {
    let value = |end: &str| said[name][end].as_f64().unwrap_or(f64::NAN);
    let (mean, low, high) = (value("mean"), value("low"), value("high"));
    format!("{mean:.digits$} ({low:.digits$}–{high:.digits$})")
}

/// The population and its work, for a scheme.
fn population(colluders: u32, behaviour: &Value, scheme: &Value, quick: bool) -> Value {
    let jobs = if quick { 2 } else { JOBS };
    json!({
        "participants": WORKERS, "colluders": colluders, "work": [GRIDLETS], "gridlets": GRIDLETS,
        "jobs": jobs, "scheme": scheme, "behaviour": behaviour,
    })
}

fn liars(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    build(lab)?;
    println!(
        "{WORKERS} workers, {JOBS} jobs of {GRIDLETS} gridlets ({} a worker); liars always lie and agree (c = 1). Mean and \
         95 % interval over {} runs; spot checks and samples count as copies.\n",
        GRIDLETS * JOBS / WORKERS,
        options.runs
    );
    for percent in [35, 10] {
        println!("| {percent} % colluders | accepted wrong | copies | honest answers held wrong |");
        println!("| --- | ---: | ---: | ---: |");
        for (name, scheme) in contenders() {
            let colluders = WORKERS * percent / 100;
            let scenario = population(colluders, &json!("always"), &scheme, options.quick);
            row(&name, &simulate(lab, &scenario, options.runs)?);
        }
        println!();
    }
    Ok(())
}

fn row(name: &str, said: &Value) {
    let [wrong, copies, blamed] = [("accepted_wrong", 5), ("copies", 3), ("blamed", 4)]
        .map(|(of, digits)| interval(said, of, digits));
    println!("| {name} | {wrong} | {copies} | {blamed} |");
}

fn on_off(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    build(lab)?;
    println!(
        "{WORKERS} workers, {LONG_JOBS} jobs of {GRIDLETS} gridlets ({} a worker), 20 % colluders that are honest for a while \
         and then lie for a while.\n",
        GRIDLETS * LONG_JOBS / WORKERS
    );
    let ours = |max_error: f64| {
        (format!("Outlast, credibility, max_error {max_error}"), credibility(max_error))
    };
    let boinc = json!({ "boinc": { "trusted_after": 10 } });
    let schemes =
        [("BOINC, adaptive replication".to_owned(), boinc), ours(0.001), ours(0.005), ours(0.01)];
    for (honest, lies) in [(12, 12), (20, 5), (50, 10), (100, 100)] {
        println!(
            "| {honest} honest answers, {lies} lies | accepted wrong | copies | honest answers held wrong |"
        );
        println!("| --- | ---: | ---: | ---: |");
        let behaviour = json!({ "on-off": { "honest": honest, "lies": lies } });
        for (name, scheme) in &schemes {
            let mut scenario = population(WORKERS / 5, &behaviour, scheme, options.quick);
            if !options.quick {
                scenario["jobs"] = LONG_JOBS.into();
            }
            row(name, &simulate(lab, &scenario, options.runs)?);
        }
        println!();
    }
    Ok(())
}

fn schedules(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    build(lab)?;
    println!(
        "Majority of 5, 10 % colluders, no history, speeds from 0.5 to 2. Makespan in gridlets on an ordinary machine.\n"
    );
    println!("| population | schedule | copies | makespan | accepted wrong |");
    println!("| --- | --- | ---: | ---: | ---: |");
    for (workers, gridlets, name) in [
        (100, 2_000, "100 workers, 2,000 gridlets (overloaded)"),
        (2_000, 100, "2,000 workers, 100 gridlets"),
    ] {
        for schedule in ["AllAtOnce", "Incremental", "Auto"] {
            let decision = json!({ "Majority": { "replication": 5 } });
            let scenario = json!({
                "participants": workers, "colluders": workers / 10, "work": [gridlets], "gridlets": gridlets,
                "scheme": policy(&decision, 0, schedule), "history": false, "speeds": [0.5, 2.0],
            });
            let said = simulate(lab, &scenario, options.runs)?;
            println!(
                "| {name} | {schedule} | {} | {} | {} |",
                interval(&said, "copies", 3),
                interval(&said, "makespan", 2),
                interval(&said, "accepted_wrong", 4)
            );
        }
    }
    Ok(())
}

fn machine(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    build(lab)?;
    println!("The verifier alone, quorum 2, no samples, 1,000 workers, one thread.\n");
    println!("| gridlets open at a time | decisions/s, median | bytes for each open gridlet |");
    println!("| ---: | ---: | ---: |");
    for open in [10_000, 100_000, 1_000_000] {
        let (mut rates, mut bytes) = (Vec::new(), Vec::new());
        for _ in 0..options.runs.min(5) {
            let program = lab.release.join("examples/study");
            let output = Command::new(program).args(["--machine", &open.to_string()]).output()?;
            let said: Value =
                serde_json::from_slice(&output.stdout).context("what the example says")?;
            rates.push(said["decisions_per_second"].as_f64().unwrap_or(f64::NAN));
            bytes.push(said["bytes_per_open"].as_f64().unwrap_or(f64::NAN));
        }
        println!("| {open} | {:.0} | {:.0} |", lab::median(&rates), lab::median(&bytes));
    }
    Ok(())
}

fn scale(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    build(lab)?;
    println!(
        "One run on 2 threads, 30 % colluders that always lie, credibility with max_error 0.001. 1,000 submitters, each with \
         its share of the workers and a record of its own: a node of the grid knows at most 1,024 others.\n"
    );
    println!(
        "| participants | gridlets | seconds | CPU seconds | CPU µs a gridlet | peak MiB | accepted wrong | copies |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let submitters = 1_000;
    let participants = if options.quick { 100_000 } else { 1_000_000 };
    for each in [100, 300, 1_000, 3_000, 10_000] {
        if options.quick && each > 1_000 {
            continue;
        }
        let scenario = json!({
            "participants": participants, "colluders": participants / 10 * 3, "submitters": submitters,
            "work": [each], "gridlets": each, "scheme": credibility(0.001),
        });
        let said = simulate(lab, &scenario, 1)?;
        let value = |name: &str| said[name].as_f64().unwrap_or(f64::NAN);
        let mean = |name: &str| said[name]["mean"].as_f64().unwrap_or(f64::NAN);
        let total = each * submitters;
        println!(
            "| {participants} | {total} | {:.1} | {:.1} | {:.2} | {:.0} | {:.5} | {:.3} |",
            value("seconds"),
            value("cpu_seconds"),
            value("cpu_seconds") * 1e6 / f64::from(total),
            value("peak_kib") / 1024.0,
            mean("accepted_wrong"),
            mean("copies")
        );
    }
    Ok(())
}
