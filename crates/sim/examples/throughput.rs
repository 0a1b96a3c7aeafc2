//! `throughput GRIDLETS WORKERS CELLS`: gridlets a second through the state machine, and memory.

// A tool for the terminal.
#![allow(clippy::print_stdout)]

use std::time::Instant;

fn main() {
    let number = |at: usize, other| {
        std::env::args().nth(at).map_or(other, |text| text.parse().expect("a number"))
    };
    let (gridlets, workers, cells) = (number(1, 10_000), number(2, 16), number(3, 1));
    let start = Instant::now();
    let done = outlast_sim::throughput(gridlets, workers, cells);
    let seconds = start.elapsed().as_secs_f64();
    let rate = f64::from(gridlets) / seconds;
    println!("{done:?}\n{seconds:.3} s, {rate:.0} gridlets/s");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
}
