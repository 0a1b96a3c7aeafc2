//! What a world is made of and what happens to it, as data.

use std::collections::BTreeMap;
use std::time::Duration;

use outlast_verify::Policy;

use crate::app::Shape;
use crate::behaviour::Behaviour;
use crate::network::Link;

/// A node of a world.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// How it is.
    pub behaviour: Behaviour,
    /// Leases that it runs at a time.
    pub slots: u32,
    /// When it comes.
    pub joins: Duration,
}

impl NodePlan {
    /// There from the start, with two slots.
    pub fn new(behaviour: Behaviour) -> Self {
        Self { behaviour, slots: 2, joins: Duration::ZERO }
    }
}

/// A job of a world.
#[derive(Clone, Debug)]
pub struct JobPlan {
    /// The node that submits it; an honest one.
    pub submitter: usize,
    /// When.
    pub at: Duration,
    /// How it looks.
    pub shape: Shape,
    /// How it is verified.
    pub policy: Policy,
}

/// Something that happens to a world.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A node dies without a word, in the middle of whatever it does; it comes back after `down`.
    Crash {
        /// The node.
        node: usize,
        /// `None`: it never comes back.
        down: Option<Duration>,
    },
    /// No frame gets from any of `from` to any of `to`.
    Cut {
        /// Nodes.
        from: Vec<usize>,
        /// Other nodes.
        to: Vec<usize>,
        /// Nor the other way.
        both: bool,
        /// For so long.
        lasts: Duration,
    },
    /// A node is expelled: within a second and a half everybody knows, whoever starts later knows
    /// from the start, and no connection with it comes about any more.
    Expel {
        /// The node.
        node: usize,
    },
    /// A node leaves politely.
    Drain {
        /// The node.
        node: usize,
        /// It comes back so much later, if it does.
        back: Option<Duration>,
    },
    /// The user cancels a job.
    Cancel {
        /// The job.
        job: usize,
    },
    /// The output can't be written at a node; the user tries again once it can.
    NoRoom {
        /// The node.
        node: usize,
        /// For so long.
        lasts: Duration,
    },
}

/// How the jobs of a world may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// All are done.
    Done,
    /// Done, or failed because this node's own program failed or too many nodes say that it does.
    DoneOrFailed,
    /// No node has the program.
    NoProgram,
    /// Done, or cancelled.
    DoneOrCancelled,
}

/// A world to be.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its nodes; the first is everybody's contact.
    pub nodes: Vec<NodePlan>,
    /// Its jobs.
    pub jobs: Vec<JobPlan>,
    /// How links are.
    pub link: Link,
    /// Links that are unlike the others, from and to.
    pub links: BTreeMap<(usize, usize), Link>,
    /// What happens, and when.
    pub faults: Vec<(Duration, Fault)>,
    /// From here on frames aren't lost any more. Later than all faults and joins.
    pub calm: Duration,
    /// So much later at most all jobs have ended.
    pub within: Duration,
    /// How they may end.
    pub ends: Ends,
    /// Whether the honest are enough: then nothing wrong is ever accepted, and no honest node is held wrong.
    pub right: bool,
    /// The protocol's times.
    pub settings: outlast_job::Settings,
}

impl Scenario {
    /// Honest nodes on a local network, and no job yet.
    pub fn honest(nodes: usize) -> Self {
        Self {
            nodes: (0..nodes).map(|_| NodePlan::new(Behaviour::default())).collect(),
            jobs: Vec::new(),
            link: Link::default(),
            links: BTreeMap::new(),
            faults: Vec::new(),
            calm: Duration::from_secs(1),
            within: Duration::from_secs(60),
            ends: Ends::Done,
            right: true,
            // A worker forgets a submitter that never comes back within the time that a world is watched.
            settings: outlast_job::Settings {
                orphan_ttl: Duration::from_secs(20),
                ..outlast_job::Settings::default()
            },
        }
    }
}
