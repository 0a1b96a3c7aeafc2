//! Hosts as network namespaces, all on one bridge in a namespace of its own. Links can be cut and
//! healed. Needs root and iproute2; who hasn't them is told so and skips the test.
//!
//! Several of them with routers, and NAT, between: [`internet`].

pub mod internet;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Several hosts, connected.
#[derive(Debug)]
pub struct Network {
    prefix: String,
    /// The first three numbers of its addresses.
    subnet: String,
    /// Where packets for others go.
    gateway: Option<String>,
    hosts: AtomicU32,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: String,
    switch: String,
    port: String,
    /// Its address.
    pub address: String,
}

static NETWORKS: AtomicU32 = AtomicU32::new(0);

impl Network {
    /// An empty one.
    ///
    /// # Errors
    /// Why there can't be one here.
    pub fn new() -> Result<Self, String> {
        Self::with("10.77.0", None)
    }

    fn with(subnet: &str, gateway: Option<&str>) -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("network namespaces need root".to_owned());
        }
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("olt{}-{number}", std::process::id());
        let (subnet, gateway) = (subnet.to_owned(), gateway.map(str::to_owned));
        let network = Self { prefix, subnet, gateway, hosts: AtomicU32::new(0) };
        let switch = network.switch();
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add br0 type bridge"))?;
        ip(&format!("-n {switch} link set br0 up"))?;
        Ok(network)
    }

    fn switch(&self) -> String {
        format!("{}-br", self.prefix)
    }

    /// A new host, connected to all others.
    ///
    /// # Errors
    /// What the system refused.
    pub fn host(&self) -> Result<Host, String> {
        let number = self.hosts.fetch_add(1, Ordering::Relaxed) + 1;
        let (switch, namespace) = (self.switch(), format!("{}-{number}", self.prefix));
        let (port, address) = (format!("port{number}"), format!("{}.{number}", self.subnet));
        ip(&format!("netns add {namespace}"))?;
        ip(&format!("-n {switch} link add {port} type veth peer name eth0 netns {namespace}"))?;
        ip(&format!("-n {switch} link set {port} master br0 up"))?;
        ip(&format!("-n {namespace} addr add {address}/24 dev eth0"))?;
        ip(&format!("-n {namespace} link set eth0 up"))?;
        ip(&format!("-n {namespace} link set lo up"))?;
        if let Some(gateway) = &self.gateway {
            ip(&format!("-n {namespace} route add default via {gateway}"))?;
        }
        Ok(Host { namespace, switch, port, address })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for number in 1..=self.hosts.load(Ordering::Relaxed) {
            let _ = ip(&format!("netns del {}-{number}", self.prefix));
        }
        let _ = ip(&format!("netns del {}", self.switch()));
    }
}

impl Host {
    /// A command that runs there. `ip` becomes the program, so its process number is the program's.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// Runs something in a thread that is on this host, and whose threads are: for what is no program of its own.
    ///
    /// # Panics
    /// If it panics, or the thread can't go there.
    pub fn run<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let there = std::fs::File::open(format!("/run/netns/{}", self.namespace));
        let there = there.expect("a host of ours");
        let go = move || {
            nix::sched::setns(&there, nix::sched::CloneFlags::CLONE_NEWNET).expect("we are root");
            what()
        };
        std::thread::scope(|scope| match scope.spawn(go).join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// From now on counts packets that it sends to anybody but these addresses.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn watch_all_but(&self, expected: &[&str]) {
        let rules = format!(
            "table ip watch {{\n counter others {{ }}\n chain out {{\n type filter hook output priority 0\n ip daddr {{ {} }} accept\n oifname \"lo\" accept\n counter name \"others\"\n }}\n}}\n",
            expected.join(", ")
        );
        internet::inside(&self.namespace, &["nft", "-f", "-"], &rules).expect("a host of ours");
    }

    /// How many there were.
    ///
    /// # Panics
    /// If nobody watched.
    pub fn packets_to_others(&self) -> u64 {
        let words = ["nft", "list", "counter", "ip", "watch", "others"];
        let text = internet::inside(&self.namespace, &words, "").expect("it is watched");
        let count = text.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
        count.and_then(|count| count.parse().ok()).expect("nft says so")
    }

    /// Sends multicast there, as a host without a default route doesn't.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn multicast(&self) {
        ip(&format!("-n {} route add 224.0.0.0/4 dev eth0", self.namespace))
            .expect("a host of ours");
    }

    /// Pulls its plug.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn cut(&self) {
        ip(&format!("-n {} link set {} down", self.switch, self.port)).expect("a port of ours");
    }

    /// Plugs it in again.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn heal(&self) {
        ip(&format!("-n {} link set {} up", self.switch, self.port)).expect("a port of ours");
    }
}

fn ip(args: &str) -> Result<(), String> {
    let output = Command::new("ip")
        .args(args.split(' '))
        .output()
        .map_err(|error| format!("`ip` (iproute2): {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`ip {args}`: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
}
