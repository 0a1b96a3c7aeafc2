//! One run from its beginning to its end.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use outlast_gridlet::{ExitRule, Program};
use outlast_os::orphans::FOLDER_VARIABLE;
use outlast_os::{Ending, Spawn, SpawnError, find_program, spawn};
use outlast_types::limits;

use super::folder::{RunFolder, inner};
use super::harvest::{Harvester, Watch};
use super::{Control, EventSink, Run, RunEvent, RunFailure, RunOutcome};
use crate::store::Store;

/// How often a watched folder is looked at: cells take seconds, so a tenth is soon enough and
/// costs nothing.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// How often the space that a step's files take is looked at. A disk takes at most a few gigabytes
/// meanwhile.
const WEIGH_INTERVAL: Duration = Duration::from_secs(2);

/// What `st_blocks` counts, whatever the file system's own blocks are.
const BLOCK_BYTES: u64 = 512;

/// A failure with less room than this left is blamed on the disk: programs say so in many ways.
const FULL_BYTES: u64 = 256 << 10;

/// Where programs are looked for if the daemon has no `PATH` itself.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A signal that says that a file grew beyond the limit.
const SIGXFSZ: i32 = 25;

pub(super) fn run(
    run: &Run,
    control: &Control,
    store: &Arc<Store>,
    events: &EventSink,
) -> RunOutcome {
    if control.is_killed() {
        return RunOutcome::Killed;
    }
    let result = attempt(run, control, store, events);
    if control.is_killed() {
        return RunOutcome::Killed;
    }
    result.unwrap_or_else(|reason| RunOutcome::Failed { reason })
}

fn attempt(
    run: &Run,
    control: &Control,
    store: &Arc<Store>,
    events: &EventSink,
) -> Result<RunOutcome, RunFailure> {
    let folder = RunFolder::create(run)?;
    let ship = |output| events(RunEvent::Cell { run: run.id, output });
    let harvester = Harvester::new(run, &folder, store)?;
    let mut watch = Watch::new(&run.step);

    let child = start(run, &folder)?;
    control.started(child.group());
    let wait_failure = |error: io::Error| RunFailure::Setup(format!("waiting: {error}"));
    let mut weighing = Weighing::new(run.folder_limit);
    let interval = if run.step.watch { Some(WATCH_INTERVAL) } else { weighing.interval() };
    while !child.wait(interval).map_err(wait_failure)? {
        if run.step.watch {
            watch.ship_complete(&harvester, ship);
        }
        if weighing.is_too_much(&run.folder) {
            // Dropping the child ends it.
            return Err(RunFailure::FolderTooLarge(run.folder_limit));
        }
    }
    let ending = child.finish().map_err(wait_failure)?;
    if control.is_killed() {
        return Ok(RunOutcome::Killed);
    }

    let code = ending.code();
    let stderr_tail = tail(&folder.stderr);
    let is_full = || {
        outlast_os::host::free_space(&folder.work).is_ok_and(|free_bytes| free_bytes < FULL_BYTES)
    };
    if ending == Ending::Signalled(SIGXFSZ) {
        return Err(RunFailure::FileTooLarge(run.file_limit));
    }
    if code != 0 && is_full() {
        return Err(RunFailure::DiskFull);
    }
    if run.step.exit == ExitRule::Result || code == 0 {
        watch.ship_rest(&harvester, code, ship).map_err(|failure| match failure {
            RunFailure::OutputMissing { .. } if is_full() => RunFailure::DiskFull,
            RunFailure::OutputMissing { path, .. } => {
                RunFailure::OutputMissing { path, code, stderr_tail: stderr_tail.clone() }
            }
            failure => failure,
        })?;
    }
    Ok(RunOutcome::Exited { code, stderr_tail })
}

/// Looks from time to time at how much a step has written.
struct Weighing {
    limit: u64,
    next: Instant,
}

impl Weighing {
    fn new(limit: u64) -> Self {
        Self { limit, next: Instant::now() + WEIGH_INTERVAL }
    }

    /// How long to wait in between; `None`: nothing is looked at.
    fn interval(&self) -> Option<Duration> {
        (self.limit < u64::MAX).then_some(WEIGH_INTERVAL)
    }

    fn is_too_much(&mut self, folder: &Path) -> bool {
        let began = Instant::now();
        if self.limit == u64::MAX || began < self.next {
            return false;
        }
        let mut bytes = 0;
        weigh(folder, self.limit, &mut bytes);
        // A folder of a hundred thousand files isn't looked at all the time.
        self.next = Instant::now() + WEIGH_INTERVAL.max(began.elapsed() * 20);
        bytes > self.limit
    }
}

/// Adds up the space that files take on the disk, until it is enough.
fn weigh(folder: &Path, enough: u64, bytes: &mut u64) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // Not through links: inputs aren't the step's.
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() {
            weigh(&entry.path(), enough, bytes);
        } else {
            *bytes += meta.blocks() * BLOCK_BYTES;
        }
        if *bytes > enough {
            return;
        }
    }
}

fn start(run: &Run, folder: &RunFolder) -> Result<outlast_os::Child, RunFailure> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(DEFAULT_PATH));
    let (name, program) = program(run, folder, &path)?;
    let env = environment(run, folder, &path)?;
    let stdin = match &run.step.stdin {
        None => None,
        Some(name) => {
            let staged = || {
                let folder = File::open(run.inputs.folder())?;
                outlast_os::inner::open_inside(&folder, name)
            };
            let failure = |error| RunFailure::Setup(format!("standard input `{name}`: {error}"));
            Some(staged().map_err(failure)?)
        }
    };
    let spawned = spawn(&Spawn {
        program: &program,
        name,
        args: &run.step.args,
        env: &env,
        folder: &folder.work,
        stdin: stdin.as_ref(),
        stdout: &folder.stdout,
        stderr: &folder.stderr,
        file_limit: Some(run.file_limit),
        nice: run.nice,
    });
    spawned.map_err(|error| match error {
        SpawnError::Exec { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            RunFailure::MissingProgram(name.to_owned())
        }
        error => RunFailure::Setup(error.to_string()),
    })
}

fn program<'a>(
    run: &'a Run,
    folder: &RunFolder,
    path: &OsString,
) -> Result<(&'a str, PathBuf), RunFailure> {
    match &run.step.program {
        Program::Staged(name) => Ok((name, inner(&folder.work, name)?)),
        // A relative path would be looked for in the daemon's own folder.
        Program::Installed(name) if name.contains('/') && !name.starts_with('/') => {
            Err(RunFailure::MissingProgram(name.clone()))
        }
        Program::Installed(name) => find_program(name, path)
            .map(|file| (name.as_str(), file))
            .ok_or_else(|| RunFailure::MissingProgram(name.clone())),
    }
}

/// The minimal environment, then the step's own on top, then the mark by which a later life of the
/// daemon knows what it has to kill.
fn environment(
    run: &Run,
    folder: &RunFolder,
    path: &OsString,
) -> Result<Vec<(String, String)>, RunFailure> {
    let home = folder.home.to_string_lossy();
    let minimal = [
        ("PATH", path.to_string_lossy()),
        ("HOME", home.clone()),
        ("TMPDIR", home),
        ("LANG", "C.UTF-8".into()),
    ];
    let mut env: Vec<(String, String)> =
        minimal.map(|(name, value)| (name.to_owned(), value.into_owned())).into();
    let mark = (FOLDER_VARIABLE.to_owned(), run.folder.to_string_lossy().into_owned());
    for (name, value) in run.step.env.iter().chain([&mark]) {
        if name.is_empty() || name.contains('=') {
            return Err(RunFailure::Setup(format!("{name:?} is not a variable's name")));
        }
        env.retain(|(other, _)| other != name);
        env.push((name.clone(), value.clone()));
    }
    Ok(env)
}

/// The last bytes of a file as text.
fn tail(file: &File) -> String {
    let read = || {
        let length = file.metadata()?.len();
        let start = length.saturating_sub(limits::LOG_TAIL_BYTES as u64);
        let mut bytes = vec![0; usize::try_from(length - start).unwrap_or(0)];
        let read = file.read_at(&mut bytes, start)?;
        bytes.truncate(read);
        Ok::<_, io::Error>(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}
