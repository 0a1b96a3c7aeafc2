use std::os::unix::fs::symlink;

use super::*;

const HOLDER: Holder = Holder::Passing(u64::MAX);

struct World {
    folder: tempfile::TempDir,
    store: Arc<Store>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        fs::create_dir(folder.path().join("job")).unwrap();
        Self { folder, store }
    }

    fn cwd(&self) -> PathBuf {
        self.folder.path().join("job")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.cwd().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn stage(&self, names: &[&str]) -> Result<Tree, InputError> {
        let input = |name: &&str| InputFile {
            name: name.trim_end_matches('/').to_owned(),
            source: (*name).to_owned(),
        };
        let inputs: Vec<_> = names.iter().map(input).collect();
        let known = Known::open(&self.folder.path().join("index"));
        stage(&self.store, &known, &self.cwd(), &inputs, HOLDER)
    }

    fn refused(&self, names: &[&str]) -> String {
        self.stage(names).unwrap_err().to_string()
    }
}

fn shape(tree: &Tree) -> Vec<String> {
    let text = |entry: &Entry| match &entry.kind {
        Kind::File { length, executable, .. } => {
            format!("{} {length}{}", entry.path, if *executable { "x" } else { "" })
        }
        Kind::Symlink { target } => format!("{} -> {target}", entry.path),
        Kind::Folder => format!("{}/", entry.path),
    };
    tree.entries().iter().map(text).collect()
}

#[test]
fn structure_bits_links_and_empty_things_are_kept() {
    let world = World::new();
    world.write("a/run", "#!/bin/sh");
    world.write("a/b/empty", "");
    fs::create_dir(world.cwd().join("none")).unwrap();
    fs::set_permissions(world.cwd().join("a/run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../run", world.cwd().join("a/b/up")).unwrap();
    symlink(world.cwd().join("a/b"), world.cwd().join("absolute")).unwrap();
    let tree = world.stage(&["a/run", "a/b/empty", "a/b/up", "absolute", "none/"]).unwrap();
    assert_eq!(
        shape(&tree),
        ["a/", "a/b/", "a/b/empty 0", "a/b/up -> ../run", "a/run 9x", "absolute -> a/b", "none/"]
    );
    for hash in tree.blobs().keys() {
        assert!(world.store.has(hash));
    }
}

#[test]
fn links_that_lead_elsewhere_are_followed() {
    let world = World::new();
    let outside = world.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "12345").unwrap();
    world.write("unnamed", "123");
    symlink("../outside", world.cwd().join("folder")).unwrap();
    symlink("../outside/secret", world.cwd().join("file")).unwrap();
    symlink("unnamed", world.cwd().join("near")).unwrap();
    let tree = world.stage(&["folder", "file", "near"]).unwrap();
    assert_eq!(shape(&tree), ["file 5", "folder/", "folder/secret 5", "near 3"]);
}

#[test]
fn what_can_not_be_staged_is_refused_by_name() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::new();
    let cwd = world.cwd();
    symlink("nothing", cwd.join("dangling")).unwrap();
    fs::create_dir(cwd.join("circle")).unwrap();
    symlink(".", cwd.join("circle/again")).unwrap();
    fs::create_dir(cwd.join("odd")).unwrap();
    fs::write(cwd.join("odd").join(std::ffi::OsStr::from_bytes(b"x\xff")), "").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(cwd.join("socket")).unwrap();
    for (name, why) in [
        ("dangling", "leads to nothing"),
        ("circle", "in a circle"),
        ("odd", "not UTF-8, which can't be staged; rename it"),
        ("socket", "is a socket, expected a file"),
        ("/dev/null", "is a device"),
        ("absent", "No such file"),
    ] {
        let error = world.refused(&[name]);
        assert!(error.starts_with(&format!("input {name}")) && error.contains(why), "{error}");
    }
}

#[test]
fn an_unchanged_input_is_not_read_again_and_a_changed_one_is() {
    let world = World::new();
    world.write("a", "text");
    let known = Known::open(&world.folder.path().join("index"));
    let (path, hash) = (world.cwd().join("a"), Hash::of(b"text"));
    let stamp = Stamp::of(&fs::metadata(&path).unwrap());
    let later = SystemTime::now() + std::time::Duration::from_secs(60);
    // A hash that no reading gives shows that it isn't read.
    let other = world.store.put_bytes(b"seen before", HOLDER).unwrap();
    known.remember(later, &[(stamp, other)]);
    drop(known);
    let staged = |tree: &Tree| *tree.blobs().keys().next().unwrap();
    assert_eq!(staged(&world.stage(&["a"]).unwrap()), other);
    // Gone from the store: read again.
    world.store.remove(&other).unwrap();
    assert_eq!(staged(&world.stage(&["a"]).unwrap()), hash);
    world.write("a", "changed");
    assert_eq!(staged(&world.stage(&["a"]).unwrap()), Hash::of(b"changed"));
}

#[test]
fn a_file_that_does_not_stop_changing_is_refused() {
    let world = World::new();
    world.write("log", &"x".repeat(1 << 20));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let path = world.cwd().join("log");
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::Write as _;
            let mut file = File::options().append(true).open(&path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"y").unwrap();
            }
        });
        // It may be lucky now and then.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        let error = loop {
            assert!(std::time::Instant::now() < deadline);
            if let Err(error) = world.stage(&["log"]) {
                break error.to_string();
            }
        };
        stop.store(true, Ordering::Relaxed);
        error
    });
    assert!(error.contains("input log: it changes while it is read"), "{error}");
}
