//! What all parts need: the built product, a folder that goes away, daemons that end, clocks.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

/// How long a daemon may take to be there, or nodes to find each other.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a condition is looked at. Failover is measured with it: a hundredth of what is measured.
const LOOK: Duration = Duration::from_millis(5);

/// The place of the measurements.
pub(super) struct Lab {
    /// The workspace.
    pub(super) root: PathBuf,
    /// The product.
    pub(super) outlast: PathBuf,
    /// Where release builds are.
    pub(super) release: PathBuf,
    folder: PathBuf,
    number: AtomicU32,
}

impl Lab {
    /// Builds the product, unless `OUTLAST_BIN` names one, and makes the folder.
    pub(super) fn new() -> anyhow::Result<Self> {
        let root = crate::root();
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target = root.join(target.unwrap_or_else(|| PathBuf::from("target")));
        let given = std::env::var_os("OUTLAST_BIN").map(PathBuf::from);
        if given.is_none() {
            cargo(&root, &["build", "--release", "-p", "outlast-cli"])?;
        }
        // Short: the path of a socket has at most 107 bytes.
        let folder = std::env::temp_dir().join(format!("outlast-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let release = target.join("release");
        let outlast = given.unwrap_or_else(|| release.join("outlast"));
        Ok(Self { root, outlast, release, folder, number: AtomicU32::new(0) })
    }

    /// A new folder.
    pub(super) fn fresh(&self) -> anyhow::Result<PathBuf> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(number.to_string());
        fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
        Ok(folder)
    }

    /// A new data directory for nodes with so many slots.
    pub(super) fn data_dir(&self, slots: u32) -> anyhow::Result<PathBuf> {
        let folder = self.fresh()?;
        fs::write(folder.join("config.toml"), format!("slots = {slots}\n"))?;
        Ok(folder)
    }

    /// `outlast`, at this data directory, for a command in `cwd`.
    pub(super) fn outlast(&self, data_dir: &Path, cwd: &Path) -> Command {
        let mut command = Command::new(&self.outlast);
        command.arg("--data-dir").arg(data_dir).arg("--quiet").current_dir(cwd);
        command
    }

    /// Starts a daemon on loopback.
    pub(super) fn up(&self, slots: u32, join: Option<&str>) -> anyhow::Result<Daemon> {
        let data_dir = self.data_dir(slots)?;
        let mut command = self.outlast(&data_dir, &data_dir);
        command.args(["up", "--listen", "127.0.0.1:0"]);
        command.args(join.iter().flat_map(|ticket| ["--join", ticket]));
        self.start(command, data_dir)
    }

    /// Starts a daemon by this command, and waits until it can be asked.
    pub(super) fn start(&self, command: Command, data_dir: PathBuf) -> anyhow::Result<Daemon> {
        let log = data_dir.join("log");
        let daemon = self.spawn(command, data_dir)?;
        let status = || {
            let output = self.outlast(&daemon.data_dir, &daemon.data_dir).arg("status").output();
            output.is_ok_and(|output| output.status.success())
        };
        wait_for("a daemon", status).with_context(|| format!("see {}", log.display()))?;
        Ok(daemon)
    }

    /// Starts a daemon by this command.
    pub(super) fn spawn(&self, mut command: Command, data_dir: PathBuf) -> anyhow::Result<Daemon> {
        let log = File::create(data_dir.join("log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().context("starting a daemon")?;
        Ok(Daemon { child, data_dir })
    }

    /// A ticket with which any number of nodes may join a daemon's own organisation.
    pub(super) fn ticket(&self, daemon: &Daemon) -> anyhow::Result<String> {
        let mut command = self.outlast(&daemon.data_dir, &daemon.data_dir);
        let output = command.args(["invite", "--reusable"]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().next().context("the daemon made no ticket")?.to_owned())
    }

    /// Waits until a daemon sees so many others.
    pub(super) fn wait_for_others(&self, daemon: &Daemon, nodes: usize) -> anyhow::Result<()> {
        wait_for("all nodes to see each other", || {
            let mut command = self.outlast(&daemon.data_dir, &daemon.data_dir);
            let output = command.args(["--json", "nodes"]).output();
            let text = output.map(|output| output.stdout).unwrap_or_default();
            String::from_utf8_lossy(&text).matches("\"alive\"").count() >= nodes
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // What can't be removed lies below /tmp, under a name that says whose it is.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A daemon, killed when dropped.
pub(super) struct Daemon {
    child: Child,
    pub(super) data_dir: PathBuf,
}

impl Daemon {
    /// SIGKILL, and nothing else.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end, which somebody asked for.
    pub(super) fn wait(&mut self) -> anyhow::Result<()> {
        self.child.wait().context("waiting for a daemon")?;
        Ok(())
    }

    /// SIGSTOP: it is there, and says nothing.
    pub(super) fn freeze(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-STOP", &id]).status();
    }

    /// Its process number.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A line of its `/proc/PID/status`, in KiB.
    pub(super) fn memory_kib(&self, name: &str) -> u64 {
        self.kib("status", name)
    }

    /// A line of a file of its folder in `/proc`, in KiB.
    pub(super) fn kib(&self, file: &str, name: &str) -> u64 {
        let path = format!("/proc/{}/{file}", self.child.id());
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.map(|line| line.trim_matches([':', ' ', '\t', 'k', 'B']));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for a condition, with a deadline.
pub(super) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) -> anyhow::Result<()> {
    let start = Instant::now();
    while !holds() {
        ensure!(start.elapsed() < PATIENCE, "waited {} s for {what}", PATIENCE.as_secs());
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Cargo in the workspace, its messages being ours.
pub(super) fn cargo(root: &Path, args: &[&str]) -> anyhow::Result<()> {
    let status = crate::cargo(root).args(args).status()?;
    ensure!(status.success(), "cargo {}: {status}", args.join(" "));
    Ok(())
}

/// Seconds that a command takes, which has to succeed; what it says is seen if it doesn't.
pub(super) fn seconds(command: &mut Command) -> anyhow::Result<f64> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output();
    let seconds = start.elapsed().as_secs_f64();
    let output = output.with_context(|| format!("starting {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(seconds)
}

/// Whether a program is installed.
pub(super) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The middle one.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The largest.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

/// The smallest.
pub(super) fn smallest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::min)
}

/// One way to do something, and how long it took each time.
pub(super) struct Contender<'a> {
    pub(super) name: String,
    /// Does it once; seconds.
    pub(super) run: Box<dyn FnMut() -> anyhow::Result<f64> + 'a>,
    pub(super) seconds: Vec<f64>,
}

impl<'a> Contender<'a> {
    pub(super) fn new(
        name: impl Into<String>,
        run: impl FnMut() -> anyhow::Result<f64> + 'a,
    ) -> Self {
        Self { name: name.into(), run: Box::new(run), seconds: Vec::new() }
    }

    /// The middle of its times.
    pub(super) fn median(&self) -> f64 {
        median(&self.seconds)
    }
}

/// Everybody in turns, so many rounds.
pub(super) fn compete(contenders: &mut [Contender<'_>], rounds: usize) -> anyhow::Result<()> {
    for round in 1..=rounds {
        for contender in &mut *contenders {
            let seconds = (contender.run)().with_context(|| contender.name.clone())?;
            eprintln!("round {round}: {seconds:8.2} s  {}", contender.name);
            contender.seconds.push(seconds);
        }
    }
    Ok(())
}
