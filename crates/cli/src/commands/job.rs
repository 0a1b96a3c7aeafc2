//! Commands about jobs that don't wait for them.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use outlast_api::types::{JobSpec, JobSummary, OutputName, Page, Submitted};
use outlast_api::{Control, ErrorCode};

use super::Context;
use super::follow::{Passing, write_atomically};
use super::tail;
use super::watch::{self, Row, View};
use crate::args::{JobArg, JobArgs, LogsArgs, PreviewArgs, ShowArgs, WatchArgs};
use crate::connect;
use crate::embed::Role;
use crate::exit::{Exit, Failure};
use crate::{progress, render};

/// `outlast submit`.
pub(super) async fn submit(context: &mut Context<'_>, args: JobArgs) -> Result<Exit, Failure> {
    let spec: JobSpec = args.resolve(&context.cwd, &context.embedder.services())?;
    let control = connect::daemon(&context.data_dir).await?;
    let id = control.submit(spec).await?;
    if context.ui.json {
        context.ui.print_json(&Submitted { id })?;
    } else {
        context.ui.print(&format!("{id}\n"))?;
    }
    Ok(Exit::OK)
}

/// `outlast ps`.
pub(super) async fn ps(context: &mut Context<'_>, args: WatchArgs) -> Result<Exit, Failure> {
    if let Some(interval) = args.watch {
        // Without a daemon nothing would change.
        return watch::watch(context, interval, async |context| {
            let jobs = connect::daemon(&context.data_dir).await?.jobs().await?;
            Ok(View { table: table(context, &jobs), rows: jobs.iter().map(job_row).collect() })
        })
        .await;
    }
    let attached = context.attach(Role::Passive).await?;
    let jobs = attached.control().jobs().await;
    attached.stop().await;
    let jobs = jobs?;
    if context.ui.json {
        context.ui.print_json(&jobs)?;
    } else {
        let table = table(context, &jobs);
        context.ui.print(&table)?;
    }
    Ok(Exit::OK)
}

fn table(context: &Context<'_>, jobs: &[JobSummary]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    render::jobs(jobs, now, context.ui.width)
}

/// Times change without being news.
fn job_row(job: &JobSummary) -> Row {
    let without_times = JobSummary { eta_s: None, ..job.clone() };
    Row {
        id: job.id.clone(),
        state: progress::describe(&without_times),
        line: format!("{}  {}", job.id, progress::describe(job)),
        json: serde_json::json!(job),
    }
}

/// `outlast show`.
pub(super) async fn show(context: &mut Context<'_>, args: ShowArgs) -> Result<Exit, Failure> {
    let page = args.gridlets.map_or(Page::NONE, |offset| Page { offset, limit: args.limit });
    let attached = context.attach(Role::Passive).await?;
    if let Some(gridlet) = args.why {
        let why = attached.control().why(&args.job.job, gridlet).await;
        attached.stop().await;
        let why = why?;
        if context.ui.json {
            context.ui.print_json(&why)?;
        } else {
            context.ui.print(&render::why(&why))?;
        }
        return Ok(Exit::OK);
    }
    let detail = attached.control().job(&args.job.job, page).await;
    attached.stop().await;
    let detail = detail?;
    if context.ui.json {
        context.ui.print_json(&detail)?;
    } else {
        let text = render::detail(&detail, context.ui.width);
        context.ui.print(&text)?;
    }
    Ok(Exit::OK)
}

/// `outlast logs`.
pub(super) async fn logs(context: &mut Context<'_>, args: LogsArgs) -> Result<Exit, Failure> {
    if args.follow {
        return tail::follow(context, &args).await;
    }
    let attached = context.attach(Role::Passive).await?;
    let result = logs_of(context, &attached.control(), &args).await;
    attached.stop().await;
    result
}

async fn logs_of(
    context: &mut Context<'_>,
    control: &Arc<dyn Control>,
    args: &LogsArgs,
) -> Result<Exit, Failure> {
    let job = &args.job.job;
    if args.stdout || args.stderr {
        let id = control.job(job, Page::NONE).await?.summary.id;
        let name = if args.stdout { OutputName::Stdout } else { OutputName::Stderr };
        // It is what was asked for, so standard error is data too.
        let passed = Passing::new(name, false).pass_on(context.ui, control, &id).await;
        passed.map_err(not_there_yet)?;
        return Ok(Exit::OK);
    }
    let entries = control.logs(job).await?;
    if context.ui.json {
        context.ui.print_json(&entries)?;
    } else {
        context.ui.print(&render::logs(&entries))?;
    }
    Ok(Exit::OK)
}

/// The job is there; what it was asked for isn't.
pub(super) fn not_there_yet(failure: Failure) -> Failure {
    match failure.exit {
        Exit::NO_JOB => Failure::failed(failure.message),
        _ => failure,
    }
}

/// `outlast cancel`.
pub(super) async fn cancel(context: &mut Context<'_>, args: JobArg) -> Result<Exit, Failure> {
    let attached = context.attach(Role::Passive).await?;
    let job = attached.control().cancel(&args.job).await;
    attached.stop().await;
    let job = job?;
    if context.ui.json {
        context.ui.print_json(&job)?;
    } else {
        context.ui.say(&format!("job {} is {}", job.id, job.state.as_str()));
    }
    Ok(Exit::OK)
}

/// `outlast preview`.
pub(super) async fn preview(context: &mut Context<'_>, args: PreviewArgs) -> Result<Exit, Failure> {
    let attached = context.attach(Role::Passive).await?;
    let result = preview_of(context, &attached.control(), &args).await;
    attached.stop().await;
    result
}

async fn preview_of(
    context: &mut Context<'_>,
    control: &Arc<dyn Control>,
    args: &PreviewArgs,
) -> Result<Exit, Failure> {
    let id = control.job(&args.job.job, Page::NONE).await?.summary.id;
    let file = control.preview(&id).await.map_err(|error| match error.code {
        ErrorCode::NotFound => Failure::failed(format!("job {id} has nothing to show yet")),
        _ => error.into(),
    })?;
    if args.output == Path::new("-") {
        context.ui.write(&file.bytes)?;
        return Ok(Exit::OK);
    }
    let path = context.cwd.join(&args.output);
    write_atomically(&path, &file.bytes)
        .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    if context.ui.json {
        let size = file.bytes.len();
        context.ui.print_json(&serde_json::json!({
            "file": path, "media_type": file.media_type, "bytes": size,
        }))?;
    } else {
        context.ui.say(&format!("wrote {} ({})", path.display(), file.media_type));
    }
    Ok(Exit::OK)
}
