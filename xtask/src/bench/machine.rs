//! What the figures were measured on.

use std::fs;
use std::process::Command;

/// Says what machine this is, when it is, and how busy.
pub(super) fn print(runs: usize, quick: bool) {
    let rounds = if quick { " (quick: the figures mean nothing)" } else { "" };
    println!("- date: {}", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]));
    println!("- commit: {}", said("git", &["describe", "--always", "--dirty"]));
    println!("- processor: {} × {}", cores(), field("/proc/cpuinfo", "model name"));
    println!("- memory: {}", field("/proc/meminfo", "MemTotal"));
    println!("- system: {}", said("uname", &["-sr"]));
    println!("- folder of the measurements: {}", folder());
    println!("- compiler: {}", said("rustc", &["--version"]));
    println!("- rounds: {runs}{rounds}");
}

/// What the folder of temporary files is on.
fn folder() -> String {
    said("df", &["--output=source,fstype", &std::env::temp_dir().display().to_string()])
}

/// Whether what is measured is written to memory.
pub(super) fn in_memory() -> bool {
    folder().ends_with("tmpfs")
}

/// Load over the last minute.
pub(super) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// The last line that a command prints; empty if it can't be run.
pub(super) fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.trim().lines().last().unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
