//! Ranges of parameters: each combination is a scenario of its own.

use std::str::FromStr;

use outlast_verify::Decision;

use crate::scenario::{Scenario, Scheme};

/// Scenarios of a sweep at most: a grid of two hundred by fifty.
pub const POINTS: usize = 10_000;

/// A number, a list `a,b,c`, or a range `FIRST..LAST:STEP` with both ends (the step is 1 if none is said).
#[derive(Clone, Debug, PartialEq)]
pub struct Values(pub Vec<f64>);

/// A text is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Something is no number.
    #[error(
        "expected a number, a list such as 1,3,5 or a range such as 0..500:25, found `{found}`"
    )]
    NoNumber {
        /// What.
        found: String,
    },
    /// The steps don't lead from the first to the last.
    #[error(
        "expected a range with a first number up to the last and a step above 0, found `{found}`"
    )]
    NoSteps {
        /// The range.
        found: String,
    },
    /// Too many numbers.
    #[error("expected at most {POINTS} numbers, found more in `{found}`")]
    TooMany {
        /// The range.
        found: String,
    },
}

impl FromStr for Values {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let number = |part: &str| {
            let number = part.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| RangeError::NoNumber { found: part.to_owned() })
        };
        let mut values = Vec::new();
        for part in text.split(',') {
            let Some((first, rest)) = part.split_once("..") else {
                values.push(number(part)?);
                continue;
            };
            let (last, step) = rest.split_once(':').unwrap_or((rest, "1"));
            let (first, last, step) = (number(first)?, number(last)?, number(step)?);
            if first > last || step <= 0.0 {
                return Err(RangeError::NoSteps { found: part.to_owned() });
            }
            // A thousandth of a step: 0.1 can't be added up exactly.
            let steps = ((last - first) / step + 1e-3).floor();
            if steps >= POINTS as f64 {
                return Err(RangeError::TooMany { found: part.to_owned() });
            }
            // Rounded to twelve digits after the point, so that 0.3 is not 0.30000000000000004.
            let round = |value: f64| (value * 1e12).round() / 1e12;
            values.extend((0..=steps as u64).map(|i| round(first + i as f64 * step)));
        }
        if values.len() > POINTS {
            return Err(RangeError::TooMany { found: text.to_owned() });
        }
        Ok(Self(values))
    }
}

/// What can be swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// [`Scenario::participants`].
    Participants,
    /// [`Scenario::colluders`].
    Colluders,
    /// [`Scenario::gridlets`].
    Gridlets,
    /// Answers that are asked for (majority) or have to agree (m-first).
    Replication,
    /// [`Scenario::jobs`].
    Jobs,
    /// Samples for each sampled gridlet.
    Samples,
    /// Share of gridlets that are sampled.
    SampleRate,
    /// [`Scenario::sample_atoms`].
    SampleAtoms,
    /// Share of leases that are quizzes.
    Quizzes,
    /// The error that credibility may leave.
    MaxError,
    /// [`Scenario::matching`].
    Matching,
    /// [`Scenario::knowledge`].
    Knowledge,
    /// [`Scenario::forged`].
    Forged,
    /// [`Scenario::departures`].
    Departures,
}

/// A scenario can't have this value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SweepError {
    /// A count is negative, broken or too large.
    #[error("{name} of {found}, expected a whole number from 0 to {most}")]
    NotWhole {
        /// Which parameter.
        name: &'static str,
        /// What was asked for.
        found: f64,
        /// The largest.
        most: u64,
    },
    /// The scheme has no such parameter.
    #[error("{name}, which {scheme} has no use for, expected {expected}")]
    Unused {
        /// Which parameter.
        name: &'static str,
        /// What decides.
        scheme: &'static str,
        /// Where it means something.
        expected: &'static str,
    },
    /// Too many combinations.
    #[error("{found} combinations of values, expected at most {POINTS}")]
    TooMany {
        /// How many.
        found: usize,
    },
}

impl Parameter {
    /// As in tables and JSON; options are called so too, with dashes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Participants => "participants",
            Self::Colluders => "colluders",
            Self::Gridlets => "gridlets",
            Self::Replication => "replication",
            Self::Jobs => "jobs",
            Self::Samples => "samples",
            Self::SampleRate => "sample_rate",
            Self::SampleAtoms => "sample_atoms",
            Self::Quizzes => "quizzes",
            Self::MaxError => "max_error",
            Self::Matching => "matching",
            Self::Knowledge => "knowledge",
            Self::Forged => "forged",
            Self::Departures => "departures",
        }
    }

    /// Sets it.
    ///
    /// # Errors
    /// If it can't have this value, or the scheme has no such parameter.
    pub fn set(self, scenario: &mut Scenario, value: f64) -> Result<(), SweepError> {
        let name = self.name();
        let whole = |most: u64| {
            if value.fract() == 0.0 && (0.0..=most as f64).contains(&value) {
                return Ok(value as u64);
            }
            Err(SweepError::NotWhole { name, found: value, most })
        };
        let small = || whole(u8::MAX.into()).map(|n| n as u8);
        let large = || whole(u32::MAX.into()).map(|n| n as u32);
        match self {
            Self::Participants => scenario.participants = large()?,
            Self::Colluders => scenario.colluders = large()?,
            Self::Gridlets => scenario.gridlets = large()?,
            Self::Jobs => scenario.jobs = large()?,
            Self::SampleAtoms => scenario.sample_atoms = large()?,
            Self::Matching => scenario.matching = value,
            Self::Knowledge => scenario.knowledge = value,
            Self::Forged => scenario.forged = value,
            Self::Departures => scenario.departures = value,
            Self::Replication => match &mut scenario.scheme {
                Scheme::Fixed { replication } => *replication = small()?,
                Scheme::Outlast(policy) => {
                    let n = small()?;
                    policy.decision = match policy.decision {
                        Decision::Majority { .. } => Decision::Majority { replication: n },
                        Decision::First { .. } => Decision::First { matching: n },
                        Decision::Credibility { .. } => {
                            let expected = "the decision majority or m-first";
                            return Err(SweepError::Unused {
                                name,
                                scheme: "credibility",
                                expected,
                            });
                        }
                    };
                    // As the policies' own constructors: room for as many liars, and accidents.
                    policy.max_answers = n.saturating_mul(2).saturating_add(3);
                }
                Scheme::Boinc { .. } | Scheme::SpotCheck { .. } => {
                    let expected = "the decision majority or m-first";
                    return Err(SweepError::Unused { name, scheme: "this scheme", expected });
                }
            },
            Self::Samples | Self::SampleRate | Self::Quizzes | Self::MaxError => {
                if let (Self::Quizzes, Scheme::SpotCheck { rate, .. }) =
                    (self, &mut scenario.scheme)
                {
                    *rate = value;
                    return Ok(());
                }
                let Scheme::Outlast(policy) = &mut scenario.scheme else {
                    let expected = "the decision majority, m-first or credibility";
                    return Err(SweepError::Unused { name, scheme: "another's scheme", expected });
                };
                match self {
                    Self::Samples => policy.samples = small()?,
                    Self::SampleRate => policy.sample_rate = value as f32,
                    Self::Quizzes => policy.quizzes = value as f32,
                    _ => {
                        let Decision::Credibility { max_error } = &mut policy.decision else {
                            let expected = "the decision credibility";
                            return Err(SweepError::Unused { name, scheme: "voting", expected });
                        };
                        *max_error = value;
                    }
                }
            }
        }
        Ok(())
    }
}

/// One combination.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The values of the parameters that differ between points.
    pub at: Vec<(Parameter, f64)>,
    /// All of it.
    pub scenario: Scenario,
}

/// All combinations of these values, the last parameter changing fastest. A parameter with one value is set
/// in all.
///
/// # Errors
/// If a scenario can't have a value, or there are too many.
pub fn points(base: &Scenario, axes: &[(Parameter, Values)]) -> Result<Vec<Point>, SweepError> {
    let found = axes.iter().fold(1usize, |all, (_, values)| all.saturating_mul(values.0.len()));
    if found > POINTS {
        return Err(SweepError::TooMany { found });
    }
    let mut points = vec![Point { at: Vec::new(), scenario: base.clone() }];
    for (parameter, values) in axes {
        let mut next = Vec::with_capacity(points.len() * values.0.len());
        for point in &points {
            for &value in &values.0 {
                let mut point = point.clone();
                parameter.set(&mut point.scenario, value)?;
                if values.0.len() > 1 {
                    point.at.push((*parameter, value));
                }
                next.push(point);
            }
        }
        points = next;
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<f64> {
        text.parse::<Values>().unwrap().0
    }

    #[test]
    fn ranges_have_both_ends_and_no_dust() {
        assert_eq!(values("7"), [7.0]);
        assert_eq!(values("0..500:250"), [0.0, 250.0, 500.0]);
        assert_eq!(values("1..3"), [1.0, 2.0, 3.0]);
        assert_eq!(values("0..0.5:0.1"), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
        assert_eq!(values("1,3,10..20:5"), [1.0, 3.0, 10.0, 15.0, 20.0]);
        assert_eq!(values("0..10:4"), [0.0, 4.0, 8.0]);
    }

    #[test]
    fn what_is_no_range_is_refused_with_what_was_found() {
        let error = |text: &str| text.parse::<Values>().unwrap_err().to_string();
        assert_eq!(
            error("a..5"),
            "expected a number, a list such as 1,3,5 or a range such as 0..500:25, found `a`"
        );
        assert_eq!(
            error("5..1"),
            "expected a range with a first number up to the last and a step above 0, found `5..1`"
        );
        assert!(error("0..1:0").contains("a step above 0"));
        assert!(error("0..1e9").starts_with("expected at most 10000 numbers"));
        assert!(error("nan").contains("found `nan`"));
        assert!(error("").contains("found ``"));
    }

    #[test]
    fn each_combination_is_a_scenario() {
        let axes = [
            (Parameter::Replication, values_of("1,3")),
            (Parameter::Jobs, values_of("2")),
            (Parameter::Colluders, values_of("0..200:100")),
        ];
        let points = points(&Scenario::default(), &axes).unwrap();
        assert_eq!(points.len(), 6);
        assert_eq!(points[5].at, [(Parameter::Replication, 3.0), (Parameter::Colluders, 200.0)]);
        assert_eq!((points[5].scenario.jobs, points[5].scenario.answers()), (2, 3));
    }

    #[test]
    fn values_that_mean_nothing_are_refused() {
        let set = |parameter: Parameter, scheme, value| {
            let mut scenario = Scenario { scheme, ..Scenario::default() };
            parameter.set(&mut scenario, value).unwrap_err().to_string()
        };
        let boinc = Scheme::Boinc { trusted_after: 10 };
        assert_eq!(
            set(Parameter::Colluders, boinc, 1.5),
            "colluders of 1.5, expected a whole number from 0 to 4294967295"
        );
        assert!(set(Parameter::Samples, boinc, 1.0).contains("expected the decision majority"));
        assert!(set(Parameter::MaxError, Scenario::default().scheme, 0.1).contains("credibility"));
    }

    fn values_of(text: &str) -> Values {
        text.parse().unwrap()
    }
}
