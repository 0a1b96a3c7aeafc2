//! `cargo xtask bench checkpoint`: how long a program is stopped, and how long the whole commands take.
//!
//! Each target is checkpointed so often while it runs on, then once more to its end, and restored so often; all by the
//! `outlast` command, whose start is in its time. Images go to the folder of temporary files: give `TMPDIR=/dev/shm`
//! to measure without a disk. A `criu` on the PATH that works here is run on the same targets, in the same run. What CRIU 4.2 took on
//! this kind of machine when the design was made, and what the issue asks for, stand beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::lab::{Lab, median, smallest, wait_for};
use super::parts::{self, Options, Part};

pub(super) const ABOUT: &str = "checkpoint and restore: the stop, the whole commands, beside CRIU";

/// Rounds unless `--runs` says otherwise.
const RUNS: usize = 15;

const PARTS: &[Part] = &[Part { name: "small", run: small }, Part { name: "memory", run: memory }];

/// What a case is, and what is known about it: milliseconds.
struct Case {
    name: &'static str,
    arguments: &'static [&'static str],
    /// CRIU 4.2: frozen, dump, restore, where they were measured.
    criu: [&'static str; 3],
    /// What is asked for: frozen, dump, restore.
    at_most: [&'static str; 3],
}

impl Case {
    const fn new(
        name: &'static str,
        arguments: &'static [&'static str],
        criu: [&'static str; 3],
        at_most: [&'static str; 3],
    ) -> Self {
        Self { name, arguments, criu, at_most }
    }
}

const SMALL: &[Case] = &[
    Case::new("tiny", &["tiny"], ["4.4 to 6.1", "9.6", "5.7"], ["0.5", "4.5", "4.5"]),
    Case::new("8 threads", &["threads", "8"], ["6.6", "15.4", "8.9"], ["0.8", "", "6.5"]),
    Case::new(
        "parent, 3 children, pipes",
        &["children", "3"],
        ["8.7", "21.1", "22.1"],
        ["2", "", ""],
    ),
];

const LARGE: &[Case] = &[
    Case::new("256 MiB", &["memory", "256"], ["175", "186", "188"], ["", "", ""]),
    Case::new("1 GiB", &["memory", "1024"], ["731", "559", "525"], ["200", "250", "220"]),
];

pub(super) fn main(args: &[String]) -> anyhow::Result<()> {
    parts::main(args, PARTS, RUNS, |_| {
        println!(
            "- criu: {}",
            if criu_works() { "works here, and is run beside" } else { "none that works here" }
        );
        Ok(())
    })
}

fn small(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    table(lab, SMALL, options.runs)
}

fn memory(lab: &Lab, options: &Options) -> anyhow::Result<()> {
    table(lab, LARGE, options.runs.min(5))
}

/// Milliseconds of each round.
#[derive(Default)]
struct Times {
    frozen: Vec<f64>,
    dump: Vec<f64>,
    kill: Vec<f64>,
    restore: Vec<f64>,
}

fn table(lab: &Lab, cases: &[Case], runs: usize) -> anyhow::Result<()> {
    println!("Milliseconds: median (best).\n");
    println!("| case | by | frozen | dump, running on | dump, to its end | restore |");
    println!("| --- | --- | ---: | ---: | ---: | ---: |");
    let program = build(lab)?;
    for case in cases {
        let times = measure(lab, &program, case, runs).with_context(|| case.name.to_owned())?;
        row(case.name, "outlast", &times);
        if criu_works() {
            row(case.name, "criu", &criu(lab, &program, case, runs)?);
        }
        let [frozen, dump, restore] = case.criu;
        println!("| {} | CRIU 4.2, earlier | {frozen} | {dump} | | {restore} |", case.name);
        let [frozen, dump, restore] = case.at_most;
        println!("| {} | asked for | {frozen} | {dump} | | {restore} |", case.name);
    }
    Ok(())
}

fn row(case: &str, by: &str, times: &Times) {
    let cell = |values: &[f64]| match values {
        [] => String::new(),
        _ => format!("{:.2} ({:.2})", median(values), smallest(values)),
    };
    println!(
        "| {case} | {by} | {} | {} | {} | {} |",
        cell(&times.frozen),
        cell(&times.dump),
        cell(&times.kill),
        cell(&times.restore)
    );
}

fn build(lab: &Lab) -> anyhow::Result<PathBuf> {
    let source = lab.root.join("xtask/src/bench/checkpoint/targets.c");
    let program = lab.fresh()?.join("targets");
    let built =
        Command::new("cc").args(["-O2", "-pthread", "-o"]).arg(&program).arg(&source).status();
    ensure!(built.context("running cc")?.success(), "cc can't build {}", source.display());
    Ok(program)
}

/// A target, in a session of its own, with nothing open but its standard streams; its process id.
struct Target {
    pid: i32,
    child: std::process::Child,
}

impl Target {
    fn start(lab: &Lab, program: &Path, case: &Case) -> anyhow::Result<Self> {
        const ALONE: &str = r#"for f in /proc/$$/fd/*; do n=${f##*/}; [ "$n" -gt 2 ] && eval "exec $n>&-"; done 2>/dev/null
exec setsid "$@""#;
        let folder = lab.fresh()?;
        let said = folder.join("said");
        // Not sh: dash knows descriptors of one digit only.
        let child = Command::new("bash")
            .args(["-c", ALONE, "bash"])
            .arg(program)
            .args(case.arguments)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&said)?)
            .stderr(Stdio::null())
            .spawn()?;
        wait_for("the target", || {
            fs::read_to_string(&said).is_ok_and(|text| text.contains("ready"))
        })?;
        Ok(Self { pid: i32::try_from(child.id())?, child })
    }

    /// It was ended by a checkpoint.
    fn reap(mut self) -> anyhow::Result<()> {
        self.child.wait()?;
        Ok(())
    }
}

fn json(command: &mut Command) -> anyhow::Result<(f64, serde_json::Value)> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let millis = start.elapsed().as_secs_f64() * 1e3;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok((millis, serde_json::from_slice(&output.stdout).context("reading its answer")?))
}

fn measure(lab: &Lab, program: &Path, case: &Case, runs: usize) -> anyhow::Result<Times> {
    let mut times = Times::default();
    let image = lab.fresh()?.join("image");
    let checkpoint = |pid: i32, after: &str| {
        let mut command = Command::new(&lab.outlast);
        command.args(["--json", "checkpoint", after]).arg("-o").arg(&image).arg(pid.to_string());
        json(&mut command)
    };
    let target = Target::start(lab, program, case)?;
    // The first round finds nothing in any cache.
    for round in 0..=runs {
        let (millis, answer) = checkpoint(target.pid, "--leave-running")?;
        if round > 0 {
            times.dump.push(millis);
            let frozen = answer["frozen_us"].as_f64().context("frozen_us: expected a number")?;
            times.frozen.push(frozen / 1e3);
        }
    }
    times.kill.push(checkpoint(target.pid, "--kill")?.0);
    target.reap()?;
    for round in 0..=runs {
        let mut command = Command::new(&lab.outlast);
        command.args(["--json", "restore", "--detach"]).arg(&image);
        let (millis, answer) = json(&mut command)?;
        if round > 0 {
            times.restore.push(millis);
        }
        let pid = answer["pid"].as_i64().context("pid: expected a number")?;
        let ended = Command::new("kill").args(["-9", &pid.to_string()]).status()?;
        ensure!(ended.success(), "process {pid} was not there after the restore");
        wait_for("its end", || !Path::new(&format!("/proc/{pid}/mem")).exists() || is_zombie(pid))?;
    }
    Ok(times)
}

fn is_zombie(pid: i64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// Whether there is a CRIU that runs on this kernel.
fn criu_works() -> bool {
    let mut check = Command::new("criu");
    check.arg("check").stdout(Stdio::null()).stderr(Stdio::null());
    check.status().is_ok_and(|status| status.success())
}

fn criu(lab: &Lab, program: &Path, case: &Case, runs: usize) -> anyhow::Result<Times> {
    let mut times = Times::default();
    let timed = |command: &mut Command| -> anyhow::Result<f64> {
        let start = Instant::now();
        let output = command.stdin(Stdio::null()).output()?;
        let millis = start.elapsed().as_secs_f64() * 1e3;
        ensure!(output.status.success(), "criu: {}", String::from_utf8_lossy(&output.stderr));
        Ok(millis)
    };
    let target = Target::start(lab, program, case)?;
    let mut folder = lab.fresh()?;
    for _ in 0..runs {
        folder = lab.fresh()?;
        let mut dump = Command::new("criu");
        dump.args([
            "dump",
            "--leave-running",
            "--shell-job",
            "-v0",
            "-t",
            &target.pid.to_string(),
            "-D",
        ]);
        times.dump.push(timed(dump.arg(&folder))?);
        // In microseconds, of its own statistics.
        let shown = Command::new("crit").arg("show").arg(folder.join("stats-dump")).output();
        let shown: Option<serde_json::Value> =
            shown.ok().and_then(|shown| serde_json::from_slice(&shown.stdout).ok());
        let frozen = shown.and_then(|shown| shown["entries"][0]["dump"]["frozen_time"].as_f64());
        times.frozen.extend(frozen.map(|micros| micros / 1e3));
    }
    Command::new("kill").args(["-9", &target.pid.to_string()]).status()?;
    let pid = target.pid;
    target.reap()?;
    for _ in 0..runs {
        let mut restore = Command::new("criu");
        restore.args(["restore", "--restore-detached", "--shell-job", "-v0", "-D"]);
        times.restore.push(timed(restore.arg(&folder))?);
        Command::new("kill").args(["-9", &pid.to_string()]).status()?;
        std::thread::sleep(Duration::from_millis(50));
        wait_for("its end", || !Path::new(&format!("/proc/{pid}")).exists())?;
    }
    Ok(times)
}
