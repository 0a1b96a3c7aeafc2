//! Looks at the machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use outlast_api::{Client, Control as _, SOCKET_NAME};
use outlast_node::config::Config;
use outlast_os::{find_program, host, lock_folder, survey};

use super::facts::{Clock, DataDir, DataState, Facts, Firewall, Groups, Limits, Port};
use crate::exit::Failure;

/// How long a datagram on this machine, or a relay's answer, is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where mDNS takes place.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// Where programs for administrators are, which an ordinary PATH leaves out.
const ADMIN_PATH: &[&str] = &["/usr/sbin", "/sbin"];

/// Bytes of a firewall's rules that are looked at.
const RULES_BYTES: usize = 1 << 20;

/// Looks at everything. `config` is that of the daemon that runs here, or would.
pub async fn gather(data_dir: &Path, config: Result<Config, Failure>) -> Facts {
    let client = Client::new(data_dir);
    let daemon = client.status().await.map_err(|error| error.message);
    let (listen, lan, relays, broken) = match config {
        Ok(config) => {
            let relays = config.network.relays.iter().map(ToString::to_string).collect();
            (config.listen, config.network.lan, relays, Ok(()))
        }
        Err(failure) => (Vec::new(), true, Vec::new(), Err(failure.message)),
    };
    let data_dir = data_dir.to_owned();
    let looked = tokio::task::spawn_blocking(move || Looked {
        data: data(&data_dir),
        ports: listen.into_iter().map(|address| (address, port(address))).collect(),
        loopback: loopback().map_err(|error| error.to_string()),
        multicast: multicast().map_err(|error| error.to_string()),
        firewall: firewall(),
        clock: clock(),
        limits: limits(),
        programs: programs(),
        relays,
    });
    // It panics in no case that is known; then everything about it is unknown.
    let looked = match looked.await {
        Ok(looked) => looked,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    };
    let mut relays = Vec::new();
    for url in looked.relays {
        let answer = relay(&url).await;
        relays.push((url, answer));
    }
    Facts {
        data: looked.data,
        daemon,
        config: broken,
        programs: looked.programs,
        ports: looked.ports,
        loopback: looked.loopback,
        lan,
        multicast: looked.multicast,
        firewall: looked.firewall,
        clock: looked.clock,
        limits: looked.limits,
        relays,
    }
}

struct Looked {
    data: DataDir,
    ports: Vec<(SocketAddr, Port)>,
    loopback: Result<(), String>,
    multicast: Result<(), String>,
    firewall: Firewall,
    clock: Clock,
    limits: Limits,
    programs: Vec<(String, String, Option<PathBuf>)>,
    relays: Vec<String>,
}

fn data(path: &Path) -> DataDir {
    let state = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => DataState::Absent(unmakable(path)),
        Err(error) => DataState::Absent(Some(error.to_string())),
        Ok(metadata) if !metadata.is_dir() => DataState::NotAFolder,
        Ok(_) => {
            let key = path.join("key").metadata();
            let writable = survey::is_writable(path);
            DataState::There {
                writable,
                key_readable_by_others: key.is_ok_and(|key| key.permissions().mode() & 0o077 != 0),
                owner: if writable { owner(path) } else { None },
                free: host::free_space(path).ok(),
            }
        }
    };
    let socket_bytes = path.join(SOCKET_NAME).as_os_str().len();
    DataDir { path: path.to_owned(), state, socket_bytes }
}

/// What keeps a folder from being made.
fn unmakable(path: &Path) -> Option<String> {
    let there = path.ancestors().skip(1).find(|above| above.exists())?;
    if !there.is_dir() {
        return Some(format!("{} is no folder", there.display()));
    }
    (!survey::is_writable(there)).then(|| format!("{} can't be written", there.display()))
}

fn owner(path: &Path) -> Option<u32> {
    // Only if there is a lock already: looking must not leave a file behind.
    if !path.join("lock").exists() {
        return None;
    }
    match lock_folder(path) {
        Err(outlast_os::LockError::Taken { owner, .. }) => owner.or(Some(0)),
        // Let go of at once.
        _ => None,
    }
}

fn port(address: SocketAddr) -> Port {
    match UdpSocket::bind(address) {
        Ok(_) => Port::Free,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Port::Taken(survey::udp_owner(address.port()))
        }
        Err(error) => Port::Refused(error.to_string()),
    }
}

fn loopback() -> io::Result<()> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    receiver.set_read_timeout(Some(PATIENCE))?;
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    sender.send_to(b"outlast doctor", receiver.local_addr()?)?;
    receiver.recv_from(&mut [0; 64]).map(drop)
}

/// Looks up the way and joins the group; sends nothing.
fn multicast() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // Connecting a datagram socket only looks up the route.
    socket.connect((GROUP, 5353))?;
    let source = match socket.local_addr()?.ip() {
        IpAddr::V4(source) if !source.is_loopback() => source,
        source => return Err(io::Error::other(format!("the way leads to {source} only"))),
    };
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.join_multicast_v4(&GROUP, &source)
}

fn firewall() -> Firewall {
    let mut why = Vec::new();
    for (program, args) in [("nft", &["list", "ruleset"][..]), ("iptables", &["-S"][..])] {
        match rules(program, args) {
            Ok(rules) => {
                let drops = match program {
                    "nft" => nft_drops(&rules),
                    _ => iptables_drops(&rules),
                };
                if let Some(rule) = drops {
                    return Firewall::Drops(program, rule);
                }
            }
            Err(error) => why.push(format!("{program}: {error}")),
        }
    }
    // One that could be asked knows the rules of both: iptables is a front of nft today.
    if why.len() < 2 { Firewall::Open } else { Firewall::Unknown(why.join("; ")) }
}

fn rules(program: &str, args: &[&str]) -> Result<String, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(ADMIN_PATH.iter().map(PathBuf::from));
    let file = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    let file = file.ok_or("not installed")?;
    let mut command = Command::new(file);
    command.args(args).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err("not permitted".to_owned());
    }
    let bytes = &output.stdout[..output.stdout.len().min(RULES_BYTES)];
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

/// The chain at the entrance that drops by default, or a rule in it that drops everything.
pub(super) fn nft_drops(rules: &str) -> Option<String> {
    let mut input = false;
    for line in rules.lines().map(str::trim) {
        if line.starts_with("type ") {
            input = line.contains("hook input");
            if input && line.contains("policy drop") {
                return Some(line.to_owned());
            }
        } else if line == "}" {
            input = false;
        } else if input && ["drop", "reject"].contains(&line) {
            return Some(line.to_owned());
        }
    }
    None
}

/// The policy, or a rule without a condition, that drops what comes in.
pub(super) fn iptables_drops(rules: &str) -> Option<String> {
    let drops = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(
            words.as_slice(),
            ["-P", "INPUT", "DROP" | "REJECT"] | ["-A", "INPUT", "-j", "DROP" | "REJECT", ..]
        )
    };
    rules.lines().find(drops).map(str::to_owned)
}

fn clock() -> Clock {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let in_step = survey::clock_in_step().map_err(|error| error.to_string());
    Clock { now_s: now.as_secs(), in_step }
}

fn limits() -> Limits {
    let groups = match survey::control_groups() {
        None => Groups::None,
        Some(survey::ControlGroups::V1) => Groups::V1,
        Some(survey::ControlGroups::V2 { delegated }) => Groups::V2 { delegated },
    };
    Limits {
        files: survey::file_limit().unwrap_or((u64::MAX, u64::MAX)),
        processes: survey::process_limit().unwrap_or((u64::MAX, u64::MAX)),
        groups,
        namespaces: survey::user_namespaces(),
        proc: Path::new("/proc/self/stat").exists(),
    }
}

fn programs() -> Vec<(String, String, Option<PathBuf>)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |(app, program): (String, String)| {
        let path = find_program(&program, &path);
        (app, program, path)
    };
    outlast_node::programs().into_iter().map(found).collect()
}

/// Whether somebody listens there; a relay's own protocol is the daemon's business.
async fn relay(url: &str) -> Result<(), String> {
    let (host, port) = host_and_port(url).ok_or("no such address")?;
    let connecting = tokio::net::TcpStream::connect((host, port));
    match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// Of an address on the web.
pub(super) fn host_and_port(url: &str) -> Option<(&str, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    let default = if scheme == "https" { 443 } else { 80 };
    // The colons of an IPv6 address are between brackets.
    let end = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[end..].rfind(':') {
        Some(colon) => (&authority[..end + colon], authority[end + colon + 1..].parse().ok()?),
        None => (authority, default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    (!host.is_empty()).then_some((host, port))
}
