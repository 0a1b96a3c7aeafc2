//! What makes a grid pleasant to live with: logs, figures, watching, output for pipes.

use std::net::{SocketAddr, TcpListener};

use nix::sys::signal::Signal;
use outlast_tests::gate::Gate;
use outlast_tests::metrics::{Figures, http};
use outlast_tests::{Node, Process, SOON, World, binaries, until};
use serde_json::Value;

use crate::words;

/// An address that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap()
}

#[test]
fn figures_are_served_and_grow_with_a_job() {
    let world = World::new();
    let address = free_address();
    let toml = format!("[control]\nmetrics = '{address}'\n");
    let a = Node::new(&world, "a", 1).configured(&toml).up();
    let before = Figures::scrape(address);
    assert_eq!(before.of("outlast_slots"), 1.0);
    assert_eq!(before.of("outlast_jobs_submitted_total"), 0.0);
    a.outlast(&["run", "--replication", "1", "--", "echo", "hello"]).with_code(0);
    let after = Figures::scrape(address);
    for (sample, grown) in [
        ("outlast_jobs_submitted_total", 1.0),
        ("outlast_jobs_ended_total{outcome=\"done\"}", 1.0),
        ("outlast_cells_accepted_total", 1.0),
    ] {
        assert_eq!(after.of(sample) - before.of(sample), grown, "{sample}");
    }
    for sample in ["outlast_steps_started_total", "outlast_journal_commit_seconds_count"] {
        assert!(after.of(sample) > before.of(sample), "{sample}");
    }
    assert_eq!(after.of("outlast_jobs{state=\"done\"}"), 1.0);
    assert!(after.of("process_resident_memory_bytes") > 1e6);
    assert_eq!(after.shrunk_since(&before), Vec::<&str>::new());
    // The same on the control socket; and nothing else on the address.
    assert!(http(address, "GET /healthz").ends_with("\r\n\r\nok\n"));
    for other in ["GET /v1/status", "POST /v1/down", "GET /"] {
        assert!(http(address, other).starts_with("HTTP/1.1 404"), "{other}");
    }
    a.status();
}

#[test]
fn an_address_for_figures_that_is_taken_keeps_a_node_from_starting() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = world.path("a");
    let args = ["up", "--listen", "127.0.0.1:0", "--metrics", &address];
    world.outlast(&data, &args).with_code(1).complains("choose another address with --metrics");
}

#[test]
fn every_line_of_a_structured_log_is_json() {
    let world = World::new();
    let mut a = Node::new(&world, "a", 1).configured("[log]\nformat = 'json'\n").up();
    a.outlast(&["run", "--replication", "1", "--", "true"]).with_code(0);
    a.outlast(&["down"]).with_code(0);
    let said = a.process().ended(SOON).with_code(0);
    let lines: Vec<Value> = said
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        for key in ["timestamp", "level", "target"] {
            assert!(line[key].is_string(), "no {key} in {line}");
        }
        assert!(line["fields"]["message"].is_string(), "{line}");
    }
    let said = |part: &str| {
        lines.iter().any(|line| line["fields"]["message"].as_str().unwrap().contains(part))
    };
    assert!(said("a is up on") && said("job ended"), "{lines:#?}");
    assert!(lines.iter().any(|line| line["fields"]["job"].is_string()), "fields are kept apart");
}

#[test]
fn a_log_is_followed_across_a_restart_of_the_daemon_to_the_jobs_end() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let mut a = Node::new(&world, "a", 1).up();
    let id = a.outlast(&words(&["submit"], &gate.sweep(3))).with_code(0).stdout;
    let mut follower = a.start_outlast(&["logs", "-f", id.trim()]);
    until("it shows what happened", || follower.stdout().contains("submitted").then_some(()));
    gate.runs_at(&a, 1);
    a.kill();
    until("it notices", || follower.stderr().contains("went away").then_some(()));
    a.start();
    gate.open();
    let said = follower.ended(SOON).with_code(0);
    assert!(said.stderr.contains("is back"), "{}", said.stderr);
    let last = said.stdout.lines().last().unwrap();
    assert!(last.contains("done"), "{}", said.stdout);
    let submitted = said.stdout.lines().filter(|line| line.contains("submitted")).count();
    assert_eq!(submitted, 1, "{}", said.stdout);
}

#[test]
fn a_watch_in_a_pipe_tells_what_changed_and_ends_on_an_interrupt() {
    let world = World::new();
    let gate = Gate::closed(&world);
    let a = Node::new(&world, "a", 1).up();
    let mut jobs = a.start_outlast(&["ps", "--watch", "100ms"]);
    let mut nodes = a.start_outlast(&["nodes", "--watch", "100ms"]);
    a.outlast(&words(&["submit"], &gate.sweep(2))).with_code(0);
    gate.runs_at(&a, 1);
    until("it runs", || jobs.stdout().contains("running").then_some(()));
    gate.open();
    until("it is done", || jobs.stdout().contains("done").then_some(()));
    until("the slot is free again", || nodes.stdout().contains("1 of 1 slots").then_some(()));
    for watch in [&mut jobs, &mut nodes] {
        watch.signal(Signal::SIGINT);
        let said = watch.ended(SOON).with_code(0);
        assert!(said.stdout.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", said.stdout);
        assert_eq!(said.stderr, "");
    }
}

#[test]
fn nothing_but_text_goes_into_a_pipe() {
    let world = World::new();
    let a = Node::new(&world, "a", 1).up();
    let id = a.outlast(&["submit", "--replication", "1", "--", "echo", "x"]).with_code(0).stdout;
    let id = id.trim();
    a.outlast(&["wait", id]).with_code(0);
    let commands: &[&[&str]] = &[
        &["ps"],
        &["nodes"],
        &["status"],
        &["show", id, "--gridlets"],
        &["logs", id],
        &["logs", id, "--stdout"],
        &["--help"],
        &["run", "--help"],
        &["show", "ffff"],
        &["nonsense"],
        &["-v", "run", "--replication", "1", "--", "echo", "x"],
        &["completions", "bash"],
        &["man"],
    ];
    for args in commands {
        let mut command = world.command(binaries::outlast(), None);
        command.arg("--data-dir").arg(a.data_dir()).args(*args);
        // What a terminal would have, but for the terminal.
        command.env_remove("NO_COLOR").env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
        let said = Process::start(command, &world.path("piped"), None).ended(SOON);
        for text in [&said.stdout, &said.stderr] {
            let plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
            assert!(text.chars().all(plain), "{args:?}: {text:?}");
        }
    }
}

#[test]
fn manual_pages_are_written_without_a_home() {
    let world = World::new();
    let mut command = world.command(binaries::outlast(), None);
    command.args(["man", "man1"]).env_remove("HOME");
    Process::start(command, &world.path("man"), None).ended(SOON).with_code(0);
    assert!(world.read("man1/outlast-run.1").contains("EXIT STATUS"));
}

#[test]
fn the_doctor_finds_what_is_wrong_and_changes_nothing() {
    let world = World::new();
    let findings = |data: &std::path::Path, code: i32| -> Vec<Value> {
        world.outlast(data, &["--json", "doctor"]).with_code(code).json()
    };
    let of = |findings: &[Value], check: &str| {
        let found = findings.iter().find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("no {check}: {findings:#?}")).clone()
    };
    let toml = format!("listen = ['{}']\n", free_udp());
    let absent = world.path("absent");
    std::fs::create_dir(&absent).unwrap();
    std::fs::write(absent.join("config.toml"), &toml).unwrap();
    let found = findings(&absent, 0);
    assert_eq!(of(&found, "daemon")["level"], "warning");
    assert_eq!(std::fs::read_dir(&absent).unwrap().count(), 1, "nothing was made there");
    let a = Node::new(&world, "a", 1).configured(&toml).up();
    let found = findings(a.data_dir(), 0);
    for check in ["daemon", "data directory", "loopback", "programs", "clock", "firewall"] {
        assert!(of(&found, check)["found"].is_string(), "{check}");
    }
    assert_eq!(of(&found, "daemon")["level"], "ok");
    for finding in &found {
        assert!(finding["level"] == "ok" || finding["mend"].is_string(), "{finding}");
    }
    let long = world.path(&"x".repeat(120));
    std::fs::create_dir(&long).unwrap();
    std::fs::write(long.join("config.toml"), &toml).unwrap();
    assert_eq!(of(&findings(&long, 1), "control socket")["level"], "problem");
}

/// A UDP address that was free a moment ago.
fn free_udp() -> SocketAddr {
    std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).unwrap()
}
