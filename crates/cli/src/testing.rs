//! Nodes that answer from a script, and streams that remember.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outlast_api::trust::*;
use outlast_api::types::*;
use outlast_api::{Answer, ApiError, Control};

use outlast_node::config::Config;

use crate::embed::{Boxed, Embedder, Node, Role, StartError};

pub(crate) const JOB: &str = "00000000000000ab";

pub(crate) fn summary() -> JobSummary {
    JobSummary {
        id: JOB.to_owned(),
        name: None,
        app: "povray".to_owned(),
        command: ["povray", "+Imy scene.pov", "+W1920"].map(str::to_owned).to_vec(),
        state: JobState::Running,
        created: 1_795_252_579,
        elapsed_s: 7.25,
        version: 1,
        gridlets_total: 12,
        gridlets_done: 3,
        cells_total: 48,
        cells_accepted: 13,
        answers_rejected: 1,
        running_leases: 2,
        eta_s: Some(4.0),
        exit: None,
        error: None,
        waiting_for: None,
        staging: None,
        notes: Vec::new(),
        files: Vec::new(),
    }
}

pub(crate) fn done() -> JobSummary {
    JobSummary {
        state: JobState::Done,
        version: 9,
        gridlets_done: 12,
        cells_accepted: 48,
        exit: Some(0),
        eta_s: None,
        running_leases: 0,
        files: vec!["scene.png".to_owned()],
        ..summary()
    }
}

pub(crate) fn detail(summary: JobSummary) -> JobDetail {
    JobDetail {
        summary,
        policy: VerificationPolicy {
            quorum: 2,
            max_answers: 5,
            samples: 1,
            schedule: Schedule::Incremental,
            schedule_now: None,
        },
        services: Vec::new(),
        verification: VerificationStats {
            answers: 99,
            accepted_by_quorum: 40,
            accepted_trusted: 8,
            samples_passed: 11,
            samples_failed: 1,
            samples_unavailable: 2,
            sample_trouble: Some("povray is missing".to_owned()),
            late_answers: 2,
            duplicate_answers: 3,
            expired_leases: 1,
            refused_leases: 4,
            rival_leases: 1,
        },
        wrong: vec![WrongAnswer {
            node: "efab".repeat(16),
            name: "liar\u{1b}[2J".to_owned(),
            gridlet: 4,
            cells: 2,
            area: "pixels 0..32 x 0..64".to_owned(),
            proof: Proof::Sample,
            reason: "contradicts a sample computed by the submitter".to_owned(),
        }],
        workers: vec![
            WorkerRow {
                node: "0123".repeat(16),
                name: "worker".to_owned(),
                leases: 8,
                answered: 60,
                accepted: 60,
                wrong: 0,
                failures: 1,
                out: None,
                staging: None,
            },
            WorkerRow {
                node: "efab".repeat(16),
                name: "liar".to_owned(),
                leases: 4,
                answered: 2,
                accepted: 0,
                wrong: 2,
                failures: 0,
                out: Some("blacklisted".to_owned()),
                staging: None,
            },
        ],
        gridlets: vec![GridletRow {
            id: 4,
            atoms: "pixels 0..32 x 0..64".to_owned(),
            cells: 4,
            accepted: 2,
            leases: 2,
            running_on: vec!["worker".to_owned()],
        }],
    }
}

pub(crate) fn node_row() -> NodeRow {
    NodeRow {
        id: "0123".repeat(16),
        name: "here".to_owned(),
        version: "0.1.0".to_owned(),
        addresses: vec!["127.0.0.1:4711".to_owned()],
        state: NodeState::Myself,
        draining: false,
        slots: 2,
        free: 1,
        cores: 2,
        load: 0.25,
        memory_bytes: 8 << 30,
        flops: 3_210_000_000,
        kind: "x86_64 linux".to_owned(),
        credibility: 1.0,
        right: 60,
        wrong: 0,
        evidence: None,
        blacklisted: false,
        vos: Vec::new(),
        last_seen_s: None,
    }
}

fn reach() -> Reach {
    let seen = |address: Option<&str>, nodes| Observed {
        address: address.map(str::to_owned),
        nodes,
        seconds_ago: 2.0,
    };
    Reach {
        observed: vec![seen(Some("10.0.0.5:7771"), 3), seen(None, 1)],
        relays: vec![Relay {
            url: "http://10.0.0.1:3340".to_owned(),
            connected: false,
            trouble: Some("connection refused".to_owned()),
        }],
        lan: "announced; 2 nodes were found".to_owned(),
    }
}

pub(crate) fn status() -> NodeStatus {
    NodeStatus {
        id: "0123".repeat(16),
        name: "here".to_owned(),
        version: "0.1.0".to_owned(),
        vos: vec![VoSummary {
            id: "ab".repeat(32),
            name: "lab".to_owned(),
            rights: vec!["submit".to_owned(), "invite".to_owned()],
            members: 1,
            ..VoSummary::default()
        }],
        addresses: vec!["127.0.0.1:4711".to_owned()],
        reach: reach(),
        uptime_s: 185.0,
        slots: 2,
        busy: 1,
        running_jobs: 1,
        members: 1,
        draining: false,
        data_dir: "/data".to_owned(),
        counters: [("frames dropped".to_owned(), 3), ("none".to_owned(), 0)].into(),
    }
}

/// A node that answers from a script. `wait` gives one summary after another; after the last it hangs.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) waits: Mutex<VecDeque<Result<JobSummary, ApiError>>>,
    pub(crate) jobs: Mutex<VecDeque<Vec<JobSummary>>>,
    pub(crate) last: Mutex<Option<JobSummary>>,
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) submitted: Mutex<Vec<JobSpec>>,
    /// One list after another; the last one stays. None: a list of two.
    pub(crate) logs: Mutex<VecDeque<Vec<LogEntry>>>,
    pub(crate) stdout: Vec<u8>,
    /// Says that it leaves when it is asked for standard output from here on, and calls this.
    pub(crate) leaves: Option<(u64, Box<dyn Fn() + Send + Sync>)>,
    pub(crate) refuse: Option<ApiError>,
}

impl Script {
    pub(crate) fn new(waits: impl IntoIterator<Item = JobSummary>) -> Self {
        Self::answers(waits.into_iter().map(Ok))
    }

    pub(crate) fn answers(waits: impl IntoIterator<Item = Result<JobSummary, ApiError>>) -> Self {
        Self { waits: Mutex::new(waits.into_iter().collect()), ..Self::default() }
    }

    fn call(&self, what: impl Into<String>) {
        self.calls.lock().unwrap().push(what.into());
    }

    pub(crate) fn called(&self, what: &str) -> bool {
        self.calls.lock().unwrap().iter().any(|call| call == what)
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| *call == what).count()
    }

    fn find(&self, job: &str) -> Result<JobSummary, ApiError> {
        if !JOB.starts_with(job) {
            return Err(ApiError::not_found(format!("no job {job}")));
        }
        Ok(self.last.lock().unwrap().clone().unwrap_or_else(summary))
    }
}

impl Control for Script {
    fn status(&self) -> Answer<'_, NodeStatus> {
        Box::pin(async { Ok(status()) })
    }

    fn metrics(&self) -> Answer<'_, String> {
        Box::pin(async { Ok("# EOF\n".to_owned()) })
    }

    fn nodes(&self) -> Answer<'_, Vec<NodeRow>> {
        self.call("nodes");
        Box::pin(async { Ok(vec![node_row()]) })
    }

    fn submit(&self, spec: JobSpec) -> Answer<'_, String> {
        Box::pin(async {
            self.submitted.lock().unwrap().push(spec);
            self.refuse.clone().map_or_else(|| Ok(JOB.to_owned()), Err)
        })
    }

    fn jobs(&self) -> Answer<'_, Vec<JobSummary>> {
        self.call("jobs");
        Box::pin(async {
            let mut jobs = self.jobs.lock().unwrap();
            Ok(if jobs.len() > 1 { jobs.pop_front() } else { jobs.front().cloned() }
                .unwrap_or_default())
        })
    }

    fn job<'a>(&'a self, job: &'a str, _: Page) -> Answer<'a, JobDetail> {
        Box::pin(async move { self.find(job).map(detail) })
    }

    fn wait<'a>(&'a self, job: &'a str, _: Option<u64>, _: Duration) -> Answer<'a, JobSummary> {
        Box::pin(async move {
            self.call("wait");
            self.find(job)?;
            let next = self.waits.lock().unwrap().pop_front();
            match next {
                Some(answer) => {
                    *self.last.lock().unwrap() = answer.clone().ok();
                    answer
                }
                None => std::future::pending().await,
            }
        })
    }

    fn logs<'a>(&'a self, job: &'a str) -> Answer<'a, Vec<LogEntry>> {
        Box::pin(async move {
            self.find(job)?;
            let mut lists = self.logs.lock().unwrap();
            let list = if lists.len() > 1 { lists.pop_front() } else { lists.front().cloned() };
            if let Some(list) = list {
                return Ok(list);
            }
            let entry = |time, node: Option<&str>, text: &str| LogEntry {
                time,
                node: node.map(str::to_owned),
                text: text.to_owned(),
            };
            Ok(vec![
                entry(1_795_252_579.5, None, "submitted"),
                entry(1_795_252_580.0, Some("worker"), "program failed:\nno such file\n"),
            ])
        })
    }

    fn cancel<'a>(&'a self, job: &'a str) -> Answer<'a, JobSummary> {
        self.call("cancel");
        Box::pin(async move { Ok(JobSummary { state: JobState::Cancelled, ..self.find(job)? }) })
    }

    fn retry<'a>(&'a self, job: &'a str) -> Answer<'a, JobSummary> {
        self.call("retry");
        Box::pin(async move {
            self.refuse.clone().map_or(Ok(()), Err)?;
            Ok(JobSummary { state: JobState::Merging, ..self.find(job)? })
        })
    }

    fn why<'a>(&'a self, job: &'a str, gridlet: u32) -> Answer<'a, Why> {
        Box::pin(async move {
            let job = self.find(job)?.id;
            if gridlet > 12 {
                return Err(ApiError::not_found("no such gridlet"));
            }
            let scene = |kind, text: &str| Scene {
                kind,
                node: Some("0123".repeat(16)),
                name: Some("worker".to_owned()),
                cells: vec![1, 2],
                text: text.to_owned(),
            };
            Ok(Why {
                job,
                gridlet,
                atoms: "pixels 0..32 x 0..64".to_owned(),
                cells: 4,
                accepted: 2,
                scenes: vec![
                    scene(SceneKind::Answered, "worker (0123012301) answered A for cells 1-2"),
                    scene(SceneKind::Accepted, "A is accepted\u{1b}[2J for cells 1-2"),
                ],
                cut: true,
            })
        })
    }

    fn preview<'a>(&'a self, job: &'a str) -> Answer<'a, PreviewFile> {
        self.call("preview");
        Box::pin(async move {
            let bytes = format!("{} cells", self.find(job)?.cells_accepted).into_bytes();
            Ok(PreviewFile { media_type: "text/plain".to_owned(), bytes })
        })
    }

    fn output<'a>(&'a self, _: &'a str, name: OutputName, offset: u64) -> Answer<'a, OutputPart> {
        Box::pin(async move {
            if let Some((at, leave)) = &self.leaves
                && *at == offset
            {
                leave();
                return Err(ApiError::unavailable("the node is stopping"));
            }
            let whole: &[u8] = match name {
                OutputName::Stdout => &self.stdout,
                OutputName::Stderr => b"a warning\n",
            };
            let rest = &whole[offset as usize..];
            Ok(OutputPart { bytes: rest[..rest.len().min(4)].to_vec(), total: whole.len() as u64 })
        })
    }

    fn down(&self, request: DownRequest) -> Answer<'_, ()> {
        self.call(format!("down drain={}", request.drain));
        Box::pin(async { Ok(()) })
    }

    fn pardon<'a>(&'a self, node: &'a str) -> Answer<'a, Pardoned> {
        self.call(format!("pardon {node}"));
        Box::pin(async {
            self.refuse.clone().map_or_else(|| Ok(Pardoned { node: "efab".repeat(16) }), Err)
        })
    }
}

impl TrustControl for Script {
    fn vos(&self) -> Answer<'_, Vec<VoSummary>> {
        Box::pin(async { Ok(status().vos) })
    }

    fn vo(&self, request: VoRequest) -> Answer<'_, VoDetail> {
        self.call(format!("vo {}", request.vo.unwrap_or_default()));
        let summary = status().vos.remove(0);
        Box::pin(async { Ok(VoDetail { summary, ..VoDetail::default() }) })
    }

    fn create_vo(&self, request: CreateVoRequest) -> Answer<'_, VoSummary> {
        self.call(format!("create {}", request.name));
        Box::pin(async { self.refuse.clone().map_or_else(|| Ok(status().vos.remove(0)), Err) })
    }

    fn leave_vo(&self, request: VoRequest) -> Answer<'_, VoSummary> {
        self.call(format!("leave {}", request.vo.unwrap_or_default()));
        Box::pin(async { self.refuse.clone().map_or_else(|| Ok(status().vos.remove(0)), Err) })
    }

    fn invite(&self, request: InviteRequest) -> Answer<'_, Invited> {
        self.call(format!(
            "invite {} {:?} {:?}",
            request.rights.join(","),
            request.expires_in_s,
            request.reusable
        ));
        let invited = Invited {
            ticket: "a-ticket".to_owned(),
            vo: "lab".to_owned(),
            rights: vec!["submit".to_owned()],
            ..Invited::default()
        };
        Box::pin(async { self.refuse.clone().map_or_else(|| Ok(invited), Err) })
    }

    fn expel(&self, request: ExpelRequest) -> Answer<'_, Expelled> {
        self.call(format!("expel {}", request.node));
        let expelled =
            Expelled { node: "efab".repeat(16), vo: "lab".to_owned(), kept: vec!["12".repeat(32)] };
        Box::pin(async { self.refuse.clone().map_or_else(|| Ok(expelled), Err) })
    }

    fn join<'a>(&'a self, ticket: &'a str) -> Answer<'a, Joined> {
        self.call(format!("join {ticket}"));
        let joined = Joined { vo: "lab".to_owned(), state: JoinState::Joined, ..Joined::default() };
        Box::pin(async { self.refuse.clone().map_or_else(|| Ok(joined), Err) })
    }
}

/// Starts nodes that answer from a script.
#[derive(Default)]
pub(crate) struct Embedders {
    pub(crate) script: Arc<Script>,
    pub(crate) started: Mutex<Vec<Role>>,
    pub(crate) stopped: Arc<Mutex<u32>>,
    pub(crate) ends: Option<Result<(), String>>,
    /// Errors that come first.
    pub(crate) errors: Mutex<VecDeque<StartError>>,
}

impl Embedders {
    pub(crate) fn of(script: Script) -> Self {
        Self { script: Arc::new(script), ..Self::default() }
    }
}

struct ScriptNode {
    script: Arc<Script>,
    stopped: Arc<Mutex<u32>>,
    ends: Option<Result<(), String>>,
}

impl Node for ScriptNode {
    fn control(&self) -> Arc<dyn Control> {
        self.script.clone()
    }

    fn ended(&mut self) -> Boxed<'_, Result<(), String>> {
        let downed = self.script.calls.lock().unwrap().iter().any(|call| call.starts_with("down"));
        Box::pin(async move {
            match &self.ends {
                Some(end) => end.clone(),
                None if downed => Ok(()),
                None => std::future::pending().await,
            }
        })
    }

    fn stop(self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(async move { *self.stopped.lock().unwrap() += 1 })
    }
}

impl Embedder for Embedders {
    fn start(&self, _: Config, role: Role) -> Boxed<'_, Result<Box<dyn Node>, StartError>> {
        Box::pin(async move {
            if let Some(error) = self.errors.lock().unwrap().pop_front() {
                return Err(error);
            }
            self.started.lock().unwrap().push(role);
            Ok(Box::new(ScriptNode {
                script: self.script.clone(),
                stopped: self.stopped.clone(),
                ends: self.ends.clone(),
            }) as Box<dyn Node>)
        })
    }
}

/// A stream that remembers what was written.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream that nobody reads any more.
pub(crate) struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
