//! What is simulated: the parameters of GINGER 4.1, and those that came with later schemes.

use outlast_verify::{Decision, Limits, Partitioning, Policy};
use serde::{Deserialize, Serialize};

/// Participants of a run at most: a million, and room for their history stays within a few hundred MiB.
pub const PARTICIPANTS: u32 = 1 << 20;
/// Gridlets of a job at most: as the cells of a job of the grid.
pub const GRIDLETS: u32 = outlast_types::limits::JOB_CELLS as u32;
/// Gridlets of a run at most, over all of its jobs: an hour of simulation.
pub const RUN_GRIDLETS: u64 = 1 << 30;
/// Dimensions of the work at most.
pub const DIMENSIONS: usize = 8;

/// When a liar lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// In each answer.
    Always,
    /// In each answer with this probability (Sarmenta's sabotage rate s).
    Sometimes(f64),
    /// So many honest answers, then so many lies, and again.
    OnOff {
        /// Honest answers in a row.
        honest: u32,
        /// Lies in a row.
        lies: u32,
    },
    /// In all answers after so many honest ones: first it earns trust.
    After(u32),
    /// Only where another colluder has the same work at the moment or lied about it before.
    Careful,
}

/// Who decides what is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Outlast's verifier and ledger, as the grid runs them.
    Outlast(Policy),
    /// BOINC's adaptive replication, after its public description.
    Boinc {
        /// Valid results in a row after which a host is trusted; BOINC: 10.
        trusted_after: u32,
    },
    /// So many answers at once, always; the majority is accepted.
    Fixed {
        /// Answers.
        replication: u8,
    },
    /// Sarmenta's spot-checking without voting: one answer to each gridlet, and the answers of
    /// a caught liar are thrown away.
    SpotCheck {
        /// Share of all leases that are spot checks (q).
        rate: f64,
        /// Whether a caught liar stays out, or comes back as somebody else.
        blacklist: bool,
    },
}

/// A population, its work, and a scheme.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Who computes, liars included.
    pub participants: u32,
    /// How many of them lie, and collude.
    pub colluders: u32,
    /// Atoms along each dimension.
    pub work: Vec<u64>,
    /// Into how many gridlets a job is cut.
    pub gridlets: u32,
    /// Jobs of this kind, one after the other; what was learned is kept.
    pub jobs: u32,
    /// Who submits: each has jobs of its own, its share of the participants (liars are spread evenly), and its
    /// own record of them, as each node of a grid has. Large populations are simulated so, in parallel.
    pub submitters: u32,
    /// Who decides.
    pub scheme: Scheme,
    /// Whether Outlast keeps histories and blacklists: without, as the paper's simulator.
    pub history: bool,
    /// When liars lie.
    pub behaviour: Behaviour,
    /// Whether a blacklisted liar comes back under a new identity.
    pub whitewash: bool,
    /// Probability that two wrong answers about the same work match (c).
    pub matching: f64,
    /// Probability that colluders in different gridlets find out what they have in common: 1 is the
    /// paper's complete knowledge, 0 imperfect (only equal gridlets are recognised).
    pub knowledge: f64,
    /// Share of the atoms of a wrong answer that are forged: samples see no others.
    pub forged: f64,
    /// Atoms that a sample computes of a cell.
    pub sample_atoms: u32,
    /// The slowest machine's speed and the fastest's; uniform in between, 1 being an ordinary one.
    pub speeds: (f64, f64),
    /// Probability that a worker leaves with its gridlet; it comes back when the lease has expired.
    pub departures: f64,
    /// What chance depends on.
    pub seed: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            participants: 1000,
            colluders: 300,
            work: vec![640, 480],
            gridlets: 64,
            jobs: 1,
            submitters: 1,
            scheme: Scheme::Outlast(Policy { samples: 0, ..Policy::with_majority(3) }),
            history: true,
            behaviour: Behaviour::Always,
            whitewash: false,
            matching: 1.0,
            knowledge: 1.0,
            forged: 1.0,
            sample_atoms: 1,
            speeds: (1.0, 1.0),
            departures: 0.0,
            seed: 1,
        }
    }
}

/// A scenario that can't be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScenarioError {
    /// A number is too small or too large.
    #[error("{found} {what}, expected {least} to {most}")]
    OutOfRange {
        /// What of.
        what: &'static str,
        /// What was asked for.
        found: u64,
        /// The least that works.
        least: u64,
        /// The most that works.
        most: u64,
    },
    /// No probability.
    #[error("{what} of {found}, expected a number from 0 to 1")]
    NotAShare {
        /// What of.
        what: &'static str,
        /// What was asked for.
        found: f64,
    },
    /// Speeds that are none.
    #[error("speeds from {slowest} to {fastest}, expected two positive numbers, the smaller first")]
    Speeds {
        /// The first.
        slowest: f64,
        /// The second.
        fastest: f64,
    },
    /// A period of nothing.
    #[error("an on-off liar of 0 honest answers and 0 lies, expected at least one of them")]
    EmptyPeriod,
    /// Others' schemes know whole gridlets only.
    #[error("{found} partitioning with another system's scheme, expected standard")]
    OnlyStandard {
        /// What was asked for.
        found: &'static str,
    },
    /// The work can't be cut so.
    #[error(transparent)]
    Plan(#[from] outlast_verify::partition::PlanError),
    /// The policy can't decide anything.
    #[error(transparent)]
    Policy(#[from] outlast_verify::PolicyError),
}

impl Scenario {
    /// The policy, if Outlast decides.
    pub fn policy(&self) -> Option<&Policy> {
        match &self.scheme {
            Scheme::Outlast(policy) => Some(policy),
            Scheme::Boinc { .. } | Scheme::Fixed { .. } | Scheme::SpotCheck { .. } => None,
        }
    }

    /// How the work is cut.
    pub fn partitioning(&self) -> Partitioning {
        self.policy().map_or(Partitioning::Standard, |policy| policy.partitioning)
    }

    /// Distinct workers that each gridlet needs at least.
    pub fn answers(&self) -> u8 {
        match self.scheme {
            Scheme::Outlast(policy) => match policy.decision {
                Decision::Majority { replication } => replication,
                Decision::First { matching } => matching,
                Decision::Credibility { .. } => 1,
            },
            Scheme::Boinc { .. } => 2,
            Scheme::Fixed { replication } => replication,
            Scheme::SpotCheck { .. } => 1,
        }
    }

    /// The share of the population and the work of one submitter, from 0.
    pub(crate) fn part(&self, submitter: u32) -> Self {
        let share = |all: u32| {
            let (all, of) = (u64::from(all), u64::from(self.submitters));
            (all * (u64::from(submitter) + 1) / of - all * u64::from(submitter) / of) as u32
        };
        let participants = share(self.participants);
        let colluders = share(self.colluders).min(participants);
        Self { participants, colluders, submitters: 1, ..self.clone() }
    }

    /// Share of the participants that lies.
    pub fn liars(&self) -> f64 {
        f64::from(self.colluders) / f64::from(self.participants)
    }

    /// Whether it can be simulated. What the partitioning says is known when the work is cut.
    ///
    /// # Errors
    /// What is impossible, and what would work.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        let within = |what, found: u64, least: u64, most: u64| {
            if (least..=most).contains(&found) {
                return Ok(());
            }
            Err(ScenarioError::OutOfRange { what, found, least, most })
        };
        within("participants", self.participants.into(), 1, PARTICIPANTS.into())?;
        within("colluders", self.colluders.into(), 0, self.participants.into())?;
        within("dimensions of the work", self.work.len() as u64, 1, DIMENSIONS as u64)?;
        for &length in &self.work {
            within("atoms along a dimension of the work", length, 1, 1 << 32)?;
        }
        let atoms = self.work.iter().fold(1u64, |all, &n| all.saturating_mul(n));
        within("gridlets", self.gridlets.into(), 1, u64::from(GRIDLETS).min(atoms))?;
        within("submitters", self.submitters.into(), 1, self.participants.into())?;
        let each = u64::from(self.gridlets).saturating_mul(self.submitters.into());
        within("jobs", self.jobs.into(), 1, RUN_GRIDLETS / each.min(RUN_GRIDLETS))?;
        within("atoms in a sample", self.sample_atoms.into(), 1, u32::MAX.into())?;
        let workers = u64::from(self.participants / self.submitters);
        if let Some(policy) = self.policy() {
            let limits = Limits {
                nodes: Some(workers as u32),
                dimensions: self.work.iter().filter(|&&length| length > 1).count() as u32,
                ..Limits::default()
            };
            policy.validate(&limits)?;
        }
        within("answers to a gridlet", self.answers().into(), 1, workers)?;
        let mut shares = vec![
            ("a probability that two wrong answers match", self.matching),
            ("a knowledge", self.knowledge),
            ("a forged share", self.forged),
            ("a probability to leave", self.departures),
        ];
        match self.behaviour {
            Behaviour::Sometimes(rate) => shares.push(("a probability to lie", rate)),
            Behaviour::OnOff { honest: 0, lies: 0 } => return Err(ScenarioError::EmptyPeriod),
            Behaviour::Always
            | Behaviour::OnOff { .. }
            | Behaviour::After(_)
            | Behaviour::Careful => {}
        }
        if let Scheme::SpotCheck { rate, .. } = self.scheme {
            shares.push(("a share of spot checks", rate));
        }
        for (what, found) in shares {
            if !(0.0..=1.0).contains(&found) {
                return Err(ScenarioError::NotAShare { what, found });
            }
        }
        // Leases that all fail would never end.
        if self.departures > MOST_DEPARTURES {
            let (what, found) = ("a probability to leave above 0.9", self.departures);
            return Err(ScenarioError::NotAShare { what, found });
        }
        let (slowest, fastest) = self.speeds;
        if !(slowest > 0.0 && slowest <= fastest && fastest.is_finite()) {
            return Err(ScenarioError::Speeds { slowest, fastest });
        }
        Ok(())
    }
}

/// Above, a gridlet is begun ten times before it ends.
const MOST_DEPARTURES: f64 = 0.9;

#[cfg(test)]
mod tests {
    use outlast_verify::Schedule;

    use super::*;

    fn refused(scenario: Scenario) -> String {
        scenario.validate().unwrap_err().to_string()
    }

    fn with(policy: Policy) -> Scenario {
        Scenario { scheme: Scheme::Outlast(policy), ..Scenario::default() }
    }

    #[test]
    fn impossible_combinations_are_refused_with_what_would_work() {
        let few = Scenario { participants: 4, colluders: 1, ..with(Policy::with_majority(5)) };
        assert!(refused(few).contains("answers from 5 different nodes, but only 4"));
        let meshed = Policy { partitioning: Partitioning::Meshed, ..Policy::with_majority(3) };
        let line = Scenario { work: vec![1000, 1], ..with(meshed) };
        assert!(refused(line).contains("expected 2 or more"));
        let certain = Policy { samples: 0, ..Policy::with_max_error(0.0) };
        assert!(refused(with(certain)).contains("at least 1 sample"));
        assert!(refused(with(Policy::with_quorum(0))).contains("expected at least 1"));
        let many = Scenario { colluders: 1001, ..Scenario::default() };
        assert_eq!(refused(many), "1001 colluders, expected 0 to 1000");
        let boinc = Scheme::Boinc { trusted_after: 10 };
        let alone =
            Scenario { participants: 1, colluders: 0, scheme: boinc, ..Scenario::default() };
        assert_eq!(refused(alone), "2 answers to a gridlet, expected 1 to 1");
        let sure = Scenario { matching: 1.5, ..Scenario::default() };
        assert!(refused(sure).ends_with("of 1.5, expected a number from 0 to 1"));
        let gone = Scenario { departures: 1.0, ..Scenario::default() };
        assert!(refused(gone).contains("0.9"));
    }

    #[test]
    fn a_scenario_is_read_back_and_unknown_fields_are_refused() {
        let policy = Policy { schedule: Schedule::Auto, ..Policy::with_max_error(0.001) };
        let behaviour = Behaviour::OnOff { honest: 3, lies: 2 };
        let scenario = Scenario { behaviour, submitters: 3, ..with(policy) };
        let text = serde_json::to_string(&scenario).unwrap();
        assert_eq!(serde_json::from_str::<Scenario>(&text).unwrap(), scenario);
        assert!(serde_json::from_str::<Scenario>(r#"{"colluder":3}"#).is_err());
    }
}
