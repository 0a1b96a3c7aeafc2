//! Nodes, as they see themselves and each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Evidence;

/// A node, as it sees itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// Its public key, 64 hexadecimal digits.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// Version of Outlast.
    pub version: String,
    /// The virtual organisations that it is a member of.
    #[serde(default)]
    pub vos: Vec<crate::trust::VoSummary>,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// How others reach it.
    #[serde(default)]
    pub reach: Reach,
    /// How long it has been running.
    pub uptime_s: f64,
    /// Gridlets that it runs at a time.
    pub slots: u32,
    /// Of those, in use.
    pub busy: u32,
    /// Jobs submitted here that haven't ended.
    pub running_jobs: u32,
    /// Other nodes that it knows to be alive.
    pub members: u32,
    /// It is leaving.
    pub draining: bool,
    /// Where it keeps everything.
    pub data_dir: String,
    /// What it counted: frames dropped, leases expired …
    pub counters: BTreeMap<String, u64>,
}

/// How others reach a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reach {
    /// Under which addresses others see it; what most of them say comes first.
    pub observed: Vec<Observed>,
    /// Its relays.
    pub relays: Vec<Relay>,
    /// Whether nodes of the LAN find it, and what to do if they don't.
    pub lan: String,
}

/// How some nodes see another one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Observed {
    /// The address; absent: through a relay.
    pub address: Option<String>,
    /// How many nodes say so.
    pub nodes: u32,
    /// Since the last of them said so.
    pub seconds_ago: f64,
}

/// A relay, as a node sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Relay {
    /// Its address.
    pub url: String,
    /// Whether the node is reached there.
    pub connected: bool,
    /// Why not, if that is known.
    pub trouble: Option<String>,
}

/// What this node thinks of another one's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// This node itself.
    #[serde(rename = "self")]
    Myself,
    /// Heard of lately.
    Alive,
    /// Silent for a while.
    Suspect,
    /// Silent for long, or it said goodbye.
    Gone,
}

/// A node's membership in a virtual organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeVo {
    /// The organisation's name.
    pub name: String,
    /// Its key, 64 hexadecimal digits.
    pub id: String,
    /// What the node may do: `submit`, `execute`, `invite`, `manage`.
    pub rights: Vec<String>,
}

/// A node, as another one knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeRow {
    /// Its public key, 64 hexadecimal digits.
    pub id: String,
    /// A name for people; chosen by itself.
    pub name: String,
    /// Version of Outlast that it says it runs.
    pub version: String,
    /// Where it can be reached.
    pub addresses: Vec<String>,
    /// Virtual organisations that it is a member of as well as this node, and its rights there.
    #[serde(default)]
    pub vos: Vec<NodeVo>,
    /// Whether it is there.
    pub state: NodeState,
    /// It said that it is leaving.
    pub draining: bool,
    /// Gridlets that it runs at a time.
    pub slots: u32,
    /// Of those, free.
    pub free: u32,
    /// Processor cores.
    pub cores: u32,
    /// Run-queue length over the last minute.
    pub load: f64,
    /// Memory.
    pub memory_bytes: u64,
    /// Floating-point operations per second of one core; 0 if not measured.
    pub flops: u64,
    /// What of the machine results may depend on: two nodes that say the same here are alike.
    #[serde(default)]
    pub kind: String,
    /// How far its answers are believed, 0 to 1.
    pub credibility: f64,
    /// Gridlets of which its answers were accepted.
    pub right: u64,
    /// Gridlets in which it answered otherwise than what was accepted.
    pub wrong: u64,
    /// What the credibility rests on; absent for the node that was asked, and from an older one.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// It gets no more work from here.
    pub blacklisted: bool,
    /// Since it was last heard; absent for this node itself.
    pub last_seen_s: Option<f64>,
}
