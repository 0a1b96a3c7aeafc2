//! The paper's figures 6 and 7, and what theory says about a scenario.

use outlast_verify::{Decision, Partitioning, Policy, Schedule};

use crate::outcome::{Estimate, Summary};
use crate::plot::{Chart, Curve};
use crate::scenario::{Behaviour, Scenario, Scheme};
use crate::sweep::{Parameter, Point};
use crate::theory;

/// Replication factors of figure 6.
const FACTORS: [u8; 5] = [1, 3, 5, 7, 9];
/// The replication factor of figure 7.
const FACTOR: u8 = 3;
/// Colluders are drawn every so many per cent, theory every one.
const STEP: u32 = 5;

/// A figure of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Bad results accepted against colluders, for several replication factors.
    Six,
    /// The same at factor 3: standard against overlapped partitioning, colluders knowing all or less.
    Seven,
}

/// One curve of a figure: a name, and the scenario at each share of colluders.
#[derive(Clone, Debug)]
pub struct Line {
    /// For the legend.
    pub name: String,
    /// Simulated, from no colluders to nobody else.
    pub points: Vec<Point>,
    base: Scenario,
}

impl Figure {
    /// What is written above it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Six => "Bad results accepted, by replication factor",
            Self::Seven => "Standard and overlapped partitioning, replication factor 3",
        }
    }

    /// Its curves, for this population and work. As the paper's simulator: random schedulers, votes alone,
    /// no history, liars that always lie.
    pub fn lines(self, base: &Scenario) -> Vec<Line> {
        let with = |name: String, replication, partitioning, knowledge| {
            let policy = Policy {
                samples: 0,
                schedule: Schedule::AllAtOnce,
                partitioning,
                ..Policy::with_majority(replication)
            };
            let scheme = Scheme::Outlast(policy);
            let base = Scenario {
                scheme,
                knowledge,
                history: false,
                behaviour: Behaviour::Always,
                jobs: 1,
                ..base.clone()
            };
            let points = (0..=100 / STEP).map(|i| at(&base, i * STEP)).collect();
            Line { name, points, base }
        };
        let overlapped = Partitioning::Overlapped;
        match self {
            Self::Six => FACTORS
                .map(|r| with(format!("replication {r}"), r, Partitioning::Standard, 1.0))
                .to_vec(),
            Self::Seven => vec![
                with("standard".to_owned(), FACTOR, Partitioning::Standard, 1.0),
                with("overlapped, complete knowledge".to_owned(), FACTOR, overlapped, 1.0),
                with("overlapped, half of it known".to_owned(), FACTOR, overlapped, 0.5),
                with("overlapped, imperfect knowledge".to_owned(), FACTOR, overlapped, 0.0),
            ],
        }
    }

    /// The figure, from what came of the lines' points, in order.
    pub fn chart(self, lines: &[Line], summaries: &[Summary]) -> Chart {
        let mut rest = summaries.iter();
        let curves = lines.iter().map(|line| {
            let percent = |point: &Point| 100.0 * point.scenario.liars();
            let points = line.points.iter().zip(rest.by_ref());
            let points = points.map(|(p, s)| (percent(p), in_percent(s.accepted_wrong))).collect();
            let theory = (0..=100).filter_map(|percent| {
                let scenario = at(&line.base, percent).scenario;
                Some((f64::from(percent), 100.0 * expected(&scenario)?))
            });
            Curve { name: line.name.clone(), points, theory: theory.collect() }
        });
        Chart {
            title: self.title().to_owned(),
            x: "% colluders".to_owned(),
            y: "% bad results accepted".to_owned(),
            curves: curves.collect(),
        }
    }
}

/// The scenario with so many per cent of colluders.
fn at(base: &Scenario, percent: u32) -> Point {
    let colluders = (u64::from(base.participants) * u64::from(percent) / 100) as u32;
    let at = vec![(Parameter::Colluders, f64::from(colluders))];
    Point { at, scenario: Scenario { colluders, ..base.clone() } }
}

pub(crate) fn in_percent(estimate: Estimate) -> Estimate {
    let Estimate { mean, low, high } = estimate;
    Estimate { mean: 100.0 * mean, low: 100.0 * low, high: 100.0 * high }
}

/// The share of wrong results accepted that theory expects; None where there is no closed form (credibility
/// has a bound, see [`bound`]).
pub fn expected(scenario: &Scenario) -> Option<f64> {
    let always = scenario.behaviour == Behaviour::Always;
    let (all, liars) = (scenario.participants, scenario.colluders);
    if scenario.matching < 1.0 || !always {
        return None;
    }
    match scenario.scheme {
        Scheme::Fixed { replication } => Some(voted(odd(replication), all, liars)),
        Scheme::Outlast(policy) => {
            if scenario.history || policy.quizzes > 0.0 {
                return None;
            }
            let answers = match policy.decision {
                Decision::Majority { replication } => odd(replication),
                Decision::First { matching } => 2 * u32::from(matching) - 1,
                Decision::Credibility { .. } => return None,
            };
            let known = match policy.partitioning {
                Partitioning::Standard => 1.0,
                Partitioning::Overlapped | Partitioning::Meshed => scenario.knowledge,
                Partitioning::Relaxed { .. } => return None,
            };
            match (policy.samples, answers) {
                (0, 1) => Some(scenario.liars()),
                (0, _) => Some(known * voted(answers, all, liars)),
                (1, 1) if policy.sample_rate >= 1.0 => Some(sampled(scenario)),
                _ => None,
            }
        }
        Scheme::Boinc { .. } | Scheme::SpotCheck { .. } => None,
    }
}

/// The share that theory promises not to be exceeded, where it promises any.
pub fn bound(scenario: &Scenario) -> Option<f64> {
    match scenario.policy()?.decision {
        Decision::Credibility { max_error } => Some(max_error),
        Decision::Majority { .. } | Decision::First { .. } => None,
    }
}

/// Whom no majority decides, one more answer does: an even factor is as the odd one above it.
fn odd(replication: u8) -> u32 {
    u32::from(replication) | 1
}

fn voted(answers: u32, participants: u32, colluders: u32) -> f64 {
    theory::majority_of(answers.min(participants), participants, colluders)
}

/// One answer, sampled. A lie that is seen is given to somebody else; if he tells the same one, the sample that
/// is there sees it again.
fn sampled(scenario: &Scenario) -> f64 {
    let atoms: u64 = scenario.work.iter().product::<u64>() / u64::from(scenario.gridlets);
    let escapes = match u64::from(scenario.sample_atoms) >= atoms {
        true => 0.0,
        false => theory::merkle(1.0 - scenario.forged, 0.0, scenario.sample_atoms),
    };
    scenario.liars() * escapes
}

/// The chart of a sweep: wrong results accepted against the parameter with the most values, a curve for each
/// combination of the others. None if nothing is swept.
pub fn chart_of(points: &[Point], summaries: &[Summary]) -> Option<Chart> {
    let first = points.first()?;
    let values = |nth: usize| {
        let mut seen: Vec<u64> = points.iter().map(|point| point.at[nth].1.to_bits()).collect();
        seen.sort_unstable();
        seen.dedup();
        seen.len()
    };
    let across = (0..first.at.len()).max_by_key(|&nth| (values(nth), std::cmp::Reverse(nth)))?;
    let mut curves: Vec<Curve> = Vec::new();
    for (point, summary) in points.iter().zip(summaries) {
        let others = point.at.iter().enumerate().filter(|(nth, _)| *nth != across);
        let name: Vec<String> = others
            .map(|(_, (p, value))| format!("{} {value}", p.name().replace('_', " ")))
            .collect();
        let name = if name.is_empty() { "simulated, theory".to_owned() } else { name.join(", ") };
        let at = curves.iter().position(|curve| curve.name == name).unwrap_or_else(|| {
            curves.push(Curve { name, points: Vec::new(), theory: Vec::new() });
            curves.len() - 1
        });
        let x = point.at[across].1;
        curves[at].points.push((x, in_percent(summary.accepted_wrong)));
        let theory = expected(&point.scenario).or_else(|| bound(&point.scenario));
        curves[at].theory.extend(theory.map(|y| (x, 100.0 * y)));
    }
    Some(Chart {
        title: "Bad results accepted".to_owned(),
        x: first.at[across].0.name().replace('_', " "),
        y: "% bad results accepted".to_owned(),
        curves,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Values, points};

    #[test]
    fn a_sweep_is_drawn_over_its_longest_axis() {
        let values = |text: &str| text.parse::<Values>().unwrap();
        let axes =
            [(Parameter::Colluders, values("0..300:100")), (Parameter::Replication, values("1,3"))];
        let points = points(&Scenario { history: false, ..Scenario::default() }, &axes).unwrap();
        let chart = chart_of(&points, &vec![Summary::default(); points.len()]).unwrap();
        assert_eq!(chart.x, "colluders");
        let names: Vec<&str> = chart.curves.iter().map(|curve| &curve.name[..]).collect();
        assert_eq!(names, ["replication 1", "replication 3"]);
        assert!(chart.curves.iter().all(|c| c.points.len() == 4 && c.theory.len() == 4));
        assert_eq!(chart_of(&points[..0], &[]), None);
    }

    #[test]
    fn charts_are_drawn_without_any_font_of_the_machine() {
        let lines = Figure::Seven.lines(&Scenario::default());
        let all = lines.iter().map(|line| line.points.len()).sum();
        let chart = Figure::Seven.chart(&lines, &vec![Summary::default(); all]);
        let svg = chart.svg().unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("imperfect knowledge"), "{}", &svg[..200]);
        let png = chart.png().unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 5000);
    }
}
