//! `sim`: simulations. They need no node.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use outlast_study::figures::{self, Figure};
use outlast_study::plot::Chart;
use outlast_study::sweep::Point;
use outlast_study::{Layout, Outcome, Summary, table};

use super::Context;
use crate::args::sim::{SimCommand, VerificationArgs};
use crate::exit::{Exit, Failure};
use crate::render;

pub(super) fn sim(context: &mut Context<'_>, command: SimCommand) -> Result<Exit, Failure> {
    match command {
        SimCommand::Verification(args) => verification(context, &args),
    }
}

fn verification(context: &mut Context<'_>, args: &VerificationArgs) -> Result<Exit, Failure> {
    let mut points = args.points().map_err(Failure::usage)?;
    let lines = match (args.figure, points.first()) {
        (Some(figure), Some(point)) => figure.lines(&point.scenario),
        _ => Vec::new(),
    };
    if args.figure.is_some() {
        points = lines.iter().flat_map(|line| line.points.clone()).collect();
    }
    check_plot(args, &points)?;
    let layouts = layouts(&points)?;
    let threads = args.threads.map_or_else(cores, |threads| threads as usize);
    let summaries = simulate(&points, &layouts, args.runs(), threads);
    let chart = match args.figure {
        Some(figure) => Some(figure.chart(&lines, &summaries)),
        None => figures::chart_of(&points, &summaries),
    };
    draw(context, args, chart)?;
    let names: Vec<&str> =
        lines.iter().flat_map(|line| line.points.iter().map(|_| &line.name[..])).collect();
    if let Some(path) = &args.csv {
        let text = table::csv(&points, &summaries);
        if path == Path::new("-") {
            context.ui.write(text.as_bytes())?;
            return Ok(Exit::OK);
        }
        write(context, path, text.as_bytes())?;
    }
    if context.ui.json {
        context.ui.print_json(&table::json(&points, &summaries))?;
    } else {
        let text = render::study::table(&points, &summaries, &names, context.ui.width);
        context.ui.write(text.as_bytes())?;
    }
    Ok(Exit::OK)
}

/// How each point's work is cut, before anything runs: what is impossible is refused at once. Points that
/// differ in other things share it.
fn layouts(points: &[Point]) -> Result<Vec<Arc<Layout>>, Failure> {
    let mut layouts: Vec<Arc<Layout>> = Vec::with_capacity(points.len());
    for (nth, point) in points.iter().enumerate() {
        let scenario = &point.scenario;
        scenario.validate().map_err(|error| Failure::usage(error.to_string()))?;
        let replicas = |point: &Point| point.scenario.policy().map(|policy| policy.replicas());
        let same = |other: &Point| {
            let there = &other.scenario;
            there.work == scenario.work
                && there.gridlets == scenario.gridlets
                && there.partitioning() == scenario.partitioning()
                && replicas(other) == replicas(point)
        };
        let layout = match nth.checked_sub(1) {
            Some(last) if same(&points[last]) => layouts[last].clone(),
            _ => {
                let layout = Layout::new(scenario);
                Arc::new(layout.map_err(|error| Failure::usage(error.to_string()))?)
            }
        };
        layouts.push(layout);
    }
    Ok(layouts)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs each point so many times. Whichever thread does a part, it has its place: the result does not depend on
/// how many there are.
fn simulate(points: &[Point], layouts: &[Arc<Layout>], runs: u32, threads: usize) -> Vec<Summary> {
    let mut parts = Vec::new();
    for (at, point) in points.iter().enumerate() {
        for run in 0..runs {
            parts.extend((0..point.scenario.submitters).map(|part| (at, run, part)));
        }
    }
    let outcomes: Mutex<Vec<Outcome>> = Mutex::new(vec![Outcome::default(); parts.len()]);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(parts.len()) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&(at, run, part)) = parts.get(place) else { return };
                    let scenario = &points[at].scenario;
                    let outcome = outlast_study::run_part(scenario, &layouts[at], run, part);
                    outcomes.lock().expect("no thread panics with it")[place] = outcome;
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().expect("no thread panics with it");
    let mut rest = &outcomes[..];
    let mut summaries = Vec::with_capacity(points.len());
    for point in points {
        let submitters = point.scenario.submitters as usize;
        let (own, others) = rest.split_at(runs as usize * submitters);
        let runs: Vec<Outcome> = own.chunks(submitters).map(Outcome::of_parts).collect();
        summaries.push(Summary::of(&runs));
        rest = others;
    }
    summaries
}

/// Whether there will be something to draw, and as what.
fn check_plot(args: &VerificationArgs, points: &[Point]) -> Result<(), Failure> {
    let Some(path) = &args.plot else { return Ok(()) };
    let extension = path.extension().and_then(|extension| extension.to_str());
    if !matches!(extension, Some("svg" | "png")) {
        let found = path.display();
        return Err(Failure::usage(format!(
            "--plot: expected a file that ends with .svg or .png, found `{found}`"
        )));
    }
    if args.figure.is_none() && points.len() < 2 {
        return Err(Failure::usage(
            "--plot without a range, expected one such as --colluders 0..500:25, or --figure",
        ));
    }
    Ok(())
}

fn draw(
    context: &mut Context<'_>,
    args: &VerificationArgs,
    chart: Option<Chart>,
) -> Result<(), Failure> {
    let failed = |error: outlast_study::plot::PlotError| Failure::failed(error.to_string());
    if let (None, Some(figure)) = (&args.plot, args.figure) {
        let Some(chart) = chart else { return Ok(()) };
        let name = match figure {
            Figure::Six => "figure-6",
            Figure::Seven => "figure-7",
        };
        write(
            context,
            &Path::new(name).with_extension("svg"),
            chart.svg().map_err(failed)?.as_bytes(),
        )?;
        return write(
            context,
            &Path::new(name).with_extension("png"),
            &chart.png().map_err(failed)?,
        );
    }
    let (Some(path), Some(chart)) = (&args.plot, chart) else { return Ok(()) };
    let svg = path.extension().is_some_and(|extension| extension == "svg");
    let bytes = if svg { chart.svg().map(String::into_bytes) } else { chart.png() };
    let bytes = bytes.map_err(failed)?;
    write(context, path, &bytes)
}

fn write(context: &mut Context<'_>, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let path = context.cwd.join(path);
    std::fs::write(&path, bytes)
        .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    context.ui.say(&format!("wrote {}", path.display()));
    Ok(())
}
