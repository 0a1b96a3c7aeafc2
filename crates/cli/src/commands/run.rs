//! `run` and `wait`: a job, to its end.

use std::collections::BTreeSet;
use std::sync::Arc;

use outlast_api::types::{FailureKind, JobDetail, JobSpec, JobState, JobSummary, OutputName, Page};
use outlast_api::{Control, ErrorCode};
use tokio::time::{Instant, sleep};

use super::Context;
use super::follow::{Follow, Outcome, Passing};
use crate::args::{FollowArgs, RunArgs, WaitArgs};
use crate::connect::Attached;
use crate::doctor;
use crate::embed::Role;
use crate::exit::{Exit, Failure};
use crate::human;
use crate::interrupts::Interrupts;
use crate::render;
use crate::ui::Ui;

/// `outlast run`.
pub(super) async fn run(context: &mut Context<'_>, args: RunArgs) -> Result<Exit, Failure> {
    let spec = args.job.resolve(&context.cwd, &context.embedder.services())?;
    let mut attached = context.attach(Role::Embedded).await?;
    let result = run_on(context, &mut attached, spec, &args.follow).await;
    attached.stop().await;
    result
}

async fn run_on(
    context: &mut Context<'_>,
    attached: &mut Attached,
    spec: JobSpec,
    follow: &FollowArgs,
) -> Result<Exit, Failure> {
    let mut interrupts = context.interrupts()?;
    let control = attached.control();
    let before = if attached.is_embedded() { unfinished(&control).await? } else { BTreeSet::new() };
    let (id, pressed) = submit(context, &control, spec, &mut interrupts).await?;
    let hosts = attached.is_embedded();
    let result = follow_to_verdict(context, attached, &id, follow, &mut interrupts, pressed).await;
    if hosts && matches!(result, Ok((_, true))) {
        wait_for_others(context, &control, before, &mut interrupts).await;
    }
    result.map(|(exit, _)| exit)
}

/// `outlast wait`.
pub(super) async fn wait(context: &mut Context<'_>, args: WaitArgs) -> Result<Exit, Failure> {
    // A look at the record is enough for a job that ended; only another one needs a node that works.
    let mut attached = context.attach(Role::Passive).await?;
    if attached.is_embedded() {
        let job = attached.control().job(&args.job.job, Page::NONE).await;
        if matches!(&job, Ok(job) if !job.summary.state.ended()) {
            attached.stop().await;
            attached = context.attach(Role::Embedded).await?;
        }
    }
    let result = wait_on(context, &mut attached, args).await;
    attached.stop().await;
    result
}

/// `outlast retry`.
pub(super) async fn retry(context: &mut Context<'_>, args: WaitArgs) -> Result<Exit, Failure> {
    let mut attached = context.attach(Role::Embedded).await?;
    let result = match attached.control().retry(&args.job.job).await {
        Ok(_) => wait_on(context, &mut attached, args).await,
        Err(error) => Err(error.into()),
    };
    attached.stop().await;
    result
}

async fn wait_on(
    context: &mut Context<'_>,
    attached: &mut Attached,
    args: WaitArgs,
) -> Result<Exit, Failure> {
    let mut interrupts = context.interrupts()?;
    let control = attached.control();
    // The whole id: a prefix may become ambiguous while we wait.
    let id = control.job(&args.job.job, Page::NONE).await?.summary.id;
    let before = if attached.is_embedded() { unfinished(&control).await? } else { BTreeSet::new() };
    let hosts = attached.is_embedded();
    let result =
        follow_to_verdict(context, attached, &id, &args.follow, &mut interrupts, false).await;
    if hosts && matches!(result, Ok((_, true))) {
        wait_for_others(context, &control, before, &mut interrupts).await;
    }
    result.map(|(exit, _)| exit)
}

/// Gives the job to the node. True: Ctrl-C was pressed meanwhile; the node would take the job on all the
/// same, so we wait for its id.
async fn submit(
    context: &mut Context<'_>,
    control: &Arc<dyn Control>,
    spec: JobSpec,
    interrupts: &mut Interrupts,
) -> Result<(String, bool), Failure> {
    let mut submitting = control.submit(spec);
    let mut pressed = false;
    loop {
        tokio::select! {
            id = &mut submitting => return Ok((id?, pressed)),
            _ = interrupts.next() => {
                if pressed {
                    let message = "left before the job was accepted; `outlast ps` tells whether it was";
                    return Err(Failure::new(Exit::INTERRUPTED, message));
                }
                pressed = true;
                context.ui.say("the job is being accepted; Ctrl-C again leaves at once");
            }
        }
    }
}

/// The exit code, and whether the job came to its end.
async fn follow_to_verdict(
    context: &mut Context<'_>,
    attached: &mut Attached,
    id: &str,
    args: &FollowArgs,
    interrupts: &mut Interrupts,
    pressed: bool,
) -> Result<(Exit, bool), Failure> {
    let follow = Follow { context, attached, interrupts, job: id, pressed };
    match follow.until_it_ends(args).await? {
        Outcome::Ended(job) => Ok((conclude(context, attached, &job).await?, true)),
        Outcome::Detached => Ok((Exit::INTERRUPTED, false)),
        Outcome::Cancelled => {
            context.ui.say("the job is cancelled");
            Ok((Exit::INTERRUPTED, false))
        }
        Outcome::TimedOut => {
            let time = human::duration(args.timeout.unwrap_or_default().as_secs_f64());
            let message =
                format!("not done after {time}; `outlast wait {id}` goes on with the job");
            Err(Failure::new(Exit::TIMEOUT, message))
        }
    }
}

/// Passes on what came out, tells how it went. A node that leaves meanwhile, as another client's does when
/// its last job has ended, leaves the job's record.
async fn conclude(
    context: &mut Context<'_>,
    attached: &mut Attached,
    job: &JobSummary,
) -> Result<Exit, Failure> {
    let mut streams =
        [Passing::new(OutputName::Stdout, false), Passing::new(OutputName::Stderr, true)];
    let start = Instant::now();
    let (detail, printed) = loop {
        let told = tell(context.ui, &attached.control(), job, &mut streams).await;
        let left = match &told {
            Ok((_, printed)) => printed.as_ref().err(),
            Err(failure) => Some(failure),
        };
        let left = left.is_some_and(|failure| failure.exit == Exit::NO_DAEMON);
        if !left || attached.is_embedded() || start.elapsed() >= context.pacing.reconnect {
            break told?;
        }
        sleep(context.pacing.retry).await;
        *attached = context.attach(Role::Passive).await?;
    };
    for line in render::report(&detail) {
        context.ui.say(&line);
    }
    match printed {
        // Nobody reads on, or there is nothing: the program's exit code counts all the same.
        Err(failure) if failure.exit != Exit::OK && failure.exit != Exit::NO_JOB => {
            return Err(failure);
        }
        _ => {}
    }
    verdict(job).map_err(|failure| match failure.exit {
        Exit::NO_PROGRAM => Failure::new(failure.exit, no_program(&failure.message, &detail)),
        _ => failure,
    })
}

/// What came out, and whether it could be printed.
async fn tell(
    ui: &mut Ui,
    control: &Arc<dyn Control>,
    job: &JobSummary,
    streams: &mut [Passing],
) -> Result<(JobDetail, Result<(), Failure>), Failure> {
    let detail = control.job(&job.id, Page::NONE).await?;
    let mut printed = Ok(());
    if ui.json {
        printed = ui.print_json(&detail);
    } else if job.state == JobState::Done && job.app == "command" {
        for stream in streams {
            printed = printed.and(stream.pass_on(ui, control, &job.id).await);
        }
    }
    Ok((detail, printed))
}

/// Nodes that a message names; more would only be a long list.
const NAMED: usize = 8;

/// Who was asked for the program, and what to do.
fn no_program(message: &str, detail: &JobDetail) -> String {
    let mut text = message.to_owned();
    let asked: Vec<String> =
        detail.workers.iter().map(|worker| render::node_name(&worker.name, &worker.node)).collect();
    if !asked.is_empty() {
        let more = asked.len().saturating_sub(NAMED);
        text.push_str(&format!("; asked: {}", asked[..asked.len() - more].join(", ")));
        if more > 0 {
            text.push_str(&format!(" and {}", human::count(more as u64, "other")));
        }
    }
    let program = detail.summary.command.first().map_or("", String::as_str);
    let program = program.rsplit('/').next().unwrap_or_default();
    let install = match doctor::package_of(program) {
        Some(package) => format!("install it on a node (Debian: `apt install {package}`)"),
        None => "install it on a node".to_owned(),
    };
    text.push_str(&format!(
        ". {install}; or put it below the current folder and run `./{program}`, which travels along"
    ));
    text
}

/// What a job that ended deserves.
fn verdict(job: &JobSummary) -> Result<Exit, Failure> {
    match (job.state, &job.error) {
        (JobState::Done, _) => Ok(match job.exit.unwrap_or(0) {
            code if job.app == "command" => Exit::of_program(code),
            0 => Exit::OK,
            _ => Exit::FAILED,
        }),
        (JobState::Cancelled, _) => Err(Failure::failed("the job was cancelled")),
        (_, Some(error)) => {
            let exit = match error.kind {
                FailureKind::NoProgram => Exit::NO_PROGRAM,
                _ => Exit::FAILED,
            };
            Err(Failure::new(exit, error.message.clone()))
        }
        (_, None) => Err(Failure::failed("the job failed and no reason is known")),
    }
}

async fn unfinished(control: &Arc<dyn Control>) -> Result<BTreeSet<String>, Failure> {
    let jobs = control.jobs().await?;
    Ok(jobs.into_iter().filter(|job| !job.state.ended()).map(|job| job.id).collect())
}

/// Other clients may have given jobs to the node in this process; it stays until those ended too. Jobs that were
/// there `before` wait for a node of their own.
async fn wait_for_others(
    context: &mut Context<'_>,
    control: &Arc<dyn Control>,
    before: BTreeSet<String>,
    interrupts: &mut Interrupts,
) {
    let mut told = 0;
    loop {
        let jobs = match control.jobs().await {
            Ok(jobs) => jobs,
            // It was told to go: there is nothing left to stay for.
            Err(error) if error.code == ErrorCode::Unavailable => return,
            Err(error) => return context.ui.complain(&error.message),
        };
        let others: Vec<_> =
            jobs.iter().filter(|job| !job.state.ended() && !before.contains(&job.id)).collect();
        let Some(first) = others.first() else { return };
        if told != others.len() {
            told = others.len();
            let jobs = human::count(told as u64, "job");
            context.ui.say(&format!(
                "staying until {jobs} that other clients gave to this node ended too; after \
                 Ctrl-C, `outlast wait` or `outlast up` goes on with them"
            ));
        }
        tokio::select! {
            _ = control.wait(&first.id, Some(first.version), context.pacing.poll) => {}
            _ = interrupts.next() => return,
        }
        sleep(context.pacing.least).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::summary;
    use outlast_api::types::JobFailure;

    #[test]
    fn a_missing_program_says_who_lacks_it_and_what_to_do() {
        let mut detail = crate::testing::detail(summary());
        let text = no_program("no node has `povray`", &detail);
        assert!(text.contains("asked: worker (0123012301), liar"), "{text}");
        assert!(text.contains("apt install povray"), "{text}");
        assert!(text.contains("`./povray`"), "{text}");
        detail.workers = vec![detail.workers[0].clone(); 10];
        assert!(no_program("", &detail).contains("and 2 others"), "{text}");
        detail.workers.clear();
        detail.summary.command = vec!["/opt/tool".to_owned()];
        let text = no_program("no node has `/opt/tool`", &detail);
        assert!(!text.contains("asked") && text.contains("`./tool`"), "{text}");
    }

    #[test]
    fn exit_codes_are_as_documented() {
        let done = |app: &str, exit| {
            let app = app.to_owned();
            verdict(&JobSummary { app, exit, state: JobState::Done, ..summary() })
        };
        assert_eq!(done("povray", Some(0)), Ok(Exit::OK));
        assert_eq!(done("povray", None), Ok(Exit::OK));
        assert_eq!(done("sweep", Some(7)), Ok(Exit::FAILED));
        assert_eq!(done("command", Some(7)), Ok(Exit(7)));
        let failed = |kind| {
            let error = Some(JobFailure { kind, message: "why".to_owned() });
            verdict(&JobSummary { state: JobState::Failed, error, ..summary() }).unwrap_err()
        };
        assert_eq!(failed(FailureKind::NoProgram), Failure::new(Exit::NO_PROGRAM, "why"));
        assert_eq!(failed(FailureKind::Program).exit, Exit::FAILED);
        let cancelled = JobSummary { state: JobState::Cancelled, ..summary() };
        assert_eq!(verdict(&cancelled).unwrap_err().exit, Exit::FAILED);
    }
}
