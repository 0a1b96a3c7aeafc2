//! The node as the control API sees it.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outlast_api::ApiError;
use outlast_api::control::{Answer, Control};
use outlast_api::types::{
    DownRequest, JobDetail, JobSpec, JobSummary, LogEntry, NodeRow, NodeStatus, OutputName,
    OutputPart, Page, Pardoned, PreviewFile, Why,
};
use outlast_gridlet::{Content, Results as _};
use outlast_job::{Coordinator, End, Input, Peer, Phase};
use outlast_overlay::{Member, State};
use outlast_types::{CellId, GridletId, JobId, NodeId, Time};

use crate::jobs::{self, JobFiles};
use crate::kernel::Event;
use crate::node::Node;
use crate::services::Grid;
use crate::view::{self, detail, node_rows, summary};
use crate::why;

/// How long the API waits for the kernel; longer means that it waits for the disk.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Two answers to somebody who waits for a job are at least so far apart: a job may change a thousand times a second.
const WATCH_EVERY: Duration = Duration::from_millis(100);

impl Node {
    /// Asks the peer in the kernel's thread.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Peer, Time) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let query = move |peer: &Peer, now| drop(sender.send(question(peer, now)));
        self.shared.kernel.send(Event::Ask(Box::new(query))).await;
        match tokio::time::timeout(ASK_TIMEOUT, receiver).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(ApiError::unavailable("the node is stopping")),
            Err(_) => Err(ApiError::unavailable(self.trouble())),
        }
    }

    fn trouble(&self) -> String {
        let trouble = crate::shared::lock(&self.shared.trouble).clone();
        trouble.unwrap_or_else(|| format!("no answer within {} s", ASK_TIMEOUT.as_secs()))
    }

    /// The job that a number or the beginning of one means.
    fn find(&self, text: &str) -> Result<Arc<JobFiles>, ApiError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let message = format!(
                "expected a job's number or its beginning, found `{text}`; `outlast ps` lists jobs"
            );
            return Err(ApiError::not_found(message));
        }
        let text = text.to_ascii_lowercase();
        let mut matching: Vec<_> = self.shared.jobs.all();
        matching.retain(|job| job.id.to_string().starts_with(&text));
        match matching.len() {
            1 => Ok(matching.remove(0)),
            0 => Err(ApiError::not_found(format!(
                "no job `{text}` was submitted at this node; `outlast ps` lists those that were"
            ))),
            n => Err(ApiError::conflict(format!(
                "`{text}` may mean any of {n} jobs; say more of its number, which `outlast ps` lists"
            ))),
        }
    }

    async fn with_coordinator<T: Send + 'static>(
        &self,
        job: JobId,
        question: impl FnOnce(&Coordinator, &Peer, Time) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.ask(move |peer, now| peer.job(job).map(|coordinator| question(coordinator, peer, now)))
            .await?
            .ok_or_else(|| ApiError::not_found(format!("job {job} was forgotten")))
    }

    async fn summary(&self, job: &Arc<JobFiles>) -> Result<JobSummary, ApiError> {
        let report = self.with_coordinator(job.id, |c, _, now| c.report(now)).await?;
        Ok(summary(job, &report))
    }

    /// Takes a command apart, stages its inputs, and hands the job to the kernel.
    async fn take_on(&self, spec: JobSpec) -> Result<JobId, ApiError> {
        // Before anybody is asked; the application is chosen later.
        crate::services::check(&self.services, &spec)?;
        let services = self.services.clone();
        let grid = self
            .ask(|peer, _| {
                if !peer.has_room() {
                    return Err(ApiError::unavailable("too many jobs run here already"));
                }
                if peer.ad().draining {
                    return Err(ApiError::unavailable("this node is leaving"));
                }
                Ok(grid(peer))
            })
            .await??;
        let (shared, catalogue) = (Arc::clone(&self.shared), Arc::clone(&self.catalogue));
        let prepared = tokio::task::spawn_blocking(move || {
            crate::submit::prepare(&shared, &catalogue, spec, &services, &grid)
        });
        let prepared = prepared.await.map_err(|error| ApiError::internal(error.to_string()))??;
        let (files, spec) = prepared;
        let (id, files, spec) = (files.id, Arc::new(files), Arc::new(spec));
        let (reply, taken) = tokio::sync::oneshot::channel();
        self.shared.kernel.send(Event::Submit { job: Arc::clone(&files), spec, reply }).await;
        match tokio::time::timeout(ASK_TIMEOUT, taken).await {
            Ok(Ok(())) => {
                let text = format!("submitted: {}", describe_size(&files));
                self.shared.logs.add(id, None, self.shared.clock.now(), text);
                Ok(id)
            }
            Ok(Err(_)) => Err(ApiError::unavailable("the node is stopping")),
            // It may still be taken on once there is room; the submitter has to know of it.
            Err(_) => Err(ApiError::unavailable(format!("job {id}: {}", self.trouble()))),
        }
    }
}

/// What is known of the grid now.
fn grid(peer: &Peer) -> Grid {
    let members = || peer.membership().members();
    let here = |member: &&Member| matches!(member.state, State::Alive | State::Suspect);
    let alive = members().filter(|member| member.state == State::Alive);
    let own = peer.ad().slots;
    // Others say what they like.
    let slots = alive.fold(own, |sum, member| sum.saturating_add(member.ad.slots));
    let others = members().filter(here).filter(|member| member.ad.slots > 0).count() as u32;
    Grid {
        slots: slots.max(1),
        // A node that was started a moment ago has found nobody yet.
        nodes: (others > 0).then_some(others + u32::from(own > 0)),
        known: members().map(|member| member.card.node).chain([peer.me()]).collect(),
    }
}

fn describe_size(job: &JobFiles) -> String {
    let (gridlets, grid) = (job.manager.gridlets().len(), job.manager.grid());
    let of =
        |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let atoms = of(grid.atoms(), job.manager.atom());
    format!("{atoms} in {}", of(gridlets as u64, "gridlet"))
}

impl Control for Node {
    fn status(&self) -> Answer<'_, NodeStatus> {
        Box::pin(async move {
            let (ad, busy, running_jobs, members) = self
                .ask(|peer, _| {
                    let running = peer.jobs().filter(|(_, job)| job.is_active()).count();
                    let members = peer.membership().members();
                    let alive = members.filter(|member| member.state == State::Alive).count();
                    (peer.ad(), peer.work().1, running, alive)
                })
                .await?;
            let mut counters: BTreeMap<String, u64> = crate::shared::lock(&self.shared.counters)
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect();
            let moved = self.shared.transfers.moved().counters();
            counters.extend(moved.map(|(name, bytes)| (name.to_owned(), bytes)));
            counters.insert("cache_bytes".to_owned(), self.shared.store.total_bytes());
            counters.insert("cache_bytes_pinned".to_owned(), self.shared.store.pinned_bytes());
            counters.insert("cache_bytes_limit".to_owned(), self.shared.store.limit());
            Ok(NodeStatus {
                id: self.shared.me.to_string(),
                name: ad.name,
                version: ad.version,
                vos: self.shared.trust.look(crate::trust::summaries),
                addresses: self.addresses().iter().map(ToString::to_string).collect(),
                reach: crate::view::reach(self.reach()),
                uptime_s: self.started.elapsed().as_secs_f64(),
                slots: ad.slots,
                busy: busy as u32,
                running_jobs: running_jobs as u32,
                members: members as u32,
                draining: ad.draining,
                data_dir: self.shared.data_dir.display().to_string(),
                counters,
            })
        })
    }

    fn metrics(&self) -> Answer<'_, String> {
        self.figures()
    }

    fn nodes(&self) -> Answer<'_, Vec<NodeRow>> {
        Box::pin(async move {
            let mut rows = self.ask(node_rows).await?;
            if let Some(me) = rows.first_mut() {
                me.addresses = self.addresses().iter().map(ToString::to_string).collect();
            }
            self.shared.trust.look(|keyring| {
                for row in &mut rows {
                    let node = row.id.parse();
                    row.vos = node.map_or_else(
                        |_| Vec::new(),
                        |node| crate::trust::shared_with(keyring, node),
                    );
                }
            });
            Ok(rows)
        })
    }

    fn submit(&self, spec: JobSpec) -> Answer<'_, String> {
        Box::pin(async move { Ok(self.take_on(spec).await?.to_string()) })
    }

    fn jobs(&self) -> Answer<'_, Vec<JobSummary>> {
        Box::pin(async move {
            let mut reports = self
                .ask(|peer, now| {
                    peer.jobs().map(|(id, job)| (id, job.report(now))).collect::<Vec<_>>()
                })
                .await?;
            reports.sort_by_key(|(_, report)| std::cmp::Reverse(report.created));
            reports.truncate(outlast_api::limits::ROWS);
            let rows: Vec<JobSummary> = reports
                .iter()
                .filter_map(|(id, report)| Some(summary(&*self.shared.jobs.get(*id)?, report)))
                .collect();
            Ok(rows)
        })
    }

    fn job<'a>(&'a self, job: &'a str, gridlets: Page) -> Answer<'a, JobDetail> {
        Box::pin(async move {
            let files = self.find(job)?;
            self.with_coordinator(files.id, move |coordinator, peer, now| {
                detail(&files, coordinator, peer, now, gridlets)
            })
            .await
        })
    }

    fn wait<'a>(
        &'a self,
        job: &'a str,
        since: Option<u64>,
        timeout: Duration,
    ) -> Answer<'a, JobSummary> {
        Box::pin(async move {
            let files = self.find(job)?;
            let deadline = tokio::time::Instant::now() + timeout;
            let mut changes = self.shared.watchers.subscribe(files.id);
            loop {
                let summary = self.summary(&files).await?;
                let news = since != Some(summary.version);
                if news || summary.state.ended() || tokio::time::Instant::now() >= deadline {
                    return Ok(summary);
                }
                let pause = tokio::time::Instant::now() + WATCH_EVERY;
                let _ = tokio::time::timeout_at(deadline, changes.changed()).await;
                tokio::time::sleep_until(pause.min(deadline)).await;
            }
        })
    }

    fn logs<'a>(&'a self, job: &'a str) -> Answer<'a, Vec<LogEntry>> {
        Box::pin(async move { Ok(self.shared.logs.get(self.find(job)?.id)) })
    }

    fn cancel<'a>(&'a self, job: &'a str) -> Answer<'a, JobSummary> {
        Box::pin(async move {
            let files = self.find(job)?;
            self.shared.kernel.send(Event::Input(Input::Cancel(files.id))).await;
            self.summary(&files).await
        })
    }

    fn retry<'a>(&'a self, job: &'a str) -> Answer<'a, JobSummary> {
        Box::pin(async move {
            let files = self.find(job)?;
            let unwritten = |coordinator: &Coordinator, _: &Peer, _| {
                matches!(coordinator.phase(), Phase::Ended(End::Unwritten(_)))
            };
            if !self.with_coordinator(files.id, unwritten).await? {
                let state = self.summary(&files).await?.state.as_str();
                return Err(ApiError::wrong_state(format!(
                    "job {} is {state}; only a job whose output couldn't be written can be retried",
                    files.id
                )));
            }
            self.shared.kernel.send(Event::Input(Input::Retry(files.id))).await;
            self.summary(&files).await
        })
    }

    fn why<'a>(&'a self, job: &'a str, gridlet: u32) -> Answer<'a, Why> {
        Box::pin(async move {
            let (files, gridlet) = (self.find(job)?, GridletId(gridlet));
            let asked = self.with_coordinator(files.id, move |coordinator, peer, _| {
                let accepted = coordinator.gridlets(gridlet.0, 1).first().map(|row| row.accepted);
                (Arc::clone(coordinator.spec()), peer.me(), accepted, coordinator.gridlet_count())
            });
            let (spec, me, accepted, count) = asked.await?;
            let Some(accepted) = accepted else {
                let last = count.saturating_sub(1);
                let message = format!("the job has no gridlet {gridlet}, expected 0 to {last}");
                return Err(ApiError::not_found(message));
            };
            let (journal, id) = (Arc::clone(&self.shared.journal), files.id);
            let told = tokio::task::spawn_blocking(move || {
                let records = jobs::read_records(&journal, id)?;
                outlast_job::story(spec, me, records, gridlet).ok_or(io::ErrorKind::NotFound.into())
            });
            let told: io::Result<_> = told.await.map_err(io::Error::other).flatten();
            let story = told.map_err(|error| ApiError::internal(error.to_string()))?;
            let nodes = why::nodes(&story);
            let names = move |peer: &Peer, _| {
                nodes.into_iter().map(|node| (node, view::name_of(peer, node))).collect()
            };
            let names = self.ask(names).await?;
            let manager = &*files.manager;
            let (cells, names) = (&story.cells[..], &names);
            let subject = why::Subject { job: id, gridlet, cells, accepted, manager, me, names };
            Ok(why::tell(&subject, &story))
        })
    }

    fn preview<'a>(&'a self, job: &'a str) -> Answer<'a, PreviewFile> {
        Box::pin(async move {
            let files = self.find(job)?;
            let phase = self.with_coordinator(files.id, |c, _, _| c.phase().clone()).await?;
            if let Phase::Ended(end) = phase {
                // Results are cleared away once the output is written.
                match end {
                    End::Done(merged) => return written_picture(&files, &merged.files).await,
                    End::Unwritten(_) => {}
                    End::Failed(_) | End::NoProgram(_) | End::Cancelled => {
                        let message =
                            "the job ended without an output; its results are cleared away";
                        return Err(ApiError::not_found(message));
                    }
                }
            }
            let manager = Arc::clone(&files.manager);
            let results = self.shared.results(files);
            let drawn = tokio::task::spawn_blocking(move || manager.preview(&results));
            let drawn = drawn.await.map_err(|error| ApiError::internal(error.to_string()))?;
            let preview = drawn.map_err(|error| ApiError::internal(error.to_string()))?;
            let preview = preview.ok_or_else(|| ApiError::not_found("nothing to show yet"))?;
            Ok(PreviewFile { media_type: preview.media_type.to_owned(), bytes: preview.bytes })
        })
    }

    fn output<'a>(&'a self, job: &'a str, name: OutputName, offset: u64) -> Answer<'a, OutputPart> {
        Box::pin(async move {
            let files = self.find(job)?;
            if files.record.app != "command" {
                let message = format!("a {} job has its output in files", files.manager.app());
                return Err(ApiError::not_found(message));
            }
            let results = self.shared.results(files);
            let read = tokio::task::spawn_blocking(move || read_part(&results, name, offset));
            read.await.map_err(|error| ApiError::internal(error.to_string()))?
        })
    }

    fn down(&self, request: DownRequest) -> Answer<'_, ()> {
        Box::pin(async move {
            self.stop(request.drain, Duration::try_from_secs_f64(request.timeout_s).ok()).await;
            Ok(())
        })
    }

    fn pardon<'a>(&'a self, node: &'a str) -> Answer<'a, Pardoned> {
        Box::pin(async move {
            let prefix = node.to_ascii_lowercase();
            let mut listed: Vec<NodeId> = self
                .ask(|peer, _| {
                    let listed = peer.ledger().iter().filter(|(_, history)| history.blacklisted);
                    listed.map(|(node, _)| *node).collect()
                })
                .await?;
            listed.retain(|node| node.to_string().starts_with(&prefix));
            match listed.as_slice() {
                [only] => {
                    self.shared.kernel.send(Event::Input(Input::Pardon(*only))).await;
                    Ok(Pardoned { node: only.to_string() })
                }
                [] => Err(ApiError::not_found(format!(
                    "no node on the blacklist has a key that begins with `{node}`"
                ))),
                more => Err(ApiError::conflict(format!(
                    "`{node}` may mean any of {} nodes on the blacklist",
                    more.len()
                ))),
            }
        })
    }
}

/// A picture larger than this is no preview any more.
const PICTURE_BYTES: u64 = 64 << 20;

/// The output itself, if it is one picture.
async fn written_picture(job: &JobFiles, written: &[String]) -> Result<PreviewFile, ApiError> {
    let elsewhere = || ApiError::not_found(format!("done; the output is {}", written.join(", ")));
    let [name] = written else { return Err(elsewhere()) };
    let path = PathBuf::from(&job.record.cwd).join(name);
    let readable = tokio::fs::metadata(&path).await.is_ok_and(|meta| {
        meta.is_file()
            && meta.len() <= PICTURE_BYTES
            && path.extension().is_some_and(|e| e == "png")
    });
    if !readable {
        return Err(elsewhere());
    }
    let bytes = tokio::fs::read(&path).await.map_err(|_| elsewhere())?;
    Ok(PreviewFile { media_type: "image/png".to_owned(), bytes })
}

/// Bytes of a program's output sent in one answer.
const PART_BYTES: usize = 1 << 20;

fn read_part(
    results: &crate::jobs::JournalResults,
    name: OutputName,
    offset: u64,
) -> Result<OutputPart, ApiError> {
    use std::io::{Read as _, Seek as _};
    let internal = |error: std::io::Error| ApiError::internal(error.to_string());
    let output = results.output(CellId(0)).map_err(internal)?;
    let output = output.ok_or_else(|| ApiError::not_found("nothing is accepted yet"))?;
    let Some(file) = output.file(name.as_str()) else { return Ok(OutputPart::default()) };
    let total = file.content.length();
    let mut bytes = Vec::new();
    match &file.content {
        Content::Inline(all) => {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
            bytes.extend(all[start..].iter().take(PART_BYTES));
        }
        Content::Blob { hash, .. } => {
            let (mut blob, _) = results
                .store
                .open_blob(hash)
                .map_err(|error| ApiError::internal(error.to_string()))?;
            blob.seek(std::io::SeekFrom::Start(offset)).map_err(internal)?;
            blob.take(PART_BYTES as u64).read_to_end(&mut bytes).map_err(internal)?;
        }
    }
    Ok(OutputPart { bytes, total })
}

/// Where a relative path of a job starts.
pub(crate) fn folder_of(spec: &JobSpec) -> Result<PathBuf, ApiError> {
    let cwd = PathBuf::from(&spec.cwd);
    if cwd.is_absolute() && cwd.is_dir() {
        return Ok(cwd);
    }
    Err(ApiError::bad_request(format!("expected an absolute folder, found {:?}", spec.cwd)))
}
