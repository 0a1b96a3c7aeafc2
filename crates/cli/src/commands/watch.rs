//! `--watch`: a table that is kept up to date on a terminal; elsewhere a line for whatever changed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::time::sleep;

use super::Context;
use crate::exit::{Exit, Failure};
use crate::human;

/// The cursor to the upper left corner.
const HOME: &str = "\x1b[H";

/// Clears the rest of a line; its end.
const CLEAR_LINE: &str = "\x1b[K\n";

/// Clears the rest of the screen.
const CLEAR_BELOW: &str = "\x1b[J";

/// Everything, once.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// What is watched, at one moment.
pub(super) struct View {
    /// As a table.
    pub(super) table: String,
    /// Its rows.
    pub(super) rows: Vec<Row>,
}

/// One thing that is watched.
pub(super) struct Row {
    /// Who it is.
    pub(super) id: String,
    /// What is worth telling if it changes.
    pub(super) state: String,
    /// What is told then.
    pub(super) line: String,
    /// The same as JSON.
    pub(super) json: Value,
}

/// Looks every `interval` until Ctrl-C, or until nobody reads on. Whoever can't be asked may be back later.
///
/// # Errors
/// If looking fails for another reason than that.
pub(super) async fn watch(
    context: &mut Context<'_>,
    interval: Duration,
    look: impl AsyncFn(&mut Context<'_>) -> Result<View, Failure>,
) -> Result<Exit, Failure> {
    let mut interrupts = context.interrupts()?;
    let mut shown = Shown::default();
    loop {
        if context.ui.redraws() {
            context.ui.look_at_terminal();
        }
        let result = tokio::select! {
            result = look(context) => result,
            _ = interrupts.next() => return Ok(Exit::OK),
        };
        match result {
            Ok(view) => shown.update(context, interval, &view)?,
            // At the start it is an error like any other.
            Err(failure) if failure.exit == Exit::NO_DAEMON && shown.began => {
                shown.nobody(context, &failure.message)?;
            }
            Err(failure) => return Err(failure),
        }
        tokio::select! {
            () = sleep(interval) => {}
            _ = interrupts.next() => return Ok(Exit::OK),
        }
    }
}

#[derive(Default)]
struct Shown {
    began: bool,
    alone: bool,
    states: BTreeMap<String, String>,
    table: String,
}

impl Shown {
    fn update(
        &mut self,
        context: &mut Context<'_>,
        interval: Duration,
        view: &View,
    ) -> Result<(), Failure> {
        let came_back = std::mem::take(&mut self.alone);
        if context.ui.redraws() {
            self.table.clone_from(&view.table);
            let every = human::duration(interval.as_secs_f64());
            self.draw(context, &format!("every {every}; Ctrl-C ends"))?;
        } else {
            if came_back {
                context.ui.say("the daemon is back");
            }
            self.append(context, view)?;
        }
        self.began = true;
        Ok(())
    }

    fn nobody(&mut self, context: &mut Context<'_>, message: &str) -> Result<(), Failure> {
        let first = !std::mem::replace(&mut self.alone, true);
        if context.ui.redraws() {
            return self.draw(context, &format!("{message}; trying again"));
        }
        if first {
            context.ui.say(&format!("{message}; trying again"));
        }
        Ok(())
    }

    /// The screen anew, without a moment in which it is empty.
    fn draw(&mut self, context: &mut Context<'_>, title: &str) -> Result<(), Failure> {
        let (width, height) = context.ui.look_at_terminal();
        let mut text = String::from(if self.began { HOME } else { CLEAR });
        let title: String = title.chars().take(width.into()).collect();
        let lines =
            std::iter::once(title.as_str()).chain(std::iter::once("")).chain(self.table.lines());
        // One line less: the last end of line would scroll.
        for line in lines.take(usize::from(height).saturating_sub(1)) {
            text.push_str(line);
            text.push_str(CLEAR_LINE);
        }
        text.push_str(CLEAR_BELOW);
        context.ui.print(&text)
    }

    fn append(&mut self, context: &mut Context<'_>, view: &View) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut before = std::mem::take(&mut self.states);
        for row in &view.rows {
            let old = before.remove(&row.id);
            self.states.insert(row.id.clone(), row.state.clone());
            if old.as_ref() == Some(&row.state) {
                continue;
            }
            if context.ui.json {
                context.ui.print_json_line(&row.json)?;
            } else {
                context.ui.print(&format!("{}  {}\n", human::timestamp(now), row.line))?;
            }
        }
        if !context.ui.json {
            for id in before.keys() {
                context.ui.print(&format!("{}  {id}  forgotten\n", human::timestamp(now)))?;
            }
        }
        Ok(())
    }
}
