//! What travels between nodes, and what a journal keeps.

use std::fmt::Debug;

use outlast_gridlet::{
    CellOutput, Collect, Content, ExitRule, Harvest, InputMode, Needs, OutFile, Program, Recipe,
    Step, is_inner_path,
};
use outlast_job::Record;
use outlast_job::wire::{Failure, ManifestRef, Message, Refusal, Staging, ToCoordinator, ToWorker};
use outlast_node::transport::fuzzing;
use outlast_overlay::{Card, Echo, Introduction, Message as Overlay};
use outlast_types::{Ad, Attempt, CellId, GridletId, Hash, JobId, NodeId, VoId, limits, wire};
use outlast_verify::Class;
use serde::{Serialize, de::DeserializeOwned};

/// What decodes is encoded to the same value.
pub(super) fn same_again<T>(bytes: &[u8], limit: usize) -> Option<T>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let value: T = wire::decode(bytes, limit).ok()?;
    // One encoding may be shorter than another (numbers with leading zeros), never longer.
    let again = wire::encode(&value, bytes.len()).expect("what was decoded fits where it was");
    let same: T = wire::decode(&again, limit).expect("what was encoded can be decoded");
    assert_eq!(value, same);
    Some(value)
}

pub(super) fn encoded<T: Serialize>(values: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    let encode = |value: T| wire::encode(&value, limits::FRAME_BYTES).expect("a small value");
    values.into_iter().map(encode).collect()
}

pub(super) fn job_message(bytes: &[u8]) {
    same_again::<Message>(bytes, limits::FRAME_BYTES);
}

pub(super) fn messages() -> Vec<Vec<u8>> {
    encoded(all_messages())
}

/// One of each kind.
pub(super) fn all_messages() -> Vec<Message> {
    let job = JobId::from_u64(7);
    let attempt = Attempt(3);
    let attempts = vec![Attempt(1), Attempt(300)];
    let cells = vec![CellId(0), CellId(5), CellId(70_000)];
    let manifest = ManifestRef { hash: Hash::of(b"list"), length: 120 };
    let lease = ToWorker::Lease {
        attempt,
        gridlet: GridletId(2),
        vo: Some(VoId::from_bytes([3; 32])),
        manifest,
        recipe: recipe(),
    };
    let to_worker = [
        lease,
        ToWorker::Ack { attempt, cells },
        ToWorker::Revoke { attempts: attempts.clone() },
        ToWorker::Heard,
        ToWorker::Ended,
    ];
    let refusals =
        [Refusal::Busy, Refusal::BadRecipe("no".to_owned()), Refusal::Quota("8".to_owned())];
    let program = Failure::Program { exit: -1, tail: "ouch\n".to_owned() };
    let failures = [program, Failure::DiskFull, Failure::MissingProgram("x".to_owned())];
    let to_coordinator = [
        ToCoordinator::Accepted { attempt },
        ToCoordinator::Cells { attempt, outputs: all_outputs() },
        ToCoordinator::Alive { attempts },
        ToCoordinator::Staging { attempt, staging: Staging { here: 1 << 20, of: 1 << 40 } },
    ]
    .into_iter()
    .chain(refusals.map(|refusal| ToCoordinator::Refused { attempt, refusal }))
    .chain(failures.map(|failure| ToCoordinator::Failed { attempt, failure }));
    let to_worker = to_worker.into_iter().map(|message| Message::ToWorker(job, message));
    let to_coordinator = to_coordinator.map(|message| Message::ToCoordinator(job, message));
    let overlay = all_overlay().into_iter().map(Message::Overlay);
    to_worker.chain(to_coordinator).chain(overlay).collect()
}

pub(super) fn all_overlay() -> Vec<Overlay> {
    let addresses = ["10.0.0.1:7771", "[fd00::1]:9"].map(|a| a.parse().expect("an address"));
    let ad = Ad { name: "a".to_owned(), slots: 4, free: 2, flops: 1 << 33, ..Ad::default() };
    let me = Introduction {
        addresses: addresses.to_vec(),
        relay: Some("https://relay.example".to_owned()),
        incarnation: 1,
        ad: ad.clone(),
    };
    let card = |n| Card {
        node: NodeId::from_bytes([n; 32]),
        addresses: addresses.to_vec(),
        relay: None,
        incarnation: u64::from(n),
    };
    let echo = Some(Echo { stamp: 5, held_us: 100 });
    vec![
        Overlay::Hello { me: me.clone(), cards: true },
        Overlay::Welcome { me, cards: vec![card(1), card(2)] },
        Overlay::Heartbeat {
            incarnation: 1,
            ad,
            digest: 77,
            stamp: 1000,
            echo,
            answer: true,
            next_ms: 500,
        },
        Overlay::Pull,
        Overlay::Cards { cards: vec![card(3)] },
        Overlay::Full,
        Overlay::Bye { incarnation: 1 },
    ]
}

fn recipe() -> Recipe {
    let file = |path: &str| Collect::File {
        path: path.to_owned(),
        name: "a/b".to_owned(),
        required: true,
    };
    let tile = Collect::Tile { path: "x.png".to_owned(), x: 0, y: 32, width: 64, height: 32 };
    let collect = vec![
        Collect::Stdout("stdout".to_owned()),
        Collect::Created { prefix: "files/".to_owned() },
        file("out"),
        tile,
    ];
    let harvest = vec![
        Harvest { cell: CellId(0), collect: collect.clone() },
        Harvest { cell: CellId(1), collect },
    ];
    let step = Step {
        program: Program::Installed("true".to_owned()),
        args: vec!["-x".to_owned(), "ü".to_owned()],
        env: vec![("A".to_owned(), "b".to_owned())],
        inputs: Needs::Only(vec!["in".to_owned()]),
        stdin: Some("in".to_owned()),
        exit: ExitRule::Zero,
        folders: vec!["a".to_owned()],
        harvest,
        watch: true,
    };
    Recipe { steps: vec![step.clone(), step], inputs: InputMode::Link, idles: true, file_limit: 99 }
}

fn all_outputs() -> Vec<CellOutput> {
    let inline = OutFile {
        name: "a".to_owned(),
        executable: false,
        content: Content::Inline(b"hello".to_vec()),
    };
    let blob = OutFile {
        name: "b/c".to_owned(),
        executable: true,
        content: Content::Blob { hash: Hash::of(b"x"), length: 1 << 20 },
    };
    vec![
        CellOutput { cell: CellId(0), exit: 0, files: vec![inline, blob] },
        CellOutput { cell: CellId(1), exit: -9, files: Vec::new() },
    ]
}

pub(super) fn job_record(bytes: &[u8]) {
    same_again::<Record>(bytes, limits::FRAME_BYTES);
}

pub(super) fn records() -> Vec<Vec<u8>> {
    let attempt = Attempt(1);
    let worker = NodeId::from_bytes([1; 32]);
    let cells = vec![CellId(1), CellId(2)];
    encoded([
        Record::Granted { attempt, gridlet: GridletId(4), worker, cells, rival: true },
        Record::Votes {
            attempt,
            votes: vec![(CellId(1), Class(0), false), (CellId(2), Class(1), true)],
        },
        Record::Released { attempt },
        Record::Sampled { cell: CellId(1), right: vec![Class(0)], wrong: vec![Class(1)] },
        Record::Struck(worker),
        Record::Complete,
    ])
}

pub(super) fn cell_output(bytes: &[u8]) {
    const LIMIT: u64 = 1 << 20;
    let Some(output) = same_again::<CellOutput>(bytes, limits::FRAME_BYTES) else { return };
    output.digest();
    if output.validate(LIMIT).is_err() {
        return;
    }
    assert!(output.files.len() <= limits::CELL_FILES);
    for file in &output.files {
        assert!(is_inner_path(&file.name) && !file.name.contains('\0'), "{:?}", file.name);
        assert!(!file.name.starts_with('/') && file.name.split('/').all(|part| part != ".."));
        assert!(file.content.length() <= LIMIT);
        assert_eq!(output.file(&file.name), Some(file), "a name that is there twice");
    }
}

pub(super) fn outputs() -> Vec<Vec<u8>> {
    encoded(all_outputs())
}

/// The first byte says into pieces of which size the stream is cut.
pub(super) fn stream(bytes: &[u8]) {
    let Some((&piece, stream)) = bytes.split_first() else { return };
    let piece = usize::from(piece).max(1);
    let whole = fuzzing::frames(stream, stream.len().max(1));
    let pieces = fuzzing::frames(stream, piece);
    assert_eq!(whole, pieces, "frames depend on how the stream is cut");
    let (frames, broken) = whole;
    let taken: usize = frames.iter().map(|frame| 4 + frame.len()).sum();
    assert!(taken <= stream.len());
    assert!(frames.iter().all(|frame| (1..=limits::FRAME_BYTES).contains(&frame.len())));
    if broken.is_none()
        && let Some(length) = stream[taken..].first_chunk()
    {
        let length = u32::from_le_bytes(*length) as usize;
        assert!(length > stream.len() - taken - 4, "a whole frame was left");
    }
}

pub(super) fn streams() -> Vec<Vec<u8>> {
    let mut stream = vec![3];
    for length in [1_u32, 5, 200] {
        stream.extend(length.to_le_bytes());
        stream.extend(vec![length as u8; length as usize]);
    }
    let mut large = vec![1];
    large.extend((limits::FRAME_BYTES as u32).to_le_bytes());
    vec![stream, large, vec![7, 0, 0, 0, 0]]
}

pub(super) fn greeting(bytes: &[u8]) {
    let Some(again) = fuzzing::greeting(bytes) else { return };
    assert!(again.len() <= bytes.len());
    assert_eq!(fuzzing::greeting(&again).as_ref(), Some(&again));
}

pub(super) fn greetings() -> Vec<Vec<u8>> {
    fuzzing::greetings()
}
