//! `outlast doctor`: what works on this machine, what doesn't, and how to mend it.
//!
//! ```text
//!   gather ──▶ Facts ──▶ findings ──▶ a report; exit code 1 if there is a problem
//!   (looks)    (what is)  (pure: what that means, and what to do)
//! ```
//!
//! It changes nothing, sends nothing to anybody but this machine and the relays that the user configured, and
//! needs no privileges; what can't be told without them is said to be so.

mod facts;
mod gather;
mod judge;

use serde::Serialize;

pub use facts::Facts;
pub use gather::gather;
pub use judge::findings;

use crate::human;
use crate::ui::{Style, Ui};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, but not everything, or not for long.
    Warning,
    /// Something won't work.
    Problem,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do about it; absent: nothing.
    pub mend: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, found: found.into(), mend: None }
    }

    fn warning(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, found: found.into(), mend: Some(mend.into()) }
    }

    fn problem(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, level: Level::Problem, found: found.into(), mend: Some(mend.into()) }
    }
}

/// The Debian package that has a program.
pub fn package_of(program: &str) -> Option<&'static str> {
    Some(match program {
        "povray" => "povray povray-includes",
        "ffmpeg" => "ffmpeg",
        "convert" | "mogrify" | "magick" => "imagemagick",
        "gzip" => "gzip",
        "xz" => "xz-utils",
        "bzip2" => "bzip2",
        "zstd" => "zstd",
        "flac" => "flac",
        "blender" => "blender",
        _ => return None,
    })
}

/// As text, for a person.
pub fn report(findings: &[Finding], ui: &Ui) -> String {
    let width = usize::from(ui.width.unwrap_or(u16::MAX));
    let names = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let style = match finding.level {
            Level::Ok => Style::Good,
            Level::Warning => Style::Middling,
            Level::Problem => Style::Bad,
        };
        let level = finding.level.as_str();
        let painted = ui.paint(style, level);
        // Beside the name if there is room, else below it.
        let indent = if width >= names + 50 { names + 11 } else { 4 };
        let gap = " ".repeat(7 - level.len());
        text.push_str(&format!("{painted}{gap}  {:names$}", finding.check));
        let mut lines = human::wrap(&human::tame(&finding.found), width.saturating_sub(indent));
        if let Some(mend) = &finding.mend {
            let mend = format!("→ {}", human::tame(mend));
            lines.extend(human::wrap(&mend, width.saturating_sub(indent)));
        }
        let margin = format!("\n{:indent$}", "");
        let joined = lines.join(&margin);
        if indent == 4 {
            text.truncate(text.trim_end().len());
            text.push_str(&format!("{margin}{joined}\n"));
        } else {
            text.push_str(&format!("  {joined}\n"));
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count() as u64;
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    text.push_str(&match (problems, warnings) {
        (0, 0) => "\nall is well\n".to_owned(),
        _ => format!(
            "\n{}, {}\n",
            human::count(problems, "problem"),
            human::count(warnings, "warning")
        ),
    });
    text
}

#[cfg(test)]
mod tests;
