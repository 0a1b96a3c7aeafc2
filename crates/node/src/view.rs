//! What the control API shows of jobs and nodes: the peer's reports, in its words.

use outlast_api::types::{
    FailureKind, GridletRow, JobDetail, JobFailure, JobState, JobSummary, NodeRow, NodeState, Page,
    Proof, Schedule, VerificationPolicy, VerificationStats, WorkerRow, WrongAnswer,
};
use outlast_api::{limits, types as api};
use outlast_job::wire::Staging;
use outlast_job::{Coordinator, End, Fault, Peer, Phase, Report};
use outlast_overlay::State;
use outlast_types::{NodeId, Region, Time};

use crate::jobs::JobFiles;
use crate::kernel::describe_end;
use crate::transport::{Lan, Observed, Reach, RelayState};

/// Observed addresses in a status; who is seen under more hears of the most common ones.
const OBSERVED_SHOWN: usize = 16;

/// How a node is reached.
pub(crate) fn reach(reach: Reach) -> api::Reach {
    let observed = |observed: Observed| api::Observed {
        address: observed.address.map(|address| address.to_string()),
        nodes: u32::try_from(observed.nodes).unwrap_or(u32::MAX),
        seconds_ago: observed.age.as_secs_f64(),
    };
    let relay = |relay: RelayState| {
        let RelayState { url, connected, trouble } = relay;
        api::Relay { url, connected, trouble }
    };
    api::Reach {
        observed: reach.observed.into_iter().take(OBSERVED_SHOWN).map(observed).collect(),
        relays: reach.relays.into_iter().map(relay).collect(),
        lan: match reach.lan {
            Lan::Off => "off".to_owned(),
            Lan::Loopback => "off, as it listens to this machine alone".to_owned(),
            Lan::Silent => "silent: it belongs to no organisation with other members".to_owned(),
            Lan::Announcing(1) => "announced; 1 node was found".to_owned(),
            Lan::Announcing(found) => format!("announced; {found} nodes were found"),
            Lan::Trouble(trouble) => trouble,
        },
    }
}

/// A job in a few numbers.
pub(crate) fn summary(job: &JobFiles, report: &Report) -> JobSummary {
    let mut notes = job.manager.notes();
    let (mut files, mut exit, mut error) = (Vec::new(), None, None);
    let state = match &report.phase {
        Phase::Running if report.cells_accepted == 0 && report.leases == 0 => JobState::Queued,
        Phase::Running => JobState::Running,
        Phase::Merging => JobState::Merging,
        Phase::Ended(end) => {
            let (state, kind) = match end {
                End::Done(merged) => {
                    files.clone_from(&merged.files);
                    notes.extend(merged.notes.iter().cloned());
                    exit = Some(merged.exit);
                    (JobState::Done, None)
                }
                End::Failed(_) => (JobState::Failed, Some(FailureKind::Program)),
                End::NoProgram(_) => (JobState::Failed, Some(FailureKind::NoProgram)),
                End::Unwritten(_) => (JobState::Failed, Some(FailureKind::Output)),
                End::Cancelled => (JobState::Cancelled, None),
            };
            error = kind.map(|kind| JobFailure { kind, message: failure(job, end) });
            state
        }
    };
    JobSummary {
        id: job.id.to_string(),
        name: job.record.name.clone(),
        app: job.manager.app().to_owned(),
        command: job.record.command.argv.clone(),
        state,
        created: report.created.as_micros() / 1_000_000,
        elapsed_s: report.elapsed.as_secs_f64(),
        version: report.version,
        gridlets_total: report.gridlets,
        gridlets_done: report.gridlets_done,
        cells_total: report.cells,
        cells_accepted: report.cells_accepted,
        answers_rejected: report.rejected,
        running_leases: report.leases,
        eta_s: report.eta.map(|eta| eta.as_secs_f64()),
        exit,
        error,
        waiting_for: report.trouble.clone(),
        staging: report.staging.map(|(nodes, staging)| self::staging(nodes, staging)),
        notes,
        files,
    }
}

/// Inputs on their way to so many nodes.
fn staging(nodes: u32, staging: Staging) -> api::Staging {
    let Staging { here, of } = staging;
    api::Staging { nodes, bytes_here: here, bytes_total: of }
}

/// Why a job failed, and what to do about it.
fn failure(job: &JobFiles, end: &End) -> String {
    let why = describe_end(end).trim_start_matches("failed: ").to_owned();
    if matches!(end, End::Unwritten(_)) {
        return format!(
            "{why}; all results are kept: free space (or fix the folder) and run `outlast retry {}`",
            job.id
        );
    }
    why
}

/// Names of nodes for people, from the members' ads.
pub(crate) fn name_of(peer: &Peer, node: NodeId) -> String {
    if node == peer.me() {
        return peer.ad().name;
    }
    peer.membership().member(&node).map(|member| member.ad.name.clone()).unwrap_or_default()
}

fn schedule(schedule: outlast_verify::Schedule) -> Schedule {
    match schedule {
        outlast_verify::Schedule::Incremental => Schedule::Incremental,
        outlast_verify::Schedule::AllAtOnce => Schedule::AllAtOnce,
        outlast_verify::Schedule::Auto => Schedule::Auto,
    }
}

/// All about a job.
pub(crate) fn detail(
    job: &JobFiles,
    coordinator: &Coordinator,
    peer: &Peer,
    now: Time,
    page: Page,
) -> JobDetail {
    let report = coordinator.report(now);
    let grid = job.manager.grid();
    let atoms = |area: &Region| crate::why::atoms(&*job.manager, area);
    let wrong = coordinator.wrong().into_iter().take(limits::ROWS).map(|wrong| WrongAnswer {
        node: wrong.node.to_string(),
        name: name_of(peer, wrong.node),
        gridlet: wrong.gridlet.0,
        cells: u32::try_from(wrong.cells).unwrap_or(u32::MAX),
        area: atoms(&wrong.area),
        proof: match wrong.fault {
            Fault::Wrong(outlast_verify::Proof::Outvoted) => Proof::Vote,
            Fault::Wrong(outlast_verify::Proof::Quiz) => Proof::Quiz,
            Fault::Wrong(outlast_verify::Proof::Sample) => Proof::Sample,
            Fault::Wrong(outlast_verify::Proof::Trusted) => Proof::Own,
            Fault::Invalid(_) => Proof::Invalid,
        },
        reason: wrong.fault.to_string(),
    });
    let workers = coordinator.workers(now).into_iter().take(limits::ROWS).map(|worker| WorkerRow {
        node: worker.node.to_string(),
        name: name_of(peer, worker.node),
        leases: worker.granted,
        answered: worker.answers,
        accepted: worker.right,
        wrong: worker.wrong,
        failures: worker.failures,
        staging: worker.staging.map(|of_it| staging(1, of_it)),
        out: if peer.ledger().history(&worker.node).blacklisted {
            Some("blacklisted".to_owned())
        } else {
            worker.out.map(str::to_owned)
        },
    });
    let gridlets = coordinator.gridlets(page.offset, page.limit).into_iter().map(|gridlet| {
        let cells = &coordinator.gridlet(gridlet.id).cells;
        let mut area: Option<Region> = None;
        for cell in grid.cells_in(cells) {
            let atoms = grid.atoms_of(cell);
            area = Some(area.map_or_else(|| atoms.clone(), |area| area.hull(&atoms)));
        }
        GridletRow {
            id: gridlet.id.0,
            atoms: area.as_ref().map(&atoms).unwrap_or_default(),
            cells: gridlet.cells,
            accepted: gridlet.accepted,
            leases: gridlet.workers.len() as u32,
            running_on: gridlet.workers.iter().map(|node| name_of(peer, *node)).collect(),
        }
    });
    let stats = report.verification;
    JobDetail {
        policy: VerificationPolicy {
            quorum: report.policy.quorum().into(),
            max_answers: report.policy.max_answers.into(),
            samples: report.policy.samples.into(),
            schedule: schedule(report.policy.schedule),
            schedule_now: report.schedule_now.map(schedule),
        },
        services: crate::services::in_force(&job.record.services),
        verification: VerificationStats {
            answers: stats.answers,
            accepted_by_quorum: stats.accepted_quorum
                + stats.accepted_sampled
                + stats.accepted_credible,
            accepted_trusted: stats.accepted_trusted,
            samples_passed: stats.samples_passed,
            samples_failed: stats.samples_failed,
            samples_unavailable: stats.samples_unavailable,
            sample_trouble: report.sample_trouble.clone(),
            late_answers: report.late,
            duplicate_answers: report.duplicates,
            expired_leases: report.expired,
            refused_leases: report.refused,
            rival_leases: report.rivals,
        },
        wrong: wrong.collect(),
        workers: workers.collect(),
        gridlets: gridlets.collect(),
        summary: summary(job, &report),
    }
}

/// Why a node is believed as far as it is.
fn evidence_of(peer: &Peer, evidence: &outlast_verify::Evidence) -> api::Evidence {
    let history = &evidence.history;
    let mut mates = evidence.mates.clone();
    mates.sort_by_key(|(node, times)| (std::cmp::Reverse(*times), *node));
    let mate = |&(node, times): &(NodeId, u32)| api::Mate {
        node: node.to_string(),
        name: name_of(peer, node),
        times,
    };
    api::Evidence {
        newcomer: evidence.newcomer,
        checks: history.checks(),
        agreed: history.agreed,
        sampled: history.samples,
        quizzes: history.quizzes,
        trusted: history.trusted,
        outvoted: history.outvoted,
        proven_wrong: history.sampled_wrong,
        mates: mates.iter().take(limits::MATES).map(mate).collect(),
    }
}

/// The nodes that are known, this one first.
pub(crate) fn node_rows(peer: &Peer, now: Time) -> Vec<NodeRow> {
    let row = |node: NodeId, ad: &outlast_types::Ad, state, addresses: Vec<String>, seen| {
        let evidence = peer.ledger().evidence(&node);
        let history = evidence.history;
        NodeRow {
            id: node.to_string(),
            name: ad.name.clone(),
            version: ad.version.clone(),
            addresses,
            vos: Vec::new(),
            state,
            draining: ad.draining,
            slots: ad.slots,
            free: if state == NodeState::Gone { 0 } else { ad.free },
            cores: ad.cores,
            load: f64::from(ad.load_milli) / 1000.0,
            memory_bytes: ad.memory_bytes,
            flops: ad.flops,
            kind: ad.kind.clone(),
            credibility: if state == NodeState::Myself { 1.0 } else { evidence.credence },
            evidence: (state != NodeState::Myself).then(|| evidence_of(peer, &evidence)),
            right: history.right,
            wrong: history.outvoted + history.sampled_wrong,
            blacklisted: history.blacklisted,
            last_seen_s: seen,
        }
    };
    let text = |addresses: &[std::net::SocketAddr]| -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    };
    let mut rows = vec![row(peer.me(), &peer.ad(), NodeState::Myself, Vec::new(), None)];
    rows.extend(peer.membership().members().map(|member| {
        let state = match member.state {
            State::Alive => NodeState::Alive,
            State::Suspect => NodeState::Suspect,
            State::Lost | State::Left => NodeState::Gone,
        };
        let seen = now.since(member.last_heard).as_secs_f64();
        row(member.card.node, &member.ad, state, text(&member.card.addresses), Some(seen))
    }));
    rows
}
