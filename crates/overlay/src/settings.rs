//! The pace of membership.

use std::time::Duration;

/// So long after the last work, or the last change among the members, heartbeats are as frequent as while there is
/// work: short jobs that follow each other don't change the pace.
pub const BRISK: Duration = Duration::from_secs(5);

/// The longest pause between heartbeats that a node is believed.
pub const MAX_REST: Duration = Duration::from_secs(10);

/// How often, how long. All nodes of a grid should have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Between two heartbeats to a member, while there is anything to do.
    pub heartbeat: Duration,
    /// Between two heartbeats of a node that has had nothing to do for [`BRISK`]: a grid at rest costs its
    /// machines next to nothing. A node that dies then is missed that much later.
    pub rest: Duration,
    /// Silence after which a member is probed.
    pub suspect_after: Duration,
    /// Silence after which a member is down.
    pub lost_after: Duration,
    /// How long a member that is down is kept, and probed if it didn't say goodbye.
    pub forget_after: Duration,
    /// How long two tables may differ before one pulls the other's cards: a newcomer's own greetings are
    /// quicker.
    pub pull_every: Duration,
    /// Before the second greeting of a node that doesn't answer; doubled each time.
    pub retry_first: Duration,
    /// The most between two greetings of a node that doesn't answer. Bounds how long it takes two
    /// halves to meet again.
    pub retry_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(500),
            rest: Duration::from_secs(2),
            suspect_after: Duration::from_millis(1500),
            lost_after: Duration::from_millis(2500),
            forget_after: Duration::from_secs(3600),
            pull_every: Duration::from_secs(1),
            retry_first: Duration::from_millis(500),
            retry_max: Duration::from_secs(15),
        }
    }
}

impl Settings {
    /// The nearest settings that make sense: a member may miss a heartbeat before it is suspected, and a suspect
    /// has the time to answer.
    pub(crate) fn sane(self) -> Self {
        let heartbeat = self.heartbeat.max(Duration::from_millis(10));
        let suspect_after = self.suspect_after.max(heartbeat * 2);
        let retry_first = self.retry_first.max(heartbeat / 2);
        Self {
            heartbeat,
            rest: self.rest.clamp(heartbeat, MAX_REST.max(heartbeat)),
            suspect_after,
            lost_after: self.lost_after.max(suspect_after + heartbeat),
            forget_after: self.forget_after,
            pull_every: self.pull_every.max(heartbeat),
            retry_first,
            retry_max: self.retry_max.max(retry_first),
        }
    }
}
