//! An image of another kernel: its vdso isn't this machine's, and the program calls the old one's functions, whose
//! addresses it looked up when it started.

use std::path::Path;

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{CheckpointOptions, RestoreOptions, checkpoint, restore};
use outlast_image::{Compression, PAGE, Reader, Writer};
use outlast_programs::{Run, Verdict, named};

/// The image as another kernel would have made it: the end of its vdso, which nothing uses, differs.
fn of_another_kernel(from: &Path, to: &Path) {
    let reader = Reader::open(from).expect("an image");
    let writer = Writer::create(to, Compression::None).expect("a folder of ours");
    let mut buffer = Vec::new();
    for block in reader.blocks() {
        for number in block.first..block.first + block.pages {
            reader.read(number, 1, &mut buffer).expect("pages");
            assert_eq!(buffer.len(), PAGE);
            writer.pages().place(&mut buffer).expect("placed");
        }
    }
    let mut machine = reader.machine().clone();
    machine.kernel = "6.7.0-another".to_owned();
    *machine.vdso.last_mut().expect("a vdso") ^= 0xff;
    writer.finish(reader.snapshot(), &machine).expect("written");
}

#[test]
fn calls_of_another_kernels_vdso_lead_to_this_ones() {
    for name in ["cpu/vdso_loop", "time/monotonic", "tree/pipes"] {
        let mut run = Run::start(&named(name));
        run.until_ready().expect("set up");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (image, other) = (folder.path().join("image"), folder.path().join("other"));
        checkpoint(run.pid(), &image, &CheckpointOptions::default(), &|_, _| {}).expect("taken");
        run.replaced_by(run.pid());
        of_another_kernel(&image, &other);
        let restored = restore(&other, &RestoreOptions::default()).expect("restored");
        assert!(restored.report.notes.iter().any(|note| note.contains("6.7.0-another")));
        run.replaced_by(restored.pid);
        run.go();
        assert_eq!(run.verdict(), Verdict::Passed, "{name}");
        waitpid(Pid::from_raw(restored.pid), None).expect("a child of ours");
    }
}
