//! A submitter that is a member and sends lists of inputs that nobody can have made in good faith.
//!
//! It has our transport, our store and our messages, and none of what makes sure that they make sense: no job, no
//! coordinator, no tree.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use outlast_gridlet::{Collect, ExitRule, Harvest, InputMode, Needs, Program, Recipe, Step};
use outlast_job::wire::{Failure, ManifestRef, Message, ToCoordinator, ToWorker};
use outlast_node::store::{Holder, Store};
use outlast_node::transfer::{Moved, Server};
use outlast_node::transport::{
    Gate, IrohTransport, NodeKey, Transport as _, TransportEvent, TransportOptions,
};
use outlast_stage::tree::{ENTRIES, Entry, Kind, TREE_BYTES};
use outlast_tests::{Node, SOON, World};
use outlast_types::{Attempt, CellId, GridletId, Hash, JobId, NodeId, limits, wire};
use outlast_vo::{Keyring, Secret, Ticket};
use tokio::sync::mpsc;

use crate::stranger::wall;

/// More than it needs.
const EVENTS: usize = 64;

/// Frames are lost now and then, and whoever wants an answer asks again.
const AGAIN: Duration = Duration::from_millis(500);

/// Shows what a member shows.
struct Member(Mutex<Keyring>);

impl Member {
    fn keys(&self) -> std::sync::MutexGuard<'_, Keyring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for Member {
    fn hello(&self, peer: NodeId) -> Vec<u8> {
        self.keys().hello(wall(), peer)
    }

    fn admit(&self, peer: NodeId, hello: &[u8]) -> Result<Vec<u8>, String> {
        let admission = self.keys().admit(wall(), peer, hello);
        admission.map(|admission| admission.answer).map_err(|error| error.to_string())
    }

    fn confirm(&self, peer: NodeId, answer: &[u8]) -> Result<(), String> {
        self.keys().confirm(wall(), peer, answer).map(drop).map_err(|error| error.to_string())
    }
}

/// The submitter.
struct Rogue {
    transport: IrohTransport,
    events: mpsc::Receiver<TransportEvent>,
    store: Arc<Store>,
    worker: NodeId,
    jobs: u64,
}

impl Rogue {
    /// A member by this ticket, which names the worker.
    async fn join(folder: &Path, ticket: &str) -> Self {
        let seed = [0x5a; 32];
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("key"), seed).unwrap();
        let ticket: Ticket = ticket.parse().unwrap();
        let to = ticket.nodes[0].clone();
        let mut keys = Keyring::new(Secret::from_seed(&seed));
        keys.join(wall(), ticket).unwrap();
        let store = Store::open(folder).unwrap();
        let (send, events) = mpsc::channel(EVENTS);
        let options = TransportOptions {
            key: NodeKey::load_or_create(folder).unwrap(),
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            relays: Vec::new(),
            lan: false,
            gate: Arc::new(Member(Mutex::new(keys))),
            streams: Arc::new(Server::new(Arc::clone(&store), Arc::new(Moved::default()))),
            events: send,
        };
        let transport = IrohTransport::bind(options).await.unwrap();
        transport.learn(to.node, &to.addresses, None);
        Self { transport, events, store, worker: to.node, jobs: 0 }
    }

    /// What the worker says in the end to a lease with this list of inputs.
    async fn lease(&mut self, manifest: ManifestRef) -> ToCoordinator {
        self.jobs += 1;
        let job = JobId::from_u64(self.jobs);
        let lease = ToWorker::Lease {
            attempt: Attempt(1),
            gridlet: GridletId(0),
            vo: None,
            manifest,
            recipe: list_all(),
        };
        let lease = wire::encode(&Message::ToWorker(job, lease), limits::FRAME_BYTES).unwrap();
        let lease = Bytes::from(lease);
        let deadline = tokio::time::Instant::now() + SOON;
        self.transport.send(self.worker, lease.clone());
        loop {
            assert!(tokio::time::Instant::now() < deadline, "no answer to job {job}");
            let Ok(event) = tokio::time::timeout(AGAIN, self.events.recv()).await else {
                self.transport.send(self.worker, lease.clone());
                continue;
            };
            let Some(TransportEvent::Frame { frame, .. }) = event else { continue };
            match wire::decode(&frame, limits::FRAME_BYTES) {
                Ok(Message::ToCoordinator(of, ToCoordinator::Accepted { .. })) if of == job => {}
                Ok(Message::ToCoordinator(of, ToCoordinator::Alive { .. })) if of == job => {}
                Ok(Message::ToCoordinator(of, said)) if of == job => return said,
                _ => {}
            }
        }
    }

    /// The same for a list of these, whatever they are.
    async fn tree(&mut self, entries: &[Entry]) -> ToCoordinator {
        let frame = wire::encode(&entries, TREE_BYTES).unwrap();
        let manifest = ManifestRef { hash: Hash::of(&frame), length: frame.len() as u64 };
        self.keep(&frame);
        self.lease(manifest).await
    }

    /// Has these bytes for whoever asks. The store takes a file, as its chunks are wanted, too.
    fn keep(&self, bytes: &[u8]) -> Hash {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        let holder = Holder::Submitted(JobId::from_u64(1));
        let (hash, _) = self.store.put_file(&file, false, holder).unwrap();
        hash
    }
}

/// Says what came, in one cell.
fn list_all() -> Recipe {
    let collect = vec![Collect::Stdout("stdout".to_owned())];
    let step = Step {
        program: Program::Installed("ls".to_owned()),
        args: vec!["-R".to_owned()],
        env: Vec::new(),
        inputs: Needs::All,
        stdin: None,
        exit: ExitRule::Zero,
        folders: Vec::new(),
        harvest: vec![Harvest { cell: CellId(0), collect }],
        watch: false,
    };
    let (inputs, idles, file_limit) = (InputMode::Copy, false, 1 << 20);
    Recipe { steps: vec![step], inputs, idles, file_limit }
}

fn file(path: &str, hash: Hash, length: u64) -> Entry {
    Entry { path: path.to_owned(), kind: Kind::File { hash, length, executable: true } }
}

fn link(path: &str, target: &str) -> Entry {
    Entry { path: path.to_owned(), kind: Kind::Symlink { target: target.to_owned() } }
}

fn folder(path: &str) -> Entry {
    Entry { path: path.to_owned(), kind: Kind::Folder }
}

/// All files below a folder, with their bytes.
fn snapshot(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(snapshot(&entry.path()));
        } else {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap_or_default());
        }
    }
    found
}

#[test]
fn a_hostile_tree_is_refused_by_name_and_nothing_of_it_is_laid_out() {
    let world = World::new();
    // What every one of them is after.
    let outside = world.path("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), "mine\n").unwrap();
    let before = snapshot(&outside);
    let node = Node::new(&world, "b", 1).up();
    let ticket = node.invite(&["--role", "all"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut rogue = Rogue::join(&world.path("rogue"), &ticket).await;
        let evil = rogue.keep(b"#!/bin/sh\necho evil\n");
        let bytes = 20;

        // A list as it should be is worked on: what follows isn't refused for another reason.
        let said = rogue.tree(&[folder("in"), file("in/tool", evil, bytes), link("x", "in")]).await;
        let ToCoordinator::Cells { outputs, .. } = said else { panic!("{said:?}") };
        let text = format!("{:?}", outputs[0].files);
        assert!(outputs[0].exit == 0 && text.contains("stdout"), "{text}");

        let absolute = outside.join("planted").display().to_string();
        let above = format!("{}outside/planted", "../".repeat(8));
        let precious = outside.join("precious").display().to_string();
        let there = outside.display().to_string();
        let huge = 1u64 << 50;
        let many: Vec<Entry> = (0..=ENTRIES).map(|n| folder(&format!("{n:06}"))).collect();
        let hostile: [(&str, Vec<Entry>, &str); 12] = [
            ("above", vec![file(&above, evil, bytes)], "goes by `.` or `..`"),
            ("inside out", vec![file("in/../../x", evil, bytes)], "goes by `.` or `..`"),
            ("absolute", vec![file(&absolute, evil, bytes)], "is absolute"),
            ("zero byte", vec![file("a\0b", evil, bytes)], "has a zero byte"),
            ("link out", vec![link("out", "../../..")], "leads out of the job's folder"),
            ("absolute link", vec![link("out", &precious)], "is absolute"),
            (
                "two links out",
                vec![folder("a"), link("a/b", ".."), link("c", "a/b/..")],
                "leads out of the job's folder",
            ),
            (
                "through a link",
                vec![link("out", &there), file("out/planted", evil, bytes)],
                "which is no folder",
            ),
            ("twice", vec![file("a", evil, bytes), link("a", "b")], "is listed twice"),
            ("huge file", vec![file("a", evil, huge)], "expected at most"),
            (
                "two lengths",
                vec![file("a", evil, bytes), file("b", evil, 5)],
                "another file with the same hash",
            ),
            ("crowd", many, "files and folders, expected at most"),
        ];
        for (what, entries, why) in hostile {
            let said = rogue.tree(&entries).await;
            let ToCoordinator::Failed { failure: Failure::Staging(text), .. } = &said else {
                panic!("{what}: {said:?}");
            };
            assert!(text.contains(why), "{what}: {text}");
        }

        // A list that is too long to be fetched, of many files that are too much together, and none at all.
        let length = u64::MAX;
        let far = rogue.lease(ManifestRef { hash: Hash::of(b"far"), length }).await;
        assert!(format!("{far:?}").contains("expected at most"), "{far:?}");
        let gibibyte = |n: u64| file(&format!("{n:04}"), Hash::of(&n.to_le_bytes()), 1 << 30);
        let much = rogue.tree(&(0..4096).map(gibibyte).collect::<Vec<_>>()).await;
        assert!(matches!(much, ToCoordinator::Failed { .. }), "{much:?}");
        let nonsense = rogue.keep(&[0xff; 100]);
        let nonsense = rogue.lease(ManifestRef { hash: nonsense, length: 100 }).await;
        assert!(format!("{nonsense:?}").contains("the list of inputs"), "{nonsense:?}");

        // The worker is as it was, for this submitter, too.
        let said = rogue.tree(&[file("tool", evil, bytes)]).await;
        assert!(matches!(said, ToCoordinator::Cells { .. }), "{said:?}");
    });
    assert_eq!(snapshot(&outside), before);
    // Nothing of that name came to be anywhere else either.
    let planted = snapshot(&world.path(".")).into_keys().find(|path| path.ends_with("planted"));
    assert_eq!(planted, None);
}
