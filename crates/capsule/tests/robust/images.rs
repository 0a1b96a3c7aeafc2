//! Images that aren't what was written: refused, or restored to something that can be ended; never half a tree.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, mkfifo};
use outlast_capsule::{CheckpointOptions, Compression, RestoreError, RestoreOptions, restore};
use outlast_image::{BLOCK_PAGES, ImageError, Open, PAGE, Reader, Snapshot, Writer};
use outlast_programs::Run;

use crate::support::{
    Dice, Helper, alone, asked, begin, dumped, end, eventually, no_helper_is_left, number, passes,
    restored, within,
};

/// A program that was checkpointed and killed, and its image.
fn killed(name: &str, image: &Path, compression: Compression) -> Run {
    // One copier: two may store a page twice, of which one is nobody's, and may be damaged at will.
    let options = CheckpointOptions { compression, copiers: 1, ..Default::default() };
    dumped(name, image, &options).expect("it needs nothing")
}

#[test]
fn a_damaged_image_is_not_restored() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    let mut dice = Dice(number("OUTLAST_SEED", 6));
    for compression in [Compression::None, Compression::Zstd(1)] {
        let mut run = killed("tree/pipes", &image, compression);
        let whole = fs::read(&image).expect("it was written");
        let odd = folder.path().join("odd");
        let pages_end = {
            let reader = Reader::open(&image).expect("it is whole");
            let ends = reader.blocks().iter().map(|block| block.offset + block.len);
            usize::try_from(ends.max().expect("it has pages")).expect("it is small")
        };
        for nth in 0..40 {
            let mut bytes = whole.clone();
            let below = |dice: &mut Dice, limit: usize| {
                usize::try_from(dice.below(limit as u64)).expect("below a usize")
            };
            let what = match nth % 4 {
                0 => {
                    bytes.truncate(below(&mut dice, whole.len()));
                    format!("cut to {}", bytes.len())
                }
                1 => {
                    let at = 4096 + below(&mut dice, pages_end - 4096);
                    bytes[at] ^= 1;
                    format!("byte {at}, of a page")
                }
                2 => {
                    let at = below(&mut dice, 48);
                    bytes[at] ^= 1;
                    format!("byte {at}, of the header")
                }
                _ => {
                    // What is behind the last section's end rounds it up.
                    let at = pages_end + below(&mut dice, whole.len() - pages_end - 64);
                    bytes[at] ^= 1;
                    format!("byte {at}, of a section")
                }
            };
            fs::write(&odd, &bytes).expect("there is room");
            match restore(&odd, &RestoreOptions::default()) {
                Err(RestoreError::Image(
                    ImageError::Damaged { .. }
                    | ImageError::Foreign(_)
                    | ImageError::Version { .. },
                )) => {}
                Err(error) => panic!("{what}: {error}"),
                // Between sections a byte means nothing, nor do some bits of what is packed.
                Ok(tree) => {
                    let pages = Reader::open(&odd).and_then(|reader| reader.verify());
                    let same = compression != Compression::None && pages.is_ok();
                    assert!(nth % 4 == 3 || same, "{what}: it was restored");
                    end(&tree);
                    assert!(eventually(|| run.processes().is_empty()), "{what}");
                }
            }
            assert_eq!(run.processes(), [0; 0], "{what}");
            no_helper_is_left(&what);
        }
        let tree = restored(&image, &RestoreOptions::default()).expect("it is whole");
        run.replaced_by(tree.pid);
        passes(run, "after damaged images");
        if let Some(init) = tree.init {
            let _ = waitpid(Pid::from_raw(init), None);
        }
    }
}

/// The same image with another description, whose sums are right.
fn rewritten(image: &Path, snapshot: &Snapshot, to: &Path) -> Result<(), ImageError> {
    let reader = Reader::open(image)?;
    let writer = Writer::create(to, Compression::None)?;
    let count = u32::try_from(reader.stored_pages()).expect("a small program");
    let mut content = Vec::new();
    let mut at = 0;
    while at < count {
        let take = (count - at).min(u32::try_from(BLOCK_PAGES).expect("256"));
        reader.read(at, take, &mut content)?;
        assert_eq!(content.len(), take as usize * PAGE);
        writer.pages().place(&mut content).expect("there is room");
        at += take;
    }
    writer.finish(snapshot, reader.machine()).map(drop)
}

#[test]
fn an_image_that_lies_ends_in_an_error_or_in_a_tree_that_can_be_ended() {
    const SELF: &str = "images::an_image_that_lies_ends_in_an_error_or_in_a_tree_that_can_be_ended";
    if let Some(words) = asked() {
        begin();
        let options = RestoreOptions { accept_changed: true, ..RestoreOptions::default() };
        match restore(Path::new(&words[0]), &options) {
            Ok(tree) => eprintln!("restored {} {}", tree.pid, tree.init.unwrap_or(0)),
            Err(error) => eprintln!("refused {error}"),
        }
        return;
    }
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    let lie = folder.path().join("lie");
    let mut dice = Dice(number("OUTLAST_SEED", 7));
    let (mut refused, mut built) = (0, 0);
    for name in ["tree/pipes", "files/epoll", "sockets/passed"] {
        let run = killed(name, &image, Compression::None);
        let reader = Reader::open(&image).expect("it is whole");
        let honest = postcard::to_stdvec(reader.snapshot()).expect("plain data");
        let mut left = number("OUTLAST_LIES", 50) / 2;
        while left > 0 {
            let mut bytes = honest.clone();
            for _ in 0..=dice.below(2) {
                let at = usize::try_from(dice.below(bytes.len() as u64)).expect("below a usize");
                bytes[at] = bytes[at].wrapping_add(1 + (dice.next() % 255) as u8);
            }
            let Ok(snapshot) = postcard::from_bytes::<Snapshot>(&bytes) else { continue };
            if snapshot == *reader.snapshot() {
                continue;
            }
            left -= 1;
            if rewritten(&image, &snapshot, &lie).is_err() {
                refused += 1;
                continue;
            }
            let path = lie.to_str().expect("a usual name");
            let mut helper = Helper::start(SELF, &[path], folder.path());
            helper.begun();
            let mut status = None;
            let ended = within(Duration::from_secs(20), || {
                status = helper.child.try_wait().expect("it is our child");
                status.is_some()
            });
            let keep = || {
                let kept = std::env::temp_dir().join("outlast-lie");
                fs::copy(&lie, &kept).map(|_| kept)
            };
            assert!(ended, "{name}: a restore hangs; the image: {:?}", keep());
            // Its helpers hold its standard error, so it isn't read to the end before they are gone.
            let family = helper.family();
            for pid in family.into_iter().chain(run.processes()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let gone = eventually(|| run.processes().is_empty() && helper.family().is_empty());
            assert!(gone, "{name}: left: {:?} {:?}", run.processes(), helper.family());
            let (worked, said) = helper.ended();
            assert!(worked && !said.contains("panicked"), "{said}; the image: {:?}", keep());
            if said.contains("restored") {
                built += 1;
            } else {
                refused += 1;
            }
        }
        drop(run);
    }
    eprintln!("{refused} were refused, {built} restored");
}

#[test]
fn a_fifo_in_a_files_place_is_not_waited_for() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    let run = killed("files/offset", &image, Compression::None);
    let reader = Reader::open(&image).expect("it is whole");
    let mut replaced = 0;
    for description in &reader.snapshot().descriptions {
        let Open::File(file) = &description.what else { continue };
        let path = Path::new(OsStr::from_bytes(&file.path));
        if path.starts_with(run.folder()) && path.is_file() {
            fs::remove_file(path).expect("it is the program's");
            mkfifo(path, Mode::S_IRWXU).expect("nothing is there any more");
            replaced += 1;
        }
    }
    assert!(replaced > 0, "the program has a file open");
    let options = RestoreOptions { accept_changed: true, ..RestoreOptions::default() };
    let error = restore(&image, &options).expect_err("a fifo is no file");
    assert!(error.to_string().contains("another kind"), "{error}");
    no_helper_is_left("after a fifo");
}
