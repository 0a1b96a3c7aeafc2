//! What a daemon holds at one moment.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::api;
use crate::bench::lab::Daemon;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// Jobs that were over when it was taken.
    pub(super) jobs: u64,
    resident_mib: f64,
    anonymous_mib: f64,
    descriptors: f64,
    threads: f64,
    journal_mib: f64,
    blobs_mib: f64,
    work_files: f64,
    jobs_kept: f64,
    tables: f64,
}

/// A figure, and how much it may grow in 1,000 jobs.
pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) digits: usize,
    pub(super) of: fn(&Sample) -> f64,
    pub(super) limit: f64,
}

const fn column(head: &'static str, digits: usize, limit: f64, of: fn(&Sample) -> f64) -> Column {
    Column { head, digits, of, limit }
}

/// The limits are what couldn't be told from noise: 20,000 jobs may cost 1 MiB, and no descriptor.
pub(super) const COLUMNS: &[Column] = &[
    column("resident MiB", 1, 0.05, |sample| sample.resident_mib),
    column("anonymous MiB", 1, 0.05, |sample| sample.anonymous_mib),
    column("descriptors", 0, 0.05, |sample| sample.descriptors),
    column("threads", 0, 0.05, |sample| sample.threads),
    column("journal MiB", 1, 0.05, |sample| sample.journal_mib),
    column("blobs MiB", 1, 0.05, |sample| sample.blobs_mib),
    column("files in work/", 0, 0.05, |sample| sample.work_files),
    column("jobs kept", 0, 0.05, |sample| sample.jobs_kept),
    column("leases and answers", 0, 0.05, |sample| sample.tables),
];

impl Sample {
    pub(super) fn take(daemon: &Daemon, jobs: u64) -> anyhow::Result<Self> {
        let data = &daemon.data_dir;
        let metrics = api::ask(data, "GET", "/metrics", "")?;
        let sum = |names: &[&str]| -> f64 { names.iter().map(|name| figure(&metrics, name)).sum() };
        #[expect(clippy::cast_precision_loss, reason = "counts, and bytes to be shown")]
        let number = |count: u64| count as f64;
        let mib = |bytes: u64| number(bytes) / f64::from(1 << 20);
        let proc = format!("/proc/{}", daemon.id());
        let entries = |path: &str| fs::read_dir(path).map_or(0, Iterator::count) as u64;
        Ok(Self {
            jobs,
            resident_mib: number(daemon.kib("smaps_rollup", "Rss")) / 1024.0,
            anonymous_mib: number(daemon.kib("smaps_rollup", "Anonymous")) / 1024.0,
            descriptors: number(entries(&format!("{proc}/fd"))),
            threads: number(entries(&format!("{proc}/task"))),
            journal_mib: mib(size(&data.join("outlast.redb")).1),
            blobs_mib: mib(size(&data.join("blobs")).1),
            work_files: number(size(&data.join("work")).0),
            jobs_kept: sum(&["outlast_jobs"]),
            tables: sum(&["outlast_leases_out", "outlast_leases_here", "outlast_answers_here"]),
        })
    }

    /// Jobs in thousands.
    pub(super) fn thousands(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a number of jobs")]
        let jobs = self.jobs as f64;
        jobs / 1000.0
    }
}

/// The sum of a metric over its labels.
fn figure(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let values = lines.filter(|rest| rest.starts_with([' ', '{']));
    values.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Files in a folder or at a path, and the bytes that they take on the disk. What goes meanwhile doesn't count.
fn size(path: &Path) -> (u64, u64) {
    let Ok(found) = fs::symlink_metadata(path) else { return (0, 0) };
    if !found.is_dir() {
        return (1, found.blocks() * 512);
    }
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    below
        .map(|entry| size(&entry.path()))
        .fold((0, 0), |(files, bytes), (more, size)| (files + more, bytes + size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_summed_over_its_labels() {
        let text = "# TYPE outlast_jobs gauge\noutlast_jobs{state=\"done\"} 3.0\n\
                    outlast_jobs{state=\"failed\"} 1.0\noutlast_jobs_ended_total 9\n";
        assert_eq!(figure(text, "outlast_jobs"), 4.0);
        assert_eq!(figure(text, "outlast_none"), 0.0);
    }
}
