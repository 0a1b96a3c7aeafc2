//! Files of unix sockets' names: the tree's own dead ones are replaced, and nobody else's.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use outlast_capsule::{CheckpointOptions, FaultPoint, RestoreError, RestoreOptions, restore};

use crate::support::{dumped, passes};

fn refused(image: &Path, because: &str) -> RestoreError {
    let error = restore(image, &RestoreOptions::default()).expect_err(because);
    assert!(error.to_string().contains(because), "{error}");
    error
}

fn killed(pid: i32, init: Option<i32>) {
    for pid in [Some(pid), init].into_iter().flatten() {
        let pid = Pid::from_raw(pid);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        let _ = waitpid(pid, None);
    }
}

#[test]
fn only_a_dead_socket_of_the_image_is_replaced_by_a_restore() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let image = folder.path().join("image");
    let options = CheckpointOptions::default();
    let Some(mut run) = dumped("sockets/fresh", &image, &options) else { return };
    let path = run.folder().join("named");
    let is_socket = || fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_socket());
    assert!(is_socket(), "who was killed has left it");
    let then = fs::metadata(&path).expect("it is there");

    // It was restored, and killed, and is restored again: the file is another one, and known by its time.
    let restored =
        restore(&image, &RestoreOptions::default()).expect("its own file is no hindrance");
    let now = fs::metadata(&path).expect("it is there");
    assert_eq!((then.mtime(), then.mtime_nsec()), (now.mtime(), now.mtime_nsec()));
    refused(&image, "another program has it");
    killed(restored.pid, restored.init);
    assert!(is_socket());

    // One that fails leaves none.
    let failing =
        RestoreOptions { fail_after: Some(FaultPoint::Built), ..RestoreOptions::default() };
    restore(&image, &failing).expect_err("a test wants it");
    assert!(!path.exists(), "it was made by the restore that failed");

    fs::write(&path, "somebody's").expect("the folder is ours");
    refused(&image, "something else is there");
    assert_eq!(fs::read(&path).expect("it is there"), b"somebody's");
    fs::remove_file(&path).expect("it is there");

    let other = UnixListener::bind(&path).expect("nothing is there");
    refused(&image, "another program has it");
    drop(other);
    let changed = refused(&image, "nobody answers there");
    assert!(matches!(changed, RestoreError::Changed(_)), "{changed}");
    assert!(is_socket(), "it was not touched");

    let accepting = RestoreOptions { accept_changed: true, ..RestoreOptions::default() };
    let restored = restore(&image, &accepting).expect("that was accepted");
    run.replaced_by(restored.pid);
    passes(run, "restored for the last time");
}
