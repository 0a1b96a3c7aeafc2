//! Results as CSV and JSON.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::outcome::{Estimate, Summary};
use crate::scenario::Scenario;
use crate::sweep::Point;

/// The figures of a summary by their names, as tables and JSON have them.
pub fn columns(summary: &Summary) -> [(&'static str, Estimate); 5] {
    [
        ("accepted_wrong", summary.accepted_wrong),
        ("detected", summary.detected),
        ("copies", summary.copies),
        ("makespan", summary.makespan),
        ("blamed", summary.blamed),
    ]
}

/// A line for each point: what was swept, then each figure with both ends of its interval, then what
/// theory expects (empty where it says nothing).
pub fn csv(points: &[Point], summaries: &[Summary]) -> String {
    let mut text = String::new();
    let swept = points.first().map_or(&[][..], |point| &point.at);
    let mut head: Vec<String> = swept.iter().map(|(p, _)| p.name().to_owned()).collect();
    for (name, _) in columns(&Summary::default()) {
        head.extend([name.to_owned(), format!("{name}_low"), format!("{name}_high")]);
    }
    head.extend(["runs".to_owned(), "theory".to_owned()]);
    text.push_str(&head.join(","));
    text.push('\n');
    for (point, summary) in points.iter().zip(summaries) {
        let mut line: Vec<String> = point.at.iter().map(|(_, value)| value.to_string()).collect();
        for (_, estimate) in columns(summary) {
            line.extend([estimate.mean, estimate.low, estimate.high].map(|v| v.to_string()));
        }
        let theory = expected(&point.scenario).map(|v| v.to_string()).unwrap_or_default();
        // Writing to a text can't fail.
        let _ = writeln!(text, "{},{},{theory}", line.join(","), summary.runs);
    }
    text
}

/// One point: an object. More: a list of such.
pub fn json(points: &[Point], summaries: &[Summary]) -> Value {
    let mut all: Vec<Value> = points.iter().zip(summaries).map(|(p, s)| object(p, s)).collect();
    match all.len() {
        1 => all.remove(0),
        _ => Value::Array(all),
    }
}

fn object(point: &Point, summary: &Summary) -> Value {
    let mut object = Map::new();
    for (parameter, value) in &point.at {
        let whole = value.fract() == 0.0 && value.abs() < 1e15;
        let value = if whole { json!(*value as i64) } else { json!(value) };
        object.insert(parameter.name().to_owned(), value);
    }
    for (name, estimate) in columns(summary) {
        object.insert(name.to_owned(), json!(estimate));
    }
    object.insert("runs".to_owned(), json!(summary.runs));
    object.insert("theory".to_owned(), json!(expected(&point.scenario)));
    object.insert("scenario".to_owned(), json!(point.scenario));
    Value::Object(object)
}

/// The share of wrong results that theory expects to be accepted, if it says anything exact.
fn expected(scenario: &Scenario) -> Option<f64> {
    crate::figures::expected(scenario)
}
