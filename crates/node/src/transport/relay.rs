//! Relays: servers of the user's choice that pass packets on between nodes that don't reach each other directly.
//!
//! They see who speaks with whom and how much, and nothing of what is said. Without relays in the
//! configuration nothing of this is switched on.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use iroh::dns::DnsResolver;
use iroh::{RelayConfig, RelayMap, RelayUrl, Watcher};
use tokio::time::{Instant, sleep_until};

use super::connection::ended;
use super::iroh_transport::{Inner, lock};
use super::reach::RelayState;

/// How long none of the relays may be connected before that is said, and before they are looked for again.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What iroh is to know of the relays. Address discovery over QUIC needs the relay's certificate, so only `https`
/// has it.
pub(super) fn map(relays: &[RelayUrl]) -> RelayMap {
    let config = |url: &RelayUrl| {
        let mut config = RelayConfig::from(url.clone());
        config.quic = config.quic.filter(|_| url.scheme() == "https");
        config
    };
    relays.iter().map(config).collect()
}

/// Asks the name servers that this machine is configured with, and no others.
pub(super) fn resolver() -> DnsResolver {
    DnsResolver::builder().with_system_defaults().disable_fallback().build()
}

/// The state of relays of which nothing is known yet.
pub(super) fn unknown(relays: &[RelayUrl]) -> Vec<RelayState> {
    let state = |url: &RelayUrl| RelayState { url: text(url), connected: false, trouble: None };
    relays.iter().map(state).collect()
}

/// As people write it.
fn text(url: &RelayUrl) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// Follows which relay this node is connected with, says so, and has lost ones tried again.
pub(super) async fn watch(inner: Arc<Inner>) {
    let mut phase = inner.phase.subscribe();
    let mut statuses = inner.endpoint.home_relay_status().stream();
    let mut look_at = Instant::now() + LOOK_EVERY;
    let mut said_missing = false;
    loop {
        tokio::select! {
            status = statuses.next() => {
                let Some(status) = status else { return };
                let known: Vec<(String, bool, Option<String>)> = status
                    .iter()
                    .map(|relay| {
                        let denied = relay.auth_denied_reason().map(|why| format!("denied: {why}"));
                        let error = relay.last_error().map(|error| cause(&format!("{error:#}")));
                        (text(relay.url()), relay.is_connected(), denied.or(error))
                    })
                    .collect();
                let gained = note(&mut lock(&inner.relays), &known);
                if let Some(url) = gained {
                    said_missing = false;
                    tracing::info!("relay {url}: connected");
                }
                inner.moved.notify_one();
            }
            () = sleep_until(look_at) => {
                look_at = Instant::now() + LOOK_EVERY;
                let (missing, chosen) = {
                    let relays = lock(&inner.relays);
                    (missing(&relays), relays.iter().any(|relay| relay.trouble.is_some()))
                };
                if let Some(missing) = missing {
                    if !std::mem::replace(&mut said_missing, true) {
                        tracing::warn!("{missing}");
                    }
                    // One that was chosen is dialled again by iroh itself.
                    if !chosen {
                        inner.endpoint.network_change().await;
                    }
                }
            }
            () = ended(&mut phase) => return,
        }
    }
}

/// The last of a chain of causes: what the system or the relay itself said.
fn cause(error: &str) -> String {
    error.rsplit(": ").next().unwrap_or(error).to_owned()
}

/// Takes over what iroh says of its home relays; the one that is connected now and wasn't before.
fn note(relays: &mut [RelayState], known: &[(String, bool, Option<String>)]) -> Option<String> {
    let mut gained = None;
    for relay in relays {
        let now = known.iter().find(|(url, ..)| *url == relay.url);
        let connected = now.is_some_and(|(_, connected, _)| *connected);
        if connected && !relay.connected {
            gained = Some(relay.url.clone());
        }
        relay.connected = connected;
        relay.trouble = now.and_then(|(_, _, error)| error.clone());
    }
    gained
}

/// What to say while no relay is connected.
fn missing(relays: &[RelayState]) -> Option<String> {
    if relays.iter().any(|relay| relay.connected) {
        return None;
    }
    let each = relays.iter().map(|relay| {
        let trouble = relay.trouble.as_deref().unwrap_or("no answer");
        format!("{} ({trouble})", relay.url)
    });
    let each = each.collect::<Vec<_>>().join(", ");
    Some(format!(
        "no relay is reached: {each}; nodes that are reached directly still are, and it is tried again"
    ))
}

/// Where others are told to look: the relay in use, or the first one until there is one.
pub(super) fn home(relays: &[RelayState]) -> Option<String> {
    let connected = relays.iter().find(|relay| relay.connected);
    connected.or(relays.first()).map(|relay| relay.url.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relays() -> Vec<RelayState> {
        let urls = ["http://10.0.0.1:3340", "https://relay.example"];
        unknown(&urls.map(|url| url.parse().unwrap()))
    }

    #[test]
    fn plain_relays_are_not_asked_over_quic() {
        let urls =
            ["http://10.0.0.1:3340", "https://relay.example"].map(|url| url.parse().unwrap());
        let map = map(&urls);
        assert!(map.get(&urls[0]).unwrap().quic.is_none());
        assert!(map.get(&urls[1]).unwrap().quic.is_some());
    }

    #[test]
    fn of_a_chain_of_causes_the_last_is_told() {
        let chain = "Failed to connect to relay server: unable to connect: Connection refused (os error 111)";
        assert_eq!(cause(chain), "Connection refused (os error 111)");
        assert_eq!(cause("timeout"), "timeout");
    }

    #[test]
    fn a_relay_is_told_of_when_it_comes_and_missed_when_none_is_there() {
        let mut relays = relays();
        let text = missing(&relays).unwrap();
        assert!(text.contains("http://10.0.0.1:3340 (no answer)"), "{text}");
        assert_eq!(home(&relays).as_deref(), Some("http://10.0.0.1:3340"));
        let up = [("https://relay.example".to_owned(), true, None)];
        assert_eq!(note(&mut relays, &up).as_deref(), Some("https://relay.example"));
        assert_eq!(note(&mut relays, &up), None);
        assert_eq!(
            (missing(&relays), home(&relays).as_deref()),
            (None, Some("https://relay.example"))
        );
        let down = [("https://relay.example".to_owned(), false, Some("refused".to_owned()))];
        assert_eq!(note(&mut relays, &down), None);
        assert!(missing(&relays).unwrap().contains("https://relay.example (refused)"));
    }
}
