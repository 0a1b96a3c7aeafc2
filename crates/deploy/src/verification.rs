//! The service `verification`: how the answers of other nodes are checked (GINGER, section 3.2).
//!
//! Its arguments become an [`outlast_verify::Policy`], a comparator and trusted nodes. What contradicts
//! itself is refused by [`TechnicalService::init`], as far as the arguments alone show it; what doesn't fit
//! this job (a mesh in one dimension, samples where none can be taken, more replicas than nodes) by
//! [`TechnicalService::apply`], which knows the job. Both before anything runs.

use outlast_gridlet::compare::Comparator;
use outlast_types::NodeId;
use outlast_verify::partition::{self, PlanError};
use outlast_verify::{Decision, Limits, Partitioning, Policy, PolicyError, Schedule};

use crate::args::Args;
use crate::description::{Argument, Description, Kind};
use crate::error::Error;
use crate::service::TechnicalService;
use crate::settings::{NodeSettings, Verification};

/// How the work is cut for its replicas, and, of the first two, when they are handed out.
pub const SCHEMES: &[&str] = &["standard", "incremental", "overlapped", "relaxed", "meshed"];
/// What decides between answers.
pub const DECISIONS: &[&str] = &["majority", "m-first", "credibility"];
/// When replicas are handed out.
pub const SCHEDULES: &[&str] = &["incremental", "all", "auto"];

/// Error that is accepted if the decision is by credibility and nobody says how much: one in a hundred
/// is below what a grid of strangers shows without any check, and reachable with two or three answers.
const MAX_ERROR: f64 = 0.01;

/// Part of the work that is done twice by the relaxed scheme, if nobody says.
const PERCENT: u8 = 50;

/// The service, described.
pub const DESCRIPTION: Description = Description {
    class: "verification",
    aspects: &["verification"],
    about: "how the answers of other nodes are checked before they are believed",
    arguments: &[
        Argument {
            name: "scheme",
            kind: Kind::Choice(SCHEMES),
            default: "incremental",
            about: "how the work is cut for its replicas: standard (all replicas alike, at once), incremental (alike, \
                    another one only while it is needed), overlapped (shifted), relaxed (shifted, a part of the work), \
                    meshed (crossed in two dimensions)",
        },
        Argument {
            name: "replication",
            kind: Kind::Integer { least: 1, most: 255 },
            default: "2",
            about: "answers from different nodes: so many have to agree (m-first), or are asked for (majority)",
        },
        Argument {
            name: "decision",
            kind: Kind::Choice(DECISIONS),
            default: "m-first, or credibility where max_error is said",
            about: "which answer is accepted: what the majority of the answers says, what enough of them say first, or \
                    what is right with probability 1 - max_error",
        },
        Argument {
            name: "max_error",
            kind: Kind::Number { least: 0.0, most: 0.5 },
            default: "0.01",
            about: "credibility: the probability of a wrong answer that is tolerated",
        },
        Argument {
            name: "max_answers",
            kind: Kind::Integer { least: 1, most: 255 },
            default: "2 × replication + 3",
            about: "answers after which a part is computed here, or given up",
        },
        Argument {
            name: "samples",
            kind: Kind::Integer { least: 0, most: 255 },
            default: "1, or 0 where the application has none",
            about: "pieces of a gridlet that the submitter computes itself; what contradicts one is rejected",
        },
        Argument {
            name: "sample_rate",
            kind: Kind::Number { least: 0.0, most: 1.0 },
            default: "1; at least 0.02 where credibility decides",
            about: "share of the gridlets that are sampled, at random; newcomers are sampled more",
        },
        Argument {
            name: "quizzes",
            kind: Kind::Number { least: 0.0, most: 0.5 },
            default: "0",
            about: "share of the leases that are quizzes: work whose answer is known already",
        },
        Argument {
            name: "schedule",
            kind: Kind::Choice(SCHEDULES),
            default: "incremental; all at once for the scheme standard",
            about: "when replicas are handed out: one after another as needed, all at once, or as the load allows",
        },
        Argument {
            name: "percent",
            kind: Kind::Integer { least: 1, most: 99 },
            default: "50",
            about: "relaxed: how much of the work is done more than once",
        },
        Argument {
            name: "comparator",
            kind: Kind::Text,
            default: "the application's own",
            about: "how two answers are compared, such as bytes, numbers:rel=1e-9 or image:psnr=40",
        },
        Argument {
            name: "homogeneous",
            kind: Kind::Boolean,
            default: "false",
            about: "replicas of one gridlet only on nodes that are alike",
        },
        Argument {
            name: "trusted",
            kind: Kind::Texts,
            default: "none but this node",
            about: "nodes whose answers count like this node's own: keys, or their beginnings",
        },
    ],
    always: true,
};

/// The service.
#[derive(Clone, Debug, Default)]
pub struct VerificationService {
    args: Args,
    /// With the number of samples that was asked for; what the application takes isn't known yet.
    policy: Policy,
    comparator: Option<Comparator>,
}

impl TechnicalService for VerificationService {
    fn init(&mut self, args: &Args) -> Result<(), Error> {
        self.args = args.clone();
        let mut policy = decided(args)?;
        (policy.partitioning, policy.schedule) = scheduled(args)?;
        if let Some(answers) = args.integer("max_answers") {
            policy.max_answers = byte(answers);
        }
        if let Some(samples) = args.integer("samples") {
            policy.samples = byte(samples);
        }
        if let Some(rate) = args.number("sample_rate") {
            if policy.samples == 0 {
                let why = "a share of gridlets that are sampled, but 0 samples of each";
                let help = "leave it out, or say `samples = 1`";
                return Err(args.refuse("sample_rate", why).with_help(help));
            }
            policy.sample_rate = rate as f32;
        }
        if let Some(share) = args.number("quizzes") {
            policy.quizzes = share as f32;
        }
        policy.homogeneous = args.boolean("homogeneous").unwrap_or(false);
        if let Some(text) = args.text("comparator") {
            let parsed: Result<Comparator, _> = text.parse();
            let parsed = parsed.map_err(|error| args.refuse("comparator", error.to_string()))?;
            self.comparator = Some(parsed);
        }
        policy.validate(&Limits::default()).map_err(|error| refused(args, &error))?;
        self.policy = policy;
        Ok(())
    }

    fn apply(&self, node: &mut NodeSettings) -> Result<(), Error> {
        let facts = &node.facts;
        let mut policy = self.policy;
        if !self.args.has("samples") {
            policy.samples = facts.samples.unwrap_or(0);
        } else if policy.samples > 0 && facts.samples.is_none() {
            let why = format!(
                "a job of `{}` can't be sampled, as nothing smaller than the whole can be computed here",
                facts.app
            );
            let help = "leave it out, or say 0; replication is the check then";
            return Err(self.args.refuse("samples", why).with_help(help));
        }
        let sides = |cells: &outlast_types::Region| {
            cells.ranges.iter().map(|range| range.end - range.start).max().unwrap_or(0)
        };
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let axes = facts.grid.axes().iter().filter(|axis| axis.cells() > 1).count();
        let limits = Limits {
            // Nobody is held to a number that he didn't choose: this node does what is missing.
            nodes: facts.nodes.filter(|_| self.args.has("replication")),
            dimensions: small(axes as u64),
            gridlet_cells: small(facts.gridlets.iter().map(sides).max().unwrap_or(0)),
            can_sample: facts.samples.is_some(),
        };
        policy.validate(&limits).map_err(|error| refused(&self.args, &error))?;
        if policy.partitioning != Partitioning::Standard {
            let planned = partition::plan(
                &facts.grid,
                &facts.gridlets,
                policy.partitioning,
                policy.replicas(),
            );
            planned.map_err(|error| {
                let percent = matches!(error, PlanError::Percent { .. });
                self.args.refuse(if percent { "percent" } else { "scheme" }, error.to_string())
            })?;
        }
        let named = self.args.texts("trusted").unwrap_or_default().iter();
        let trusted: Result<Vec<NodeId>, String> =
            named.map(|text| node_of(text, &facts.known)).collect();
        let mut trusted = trusted.map_err(|why| self.args.refuse("trusted", why))?;
        trusted.sort();
        trusted.dedup();
        node.verification.policy = policy;
        node.verification.comparator = self.comparator.clone();
        node.verification.trusted = trusted;
        Ok(())
    }

    fn in_force(&self, node: &NodeSettings) -> Vec<(String, String)> {
        rows(&node.verification)
    }
}

/// What holds, by the names of arguments, for people.
pub fn rows(verification: &Verification) -> Vec<(String, String)> {
    let Verification { policy, comparator, trusted } = verification;
    let mut rows = vec![("scheme", policy.partitioning.name().to_owned())];
    if let Partitioning::Relaxed { percent } = policy.partitioning {
        rows.push(("percent", percent.to_string()));
    }
    rows.push(("schedule", schedule_name(policy.schedule).to_owned()));
    rows.push(("decision", decision_name(policy.decision).to_owned()));
    match policy.decision {
        Decision::Majority { replication: n } | Decision::First { matching: n } => {
            rows.push(("replication", n.to_string()));
        }
        Decision::Credibility { max_error } => rows.push(("max_error", max_error.to_string())),
    }
    rows.push(("max_answers", policy.max_answers.to_string()));
    rows.push(("samples", policy.samples.to_string()));
    if policy.samples > 0 {
        rows.push(("sample_rate", policy.sample_rate.to_string()));
    }
    rows.push(("quizzes", policy.quizzes.to_string()));
    let way = comparator.as_ref().map(ToString::to_string);
    rows.push(("comparator", way.unwrap_or_else(|| "the application's own".to_owned())));
    rows.push(("homogeneous", policy.homogeneous.to_string()));
    let keys: Vec<String> = trusted.iter().map(ToString::to_string).collect();
    let none = || "none but this node".to_owned();
    rows.push(("trusted", if keys.is_empty() { none() } else { keys.join(", ") }));
    rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The node that a key, or the beginning of a known one, means. Names won't do: nodes choose them
/// themselves.
fn node_of(text: &str, known: &[NodeId]) -> Result<NodeId, String> {
    if let Ok(node) = text.parse() {
        return Ok(node);
    }
    let prefix = text.to_ascii_lowercase();
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!(
            "expected a node's key or the beginning of one, found `{text}`; `outlast nodes` lists keys"
        ));
    }
    let mut meant = known.iter().filter(|node| node.to_string().starts_with(&prefix));
    match (meant.next(), meant.count()) {
        (Some(node), 0) => Ok(*node),
        (None, _) => Err(format!(
            "no node is known whose key begins with `{text}`; say a whole key, or one that \
             `outlast nodes` lists"
        )),
        (Some(_), more) => {
            Err(format!("`{text}` may mean any of {} nodes; say more of the key", more + 1))
        }
    }
}

/// The number of an argument that [`DESCRIPTION`] keeps within a byte.
fn byte(number: i64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// What decides, with everything else as it is by default then.
fn decided(args: &Args) -> Result<Policy, Error> {
    let replication = args.integer("replication").map(byte);
    let max_error = args.number("max_error");
    let by = match (args.text("decision"), max_error) {
        (Some(by), _) => by,
        (None, Some(_)) => "credibility",
        (None, None) => "m-first",
    };
    if by != "credibility" && max_error.is_some() {
        let why = format!("it belongs to decisions by credibility, found `decision = {by}`");
        let help = "leave it out, or say `decision = \"credibility\"`";
        return Err(args.refuse("max_error", why).with_help(help));
    }
    let default = Policy::default().replicas();
    Ok(match by {
        "majority" => Policy::with_majority(replication.unwrap_or(default)),
        "credibility" if replication.is_some() => {
            let why = "a number of answers, but credibility asks for as many as `max_error` needs";
            let help =
                "leave it out, or say `decision = \"majority\"` or \"m-first\" without `max_error`";
            return Err(args.refuse("replication", why).with_help(help));
        }
        "credibility" => Policy::with_max_error(max_error.unwrap_or(MAX_ERROR)),
        _ => Policy::with_quorum(replication.unwrap_or(default)),
    })
}

/// How the work is cut and when its replicas go out. `standard` and `incremental` are GINGER's names for
/// equal replicas, all at once or one after another.
fn scheduled(args: &Args) -> Result<(Partitioning, Schedule), Error> {
    let scheme = args.text("scheme");
    let schedule = args.text("schedule").map(|name| match name {
        "all" => Schedule::AllAtOnce,
        "auto" => Schedule::Auto,
        _ => Schedule::Incremental,
    });
    if scheme == Some("incremental") && schedule.is_some_and(|when| when != Schedule::Incremental) {
        let found = args.text("schedule").unwrap_or_default();
        let why =
            format!("another schedule (`{found}`) than the one that the scheme `incremental` is");
        let help = "leave `schedule` out, or say `scheme = \"standard\"`";
        return Err(args.refuse("schedule", why).with_help(help));
    }
    let percent = args.integer("percent").map(byte);
    if scheme != Some("relaxed") && percent.is_some() {
        let why = "how much of the work is done twice, which only the scheme `relaxed` asks";
        let help = "leave it out, or say `scheme = \"relaxed\"`";
        return Err(args.refuse("percent", why).with_help(help));
    }
    let (partitioning, default) = match scheme {
        Some("standard") => (Partitioning::Standard, Schedule::AllAtOnce),
        Some("overlapped") => (Partitioning::Overlapped, Schedule::default()),
        Some("relaxed") => {
            let percent = percent.unwrap_or(PERCENT);
            (Partitioning::Relaxed { percent }, Schedule::default())
        }
        Some("meshed") => (Partitioning::Meshed, Schedule::default()),
        _ => (Partitioning::Standard, Schedule::default()),
    };
    Ok((partitioning, schedule.unwrap_or(default)))
}

/// A policy's refusal, at the argument that would have to change.
fn refused(args: &Args, error: &PolicyError) -> Error {
    let name = match error {
        PolicyError::NoQuorum | PolicyError::TooFewNodes { .. } => "replication",
        PolicyError::TooFewAnswers { .. } => "max_answers",
        PolicyError::BadError { .. } | PolicyError::CertainWithoutSamples => "max_error",
        PolicyError::BadShare { what: "quizzes", .. } => "quizzes",
        PolicyError::BadShare { .. } => "sample_rate",
        PolicyError::BadPercent { .. } => "percent",
        PolicyError::NoMesh { .. }
        | PolicyError::NoRoomToShift { .. }
        | PolicyError::NothingToCompare => "scheme",
    };
    args.refuse(name, error.to_string())
}

/// A schedule as a job file calls it.
pub fn schedule_name(schedule: Schedule) -> &'static str {
    match schedule {
        Schedule::Incremental => "incremental",
        Schedule::AllAtOnce => "all",
        Schedule::Auto => "auto",
    }
}

/// A decision as a job file calls it.
pub fn decision_name(decision: Decision) -> &'static str {
    match decision {
        Decision::Majority { .. } => "majority",
        Decision::First { .. } => "m-first",
        Decision::Credibility { .. } => "credibility",
    }
}

#[cfg(test)]
mod tests;
