//! HyperQueue, from its Python wheel, which has the server and the worker in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use super::lab::{Lab, has};

/// The version that is compared with.
const VERSION: &str = "0.27.0";

/// Starts a cluster of one worker, submits so many tasks as one job, waits, and says how long that took.
const SCRIPT: &str = include_str!("hyperqueue.py");

/// A Python that has HyperQueue.
pub(super) struct HyperQueue {
    python: PathBuf,
    script: PathBuf,
}

impl HyperQueue {
    /// Makes a virtual environment with it below the target folder, unless it is there; says why if
    /// that can't be done.
    pub(super) fn get(lab: &Lab) -> Result<Self, String> {
        let target = lab.outlast.ancestors().nth(2).unwrap_or(&lab.root);
        let folder = target.join(format!("bench/hyperqueue-{VERSION}"));
        let python = folder.join("bin/python");
        if !imports(&python) {
            if !has("python3") {
                return Err("python3 is not installed".to_owned());
            }
            let folder = folder.to_string_lossy().into_owned();
            quietly(Command::new("python3").args(["-m", "venv", &folder]))
                .map_err(|error| format!("no virtual environment: {error:#}"))?;
            let package = format!("hyperqueue=={VERSION}");
            quietly(Command::new(&python).args(["-m", "pip", "install", "--quiet", &package]))
                .map_err(|error| format!("the wheel can't be installed: {error:#}"))?;
        }
        let script = folder.join("bench.py");
        fs::write(&script, SCRIPT).map_err(|error| error.to_string())?;
        Ok(Self { python, script })
    }

    /// How it is called in tables.
    pub(super) fn name() -> String {
        format!("HyperQueue {VERSION}, one job, worker with 2 cores")
    }

    /// Seconds from submission to the end of the last task; the cluster is up before.
    pub(super) fn seconds(&self, tasks: u32, slots: u32, cwd: &Path) -> anyhow::Result<f64> {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).args([tasks, slots].map(|number| number.to_string()));
        let output = command.current_dir(cwd).stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let seconds = text.lines().find_map(|line| line.strip_prefix("seconds "));
        seconds.context("no time in its output")?.trim().parse().context("its time")
    }
}

fn imports(python: &Path) -> bool {
    python.is_file() && quietly(Command::new(python).args(["-c", "import hyperqueue"])).is_ok()
}

fn quietly(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{}", said.trim().lines().last().unwrap_or("no reason given"));
    Ok(())
}
