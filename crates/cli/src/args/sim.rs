//! The command line of the simulators.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use outlast_study::figures::Figure;
use outlast_study::scenario::{Behaviour, Scenario, Scheme};
use outlast_study::sweep::{self, Parameter, Point, Values};
use outlast_verify::{Decision, Partitioning, Policy, Schedule};

/// Runs of each combination, if nobody says how many.
const RUNS: u32 = 100;
/// Most threads.
const THREADS: i64 = 1024;
/// The error that credibility may leave, if nobody says which.
const MAX_ERROR: f64 = 0.001;
/// BOINC trusts a host after so many valid results in a row.
const TRUSTED_AFTER: u32 = 10;
/// Share of spot checks, if nobody says which: Sarmenta's example.
const SPOT_CHECKS: f64 = 0.1;

/// What can be simulated.
#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Simulate result verification: many workers, some of which lie, and the verifier of the grid
    ///
    /// Values of upper-case N and SHARE may be lists (1,3,5) or ranges (0..500:25): each combination is simulated.
    /// Prints, with 95 % confidence: the share of wrong results accepted, the share of wrong answers detected,
    /// copies of the work computed for each result, and the time it takes. Needs no node.
    Verification(Box<VerificationArgs>),
}

/// Options of `sim verification`.
#[derive(Debug, Args)]
pub struct VerificationArgs {
    /// Workers, liars included [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Population")]
    pub participants: Option<Values>,
    /// How many of them lie, and collude [default: 300]
    #[arg(long, value_name = "N", help_heading = "Population")]
    pub colluders: Option<Values>,
    /// When they lie: always, sometimes:SHARE, on-off:HONEST:LIES, after:HONEST or careful (in company)
    #[arg(long, value_name = "HOW", value_parser = behaviour, help_heading = "Population")]
    pub behaviour: Option<Behaviour>,
    /// Blacklisted liars come back as somebody else
    #[arg(long, help_heading = "Population")]
    pub whitewash: bool,
    /// Probability that two wrong answers match [default: 1]
    #[arg(long, value_name = "SHARE", help_heading = "Population")]
    pub matching: Option<Values>,
    /// Whether colluders find out what overlapping gridlets have in common: complete, imperfect, or a probability [default: complete]
    #[arg(long, value_name = "SHARE", value_parser = knowledge, help_heading = "Population")]
    pub knowledge: Option<Values>,
    /// Share of a wrong answer that is forged; samples see nothing of the rest [default: 1]
    #[arg(long, value_name = "SHARE", help_heading = "Population")]
    pub forged: Option<Values>,
    /// Speeds of the slowest and the fastest machine, 1 being an ordinary one [default: 1..1]
    #[arg(long, value_name = "FROM..TO", value_parser = speeds, help_heading = "Population")]
    pub speeds: Option<(f64, f64)>,
    /// Probability that a worker leaves with its gridlet [default: 0]
    #[arg(long, value_name = "SHARE", help_heading = "Population")]
    pub departures: Option<Values>,
    /// Atoms of the work along each dimension [default: 640x480]
    #[arg(long, value_name = "AxBx…", value_parser = work, help_heading = "Work")]
    pub work: Option<Work>,
    /// Gridlets that a job is cut into [default: 64]
    #[arg(long, value_name = "N", help_heading = "Work")]
    pub gridlets: Option<Values>,
    /// Jobs, one after the other; what was learned of workers is kept [default: 1]
    #[arg(long, value_name = "N", help_heading = "Work")]
    pub jobs: Option<Values>,
    /// Who submits: each has jobs of its own, and its share of the participants [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Work")]
    pub submitters: Option<u32>,
    /// How the work is cut for its replicas: standard, overlapped, relaxed:PERCENT or meshed [default: standard]
    #[arg(long, value_name = "HOW", value_parser = partitioning, help_heading = "Verification")]
    pub partitioning: Option<Partitioning>,
    /// What decides; the last four are other systems', to compare with
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        default_value = "majority",
        help_heading = "Verification"
    )]
    pub decision: DecisionArg,
    /// Answers that are asked for (majority) or have to agree (m-first) [default: 3, or 2 for m-first]
    #[arg(long, value_name = "N", help_heading = "Verification")]
    pub replication: Option<Values>,
    /// When replicas are handed out
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value = "incremental",
        help_heading = "Verification"
    )]
    pub schedule: ScheduleArg,
    /// Error that credibility may leave [default: 0.001]
    #[arg(long, value_name = "SHARE", help_heading = "Verification")]
    pub max_error: Option<Values>,
    /// Samples of each sampled gridlet that the submitter computes [default: 0, or 1 for credibility]
    #[arg(long, value_name = "N", help_heading = "Verification")]
    pub samples: Option<Values>,
    /// Share of gridlets that are sampled [default: 1, or the least share that credibility knows]
    #[arg(long, value_name = "SHARE", help_heading = "Verification")]
    pub sample_rate: Option<Values>,
    /// Atoms that a sample computes [default: 1]
    #[arg(long, value_name = "N", help_heading = "Verification")]
    pub sample_atoms: Option<Values>,
    /// Share of leases that are quizzes, or spot checks of `spot-check` [default: 0, or 0.1 for spot checks]
    #[arg(long, value_name = "SHARE", help_heading = "Verification")]
    pub quizzes: Option<Values>,
    /// Votes alone: no histories, no blacklist
    #[arg(long, help_heading = "Verification")]
    pub no_history: bool,
    /// Draw a figure of the paper (6 or 7), for this population and work; writes figure-N.svg and figure-N.png unless --plot names a file
    #[arg(long, value_name = "N", value_parser = figure, help_heading = "Simulation")]
    pub figure: Option<Figure>,
    /// Runs of each combination [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Simulation")]
    pub runs: Option<u32>,
    /// What chance depends on
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Simulation")]
    pub seed: u64,
    /// Threads to simulate with; results don't depend on it [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=THREADS), help_heading = "Simulation")]
    pub threads: Option<u32>,
    /// Write a table to this file; - is standard output
    #[arg(long, value_name = "FILE", help_heading = "Simulation")]
    pub csv: Option<PathBuf>,
    /// Draw wrong results accepted to this file: .svg or .png
    #[arg(long, value_name = "FILE", help_heading = "Simulation")]
    pub plot: Option<PathBuf>,
}

/// Atoms along each dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work(pub Vec<u64>);

/// What decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DecisionArg {
    /// More than half of the answers
    Majority,
    /// The first that so many answers agree on
    MFirst,
    /// Whatever is wrong with less than the error allowed, by the records of those who say it
    Credibility,
    /// BOINC's adaptive replication
    BoincAdaptive,
    /// So many answers at once, always; the majority
    FixedMajority,
    /// Sarmenta's spot checks without voting, caught liars being blacklisted
    SpotCheck,
    /// The same without a blacklist
    SpotCheckOnly,
}

/// When replicas are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScheduleArg {
    /// All that may be needed at the start
    All,
    /// Another one only while nothing can be decided
    Incremental,
    /// One of the two, by load
    Auto,
}

impl VerificationArgs {
    /// The scenario that is varied.
    fn base(&self) -> Scenario {
        let with = |policy: Policy, samples| {
            Scheme::Outlast(Policy {
                samples,
                schedule: match self.schedule {
                    ScheduleArg::All => Schedule::AllAtOnce,
                    ScheduleArg::Incremental => Schedule::Incremental,
                    ScheduleArg::Auto => Schedule::Auto,
                },
                partitioning: self.partitioning.unwrap_or_default(),
                ..policy
            })
        };
        let first = Policy { decision: Decision::First { matching: 2 }, ..Policy::with_quorum(2) };
        let scheme = match self.decision {
            DecisionArg::Majority => with(Policy::with_majority(3), 0),
            DecisionArg::MFirst => with(first, 0),
            DecisionArg::Credibility => with(Policy::with_max_error(MAX_ERROR), 1),
            DecisionArg::BoincAdaptive => Scheme::Boinc { trusted_after: TRUSTED_AFTER },
            DecisionArg::FixedMajority => Scheme::Fixed { replication: 3 },
            DecisionArg::SpotCheck => Scheme::SpotCheck { rate: SPOT_CHECKS, blacklist: true },
            DecisionArg::SpotCheckOnly => Scheme::SpotCheck { rate: SPOT_CHECKS, blacklist: false },
        };
        let default = Scenario::default();
        Scenario {
            scheme,
            work: self.work.clone().map_or(default.work, |Work(work)| work),
            behaviour: self.behaviour.unwrap_or(default.behaviour),
            whitewash: self.whitewash,
            history: !self.no_history,
            speeds: self.speeds.unwrap_or(default.speeds),
            seed: self.seed,
            submitters: self.submitters.unwrap_or(default.submitters),
            ..default
        }
    }

    /// All scenarios that are asked for.
    ///
    /// # Errors
    /// What is impossible, and what would work.
    pub fn points(&self) -> Result<Vec<Point>, String> {
        let given = [
            (Parameter::Participants, &self.participants),
            (Parameter::Replication, &self.replication),
            (Parameter::Gridlets, &self.gridlets),
            (Parameter::Jobs, &self.jobs),
            (Parameter::MaxError, &self.max_error),
            (Parameter::Samples, &self.samples),
            (Parameter::SampleRate, &self.sample_rate),
            (Parameter::SampleAtoms, &self.sample_atoms),
            (Parameter::Quizzes, &self.quizzes),
            (Parameter::Matching, &self.matching),
            (Parameter::Knowledge, &self.knowledge),
            (Parameter::Forged, &self.forged),
            (Parameter::Departures, &self.departures),
            (Parameter::Colluders, &self.colluders),
        ];
        let axes: Vec<(Parameter, Values)> =
            given.into_iter().filter_map(|(p, values)| Some((p, values.clone()?))).collect();
        if self.figure.is_some() && axes.iter().any(|(_, values)| values.0.len() > 1) {
            return Err(
                "a range with --figure, which has ranges of its own; expected single values"
                    .to_owned(),
            );
        }
        let base = self.base();
        if base.policy().is_none() && self.partitioning.is_some_and(|p| p != Partitioning::Standard)
        {
            return Err("a partitioning with another system's scheme, expected standard".to_owned());
        }
        sweep::points(&base, &axes).map_err(|error| error.to_string())
    }

    /// How often each is run.
    pub fn runs(&self) -> u32 {
        self.runs.unwrap_or(RUNS)
    }
}

fn work(text: &str) -> Result<Work, String> {
    let lengths: Result<Vec<u64>, _> = text.split('x').map(u64::from_str).collect();
    match lengths {
        Ok(lengths) if lengths.iter().all(|&length| length > 0) => Ok(Work(lengths)),
        _ => Err(format!(
            "expected atoms along each dimension, such as 640x480 or 1000, found `{text}`"
        )),
    }
}

fn speeds(text: &str) -> Result<(f64, f64), String> {
    let both = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    both.filter(|&(a, b): &(f64, f64)| a > 0.0 && a <= b && b.is_finite()).ok_or_else(|| {
        format!("expected the slowest and the fastest speed, such as 0.5..2, found `{text}`")
    })
}

fn knowledge(text: &str) -> Result<Values, String> {
    match text {
        "complete" => Ok(Values(vec![1.0])),
        "imperfect" => Ok(Values(vec![0.0])),
        _ => text
            .parse::<Values>()
            .map_err(|error| format!("expected complete, imperfect or a share: {error}")),
    }
}

fn partitioning(text: &str) -> Result<Partitioning, String> {
    let percent = |text: &str| text.parse().ok().filter(|percent| (1..100).contains(percent));
    match text.split_once(':') {
        None if text == "standard" => Ok(Partitioning::Standard),
        None if text == "overlapped" => Ok(Partitioning::Overlapped),
        None if text == "meshed" => Ok(Partitioning::Meshed),
        None if text == "relaxed" => Ok(Partitioning::Relaxed { percent: 50 }),
        Some(("relaxed", share)) if let Some(percent) = percent(share) => {
            Ok(Partitioning::Relaxed { percent })
        }
        _ => Err(format!(
            "expected standard, overlapped, relaxed:PERCENT (1 to 99) or meshed, found `{text}`"
        )),
    }
}

fn behaviour(text: &str) -> Result<Behaviour, String> {
    let words: Vec<&str> = text.split(':').collect();
    let found = match words[..] {
        ["always"] => Some(Behaviour::Always),
        ["careful"] => Some(Behaviour::Careful),
        ["sometimes", rate] => rate.parse().ok().map(Behaviour::Sometimes),
        ["after", honest] => honest.parse().ok().map(Behaviour::After),
        ["on-off", honest, lies] => match (honest.parse(), lies.parse()) {
            (Ok(honest), Ok(lies)) => Some(Behaviour::OnOff { honest, lies }),
            _ => None,
        },
        _ => None,
    };
    found.ok_or_else(|| {
        format!("expected always, sometimes:SHARE, on-off:HONEST:LIES, after:HONEST or careful, found `{text}`")
    })
}

fn figure(text: &str) -> Result<Figure, String> {
    match text {
        "6" => Ok(Figure::Six),
        "7" => Ok(Figure::Seven),
        _ => Err(format!("expected 6 or 7, found `{text}`")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn parse(options: &str) -> Result<VerificationArgs, String> {
        let line = format!("outlast sim verification {options}");
        let cli =
            Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())?;
        match cli.command {
            Command::Sim(SimCommand::Verification(args)) => Ok(*args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_options_of_the_paper_become_scenarios() {
        let args = parse(
            "--participants 1000 --colluders 0..500:25 --work 640x480 --gridlets 64 --replication 3,5 \
             --partitioning overlapped --schedule all --decision majority --runs 1000 --seed 7",
        );
        let args = args.unwrap();
        let points = args.points().unwrap();
        assert_eq!((points.len(), args.runs()), (42, 1000));
        let last = &points[41].scenario;
        assert_eq!(
            (last.colluders, last.gridlets, last.seed, &last.work[..]),
            (500, 64, 7, &[640, 480][..])
        );
        let policy = last.policy().unwrap();
        assert_eq!(policy.decision, Decision::Majority { replication: 5 });
        assert_eq!(
            (policy.schedule, policy.partitioning),
            (Schedule::AllAtOnce, Partitioning::Overlapped)
        );
    }

    #[test]
    fn what_is_wrong_is_refused_with_what_was_expected_and_found() {
        for (options, expected) in [
            (
                "--work 640y480",
                "expected atoms along each dimension, such as 640x480 or 1000, found `640y480`",
            ),
            ("--work 0x3", "found `0x3`"),
            ("--colluders 9..1", "the last and a step above 0, found `9..1`"),
            (
                "--partitioning relaxed:100",
                "expected standard, overlapped, relaxed:PERCENT (1 to 99)",
            ),
            ("--behaviour on-off:3", "found `on-off:3`"),
            ("--speeds 2..1", "such as 0.5..2, found `2..1`"),
            ("--knowledge some", "expected complete, imperfect or a share"),
            ("--figure 5", "expected 6 or 7, found `5`"),
        ] {
            let error = parse(options).unwrap_err();
            assert!(error.contains(expected), "{options}: {error}");
        }
        for (options, expected) in [
            ("--decision boinc-adaptive --samples 1", "expected the decision majority"),
            ("--max-error 0.1", "expected the decision credibility"),
            ("--figure 6 --colluders 0..100:10", "expected single values"),
            ("--decision spot-check --partitioning meshed", "expected standard"),
            ("--replication 1.5", "expected a whole number"),
        ] {
            let error = parse(options).unwrap().points().unwrap_err();
            assert!(error.contains(expected), "{options}: {error}");
        }
    }
}
