//! The gate at each connection.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::*;

/// Wants a word to be shown; answers with another one. Notes who asked.
struct Words {
    shows: &'static str,
    wants: &'static str,
    answers: &'static str,
    expects: &'static str,
    asked: Mutex<Vec<NodeId>>,
    shut: AtomicBool,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            shows: "sesame",
            wants: "sesame",
            answers: "come in",
            expects: "come in",
            asked: Mutex::default(),
            shut: AtomicBool::new(false),
        }
    }
}

impl Gate for Words {
    fn hello(&self, _: NodeId) -> Vec<u8> {
        self.shows.as_bytes().to_vec()
    }

    fn admit(&self, peer: NodeId, hello: &[u8]) -> Result<Vec<u8>, String> {
        self.asked.lock().unwrap().push(peer);
        if hello == self.wants.as_bytes() && !self.shut.load(Ordering::SeqCst) {
            return Ok(self.answers.as_bytes().to_vec());
        }
        Err(format!("expected {}, found {}", self.wants, String::from_utf8_lossy(hello)))
    }

    fn confirm(&self, _: NodeId, answer: &[u8]) -> Result<(), String> {
        if answer == self.expects.as_bytes() {
            return Ok(());
        }
        Err(format!("unexpected answer {}", String::from_utf8_lossy(answer)))
    }
}

async fn words(words: Words) -> (Node, Arc<Words>) {
    let gate = Arc::new(words);
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    (node_with(listen, gate.clone()).await.unwrap(), gate)
}

impl Node {
    /// The next refusal, whatever else comes before it.
    async fn refusal(&mut self) -> (NodeId, bool, String) {
        loop {
            match self.event().await {
                TransportEvent::Refused { node, by_us, reason } => return (node, by_us, reason),
                TransportEvent::Frame { frame, .. } => panic!("a frame came through: {frame:?}"),
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_the_right_thing_comes_in_and_speaks_both_ways() {
    let (mut a, _) = words(Words::default()).await;
    let (mut b, gate) = words(Words::default()).await;
    a.transport.learn(b.transport.id(), &b.transport.addresses(), None);
    a.transport.send(b.transport.id(), Bytes::from_static(b"there"));
    assert_eq!(b.frame().await, "there");
    b.transport.send(a.transport.id(), Bytes::from_static(b"back"));
    assert_eq!(a.frame().await, "back");
    assert_eq!(*gate.asked.lock().unwrap(), [a.transport.id()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_turned_away_hears_why_and_does_not_knock_again_at_once() {
    let (mut a, _) = words(Words { shows: "barley", ..Words::default() }).await;
    let (mut b, gate) = words(Words::default()).await;
    let (id_a, id_b) = (a.transport.id(), b.transport.id());
    a.transport.learn(id_b, &b.transport.addresses(), None);
    a.transport.send(id_b, Bytes::from_static(b"never read"));
    let reason = "expected sesame, found barley";
    assert_eq!(a.refusal().await, (id_b, false, reason.to_owned()));
    assert_eq!(b.refusal().await, (id_a, true, reason.to_owned()));
    for _ in 0..20 {
        let error = a.transport.open(id_b).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(gate.asked.lock().unwrap().len(), 1);
    assert!(a.count(|c| &c.dials_spared) >= 20);
    // What it shows may have changed.
    a.transport.forget_refusals();
    a.transport.open(id_b).await.unwrap_err();
    assert_eq!(gate.asked.lock().unwrap().len(), 2);
    // The dialler may hear of it first.
    let counted = async {
        while b.count(|c| &c.turned_away) < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, counted).await.unwrap();
    assert_eq!(b.count(|c| &c.frames_received), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialler_that_dislikes_the_answer_leaves_and_both_hear_why() {
    let (mut a, _) = words(Words { expects: "welcome", ..Words::default() }).await;
    let (mut b, _) = words(Words::default()).await;
    let (id_a, id_b) = (a.transport.id(), b.transport.id());
    a.transport.learn(id_b, &b.transport.addresses(), None);
    a.transport.send(id_b, Bytes::from_static(b"never read"));
    let reason = "unexpected answer come in".to_owned();
    assert_eq!(a.refusal().await, (id_b, true, reason.clone()));
    assert_eq!(b.refusal().await, (id_a, false, reason));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disconnected_hears_why_and_asks_again_before_it_is_heard() {
    let (mut a, _) = words(Words::default()).await;
    let (mut b, gate) = words(Words::default()).await;
    let (id_a, id_b) = (a.transport.id(), b.transport.id());
    a.transport.learn(id_b, &b.transport.addresses(), None);
    a.transport.send(id_b, Bytes::from_static(b"there"));
    assert_eq!(b.frame().await, "there");
    gate.shut.store(true, Ordering::SeqCst);
    b.transport.disconnect(id_a, "expelled");
    assert_eq!(a.refusal().await, (id_b, false, "expelled".to_owned()));
    b.until_down(id_a).await;
    a.transport.forget_refusals();
    a.transport.send(id_b, Bytes::from_static(b"never read"));
    assert_eq!(b.refusal().await.0, id_a);
    assert_eq!(gate.asked.lock().unwrap().len(), 2);
    assert_eq!(b.count(|c| &c.frames_received), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_greeting_nothing_is_read_and_a_greeting_is_bounded() {
    let (b, gate) = words(Words::default()).await;
    // The length of a greeting that would fill the memory; and one that is no greeting.
    for (bytes, expected) in [
        (vec![0xff; 4], "a greeting of 4294967295 bytes, expected 1 to 65600"),
        (vec![2, 0, 0, 0, 1, 9], "malformed"),
        (vec![3, 0, 0, 0, 1, 2, 0], "expected a hello"),
    ] {
        let (_endpoint, connection) = stranger(&b).await;
        let mut frames = connection.open_uni().await.unwrap();
        frames.write_all(&[3, 0, 0, 0, b'f', b'o', b'o']).await.unwrap();
        let (mut send, _recv) = connection.open_bi().await.unwrap();
        send.write_all(&bytes).await.unwrap();
        let reason = timeout(DEADLINE, connection.closed()).await.unwrap().to_string();
        assert!(reason.contains(expected), "{reason}");
    }
    // Who says nothing is not waited for.
    let (_endpoint, connection) = stranger(&b).await;
    let reason = timeout(DEADLINE, connection.closed()).await.unwrap().to_string();
    assert!(reason.contains("it didn't say who it is in time"), "{reason}");
    assert_eq!(gate.asked.lock().unwrap().len(), 0);
    assert_eq!(b.count(|c| &c.frames_received), 0);
    assert_eq!(b.count(|c| &c.violations), 3);
}
