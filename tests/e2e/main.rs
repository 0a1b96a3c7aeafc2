//! Grids of real processes: see `outlast_tests` for how.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says so by that")]

mod apps;
mod checkpoint;
mod clocks;
mod colluders;
mod comfort;
mod compare;
mod hostile;
mod input;
mod liars;
mod lifetimes;
mod reach;
mod services;
mod soak;
mod staging;
mod stranger;
mod submitter;
mod together;
mod trust;
mod video;
mod work;

/// Arguments of a client, of both kinds.
fn words<'a>(first: &[&'a str], rest: &'a [String]) -> Vec<&'a str> {
    first.iter().copied().chain(rest.iter().map(String::as_str)).collect()
}
