//! Hosts and the daemons on them.
//!
//! A host is a network namespace, and all are on one bridge in a namespace of its own. The end-to-end tests have
//! something alike, in a package that is built with the whole product; this one also reads counters, and works without
//! root, on loopback.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::lab::{Daemon, Lab, wait_for};
use super::transfer::said;

/// Clock ticks a second in `/proc/PID/stat`: the same on all Linux machines.
const TICKS: f64 = 100.0;

/// A daemon answers at once, or something is wrong.
const ANSWER: Duration = Duration::from_secs(10);

static FIELDS: AtomicU32 = AtomicU32::new(0);

/// Hosts of one measurement. They are gone when it is dropped.
pub(super) struct Field<'l> {
    lab: &'l Lab,
    /// What namespaces are called; `None`: everybody is on loopback.
    prefix: Option<String>,
    hosts: AtomicU32,
}

/// One of them.
#[derive(Clone)]
pub(super) struct Host {
    namespace: Option<String>,
    pub(super) address: String,
}

impl<'l> Field<'l> {
    /// An empty one.
    pub(super) fn new(lab: &'l Lab) -> anyhow::Result<Self> {
        let mut field = Self { lab, prefix: None, hosts: AtomicU32::new(0) };
        if super::machine::said("id", &["-u"]) != "0" {
            return Ok(field);
        }
        let number = FIELDS.fetch_add(1, Ordering::Relaxed);
        field.prefix = Some(format!("olb{}-{number}", std::process::id()));
        let switch = field.switch();
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add br0 type bridge"))?;
        ip(&format!("-n {switch} link set br0 up"))?;
        Ok(field)
    }

    /// What the hosts are, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self.prefix {
            Some(_) => "network namespaces on a bridge, joined by veth (MTU 1500)",
            None => {
                "SKIPPED network namespaces, which need root: all on loopback, bytes not counted"
            }
        }
    }

    fn switch(&self) -> String {
        format!("{}-br", self.prefix.as_deref().unwrap_or_default())
    }

    /// A new host, connected to all others.
    pub(super) fn host(&self) -> anyhow::Result<Host> {
        let Some(prefix) = &self.prefix else {
            return Ok(Host { namespace: None, address: "127.0.0.1".to_owned() });
        };
        let number = self.hosts.fetch_add(1, Ordering::Relaxed) + 1;
        let (switch, namespace) = (self.switch(), format!("{prefix}-{number}"));
        let (port, address) = (format!("port{number}"), format!("10.78.0.{number}"));
        ip(&format!("netns add {namespace}"))?;
        ip(&format!("-n {switch} link add {port} type veth peer name eth0 netns {namespace}"))?;
        ip(&format!("-n {switch} link set {port} master br0 up"))?;
        ip(&format!("-n {namespace} addr add {address}/24 dev eth0"))?;
        ip(&format!("-n {namespace} link set eth0 up"))?;
        ip(&format!("-n {namespace} link set lo up"))?;
        // What is sent to groups goes out here too: mDNS.
        ip(&format!("-n {namespace} route add 224.0.0.0/4 dev eth0"))?;
        Ok(Host { namespace: Some(namespace), address })
    }

    /// A node with so many slots on a new host.
    pub(super) fn node(&self, slots: u32, join: Option<&str>) -> anyhow::Result<Node<'l>> {
        let host = self.host()?;
        let data_dir = self.lab.data_dir(slots)?;
        let mut command = up(self.lab, &host, &data_dir, "0");
        command.args(join.iter().flat_map(|ticket| ["--join", ticket]));
        let daemon = self.lab.start(command, data_dir)?;
        Ok(Node { lab: self.lab, daemon, host })
    }

    /// A submitter without slots and so many nodes with one each, that all know each other.
    pub(super) fn grid(&self, workers: usize) -> anyhow::Result<(Node<'l>, Vec<Node<'l>>)> {
        let submitter = self.node(0, None)?;
        let mut nodes = Vec::new();
        for _ in 0..workers {
            let ticket = submitter.ticket()?;
            nodes.push(self.node(1, Some(&ticket))?);
        }
        for node in nodes.iter().chain([&submitter]) {
            wait_for("all nodes to see each other", || node.others() >= workers)?;
        }
        Ok((submitter, nodes))
    }
}

impl Drop for Field<'_> {
    fn drop(&mut self) {
        if let Some(prefix) = &self.prefix {
            for number in 1..=self.hosts.load(Ordering::Relaxed) {
                let _ = ip(&format!("netns del {prefix}-{number}"));
            }
            let _ = ip(&format!("netns del {}", self.switch()));
        }
    }
}

/// `outlast up` on a host.
pub(super) fn up(lab: &Lab, host: &Host, data_dir: &Path, port: &str) -> Command {
    let mut command = host.command(&lab.outlast);
    command.arg("--data-dir").arg(data_dir).arg("--quiet").current_dir(data_dir);
    command.args(["up", "--listen", &format!("{}:{port}", host.address)]);
    command
}

impl Host {
    /// A command that runs there. `ip` becomes the program, so its process number is the program's.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let Some(namespace) = &self.namespace else {
            return Command::new(program.as_ref());
        };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program.as_ref());
        command
    }

    /// Bytes that have left its interface, with all headers; `None` on loopback.
    pub(super) fn sent(&self) -> Option<u64> {
        self.namespace.as_ref()?;
        let output =
            self.command("cat").arg("/sys/class/net/eth0/statistics/tx_bytes").output().ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    }

    /// Whether somebody listens on a TCP port there.
    pub(super) fn listens(&self, port: u16) -> bool {
        let output = self.command("cat").args(["/proc/net/tcp", "/proc/net/tcp6"]).output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        let end = format!(":{port:04X}");
        String::from_utf8_lossy(&text).lines().any(|line| {
            let mut words = line.split_whitespace().skip(1);
            let here = words.next().is_some_and(|address| address.ends_with(&end));
            // State 0A: it listens.
            here && words.nth(1) == Some("0A")
        })
    }
}

/// A daemon on a host.
pub(super) struct Node<'l> {
    lab: &'l Lab,
    pub(super) daemon: Daemon,
    pub(super) host: Host,
}

impl Node<'_> {
    /// Something that others can join it with.
    pub(super) fn ticket(&self) -> anyhow::Result<String> {
        self.lab.ticket(&self.daemon)
    }

    /// A client of it, for what is in `cwd`.
    pub(super) fn outlast(&self, cwd: &Path) -> Command {
        self.lab.outlast(&self.daemon.data_dir, cwd)
    }

    /// Asks its API.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Value> {
        get(&self.daemon.data_dir, path)
    }

    /// Other nodes that it knows to be there; 0 while it doesn't answer.
    pub(super) fn others(&self) -> usize {
        let nodes = self.get("/v1/nodes").unwrap_or_default();
        let alive = |row: &&Value| row.get("state").and_then(Value::as_str) == Some("alive");
        nodes.as_array().map_or(0, |rows| rows.iter().filter(alive).count())
    }

    /// Seconds of processor time that it has used.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.daemon.id());
        let text = fs::read_to_string(path).unwrap_or_default();
        // The name in brackets may hold anything; user and system time are fields 14 and 15.
        let (_, fields) = text.rsplit_once(')').unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS
    }

    /// What each of its threads ran so far, exactly.
    pub(super) fn ran(&self) -> Ran {
        let tasks = format!("/proc/{}/task", self.daemon.id());
        let each = fs::read_dir(tasks).into_iter().flatten().flatten().map(|task| {
            // Nanoseconds on a processor, nanoseconds waiting for one, how often it was given one.
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let mut numbers = text.split_whitespace().map(|word| word.parse().unwrap_or(0.0));
            let seconds = numbers.next().unwrap_or(0.0) / 1e9;
            (task.file_name(), (seconds, numbers.nth(1).unwrap_or(0.0)))
        });
        Ran(each.collect())
    }

    /// Ends it politely, and waits until it is gone.
    pub(super) fn down(&mut self) -> anyhow::Result<()> {
        said(self.outlast(&std::env::temp_dir()).arg("down"))?;
        self.daemon.wait()
    }

    /// Ends it, and removes what it kept: gigabytes, if it was given them.
    pub(super) fn remove(mut self) {
        self.daemon.kill();
        let _ = fs::remove_dir_all(&self.daemon.data_dir);
    }
}

/// What the threads of a process have run: seconds, and how often they were put on a processor.
pub(super) struct Ran(HashMap<OsString, (f64, f64)>);

impl Ran {
    /// What they have run since `before`. Of a thread that has ended meanwhile that isn't known; it had nothing to do, or it
    /// would still be there.
    pub(super) fn since(&self, before: &Self) -> (f64, f64) {
        let old = |thread| before.0.get(thread).copied().unwrap_or_default();
        self.0.iter().fold((0.0, 0.0), |(seconds, switches), (thread, now)| {
            let then = old(thread);
            (seconds + now.0 - then.0, switches + now.1 - then.1)
        })
    }
}

/// One request to the API of the daemon with this data directory. The client of the product would bring all of it into this tool.
fn get(data_dir: &Path, path: &str) -> anyhow::Result<Value> {
    let socket: PathBuf = data_dir.join("control.sock");
    let mut stream = UnixStream::connect(&socket).with_context(|| socket.display().to_string())?;
    stream.set_read_timeout(Some(ANSWER))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: outlast\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    ensure!(!head.to_lowercase().contains("transfer-encoding"), "{path}: answer in chunks");
    Ok(serde_json::from_str(body)?)
}

fn ip(args: &str) -> anyhow::Result<()> {
    let output = Command::new("ip").args(args.split(' ')).output().context("`ip` (iproute2)")?;
    if !output.status.success() {
        bail!("`ip {args}`: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}
