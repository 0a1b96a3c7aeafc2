//! `cargo xtask ci`: everything that has to hold before a change goes in.
//!
//! All stages run even if one fails, unless `--fail-fast` is given: one round shows all there is to
//! repair. A stage that can't run here says SKIPPED and why.

mod house;
mod purity;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::{Failure, cargo};

/// How long fetching the advisory database may take. Without a network some resolvers hang.
const FETCH_SECONDS: &str = "60";

/// What became of a stage.
enum Outcome {
    /// With a detail for the table; may be empty.
    Passed(String),
    /// With the reason.
    Skipped(String),
}

struct Stage {
    name: &'static str,
    run: fn(&Path) -> anyhow::Result<Outcome>,
}

/// In this order: what is quick and often wrong comes first.
const STAGES: &[Stage] = &[
    Stage { name: "fmt", run: fmt },
    Stage { name: "house", run: house },
    Stage { name: "scripts", run: scripts },
    Stage { name: "clippy", run: clippy },
    Stage { name: "example", run: example },
    Stage { name: "test", run: test },
    Stage { name: "doctest", run: doctest },
    Stage { name: "doc", run: doc },
    Stage { name: "deny", run: deny },
];

/// The names of all stages.
pub(crate) fn names() -> Vec<&'static str> {
    STAGES.iter().map(|stage| stage.name).collect()
}

/// Runs the stages that are named, or all.
pub(crate) fn main(args: &[String]) -> Result<(), Failure> {
    let fail_fast = args.iter().any(|arg| arg == "--fail-fast");
    let wanted: Vec<&String> = args.iter().filter(|arg| *arg != "--fail-fast").collect();
    if let Some(unknown) = wanted.iter().find(|name| !names().contains(&name.as_str())) {
        return Err(Failure::Usage(format!(
            "unknown stage `{unknown}`, expected one of: {}",
            names().join(", ")
        )));
    }
    let root = crate::root();
    let mut table = Vec::new();
    let mut failed = Vec::new();
    for stage in STAGES {
        if !wanted.is_empty() && !wanted.iter().any(|name| *name == stage.name) {
            continue;
        }
        eprintln!("── {}", stage.name);
        let start = Instant::now();
        let (verdict, detail) = match (stage.run)(&root) {
            Ok(Outcome::Passed(detail)) => ("ok", detail),
            Ok(Outcome::Skipped(reason)) => ("SKIPPED", reason),
            Err(error) => {
                eprintln!("{error:#}");
                failed.push(stage.name);
                let first = format!("{error:#}").lines().next().unwrap_or_default().to_owned();
                ("FAILED", first)
            }
        };
        table.push((stage.name, verdict, start.elapsed(), detail));
        if fail_fast && !failed.is_empty() {
            break;
        }
    }
    summary(&table);
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(anyhow::anyhow!("failed: {}", failed.join(", "))))
}

fn summary(table: &[(&str, &str, Duration, String)]) {
    let total: Duration = table.iter().map(|(_, _, time, _)| *time).sum();
    println!("\n{:10} {:8} {:>9}", "stage", "result", "seconds");
    for (name, verdict, time, detail) in table {
        let line = format!("{name:10} {verdict:8} {:>9.1}  {detail}", time.as_secs_f64());
        println!("{}", line.trim_end());
    }
    println!("{:10} {:8} {:>9.1}", "total", "", total.as_secs_f64());
}

fn fmt(root: &Path) -> anyhow::Result<Outcome> {
    run(cargo(root).args(["fmt", "--all", "--check"]))
}

fn house(root: &Path) -> anyhow::Result<Outcome> {
    let crates = house::check(root)?;
    let files = purity::check(root, &house::pure())?;
    Ok(Outcome::Passed(format!("{crates} crates, {files} pure source files")))
}

fn scripts(root: &Path) -> anyhow::Result<Outcome> {
    let mut files = vec![root.join(".ci/run")];
    for entry in std::fs::read_dir(root.join("scripts")).context("reading scripts/")? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("sh")) {
            files.push(path);
        }
    }
    files.sort();
    for file in &files {
        run(Command::new("bash").arg("-n").arg(file))?;
    }
    if !works(Command::new("shellcheck").arg("--version")) {
        return Ok(Outcome::Passed("syntax only: shellcheck is not installed".to_owned()));
    }
    run(Command::new("shellcheck").arg("-x").args(&files))?;
    Ok(Outcome::Passed(format!("{} files", files.len())))
}

fn clippy(root: &Path) -> anyhow::Result<Outcome> {
    run(cargo(root).args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn test(root: &Path) -> anyhow::Result<Outcome> {
    if works(cargo(root).args(["nextest", "--version"])) {
        return run(cargo(root).args(["nextest", "run", "--workspace", "--profile", "ci"]));
    }
    run(cargo(root).args(["test", "--workspace", "--all-targets", "--no-fail-fast"]))?;
    Ok(Outcome::Passed("with cargo test: cargo-nextest is not installed".to_owned()))
}

fn doctest(root: &Path) -> anyhow::Result<Outcome> {
    run(cargo(root).args(["test", "--workspace", "--doc"]))
}

fn doc(root: &Path) -> anyhow::Result<Outcome> {
    let mut cargo = cargo(root);
    run(cargo.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-Dwarnings"))
}

/// The example of an application of one's own is outside of the workspace, as a user's would be: it has to get by with what
/// our crates offer to others, and with the features that it asks for itself. With our own lock file and target folder
/// that takes seconds.
fn example(root: &Path) -> anyhow::Result<Outcome> {
    let folder = root.join("examples/wordcount");
    let lock = folder.join("Cargo.lock");
    std::fs::copy(root.join("Cargo.lock"), &lock)
        .with_context(|| format!("writing {}", lock.display()))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = root.join(target.unwrap_or_else(|| PathBuf::from("target")));
    let mut check = cargo(root);
    check.args(["check", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    run(check.arg("--target-dir").arg(target))
}

fn deny(root: &Path) -> anyhow::Result<Outcome> {
    if !works(cargo(root).args(["deny", "--version"])) {
        return Ok(Outcome::Skipped("cargo-deny is not installed".to_owned()));
    }
    run(cargo(root).args(["deny", "check", "bans", "licenses", "sources"]))?;
    // `timeout`, because the fetch has no limit of its own.
    let mut fetch = Command::new("timeout");
    fetch.current_dir(root).args([FETCH_SECONDS, "cargo", "deny", "fetch", "db"]);
    if !works(&mut fetch) {
        let detail = "without advisories: their database can't be reached";
        return Ok(Outcome::Passed(detail.to_owned()));
    }
    run(cargo(root).args(["deny", "check", "advisories"]))
}

/// Runs a command, its output being ours.
fn run(command: &mut Command) -> anyhow::Result<Outcome> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("starting `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}`: {status}");
    }
    Ok(Outcome::Passed(String::new()))
}

/// Whether a command is there and succeeds; quietly.
fn works(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program()).to_string_lossy();
    let args = command.get_args().map(|arg| arg.to_string_lossy());
    std::iter::once(program).chain(args).collect::<Vec<_>>().join(" ")
}
