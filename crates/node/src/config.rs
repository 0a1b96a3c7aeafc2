//! How a node is set up.
//!
//! [`Options`] is one layer of settings, each of them absent or there: the configuration file, and
//! what the command line and the environment say. Layers are laid [`over`](Options::over) each other and
//! resolved once, into a [`Config`] that has been checked.

mod limits;
mod network;
mod size;
mod times;
mod watching;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use outlast_vo::{Ticket, TicketError};
use serde::Deserialize;

pub use limits::{Limits, StageLimits};
pub use network::{Network, NetworkOptions, RELAYS};
pub use size::{Size, Storage, parse_size, size_text};
pub use times::{JobTimes, MembershipTimes, Span, parse_duration};
pub use watching::{ControlAddresses, Log, LogFormat};

/// The port that nodes listen on if nobody says otherwise. If it is taken, that is an error: a
/// ticket that was handed out has to stay true.
pub const PORT: u16 = 7771;

/// Slots of one node: each is a thread.
pub const SLOTS: u32 = 1024;

/// Nodes to join; any one of them is enough, more are for the case that some are down.
const TICKETS: usize = 64;

/// Bytes of a name for people.
const NAME_BYTES: usize = 64;

/// One layer of settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// Where everything is kept.
    pub data_dir: Option<PathBuf>,
    /// At most one IPv4 and one IPv6 address.
    pub listen: Option<Vec<SocketAddr>>,
    /// Tickets.
    pub join: Option<Vec<String>>,
    /// Gridlets to run at a time.
    pub slots: Option<u32>,
    /// A name for people.
    pub name: Option<String>,
    /// How it is reached, besides its addresses.
    pub network: NetworkOptions,
    /// The pace of the job protocol.
    pub job: JobTimes,
    /// The pace of membership.
    pub membership: MembershipTimes,
    /// What may be kept.
    pub storage: Storage,
    /// What is done for others at most.
    pub limits: Limits,
    /// Where the node can be asked, besides its socket.
    pub control: ControlAddresses,
    /// How the daemon logs.
    pub log: Log,
}

/// A node's settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Absolute.
    pub data_dir: PathBuf,
    /// One IPv4 address, one IPv6 address, or one of each.
    pub listen: Vec<SocketAddr>,
    /// Nodes to join.
    pub join: Vec<Ticket>,
    /// Gridlets to run at a time; 0: none for others. `None`: one per core.
    pub slots: Option<u32>,
    /// A name for people; `None`: the host's.
    pub name: Option<String>,
    /// How it is reached, besides its addresses.
    pub network: Network,
    /// Times and bounds of the job protocol.
    pub job: outlast_job::Settings,
    /// Times of membership.
    pub membership: outlast_overlay::Settings,
    /// Bytes that inputs kept for later may take; `None`: 20 GiB, or a quarter of what is free if that is less.
    pub cache: Option<u64>,
    /// What staging for others is bounded by.
    pub stage: StageLimits,
    /// Where figures are served, besides the control socket.
    pub metrics: Option<SocketAddr>,
}

/// Settings that can't be meant.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// It isn't TOML, or holds a key that nobody knows; says the line, the column and what is known.
    #[error("configuration {}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// There is no home, and no data directory was named.
    #[error("no data directory: neither OUTLAST_DATA_DIR, XDG_STATE_HOME nor HOME is set")]
    NoDataDir,
    /// The current folder is gone, so a relative path means nothing.
    #[error("data directory {}: {source}", path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Two addresses of a family, or none at all.
    #[error("listen = {0:?}: expected one IPv4 address, one IPv6 address or one of each")]
    Listen(Vec<SocketAddr>),
    /// One of the tickets.
    #[error("join: {source}: `{ticket}`")]
    Ticket {
        /// As given.
        ticket: String,
        /// What is wrong with it.
        source: TicketError,
    },
    /// One of the relays.
    #[error("relays: expected an address such as http://relay.example:3340, found `{relay}`")]
    Relay {
        /// As given.
        relay: String,
    },
    /// A number or length out of range.
    #[error("{name}: expected at most {limit}, found {found}")]
    TooMuch {
        /// The setting.
        name: &'static str,
        /// The most that is possible.
        limit: u64,
        /// What was said.
        found: u64,
    },
    /// A time that is out of range, or doesn't fit to another one.
    #[error("{setting}: expected {expected}, found {found:?}")]
    Time {
        /// The setting, with its section.
        setting: String,
        /// What is possible.
        expected: String,
        /// What was said.
        found: Duration,
    },
}

impl Options {
    /// Reads a file; `None` if there is none.
    ///
    /// # Errors
    /// [`ConfigError::Read`] or [`ConfigError::Parse`].
    pub fn read(path: &Path) -> Result<Option<Self>, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
        };
        toml::from_str(&text).map(Some).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// These settings, and those of `below` where these are absent.
    pub fn over(self, below: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(below.data_dir),
            listen: self.listen.or(below.listen),
            join: self.join.or(below.join),
            slots: self.slots.or(below.slots),
            name: self.name.or(below.name),
            network: self.network.over(below.network),
            job: self.job.over(below.job),
            membership: self.membership.over(below.membership),
            storage: self.storage.over(below.storage),
            limits: self.limits.over(below.limits),
            control: self.control.over(below.control),
            log: self.log.over(below.log),
        }
    }

    /// Fills in what is absent and checks all of it. `env` looks up a variable.
    ///
    /// # Errors
    /// The first setting that can't be meant.
    pub fn resolve(self, env: impl Fn(&str) -> Option<PathBuf>) -> Result<Config, ConfigError> {
        let path = self.data_dir.or_else(|| default_data_dir(env)).ok_or(ConfigError::NoDataDir)?;
        let data_dir =
            std::path::absolute(&path).map_err(|source| ConfigError::DataDir { path, source })?;
        let listen = self.listen.unwrap_or_else(|| vec![(Ipv4Addr::UNSPECIFIED, PORT).into()]);
        let v4 = listen.iter().filter(|address| address.is_ipv4()).count();
        if listen.is_empty() || v4 > 1 || listen.len() - v4 > 1 {
            return Err(ConfigError::Listen(listen));
        }
        let join = self.join.unwrap_or_default();
        at_most("join", TICKETS as u64, join.len() as u64)?;
        at_most("slots", u64::from(SLOTS), u64::from(self.slots.unwrap_or(0)))?;
        at_most("name", NAME_BYTES as u64, self.name.as_ref().map_or(0, String::len) as u64)?;
        let ticket = |ticket: String| {
            ticket.parse().map_err(|source| ConfigError::Ticket { ticket, source })
        };
        let network = self.network.resolve()?;
        let (mut job, membership) = (self.job.resolve()?, self.membership.resolve()?);
        let (quotas, stage) = self.limits.resolve();
        if quotas.run_time < Duration::from_secs(1) {
            let (setting, found) = ("limits.run-time".to_owned(), quotas.run_time);
            return Err(ConfigError::Time { setting, expected: "at least 1s".to_owned(), found });
        }
        job.quotas = quotas;
        times::check(&job, &membership)?;
        Ok(Config {
            data_dir,
            listen,
            join: join.into_iter().map(ticket).collect::<Result<_, _>>()?,
            slots: self.slots,
            name: self.name.filter(|name| !name.is_empty()),
            network,
            job,
            membership,
            cache: self.storage.cache.map(|size| size.0),
            stage,
            metrics: self.control.metrics,
        })
    }
}

fn at_most(name: &'static str, limit: u64, found: u64) -> Result<(), ConfigError> {
    if found <= limit { Ok(()) } else { Err(ConfigError::TooMuch { name, limit, found }) }
}

/// `$OUTLAST_DATA_DIR`, else `$XDG_STATE_HOME/outlast`, else `~/.local/state/outlast`.
pub fn default_data_dir(env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let env = |name: &str| env(name).filter(|path| !path.as_os_str().is_empty());
    env("OUTLAST_DATA_DIR")
        // The XDG specification wants relative paths to be ignored.
        .or_else(|| env("XDG_STATE_HOME").filter(|p| p.is_absolute()).map(|p| p.join("outlast")))
        .or_else(|| env("HOME").map(|home| home.join(".local/state/outlast")))
}

impl Config {
    /// Gridlets to run at a time.
    pub fn slots(&self) -> u32 {
        self.slots.unwrap_or_else(|| outlast_os::host::cores().min(SLOTS))
    }
}

#[cfg(test)]
mod tests {
    use outlast_vo::{Keyring, Rights, Secret, Terms, TicketNode, Uses, WallTime};

    use super::*;

    fn parse(text: &str) -> Result<Options, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        Ok(Options::read(&path)?.unwrap())
    }

    fn resolve(options: Options) -> Result<Config, ConfigError> {
        options.resolve(|name| (name == "HOME").then(|| "/home/me".into()))
    }

    #[test]
    fn everything_has_a_default() {
        let config = resolve(Options::default()).unwrap();
        assert_eq!(config.data_dir, Path::new("/home/me/.local/state/outlast"));
        assert_eq!(config.listen, ["0.0.0.0:7771".parse().unwrap()]);
        assert!(config.slots() >= 1);
        assert!(matches!(Options::default().resolve(|_| None), Err(ConfigError::NoDataDir)));
        let file = Options::read(Path::new("/no/such/file")).unwrap();
        assert_eq!(file, None);
    }

    #[test]
    fn upper_layers_win_setting_by_setting() {
        let file = parse("slots = 3\nname = 'a'\nlisten = ['127.0.0.1:0', '[::1]:0']").unwrap();
        let flags = Options { slots: Some(0), ..Options::default() };
        let config = resolve(flags.over(file)).unwrap();
        assert_eq!((config.slots(), config.name.as_deref()), (0, Some("a")));
        assert_eq!(config.listen.len(), 2);
    }

    #[test]
    fn the_environment_names_the_data_directory() {
        let env = |name: &str| match name {
            "XDG_STATE_HOME" => Some("/state".into()),
            "HOME" => Some("/home/me".into()),
            _ => None,
        };
        assert_eq!(default_data_dir(env).unwrap(), Path::new("/state/outlast"));
        let relative = |name: &str| (name == "XDG_STATE_HOME").then(|| "state".into());
        assert_eq!(default_data_dir(relative), None);
        let own = |name: &str| (name == "OUTLAST_DATA_DIR").then(|| "/data".into());
        assert_eq!(default_data_dir(own).unwrap(), Path::new("/data"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_what_is_known() {
        let error = parse("name = 'a'\nslot = 3\n").unwrap_err().to_string();
        for part in ["line 2, column 1", "unknown field `slot`", "`slots`", "`data-dir`"] {
            assert!(error.contains(part), "{error}");
        }
        let error = parse("slots = 'many'\n").unwrap_err().to_string();
        assert!(error.contains("line 1, column 9"), "{error}");
    }

    fn ticket() -> Ticket {
        let mut keys = Keyring::new(Secret::from_seed(&[1; 32]));
        let made = WallTime::from_secs(1_795_262_400);
        let vo = keys.create(made, "lab".parse().unwrap(), Secret::from_seed(&[2; 32])).unwrap();
        let terms = Terms {
            rights: Rights::SUBMIT,
            made,
            expires: made.plus(Duration::from_secs(60)),
            uses: Uses::Once,
            member_for_s: None,
            only_for: None,
        };
        let secret = Secret::from_seed(&[3; 32]);
        let invitation = keys.invite(made, vo, terms, &secret).unwrap();
        let addresses = vec!["1.2.3.4:5".parse().unwrap()];
        let here = TicketNode { node: keys.me(), addresses, relay: None };
        Ticket::new(invitation, secret, [here])
    }

    #[test]
    fn settings_that_cant_be_meant_are_refused_by_name() {
        let good = ticket();
        let refused = |options: Options| resolve(options).unwrap_err().to_string();
        let cut = good.to_string()[..40].to_owned();
        let join = Some(vec![good.to_string(), cut.clone()]);
        let error = refused(Options { join, ..Options::default() });
        assert_eq!(
            error,
            format!("join: the ticket is cut or mistyped: it is one line, copy all of it: `{cut}`")
        );
        let listen = Some(vec!["1.2.3.4:1".parse().unwrap(), "1.2.3.4:2".parse().unwrap()]);
        let error = refused(Options { listen, ..Options::default() });
        assert!(error.starts_with("listen = [1.2.3.4:1, 1.2.3.4:2]: expected one"), "{error}");
        let error = refused(Options { slots: Some(5000), ..Options::default() });
        assert_eq!(error, "slots: expected at most 1024, found 5000");
    }
}
