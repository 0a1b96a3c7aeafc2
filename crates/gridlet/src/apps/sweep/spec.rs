//! A sweep's command line, taken apart and checked.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use outlast_types::{Axis, CellGrid, CellId, Region, limits};

use super::template::{NUMBER, Run, Template};
use super::values::Values;
use super::{FOLDER, GRIDLETS, GRIDLETS_PER_SLOT, LOOKED_AT, cut};
use crate::apps::FILES;
use crate::apps::staging::{self, Staging};
use crate::{
    CommandLine, InputFile, InputMode, OpenError, Program, SourceFiles, SplitHint, is_inner_path,
};

/// Parameters of a sweep. Nobody has more, and names of folders stay readable.
const PARAMETERS: usize = 32;

/// All steps of one lease, encoded: half a frame, the rest is inputs and names.
const LEASE_BYTES: usize = limits::FRAME_BYTES / 2;

/// What a step takes besides its words, and each word besides its text; generous.
const STEP_BYTES: usize = 128;
const WORD_BYTES: usize = 8;

/// What can't be a parameter: columns of the manifest, and the number of the run.
const RESERVED: [&str; 5] = [NUMBER, "exit", "files", "folder", "run"];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) values: Values,
}

/// A sweep, understood: all there is to know about it, and what is saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// As typed, for the manifest.
    pub(super) argv: Vec<String>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) program: Program,
    pub(super) args: Vec<Template>,
    pub(super) env: Vec<(String, Template)>,
    pub(super) stdin: Option<Template>,
    pub(super) outputs: Vec<Template>,
    pub(super) folder: String,
    pub(super) inputs: Vec<InputFile>,
    pub(super) mode: InputMode,
    /// The submitter can run the program.
    pub(super) samples: bool,
    pub(super) notes: Vec<String>,
    /// Into how many pieces each axis is cut.
    pub(super) pieces: Vec<u64>,
}

impl Spec {
    pub(super) fn open(
        command: &CommandLine,
        files: &dyn SourceFiles,
        hint: SplitHint,
    ) -> Result<Self, OpenError> {
        let (program, args) = staging::check_words(command)?;
        let mode = input_mode(command)?;
        let parameters = parse_parameters(command, files)?;
        let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        let parse = |word: &String| Template::parse(word, &names);

        let fixed = Template::parse(program, &names)?;
        if !fixed.is_plain() {
            return Err(OpenError::Usage(format!(
                "a placeholder in the program's name `{program}`, expected one program for all \
                 runs (`sh -c` can choose)"
            )));
        }
        let env = command.env.iter().map(|(name, value)| Ok((name.clone(), parse(value)?)));
        let grid = grid_of(&parameters)?;
        let mut spec = Spec {
            argv: command.argv.clone(),
            program: Program::Installed(String::new()),
            args: args.iter().map(parse).collect::<Result<_, _>>()?,
            env: env.collect::<Result<_, OpenError>>()?,
            stdin: command.stdin.as_ref().map(parse).transpose()?,
            outputs: command.outputs.iter().map(parse).collect::<Result<_, _>>()?,
            folder: command.output.clone().unwrap_or_else(|| FOLDER.to_owned()),
            inputs: Vec::new(),
            mode,
            samples: false,
            notes: Vec::new(),
            pieces: Vec::new(),
            parameters,
        };
        spec.check_used()?;
        spec.check_outputs(&grid)?;
        let program = fixed.render(&spec.run(&grid, CellId(0)));
        spec.stage(&grid, command, &program, files)?;
        spec.cut(&grid, hint)?;
        Ok(spec)
    }

    pub(super) fn run(&self, grid: &CellGrid, cell: CellId) -> Run<'_> {
        let at = grid.coordinates(cell);
        Run {
            values: self.parameters.iter().zip(at).map(|(p, index)| p.values.get(index)).collect(),
            number: format!("{:0width$}", cell.0, width = number_width(grid)),
        }
    }

    pub(super) fn outputs_of(&self, run: &Run<'_>) -> BTreeSet<String> {
        // As a set: `{a}.txt` and `{b}.txt` may be one file.
        self.outputs.iter().map(|output| output.render(run)).collect()
    }

    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        let env = self.env.iter().map(|(_, value)| value);
        self.args.iter().chain(env).chain(&self.stdin).chain(&self.outputs)
    }

    fn check_used(&self) -> Result<(), OpenError> {
        for (index, parameter) in self.parameters.iter().enumerate() {
            if !self.templates().any(|template| template.uses(index)) {
                return Err(OpenError::Usage(format!(
                    "parameter `{name}` isn't used, expected `{{{name}}}` in an argument, a \
                     variable, the standard input or an output",
                    name = parameter.name
                )));
            }
        }
        Ok(())
    }

    /// Every name of an output has to stay inside, whatever the values are.
    fn check_outputs(&self, grid: &CellGrid) -> Result<(), OpenError> {
        // Two more files are the streams.
        if self.outputs.len() + 2 > limits::CELL_FILES {
            return Err(OpenError::Usage(format!(
                "{} outputs, expected at most {}",
                self.outputs.len(),
                limits::CELL_FILES - 2
            )));
        }
        for output in &self.outputs {
            // A number is harmless in a name: one of each range stands for all.
            let is_list = |index: usize| matches!(self.parameters[index].values, Values::List(_));
            let region = self.slice(grid, |index| output.uses(index) && is_list(index));
            for cell in grid.cells_in(&region) {
                let name = output.render(&self.run(grid, cell));
                if !is_inner_path(&format!("{FILES}{name}")) {
                    return Err(OpenError::Usage(format!(
                        "output `{name}`, expected a relative path without `.` and `..` to a file"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The cells in which only some axes vary.
    fn slice(&self, grid: &CellGrid, varies: impl Fn(usize) -> bool) -> Region {
        let range = |(index, axis): (usize, &Axis)| {
            if varies(index) { 0..axis.cells() } else { 0..1 }
        };
        Region::new(grid.axes().iter().enumerate().map(range).collect::<Vec<_>>())
    }

    fn stage(
        &mut self,
        grid: &CellGrid,
        command: &CommandLine,
        program: &str,
        files: &dyn SourceFiles,
    ) -> Result<(), OpenError> {
        let mut staging = Staging::new(files);
        self.program = staging.program(program)?;
        self.samples = staging.runs_here(&self.program);
        for input in &command.inputs {
            staging.explicit(input, Some(&self.folder))?;
        }
        for arg in &self.args {
            let region = self.slice(grid, |index| arg.uses_number() || arg.uses(index));
            if region.volume() > LOOKED_AT {
                // Plain numbers are hardly names of files: no reason to worry the user.
                let is_list = |(i, p): (usize, &Parameter)| {
                    arg.uses(i) && matches!(p.values, Values::List(_))
                };
                if !arg.has_text(['/', '.']) && !self.parameters.iter().enumerate().any(is_list) {
                    continue;
                }
                staging.note(format!(
                    "an argument has {} values, more than {LOOKED_AT}: if they name files, add \
                     them with --input",
                    region.volume()
                ));
                continue;
            }
            for cell in grid.cells_in(&region) {
                let run = self.run(grid, cell);
                let word = arg.render(&run);
                // What a run writes is no input: through a link it would spoil the others'.
                staging.word(&word, &self.outputs_of(&run));
            }
        }
        if let Some(stdin) = self.stdin.take() {
            self.stdin = Some(self.stage_stdin(grid, stdin, &mut staging)?);
        }
        (self.inputs, self.notes) = staging.finish()?;
        Ok(())
    }

    fn stage_stdin(
        &self,
        grid: &CellGrid,
        stdin: Template,
        staging: &mut Staging<'_>,
    ) -> Result<Template, OpenError> {
        if stdin.is_plain() {
            let name = staging.stdin(&stdin.render(&self.run(grid, CellId(0))))?;
            return Ok(Template::plain(&name));
        }
        let region = self.slice(grid, |index| stdin.uses_number() || stdin.uses(index));
        if region.volume() > LOOKED_AT {
            return Err(OpenError::Usage(format!(
                "standard input from {} files, expected at most {LOOKED_AT}",
                region.volume()
            )));
        }
        for cell in grid.cells_in(&region) {
            let path = stdin.render(&self.run(grid, cell));
            if staging.stdin(&path)? != path {
                return Err(OpenError::Usage(format!(
                    "standard input from `{path}`, expected a plain path inside the folder of the \
                     command"
                )));
            }
        }
        Ok(stdin)
    }

    /// Decides how many gridlets there are.
    fn cut(&mut self, grid: &CellGrid, hint: SplitHint) -> Result<(), OpenError> {
        let widths: Vec<usize> = self.parameters.iter().map(|p| p.values.width()).collect();
        let number = number_width(grid);
        let word = |template: &Template| template.width(&widths, number) + WORD_BYTES;
        // Of an output, a step names its path, its name in the answer, and its folder.
        let outputs: usize = self.outputs.iter().map(|output| 3 * word(output)).sum();
        let names: usize = self.env.iter().map(|(name, _)| name.len() + WORD_BYTES).sum();
        let bytes = STEP_BYTES + self.templates().map(word).sum::<usize>() + outputs + names;
        if bytes > LEASE_BYTES {
            return Err(OpenError::Usage(format!(
                "arguments, variables and outputs of one run take {bytes} bytes, expected at most \
                 {LEASE_BYTES}"
            )));
        }
        let most = ((LEASE_BYTES / bytes) as u64).min(limits::GRIDLET_CELLS as u64);
        let runs = u64::from(grid.cells());
        let target = match hint.gridlets {
            Some(gridlets) => u64::from(gridlets),
            None => {
                runs.div_ceil((runs / (GRIDLETS_PER_SLOT * u64::from(hint.slots.max(1)))).max(1))
            }
        };
        let lengths: Vec<u64> = grid.axes().iter().map(Axis::cells).collect();
        self.pieces = cut::pieces(&lengths, target.min(GRIDLETS), most);
        let gridlets: u64 = self.pieces.iter().product();
        if gridlets > 2 * GRIDLETS {
            return Err(OpenError::Usage(format!(
                "{gridlets} gridlets, expected at most {}: the arguments are too long for so many \
                 runs",
                2 * GRIDLETS
            )));
        }
        if let Some(asked) = hint.gridlets.filter(|asked| u64::from(*asked) != gridlets) {
            self.notes.push(format!(
                "{gridlets} gridlets instead of {asked}: they are boxes of 1 to {most} runs"
            ));
        }
        Ok(())
    }
}

fn input_mode(command: &CommandLine) -> Result<InputMode, OpenError> {
    let mut mode = InputMode::Link;
    for (name, value) in &command.options {
        mode = match (name.as_str(), value.as_str()) {
            ("inputs", "link") => InputMode::Link,
            ("inputs", "copy") => InputMode::Copy,
            ("inputs", _) => {
                return Err(OpenError::Usage(format!(
                    "option inputs=`{value}`, expected `link` or `copy`"
                )));
            }
            _ => {
                return Err(OpenError::Usage(format!(
                    "unknown option `{name}` for a sweep, expected `inputs`"
                )));
            }
        };
    }
    Ok(mode)
}

fn parse_parameters(
    command: &CommandLine,
    files: &dyn SourceFiles,
) -> Result<Vec<Parameter>, OpenError> {
    if command.params.is_empty() || command.params.len() > PARAMETERS {
        return Err(OpenError::Usage(format!(
            "{} parameters, expected 1 to {PARAMETERS}",
            command.params.len()
        )));
    }
    let mut names = BTreeSet::new();
    let parameter = |(name, text): &(String, String)| {
        let mut chars = name.chars();
        let valid = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !valid {
            return Err(OpenError::Usage(format!(
                "parameter `{name}`, expected a name of letters, digits, `_` and `-`"
            )));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(OpenError::Usage(format!(
                "parameter `{name}`, expected another name than {}",
                RESERVED.join(", ")
            )));
        }
        if !names.insert(name.clone()) {
            return Err(OpenError::Usage(format!("parameter `{name}` is there twice")));
        }
        Ok(Parameter { name: name.clone(), values: Values::parse(name, text, files)? })
    };
    command.params.iter().map(parameter).collect()
}

pub(super) fn grid_of(parameters: &[Parameter]) -> Result<CellGrid, OpenError> {
    let lengths: Vec<u64> = parameters.iter().map(|p| p.values.len()).collect();
    if lengths.contains(&0) {
        return Err(OpenError::State("a parameter without values".to_owned()));
    }
    CellGrid::new(lengths.into_iter().map(|length| Axis::new(length, 1)).collect())
        .map_err(|error| OpenError::Usage(error.to_string()))
}

/// Digits of the last run's number.
fn number_width(grid: &CellGrid) -> usize {
    (grid.cells() - 1).checked_ilog10().unwrap_or(0) as usize + 1
}
