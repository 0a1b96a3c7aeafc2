//! A node that answers from a script.

use std::sync::Mutex;
use std::time::Duration;

use outlast_api::trust::*;
use outlast_api::types::*;
use outlast_api::{Answer, ApiError, Control, ErrorCode};
use tokio::sync::watch;

pub(crate) const JOB: &str = "00000000000000ab";

pub(crate) struct Fake {
    pub(crate) submitted: Mutex<Vec<JobSpec>>,
    pub(crate) downs: Mutex<Vec<DownRequest>>,
    pub(crate) tickets: Mutex<Vec<String>>,
    pub(crate) pardoned: Mutex<Vec<String>>,
    pub(crate) pages: Mutex<Vec<Page>>,
    pub(crate) version: watch::Sender<u64>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) failure: Option<ErrorCode>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self {
            submitted: Mutex::default(),
            downs: Mutex::default(),
            tickets: Mutex::default(),
            pardoned: Mutex::default(),
            pages: Mutex::default(),
            version: watch::Sender::new(1),
            stdout: b"hello\n".to_vec(),
            failure: None,
        }
    }

    fn check(&self, job: &str) -> Result<(), ApiError> {
        match self.failure {
            Some(code) => Err(ApiError::new(code, "as told")),
            None if JOB.starts_with(job) => Ok(()),
            None => Err(ApiError::not_found(format!("no job {job}"))),
        }
    }

    pub(crate) fn summary(&self) -> JobSummary {
        JobSummary {
            id: JOB.to_owned(),
            name: Some("a name".to_owned()),
            app: "povray".to_owned(),
            command: vec!["povray".to_owned(), "+Iscene.pov".to_owned()],
            state: JobState::Running,
            created: 1_700_000_000,
            elapsed_s: 1.5,
            version: *self.version.borrow(),
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
            notes: vec!["a note".to_owned()],
            files: Vec::new(),
        }
    }

    pub(crate) fn detail(&self) -> JobDetail {
        JobDetail {
            summary: self.summary(),
            policy: VerificationPolicy {
                quorum: 2,
                max_answers: 5,
                samples: 1,
                schedule: Schedule::AllAtOnce,
                schedule_now: None,
            },
            services: vec![ServiceInForce {
                class: "verification".to_owned(),
                settings: vec![ServiceSetting {
                    name: "samples".to_owned(),
                    value: "1".to_owned(),
                    from: "job.toml:3:1".to_owned(),
                }],
            }],
            verification: VerificationStats { answers: 27, ..VerificationStats::default() },
            wrong: vec![WrongAnswer {
                node: "ef".repeat(32),
                name: "liar".to_owned(),
                gridlet: 4,
                cells: 2,
                area: "pixels 0..32 x 0..32".to_owned(),
                proof: Proof::Sample,
                reason: "contradicts a sample".to_owned(),
            }],
            workers: vec![WorkerRow { name: "worker".to_owned(), ..WorkerRow::default() }],
            gridlets: vec![GridletRow {
                id: 4,
                atoms: "pixels 0..32 × 0..64".to_owned(),
                cells: 2,
                accepted: 1,
                leases: 2,
                running_on: vec!["worker".to_owned()],
            }],
        }
    }
}

impl Control for Fake {
    fn status(&self) -> Answer<'_, NodeStatus> {
        Box::pin(async {
            self.check("")?;
            Ok(NodeStatus {
                name: "here".to_owned(),
                counters: [("late".to_owned(), 3)].into(),
                ..NodeStatus::default()
            })
        })
    }

    fn metrics(&self) -> Answer<'_, String> {
        Box::pin(async {
            self.check("")?;
            Ok("# EOF\n".to_owned())
        })
    }

    fn nodes(&self) -> Answer<'_, Vec<NodeRow>> {
        Box::pin(async {
            Ok(vec![NodeRow {
                id: "ab".repeat(32),
                name: "here".to_owned(),
                version: "0.1.0".to_owned(),
                addresses: vec!["127.0.0.1:1".to_owned()],
                state: NodeState::Myself,
                draining: false,
                slots: 2,
                free: 1,
                cores: 2,
                load: 0.25,
                memory_bytes: 1 << 30,
                flops: 0,
                kind: "x86_64 linux".to_owned(),
                credibility: 1.0,
                right: 7,
                wrong: 0,
                evidence: None,
                blacklisted: false,
                vos: Vec::new(),
                last_seen_s: None,
            }])
        })
    }

    fn submit(&self, spec: JobSpec) -> Answer<'_, String> {
        Box::pin(async {
            self.submitted.lock().unwrap().push(spec);
            Ok(JOB.to_owned())
        })
    }

    fn jobs(&self) -> Answer<'_, Vec<JobSummary>> {
        Box::pin(async { Ok(vec![self.summary()]) })
    }

    fn job<'a>(&'a self, job: &'a str, gridlets: Page) -> Answer<'a, JobDetail> {
        Box::pin(async move {
            self.check(job)?;
            self.pages.lock().unwrap().push(gridlets);
            Ok(self.detail())
        })
    }

    fn wait<'a>(
        &'a self,
        job: &'a str,
        since: Option<u64>,
        timeout: Duration,
    ) -> Answer<'a, JobSummary> {
        Box::pin(async move {
            self.check(job)?;
            let mut version = self.version.subscribe();
            let changed = version.wait_for(|version| Some(*version) != since);
            let _ = tokio::time::timeout(timeout, changed).await;
            Ok(self.summary())
        })
    }

    fn logs<'a>(&'a self, job: &'a str) -> Answer<'a, Vec<LogEntry>> {
        Box::pin(async move {
            self.check(job)?;
            Ok(vec![LogEntry { time: 1.25, node: None, text: "lease lost".to_owned() }])
        })
    }

    fn cancel<'a>(&'a self, job: &'a str) -> Answer<'a, JobSummary> {
        Box::pin(async move {
            self.check(job)?;
            Ok(JobSummary { state: JobState::Cancelled, ..self.summary() })
        })
    }

    fn retry<'a>(&'a self, job: &'a str) -> Answer<'a, JobSummary> {
        Box::pin(async move {
            self.check(job)?;
            Err(ApiError::wrong_state("its output is written"))
        })
    }

    fn why<'a>(&'a self, job: &'a str, gridlet: u32) -> Answer<'a, Why> {
        Box::pin(async move {
            self.check(job)?;
            Ok(Why {
                job: job.to_owned(),
                gridlet,
                atoms: "pixels 0..32 x 0..64".to_owned(),
                cells: 2,
                accepted: 1,
                scenes: vec![Scene {
                    kind: SceneKind::SampleWanted,
                    node: None,
                    name: None,
                    cells: vec![3],
                    text: "a sample".to_owned(),
                }],
                cut: false,
            })
        })
    }

    fn preview<'a>(&'a self, job: &'a str) -> Answer<'a, PreviewFile> {
        Box::pin(async move {
            self.check(job)?;
            Ok(PreviewFile { media_type: "image/png".to_owned(), bytes: vec![0, 159, 146, 150] })
        })
    }

    fn output<'a>(&'a self, job: &'a str, name: OutputName, offset: u64) -> Answer<'a, OutputPart> {
        Box::pin(async move {
            self.check(job)?;
            let whole = if name == OutputName::Stdout { self.stdout.as_slice() } else { &[] };
            let rest = &whole[(offset as usize).min(whole.len())..];
            Ok(OutputPart { bytes: rest[..rest.len().min(4)].to_vec(), total: whole.len() as u64 })
        })
    }

    fn down(&self, request: DownRequest) -> Answer<'_, ()> {
        Box::pin(async move {
            self.downs.lock().unwrap().push(request);
            Ok(())
        })
    }

    fn pardon<'a>(&'a self, node: &'a str) -> Answer<'a, Pardoned> {
        Box::pin(async move {
            self.pardoned.lock().unwrap().push(node.to_owned());
            Ok(Pardoned { node: "ef".repeat(32) })
        })
    }
}

impl TrustControl for Fake {
    fn vos(&self) -> Answer<'_, Vec<VoSummary>> {
        Box::pin(async { Ok(vec![VoSummary { name: "lab".to_owned(), ..VoSummary::default() }]) })
    }

    fn vo(&self, request: VoRequest) -> Answer<'_, VoDetail> {
        Box::pin(async move {
            let name = request.vo.ok_or_else(|| ApiError::conflict("it may be any of two"))?;
            let summary = VoSummary { name, ..VoSummary::default() };
            Ok(VoDetail { summary, ..VoDetail::default() })
        })
    }

    fn create_vo(&self, request: CreateVoRequest) -> Answer<'_, VoSummary> {
        Box::pin(async move { Ok(VoSummary { name: request.name, ..VoSummary::default() }) })
    }

    fn leave_vo(&self, _: VoRequest) -> Answer<'_, VoSummary> {
        Box::pin(async { Err(ApiError::not_found("no such VO")) })
    }

    fn invite(&self, request: InviteRequest) -> Answer<'_, Invited> {
        let InviteRequest { rights, reusable, .. } = request;
        Box::pin(async move { Ok(Invited { rights, reusable, ..Invited::default() }) })
    }

    fn expel(&self, request: ExpelRequest) -> Answer<'_, Expelled> {
        let message = format!("this node may not expel {}", request.node);
        Box::pin(async { Err(ApiError::forbidden(message)) })
    }

    fn join<'a>(&'a self, ticket: &'a str) -> Answer<'a, Joined> {
        Box::pin(async move {
            self.tickets.lock().unwrap().push(ticket.to_owned());
            Ok(Joined { state: JoinState::Already, ..Joined::default() })
        })
    }
}
