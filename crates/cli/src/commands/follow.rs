//! Following a job to its end, or until somebody has enough.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outlast_api::types::{JobSummary, OutputName};
use outlast_api::{ApiError, Control, ErrorCode};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Context, Lost, Recorded};
use crate::args::FollowArgs;
use crate::connect::Attached;
use crate::exit::{Exit, Failure};
use crate::interrupts::{Interrupt, Interrupts};
use crate::progress::{FIRST_LINE, Progress};
use crate::ui::Ui;

/// How waiting is paced.
#[derive(Clone, Copy, Debug)]
pub struct Pacing {
    /// How long a long poll hangs.
    pub poll: Duration,
    /// Between two polls at least: a fast job changes a thousand times a second.
    pub least: Duration,
    /// How long a daemon that went away may take to come back.
    pub reconnect: Duration,
    /// How often that is tried.
    pub retry: Duration,
    /// How long a second Ctrl-C is waited for.
    pub detach: Duration,
    /// Between two looks at a job's log that is followed: some entries change nothing else.
    pub tail: Duration,
    /// Between two previews at least: they read every result so far.
    pub preview: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(20),
            least: Duration::from_millis(100),
            reconnect: Duration::from_secs(60),
            retry: Duration::from_millis(300),
            detach: Duration::from_secs(3),
            tail: Duration::from_secs(1),
            preview: Duration::from_secs(1),
        }
    }
}

/// How following ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// With the job.
    Ended(Box<JobSummary>),
    /// By Ctrl-C: the job goes on.
    Detached,
    /// By a second one: the job is cancelled.
    Cancelled,
    /// By `--timeout`: the job goes on.
    TimedOut,
}

/// Follows one job.
pub(super) struct Follow<'a, 'b> {
    pub(super) context: &'a mut Context<'b>,
    pub(super) attached: &'a mut Attached,
    pub(super) interrupts: &'a mut Interrupts,
    pub(super) job: &'a str,
    /// Somebody has pressed Ctrl-C already.
    pub(super) pressed: bool,
}

enum Event {
    Answer(Box<Result<JobSummary, ApiError>>),
    Interrupt(Interrupt),
    NodeEnded(Result<(), String>),
    DetachDue,
    TimedOut,
}

impl Follow<'_, '_> {
    /// Until the job ended, or somebody has enough.
    ///
    /// # Errors
    /// If there is no such job, or nobody to ask about it.
    pub(super) async fn until_it_ends(mut self, args: &FollowArgs) -> Result<Outcome, Failure> {
        let mut progress = Progress::new(self.context.ui);
        let result = self.follow(args, &mut progress).await;
        progress.finish();
        result
    }

    async fn follow(
        &mut self,
        args: &FollowArgs,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        let pacing = self.context.pacing;
        let control = self.attached.control();
        let start = Instant::now();
        let mut preview =
            args.preview.as_ref().map(|path| PreviewFile::new(self.context.cwd.join(path)));
        let (mut since, mut notes) = (None, 0);
        let mut lost = None;
        let mut detach_at = None;
        if self.pressed {
            detach_at = Some(self.offer_to_cancel(progress));
        }
        loop {
            // The first line is due although nothing changes.
            let first_line = FIRST_LINE.saturating_sub(start.elapsed());
            let poll = if first_line.is_zero() { pacing.poll } else { first_line };
            let event = tokio::select! {
                answer = control.wait(self.job, since, poll) => Event::Answer(Box::new(answer)),
                interrupt = self.interrupts.next() => Event::Interrupt(interrupt),
                ended = ended(self.attached) => Event::NodeEnded(ended),
                () = at(detach_at) => Event::DetachDue,
                () = at(args.timeout.map(|timeout| start + timeout)) => Event::TimedOut,
            };
            match event {
                Event::Answer(answer) => {
                    let job = match *answer {
                        Ok(job) => job,
                        Err(error) => match self.lost(error, &mut lost, progress).await? {
                            Some(job) => return Ok(Outcome::Ended(job)),
                            None => continue,
                        },
                    };
                    if lost.take().is_some() {
                        progress.say(self.context.ui, "the daemon is back");
                    }
                    progress.update(self.context.ui, start.elapsed(), &job);
                    for note in job.notes.iter().skip(notes) {
                        progress.say(self.context.ui, note);
                    }
                    notes = notes.max(job.notes.len());
                    if let Some(preview) = &mut preview
                        && let Err(error) = preview.refresh(&control, &job, pacing).await
                    {
                        progress.say(self.context.ui, &error);
                    }
                    if job.state.ended() {
                        return Ok(Outcome::Ended(Box::new(job)));
                    }
                    since = Some(job.version);
                    sleep(pacing.least).await;
                }
                Event::Interrupt(Interrupt::Terminate) => {
                    progress.say(self.context.ui, &self.how_to_return("told to end"));
                    return Ok(Outcome::Detached);
                }
                Event::DetachDue => return Ok(Outcome::Detached),
                Event::Interrupt(Interrupt::CtrlC) if detach_at.is_none() => {
                    detach_at = Some(self.offer_to_cancel(progress));
                }
                Event::Interrupt(Interrupt::CtrlC) => {
                    progress.say(self.context.ui, "cancelling the job");
                    tokio::select! {
                        cancelled = control.cancel(self.job) => cancelled?,
                        _ = self.interrupts.next() => return Ok(Outcome::Detached),
                    };
                    return Ok(Outcome::Cancelled);
                }
                Event::NodeEnded(result) => {
                    let why = result.err().map(|why| format!(": {why}")).unwrap_or_default();
                    let message = format!("the node in this process ended{why}");
                    return Err(Failure::new(Exit::NO_DAEMON, self.how_to_return(&message)));
                }
                Event::TimedOut => return Ok(Outcome::TimedOut),
            }
        }
    }

    /// Nobody answered. The job may have ended with the node, which is told; or a daemon may come back, as
    /// the job goes on from its record.
    async fn lost(
        &mut self,
        error: ApiError,
        lost: &mut Option<Lost>,
        progress: &Progress,
    ) -> Result<Option<Box<JobSummary>>, Failure> {
        if error.code != ErrorCode::Unavailable || self.attached.is_embedded() {
            return Err(error.into());
        }
        let first = lost.is_none();
        let lost = lost.get_or_insert_with(Lost::now);
        if !lost.goes_on {
            match self.context.look_at_record(self.job).await {
                Recorded::Ended(record, job) => {
                    *self.attached = record;
                    return Ok(Some(job));
                }
                Recorded::GoesOn => lost.goes_on = true,
                Recorded::Unknown => {}
            }
        }
        if first {
            progress.say(self.context.ui, "the daemon went away; waiting for it to come back");
        }
        if lost.since.elapsed() >= self.context.pacing.reconnect {
            let message = self.how_to_return(&error.message);
            return Err(Failure::new(Exit::NO_DAEMON, message));
        }
        sleep(self.context.pacing.retry).await;
        Ok(None)
    }

    fn how_to_return(&self, what: &str) -> String {
        format!("{what}; `outlast wait {}` goes on with the job", self.job)
    }

    /// Says what Ctrl-C did, and returns until when a second one counts.
    fn offer_to_cancel(&mut self, progress: &Progress) -> Instant {
        let within = format!("{:.0} s", self.context.pacing.detach.as_secs_f64());
        let text = if self.attached.is_embedded() {
            format!(
                "the job stops with this process in {within}; `outlast wait {}` goes on with it. \
                 Ctrl-C again cancels it",
                self.job
            )
        } else {
            format!(
                "the job goes on; `outlast wait {}` comes back to it. Ctrl-C again within {within} cancels it",
                self.job
            )
        };
        progress.say(self.context.ui, &text);
        Instant::now() + self.context.pacing.detach
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

async fn ended(attached: &mut Attached) -> Result<(), String> {
    match attached {
        Attached::Embedded(node) => node.ended().await,
        Attached::Daemon(_) => std::future::pending().await,
    }
}

/// A picture that is kept up to date.
struct PreviewFile {
    path: PathBuf,
    shown: Option<(u32, Instant)>,
    failed: bool,
}

impl PreviewFile {
    fn new(path: PathBuf) -> Self {
        Self { path, shown: None, failed: false }
    }

    /// Writes it anew if there is more to see. An error is told once; the next time may go well.
    async fn refresh(
        &mut self,
        control: &Arc<dyn Control>,
        job: &JobSummary,
        pacing: Pacing,
    ) -> Result<(), String> {
        let due = self.shown.is_none_or(|(cells, at)| {
            cells != job.cells_accepted && (job.state.ended() || at.elapsed() >= pacing.preview)
        });
        if job.cells_accepted == 0 || !due {
            return Ok(());
        }
        let result = match control.preview(&job.id).await {
            Ok(file) => write_atomically(&self.path, &file.bytes)
                .map_err(|error| format!("preview {}: {error}", self.path.display())),
            // This application has nothing to show, or not yet.
            Err(error) if error.code == ErrorCode::NotFound => return Ok(()),
            Err(error) => Err(format!("preview: {error}")),
        };
        self.shown = Some((job.cells_accepted, Instant::now()));
        match result {
            Err(_) if self.failed => Ok(()),
            result => {
                self.failed = result.is_err();
                result
            }
        }
    }
}

/// Puts a file there as a whole: a viewer never sees half of it.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "expected the name of a file")
    })?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}", std::process::id()));
    let part = path.with_file_name(hidden);
    std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path)).inspect_err(|_| {
        let _ = std::fs::remove_file(&part);
    })
}

/// One of the streams of a job's program, on its way to a user.
pub(super) struct Passing {
    name: OutputName,
    /// On our own standard error, otherwise on standard output.
    to_stderr: bool,
    /// Bytes that were written.
    offset: u64,
}

impl Passing {
    /// Nothing of it was written yet.
    pub(super) fn new(name: OutputName, to_stderr: bool) -> Self {
        Self { name, to_stderr, offset: 0 }
    }

    /// Writes the rest of it. Stops quietly if nobody reads it. May be called again after an error, and
    /// goes on where it was.
    ///
    /// # Errors
    /// If it can't be fetched or written.
    pub(super) async fn pass_on(
        &mut self,
        ui: &mut Ui,
        control: &Arc<dyn Control>,
        job: &str,
    ) -> Result<(), Failure> {
        loop {
            let part = control.output(job, self.name, self.offset).await?;
            if part.bytes.is_empty() {
                return Ok(());
            }
            self.offset += part.bytes.len() as u64;
            if self.to_stderr {
                ui.write_err(&part.bytes);
            } else {
                ui.write(&part.bytes)?;
            }
            if self.offset >= part.total {
                return Ok(());
            }
        }
    }
}
