//! Networks behind routers, as namespaces.
//!
//! ```text
//!   home 1: 10.78.1.0/24 ── router ──┐
//!                       10.78.0.n    ├── 10.78.0.0/24: public hosts, and the routers' outer side
//!   home 2: 10.78.2.0/24 ── router ──┘
//! ```
//!
//! A router with NAT shows its own address for all of its home, and lets nothing in that wasn't asked for: as most
//! homes' do. One without only passes packets on, and everybody knows the way.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use super::{Host, Network, ip};

/// What a home's router does besides passing packets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Router {
    /// Nothing.
    Plain,
    /// Hides the home behind its own address.
    Nat,
}

const NAT: &str = r#"
table ip outlast {
    chain hide {
        type nat hook postrouting priority 100
        oifname "eth0" masquerade
    }
    chain guard {
        type filter hook forward priority 0; policy drop
        iifname "lan0" accept
        ct state established,related accept
    }
    chain own {
        type filter hook input priority 0; policy drop
        iifname "lan0" accept
        ct state established,related accept
    }
}
"#;

/// Public hosts, and homes. Make it before what runs on its hosts.
#[derive(Debug)]
pub struct Internet {
    public: Network,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    homes: u32,
    /// Subnets that are reached through a plain router, and that router.
    routes: Vec<(String, String)>,
    /// Namespaces on the public network.
    namespaces: Vec<String>,
}

/// A network behind a router.
#[derive(Debug)]
pub struct Home {
    lan: Network,
    /// The router's address on the public network.
    pub outside: String,
}

impl Internet {
    /// One without hosts.
    ///
    /// # Errors
    /// Why there can't be one here.
    pub fn new() -> Result<Self, String> {
        let nft = Command::new("nft").arg("--version").output();
        nft.map_err(|error| format!("`nft` (nftables): {error}"))?;
        Ok(Self { public: Network::with("10.78.0", None)?, state: Mutex::default() })
    }

    /// A host that everybody reaches.
    ///
    /// # Errors
    /// What the system refused.
    pub fn host(&self) -> Result<Host, String> {
        let host = self.public.host()?;
        let mut state = self.state.lock().expect("no test panics with it");
        for (subnet, router) in &state.routes {
            ip(&format!("-n {} route add {subnet} via {router}", host.namespace))?;
        }
        state.namespaces.push(host.namespace.clone());
        Ok(host)
    }

    /// A home without hosts.
    ///
    /// # Errors
    /// What the system refused.
    pub fn home(&self, kind: Router) -> Result<Home, String> {
        let router = self.host()?;
        let mut state = self.state.lock().expect("no test panics with it");
        state.homes += 1;
        let subnet = format!("10.78.{}", state.homes);
        let gateway = format!("{subnet}.254");
        let lan = Network::with(&subnet, Some(&gateway))?;
        let (switch, namespace) = (lan.switch(), &router.namespace);
        ip(&format!("-n {switch} link add router type veth peer name lan0 netns {namespace}"))?;
        ip(&format!("-n {switch} link set router master br0 up"))?;
        ip(&format!("-n {namespace} addr add {gateway}/24 dev lan0"))?;
        ip(&format!("-n {namespace} link set lan0 up"))?;
        inside(namespace, &["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], "")?;
        match kind {
            Router::Nat => {
                inside(namespace, &["nft", "-f", "-"], NAT)?;
            }
            Router::Plain => {
                let subnet = format!("{subnet}.0/24");
                for other in state.namespaces.iter().filter(|other| *other != namespace) {
                    ip(&format!("-n {other} route add {subnet} via {}", router.address))?;
                }
                state.routes.push((subnet, router.address.clone()));
            }
        }
        Ok(Home { lan, outside: router.address })
    }
}

impl Home {
    /// A host in it.
    ///
    /// # Errors
    /// What the system refused.
    pub fn host(&self) -> Result<Host, String> {
        self.lan.host()
    }
}

pub(super) fn inside(namespace: &str, words: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).args(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("`ip` (iproute2): {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("`{}`: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim_end()))
}
