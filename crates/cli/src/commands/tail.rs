//! `logs --follow`: what happens to a job, as it happens, until it ends.
//!
//! A daemon that goes away is waited for, as by `wait`. After its restart it knows the same history, in part with
//! other times, so what was printed is found again by its last entry, or else by its time.

use std::sync::Arc;

use outlast_api::types::{LogEntry, OutputName, Page};
use outlast_api::{ApiError, Control, ErrorCode};
use tokio::time::{Instant, sleep};

use super::Context;
use super::follow::pass_on;
use super::job::not_there_yet;
use crate::args::LogsArgs;
use crate::embed::Role;
use crate::exit::{Exit, Failure};
use crate::interrupts::Interrupts;
use crate::render;

/// `outlast logs --follow`.
pub(super) async fn follow(context: &mut Context<'_>, args: &LogsArgs) -> Result<Exit, Failure> {
    let mut interrupts = context.interrupts()?;
    let attached = context.attach(Role::Passive).await?;
    let control = attached.control();
    let result = if attached.is_embedded() {
        record(context, &control, args).await
    } else {
        Tail { control, last: None }.until_the_end(context, args, &mut interrupts).await
    };
    attached.stop().await;
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
            pass_on(context.ui, control, &job.id, name, false).await.map_err(not_there_yet)
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
    control: Arc<dyn Control>,
    /// The last entry that was printed.
    last: Option<LogEntry>,
}

impl Tail {
    async fn until_the_end(
        mut self,
        context: &mut Context<'_>,
        args: &LogsArgs,
        interrupts: &mut Interrupts,
    ) -> Result<(), Failure> {
        let pacing = context.pacing;
        // The whole id: a prefix may become ambiguous while we wait.
        let id = self.control.job(&args.job.job, Page::NONE).await?.summary.id;
        let (mut since, mut lost) = (None, None);
        loop {
            let look = async {
                let job = self.control.wait(&id, since, pacing.tail).await?;
                Ok::<_, ApiError>((self.control.logs(&id).await?, job))
            };
            let looked = tokio::select! {
                looked = look => looked,
                // The ordinary way to end this.
                _ = interrupts.next() => return Ok(()),
            };
            match looked {
                Ok((entries, job)) => {
                    if lost.take().is_some() {
                        context.ui.say("the daemon is back");
                    }
                    if stream(args).is_none() {
                        self.print_new(context, entries)?;
                    }
                    if job.state.ended() {
                        let Some(name) = stream(args) else { return Ok(()) };
                        let passed = pass_on(context.ui, &self.control, &id, name, false).await;
                        return passed.map_err(not_there_yet);
                    }
                    since = Some(job.version);
                }
                Err(error) if error.code == ErrorCode::Unavailable => {
                    let since = *lost.get_or_insert_with(|| {
                        context.ui.say("the daemon went away; waiting for it to come back");
                        Instant::now()
                    });
                    if since.elapsed() >= pacing.reconnect {
                        let message = format!("{error}; `outlast wait {id}` goes on with the job");
                        return Err(Failure::new(Exit::NO_DAEMON, message));
                    }
                }
                Err(error) => return Err(error.into()),
            }
            let pause = if lost.is_some() { pacing.retry } else { pacing.least };
            tokio::select! {
                () = sleep(pause) => {}
                _ = interrupts.next() => return Ok(()),
            }
        }
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
