//! One job whose inputs come to all nodes, and what that took.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};

use super::field::Node;
use super::lab::{Lab, median};

/// A run says when it began, with all its inputs there, and waits for the others: each node takes one. Then it
/// counts what it has.
const STEP: &str = r#"
date +%s.%N > "$2/$1.new" && mv "$2/$1.new" "$2/$1.begun"
while [ "$(ls "$2" | grep -c begun)" -lt "$3" ]; do sleep 0.1; done
find -L "$4" -type f -exec cat -- '{}' + | wc -c
"#;

/// What one job's staging took.
#[derive(Clone, Debug, Default)]
pub(super) struct Took {
    /// Seconds until the submitter had read its files and accepted the job; 0 for who doesn't.
    pub(super) accepted: f64,
    /// Seconds until the last node had the files.
    pub(super) there: f64,
    /// Bytes that the submitter's host sent meanwhile.
    pub(super) sent: Option<u64>,
    /// Processor seconds of the submitter's daemon.
    pub(super) cpu_here: Option<f64>,
    /// Those of a node's, the mean.
    pub(super) cpu_there: Option<f64>,
}

/// Submits a job that needs `input`, a file or folder in `cwd` with so many bytes in all, at all nodes.
pub(super) fn stage(
    lab: &Lab,
    submitter: &Node<'_>,
    nodes: &[Node<'_>],
    cwd: &Path,
    input: &str,
    bytes: u64,
) -> anyhow::Result<Took> {
    let (marks, output) = (lab.fresh()?, lab.fresh()?.join("output"));
    fs::write(cwd.join("step.sh"), STEP)?;
    let count = nodes.len().to_string();
    let mut command = submitter.outlast(cwd);
    command.args(["submit", "--replication", "1", "--samples", "0", "--gridlets", &count]);
    command.args(["--param", &format!("i=1..{count}"), "--input", input, "--output"]).arg(&output);
    command.args(["--", "sh", "step.sh", "{i}"]).arg(&marks).args([&count, input]);

    let sent = submitter.host.sent();
    let cpu_here = submitter.cpu_seconds();
    let cpu_there: f64 = nodes.iter().map(Node::cpu_seconds).sum();
    let start = now()?;
    let job = said(&mut command)?;
    let accepted = now()? - start;
    said(submitter.outlast(cwd).args(["wait", &job]))?;

    let mut there = f64::NAN;
    for number in 1..=nodes.len() {
        let text = fs::read_to_string(marks.join(format!("{number}.begun")))?;
        there = there.max(text.trim().parse::<f64>()? - start);
        check(&output, bytes)?;
    }
    let all: f64 = nodes.iter().map(Node::cpu_seconds).sum();
    #[expect(clippy::cast_precision_loss, reason = "a handful of nodes")]
    let cpu_there = (all - cpu_there) / nodes.len() as f64;
    Ok(Took {
        accepted,
        there,
        sent: submitter.host.sent().zip(sent).map(|(after, before)| after - before),
        cpu_here: Some(submitter.cpu_seconds() - cpu_here),
        cpu_there: Some(cpu_there),
    })
}

/// Every run has counted all bytes.
fn check(output: &Path, bytes: u64) -> anyhow::Result<()> {
    let found = said(
        Command::new("find")
            .arg(output)
            .args(["-name", "stdout*", "-type", "f", "-exec", "cat", "{}", "+"]),
    )?;
    ensure!(!found.is_empty(), "no output in {}", output.display());
    for line in found.lines() {
        ensure!(line.trim() == bytes.to_string(), "expected {bytes} bytes, a node found {line}");
    }
    Ok(())
}

/// Seconds since 1970: the clock that `date` shows, on the one machine that all hosts are on.
pub(super) fn now() -> anyhow::Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// What a command prints, which has to succeed.
pub(super) fn said(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.output().with_context(|| format!("starting {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// One way to do it, and what it took each time.
pub(super) struct Way {
    pub(super) name: String,
    pub(super) nodes: usize,
    pub(super) times: Vec<Took>,
}

impl Way {
    pub(super) fn new(name: impl Into<String>, nodes: usize) -> Self {
        Self { name: name.into(), nodes, times: Vec::new() }
    }

    /// The middle of something about it.
    pub(super) fn median(&self, of: impl Fn(&Took) -> f64) -> f64 {
        median(&self.times.iter().map(of).collect::<Vec<_>>())
    }

    /// The middle of something that not everybody has, as text.
    pub(super) fn text(&self, of: impl Fn(&Took) -> Option<f64>, digits: usize) -> String {
        let values: Vec<f64> = self.times.iter().filter_map(of).collect();
        if values.is_empty() { String::new() } else { format!("{:.digits$}", median(&values)) }
    }

    /// Notes a round, and tells whoever watches.
    pub(super) fn add(&mut self, round: usize, took: Took) {
        eprintln!("round {round}: {:8.2} s  {}, {} nodes", took.there, self.name, self.nodes);
        self.times.push(took);
    }
}

/// So many bytes in MiB.
#[expect(clippy::cast_precision_loss, reason = "for people, three digits")]
pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}
