//! What checkpoints and restores took.

use outlast_capsule::{CheckpointReport, RestoreReport};

use super::Grid;
use crate::human;

/// `412 µs`, `1.25 ms`, `3.41 s`.
pub fn micros(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

/// `1 process`, `2 processes`.
pub fn processes(count: usize) -> String {
    if count == 1 { "1 process".to_owned() } else { format!("{count} processes") }
}

/// `checkpoint --stats`.
pub fn checkpoint(report: &CheckpointReport, width: Option<u16>) -> String {
    let sizes = [
        ("memory", report.memory_bytes),
        ("stored", report.stored_bytes),
        ("image", report.image_bytes),
    ];
    let totals = [("frozen", report.frozen_us), ("total", report.total_us)];
    table(&report.phases, &totals, &sizes, (report.processes, report.threads), width)
}

/// `restore --stats`.
pub fn restored(report: &RestoreReport, width: Option<u16>) -> String {
    let sizes = [("memory", report.memory_bytes), ("image", report.image_bytes)];
    let totals = [("total", report.total_us)];
    table(&report.phases, &totals, &sizes, (report.processes, report.threads), width)
}

fn table(
    phases: &[(&'static str, u64)],
    totals: &[(&'static str, u64)],
    sizes: &[(&'static str, u64)],
    (processes_count, threads): (usize, usize),
    width: Option<u16>,
) -> String {
    let mut grid = Grid::new(width, &["PHASE", "TIME"], 0).right(&[1]);
    for (name, time) in phases.iter().chain(totals) {
        grid.row(vec![(*name).to_owned(), micros(*time)]);
    }
    for (name, size) in sizes {
        grid.row(vec![(*name).to_owned(), human::bytes(*size)]);
    }
    let threads = human::count(threads as u64, "thread");
    format!("{}{}, {threads}\n", grid.finish(), processes(processes_count))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn times_have_fitting_units() {
        for (time, expected) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1250, "1.25 ms"),
            (999_994, "999.99 ms"),
            (3_410_000, "3.41 s"),
        ] {
            assert_eq!(micros(time), expected);
        }
    }

    #[test]
    fn stats_are_a_table() {
        let report = CheckpointReport {
            frozen_us: 480,
            total_us: 2345,
            phases: vec![("stop", 80), ("copy", 400), ("write", 1865)],
            processes: 2,
            threads: 1,
            memory_bytes: 3 << 20,
            stored_bytes: 1 << 20,
            image_bytes: 1_100_000,
        };
        expect![[r#"
            PHASE      TIME
            stop      80 µs
            copy     400 µs
            write   1.86 ms
            frozen   480 µs
            total   2.35 ms
            memory  3.0 MiB
            stored  1.0 MiB
            image   1.0 MiB
            2 processes, 1 thread
        "#]]
        .assert_eq(&checkpoint(&report, None));
    }
}
