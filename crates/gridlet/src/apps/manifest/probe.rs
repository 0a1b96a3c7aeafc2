//! What a tool says about the inputs: runs it here and takes variables out of its output.

use serde_json::Value as Json;

use super::expr::Values;
use super::model::{How, Probe, Take};
use super::value::{Form, Value};
use crate::{SourceFiles, Tool};

/// Matches of one pattern: a line for each frame of a long film.
const MATCHES: usize = 1 << 20;

/// Runs a probe.
///
/// # Errors
/// If the tool isn't there or fails, or its output has not what was expected.
pub(super) fn run(
    probe: &Probe,
    values: &Values,
    files: &dyn SourceFiles,
) -> Result<Values, String> {
    let mut words = Vec::new();
    for word in &probe.run {
        words.extend(word.words(values)?);
    }
    let (program, args) = words.split_first().ok_or("a probe without a program")?;
    let tool = Tool { program: program.clone(), args: args.to_vec(), timeout_s: probe.timeout_s };
    let ran =
        files.run(&tool).and_then(|ran| ran.ok(program)).map_err(|error| error.to_string())?;
    let text =
        if probe.stderr { ran.stderr } else { String::from_utf8_lossy(&ran.stdout).into_owned() };
    let json = needs_json(probe).then(|| serde_json::from_str::<Json>(&text));
    let json = match json {
        None => Json::Null,
        Some(Ok(json)) => json,
        Some(Err(error)) => return Err(format!("`{program}` was expected to print JSON: {error}")),
    };
    let mut found = Values::new();
    for take in &probe.takes {
        let value = one(take, &text, &json)
            .map_err(|why| format!("`{}` from what `{program}` printed: {why}", take.name.text))?;
        found.insert(take.name.text.clone(), value);
    }
    Ok(found)
}

fn needs_json(probe: &Probe) -> bool {
    probe.takes.iter().any(|take| matches!(take.how, How::Pointer(_)))
}

fn one(take: &Take, text: &str, json: &Json) -> Result<Value, String> {
    if take.all {
        return all(take, text);
    }
    let word = match &take.how {
        How::Pattern(pattern) => {
            let found = pattern.0.captures(text).and_then(|found| found.get(1));
            found.map(|group| group.as_str().to_owned())
        }
        How::Column(line, column) => {
            let line = text.lines().nth(line - 1);
            line.and_then(|line| line.split_whitespace().nth(column - 1)).map(str::to_owned)
        }
        How::Pointer(pointer) => json.pointer(pointer).and_then(|value| match value {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            Json::Bool(truth) => Some(truth.to_string()),
            _ => None,
        }),
    };
    match (word, &take.default) {
        (Some(word), _) => take.form.read(&word),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => {
            let where_ = match &take.how {
                How::Pattern(pattern) => format!("something like /{}/", pattern.0.as_str()),
                How::Column(line, column) => format!("a word in line {line}, column {column}"),
                How::Pointer(pointer) => format!("a value at {pointer}"),
            };
            Err(format!("expected {where_}, found nothing"))
        }
    }
}

fn all(take: &Take, text: &str) -> Result<Value, String> {
    let How::Pattern(pattern) = &take.how else { return Err("no pattern".to_owned()) };
    let matches = pattern.0.captures_iter(text).filter_map(|found| found.get(1));
    let (mut numbers, mut words) = (Vec::new(), Vec::new());
    for group in matches {
        if numbers.len().max(words.len()) >= MATCHES {
            return Err(format!("more than {MATCHES} matches"));
        }
        match (take.form.read(group.as_str())?, &take.form) {
            (value, Form::Integer | Form::Number | Form::Time) => numbers.extend(value.number()),
            (value, _) => words.push(value.word()),
        }
    }
    Ok(match take.form {
        Form::Integer | Form::Number | Form::Time => Value::Numbers(numbers),
        _ => Value::Texts(words),
    })
}
