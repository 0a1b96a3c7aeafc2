//! `outlast checkpoint`.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use outlast_capsule::{
    After, CheckpointError, CheckpointOptions, CheckpointReport, Compression, check,
    checkpoint as take,
};
use serde_json::{Map, Value, json};

use crate::args::capsule::CheckpointArgs;
use crate::exit::{Exit, Failure};
use crate::ui::Ui;
use crate::{human, render};

/// No bar before this: most checkpoints are over.
const FIRST_BAR: Duration = Duration::from_millis(500);

/// What the bar looks like.
const TEMPLATE: &str = "{spinner} [{bar:20}] {bytes} of {total_bytes}, {eta} left";

/// `outlast checkpoint`.
pub(super) fn checkpoint(ui: &mut Ui, args: &CheckpointArgs) -> Result<Exit, Failure> {
    let Some(image) = args.output.as_ref().filter(|_| !args.check) else {
        return look(ui, args.pid);
    };
    let options = CheckpointOptions {
        after: if args.leave_running { After::LeaveRunning } else { After::Kill },
        compression: args.compress.unwrap_or(Compression::None),
        patience: args.timeout,
        copiers: args.threads.unwrap_or_default(),
        ..CheckpointOptions::default()
    };
    let bar = Bar { shown: ui.bars, start: Instant::now(), bar: OnceLock::new() };
    let taken = take(args.pid, image, &options, &|done, total| bar.show(done, total));
    bar.finish();
    let report = taken.map_err(|error| failure(&error))?;
    if ui.json {
        ui.print_json(&as_json(image, &report))?;
    } else if args.stats {
        ui.print(&render::capsule::checkpoint(&report, ui.width))?;
    } else {
        let what = match options.after {
            After::Kill => "stopped",
            After::LeaveRunning => "runs on",
        };
        ui.say(&format!(
            "wrote {}: {}, {}, {}; process {} {what}, frozen for {}",
            image.display(),
            render::capsule::processes(report.processes),
            human::count(report.threads as u64, "thread"),
            human::bytes(report.image_bytes),
            args.pid,
            render::capsule::micros(report.frozen_us),
        ));
    }
    Ok(Exit::OK)
}

/// `--check`.
fn look(ui: &mut Ui, pid: i32) -> Result<Exit, Failure> {
    let obstacles = check(pid).map_err(|error| failure(&error))?;
    if ui.json {
        let list: Vec<Value> = obstacles
            .iter()
            .map(|it| json!({ "pid": it.pid, "process": it.process, "place": it.place, "why": it.why }))
            .collect();
        ui.print_json(&list)?;
    } else if obstacles.is_empty() {
        ui.say(&format!(
            "nothing stands in the way of a checkpoint of process {pid}; as it runs on, that is no promise"
        ));
    } else {
        let lines: String =
            obstacles.iter().map(|it| human::tame(&it.to_string()) + "\n").collect();
        ui.print(&lines)?;
    }
    Ok(if obstacles.is_empty() { Exit::OK } else { Exit::FAILED })
}

fn failure(error: &CheckpointError) -> Failure {
    match error {
        // The kernel lets nobody trace himself; it knows no better word for it.
        CheckpointError::Denied { pid, .. } if u32::try_from(*pid) == Ok(std::process::id()) => {
            Failure::usage(
                "this command is a descendant of that process; run it from elsewhere, such as another terminal",
            )
        }
        CheckpointError::Denied { .. } => Failure::new(Exit::REFUSED, error.to_string()),
        CheckpointError::Refused(_) => Failure::failed(format!(
            "{error}\nnothing was written, and it runs on; once that is gone, try again"
        )),
        _ => Failure::failed(error.to_string()),
    }
}

fn as_json(image: &Path, report: &CheckpointReport) -> Value {
    let mut keys = Map::new();
    keys.insert("image".to_owned(), image.to_string_lossy().into());
    keys.insert("frozen_us".to_owned(), report.frozen_us.into());
    keys.insert("total_us".to_owned(), report.total_us.into());
    keys.insert("processes".to_owned(), report.processes.into());
    keys.insert("threads".to_owned(), report.threads.into());
    keys.insert("memory_bytes".to_owned(), report.memory_bytes.into());
    keys.insert("stored_bytes".to_owned(), report.stored_bytes.into());
    keys.insert("image_bytes".to_owned(), report.image_bytes.into());
    super::phase_keys(&report.phases, &mut keys);
    Value::Object(keys)
}

/// A bar that several threads move, and that is there for what takes long only.
struct Bar {
    shown: bool,
    start: Instant,
    bar: OnceLock<ProgressBar>,
}

impl Bar {
    fn show(&self, done: u64, total: u64) {
        if !self.shown || self.start.elapsed() < FIRST_BAR {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(TEMPLATE)
                .map(|style| style.progress_chars("=> "))
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style);
            bar
        });
        // Threads may pass each other on the way here; a bar goes forward.
        if done > bar.position() {
            bar.set_position(done);
        }
    }

    fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use outlast_capsule::Obstacle;

    use super::*;

    #[test]
    fn json_has_a_key_for_each_phase() {
        let report = CheckpointReport {
            frozen_us: 7,
            total_us: 9,
            phases: vec![("stop", 1), ("copy", 2)],
            ..CheckpointReport::default()
        };
        let value = as_json(Path::new("a.img"), &report);
        for (key, expected) in [("frozen_us", 7), ("total_us", 9), ("stop_us", 1), ("copy_us", 2)] {
            assert_eq!(value[key], expected, "{key}");
        }
    }

    #[test]
    fn missing_rights_have_a_code_of_their_own_and_oneself_is_told_apart() {
        let denied = |pid| {
            failure(&CheckpointError::Denied { pid, why: "tracing: not permitted".to_owned() })
        };
        assert_eq!(denied(1).exit, Exit::REFUSED);
        let own = denied(i32::try_from(std::process::id()).unwrap());
        assert_eq!(own.exit, Exit::USAGE);
        assert!(own.message.contains("descendant"), "{own}");
        let refused = failure(&CheckpointError::Refused(vec![Obstacle {
            pid: 1,
            process: "p".to_owned(),
            place: "descriptor 5".to_owned(),
            why: "a socket".to_owned(),
        }]));
        assert_eq!(refused.exit, Exit::FAILED);
        assert!(refused.message.contains("descriptor 5"), "{refused}");
    }

    #[test]
    fn the_bars_template_is_one_and_comes_late() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
        let bar = Bar { shown: true, start: Instant::now(), bar: OnceLock::new() };
        bar.show(1, 2);
        assert!(bar.bar.get().is_none());
    }
}
