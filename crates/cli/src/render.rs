//! Tables and reports, as text.

pub mod capsule;
pub mod image;
mod nodes;
mod services;
pub mod study;
pub mod vo;

use std::fmt::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table};
use outlast_api::types::{
    JobDetail, JobSummary, LogEntry, NodeStatus, Observed, Reach, Relay, Why, WrongAnswer,
};

use crate::{human, progress};
pub use nodes::{node_state, nodes};
pub use services::{service, services};

/// Characters of a command, or of a list of names, in a table.
const CELL_CHARS: usize = 48;

/// Characters that the column which gives way keeps, before columns of less importance go.
const GIVES_WAY_CHARS: usize = 8;

/// Blanks between columns.
const GAP: usize = 2;

/// A table: a line for each row, columns two blanks apart. On a terminal lines fit: one column gives way, then
/// others go as a whole, in the order of [`Grid::may_go`]. The rest is never cut: half an id is of no use.
struct Grid {
    width: Option<u16>,
    rows: Vec<Vec<String>>,
    gives_way: usize,
    may_go: &'static [usize],
    right: &'static [usize],
}

impl Grid {
    fn new(width: Option<u16>, header: &[&str], gives_way: usize) -> Self {
        let header = header.iter().map(|&name| name.to_owned()).collect();
        Self { width, rows: vec![header], gives_way, may_go: &[], right: &[] }
    }

    fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn may_go(mut self, columns: &'static [usize]) -> Self {
        self.may_go = columns;
        self
    }

    fn right(mut self, columns: &'static [usize]) -> Self {
        self.right = columns;
        self
    }

    /// The columns that there is room for.
    fn shown(&self) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..self.rows[0].len()).collect();
        let Some(width) = self.width else { return shown };
        let widths: Vec<usize> = shown
            .iter()
            .map(|&column| {
                let cells = self.rows.iter().map(|row| human::columns(&row[column]));
                let widest = cells.max().unwrap_or(0);
                if column == self.gives_way { widest.min(GIVES_WAY_CHARS) } else { widest }
            })
            .collect();
        for &column in self.may_go {
            let needed: usize = shown.iter().map(|&column| widths[column] + GAP).sum();
            if needed <= usize::from(width) {
                break;
            }
            shown.retain(|&other| other != column);
        }
        shown
    }

    fn finish(self) -> String {
        let shown = self.shown();
        let mut table = Table::new();
        table.load_style(NOTHING);
        if let Some(width) = self.width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            table.set_truncation_indicator("…");
        }
        for (number, cells) in self.rows.iter().enumerate() {
            let mut row = Row::from(shown.iter().map(|&column| &cells[column]).collect::<Vec<_>>());
            row.max_height(1);
            if number == 0 {
                table.set_header(row);
            } else {
                table.add_row(row);
            }
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, GAP as u16));
            if shown[index] != self.gives_way {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            if self.right.contains(&shown[index]) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut text = String::new();
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// `text` on one line of at most so many columns, harmless for a terminal.
fn short(text: &str, columns: usize) -> String {
    let line = human::tame(text).replace(['\n', '\t'], " ");
    if human::columns(&line) <= columns {
        return line;
    }
    format!("{}…", human::cut(&line, columns - 1))
}

/// A name in a table: a fourth of a narrow terminal at most.
fn name(text: &str, width: Option<u16>) -> String {
    let most = width.map_or(CELL_CHARS, |width| usize::from(width / 4).clamp(10, CELL_CHARS));
    short(text, most)
}

/// Where a job stands, in a cell: what its workers wait for before they can run anything is worth the place.
fn state(job: &JobSummary) -> String {
    match &job.staging {
        Some(inputs) => {
            format!("staging {}", human::percent(inputs.bytes_here, inputs.bytes_total))
        }
        None => job.state.as_str().to_owned(),
    }
}

/// `ps`.
pub fn jobs(jobs: &[JobSummary], now_s: u64, width: Option<u16>) -> String {
    let header = ["JOB", "STATE", "DONE", "CREATED", "TOOK", "APP", "NAME", "COMMAND"];
    let mut grid = Grid::new(width, &header, 7);
    for job in jobs {
        grid.row(vec![
            job.id.clone(),
            state(job),
            human::percent(job.cells_accepted.into(), job.cells_total.into()),
            format!("{} ago", human::duration(now_s.saturating_sub(job.created) as f64)),
            human::duration(job.elapsed_s),
            short(&job.app, CELL_CHARS),
            job.name.as_deref().map_or_else(|| "-".to_owned(), |text| name(text, width)),
            short(&human::command(&job.command), CELL_CHARS),
        ]);
    }
    grid.right(&[2]).may_go(&[5, 4, 6, 3, 2]).finish()
}

/// `app list`: name, programs, origin, and what it takes.
pub fn apps(rows: impl Iterator<Item = [String; 4]>, width: Option<u16>) -> String {
    let mut grid = Grid::new(width, &["APP", "PROGRAMS", "FROM", "TAKES"], 3);
    for row in rows {
        grid.row(row.map(|cell| human::tame(&cell).replace(['\n', '\t'], " ")).to_vec());
    }
    grid.may_go(&[2, 1]).finish()
}

/// Names and values below each other.
pub fn lines(lines: &[(&str, String)]) -> String {
    let mut text = String::new();
    pairs(&mut text, lines, None);
    text
}

/// Names and values below each other.
fn pairs(text: &mut String, pairs: &[(&str, String)], terminal: Option<u16>) {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let room =
        terminal.map_or(usize::MAX, |terminal| usize::from(terminal).saturating_sub(width + 2));
    for (name, value) in pairs {
        let below = format!("\n{:width$}  ", "");
        let value = human::wrap(&human::tame(value), room).join(&below);
        let line = format!("{name:width$}  {value}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// `status`.
pub fn status(status: &NodeStatus, width: Option<u16>) -> String {
    let mut text = String::new();
    let state = if status.draining { "leaving" } else { "running" };
    let mut lines = vec![
        ("node", format!("{} ({})", status.name, status.id)),
        ("version", status.version.clone()),
        ("state", format!("{state} for {}", human::duration(status.uptime_s))),
        ("slots", format!("{} of {} in use", status.busy, status.slots)),
        ("jobs", format!("{} running", status.running_jobs)),
        ("grid", human::count(status.members.into(), "other node")),
        ("listens", status.addresses.join(" ")),
        ("reached", reached(&status.reach)),
        ("relay", relays(&status.reach)),
        ("LAN", status.reach.lan.clone()),
        ("data", status.data_dir.clone()),
    ];
    lines.extend(status.vos.iter().map(|vo| ("member of", vo::in_a_line(vo))));
    if status.vos.iter().any(|vo| vo.rights.iter().any(|right| right == "invite")) {
        lines.push(("invite", "`outlast invite` makes a ticket for others".to_owned()));
    }
    pairs(&mut text, &lines, width);
    let counted: Vec<_> = status.counters.iter().filter(|(_, count)| **count > 0).collect();
    if !counted.is_empty() {
        text.push_str("\ncounters\n");
        for (name, count) in counted {
            let _ = writeln!(text, "  {}  {count}", short(name, CELL_CHARS));
        }
    }
    text
}

/// How others see a node, a line for each address.
fn reached(reach: &Reach) -> String {
    if reach.observed.is_empty() {
        return "nobody has seen this node yet".to_owned();
    }
    let line = |observed: &Observed| {
        let way = observed.address.as_deref().unwrap_or("through a relay");
        format!("{way}, seen by {}", human::count(observed.nodes.into(), "node"))
    };
    reach.observed.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn relays(reach: &Reach) -> String {
    let line = |relay: &Relay| match (&relay.trouble, relay.connected) {
        (_, true) => format!("{}, connected", relay.url),
        (Some(trouble), false) => format!("{}, not reached: {trouble}", relay.url),
        (None, false) => format!("{}, not reached", relay.url),
    };
    if reach.relays.is_empty() {
        return "none".to_owned();
    }
    reach.relays.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A node's name and the beginning of its key; the name alone proves nothing.
pub fn node_name(name: &str, id: &str) -> String {
    let id = human::short_id(id);
    if name.is_empty() { id.to_owned() } else { format!("{} ({id})", short(name, CELL_CHARS)) }
}

/// Who was wrong, where, and how it was found out.
pub fn wrong(wrong: &WrongAnswer) -> String {
    format!(
        "{}: gridlet {}, {} ({}): {}",
        node_name(&wrong.name, &wrong.node),
        wrong.gridlet,
        wrong.area,
        human::count(wrong.cells.into(), "cell"),
        wrong.reason,
    )
}

/// `show`.
pub fn detail(detail: &JobDetail, width: Option<u16>) -> String {
    let job = &detail.summary;
    let mut text = String::new();
    let mut lines = vec![("job", job.id.clone())];
    if let Some(name) = &job.name {
        lines.push(("name", name.clone()));
    }
    lines.push(("command", human::command(&job.command)));
    lines.push(("application", job.app.clone()));
    let eta = job.eta_s.map(|s| format!(", about {} left", human::duration(s)));
    lines.push(("state", format!("{}{}", job.state.as_str(), eta.unwrap_or_default())));
    if let Some(error) = &job.error {
        lines.push(("error", error.message.clone()));
    }
    if let Some(what) = &job.waiting_for {
        lines.push(("waits", what.clone()));
    }
    if let Some(staging) = &job.staging {
        lines.push(("inputs", format!("{}, on their way", progress::inputs(staging))));
    }
    if let Some(exit) = job.exit {
        lines.push(("exit code", exit.to_string()));
    }
    lines.push(("submitted", human::timestamp(job.created)));
    lines.push(("took", human::duration(job.elapsed_s)));
    lines.push(("gridlets", format!("{} of {} done", job.gridlets_done, job.gridlets_total)));
    lines.push(("cells", format!("{} of {} accepted", job.cells_accepted, job.cells_total)));
    lines.extend(job.files.iter().map(|file| ("wrote", file.clone())));
    lines.extend(job.notes.iter().map(|note| ("note", note.clone())));
    pairs(&mut text, &lines, width);
    services::in_force(&mut text, detail, width);
    verification(&mut text, detail, width);

    text.push_str("\nworkers\n");
    // The last column is for what there is to say of few: why a worker gets nothing, or how far its inputs are.
    let stages = detail.workers.iter().any(|worker| worker.staging.is_some());
    let last = if stages { "INPUTS" } else { "OUT" };
    let header = ["NODE", "NAME", "LEASES", "ANSWERED", "ACCEPTED", "WRONG", "FAILED", last];
    let mut grid = Grid::new(width, &header, 7);
    for worker in &detail.workers {
        let inputs = worker.staging.as_ref().map(progress::inputs);
        let last = inputs.as_deref().or(worker.out.as_deref());
        grid.row(vec![
            human::short_id(&worker.node).to_owned(),
            name(&worker.name, width),
            worker.leases.to_string(),
            worker.answered.to_string(),
            worker.accepted.to_string(),
            worker.wrong.to_string(),
            worker.failures.to_string(),
            last.map_or_else(|| "-".to_owned(), |text| short(text, CELL_CHARS)),
        ]);
    }
    text.push_str(&grid.right(&[2, 3, 4, 5, 6]).may_go(&[2, 3, 6, 4]).finish());

    if !detail.gridlets.is_empty() {
        text.push('\n');
        let header = ["GRIDLET", "ACCEPTED", "LEASES", "RUNNING ON", "ATOMS"];
        let mut grid = Grid::new(width, &header, 4);
        for gridlet in &detail.gridlets {
            grid.row(vec![
                gridlet.id.to_string(),
                format!("{}/{}", gridlet.accepted, gridlet.cells),
                gridlet.leases.to_string(),
                short(&gridlet.running_on.join(" "), CELL_CHARS),
                short(&gridlet.atoms, CELL_CHARS),
            ]);
        }
        text.push_str(&grid.right(&[0, 1, 2]).may_go(&[3, 2]).finish());
    }
    text
}

fn verification(text: &mut String, detail: &JobDetail, width: Option<u16>) {
    let (policy, stats) = (&detail.policy, &detail.verification);
    text.push_str("\nverification\n");
    let samples = human::count(policy.samples.into(), "sample");
    let mut lines = vec![
        ("  policy", services::policy(detail)),
        ("", format!("{samples} computed here for each gridlet")),
        (
            "  cells",
            format!(
                "{} answered, accepted {} by quorum and {} from trusted nodes, {} rejected",
                stats.answers,
                stats.accepted_by_quorum,
                stats.accepted_trusted,
                detail.summary.answers_rejected
            ),
        ),
        (
            "  samples",
            format!(
                "{} agreed, {} contradicted an answer, {} couldn't be computed{}",
                stats.samples_passed,
                stats.samples_failed,
                stats.samples_unavailable,
                stats.sample_trouble.as_ref().map_or_else(String::new, |why| format!(": {why}"))
            ),
        ),
        (
            "  leases",
            format!(
                "{} lost, {} refused, {} granted beside a slow one",
                stats.expired_leases, stats.refused_leases, stats.rival_leases
            ),
        ),
        (
            "  dropped",
            format!(
                "{} that came too late, {} that came twice",
                human::count(stats.late_answers, "answer"),
                stats.duplicate_answers
            ),
        ),
    ];
    match detail.wrong.as_slice() {
        [] => lines.push(("  wrong", "nobody".to_owned())),
        all => lines.extend(all.iter().map(|one| ("  wrong", wrong(one)))),
    }
    pairs(text, &lines, width);
}

/// `logs`.
pub fn logs(entries: &[LogEntry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let time = human::timestamp(entry.time.max(0.0) as u64);
        let node = entry.node.as_ref().map(|node| format!("{}: ", short(node, CELL_CHARS)));
        let what = human::tame(entry.text.trim_end()).replace('\n', "\n    ");
        let _ = writeln!(text, "{time}  {}{what}", node.unwrap_or_default());
    }
    text
}

/// `show --why`.
pub fn why(why: &Why) -> String {
    let mut text = format!(
        "gridlet {} of job {}: {}; {} of {} accepted\n",
        why.gridlet,
        why.job,
        human::tame(&why.atoms),
        why.accepted,
        human::count(why.cells.into(), "cell"),
    );
    for (number, scene) in (1..).zip(&why.scenes) {
        let _ =
            writeln!(text, "{number:>4}  {}", human::tame(&scene.text).replace('\n', "\n      "));
    }
    if why.scenes.is_empty() {
        text.push_str("      nothing has happened to it yet\n");
    }
    if why.cut {
        text.push_str("      and more, which is not told here\n");
    }
    text
}

/// What `run` and `wait` say of a job that ended, one line each.
pub fn report(detail: &JobDetail) -> Vec<String> {
    let job = &detail.summary;
    let mut lines = vec![format!(
        "{} after {}: {} of {} done",
        job.state.as_str(),
        human::duration(job.elapsed_s),
        job.gridlets_done,
        human::count(job.gridlets_total.into(), "gridlet"),
    )];
    if let Some(exit) = job.exit.filter(|exit| *exit != 0 && job.app == "command") {
        lines.push(format!("the program ended with exit code {exit}"));
    }
    lines.extend(job.files.iter().map(|file| format!("wrote {file}")));
    let stats = &detail.verification;
    if stats.expired_leases > 0 {
        let lost = human::count(stats.expired_leases, "lease");
        lines.push(format!("{lost} lost; other nodes went on with the work"));
    }
    lines.extend(detail.wrong.iter().map(|one| format!("caught {}", wrong(one))));
    lines
}

#[cfg(test)]
mod tests;
