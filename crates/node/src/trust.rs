//! Who may speak with this node, and what they may have done: the [`Keyring`] on disk, and as the transport's
//! [`Gate`].
//!
//! ```text
//!   transport ── hello, admit, confirm ──▶ Trust ◀── create, invite, expel, join ── control API
//!                                           │  │
//!                           DATA_DIR/trust ◀┘  └──▶ News ──▶ kernel: standings, records to pass on, whom to disconnect
//! ```
//!
//! Invariants:
//! - What changed is on disk before anybody hears of it: an answer isn't given otherwise.
//! - The kernel hears of a node's standing before it sees that node's first frame: [`News`] are queued before the gate
//!   answers, and taken before each frame.
//! - The file has secrets, and is its owner's alone. A damaged one is never replaced: the node doesn't start.

mod control;
mod file;
mod heed;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use outlast_types::{NodeId, VoId};
use outlast_vo::{
    Keyring, KeyringError, Record, Refusal, Secret, Standing, Ticket, VoName, WallTime,
};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::kernel::{Event, Kernel};
use crate::shared::lock;
use crate::transport::Gate;

pub(crate) use control::{pick, shared_with, summaries};
pub(crate) use file::TrustFileError;
pub(crate) use heed::Trusted;
pub(crate) use wire::body;

/// How often it is looked whether some membership has ended.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(30);

/// In front of the node's name, for the VO that every node has of its own.
const OWN: &str = "home-";

/// What the kernel has to do about.
#[derive(Debug)]
pub(crate) enum News {
    /// A node was let in, or let this one in: it has a standing.
    Met(NodeId),
    /// That node has other records of a VO.
    Differ { node: NodeId, vo: VoId },
    /// Records that others don't have yet; they came from that node, or were made here.
    Records { vo: VoId, records: Vec<Record>, from: Option<NodeId> },
    /// Anybody's standing may have changed.
    Changed,
}

/// How joining with a ticket stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    /// Nobody has said anything final; what was said last.
    Waiting(Option<String>),
    /// A member.
    Joined,
    /// The ticket is no good.
    Refused(String),
}

struct State {
    keyring: Keyring,
    /// Of the keyring's changes, those that are on disk.
    saved: u64,
    news: Vec<News>,
    /// Tickets of the command line or the configuration: a node that can't use one doesn't stay.
    vital: BTreeSet<VoId>,
}

/// See the module.
pub(crate) struct Trust {
    /// `None`: nothing is written.
    file: Option<PathBuf>,
    state: Mutex<State>,
    /// There are news.
    news: AtomicBool,
    kernel: Kernel,
    joining: watch::Sender<BTreeMap<VoId, Joining>>,
}

/// The time of day. Read anew each time: who sets a wrong clock right need not start the node again.
pub(crate) fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_secs(since.as_secs())
}

/// A secret that nobody has had before.
pub(crate) fn fresh_secret() -> anyhow::Result<Secret> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| anyhow::anyhow!("the system has no random numbers: {error}"))?;
    Ok(Secret::from_seed(&seed))
}

/// The name of a node's own VO.
fn own_name(node: &str) -> VoName {
    let mut name: String = format!("{OWN}{}", node.trim());
    name.retain(|c| !c.is_control());
    name.truncate(name.floor_char_boundary(outlast_vo::NAME_BYTES));
    name.trim_end().parse().unwrap_or_else(|_| "home".parse().expect("four letters are a name"))
}

impl Trust {
    /// The keyring in the data directory. A node that has none yet gets a VO of its own, named after it. `keep` is
    /// false for a node that only looks: it writes nothing.
    pub(crate) fn open(
        data_dir: &Path,
        key: Secret,
        name: &str,
        keep: bool,
        kernel: Kernel,
    ) -> anyhow::Result<Self> {
        let path = data_dir.join(file::NAME);
        let kept = file::read(&path)?;
        let fresh = kept.is_none();
        let mut keyring = match kept {
            Some(bytes) => Keyring::decode(key, &bytes)
                .with_context(|| format!("reading the memberships in {}", path.display()))?,
            None => Keyring::new(key),
        };
        let saved = keyring.changes();
        if fresh && keep {
            keyring.create(wall(), own_name(name), fresh_secret()?)?;
        }
        if keyring.renew(wall()) > 0 {
            warn!(
                "this node founded an organisation when its clock was ahead: its membership is made anew"
            );
        }
        let state = State { keyring, saved, news: Vec::new(), vital: BTreeSet::new() };
        let trust = Self {
            file: keep.then_some(path),
            state: Mutex::new(state),
            news: AtomicBool::new(false),
            kernel,
            joining: watch::Sender::default(),
        };
        trust.change(|_| Ok::<_, KeyringError>(()))?;
        Ok(trust)
    }

    /// Takes a ticket, to be used when this node next speaks with one of those that it names. `vital`: the node isn't to
    /// stay if it is of no use. Whether it is needed.
    pub(crate) fn join(&self, ticket: Ticket, vital: bool) -> Result<bool, TrustError> {
        let vo = ticket.vo();
        let needed = self.change(|state| {
            let needed = state.keyring.join(wall(), ticket)?;
            if needed && vital {
                state.vital.insert(vo);
            }
            Ok::<_, KeyringError>(needed)
        })?;
        let stands = if needed { Joining::Waiting(None) } else { Joining::Joined };
        self.joining.send_modify(|joining| drop(joining.insert(vo, stands)));
        Ok(needed)
    }

    /// The tickets that wait to be used.
    pub(crate) fn tickets(&self) -> Vec<Ticket> {
        lock(&self.state).keyring.joining().cloned().collect()
    }

    /// How joining goes on.
    pub(crate) fn watch_joining(&self) -> watch::Receiver<BTreeMap<VoId, Joining>> {
        self.joining.subscribe()
    }

    /// What a node answered can't be believed here, which may pass: one of the two clocks is wrong, perhaps.
    fn disbelieved(&self, node: NodeId, why: &str) {
        for ticket in self.tickets().iter().filter(|ticket| ticket.names(node)) {
            let waiting = Joining::Waiting(Some(why.to_owned()));
            self.joining.send_modify(|joining| drop(joining.insert(ticket.vo(), waiting)));
        }
    }

    /// A node turned this one away. If that was the end of an attempt to join that this node was started for, why.
    pub(crate) fn refused(&self, node: NodeId, why: &str) -> Option<String> {
        let mine: Vec<VoId> = lock(&self.state)
            .keyring
            .joining()
            .filter(|ticket| ticket.names(node))
            .map(Ticket::vo)
            .collect();
        mine.into_iter().filter_map(|vo| self.unjoined(vo, why)).next()
    }

    /// Somebody didn't grant a wish.
    fn unjoined(&self, vo: VoId, why: &str) -> Option<String> {
        if !Refusal::ends_joining(why) {
            let waiting = Joining::Waiting(Some(why.to_owned()));
            self.joining.send_modify(|joining| drop(joining.insert(vo, waiting)));
            return None;
        }
        let given_up = self.change(|state| {
            state.keyring.give_up(vo);
            Ok::<_, KeyringError>(state.vital.remove(&vo))
        });
        let refused = Joining::Refused(why.to_owned());
        self.joining.send_modify(|joining| drop(joining.insert(vo, refused)));
        match given_up {
            Ok(true) => Some(why.to_owned()),
            Ok(false) => None,
            Err(error) => {
                warn!("{error}");
                None
            }
        }
    }

    /// Standings may have changed, with time.
    pub(crate) fn look_again(&self) {
        self.tell([News::Changed]);
    }

    /// For people: tickets that nobody has answered yet.
    pub(crate) fn waiting(&self) -> Vec<String> {
        let joining = self.joining.borrow();
        let line = |ticket: &Ticket| {
            let vo = &ticket.invitation.inviter.name;
            match joining.get(&ticket.vo()) {
                Some(Joining::Waiting(Some(why))) => {
                    format!("not a member of `{vo}` yet, trying on: {why}")
                }
                _ => {
                    format!("not a member of `{vo}` yet: no node of the ticket answers; trying on")
                }
            }
        };
        self.look(|keyring| keyring.joining().map(line).collect())
    }

    /// What this node and another one may do for each other.
    pub(crate) fn standing(&self, node: NodeId) -> Standing {
        lock(&self.state).keyring.standing(wall(), node)
    }

    /// Why a node has no standing.
    pub(crate) fn why_not(&self, node: NodeId) -> String {
        lock(&self.state).keyring.why_not(wall(), node).to_string()
    }

    /// When the next membership ends.
    pub(crate) fn next_end(&self, now: WallTime) -> Option<WallTime> {
        lock(&self.state).keyring.next_end(now)
    }

    /// Whether there are news; costs nothing if not.
    pub(crate) fn has_news(&self) -> bool {
        self.news.load(Ordering::Acquire)
    }

    /// Takes them.
    pub(crate) fn take_news(&self) -> Vec<News> {
        let mut state = lock(&self.state);
        self.news.store(false, Ordering::Release);
        std::mem::take(&mut state.news)
    }

    /// Looks at the keyring.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Keyring) -> T) -> T {
        look(&lock(&self.state).keyring)
    }

    /// Changes the keyring, and returns once that is on disk. What couldn't be written is kept in memory, and written
    /// with the next change.
    fn change<T, E: Into<TrustError>>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Result<T, TrustError> {
        let mut state = lock(&self.state);
        let result = change(&mut state).map_err(Into::into)?;
        let changes = state.keyring.changes();
        if let Some(path) = &self.file
            && (changes != state.saved)
        {
            file::write(path, &state.keyring.encode()?)?;
            state.saved = changes;
        }
        Ok(result)
    }

    /// Tells the kernel, which takes them before the next frame.
    fn tell(&self, news: impl IntoIterator<Item = News>) {
        let mut state = lock(&self.state);
        state.news.extend(news);
        self.news.store(true, Ordering::Release);
    }

    fn warn_of_skew(&self, node: NodeId, skew: Option<Duration>) {
        if let Some(skew) = skew {
            let minutes = skew.as_secs() / 60;
            warn!(
                node = %node.short(),
                "its clock and this node's are {minutes} minutes apart: memberships and invitations end too early or too late"
            );
        }
    }
}

/// Something about trust didn't work out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// The keyring says no.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A node is turned away.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It can't be kept.
    #[error(transparent)]
    File(#[from] TrustFileError),
}

impl Gate for Trust {
    fn hello(&self, peer: NodeId) -> Vec<u8> {
        self.look(|keyring| keyring.hello(wall(), peer))
    }

    fn admit(&self, peer: NodeId, hello: &[u8]) -> Result<Vec<u8>, String> {
        let admission = self
            .change(|state| state.keyring.admit(wall(), peer, hello))
            .map_err(|error| error.to_string())?;
        for vo in &admission.enrolled {
            let name = self.look(|keyring| keyring.vo(*vo).map(|vo| vo.name().clone()));
            let name = name.as_ref().map_or("", VoName::as_str);
            info!(node = %peer.short(), "a new member of {name}");
        }
        self.warn_of_skew(peer, admission.skew);
        self.tell([News::Met(peer)]);
        // Claims that were made are told to who is there.
        let told = admission.enrolled.iter().map(|vo| News::Records {
            vo: *vo,
            records: self.claims_of(*vo, peer),
            from: None,
        });
        self.tell(told.collect::<Vec<_>>());
        self.kernel.tell(Event::Trust);
        Ok(admission.answer)
    }

    fn confirm(&self, peer: NodeId, answer: &[u8]) -> Result<(), String> {
        let confirmation = self
            .change(|state| state.keyring.confirm(wall(), peer, answer))
            .map_err(|error| error.to_string())
            .inspect_err(|why| self.disbelieved(peer, why))?;
        for vo in confirmation.joined {
            lock(&self.state).vital.remove(&vo);
            self.joining.send_modify(|joining| drop(joining.insert(vo, Joining::Joined)));
            info!(vo = %vo.short(), "joined");
        }
        self.warn_of_skew(peer, confirmation.skew);
        self.tell([News::Met(peer)]);
        self.tell(confirmation.differ.into_iter().map(|vo| News::Differ { node: peer, vo }));
        for (vo, why) in confirmation.refused {
            if let Some(why) = self.unjoined(vo, &why) {
                self.kernel.tell(Event::End(why));
            }
        }
        self.kernel.tell(Event::Trust);
        Ok(())
    }
}

impl Trust {
    /// Claims that a node made.
    fn claims_of(&self, vo: VoId, node: NodeId) -> Vec<Record> {
        self.look(|keyring| {
            let records = keyring.vo(vo).into_iter().flat_map(|vo| vo.records.iter());
            let claims = records.filter(|record| {
                matches!(&record.fact, outlast_vo::Fact::Claimed { node: by, .. } if *by == node)
            });
            claims.cloned().collect()
        })
    }
}

#[cfg(test)]
mod tests;
