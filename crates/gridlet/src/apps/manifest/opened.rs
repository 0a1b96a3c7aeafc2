//! From a command line to a job: inputs found, probes run, variables computed, work cut.

use serde::{Deserialize, Serialize};

use outlast_types::{CellGrid, CellId, wire};

use super::expr::Values;
use super::line::{self, Line};
use super::model::{Compare, DerivedFrom, Effect, Fallback, Manifest, Role, Variable};
use super::probe;
use super::split::{Cells as _, Cut as _, Opening, Pieces, Uncut, usage};
use super::value::Value;
use crate::apps::staging::{self, Staging};
use crate::{
    CommandLine, Gridlet, InputFile, OpenError, Program, SourceFiles, SplitHint, is_inner_path,
};

/// Of the saved state.
const VERSION: u32 = 1;

/// Lines of a list of inputs, and files that a pattern with `*` may mean.
const FILES: usize = 1 << 16;

/// Cells whose names are tried before a job is taken on.
const TRIED: u32 = 256;

/// All there is to know about a job, and what is saved of it: the manifest itself too, so that
/// whatever becomes of the file the job stays the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Opened {
    version: u32,
    /// Where the manifest came from.
    pub(super) file: String,
    /// The manifest.
    pub(super) text: String,
    pub(super) values: Values,
    /// The program as it was typed; staged if it is a path.
    pub(super) program: Program,
    pub(super) env: Vec<(String, String)>,
    pub(super) grid: CellGrid,
    pub(super) gridlets: Vec<Gridlet>,
    pub(super) pieces: Pieces,
    pub(super) inputs: Vec<InputFile>,
    /// Names of inputs that every gridlet needs.
    pub(super) shared: Vec<String>,
    pub(super) notes: Vec<String>,
    /// The submitter has the program.
    pub(super) samples: bool,
    /// `--set tolerance=N`.
    pub(super) tolerance: Option<f64>,
}

/// What became of a command.
pub(super) enum Outcome {
    Opened(Box<Opened>),
    /// It runs as it is, as one gridlet; why.
    Whole(String),
}

/// A step that may end with the command as a whole.
macro_rules! or_whole {
    ($outcome:expr) => {
        match $outcome {
            Ok(value) => value,
            Err(why) => return Ok(Outcome::Whole(why)),
        }
    };
}

/// Takes a command apart.
pub(super) fn open(
    manifest: &Manifest,
    command: &CommandLine,
    files: &dyn SourceFiles,
    hint: SplitHint,
) -> Result<Outcome, OpenError> {
    let (program, args) = staging::check_words(command)?;
    if let Some((name, _)) = command.params.first() {
        return Err(usage(format!(
            "parameter `{name}` for {}, expected none (a `sweep` has them)",
            manifest.name
        )));
    }
    let tolerance = tolerance(manifest, command)?;
    if command.stdin.is_some() {
        return Ok(Outcome::Whole("standard input can't be split".to_owned()));
    }
    if !command.outputs.is_empty() {
        return Ok(Outcome::Whole("results are named by hand".to_owned()));
    }
    let mut values = match line::read(manifest, args) {
        Line::Read(read) => read.values,
        Line::Whole(why) => return Ok(Outcome::Whole(why)),
        Line::Refused(why) => return Err(usage(why)),
        Line::Declined => {
            return Err(usage(format!("this command is none for {}", manifest.name)));
        }
    };
    output(manifest, command, &mut values)?;
    let mut staging = Staging::new(files);
    let program_source = staging.program(program)?;
    values.insert("program".to_owned(), Value::Text(program_word(&program_source)));
    for variable in line::variables(manifest) {
        inputs(variable, &mut values, files, &mut staging)?;
    }
    for input in &command.inputs {
        staging.explicit(input, None)?;
    }
    defaults(manifest, &mut values)?;
    for probe in &manifest.probes {
        let found = probe::run(probe, &values, files);
        match found {
            Ok(found) => values.extend(found),
            Err(why) => {
                let why = probe.say.as_ref().map_or(why.clone(), |say| format!("{say} ({why})"));
                if probe.whole {
                    return Ok(Outcome::Whole(why));
                }
                return Err(usage(why));
            }
        }
    }
    for derived in &manifest.derived {
        let name = &derived.name.text;
        let wrong = |error: String| usage(format!("`{name}`: {error}"));
        let value = match &derived.how {
            DerivedFrom::Number(expr) => {
                let number = expr.number(&values).map_err(wrong)?;
                if number.fract() == 0.0 && number.abs() < 9e15 {
                    Value::Integer(number as i64)
                } else {
                    Value::Number(number)
                }
            }
            DerivedFrom::Text(template) => Value::Text(template.word(&values).map_err(wrong)?),
        };
        values.insert(name.clone(), value);
    }
    let mut notes = or_whole!(rules(manifest, &values)?);
    let opening = Opening {
        values: &values,
        files,
        hint,
        covers: manifest.covers,
        cost: manifest.gridlet.cost.as_ref(),
    };
    let plan = match manifest.split.try_plan(&opening) {
        Ok(plan) => plan,
        Err(Uncut::Whole(why)) => return Ok(Outcome::Whole(why)),
        Err(Uncut::Wrong(error)) => return Err(error),
    };
    values.extend(plan.pieces.whole());
    let (mut inputs, more) = staging.finish()?;
    inputs.extend(plan.inputs);
    notes.extend(more.into_iter().chain(plan.notes));
    let owned: std::collections::BTreeSet<&String> = plan.pieces.owned().iter().collect();
    let names = inputs.iter().map(|input| &input.name);
    let shared = names.filter(|name| !owned.contains(name)).cloned().collect();
    let mut opened = Opened {
        version: VERSION,
        file: manifest.file.clone(),
        text: manifest.text.clone(),
        program: program_source,
        env: command.env.clone(),
        grid: plan.grid,
        gridlets: plan.gridlets,
        pieces: plan.pieces,
        values,
        inputs,
        shared,
        notes,
        samples: true,
        tolerance,
    };
    try_names(manifest, &opened)?;
    opened.samples = match opened.run_program(manifest, &opened.values) {
        Some(Program::Installed(name)) => files.has_program(&name),
        Some(Program::Staged(_)) => true,
        // It differs from gridlet to gridlet.
        None => false,
    };
    Ok(Outcome::Opened(Box::new(opened)))
}

/// The program's word for a step's folder.
fn program_word(program: &Program) -> String {
    match program {
        Program::Installed(name) => name.clone(),
        Program::Staged(name) => format!("./{name}"),
    }
}

/// `--set` options.
fn tolerance(manifest: &Manifest, command: &CommandLine) -> Result<Option<f64>, OpenError> {
    let takes = matches!(manifest.compare, Compare::Numbers { .. } | Compare::Picture { .. });
    let mut tolerance = None;
    for (name, value) in &command.options {
        let number = value.parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0);
        match (name.as_str(), number) {
            ("tolerance", Some(number)) if takes => tolerance = Some(number),
            ("tolerance", None) if takes => {
                return Err(usage(format!("tolerance: expected a number, found {value:?}")));
            }
            _ => {
                let known = if takes { "`tolerance`" } else { "none" };
                return Err(usage(format!(
                    "{} has no option `{name}`, expected {known}",
                    manifest.name
                )));
            }
        }
    }
    Ok(tolerance)
}

/// `--output` is the same as the command's own way to say it.
fn output(
    manifest: &Manifest,
    command: &CommandLine,
    values: &mut Values,
) -> Result<(), OpenError> {
    let Some(path) = &command.output else { return Ok(()) };
    let Some(variable) = line::output(manifest) else {
        return Err(usage(format!(
            "--output {path}: {} puts its results beside its inputs, expected no --output",
            manifest.name
        )));
    };
    match values.insert(variable.name.clone(), Value::Text(path.clone())) {
        Some(Value::Text(other)) if other != *path => Err(usage(format!(
            "the output is `{other}` in the command and `{path}` in --output, expected one of both"
        ))),
        _ => Ok(()),
    }
}

/// Stages the files that a variable names, and writes their names at the worker into it.
fn inputs(
    variable: &Variable,
    values: &mut Values,
    files: &dyn SourceFiles,
    staging: &mut Staging<'_>,
) -> Result<(), OpenError> {
    let Some(value) = values.get(&variable.name) else { return Ok(()) };
    let listed = match variable.role {
        Role::Plain | Role::Output | Role::Source => return Ok(()),
        Role::Input => value.words(),
        Role::List => {
            let path = value.word();
            let error = |source| OpenError::Input { path: path.clone(), source };
            let bytes = files.read(&path).map_err(error)?;
            let text = String::from_utf8_lossy(&bytes);
            let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
            lines.map(str::to_owned).collect()
        }
    };
    let many = matches!(value, Value::Texts(_)) || variable.role == Role::List;
    let mut names = Vec::new();
    for path in listed {
        let found = if many { expand(&path, files)? } else { vec![path] };
        for path in found {
            staging.explicit(&path, None)?;
            names.extend(staging::inner(&path));
        }
        if names.len() > FILES {
            return Err(usage(format!("more than {FILES} input files, expected fewer")));
        }
    }
    let value = match names.as_slice() {
        [name] if !many => Value::Text(name.clone()),
        _ => Value::Texts(names),
    };
    values.insert(variable.name.clone(), value);
    Ok(())
}

/// The files that a word means: itself, all in a folder, or those that a pattern with `*` and `?`
/// in its last part matches.
fn expand(path: &str, files: &dyn SourceFiles) -> Result<Vec<String>, OpenError> {
    if files.is_file(path) {
        return Ok(vec![path.to_owned()]);
    }
    let error = |source| OpenError::Input { path: path.to_owned(), source };
    if let Some(below) = files.list(path).map_err(error)? {
        return Ok(below);
    }
    let (folder, pattern) = path.rsplit_once('/').unwrap_or((".", path));
    if !pattern.contains(['*', '?']) {
        return Err(staging::not_there(path));
    }
    let below = files.list(folder).map_err(error)?.unwrap_or_default();
    let prefix = format!("{folder}/");
    let name = |file: &String| file.strip_prefix(&prefix).unwrap_or(file).to_owned();
    let hidden = |name: &str| name.starts_with('.') && !pattern.starts_with('.');
    let found: Vec<String> = below
        .into_iter()
        .filter(|file| {
            let name = name(file);
            !name.contains('/') && !hidden(&name) && matches(pattern, &name)
        })
        .collect();
    if found.is_empty() {
        return Err(staging::not_there(path));
    }
    Ok(found)
}

/// Whether a name fits a pattern of `*` and `?`. Linear: on a mismatch only the last `*` takes more.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Values of variables that the command didn't give.
pub(super) fn defaults(manifest: &Manifest, values: &mut Values) -> Result<(), OpenError> {
    let given = values.clone();
    for variable in line::variables(manifest) {
        if values.contains_key(&variable.name) {
            continue;
        }
        let value = match &variable.default {
            None => continue,
            Some(Fallback::Value(value)) => value.clone(),
            Some(Fallback::Template(template)) => {
                let word = template.word(&given);
                Value::Text(word.map_err(|why| usage(format!("`{}`: {why}", variable.name)))?)
            }
        };
        values.insert(variable.name.clone(), value);
    }
    Ok(())
}

/// What the rules say: notes, or why the command stays whole.
fn rules(manifest: &Manifest, values: &Values) -> Result<Result<Vec<String>, String>, OpenError> {
    let mut notes = Vec::new();
    for rule in manifest.rules.iter().filter(|rule| rule.effect != Effect::Decline) {
        if !rule.condition.holds(values).map_err(usage)? {
            continue;
        }
        let say = rule.say.word(values).map_err(usage)?;
        match rule.effect {
            Effect::Refuse => return Err(usage(say)),
            Effect::Whole => return Ok(Err(say)),
            _ => notes.push(say),
        }
    }
    Ok(Ok(notes))
}

/// Whether a rule says that the command is none of this application's.
pub(super) fn is_declined(manifest: &Manifest, command: &CommandLine) -> bool {
    let Some((program, args)) = command.argv.split_first() else { return true };
    let mut values = match line::read(manifest, args) {
        Line::Declined => return true,
        Line::Read(read) => read.values,
        Line::Whole(_) | Line::Refused(_) => return false,
    };
    values.insert("program".to_owned(), Value::Text(program.clone()));
    if defaults(manifest, &mut values).is_err() {
        return false;
    }
    let mut declining = manifest.rules.iter().filter(|rule| rule.effect == Effect::Decline);
    declining.any(|rule| rule.condition.holds(&values) == Ok(true))
}

/// Names of results come from values: better to find out now that one leaves its folder.
fn try_names(manifest: &Manifest, opened: &Opened) -> Result<(), OpenError> {
    let cells = opened.grid.cells();
    let stride = cells.div_ceil(TRIED).max(1) as usize;
    let tried = (0..cells).step_by(stride).chain(cells.checked_sub(1)).map(CellId);
    for cell in tried {
        let values = opened.values_of(&[cell]);
        for template in &manifest.gridlet.results {
            let name = template.word(&values).map_err(usage)?;
            if !is_inner_path(&name) || name.ends_with('/') {
                return Err(usage(format!(
                    "a gridlet's result would be `{name}`, expected a relative path inside its folder"
                )));
            }
        }
        if let Some(stdin) = &manifest.gridlet.stdin {
            let name = stdin.word(&values).map_err(usage)?;
            if !opened.inputs.iter().any(|input| input.name == name) {
                return Err(usage(format!(
                    "a gridlet's standard input would be `{name}`, which is no input of the command"
                )));
            }
        }
        for word in &manifest.gridlet.run {
            word.words(&values).map_err(usage)?;
        }
    }
    Ok(())
}

impl Opened {
    /// Variables of a run that answers these cells.
    pub(super) fn values_of(&self, cells: &[CellId]) -> Values {
        let own = self.pieces.values(&self.grid, cells);
        // Not a copy of the list of all files for each of them.
        let others = self.values.iter().filter(|(name, _)| !own.contains_key(*name));
        let mut values: Values =
            others.map(|(name, value)| (name.clone(), value.clone())).collect();
        values.extend(own);
        values
    }

    /// The program that a gridlet runs.
    pub(super) fn run_program(&self, manifest: &Manifest, values: &Values) -> Option<Program> {
        let first = manifest.gridlet.run.first()?;
        if first.only() == Some("program") {
            return Some(self.program.clone());
        }
        let word = first.word(values).ok()?;
        Some(match staging::inner(&word).filter(|_| word.contains('/')) {
            Some(name) => Program::Staged(name),
            None => Program::Installed(word),
        })
    }

    /// For [`crate::ApplicationManager::state`].
    pub(super) fn encode(&self) -> Vec<u8> {
        wire::encode(self, usize::MAX).expect("plain data without a limit can be encoded")
    }

    /// The job again, and its manifest.
    pub(super) fn decode(state: &[u8]) -> Result<(Self, Manifest), OpenError> {
        let failed = |why: String| OpenError::State(why);
        let opened: Self =
            wire::decode(state, usize::MAX).map_err(|error| failed(error.to_string()))?;
        if opened.version != VERSION {
            let why = format!("version {}, expected {VERSION}", opened.version);
            return Err(failed(why));
        }
        let manifest =
            Manifest::parse(&opened.file, &opened.text).map_err(|broken| failed(broken.short()))?;
        Ok((opened, manifest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match() {
        for (pattern, name, is) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt~", false),
            ("a?c*", "abcd", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("**a*b", "xxaxxb", true),
        ] {
            assert_eq!(matches(pattern, name), is, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(50), &"a".repeat(40)));
    }
}
