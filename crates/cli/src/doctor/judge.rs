//! What facts mean, and what to do about them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use outlast_api::limits::SOCKET_PATH_BYTES;
use outlast_api::types::NodeStatus;

use super::facts::{Clock, DataDir, DataState, Facts, Firewall, Groups, Limits, Port};
use super::{Finding, Level, package_of};
use crate::human;

/// This version was written then: a clock that says less is wrong. Seconds since 1970, 2026-11-01.
const WRITTEN: u64 = 1_793_491_200;

/// Less room than this fills up with the next larger job.
const LITTLE_ROOM: u64 = 1 << 30;

/// Less room than this is none: the journal can't grow.
const NO_ROOM: u64 = 16 << 20;

/// Descriptors: connections with a thousand nodes, programs with three files each, the store.
const FILES: u64 = 1024;

/// Processes: the daemon's threads, and programs with some of their own.
const PROCESSES: u64 = 256;

/// All findings, in the order of the questions that people ask.
pub fn findings(facts: &Facts, version: &str) -> Vec<Finding> {
    let mut all = vec![data(&facts.data), socket(&facts.data), daemon(facts, version)];
    if let Err(why) = &facts.config {
        all.push(Finding::problem("configuration", why, "correct it; `outlast up` won't start"));
    }
    all.extend(reached(facts));
    let status = facts.daemon.as_ref().ok();
    all.extend(facts.ports.iter().map(|(address, port)| self::port(address, port, status)));
    all.push(loopback(facts));
    all.push(multicast(facts));
    all.push(firewall(facts));
    all.extend(facts.relays.iter().map(|(url, answer)| relay(url, answer)));
    all.push(programs(facts));
    all.push(clock(&facts.clock));
    all.extend(limits(&facts.limits));
    all
}

fn data(data: &DataDir) -> Finding {
    let path = data.path.display();
    let name = "data directory";
    match &data.state {
        DataState::Absent(None) => {
            Finding::ok(name, format!("{path} isn't there yet; the first node will make it"))
        }
        DataState::Absent(Some(why)) => Finding::problem(
            name,
            format!("{path} isn't there and can't be made: {why}"),
            "make it, or name another one with --data-dir or OUTLAST_DATA_DIR",
        ),
        DataState::NotAFolder => Finding::problem(
            name,
            format!("{path} is no folder"),
            "remove it, or name another one with --data-dir or OUTLAST_DATA_DIR",
        ),
        DataState::There { writable: false, .. } => Finding::problem(
            name,
            format!("{path} can't be written"),
            "make it yours (chown), or name another one with --data-dir or OUTLAST_DATA_DIR",
        ),
        DataState::There { key_readable_by_others: true, .. } => Finding::problem(
            name,
            format!("others can read {path}/key: who has it is this node"),
            format!("chmod 600 {path}/key; if somebody may have read it, make a new node"),
        ),
        DataState::There { free: Some(free), .. } if *free < NO_ROOM => Finding::problem(
            name,
            format!("the disk of {path} is full ({} free)", human::bytes(*free)),
            "make room; until then jobs wait",
        ),
        DataState::There { free: Some(free), .. } if *free < LITTLE_ROOM => Finding::warning(
            name,
            format!("{} free on the disk of {path}", human::bytes(*free)),
            "make room, or give the cache less: `[storage] cache` in config.toml",
        ),
        DataState::There { owner, free, .. } => {
            let mut found = path.to_string();
            if let Some(free) = free {
                found.push_str(&format!(", {} free", human::bytes(*free)));
            }
            if let Some(owner) = owner {
                found.push_str(&format!(", used by process {owner}"));
            }
            Finding::ok(name, found)
        }
    }
}

fn socket(data: &DataDir) -> Finding {
    let found = format!("a path of {} bytes, at most {SOCKET_PATH_BYTES}", data.socket_bytes);
    if data.socket_bytes > SOCKET_PATH_BYTES {
        Finding::problem("control socket", found, "choose a shorter --data-dir")
    } else {
        Finding::ok("control socket", found)
    }
}

fn daemon(facts: &Facts, version: &str) -> Finding {
    let name = "daemon";
    let owner = match &facts.data.state {
        DataState::There { owner, .. } => *owner,
        _ => None,
    };
    match (&facts.daemon, owner) {
        (Ok(status), _) if status.version != version => Finding::warning(
            name,
            format!("runs version {}, this command is version {version}", status.version),
            "start it again: `outlast down`, `outlast up`",
        ),
        (Ok(status), _) => Finding::ok(
            name,
            format!(
                "running for {}, {} in its grid",
                human::duration(status.uptime_s),
                human::count(status.members.into(), "other node"),
            ),
        ),
        (Err(why), Some(owner)) => Finding::problem(
            name,
            format!("process {owner} holds the data directory and doesn't answer: {why}"),
            format!("if it stays so, end it (kill {owner}) and start another: `outlast up`"),
        ),
        (Err(_), None) => Finding::warning(
            name,
            "none runs: jobs run on this machine alone, and end with `outlast run`",
            "`outlast up` starts one",
        ),
    }
}

/// How others see the daemon.
fn reached(facts: &Facts) -> Option<Finding> {
    let status = facts.daemon.as_ref().ok()?;
    if status.members == 0 {
        return None;
    }
    let seen: Vec<String> = status
        .reach
        .observed
        .iter()
        .map(|one| {
            let address = one.address.as_deref().unwrap_or("through a relay");
            format!("{address} ({})", human::count(one.nodes.into(), "node"))
        })
        .collect();
    Some(match seen.as_slice() {
        [] => Finding::ok("reached as", "nobody has said yet"),
        seen => Finding::ok("reached as", seen.join(", ")),
    })
}

fn port(address: &SocketAddr, port: &Port, daemon: Option<&NodeStatus>) -> Finding {
    let name = "UDP port";
    let has_it = |status: &NodeStatus| {
        let ending = format!(":{}", address.port());
        status.addresses.iter().any(|listens| listens.ends_with(&ending))
    };
    match (port, daemon) {
        (Port::Taken(_), Some(status)) if has_it(status) => {
            Finding::ok(name, format!("{address} is the daemon's"))
        }
        (Port::Free, None) => Finding::ok(name, format!("{address} is free")),
        (Port::Free | Port::Taken(_), Some(status)) => {
            let listens = status.addresses.join(" ");
            Finding::ok(name, format!("{address} isn't used; the daemon listens on {listens}"))
        }
        (Port::Taken(by), None) => {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            Finding::problem(
                name,
                format!("{address} is taken{by}"),
                "end that, or choose another with `outlast up --listen ADDRESS:PORT`",
            )
        }
        (Port::Refused(why), _) => Finding::problem(
            name,
            format!("{address}: {why}"),
            "choose an address of this machine: `outlast up --listen ADDRESS:PORT`",
        ),
    }
}

fn loopback(facts: &Facts) -> Finding {
    match &facts.loopback {
        Ok(()) => Finding::ok("loopback", "datagrams to this machine itself arrive"),
        Err(why) => Finding::problem(
            "loopback",
            format!("a datagram to this machine itself didn't arrive: {why}"),
            "`ip link set lo up`; see whether a firewall drops packets on lo",
        ),
    }
}

fn multicast(facts: &Facts) -> Finding {
    let name = "multicast";
    match &facts.multicast {
        _ if !facts.lan => Finding::ok(name, "not used: `[network] lan` is false"),
        Ok(()) => {
            Finding::ok(name, "there is a way to 224.0.0.251: nodes of this LAN can be found")
        }
        Err(why) => Finding::warning(
            name,
            format!("nodes of this LAN can't be found by themselves: {why}"),
            "`ip route add 224.0.0.0/4 dev INTERFACE`, or join by ticket: `outlast up --join TICKET`",
        ),
    }
}

fn firewall(facts: &Facts) -> Finding {
    let name = "firewall";
    let ports: Vec<String> =
        facts.ports.iter().map(|(address, _)| address.port().to_string()).collect();
    let ports = ports.join(" and ");
    match &facts.firewall {
        Firewall::Open => Finding::ok(name, "no rule drops what comes in"),
        Firewall::Unknown(why) => {
            Finding::ok(name, format!("can't be told ({why}); UDP port {ports} has to be open"))
        }
        Firewall::Drops(program, rule) => Finding::warning(
            name,
            format!("{program} drops what comes in: {rule}"),
            format!("see that it lets UDP port {ports} through"),
        ),
    }
}

fn relay(url: &str, answer: &Result<(), String>) -> Finding {
    match answer {
        Ok(()) => Finding::ok("relay", format!("{url} answers")),
        Err(why) => Finding::warning(
            "relay",
            format!("{url} can't be reached: {why}"),
            "see whether it runs, or correct `[network] relays` in config.toml",
        ),
    }
}

fn programs(facts: &Facts) -> Finding {
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut found = Vec::new();
    for (app, program, path) in &facts.programs {
        match path {
            Some(_) => found.push(program.as_str()),
            None => missing.entry(program).or_default().push(app),
        }
    }
    found.dedup();
    let found = if found.is_empty() {
        "none found".to_owned()
    } else {
        format!("found: {}", found.join(", "))
    };
    if missing.is_empty() {
        return Finding::ok("programs", found);
    }
    let names: Vec<&str> = missing.keys().copied().collect();
    let mut packages: Vec<&str> = names.iter().filter_map(|name| package_of(name)).collect();
    packages.dedup();
    // Not everybody wants all applications: that one is missing is no fault.
    Finding {
        check: "programs",
        level: Level::Ok,
        found: format!("{found}; not here: {}", names.join(", ")),
        mend: Some(match packages.as_slice() {
            [] => "install what you want to run here; other nodes do the rest".to_owned(),
            names => format!(
                "install what you want to run here (Debian: `apt install {}`); other nodes do the rest",
                names.join(" ")
            ),
        }),
    }
}

fn clock(clock: &Clock) -> Finding {
    let name = "clock";
    let now = human::timestamp(clock.now_s);
    if clock.now_s < WRITTEN {
        return Finding::problem(
            name,
            format!("says {now}, before this version was written"),
            "set it (`timedatectl set-ntp true`); tickets would seem not to be valid yet",
        );
    }
    match &clock.in_step {
        Ok(true) => Finding::ok(name, format!("{now}, kept in step")),
        Ok(false) => Finding::warning(
            name,
            format!("{now}, not kept in step with others"),
            "`timedatectl set-ntp true`, or see that it is right within a minute",
        ),
        Err(why) => {
            Finding::ok(name, format!("{now}; whether it is kept in step can't be told: {why}"))
        }
    }
}

fn limits(limits: &Limits) -> Vec<Finding> {
    let mut all = Vec::new();
    let files = limits.files.0;
    let of =
        |limit: u64| if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() };
    if files < FILES {
        let mend = format!("`ulimit -n {}` before `outlast up`", limits.files.1.min(FILES * 64));
        all.push(Finding::warning("open files", format!("at most {files}"), mend));
    } else {
        all.push(Finding::ok("open files", format!("at most {}", of(files))));
    }
    if limits.processes.0 < PROCESSES {
        let found = format!("at most {}", limits.processes.0);
        all.push(Finding::warning("processes", found, "raise it (`ulimit -u`)"));
    } else {
        all.push(Finding::ok("processes", format!("at most {}", of(limits.processes.0))));
    }
    let groups = match limits.groups {
        Groups::V2 { delegated: true } => "version 2, this user may make groups",
        Groups::V2 { delegated: false } => "version 2, not delegated to this user",
        Groups::V1 => "version 1",
        Groups::None => "none",
    };
    all.push(Finding::ok("control groups", groups));
    all.push(Finding::ok(
        "namespaces",
        match limits.namespaces {
            Some(true) => "users may make them",
            Some(false) => "users may not make them",
            None => "can't be told",
        },
    ));
    if !limits.proc {
        all.push(Finding::problem(
            "/proc",
            "isn't there: programs that an earlier life left running can't be found",
            "mount it: `mount -t proc proc /proc`",
        ));
    }
    all
}
