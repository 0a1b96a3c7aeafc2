//! Technical services: what there is, and what acts on a job.

use outlast_api::types::{JobDetail, Schedule, ServiceSetting};
use outlast_deploy::Description;

use super::{Grid, pairs};
use crate::human;

/// `services`: each with its arguments and their defaults.
pub fn services(services: &[&Description], width: Option<u16>) -> String {
    let mut text = String::new();
    for (number, service) in services.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        text.push_str(&format!("{}: {}\n", service.class, service.about));
        let mut grid = Grid::new(width, &["  ARGUMENT", "TAKES", "DEFAULT"], 1);
        for argument in service.arguments {
            grid.row(vec![
                format!("  {}", argument.name),
                argument.kind.expected(),
                argument.default.to_owned(),
            ]);
        }
        text.push_str(&grid.finish());
    }
    text
}

/// `services NAME`: with what each argument means.
pub fn service(service: &Description, width: Option<u16>) -> String {
    let mut text = String::new();
    let when = match service.always {
        true => "with its defaults on every job that names no other service of its aspect",
        false => "on jobs that name it",
    };
    let head = [
        ("service", service.class.to_owned()),
        ("is", service.about.to_owned()),
        ("decides on", service.aspects.join(", ")),
        ("acts", when.to_owned()),
    ];
    pairs(&mut text, &head, width);
    for argument in service.arguments {
        text.push_str(&format!("\n{}\n", argument.name));
        let lines = [
            ("  is", argument.about.to_owned()),
            ("  takes", argument.kind.expected()),
            ("  default", argument.default.to_owned()),
        ];
        pairs(&mut text, &lines, width);
    }
    text
}

/// What acts on a job: what was said, with its place, before what is so by default.
pub(super) fn in_force(text: &mut String, detail: &JobDetail, width: Option<u16>) {
    if detail.services.is_empty() {
        return;
    }
    text.push_str("\nservices\n");
    let mut lines: Vec<(String, String)> = Vec::new();
    for service in &detail.services {
        let (by_default, said): (Vec<_>, Vec<_>) =
            service.settings.iter().partition(|setting| setting.from.is_empty());
        let said = said.iter().map(|s| format!("{} {} ({})", s.name, s.value, s.from));
        let by_default = by_default.iter().map(|s| format!("{} {}", s.name, s.value));
        let join = |list: Vec<String>| list.join(", ");
        let (said, by_default) = (join(said.collect()), join(by_default.collect()));
        let mut name = format!("  {}", human::tame(&service.class));
        if !said.is_empty() {
            lines.push((std::mem::take(&mut name), said));
        }
        if !by_default.is_empty() {
            lines.push((name, format!("by default: {by_default}")));
        }
    }
    let lines: Vec<(&str, String)> =
        lines.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    pairs(text, &lines, width);
}

fn setting<'d>(detail: &'d JobDetail, name: &str) -> Option<&'d str> {
    let service = detail.services.iter().find(|service| service.class == "verification")?;
    let found = |setting: &&ServiceSetting| setting.name == name;
    service.settings.iter().find(found).map(|setting| setting.value.as_str())
}

/// What decides, in a sentence.
pub(super) fn policy(detail: &JobDetail) -> String {
    let policy = &detail.policy;
    let schedule = match (policy.schedule, policy.schedule_now) {
        (Schedule::Incremental, _) => "another one only while no decision can be reached",
        (Schedule::AllAtOnce, _) => "all that a decision needs at once",
        (Schedule::Auto, Some(Schedule::AllAtOnce)) => "all at once now, as the grid is idle",
        (Schedule::Auto, Some(_)) => "one after the other now, as the grid is busy",
        (Schedule::Auto, None) => "all at once or one after the other, as the grid is idle or busy",
    };
    let agree = match (setting(detail, "decision"), policy.quorum) {
        (Some("credibility"), _) => {
            let most = setting(detail, "max_error").unwrap_or("?");
            format!("answers are accepted that are wrong with a probability of at most {most}")
        }
        (Some("majority"), _) => {
            let asked = setting(detail, "replication").unwrap_or("?");
            format!("{asked} answers from different nodes, of which most have to agree")
        }
        (_, 1) => "one answer is enough".to_owned(),
        (_, quorum) => format!("{quorum} answers from different nodes have to agree"),
    };
    format!("{agree}, at most {}, {schedule}", policy.max_answers)
}
