//! How a node is reached, besides its addresses.

use iroh::RelayUrl;
use outlast_types::limits;
use serde::Deserialize;

use super::{ConfigError, at_most};

/// Relays of one node; one is enough, a second one for the case that the first is down.
pub const RELAYS: usize = 8;

/// The section `[network]` of one layer of settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworkOptions {
    /// Addresses of relays, `http://` or `https://`. Without any, none is used.
    pub relays: Option<Vec<String>>,
    /// Whether nodes of the same organisation find each other on a LAN.
    pub lan: Option<bool>,
}

/// The section `[network]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// At most [`RELAYS`].
    pub relays: Vec<RelayUrl>,
    /// Whether nodes of the same organisation find each other on a LAN.
    pub lan: bool,
}

impl NetworkOptions {
    pub(super) fn over(self, below: Self) -> Self {
        Self { relays: self.relays.or(below.relays), lan: self.lan.or(below.lan) }
    }

    pub(super) fn resolve(self) -> Result<Network, ConfigError> {
        let relays = self.relays.unwrap_or_default();
        at_most("relays", RELAYS as u64, relays.len() as u64)?;
        let relays = relays.into_iter().map(relay).collect::<Result<_, _>>()?;
        Ok(Network { relays, lan: self.lan.unwrap_or(true) })
    }
}

fn relay(relay: String) -> Result<RelayUrl, ConfigError> {
    let url = relay.parse::<RelayUrl>().ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.as_str().len() <= limits::RELAY_BYTES
    });
    url.ok_or(ConfigError::Relay { relay })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(relays: &[&str]) -> Result<Network, ConfigError> {
        let relays = Some(relays.iter().map(|relay| (*relay).to_owned()).collect());
        NetworkOptions { relays, lan: None }.resolve()
    }

    #[test]
    fn without_a_word_there_is_no_relay_and_the_lan_is_on() {
        let network = NetworkOptions::default().resolve().unwrap();
        assert_eq!(network, Network { relays: Vec::new(), lan: true });
    }

    #[test]
    fn a_relay_is_an_address_on_the_web() {
        assert_eq!(
            resolve(&["http://10.0.0.1:3340", "https://r.example"]).unwrap().relays.len(),
            2
        );
        let long = format!("http://{}.example", "r".repeat(limits::RELAY_BYTES));
        for wrong in ["relay.example:3340", "10.0.0.1", "ftp://relay.example", "", &long] {
            let error = resolve(&[wrong]).unwrap_err().to_string();
            assert!(error.contains("expected an address such as http://"), "{error}");
        }
        let error = resolve(&["http://r.example"; 9]).unwrap_err().to_string();
        assert_eq!(error, "relays: expected at most 8, found 9");
    }
}
