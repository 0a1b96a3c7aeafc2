//! A relay of our own: the `iroh-relay` program that the guide tells people to run, without TLS.

use std::path::PathBuf;
use std::process::Command;

use crate::World;
use crate::network::Host;
use crate::process::Process;

/// As in the guide.
const PORT: u16 = 3340;

/// A relay on a host. It is killed when dropped.
#[derive(Debug)]
pub struct Relay<'w> {
    world: &'w World,
    host: Host,
    process: Option<Process>,
}

impl<'w> Relay<'w> {
    /// Starts one. It answers a moment later.
    ///
    /// # Errors
    /// If the program isn't installed.
    pub fn start(world: &'w World, host: &Host) -> Result<Self, String> {
        let version = Command::new("iroh-relay").arg("--version").output();
        version.map_err(|error| format!("`iroh-relay` (scripts/setup.sh): {error}"))?;
        let mut relay = Self { world, host: host.clone(), process: None };
        relay.restart();
        Ok(relay)
    }

    /// Starts it again.
    ///
    /// # Panics
    /// If the test's folder can't be written.
    pub fn restart(&mut self) {
        let config = self.world.path("relay.toml");
        let text = format!("http_bind_addr = \"{}:{PORT}\"\n", self.host.address);
        std::fs::write(&config, text).expect("the test's folder can be written");
        let mut command = self.world.command(&PathBuf::from("iroh-relay"), Some(&self.host));
        command.arg("--dev").arg("--config-path").arg(config);
        self.process = Some(Process::start(command, &self.world.log("relay"), None));
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Where nodes find it.
    pub fn url(&self) -> String {
        format!("http://{}:{PORT}", self.host.address)
    }
}
