//! Flags that mean the same as `[[service]]` tables of a job file.

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
use outlast_deploy::verification::{DECISIONS, SCHEMES};
use outlast_deploy::{Block, Origin, Value};

use crate::exit::Failure;

/// Options of `services`.
#[derive(Debug, Args)]
pub struct ServicesArgs {
    /// Only this one, with what each argument means
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// How a job is treated besides.
#[derive(Debug, Default, Args)]
pub struct ServiceArgs {
    /// How the work is cut for its replicas: alike and all at once (standard), alike and one after another
    /// (incremental), shifted (overlapped), shifted in part (relaxed), crossed (meshed) [default: incremental]
    #[arg(long, value_name = "SCHEME", value_parser = PossibleValuesParser::new(SCHEMES), help_heading = "Verification")]
    pub verify: Option<String>,
    /// Answers from different nodes that have to agree; with --decision majority: that are asked for
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Verification")]
    pub replication: Option<u32>,
    /// What decides between answers [default: m-first; with --max-error: credibility]
    #[arg(long, value_name = "BY", value_parser = PossibleValuesParser::new(DECISIONS), help_heading = "Verification")]
    pub decision: Option<String>,
    /// Probability of a wrong answer that is tolerated, such as 0.001: answers are weighed by who gave them
    #[arg(long, value_name = "P", help_heading = "Verification")]
    pub max_error: Option<f64>,
    /// Answers to ask for at most before a part is given up or computed here
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Verification")]
    pub max_answers: Option<u32>,
    /// Samples per gridlet that this machine computes itself
    #[arg(long, value_name = "N", help_heading = "Verification")]
    pub samples: Option<u32>,
    /// Share of the gridlets that are sampled, 0 to 1
    #[arg(long, value_name = "SHARE", help_heading = "Verification")]
    pub sample_rate: Option<f64>,
    /// Share of the work handed out that is known already, to see who lies, 0 to 0.5
    #[arg(long, value_name = "SHARE", help_heading = "Verification")]
    pub quizzes: Option<f64>,
    /// When to hand out replicas
    #[arg(long, value_name = "WHEN", value_parser = schedules(), help_heading = "Verification")]
    pub schedule: Option<String>,
    /// With --verify relaxed: per cent of the work that is done more than once
    #[arg(long, value_name = "N", help_heading = "Verification")]
    pub percent: Option<u32>,
    /// How to compare two answers, such as bytes, numbers:rel=1e-9 or image:psnr=40 [default: as the
    /// application does]
    #[arg(long, value_name = "HOW", help_heading = "Verification")]
    pub compare: Option<String>,
    /// Give the replicas of a gridlet only to nodes that are alike
    #[arg(long, help_heading = "Verification")]
    pub homogeneous: bool,
    /// Node whose answers count like this one's own, by its key or the beginning of it; may be given several
    /// times
    #[arg(long, value_name = "NODE", help_heading = "Verification")]
    pub trusted: Vec<String>,
    /// Technical service, CLASS:NAME=VALUE,…, as a `[[service]]` table of a job file; `outlast services` lists
    /// them. May be given several times
    #[arg(long = "service", value_name = "SERVICE", help_heading = "Work")]
    pub services: Vec<String>,
}

/// The schedules; the name that one of them had once is understood.
fn schedules() -> impl clap::builder::TypedValueParser<Value = String> {
    let value = |name: &'static str, help: &'static str| PossibleValue::new(name).help(help);
    PossibleValuesParser::new([
        value("incremental", "Another one only while no decision is possible"),
        value("all", "All that a decision needs at the start").alias("all-at-once"),
        value("auto", "One of the two, by how busy the grid is"),
    ])
    .map(|name| if name == "all-at-once" { "all".to_owned() } else { name })
}

impl ServiceArgs {
    /// What the flags say, each with its name as its origin. Several blocks may be of one class.
    ///
    /// # Errors
    /// If `--service` has another form.
    pub(crate) fn blocks(self) -> Result<Vec<Block>, Failure> {
        let mut blocks = Vec::new();
        for text in &self.services {
            let block = Block::parse(text, "--service");
            blocks.push(block.map_err(|error| Failure::usage(error.to_string()))?);
        }
        let mut block = Block::new("verification", Origin::default());
        let mut say = |name: &str, flag: &str, value: Option<Value>| {
            if let Some(value) = value {
                if block.origin.text.is_empty() {
                    block.origin = Origin::said(flag);
                }
                block.push(name, value, Origin::said(flag));
            }
        };
        let integer = |number: Option<u32>| number.map(|number| Value::Integer(number.into()));
        let number = |number: Option<f64>| number.map(Value::Number);
        let text = |text: Option<String>| text.map(Value::Text);
        say("scheme", "--verify", text(self.verify));
        say("replication", "--replication", integer(self.replication));
        say("decision", "--decision", text(self.decision));
        say("max_error", "--max-error", number(self.max_error));
        say("max_answers", "--max-answers", integer(self.max_answers));
        say("samples", "--samples", integer(self.samples));
        say("sample_rate", "--sample-rate", number(self.sample_rate));
        say("quizzes", "--quizzes", number(self.quizzes));
        say("schedule", "--schedule", text(self.schedule));
        say("percent", "--percent", integer(self.percent));
        say("comparator", "--compare", text(self.compare));
        say("homogeneous", "--homogeneous", self.homogeneous.then_some(Value::Boolean(true)));
        let trusted = (!self.trusted.is_empty()).then_some(Value::List(self.trusted));
        say("trusted", "--trusted", trusted);
        if !block.args.is_empty() {
            blocks.push(block);
        }
        Ok(blocks)
    }
}
