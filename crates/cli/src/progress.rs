//! How far a job is: a bar on a terminal, elsewhere a line whenever something of note changed.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use outlast_api::types::{JobState, JobSummary, Staging};

use crate::human;
use crate::ui::Ui;

/// A line at least this often while work is being done, for whoever reads a log of it.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// What a bar looks like.
const TEMPLATE: &str = "{spinner} [{bar:20}] {wide_msg}";

/// No line before this: what is done at once needs none.
pub const FIRST_LINE: Duration = Duration::from_secs(2);

/// Lines for the parts of the work that are done, besides: quarters.
const PARTS: u64 = 4;

/// Shows how far a job is.
pub enum Progress {
    /// Says nothing.
    Off,
    /// A bar that moves.
    Bar(ProgressBar),
    /// A line now and then.
    Lines(Lines),
}

impl Progress {
    /// What fits to the streams.
    pub fn new(ui: &Ui) -> Self {
        if ui.quiet {
            return Self::Off;
        }
        if !ui.bars {
            return Self::Lines(Lines::default());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(TEMPLATE)
            .map(|style| style.progress_chars("=> "))
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self::Bar(bar)
    }

    /// Shows `job`, which was so at `now`, counted from any moment.
    pub fn update(&mut self, ui: &mut Ui, now: Duration, job: &JobSummary) {
        match self {
            Self::Off => {}
            Self::Bar(bar) => {
                bar.set_length(job.cells_total.into());
                bar.set_position(job.cells_accepted.into());
                bar.set_message(beside_bar(job));
            }
            Self::Lines(lines) => {
                if lines.worth_a_line(now, job) {
                    ui.say(&describe(job));
                }
            }
        }
    }

    /// Says something besides.
    pub fn say(&self, ui: &mut Ui, text: &str) {
        match self {
            Self::Bar(bar) => bar.suspend(|| ui.say(text)),
            Self::Off | Self::Lines(_) => ui.say(text),
        }
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
        *self = Self::Off;
    }
}

/// How far a job is, in a line.
pub fn describe(job: &JobSummary) -> String {
    if job.state == JobState::Queued {
        return match &job.waiting_for {
            Some(what) => format!("queued: {what}"),
            None => "queued".to_owned(),
        };
    }
    let mut text = format!(
        "{}: {} of {}, {} of {} accepted",
        job.state.as_str(),
        job.gridlets_done,
        human::count(job.gridlets_total.into(), "gridlet"),
        job.cells_accepted,
        human::count(job.cells_total.into(), "cell"),
    );
    if job.answers_rejected > 0 {
        text.push_str(&format!(", {} rejected", job.answers_rejected));
    }
    if let Some(staging) = &job.staging {
        text.push_str(&format!("; inputs: {}", inputs(staging)));
    } else if let Some(what) = &job.waiting_for {
        text.push_str(&format!("; {what}"));
    } else if let Some(eta) = job.eta_s.filter(|_| job.state == JobState::Running) {
        text.push_str(&format!(", about {} left", human::duration(eta)));
    }
    text
}

/// How far inputs on their way are.
pub fn inputs(staging: &Staging) -> String {
    let (here, total) = (human::bytes(staging.bytes_here), human::bytes(staging.bytes_total));
    let at =
        if staging.nodes == 1 { String::new() } else { format!(" at {} nodes", staging.nodes) };
    format!("{here} of {total}{at}")
}

/// The same beside a bar: fits into 80 columns.
fn beside_bar(job: &JobSummary) -> String {
    if let Some(what) = &job.waiting_for {
        return format!("{}: {what}", job.state.as_str());
    }
    if job.state != JobState::Running {
        return job.state.as_str().to_owned();
    }
    let mut text = format!(
        "{}/{} gridlets, {}/{} cells",
        job.gridlets_done, job.gridlets_total, job.cells_accepted, job.cells_total
    );
    if job.answers_rejected > 0 {
        text.push_str(&format!(", {} rejected", job.answers_rejected));
    }
    if let Some(staging) = &job.staging {
        text.push_str(&format!(", inputs {}", inputs(staging)));
    } else if let Some(eta) = job.eta_s {
        text.push_str(&format!(", {} left", human::duration(eta)));
    }
    text
}

/// Decides what is worth a line.
#[derive(Debug, Default)]
pub struct Lines {
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Last {
    at: Duration,
    state: JobState,
    rejected: u64,
    part: u64,
    accepted: u32,
    waits: bool,
    /// Bytes of inputs that are there, while some are on their way.
    staged: Option<u64>,
}

impl Lines {
    fn worth_a_line(&mut self, now: Duration, job: &JobSummary) -> bool {
        let part = u64::from(job.cells_accepted) * PARTS / u64::from(job.cells_total).max(1);
        let this = Last {
            at: now,
            state: job.state,
            rejected: job.answers_rejected,
            part,
            accepted: job.cells_accepted,
            waits: job.waiting_for.is_some(),
            staged: job.staging.map(|staging| staging.bytes_here),
        };
        let worth = !job.state.ended()
            && now >= FIRST_LINE
            && self.last.is_none_or(|last| {
                last.state != this.state
                    || last.waits != this.waits
                    || last.rejected != this.rejected
                    || last.part != this.part
                    || last.staged.is_some() != this.staged.is_some()
                    || ((last.accepted, last.staged) != (this.accepted, this.staged)
                        && now >= last.at + LINE_EVERY)
            });
        if worth {
            self.last = Some(this);
        }
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::summary;

    #[test]
    fn lines_come_with_changes_of_note_only() {
        let mut lines = Lines::default();
        let mut job = summary();
        let mut line = |second: u64, state: JobState, accepted: u32, rejected: u64| {
            job.state = state;
            job.cells_accepted = accepted;
            job.answers_rejected = rejected;
            lines.worth_a_line(Duration::from_secs(second), &job)
        };
        assert!(!line(1, JobState::Queued, 0, 0), "it may be over at once");
        assert!(line(2, JobState::Queued, 0, 0), "the first");
        assert!(!line(2, JobState::Queued, 0, 0), "nothing new");
        assert!(line(2, JobState::Running, 0, 0), "another state");
        assert!(!line(2, JobState::Running, 1, 0), "a little more");
        assert!(line(2, JobState::Running, 1, 1), "somebody was caught");
        assert!(line(3, JobState::Running, 12, 1), "a quarter");
        assert!(!line(32, JobState::Running, 13, 1));
        assert!(line(33, JobState::Running, 13, 1), "half a minute later");
        assert!(!line(99, JobState::Running, 13, 1), "nothing new for long");
        assert!(!line(99, JobState::Done, 48, 1), "the report says so");
    }

    #[test]
    fn the_bars_template_is_one() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[test]
    fn a_line_says_how_far_it_is() {
        let mut job = summary();
        assert_eq!(
            describe(&job),
            "running: 3 of 12 gridlets, 13 of 48 cells accepted, 1 rejected, about 4.0 s left"
        );
        assert_eq!(beside_bar(&job), "3/12 gridlets, 13/48 cells, 1 rejected, 4.0 s left");
        job.staging = Some(Staging { nodes: 1, bytes_here: 12 << 20, bytes_total: 1 << 30 });
        assert_eq!(
            describe(&job),
            "running: 3 of 12 gridlets, 13 of 48 cells accepted, 1 rejected; inputs: 12 MiB of 1.0 GiB"
        );
        job.staging = Some(Staging { nodes: 2, bytes_here: 12 << 20, bytes_total: 2 << 30 });
        let beside = beside_bar(&job);
        assert!(beside.ends_with("1 rejected, inputs 12 MiB of 2.0 GiB at 2 nodes"), "{beside}");
        job.state = JobState::Queued;
        assert_eq!(describe(&job), "queued");
        assert_eq!(beside_bar(&job), "queued");
    }
}
