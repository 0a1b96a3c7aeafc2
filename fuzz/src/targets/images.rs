//! Checkpoint images: whole files, files whose sums are right whatever is in them, and what they say.
//!
//! Restoring takes rights that most programs don't have, so an image is judged before anything is done with it. What passes
//! is used here as the engine uses it, but for the calls: its numbers are added up and looked up.

mod changes;
mod samples;

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use outlast_capsule::fuzzing as engine;
use outlast_image::fuzzing::{self, Parts};
use outlast_image::{
    BLOCK_PAGES, Backing, Body, Machine, Memory, Object, Open, PAGE, Pipe, Place, Process, Reader,
    Run, Snapshot, State, Table, UnixLink, UnixSocket,
};

use crate::bytes::{Bytes, part};

pub(super) use changes::{change, changes};
pub(super) use samples::files;

/// An image's bytes: as they are, and with sums that are right again.
pub(super) fn file(bytes: &[u8]) {
    open(bytes);
    if let Some(right) = fuzzing::resummed(bytes) {
        open(&right);
    }
}

/// The sections of an image, then its pages: the sums are always right.
pub(super) fn sections(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let sections = [(); 4].map(|()| bytes.part().to_vec());
    let file = fuzzing::joined(&Parts { sections, data: bytes.rest().to_vec() });
    open(&file);
}

pub(super) fn taken_apart() -> Vec<Vec<u8>> {
    let apart = |file: &Vec<u8>| {
        let parts = fuzzing::parts(file).expect("a good image");
        let sections = parts.sections.iter().flat_map(|section| part(section));
        sections.chain(parts.data).collect()
    };
    files().iter().map(apart).collect()
}

/// The number of stored pages, then what an image says.
pub(super) fn snapshot(bytes: &[u8]) {
    let Some((pages, bytes)) = bytes.split_first() else { return };
    let Ok(snapshot) = postcard::from_bytes::<Snapshot>(bytes) else { return };
    judged(&snapshot, usize::from(*pages));
}

pub(super) fn snapshots() -> Vec<Vec<u8>> {
    let encode = |snapshot: &Snapshot| {
        let said = postcard::to_stdvec(snapshot).expect("plain data");
        [&[samples::PAGES as u8][..], &said].concat()
    };
    samples::snapshots().iter().map(encode).collect()
}

thread_local! {
    static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
    static PAGES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn scratch(name: &str) -> PathBuf {
    FOLDER.with(|folder| folder.path().join(name))
}

fn open(file: &[u8]) {
    let path = scratch("image");
    fs::write(&path, file).expect("the temporary folder has room");
    match Reader::open(&path) {
        Ok(reader) => used(&reader),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn used(reader: &Reader) {
    let blocks = reader.blocks();
    let pages = blocks.last().map_or(0, |last| last.first + last.pages);
    judged(reader.snapshot(), pages as usize);
    machine(reader.machine());
    let whole = reader.verify().is_ok();
    PAGES.with_borrow_mut(|buffer| {
        let mut read = |first, count| {
            let read = reader.read(first, count, buffer);
            assert!(read.is_err() || buffer.len() == count as usize * PAGE);
            read.is_ok()
        };
        for block in blocks {
            let both = block.pages.min(BLOCK_PAGES as u32);
            assert!(read(block.first, both) || !whole, "it was verified");
            assert!(read(block.first + block.pages - 1, 1) || !whole, "it was verified");
        }
        assert!(!read(pages, 1) && !read(u32::MAX, BLOCK_PAGES as u32), "there are no such pages");
        for run in runs(reader.snapshot()) {
            if let Some(first) = run.first {
                read(first, run.pages.min(BLOCK_PAGES as u32));
            }
        }
    });
}

fn runs(snapshot: &Snapshot) -> impl Iterator<Item = &Run> {
    let bodies = snapshot.processes.iter().filter_map(|process| process.body.as_ref());
    let objects = snapshot.objects.iter().flat_map(|object| &object.runs);
    bodies.flat_map(|body| &body.memory.runs).chain(objects)
}

fn machine(machine: &Machine) {
    vdso(&machine.vdso);
}

/// An image's vdso, whose functions lead to those of this kernel's.
pub(super) fn vdso(bytes: &[u8]) {
    thread_local! {
        static OWN: Vec<u8> = engine::own_vdso().unwrap_or_default();
    }
    let functions = engine::functions(bytes);
    assert!(functions.iter().all(|(name, _)| name.starts_with("__vdso") && name.len() < 200));
    OWN.with(|own| {
        assert_eq!(engine::redirected(bytes, own, 1 << 46).len(), bytes.len());
        assert_eq!(engine::redirected(own, &[], 0).len(), own.len());
    });
}

pub(super) fn vdsos() -> Vec<Vec<u8>> {
    let own = engine::own_vdso().unwrap_or_default();
    // Its head and its tables, where most of what can be wrong is: the code is between them.
    let head = own[..own.len().min(2048)].to_vec();
    vec![own, head, b"\x7fELF".to_vec()]
}

/// What passes its judge is safe, and can be said again.
fn judged(snapshot: &Snapshot, pages: usize) {
    if let Err(fault) = snapshot.validate(pages) {
        return assert!(!fault.to_string().is_empty());
    }
    safe(snapshot, pages);
    let said = postcard::to_stdvec(snapshot).expect("plain data");
    assert_eq!(postcard::from_bytes::<Snapshot>(&said).as_ref(), Ok(snapshot));
}

/// What the engine relies upon, found out in another way than by the judge.
fn safe(snapshot: &Snapshot, pages: usize) {
    let root = &snapshot.processes[0];
    assert!(root.parent.is_none() && root.body.is_some());
    let mut depths = Vec::new();
    for (nth, process) in snapshot.processes.iter().enumerate() {
        assert!(process.threads[0].tid == process.pid && process.pid > 0);
        let mut depth = 0;
        if let Some(parent) = process.parent {
            assert!((parent as usize) < nth, "parents come first");
            let of = &snapshot.processes[parent as usize];
            assert!(of.body.is_some(), "the dead make no children");
            assert!((process.parent_thread as usize) < of.threads.len());
            depth = depths[parent as usize] + 1;
        }
        // The engine's stack grows with it.
        assert!(depth <= 1000);
        depths.push(depth);
        match (&process.body, process.state) {
            (Some(body), _) => living(snapshot, process, body, nth, pages),
            (None, State::Zombie(status)) => {
                assert!(status & 0xffff == status && process.threads.len() == 1);
            }
            (None, _) => panic!("the living have a body"),
        }
    }
    for object in &snapshot.objects {
        content(object, pages);
    }
    for pipe in &snapshot.pipes {
        fits(pipe);
    }
    for socket in &snapshot.unix {
        connected(snapshot, socket);
    }
    for description in &snapshot.descriptions {
        match &description.what {
            Open::Object(index) => there(&snapshot.objects, *index),
            Open::Pipe(index) => there(&snapshot.pipes, *index),
            Open::Unix(index) => there(&snapshot.unix, *index),
            Open::Stream { which, .. } => assert!((0..3).contains(which)),
            Open::Epoll(watches) => {
                for watch in watches {
                    there(&snapshot.descriptions, watch.description);
                }
            }
            Open::Timer { left, .. } => {
                assert!(snapshot.clocks.real.checked_add(*left).is_some())
            }
            Open::Master(index) | Open::Slave(index) => there(&snapshot.terminals, *index),
            Open::File(_)
            | Open::Event { .. }
            | Open::Signals(_)
            | Open::Inotify(_)
            | Open::HungUp => {}
        }
    }
}

fn living(snapshot: &Snapshot, process: &Process, body: &Body, nth: usize, pages: usize) {
    for thread in &process.threads {
        assert!(thread.registers.len() == 27 && thread.name.len() < 16);
        assert!(thread.xstate.len() <= thread.xstate_len as usize && thread.xstate_len <= 1 << 16);
        assert!(thread.pending.iter().all(|info| info.0.len() == 128));
        assert!(thread.below_stack.as_ref().is_none_or(|(_, bytes)| bytes.len() <= PAGE));
    }
    assert!(body.pending.iter().all(|info| info.0.len() == 128));
    assert!(body.actions.iter().all(|action| (1..=64).contains(&action.signal)));
    memory(snapshot, &body.memory, pages);
    let parent =
        process.parent.and_then(|parent| snapshot.processes[parent as usize].body.as_ref());
    if let Some(parent) = parent {
        filled(&parent.memory, &body.memory, pages);
    }
    let before = |index: u32| {
        assert!((index as usize) < nth && snapshot.processes[index as usize].body.is_some());
    };
    match &body.table {
        Table::Own(table) => {
            assert!(table.windows(2).all(|pair| pair[0].number < pair[1].number));
            for one in table {
                assert!(one.number >= 0);
                there(&snapshot.descriptions, one.description);
            }
        }
        Table::Shared(index) => before(*index),
    }
    match &body.place {
        // With its zero it is put into memory for a path.
        Place::Own { directory, root, .. } => {
            let paths = root.iter().chain([directory]);
            for path in paths {
                assert!(path.starts_with(b"/") && path.len() < 4096 && !path.contains(&0));
            }
        }
        Place::Shared(index) => before(*index),
    }
}

fn memory(snapshot: &Snapshot, memory: &Memory, pages: usize) {
    let mut last = 0;
    for mapping in &memory.mappings {
        assert!(last <= mapping.start && mapping.start < mapping.end && mapping.end < 1 << 47);
        last = mapping.end;
        let length = mapping.end - mapping.start;
        match mapping.backing {
            Backing::File { file, offset, .. } => {
                there(&snapshot.files, file);
                assert!(offset.checked_add(length).is_some());
            }
            Backing::Object { object, offset } => {
                there(&snapshot.objects, object);
                assert!(offset.checked_add(length).is_some());
            }
            Backing::Anonymous | Backing::Vvar | Backing::VvarClock | Backing::Vdso => {}
        }
        // It is put where arguments are.
        assert!(mapping.name.as_ref().is_none_or(|name| name.len() <= 4096));
    }
    there(&snapshot.files, memory.executable);
    assert!(memory.auxv.len() <= 128 && memory.guards.iter().all(|(from, to)| from < to));
    let private = memory.mappings.iter().filter(|mapping| !mapping.shared);
    let room: u64 = private.map(|mapping| mapping.end - mapping.start).sum();
    let filled: u64 = memory.runs.iter().map(|run| after(run, pages) - run.start).sum();
    assert!(filled <= room, "pages are in private mappings");
    // Each page of the runs is in a mapping: all of them are filled.
    let none = Memory { runs: Vec::new(), ..memory.clone() };
    let written: u64 = pages_of(engine::fills(&none, memory).iter().flat_map(|(write, _)| write));
    assert_eq!(written, pages_of(&memory.runs));
}

/// What restoring relies upon: who is connected and who waits is there, once.
fn connected(snapshot: &Snapshot, socket: &UnixSocket) {
    assert!(socket.name.len() <= 108 && socket.shut < 4);
    let bytes: usize = socket.queue.iter().map(|message| message.bytes.len()).sum();
    assert!(bytes <= 1 << 30);
    for message in &socket.queue {
        assert!(message.passed.len() <= 253 && message.from.len() <= 108);
        message.passed.iter().for_each(|index| there(&snapshot.descriptions, *index));
    }
    match &socket.link {
        UnixLink::None | UnixLink::Waiting => {}
        UnixLink::Listening { backlog, waiting } => {
            // Whoever connects beyond that would wait for ever.
            assert!(waiting.len() as u64 <= u64::from(*backlog) + 1);
            for (nth, index) in waiting.iter().enumerate() {
                there(&snapshot.unix, *index);
                assert!(snapshot.unix[*index as usize].link == UnixLink::Waiting);
                assert!(!waiting[..nth].contains(index));
            }
        }
        UnixLink::Connected(other) => there(&snapshot.unix, *other),
        UnixLink::Gone { name, .. } => assert!(name.len() <= 108),
    }
}

fn there<T>(list: &[T], index: u32) {
    assert!((index as usize) < list.len());
}

fn pages_of<'a>(runs: impl IntoIterator<Item = &'a Run>) -> u64 {
    runs.into_iter().map(|run| u64::from(run.pages)).sum()
}

/// Where a run ends; its pages are stored ones.
fn after(run: &Run, pages: usize) -> u64 {
    assert!(run.pages > 0 && run.start.is_multiple_of(PAGE as u64));
    if let Some(first) = run.first {
        assert!(first.checked_add(run.pages).is_some_and(|end| end as usize <= pages));
    }
    run.start.checked_add(u64::from(run.pages) * PAGE as u64).expect("an address")
}

/// What a child with a copy of its parent's memory writes and drops: parts of its mappings, of stored pages.
fn filled(parent: &Memory, own: &Memory, pages: usize) {
    let private = own.mappings.iter().filter(|mapping| !mapping.shared);
    let fills = engine::fills(parent, own);
    for (mapping, (write, drops)) in private.zip(&fills) {
        for run in write {
            assert!(mapping.start <= run.start && after(run, pages) <= mapping.end);
        }
        for (from, to) in drops {
            assert!(mapping.start <= *from && from < to && *to <= mapping.end);
        }
    }
    let written = pages_of(fills.iter().flat_map(|(write, _)| write));
    assert!(written <= pages_of(&own.runs));
}

fn content(object: &Object, pages: usize) {
    let mut last = 0;
    for run in &object.runs {
        assert!(last <= run.start);
        last = after(run, pages);
        // Its last page begins inside of it.
        assert!(object.len > last - PAGE as u64);
    }
}

/// Nothing waits for a reader.
fn fits(pipe: &Pipe) {
    let bytes: usize = pipe.content.iter().map(|packet| packet.0.len()).sum();
    assert!(bytes as u64 <= pipe.capacity && pipe.capacity <= 1 << 31);
    let slots: usize = pipe.content.iter().map(|packet| packet.0.len().div_ceil(PAGE)).sum();
    assert!(pipe.content.len() <= 1 || pipe.packets && slots as u64 <= pipe.capacity / PAGE as u64);
}
