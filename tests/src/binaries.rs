//! The programs under test: cargo builds them with this package, from the sources of the real ones.
//!
//! Cargo tells a test where the programs of its own package are, not those of others; and to have `outlast` built apart
//! would compile half of the dependencies again, as another selection of packages has other features.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The `outlast` command, or what `OUTLAST_BIN` names.
pub fn outlast() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match std::env::var_os("OUTLAST_BIN") {
        Some(path) => path.into(),
        None => built("outlast-under-test"),
    })
}

/// `outlast` with an application of somebody else's: `examples/wordcount`.
pub fn wordcount() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("outlast-wordcount"))
}

/// The node that lies.
pub fn rogue() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("outlast-rogue"))
}

/// From `TARGET/PROFILE`; the test is in `TARGET/PROFILE/deps`.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a process has a program");
    let folder = test.parent().expect("a program is in a folder");
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let program = folder.join(name);
    assert!(program.is_file(), "no {}: cargo builds it with these tests", program.display());
    program
}
