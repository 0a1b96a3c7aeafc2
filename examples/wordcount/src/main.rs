//! `outlast` with one application more, written in Rust: how often is each word in many texts? And with one
//! technical service more, which any job may name.
//!
//! ```console
//! $ cargo build && ./target/debug/wordcount run -- wordcount --output counts.txt a.txt b.txt
//! ```
//!
//! Everything else (`up`, `ps`, `app list` …) is what `outlast` does. Only the node that submits needs
//! this program: workers run the recipe that it makes, and know nothing of words.
//!
//! An application has two parts. [`WordCount`] recognises command lines and opens them; [`Counts`]
//! manages one: what the cells are, what a worker runs for them, which answers are right, and what
//! comes out in the end. Here the end is a sum over all answers, which no manifest can say.

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use outlast_deploy::{Args, Argument, Description, Error, Kind, NodeSettings, TechnicalService};
use outlast_gridlet::{
    Application, ApplicationManager, Blobs, CellOutput, Collect, CommandLine, ExitRule, Gridlet,
    Harvest, InputFile, InputMode, Merged, Needs, OpenError, Preview, Program, Recipe, ResultError,
    Results, Sample, Sink, SourceFiles, SplitHint, Step,
};
use outlast_types::{Axis, CellGrid, CellId, GridletId, wire};
use serde::{Deserialize, Serialize};

/// Counts the words of its standard input: a line with number and word for each.
const SCRIPT: &str = r"tr -cs '[:alpha:]' '\n' | tr '[:upper:]' '[:lower:]' | sort | uniq -c";

/// The name of the only file in an answer.
const COUNTS: &str = "counts";

/// Bytes that the counts of one text may have.
const ANSWER_BYTES: u64 = 64 << 20;

fn main() -> ExitCode {
    let mut registry = outlast_node::apps::registry();
    registry.register(Box::new(WordCount));
    let mut services = outlast_deploy::Registry::builtin();
    services.register(THREADS, || Box::new(Threads(1))).expect("its name is free");
    outlast_cli::main_with_services(registry, services)
}

/// A technical service: how many threads a program may use, for those that ask OpenMP.
struct Threads(i64);

const THREADS: Description = Description {
    class: "threads",
    aspects: &["threads"],
    about: "how many threads the program uses",
    arguments: &[Argument {
        name: "count",
        kind: Kind::Integer { least: 1, most: 1024 },
        default: "1",
        about: "what OMP_NUM_THREADS says",
    }],
    always: false,
};

impl TechnicalService for Threads {
    fn init(&mut self, args: &Args) -> Result<(), Error> {
        self.0 = args.integer("count").unwrap_or(1);
        Ok(())
    }

    fn apply(&self, node: &mut NodeSettings) -> Result<(), Error> {
        node.env.insert("OMP_NUM_THREADS".to_owned(), self.0.to_string());
        Ok(())
    }
}

/// The application.
struct WordCount;

impl Application for WordCount {
    fn name(&self) -> &str {
        "wordcount"
    }

    fn recognises(&self, command: &CommandLine) -> bool {
        command.argv.first().is_some_and(|program| program == "wordcount")
    }

    fn takes(&self) -> Option<String> {
        Some("wordcount FILE…: how often each word is in many texts".to_owned())
    }

    fn programs(&self) -> Vec<String> {
        vec!["sh".to_owned()]
    }

    fn open(
        &self,
        command: &CommandLine,
        files: &dyn SourceFiles,
        hint: SplitHint,
    ) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        let texts = &command.argv[1..];
        if texts.is_empty() {
            return Err(OpenError::Usage(
                "expected texts to count words in, found none".to_owned(),
            ));
        }
        for text in texts {
            if text.starts_with(['-', '/']) || text.split('/').any(|part| part == "..") {
                return Err(OpenError::Usage(format!(
                    "expected a text in this folder, found `{text}`"
                )));
            }
            if !files.is_file(text) {
                let source = io::Error::from(io::ErrorKind::NotFound);
                return Err(OpenError::Input { path: text.clone(), source });
            }
        }
        let input = |path: &String| InputFile { name: path.clone(), source: path.clone() };
        let saved = Saved {
            inputs: texts.iter().map(input).collect(),
            output: command.output.clone().unwrap_or_else(|| "words.txt".to_owned()),
            gridlets: hint.gridlets.unwrap_or(hint.slots.saturating_mul(4)).max(1),
            samples: files.has_program("sh"),
        };
        Ok(Arc::new(Counts::new(saved)?))
    }

    fn restore(&self, state: &[u8]) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        let saved = wire::decode(state, usize::MAX).map_err(|e| OpenError::State(e.to_string()))?;
        Ok(Arc::new(Counts::new(saved)?))
    }
}

/// What has to survive a restart of the submitter.
#[derive(Serialize, Deserialize)]
struct Saved {
    inputs: Vec<InputFile>,
    output: String,
    gridlets: u32,
    samples: bool,
}

/// One command: a cell for each text.
struct Counts {
    saved: Saved,
    grid: CellGrid,
    gridlets: Vec<Gridlet>,
}

impl Counts {
    fn new(saved: Saved) -> Result<Self, OpenError> {
        let texts = saved.inputs.len() as u64;
        let grid = CellGrid::new(vec![Axis::new(texts, 1)])
            .map_err(|error| OpenError::Usage(error.to_string()))?;
        let each = texts.div_ceil(u64::from(saved.gridlets)).min(256);
        let boxes = grid.tiles(&[each]).into_iter().enumerate();
        let gridlets = boxes
            .map(|(id, cells)| Gridlet {
                id: GridletId(id as u32),
                cost: cells.volume() as f64,
                cells,
            })
            .collect();
        Ok(Self { saved, grid, gridlets })
    }

    fn step(&self, cell: CellId) -> Step {
        let name = self.saved.inputs[cell.0 as usize].name.clone();
        Step {
            program: Program::Installed("sh".to_owned()),
            args: vec!["-c".to_owned(), SCRIPT.to_owned()],
            // Sorted by bytes everywhere, or answers would differ from machine to machine.
            env: vec![("LC_ALL".to_owned(), "C".to_owned())],
            inputs: Needs::Only(vec![name.clone()]),
            stdin: Some(name),
            exit: ExitRule::Zero,
            folders: Vec::new(),
            harvest: vec![Harvest { cell, collect: vec![Collect::Stdout(COUNTS.to_owned())] }],
            watch: false,
        }
    }

    /// The counts in an answer: number and word.
    fn read(output: &CellOutput, blobs: &dyn Blobs) -> Result<Vec<(u64, String)>, ResultError> {
        let invalid = |text: &str| ResultError::Invalid(text.to_owned());
        let [file] = output.files.as_slice() else { return Err(invalid("expected one file")) };
        if file.name != COUNTS || file.content.length() > ANSWER_BYTES {
            return Err(invalid("expected a list of counts"));
        }
        let text =
            String::from_utf8(blobs.bytes(&file.content)?).map_err(|_| invalid("no text"))?;
        let line = |line: &str| {
            let (count, word) = line.trim_start().split_once(' ')?;
            Some((count.parse().ok()?, word.to_owned()))
        };
        let counts: Option<Vec<_>> = text.lines().map(line).collect();
        counts.ok_or_else(|| invalid("expected lines of a number and a word"))
    }

    /// The sum of all that is accepted, and of how many texts.
    fn sum(&self, results: &dyn Results) -> Result<(BTreeMap<String, u64>, u32), ResultError> {
        let (mut sum, mut texts) = (BTreeMap::new(), 0);
        for cell in (0..self.grid.cells()).map(CellId) {
            let Some(output) = results.output(cell)? else { continue };
            texts += 1;
            for (count, word) in Self::read(&output, results)? {
                if !word.is_empty() {
                    *sum.entry(word).or_insert(0) += count;
                }
            }
        }
        Ok((sum, texts))
    }
}

impl ApplicationManager for Counts {
    fn app(&self) -> &str {
        WordCount.name()
    }

    fn grid(&self) -> &CellGrid {
        &self.grid
    }

    fn atom(&self) -> &str {
        "text"
    }

    fn gridlets(&self) -> &[Gridlet] {
        &self.gridlets
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    fn program(&self) -> Option<&str> {
        Some("sh")
    }

    fn inputs(&self) -> &[InputFile] {
        &self.saved.inputs
    }

    fn recipe(&self, _: &Gridlet, cells: &[CellId]) -> Recipe {
        Recipe {
            steps: cells.iter().map(|cell| self.step(*cell)).collect(),
            inputs: InputMode::Link,
            idles: false,
            file_limit: ANSWER_BYTES,
        }
    }

    fn check(&self, output: &CellOutput, blobs: &dyn Blobs) -> Result<(), ResultError> {
        Self::read(output, blobs).map(drop)
    }

    fn sample(&self, cell: CellId, _: u64) -> Option<Sample> {
        let sample = || Sample { cell, place: Vec::new(), step: self.step(cell) };
        self.saved.samples.then(sample)
    }

    fn matches_sample(
        &self,
        _: &Sample,
        truth: &CellOutput,
        answer: &CellOutput,
        blobs: &dyn Blobs,
    ) -> Result<bool, ResultError> {
        self.agree(truth, answer, blobs)
    }

    fn merge(&self, results: &dyn Results, sink: &mut dyn Sink) -> Result<Merged, ResultError> {
        let (sum, texts) = self.sum(results)?;
        if texts != self.grid.cells() {
            return Err(ResultError::Invalid(format!("{texts} texts of {}", self.grid.cells())));
        }
        let text: String = sum.iter().map(|(word, count)| format!("{count} {word}\n")).collect();
        sink.write(&self.saved.output, text.as_bytes())?;
        Ok(Merged { files: vec![self.saved.output.clone()], ..Merged::default() })
    }

    fn preview(&self, results: &dyn Results) -> Result<Option<Preview>, ResultError> {
        let (sum, texts) = self.sum(results)?;
        let text = format!("{texts} of {} texts, {} words\n", self.grid.cells(), sum.len());
        Ok(Some(Preview { media_type: "text/plain", bytes: text.into_bytes() }))
    }

    fn state(&self) -> Vec<u8> {
        wire::encode(&self.saved, usize::MAX).expect("plain data without a limit can be encoded")
    }
}
