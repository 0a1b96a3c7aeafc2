//! What a simulation gave, as a table.

use outlast_study::sweep::Point;
use outlast_study::{Estimate, Summary, table};

use super::Grid;

/// A line for each point: what was swept (or the name of a figure's curve), then each figure and its interval.
pub fn table(
    points: &[Point],
    summaries: &[Summary],
    names: &[&str],
    width: Option<u16>,
) -> String {
    let swept = points.first().map_or(&[][..], |point| &point.at);
    let mut header: Vec<String> = Vec::new();
    header.extend((!names.is_empty()).then(|| "CURVE".to_owned()));
    header.extend(swept.iter().map(|(p, _)| p.name().replace('_', " ").to_uppercase()));
    let figures = table::columns(&Summary::default());
    header.extend(figures.iter().map(|(name, _)| name.replace('_', " ").to_uppercase()));
    let header: Vec<&str> = header.iter().map(|name| &name[..]).collect();
    let mut grid = Grid::new(width, &header, 0);
    for (nth, (point, summary)) in points.iter().zip(summaries).enumerate() {
        let mut row: Vec<String> =
            names.get(nth).map(|name| (*name).to_owned()).into_iter().collect();
        row.extend(point.at.iter().map(|(_, value)| value.to_string()));
        row.extend(table::columns(summary).iter().map(|(_, estimate)| interval(estimate)));
        grid.row(row);
    }
    grid.finish()
}

/// `0.2160 (0.2102–0.2218)`.
fn interval(estimate: &Estimate) -> String {
    let Estimate { mean, low, high } = estimate;
    let digits = if mean.abs() >= 10.0 { 2 } else { 4 };
    format!("{mean:.digits$} ({low:.digits$}–{high:.digits$})")
}
