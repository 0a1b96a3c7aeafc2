//! What a manifest says, read and checked.

use super::expr::Expr;
use super::reader::Text;
use super::split::Split;
use super::template::Template;
use super::value::{Form, Kind, Value};

/// A manifest that is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The file, as it was named.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Name of the application.
    pub name: String,
    /// What it does, in a line.
    pub summary: String,
    /// Base names of the programs whose commands it reads.
    pub programs: Vec<String>,
    /// What an atom is called.
    pub(super) atom: String,
    pub(super) unknown: Effect,
    pub(super) bundled: bool,
    pub(super) options: Vec<Opt>,
    pub(super) words: Vec<Word>,
    pub(super) rules: Vec<Rule>,
    pub(super) probes: Vec<Probe>,
    /// `[number]` and `[text]`, in the order of the file.
    pub(super) derived: Vec<Derived>,
    pub(super) split: Split,
    pub(super) gridlet: GridletSpec,
    pub(super) covers: Covers,
    pub(super) compare: Compare,
    pub(super) merge: Merge,
    pub(super) sample: SampleBy,
    pub(super) preview: PreviewBy,
}

/// What an option or a rule does to the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing; the option is among `{options}`.
    Keep,
    /// Nothing; the option is not among `{options}`.
    Drop,
    /// The command can't be split: it runs as it is, as one gridlet.
    Whole,
    /// The command is wrong.
    Refuse,
    /// The command is none of this application's.
    Decline,
    /// Nothing, but the user is told something.
    Note,
}

/// What a word of the command means besides its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing more.
    Plain,
    /// A file, or files, to stage.
    Input,
    /// A file with the names of inputs, a line for each.
    List,
    /// Where the result goes.
    Output,
    /// A file that the split itself reads, at the submitter. A command has just one.
    Source,
}

/// How an option and its value are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Forms {
    /// `-o V`
    pub(super) separate: bool,
    /// `--o=V`
    pub(super) equals: bool,
    /// `-oV`
    pub(super) attached: bool,
}

/// A variable that a word of the command gives its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) span: std::ops::Range<usize>,
    pub(super) form: Form,
    /// A regular expression with a group: what of the word is the value.
    pub(super) take: Option<Pattern>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) role: Role,
    /// It may come several times: a list.
    pub(super) repeat: bool,
    /// If it doesn't come at all.
    pub(super) default: Option<Fallback>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fallback {
    Value(Value),
    Template(Template),
}

/// A regular expression.
#[derive(Clone, Debug)]
pub(super) struct Pattern(pub(super) regex::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// `[[option]]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Opt {
    pub(super) names: Vec<Text>,
    /// Without one it is a flag.
    pub(super) value: Option<Variable>,
    /// The variable of a flag.
    pub(super) flag: Option<String>,
    pub(super) forms: Forms,
    pub(super) effect: Effect,
    /// It is passed on to the merge's command, not to a gridlet's.
    pub(super) merge: bool,
    /// What comes before it means something else: such a command isn't split.
    pub(super) first: bool,
    pub(super) say: Option<String>,
}

/// `[[word]]`: a word that is no option.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    pub(super) variable: Variable,
    pub(super) optional: bool,
}

/// `[[rule]]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) condition: Expr,
    pub(super) effect: Effect,
    pub(super) say: Template,
}

/// `[[probe]]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probe {
    pub(super) run: Vec<Template>,
    pub(super) timeout_s: u32,
    pub(super) stderr: bool,
    pub(super) takes: Vec<Take>,
    pub(super) whole: bool,
    pub(super) say: Option<String>,
}

/// A variable from what a probe printed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Take {
    pub(super) name: Text,
    pub(super) how: How,
    pub(super) form: Form,
    /// All matches: a list.
    pub(super) all: bool,
    pub(super) default: Option<Value>,
}

/// Where in the output.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum How {
    /// The first group of a regular expression.
    Pattern(Pattern),
    /// The word in this column of this line, both counted from 1.
    Column(usize, usize),
    /// RFC 6901, into JSON.
    Pointer(String),
}

/// An entry of `[number]` or `[text]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Derived {
    pub(super) name: Text,
    pub(super) how: DerivedFrom,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum DerivedFrom {
    Number(Expr),
    Text(Template),
}

/// Which rectangle a tile's picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// The tile alone.
    Tile,
    /// The tile and its halo.
    Halo,
    /// The whole picture, of which the tile counts.
    Picture,
}

/// `[gridlet]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GridletSpec {
    pub(super) span: std::ops::Range<usize>,
    pub(super) run: Vec<Template>,
    pub(super) stdin: Option<Template>,
    pub(super) stdout: Option<Template>,
    pub(super) results: Vec<Template>,
    pub(super) env: Vec<(String, Template)>,
    pub(super) exit_any: bool,
    pub(super) copy: bool,
    pub(super) cost: Option<Expr>,
    pub(super) shows: Shows,
}

/// Which cells a run of the program answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Covers {
    /// A cell is an atom, a run answers one.
    Atom,
    /// A cell is an atom, a run answers those that follow each other.
    Atoms,
    /// A cell is several atoms, a run answers one.
    Piece,
}

/// `[compare]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Compare {
    Bytes,
    Numbers { tolerance: f64, relative: f64 },
    Picture { tolerance: f64 },
    Command { run: Vec<Template>, timeout_s: u32 },
}

/// `[merge]`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Merge {
    Concatenate { to: Template, header_lines: usize },
    Tiles { to: Template },
    Files { to: Vec<Template> },
    Archive { to: Template, names: Vec<Template> },
    Command(Box<MergeCommand>),
}

/// A merge by a command of the user's.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MergeCommand {
    pub(super) run: Vec<Template>,
    pub(super) timeout_s: u32,
    /// Names of results in the folder it runs in.
    pub(super) names: Vec<Template>,
    /// A line for each result in a file `{list}`.
    pub(super) list: Option<Template>,
    /// What it writes.
    pub(super) output: Template,
    pub(super) to: Template,
}

/// `[sample]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SampleBy {
    /// A cell.
    Cell,
    /// A small rectangle of a tile.
    Tile(u32),
    /// Nothing can be computed apart.
    None,
}

/// `[preview]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PreviewBy {
    Count,
    Concatenate,
    Tiles,
    None,
}

impl Manifest {
    /// Whether a program of this path is one of its own.
    pub(super) fn is_program(&self, word: &str) -> bool {
        let name = word.rsplit('/').next().unwrap_or(word);
        self.programs.iter().any(|program| program == name)
    }
}

impl Variable {
    /// What it holds once the command is read.
    pub(super) fn kind(&self) -> Kind {
        match (self.repeat || self.role == Role::List, self.form.kind()) {
            (true, Kind::Integer | Kind::Number) => Kind::Numbers,
            (true, _) => Kind::Words,
            (false, kind) => kind,
        }
    }
}
