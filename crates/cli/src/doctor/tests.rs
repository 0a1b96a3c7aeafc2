use std::path::PathBuf;

use expect_test::expect;
use outlast_api::types::{NodeStatus, Observed, Reach};

use super::facts::{Clock, DataDir, DataState, Firewall, Groups, Limits, Port};
use super::gather::{host_and_port, iptables_drops, nft_drops};
use super::*;
use crate::testing::Memory;

fn status() -> NodeStatus {
    NodeStatus {
        version: "1".to_owned(),
        uptime_s: 60.0,
        members: 2,
        addresses: vec!["10.0.0.1:7771".to_owned()],
        reach: Reach {
            observed: vec![Observed {
                address: Some("10.0.0.1:7771".to_owned()),
                nodes: 2,
                seconds_ago: 1.0,
            }],
            ..Reach::default()
        },
        ..NodeStatus::default()
    }
}

/// A machine on which all is well.
fn well() -> Facts {
    Facts {
        data: DataDir {
            path: "/data".into(),
            state: DataState::There {
                writable: true,
                key_readable_by_others: false,
                owner: Some(7),
                free: Some(20 << 30),
            },
            socket_bytes: 18,
        },
        daemon: Ok(status()),
        config: Ok(()),
        programs: vec![("povray".to_owned(), "povray".to_owned(), Some("/bin/povray".into()))],
        ports: vec![("0.0.0.0:7771".parse().unwrap(), Port::Taken(None))],
        loopback: Ok(()),
        lan: true,
        multicast: Ok(()),
        firewall: Firewall::Open,
        clock: Clock { now_s: 1_795_252_579, in_step: Ok(true) },
        limits: Limits {
            files: (65_536, u64::MAX),
            processes: (u64::MAX, u64::MAX),
            groups: Groups::V2 { delegated: true },
            namespaces: Some(true),
            proc: true,
        },
        relays: vec![("http://relay.example/".to_owned(), Ok(()))],
    }
}

/// What was found of a check, once it is no longer well.
#[track_caller]
fn found(check: &str, change: impl FnOnce(&mut Facts)) -> Finding {
    let mut facts = well();
    change(&mut facts);
    let mut all = findings(&facts, "1");
    all.retain(|finding| finding.check == check);
    assert_eq!(all.len(), 1, "{check}: {all:?}");
    let finding = all.remove(0);
    let has_cure = finding.mend.is_some() || finding.level == Level::Ok;
    assert!(has_cure, "what isn't well has a cure: {finding:?}");
    finding
}

#[test]
fn a_machine_on_which_all_is_well_has_nothing_to_mend() {
    for finding in findings(&well(), "1") {
        assert_eq!((finding.level, &finding.mend), (Level::Ok, &None), "{finding:?}");
    }
}

#[test]
fn each_fault_is_found_and_has_a_cure() {
    type Change = fn(&mut Facts);
    let cases: &[(&str, Level, &str, Change)] = &[
        ("data directory", Level::Problem, "can't be made: no", |f| {
            f.data.state = DataState::Absent(Some("no".to_owned()));
        }),
        ("data directory", Level::Problem, "is no folder", |f| {
            f.data.state = DataState::NotAFolder
        }),
        ("data directory", Level::Problem, "can't be written", |f| {
            f.data.state = state(false, false, 1 << 40)
        }),
        ("data directory", Level::Problem, "others can read", |f| {
            f.data.state = state(true, true, 1 << 40)
        }),
        ("data directory", Level::Problem, "is full", |f| {
            f.data.state = state(true, false, 1 << 20)
        }),
        ("data directory", Level::Warning, "500 MiB free", |f| {
            f.data.state = state(true, false, 500 << 20)
        }),
        ("data directory", Level::Ok, "isn't there yet", |f| {
            f.data.state = DataState::Absent(None)
        }),
        ("control socket", Level::Problem, "200 bytes", |f| f.data.socket_bytes = 200),
        ("configuration", Level::Problem, "line 2", |f| f.config = Err("line 2".to_owned())),
        ("daemon", Level::Problem, "process 7 holds", |f| f.daemon = Err("no answer".to_owned())),
        ("daemon", Level::Warning, "none runs", |f| {
            f.daemon = Err("no socket".to_owned());
            f.data.state = state(true, false, 1 << 40);
        }),
        ("daemon", Level::Warning, "version 0", |f| {
            f.daemon = Ok(NodeStatus { version: "0".to_owned(), ..status() });
        }),
        ("UDP port", Level::Problem, "taken by other (pid 9)", |f| {
            f.daemon = Err("no socket".to_owned());
            f.ports[0].1 = Port::Taken(Some("other (pid 9)".to_owned()));
        }),
        ("UDP port", Level::Problem, "not ours", |f| {
            f.ports[0].1 = Port::Refused("not ours".to_owned())
        }),
        ("UDP port", Level::Ok, "the daemon listens on 10.0.0.1:99", |f| {
            let addresses = vec!["10.0.0.1:99".to_owned()];
            f.daemon = Ok(NodeStatus { addresses, ..status() });
        }),
        ("loopback", Level::Problem, "timed out", |f| f.loopback = Err("timed out".to_owned())),
        ("multicast", Level::Warning, "unreachable", |f| {
            f.multicast = Err("unreachable".to_owned())
        }),
        ("multicast", Level::Ok, "not used", |f| {
            f.multicast = Err("unreachable".to_owned());
            f.lan = false;
        }),
        ("firewall", Level::Warning, "policy drop", |f| {
            f.firewall = Firewall::Drops("nft", "policy drop".to_owned());
        }),
        ("firewall", Level::Ok, "UDP port 7771", |f| {
            f.firewall = Firewall::Unknown("root only".to_owned())
        }),
        ("relay", Level::Warning, "refused", |f| f.relays[0].1 = Err("refused".to_owned())),
        ("programs", Level::Ok, "not here: ffmpeg", |f| {
            f.programs.push(("ffmpeg".to_owned(), "ffmpeg".to_owned(), None));
        }),
        ("clock", Level::Problem, "1970-01-01", |f| f.clock.now_s = 5),
        ("clock", Level::Warning, "not kept in step", |f| f.clock.in_step = Ok(false)),
        ("clock", Level::Ok, "can't be told", |f| f.clock.in_step = Err("sandbox".to_owned())),
        ("open files", Level::Warning, "at most 256", |f| f.limits.files = (256, 4096)),
        ("processes", Level::Warning, "at most 99", |f| f.limits.processes.0 = 99),
        ("/proc", Level::Problem, "isn't there", |f| f.limits.proc = false),
    ];
    for (check, level, part, change) in cases {
        let finding = found(check, change);
        assert_eq!(finding.level, *level, "{finding:?}");
        assert!(finding.found.contains(part), "{part}: {finding:?}");
    }
}

fn state(writable: bool, key_readable_by_others: bool, free: u64) -> DataState {
    DataState::There { writable, key_readable_by_others, owner: None, free: Some(free) }
}

#[test]
fn the_report_fits_the_terminal() {
    let mut facts = well();
    facts.multicast = Err("Network is unreachable (os error 101)".to_owned());
    facts.data.socket_bytes = 200;
    let findings: Vec<Finding> = findings(&facts, "1")
        .into_iter()
        .filter(|finding| ["control socket", "daemon", "multicast"].contains(&finding.check))
        .collect();
    let mut ui = Ui::new(Memory::default(), Memory::default());
    expect![[r#"
        problem  control socket  a path of 200 bytes, at most 107
                                 → choose a shorter --data-dir
        ok       daemon          running for 1 min 00 s, 2 other nodes in its grid
        warning  multicast       nodes of this LAN can't be found by themselves: Network is unreachable (os error 101)
                                 → `ip route add 224.0.0.0/4 dev INTERFACE`, or join by ticket: `outlast up --join TICKET`

        1 problem, 1 warning
    "#]].assert_eq(&report(&findings, &ui));
    ui.width = Some(40);
    expect![[r#"
        problem  control socket
            a path of 200 bytes, at most 107
            → choose a shorter --data-dir
        ok       daemon
            running for 1 min 00 s, 2 other
            nodes in its grid
        warning  multicast
            nodes of this LAN can't be found by
            themselves: Network is unreachable
            (os error 101)
            → `ip route add 224.0.0.0/4 dev
            INTERFACE`, or join by ticket:
            `outlast up --join TICKET`

        1 problem, 1 warning
    "#]]
    .assert_eq(&report(&findings, &ui));
    assert!(!report(&findings, &ui).contains('\x1b'));
    ui.colour = true;
    assert!(report(&findings, &ui).contains("\x1b[31mproblem\x1b[0m"));
    assert!(report(&[], &ui).contains("all is well"));
}

#[test]
fn a_firewall_that_drops_is_found_in_its_rules() {
    let nft = |policy: &str, rule: &str, hook: &str| {
        format!(
            "table inet filter {{\n\tchain x {{\n\t\ttype filter hook {hook} priority filter; policy {policy};\n\
             \t\t{rule}\n\t}}\n}}\n"
        )
    };
    assert_eq!(nft_drops(""), None);
    assert_eq!(nft_drops(&nft("accept", "udp dport 53 drop", "input")), None);
    assert_eq!(nft_drops(&nft("drop", "", "forward")), None);
    assert_eq!(nft_drops(&nft("accept", "drop", "output")), None);
    assert!(nft_drops(&nft("drop", "", "input")).unwrap().contains("policy drop"));
    assert_eq!(nft_drops(&nft("accept", "reject", "input")).unwrap(), "reject");
    assert_eq!(iptables_drops("-P INPUT ACCEPT\n-A INPUT -p udp --dport 53 -j DROP\n"), None);
    assert!(iptables_drops("-P INPUT DROP\n").is_some());
    assert!(iptables_drops("-A INPUT -j REJECT --reject-with icmp-port-unreachable\n").is_some());
    assert_eq!(iptables_drops("-P FORWARD DROP\n"), None);
}

#[test]
fn the_place_of_a_relay_is_read_from_its_address() {
    assert_eq!(host_and_port("http://relay.example:3340/"), Some(("relay.example", 3340)));
    assert_eq!(host_and_port("https://relay.example./x?y"), Some(("relay.example", 443)));
    assert_eq!(host_and_port("http://me@[::1]:8/"), Some(("::1", 8)));
    assert_eq!(host_and_port("http://[::1]"), Some(("::1", 80)));
    for wrong in ["relay.example", "http://", "http://x:y", "http://:80"] {
        assert_eq!(host_and_port(wrong), None, "{wrong}");
    }
}

#[tokio::test]
async fn this_machine_can_be_looked_at_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data: PathBuf = folder.path().join("data");
    let config = crate::config::for_up(
        data.clone(),
        folder.path(),
        crate::args::UpArgs { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Default::default() },
    );
    let facts = gather(&data, config).await;
    assert!(matches!(facts.data.state, DataState::Absent(None)), "{facts:?}");
    assert_eq!(facts.loopback, Ok(()));
    assert_eq!(facts.ports[0].1, Port::Free);
    assert!(facts.daemon.is_err() && facts.limits.proc);
    assert!(!data.exists());
    std::fs::create_dir(&data).unwrap();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let lock = outlast_os::lock_folder(&data).unwrap();
    let config = crate::config::for_up(
        data.clone(),
        folder.path(),
        crate::args::UpArgs { listen: vec![taken.local_addr().unwrap()], ..Default::default() },
    );
    let facts = gather(&data, config).await;
    let DataState::There { writable, owner, .. } = facts.data.state else { panic!("{facts:?}") };
    assert_eq!((writable, owner), (true, Some(std::process::id())));
    let pid = std::process::id().to_string();
    assert!(matches!(&facts.ports[0].1, Port::Taken(Some(by)) if by.contains(&pid)), "{facts:?}");
    drop(lock);
}
