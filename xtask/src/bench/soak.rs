//! `cargo xtask bench soak`: a day's worth of small jobs, and what the daemons look like meanwhile.
//!
//! ```text
//! cargo xtask bench soak [JOBS]                            20,000 jobs if nothing is said
//!
//!   clients ──POST /v1/jobs, wait──▶ submitter (no slots) ──leases──▶ two workers (2 slots each)
//!                                         every 2 s: memory, descriptors, threads, folders, tables of each
//! ```
//!
//! Jobs have one to three gridlets of `true` or `echo`; each tenth has an input and an output of its own. Nothing that a
//! daemon holds may grow with the number of jobs that are over: memory, descriptors, threads, and what is on the
//! disk are flat once they are warm. The slope is that of Theil and Sen (the median of the slopes between all pairs),
//! over the second half of the run: a few high samples don't move it.
//!
//! Exit code 1 if a slope is beyond its limit, or a job didn't succeed.

mod api;
mod jobs;
mod sample;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::lab::{Daemon, Lab};
use super::machine;
use jobs::Work;
use sample::{COLUMNS, Sample};

/// What it measures.
pub(super) const ABOUT: &str =
    "20,000 small jobs: do memory, disk and descriptors of daemons stay flat?";

/// A day's worth, if somebody submits one every four seconds.
const JOBS: u64 = 20_000;

/// Clients that submit and wait, side by side.
const CLIENTS: u64 = 8;

/// Between two samples.
const EVERY: Duration = Duration::from_secs(2);

/// Rows of the table.
const ROWS: usize = 10;

/// A run without a job that ends for so long is stuck.
const STUCK: Duration = Duration::from_secs(120);

/// What workers and submitter keep of inputs: little, so that it is full long before the end.
const CACHE: &str = "[storage]\ncache = \"256KiB\"\n";

/// Runs it.
pub(super) fn main(args: &[String]) -> anyhow::Result<()> {
    let total = match args {
        [] => JOBS,
        [jobs] => {
            jobs.parse().with_context(|| format!("expected a number of jobs, found `{jobs}`"))?
        }
        _ => bail!("expected at most one argument, the number of jobs"),
    };
    let lab = Lab::new()?;
    println!("Load when it began: {}\n", machine::load());
    let submitter = up(&lab, 0, None)?;
    let ticket = lab.ticket(&submitter)?;
    let workers = [up(&lab, 2, Some(&ticket))?, up(&lab, 2, Some(&ticket))?];
    lab.wait_for_others(&submitter, workers.len())?;
    let daemons = [("submitter", &submitter), ("worker 1", &workers[0]), ("worker 2", &workers[1])];

    let start = Instant::now();
    let work = Arc::new(Work::new(&submitter.data_dir, lab.fresh()?, total)?);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let work = Arc::clone(&work);
            std::thread::spawn(move || work.submit_all())
        })
        .collect();
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); daemons.len()];
    let mut last = (0, Instant::now());
    while clients.iter().any(|client| !client.is_finished()) {
        let done = work.done();
        if done != last.0 {
            last = (done, Instant::now());
        }
        ensure!(last.1.elapsed() < STUCK, "no job ended for {} s, after {done}", STUCK.as_secs());
        for ((_, daemon), samples) in daemons.iter().zip(&mut samples) {
            samples.push(Sample::take(daemon, done)?);
        }
        std::thread::sleep(EVERY);
    }
    for client in clients {
        let result = client.join().map_err(|_| anyhow::anyhow!("a client panicked"))?;
        result.context("a client")?;
    }
    let seconds = start.elapsed().as_secs_f64();
    for ((_, daemon), samples) in daemons.iter().zip(&mut samples) {
        samples.push(Sample::take(daemon, work.done())?);
    }
    #[expect(clippy::cast_precision_loss, reason = "a number of jobs")]
    let rate = total as f64 / seconds;
    println!("{total} jobs in {seconds:.0} s, {rate:.0} a second; {CLIENTS} clients.");
    report(&daemons, &samples)
}

fn up(lab: &Lab, slots: u32, join: Option<&str>) -> anyhow::Result<Daemon> {
    let data_dir = lab.data_dir(slots)?;
    let config = data_dir.join("config.toml");
    let text = std::fs::read_to_string(&config)? + CACHE;
    std::fs::write(&config, text)?;
    let mut command = lab.outlast(&data_dir, &data_dir);
    command.args(["up", "--listen", "127.0.0.1:0"]);
    command.args(join.iter().flat_map(|ticket| ["--join", ticket]));
    lab.start(command, data_dir)
}

/// Prints a table for each daemon, and its slopes beside their limits.
fn report(daemons: &[(&str, &Daemon)], samples: &[Vec<Sample>]) -> anyhow::Result<()> {
    let mut grown = Vec::new();
    for ((name, _), samples) in daemons.iter().zip(samples) {
        println!("\n### {name}\n");
        let heads: Vec<&str> = COLUMNS.iter().map(|column| column.head).collect();
        println!("| jobs done | {} |", heads.join(" | "));
        println!("| ---: |{}", " ---: |".repeat(heads.len()));
        for row in 0..=ROWS {
            let Some(sample) = samples.get(row * (samples.len() - 1) / ROWS) else { continue };
            let cells: Vec<String> = COLUMNS
                .iter()
                .map(|column| format!("{:.*}", column.digits, (column.of)(sample)))
                .collect();
            println!("| {} | {} |", sample.jobs, cells.join(" | "));
        }
        let half = &samples[samples.len() / 2..];
        let mut slopes = Vec::new();
        for column in COLUMNS {
            let points: Vec<(f64, f64)> =
                half.iter().map(|sample| (sample.thousands(), (column.of)(sample))).collect();
            let slope = slope(&points);
            slopes.push(format!("{slope:+.3}"));
            if slope > column.limit {
                grown.push(format!(
                    "{name}: {} grows by {slope:.3} per 1,000 jobs, expected at most {}",
                    column.head, column.limit
                ));
            }
        }
        println!("| growth per 1,000 jobs | {} |", slopes.join(" | "));
        let limits: Vec<String> = COLUMNS.iter().map(|column| column.limit.to_string()).collect();
        println!("| at most | {} |", limits.join(" | "));
    }
    println!();
    if grown.is_empty() {
        println!("Flat.");
        return Ok(());
    }
    bail!("{}", grown.join("\n"))
}

/// The median of the slopes between all pairs of points (Theil 1950, Sen 1968); 0 if there are too few.
fn slope(points: &[(f64, f64)]) -> f64 {
    let mut slopes = Vec::new();
    for (number, (x, y)) in points.iter().enumerate() {
        let later = points[number + 1..].iter().filter(|(x2, _)| x2 > x);
        slopes.extend(later.map(|(x2, y2)| (y2 - y) / (x2 - x)));
    }
    if slopes.is_empty() { 0.0 } else { super::lab::median(&slopes) }
}

/// Counts the jobs that somebody took.
fn take(next: &AtomicU64, total: u64) -> Option<u64> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    (number < total).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_isn_t_moved_by_a_few_high_samples() {
        let line = |n: u32| (f64::from(n), 3.0 + 0.5 * f64::from(n));
        let mut points: Vec<_> = (0..50).map(line).collect();
        assert!((slope(&points) - 0.5).abs() < 1e-9);
        for high in [5, 20, 44] {
            points[high].1 += 1000.0;
        }
        assert!((slope(&points) - 0.5).abs() < 0.05);
        assert_eq!(slope(&[(1.0, 1.0), (1.0, 9.0)]), 0.0);
    }
}
