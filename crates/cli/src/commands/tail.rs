//! `logs --follow`: what happens to a job, as it happens, until it ends.
//!
//! A daemon that goes away is waited for, as by `wait`. After its restart it knows the same history, in part with
//! other times, so what was printed is found again by its last entry, or else by its time.

use std::sync::Arc;

use outlast_api::Control;
use outlast_api::types::{JobSummary, LogEntry, OutputName, Page};
use tokio::time::sleep;

use super::follow::Passing;
use super::job::not_there_yet;
use super::{Context, Lost, Recorded};
use crate::args::LogsArgs;
use crate::connect::Attached;
use crate::embed::Role;
use crate::exit::{Exit, Failure};
use crate::interrupts::Interrupts;
use crate::render;

/// `outlast logs --follow`.
pub(super) async fn follow(context: &mut Context<'_>, args: &LogsArgs) -> Result<Exit, Failure> {
    let mut interrupts = context.interrupts()?;
    let attached = context.attach(Role::Passive).await?;
    let result = if attached.is_embedded() {
        let result = record(context, &attached.control(), args).await;
        attached.stop().await;
        result
    } else {
        let stream = stream(args).map(|name| Passing::new(name, false));
        let mut tail = Tail { attached, stream, last: None };
        let result = tail.until_the_end(context, &args.job.job, &mut interrupts).await;
        tail.attached.stop().await;
        result
    };
    result.map(|()| Exit::OK)
}

/// Without a daemon nothing will be added: all there is, or nothing.
async fn record(
    context: &mut Context<'_>,
    control: &Arc<dyn Control>,
    args: &LogsArgs,
) -> Result<(), Failure> {
    let job = control.job(&args.job.job, Page::NONE).await?.summary;
    if !job.state.ended() {
        let message = format!(
            "no daemon works on job {}; `outlast up` or `outlast wait {}` goes on with it",
            job.id, job.id
        );
        return Err(Failure::new(Exit::NO_DAEMON, message));
    }
    match stream(args) {
        Some(name) => {
            let passed = Passing::new(name, false).pass_on(context.ui, control, &job.id).await;
            passed.map_err(not_there_yet)
        }
        None => print(context, &control.logs(&job.id).await?),
    }
}

fn stream(args: &LogsArgs) -> Option<OutputName> {
    match (args.stdout, args.stderr) {
        (true, _) => Some(OutputName::Stdout),
        (_, true) => Some(OutputName::Stderr),
        _ => None,
    }
}

struct Tail {
    attached: Attached,
    /// What is followed instead of the job's log; it is there when the job has ended.
    stream: Option<Passing>,
    /// The last entry that was printed.
    last: Option<LogEntry>,
}

impl Tail {
    async fn until_the_end(
        &mut self,
        context: &mut Context<'_>,
        job: &str,
        interrupts: &mut Interrupts,
    ) -> Result<(), Failure> {
        let pacing = context.pacing;
        // The whole id: a prefix may become ambiguous while we wait.
        let id = self.attached.control().job(job, Page::NONE).await?.summary.id;
        let mut since = None;
        let mut lost = None;
        loop {
            let looked = tokio::select! {
                looked = self.look(context, &id, since) => looked,
                // The ordinary way to end this.
                _ = interrupts.next() => return Ok(()),
            };
            match looked {
                Ok(job) => {
                    if lost.take().is_some() {
                        context.ui.say("the daemon is back");
                    }
                    if job.state.ended() {
                        return Ok(());
                    }
                    since = Some(job.version);
                }
                Err(failure) if failure.exit == Exit::NO_DAEMON && !self.attached.is_embedded() => {
                    let first = lost.is_none();
                    let lost = lost.get_or_insert_with(Lost::now);
                    if !lost.goes_on {
                        match context.look_at_record(&id).await {
                            Recorded::Ended(record, _) => {
                                (self.attached, since) = (record, None);
                                continue;
                            }
                            Recorded::GoesOn => lost.goes_on = true,
                            Recorded::Unknown => {}
                        }
                    }
                    if first {
                        context.ui.say("the daemon went away; waiting for it to come back");
                    }
                    if lost.since.elapsed() >= pacing.reconnect {
                        let text = failure.message;
                        let message = format!("{text}; `outlast wait {id}` goes on with the job");
                        return Err(Failure::new(Exit::NO_DAEMON, message));
                    }
                }
                Err(failure) => return Err(failure),
            }
            let pause = if lost.is_some() { pacing.retry } else { pacing.least };
            tokio::select! {
                () = sleep(pause) => {}
                _ = interrupts.next() => return Ok(()),
            }
        }
    }

    /// Waits for news and prints them.
    async fn look(
        &mut self,
        context: &mut Context<'_>,
        id: &str,
        since: Option<u64>,
    ) -> Result<JobSummary, Failure> {
        let control = self.attached.control();
        let job = control.wait(id, since, context.pacing.tail).await?;
        match &mut self.stream {
            None => self.print_new(context, control.logs(id).await?)?,
            Some(stream) if job.state.ended() => {
                stream.pass_on(context.ui, &control, id).await.map_err(not_there_yet)?;
            }
            Some(_) => {}
        }
        Ok(job)
    }

    fn print_new(
        &mut self,
        context: &mut Context<'_>,
        entries: Vec<LogEntry>,
    ) -> Result<(), Failure> {
        let new = new_entries(self.last.as_ref(), &entries);
        print(context, new)?;
        self.last = new.last().cloned().or(self.last.take());
        Ok(())
    }
}

/// Those after `last`; or, if that isn't there any more, those of a later time.
fn new_entries<'a>(last: Option<&LogEntry>, entries: &'a [LogEntry]) -> &'a [LogEntry] {
    let Some(last) = last else { return entries };
    let first = match entries.iter().rposition(|entry| entry == last) {
        Some(index) => index + 1,
        None => {
            let old = entries.iter().rposition(|entry| entry.time <= last.time);
            old.map_or(0, |index| index + 1)
        }
    };
    &entries[first..]
}

/// As text, or each as a line of JSON: nobody knows where the list will end.
fn print(context: &mut Context<'_>, entries: &[LogEntry]) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    if !context.ui.json {
        return context.ui.print(&render::logs(entries));
    }
    entries.iter().try_for_each(|entry| context.ui.print_json_line(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_entry_is_printed_twice_or_left_out() {
        let entry = |time: f64, text: &str| LogEntry { time, node: None, text: text.to_owned() };
        let all = [entry(1.0, "a"), entry(2.0, "b"), entry(2.0, "c"), entry(3.0, "d")];
        assert_eq!(new_entries(None, &all), all);
        assert_eq!(new_entries(Some(&all[1]), &all), &all[2..]);
        assert_eq!(new_entries(Some(&all[3]), &all), []);
        // The beginning was dropped, or the daemon is another one.
        assert_eq!(new_entries(Some(&entry(2.5, "x")), &all), &all[3..]);
        assert_eq!(new_entries(Some(&entry(0.5, "x")), &all), all);
        assert_eq!(new_entries(Some(&entry(9.0, "x")), &all), []);
    }
}
