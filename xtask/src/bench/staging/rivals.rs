//! What else brings files to hosts: iperf3 (memory to memory, what the network can), rsync to its own daemon, and files
//! through one connection of socat, plain and with TLS. QUIC always encrypts: TLS is the like of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::field::Host;
use super::lab::{Lab, has, wait_for};
use super::transfer::{Took, said};

/// Ports that only these use, in namespaces of their own.
const RSYNC: u16 = 8730;
const SOCAT: u16 = 9440;
const IPERF: u16 = 5201;

/// A way to bring a file or a folder from a host to others, all at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rival {
    /// TCP, nothing read or written; so many streams to each.
    Iperf(u32),
    /// Files by rsync.
    Rsync,
    /// tar, or the file itself, through TCP.
    Plain,
    /// The same, through TLS.
    Tls,
}

/// A process, killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Rival {
    pub(super) fn name(self) -> String {
        match self {
            Self::Iperf(streams) => format!("iperf3 `-P {streams}`, nothing read or written"),
            Self::Rsync => "rsync, its own daemon, not encrypted".to_owned(),
            Self::Plain => "one TCP connection (socat), not encrypted".to_owned(),
            Self::Tls => "one TLS connection (socat)".to_owned(),
        }
    }

    /// Why it can't run here.
    pub(super) fn missing(self) -> Option<&'static str> {
        let programs: &[&str] = match self {
            Self::Iperf(_) => &["iperf3"],
            Self::Rsync => &["rsync"],
            Self::Plain => &["socat"],
            Self::Tls => &["socat", "openssl"],
        };
        programs.iter().find(|program| !has(program)).copied()
    }

    /// Brings `what`, with so many bytes, to a folder of each host, and looks whether it arrived.
    pub(super) fn push(
        self,
        lab: &Lab,
        from: &Host,
        to: &[(Host, PathBuf)],
        what: &Path,
        bytes: u64,
    ) -> anyhow::Result<Took> {
        match self {
            Self::Iperf(streams) => return iperf(from, to, streams, bytes),
            Self::Rsync => {}
            Self::Plain | Self::Tls => return through(self, lab, from, to, what),
        }
        let servers = to.iter().map(|(host, folder)| rsync_daemon(lab, host, folder));
        let _servers = servers.collect::<anyhow::Result<Vec<_>>>()?;
        let clients = to.iter().map(|(host, _)| {
            let mut client = from.command("rsync");
            client.arg("-a").arg(what).arg(format!("rsync://{}:{RSYNC}/in/", host.address));
            client
        });
        together(from, clients.collect(), Vec::new())
    }
}

fn rsync_daemon(lab: &Lab, host: &Host, folder: &Path) -> anyhow::Result<Server> {
    let config = lab.fresh()?.join("rsyncd.conf");
    let root = folder.display();
    // It has to set times and modes: the next run compares them.
    let id = "uid = 0\ngid = 0\n";
    let id = if super::machine::said("id", &["-u"]) == "0" { id } else { "" };
    fs::write(&config, format!("use chroot = no\n{id}[in]\npath = {root}\nread only = no\n"))?;
    let mut command = host.command("rsync");
    command.args(["--daemon", "--no-detach", "--port", &RSYNC.to_string()]);
    command.args(["--address", &host.address, "--config"]).arg(config);
    serve(command, host, RSYNC)
}

fn serve(mut command: Command, host: &Host, port: u16) -> anyhow::Result<Server> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let server = Server(command.spawn().with_context(|| format!("{command:?}"))?);
    wait_for("a server", || host.listens(port)).with_context(|| format!("{command:?}"))?;
    Ok(server)
}

/// Runs all clients at the same time, and waits for them and for servers that end by themselves.
fn together(from: &Host, clients: Vec<Command>, mut servers: Vec<Server>) -> anyhow::Result<Took> {
    let sent = from.sent();
    let start = Instant::now();
    let mut running = Vec::new();
    for mut client in clients {
        running.push(Server(client.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?));
    }
    for process in running.iter_mut().chain(&mut servers) {
        let status = process.0.wait()?;
        ensure!(status.success(), "a rival: {status}");
    }
    Ok(Took {
        there: start.elapsed().as_secs_f64(),
        sent: from.sent().zip(sent).map(|(after, before)| after - before),
        ..Took::default()
    })
}

/// A file, or a folder as tar, through one connection to each host.
fn through(
    rival: Rival,
    lab: &Lab,
    from: &Host,
    to: &[(Host, PathBuf)],
    what: &Path,
) -> anyhow::Result<Took> {
    let tls = rival == Rival::Tls;
    let keys = if tls { Some(certificate(lab)?) } else { None };
    let name = what.file_name().context("a file has a name")?.to_string_lossy().into_owned();
    let tree = what.is_dir();
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for (host, folder) in to {
        let listen = match &keys {
            Some(keys) => {
                let keys = keys.display();
                format!("OPENSSL-LISTEN:{SOCAT},reuseaddr,cert={keys},verify=0")
            }
            None => format!("TCP-LISTEN:{SOCAT},reuseaddr"),
        };
        let receive = format!("exec socat -u -b 262144 {listen} ");
        let line = if tree {
            format!("{} STDOUT | tar xf -", receive.trim_start_matches("exec "))
        } else {
            format!("{receive} CREATE:{name}")
        };
        let mut server = host.command("sh");
        server.args(["-c", &line]).current_dir(folder);
        servers.push(serve(server, host, SOCAT)?);

        let address = &host.address;
        let connect = if tls {
            format!("OPENSSL:{address}:{SOCAT},verify=0")
        } else {
            format!("TCP:{address}:{SOCAT}")
        };
        let line = if tree {
            format!("tar cf - {name} | socat -u -b 262144 STDIN {connect}")
        } else {
            format!("exec socat -u -b 262144 FILE:{name} {connect}")
        };
        let mut client = from.command("sh");
        client.args(["-c", &line]).current_dir(what.parent().unwrap_or(Path::new("/")));
        clients.push(client);
    }
    together(from, clients, servers)
}

/// A certificate with its key in one file.
fn certificate(lab: &Lab) -> anyhow::Result<PathBuf> {
    let folder = lab.fresh()?;
    let (key, both) = (folder.join("key"), folder.join("both"));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.args(["-nodes", "-days", "1", "-subj", "/CN=bench", "-keyout"]).arg(&key);
    let text = format!("{}\n{}\n", said(&mut command)?, fs::read_to_string(&key)?);
    fs::write(&both, text)?;
    Ok(both)
}

fn iperf(from: &Host, to: &[(Host, PathBuf)], streams: u32, bytes: u64) -> anyhow::Result<Took> {
    let mut servers = Vec::new();
    for (host, _) in to {
        let mut server = host.command("iperf3");
        server.args(["--server", "--one-off"]);
        servers.push(serve(server, host, IPERF)?);
    }
    let sent = from.sent();
    let mut running = Vec::new();
    for (host, _) in to {
        let mut client = from.command("iperf3");
        client.args(["--json", "--client", &host.address, "--bytes", &bytes.to_string()]);
        client.args(["--parallel", &streams.to_string()]);
        running.push(client.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    }
    let mut there = 0.0_f64;
    for child in running {
        let output = child.wait_with_output()?;
        let said: Value = serde_json::from_slice(&output.stdout).context("iperf3 --json")?;
        let seconds = said.pointer("/end/sum_received/seconds").and_then(Value::as_f64);
        there = there.max(seconds.context("iperf3 says no time")?);
    }
    Ok(Took {
        there,
        sent: from.sent().zip(sent).map(|(after, before)| after - before),
        ..Took::default()
    })
}
