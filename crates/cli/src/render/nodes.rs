//! The table of nodes, and what credibility rests on.

use outlast_api::types::{Evidence, NodeRow, NodeState};

use super::{CELL_CHARS, Grid, short, vo};
use crate::human;

/// Whether a node is there and gets work, in a word.
pub fn node_state(node: &NodeRow) -> &'static str {
    match node.state {
        NodeState::Myself => "self",
        _ if node.blacklisted => "blacklisted",
        NodeState::Gone => "gone",
        _ if node.draining => "leaving",
        NodeState::Alive => "alive",
        NodeState::Suspect => "suspect",
    }
}

/// `nodes`.
pub fn nodes(nodes: &[NodeRow], width: Option<u16>) -> String {
    let header = [
        "NODE",
        "NAME",
        "STATE",
        "FREE",
        "LOAD",
        "MEMORY",
        "CORE SPEED",
        "KIND",
        "CREDIBILITY",
        "RIGHT",
        "WRONG",
        "EVIDENCE",
        "SEEN",
        "ADDRESS",
        "MEMBER OF",
    ];
    let mut grid = Grid::new(width, &header, 1);
    for node in nodes {
        grid.row(vec![
            human::short_id(&node.id).to_owned(),
            short(&node.name, CELL_CHARS),
            node_state(node).to_owned(),
            format!("{}/{}", node.free, node.slots),
            format!("{:.2}", node.load),
            human::bytes(node.memory_bytes),
            human::flops(node.flops),
            or_dash(short(&node.kind, CELL_CHARS)),
            format!("{:.3}", node.credibility),
            node.right.to_string(),
            node.wrong.to_string(),
            or_dash(node.evidence.as_ref().map(evidence).unwrap_or_default()),
            node.last_seen_s
                .map_or_else(|| "-".to_owned(), |s| format!("{} ago", human::duration(s))),
            node.addresses.first().map_or_else(|| "-".to_owned(), |a| short(a, CELL_CHARS)),
            vo::of_node(&node.vos),
        ]);
    }
    grid.right(&[3, 4, 5, 6, 8, 9, 10]).may_go(&[7, 9, 5, 6, 4, 12, 13, 11, 14, 8, 10]).finish()
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// What was seen of a node, the good before the bad.
fn evidence(evidence: &Evidence) -> String {
    let counts = [
        (evidence.agreed, "agreed"),
        (evidence.sampled, "sampled"),
        (evidence.quizzes, "quizzed"),
        (evidence.trusted, "as a trusted node"),
        (evidence.outvoted, "outvoted"),
        (evidence.proven_wrong, "proven wrong"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let mut parts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
    if let Some(mate) = evidence.mates.first() {
        let name = match mate.name.as_str() {
            "" => human::short_id(&mate.node),
            name => name,
        };
        let more = evidence.mates.len() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        parts.push(format!("wrong like {}{more}", short(name, CELL_CHARS)));
    }
    if parts.is_empty() { "none yet".to_owned() } else { parts.join(", ") }
}
