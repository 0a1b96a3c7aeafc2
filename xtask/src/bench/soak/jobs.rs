//! The jobs: small ones, of a few kinds, each waited for.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{api, take};

/// Answers of one worker suffice: what is looked at is the daemons, not the results.
const ONE_ANSWER: &str = r#"{"quorum": 1, "samples": 0}"#;

/// All of them.
pub(super) struct Work {
    data_dir: PathBuf,
    folder: PathBuf,
    total: u64,
    next: AtomicU64,
    done: AtomicU64,
    verification: Value,
}

impl Work {
    pub(super) fn new(data_dir: &Path, folder: PathBuf, total: u64) -> anyhow::Result<Self> {
        Ok(Self {
            data_dir: data_dir.to_owned(),
            folder,
            total,
            next: AtomicU64::new(0),
            done: AtomicU64::new(0),
            verification: serde_json::from_str(ONE_ANSWER)?,
        })
    }

    /// Jobs that are over.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Submits one after another until there are none left, and waits for each.
    pub(super) fn submit_all(&self) -> anyhow::Result<()> {
        while let Some(number) = take(&self.next, self.total) {
            self.one(number).with_context(|| format!("job {number}"))?;
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn one(&self, number: u64) -> anyhow::Result<()> {
        let cwd = self.folder.join(number.to_string());
        std::fs::create_dir(&cwd)?;
        let spec = self.spec(number, &cwd)?;
        let submitted = api::ask(&self.data_dir, "POST", "/v1/jobs", &spec.to_string())?;
        let submitted: Value = serde_json::from_str(&submitted)?;
        let id = submitted["id"].as_str().context("a job without a number")?;
        let mut since = String::new();
        loop {
            let path = format!("/v1/jobs/{id}/wait?timeout_ms=30000{since}");
            let summary: Value =
                serde_json::from_str(&api::ask(&self.data_dir, "GET", &path, "")?)?;
            let state = summary["state"].as_str().unwrap_or_default();
            match state {
                "done" => break,
                "failed" | "cancelled" => anyhow::bail!("it is {state}: {}", summary["error"]),
                _ => since = format!("&since={}", summary["version"]),
            }
        }
        if number % 10 == 7 {
            let written = std::fs::read_to_string(cwd.join("out.txt"))?;
            ensure!(written == text(number), "its output is {written:?}");
        }
        std::fs::remove_dir_all(&cwd)?;
        Ok(())
    }

    /// One to three runs of something short; each tenth job has an input and an output of its own.
    fn spec(&self, number: u64, cwd: &Path) -> anyhow::Result<Value> {
        let mut spec = match number % 10 {
            7 => {
                std::fs::write(cwd.join("in.txt"), text(number))?;
                json!({ "argv": ["cp", "in.txt", "out.txt"], "inputs": ["in.txt"], "outputs": ["out.txt"] })
            }
            1 | 4 => json!({ "argv": ["sh", "-c", format!("echo {number}")] }),
            kind => json!({
                "argv": ["true", "{i}"],
                "params": [{ "name": "i", "values": format!("1..{}", 1 + kind % 3) }],
                "gridlets": 1 + kind % 3,
            }),
        };
        spec["cwd"] = json!(cwd);
        spec["verification"] = self.verification.clone();
        Ok(spec)
    }
}

/// What no other job has.
fn text(number: u64) -> String {
    format!("{number}\n").repeat(200)
}
