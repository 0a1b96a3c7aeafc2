//! Hosts as network namespaces, all on one bridge in a namespace of its own. Links can be cut and
//! healed. Needs root and iproute2; who hasn't them is told so and skips the test.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Several hosts, connected.
#[derive(Debug)]
pub struct Network {
    prefix: String,
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
        if !nix::unistd::geteuid().is_root() {
            return Err("network namespaces need root".to_owned());
        }
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("olt{}-{number}", std::process::id());
        let network = Self { prefix, hosts: AtomicU32::new(0) };
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
        let (port, address) = (format!("port{number}"), format!("10.77.0.{number}"));
        ip(&format!("netns add {namespace}"))?;
        ip(&format!("-n {switch} link add {port} type veth peer name eth0 netns {namespace}"))?;
        ip(&format!("-n {switch} link set {port} master br0 up"))?;
        ip(&format!("-n {namespace} addr add {address}/24 dev eth0"))?;
        ip(&format!("-n {namespace} link set eth0 up"))?;
        ip(&format!("-n {namespace} link set lo up"))?;
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
