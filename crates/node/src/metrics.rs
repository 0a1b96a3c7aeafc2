//! The node in figures, for monitoring.
//!
//! What only grows is counted where it happens, in [`Metrics`]; everything else is looked up when somebody asks,
//! so that figures nobody reads cost nothing. Names follow Prometheus: base units at the end of the name,
//! `_total` for what only grows. `docs/guide/monitoring.md` lists them.
//!
//! Nothing here names a job, a file or another node: figures may be read by others than the node's owner.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use outlast_api::ApiError;
use outlast_api::control::Answer;
use outlast_job::{Coordinator, End, Footprint, Peer, Phase};
use outlast_overlay::State;
use outlast_types::{Ad, Time};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::node::Node;

/// A name and its value beside a figure.
type Label = [(&'static str, &'static str); 1];

/// Journal commits from a tenth of a millisecond (a fast SSD) to 3.3 s (a disk in trouble).
const COMMIT_BUCKETS: (f64, f64, u16) = (0.0001, 2.0, 16);

/// What is counted as it happens. Starts anew with the daemon.
#[derive(Debug)]
pub(crate) struct Metrics {
    submitted: Counter,
    ended: Family<Label, Counter>,
    accepted: Counter,
    steps: Counter,
    commits: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let (start, factor, length) = COMMIT_BUCKETS;
        let ended = Family::<Label, Counter>::default();
        // All of them from the start: what isn't there can't be seen to grow.
        for outcome in ["done", "failed", "cancelled"] {
            drop(ended.get_or_create(&[("outcome", outcome)]));
        }
        Self {
            submitted: Counter::default(),
            ended,
            accepted: Counter::default(),
            steps: Counter::default(),
            commits: Histogram::new(exponential_buckets(start, factor, length)),
        }
    }

    /// A job was taken on.
    pub(crate) fn job_submitted(&self) {
        self.submitted.inc();
    }

    /// A job submitted here came to its end.
    pub(crate) fn job_ended(&self, end: &End) {
        let outcome = match end {
            End::Done(_) => "done",
            End::Failed(_) | End::NoProgram(_) | End::Unwritten(_) => "failed",
            End::Cancelled => "cancelled",
        };
        self.ended.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// An answer for a cell of a job submitted here was accepted.
    pub(crate) fn cell_accepted(&self) {
        self.accepted.inc();
    }

    /// A program is started here, for whomever.
    pub(crate) fn step_started(&self) {
        self.steps.inc();
    }

    /// A transaction became durable.
    pub(crate) fn committed(&self, took: Duration) {
        self.commits.observe(took.as_secs_f64());
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("jobs_submitted", "Jobs taken on here", self.submitted.clone());
        registry.register("jobs_ended", "Jobs submitted here that ended", self.ended.clone());
        let help = "Cells of jobs submitted here that were accepted";
        registry.register("cells_accepted", help, self.accepted.clone());
        let help = "Steps of recipes begun on this node, for whomever";
        registry.register("steps_started", help, self.steps.clone());
        let help = "How long the journal took to make a batch durable";
        registry.register_with_unit("journal_commit", help, Unit::Seconds, self.commits.clone());
    }
}

/// What the peer knows at one moment.
struct Snapshot {
    ad: Ad,
    running: usize,
    footprint: Footprint,
    jobs: [(&'static str, u64); 4],
    waiting: u64,
    members: [(&'static str, u64); 4],
    blacklisted: u64,
    wrong: [(&'static str, u64); 2],
    messages: u64,
}

fn look(peer: &Peer, now: Time) -> Snapshot {
    let phases: Vec<Phase> = peer.jobs().map(|(_, job)| job.phase().clone()).collect();
    let jobs = |is: fn(&Phase) -> bool| phases.iter().filter(|&phase| is(phase)).count() as u64;
    let active = peer.jobs().filter(|(_, job)| job.is_active());
    let waiting = active.map(|(_, job): (_, &Coordinator)| u64::from(job.report(now).waiting));
    let members =
        |state| peer.membership().members().filter(|member| member.state == state).count() as u64;
    let sum = |of: fn(&outlast_verify::History) -> u64| {
        peer.ledger().iter().map(|(_, history)| of(history)).fold(0, u64::saturating_add)
    };
    Snapshot {
        ad: peer.ad(),
        running: peer.work().1,
        footprint: peer.footprint(),
        jobs: [
            ("running", jobs(|phase| matches!(phase, Phase::Running))),
            ("merging", jobs(|phase| matches!(phase, Phase::Merging))),
            ("done", jobs(|phase| matches!(phase, Phase::Ended(End::Done(_))))),
            (
                "failed",
                jobs(|phase| matches!(phase, Phase::Ended(end) if !matches!(end, End::Done(_)))),
            ),
        ],
        waiting: waiting.sum(),
        members: [
            ("alive", members(State::Alive)),
            ("suspect", members(State::Suspect)),
            ("lost", members(State::Lost)),
            ("left", members(State::Left)),
        ],
        blacklisted: sum(|history| history.blacklisted.into()),
        wrong: [
            ("outvoted", sum(|history| history.outvoted)),
            ("proven", sum(|history| history.sampled_wrong)),
        ],
        messages: peer.counters().messages,
    }
}

/// Adds figures to a registry that lives for one answer.
struct Page(Registry);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.0.register(name, help, number(value as f64));
    }

    fn gauge_in(&mut self, name: &str, unit: Unit, help: &str, value: f64) {
        self.0.register_with_unit(name, help, unit, number(value));
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: &[(&'static str, u64)],
    ) {
        let family = Family::<Label, Gauge<f64, AtomicU64>>::default();
        for (value, number) in values {
            family.get_or_create(&[(label, value)]).set(*number as f64);
        }
        self.0.register(name, help, family);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        let counter = Counter::<u64, AtomicU64>::default();
        counter.inc_by(value);
        self.0.register(name, help, counter);
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: &[(&'static str, u64)],
    ) {
        let family = Family::<Label, Counter>::default();
        for (value, number) in values {
            family.get_or_create(&[(label, value)]).inc_by(*number);
        }
        self.0.register(name, help, family);
    }
}

fn number(value: f64) -> Gauge<f64, AtomicU64> {
    let gauge = Gauge::default();
    gauge.set(value);
    gauge
}

impl Node {
    /// See [`Control::metrics`](outlast_api::Control::metrics).
    pub(crate) fn figures(&self) -> Answer<'_, String> {
        Box::pin(async move {
            let snapshot = self.ask(look).await?;
            let mut page = Page(Registry::with_prefix("outlast"));
            self.shared.metrics.register(&mut page.0);
            peer(&mut page, &snapshot);
            self.shell(&mut page);
            let mut text = String::new();
            // The library leaves the names of the process's own figures to us: they have no prefix.
            let mut process = Page(Registry::default());
            process_figures(&mut process);
            encode(&mut text, &page.0).map_err(|_| ApiError::internal("figures as text"))?;
            let mut rest = String::new();
            encode(&mut rest, &process.0).map_err(|_| ApiError::internal("figures as text"))?;
            let end = text.trim_end_matches("# EOF\n").len();
            text.replace_range(end.., &rest);
            Ok(text)
        })
    }

    /// What is known outside of the peer.
    fn shell(&self, page: &mut Page) {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        page.0.register("build", "Version of Outlast", version);
        let uptime = self.started.elapsed().as_secs_f64();
        page.gauge_in("uptime", Unit::Seconds, "Since the daemon was started", uptime);
        let stored = self.shared.store.total_bytes() as f64;
        page.gauge_in("store", Unit::Bytes, "Files kept by their content", stored);
        let pinned = self.shared.store.pinned_bytes() as f64;
        page.gauge_in("store_pinned", Unit::Bytes, "Of those, needed by jobs", pinned);
        let limit = self.shared.store.limit() as f64;
        page.gauge_in("store_limit", Unit::Bytes, "Least recently used files go beyond it", limit);
        let trouble = crate::shared::lock(&self.shared.trouble).is_some();
        page.gauge("journal_blocked", "1 while the journal can't be written", trouble.into());
        let refused = crate::shared::lock(&self.shared.counters).get("frames_refused").copied();
        let help = "Frames of other nodes that couldn't be read";
        page.counter("frames_refused", help, refused.unwrap_or(0));
        let seen = self.shared.transport.counters();
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let frames = [("sent", of(&seen.frames_sent)), ("received", of(&seen.frames_received))];
        page.counters("frames", "Frames exchanged with other nodes", "direction", &frames);
        page.counter("frames_dropped", "Frames that couldn't be sent", of(&seen.frames_dropped));
        let bytes = [("sent", of(&seen.bytes_sent)), ("received", of(&seen.bytes_received))];
        page.counters(
            "traffic_bytes",
            "Exchanged with other nodes, as datagrams",
            "direction",
            &bytes,
        );
        let help = "Connections closed because the other end broke a rule";
        page.counter("violations", help, of(&seen.violations));
        let refused = [
            ("too-many", of(&seen.refused)),
            ("stranger", of(&seen.turned_away)),
            ("by-others", of(&seen.turned_away_by_others)),
        ];
        let help = "Connections turned away by this node, or by others";
        page.counters("connections_refused", help, "reason", &refused);
        page.counter("streams_served", "Streams of other nodes", of(&seen.streams_served));
        let moved = self.shared.transfers.moved().counters();
        let moved = moved.map(|(name, bytes)| (name.trim_start_matches("staging_bytes_"), bytes));
        let help = "Of inputs and answers: fetched from others, found here otherwise, served";
        page.counters("staging_bytes", help, "way", &moved);
    }
}

fn peer(page: &mut Page, now: &Snapshot) {
    page.gauges("jobs", "Jobs submitted here that are remembered", "state", &now.jobs);
    page.gauge("gridlets_waiting", "Gridlets of jobs here that wait for a worker", now.waiting);
    let help = "Leases that jobs here have given to workers";
    page.gauge("leases_out", help, now.footprint.leases_out as u64);
    page.gauge("leases_here", "Leases that this node works on", now.footprint.leases_here as u64);
    let help = "Answers here that their submitters haven't acknowledged";
    page.gauge("answers_here", help, now.footprint.answers_here as u64);
    page.gauge("slots", "Gridlets that this node runs at a time", now.ad.slots.into());
    page.gauge("slots_busy", "Of those, in use", now.running as u64);
    page.gauge("draining", "1 while this node is leaving", now.ad.draining.into());
    page.gauges("members", "Other nodes of the grid", "state", &now.members);
    page.gauge("nodes_blacklisted", "Nodes that get no work from here", now.blacklisted);
    let help = "Wrong answers that were caught, also in earlier lives of the daemon";
    page.counters("wrong_answers", help, "proof", &now.wrong);
    page.counter("messages", "Messages of other nodes", now.messages);
}

/// Under the names that every exporter uses.
fn process_figures(page: &mut Page) {
    let usage = outlast_os::host::own_usage();
    let (resident, files) = (usage.resident_bytes as f64, usage.open_files);
    page.gauge_in("process_resident_memory", Unit::Bytes, "Resident memory size", resident);
    page.gauge("process_open_fds", "Open file descriptors", files);
    let cpu = Counter::<f64, AtomicU64>::default();
    cpu.inc_by(usage.cpu_s);
    let help = "User and system CPU time";
    page.0.register_with_unit("process_cpu", help, Unit::Seconds, cpu);
}

#[cfg(test)]
mod tests;
