//! What was found, without a judgement.

use std::net::SocketAddr;
use std::path::PathBuf;

use outlast_api::types::NodeStatus;

/// Everything that is looked at.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Where the node keeps its data.
    pub data: DataDir,
    /// The daemon, if one answers; else what was said.
    pub daemon: Result<NodeStatus, String>,
    /// The configuration, if it can be meant.
    pub config: Result<(), String>,
    /// Applications, and whether each of their programs was found, and where.
    pub programs: Vec<(String, String, Option<PathBuf>)>,
    /// The addresses that a daemon listens on, or would.
    pub ports: Vec<(SocketAddr, Port)>,
    /// Whether a datagram sent to this machine itself arrived.
    pub loopback: Result<(), String>,
    /// Whether nodes of the LAN are to be found.
    pub lan: bool,
    /// Whether there is a way to a multicast group, and whether it could be joined.
    pub multicast: Result<(), String>,
    /// What filters packets.
    pub firewall: Firewall,
    /// The clock.
    pub clock: Clock,
    /// What this user may have.
    pub limits: Limits,
    /// The relays that are configured, and whether each answered.
    pub relays: Vec<(String, Result<(), String>)>,
}

/// A data directory.
#[derive(Clone, Debug)]
pub struct DataDir {
    /// Where.
    pub path: PathBuf,
    /// What is there.
    pub state: DataState,
    /// Bytes of the control socket's path.
    pub socket_bytes: usize,
}

/// What is at a data directory's place.
#[derive(Clone, Debug)]
pub enum DataState {
    /// Nothing yet; what keeps it from being made, if something does.
    Absent(Option<String>),
    /// Something that is no folder.
    NotAFolder,
    /// A folder.
    There {
        /// Whether this user can write there.
        writable: bool,
        /// Whether others can read the node's key.
        key_readable_by_others: bool,
        /// Who has locked it.
        owner: Option<u32>,
        /// Room on its file system, in bytes, if that could be told.
        free: Option<u64>,
    },
}

/// What became of an attempt to bind an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// It is free.
    Free,
    /// Somebody has it: process and number, if that could be told.
    Taken(Option<String>),
    /// Another error.
    Refused(String),
}

/// What filters packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firewall {
    /// It can't be told, and why.
    Unknown(String),
    /// Nothing is dropped on its way in.
    Open,
    /// Something is: the program that says so, and the rule.
    Drops(&'static str, String),
}

/// The clock.
#[derive(Clone, Debug)]
pub struct Clock {
    /// Now, in seconds since 1970.
    pub now_s: u64,
    /// Whether the kernel says that it is kept in step; or why that can't be told.
    pub in_step: Result<bool, String>,
}

/// What this user may have.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Files that may be open, now and at most.
    pub files: (u64, u64),
    /// Processes that may run, now and at most.
    pub processes: (u64, u64),
    /// Control groups.
    pub groups: Groups,
    /// Whether a user may make namespaces; absent: can't be told.
    pub namespaces: Option<bool>,
    /// Whether `/proc` is there.
    pub proc: bool,
}

/// Control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// None.
    None,
    /// The old kind.
    V1,
    /// The new kind; whether this user may make groups below the own one.
    V2 {
        /// Whether it may.
        delegated: bool,
    },
}
