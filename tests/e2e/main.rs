//! Grids of real processes: see `outlast_tests` for how.

mod input;
mod liars;
mod lifetimes;
mod submitter;
mod together;
mod work;

/// Arguments of a client, of both kinds.
fn words<'a>(first: &[&'a str], rest: &'a [String]) -> Vec<&'a str> {
    first.iter().copied().chain(rest.iter().map(String::as_str)).collect()
}
