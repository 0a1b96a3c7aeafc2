//! A benchmark of several parts, each of which may be asked for by its name.

use anyhow::{Context as _, bail};

use super::lab::Lab;
use super::machine;

/// How it is measured.
pub(super) struct Options {
    /// One short round: says whether the benchmark works, not how fast anything is.
    pub(super) quick: bool,
    /// Rounds of each comparison.
    pub(super) runs: usize,
}

/// A part of a benchmark.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) run: fn(&Lab, &Options) -> anyhow::Result<()>,
}

/// Runs all parts, or those that `args` name, `runs` rounds each unless `--runs` or `--quick` says otherwise.
/// `more` prints what else there is to say about the machine.
pub(super) fn main(
    args: &[String],
    parts: &'static [Part],
    runs: usize,
    more: impl FnOnce(&Lab) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (options, chosen) = parse(args, parts, runs)?;
    let lab = Lab::new()?;
    machine::print(options.runs, options.quick);
    more(&lab)?;
    let mut failed = Vec::new();
    for part in chosen {
        println!("\n### {}\n", part.name);
        println!("Load when it began: {}\n", machine::load());
        if let Err(error) = (part.run)(&lab, &options) {
            println!("FAILED: {error:#}");
            failed.push(part.name);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn parse(
    args: &[String],
    parts: &'static [Part],
    runs: usize,
) -> anyhow::Result<(Options, Vec<&'static Part>)> {
    let mut options = Options { quick: false, runs };
    let mut chosen = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => options = Options { quick: true, runs: 1 },
            "--runs" => {
                let runs = args.next().context("--runs: expected a number")?;
                let runs = runs.parse().with_context(|| format!("--runs {runs}"))?;
                options.runs = std::cmp::max(1, runs);
            }
            name => {
                let part = parts.iter().find(|part| part.name == name);
                let known: Vec<&str> = parts.iter().map(|part| part.name).collect();
                chosen.push(part.with_context(|| {
                    format!("unknown part `{name}`, expected one of: {}", known.join(", "))
                })?);
            }
        }
    }
    if chosen.is_empty() {
        chosen = parts.iter().collect();
    }
    Ok((options, chosen))
}
