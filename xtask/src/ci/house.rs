//! The house: which of our crates may depend on which, and what a pure crate may depend on.
//!
//! Dependencies point down. Only what ends up in the product counts: `dev-dependencies` are free,
//! so that a pure crate can be tested with whatever is at hand.

use std::path::Path;

use anyhow::{Context, bail};
use toml::{Table, Value};

/// A crate of the house, by its folder in `crates/`.
struct Room {
    name: &'static str,
    /// A state machine without I/O.
    pure: bool,
    /// Our own crates that it may depend on. All stand above it in the list, so there are no cycles.
    may_use: &'static [&'static str],
}

/// From the bottom up; docs/ARCHITECTURE.md has the picture.
const HOUSE: &[Room] = &[
    Room { name: "types", pure: true, may_use: &[] },
    Room { name: "vo", pure: true, may_use: &["types"] },
    Room { name: "stage", pure: true, may_use: &["types"] },
    Room { name: "overlay", pure: true, may_use: &["types"] },
    Room { name: "broker", pure: true, may_use: &["types"] },
    Room { name: "gridlet", pure: true, may_use: &["types"] },
    Room { name: "verify", pure: true, may_use: &["types"] },
    Room { name: "study", pure: true, may_use: &["types", "verify"] },
    Room { name: "deploy", pure: true, may_use: &["types", "gridlet", "verify"] },
    Room {
        name: "job",
        pure: true,
        may_use: &["types", "vo", "stage", "overlay", "broker", "gridlet", "verify"],
    },
    Room {
        name: "sim",
        pure: true,
        may_use: &["types", "vo", "stage", "overlay", "broker", "gridlet", "verify", "job"],
    },
    Room { name: "os", pure: false, may_use: &["types"] },
    Room { name: "image", pure: false, may_use: &["types", "os"] },
    Room { name: "capsule", pure: false, may_use: &["types", "os", "image"] },
    Room { name: "api", pure: false, may_use: &["types"] },
    Room {
        name: "node",
        pure: false,
        may_use: &[
            "types", "vo", "stage", "overlay", "broker", "gridlet", "verify", "deploy", "job",
            "os", "api",
        ],
    },
    Room {
        name: "cli",
        pure: false,
        may_use: &["types", "verify", "study", "deploy", "os", "image", "capsule", "api", "node"],
    },
];

/// What would bring I/O, a clock or chance into a pure crate.
const IMPURE: &[&str] = &[
    "axum", "hyper", "iroh", "libc", "mio", "nix", "quinn", "rand", "redb", "rustix", "socket2",
    "tempfile", "tokio",
];

const PREFIX: &str = "outlast-";

/// The names of the pure crates.
pub(super) fn pure() -> Vec<&'static str> {
    HOUSE.iter().filter(|room| room.pure).map(|room| room.name).collect()
}

/// Checks all manifests in `crates/`, and says how many there are.
pub(super) fn check(root: &Path) -> anyhow::Result<usize> {
    let mut wrong = Vec::new();
    let mut crates = 0;
    for entry in std::fs::read_dir(root.join("crates")).context("reading crates/")? {
        let folder = entry?.path();
        let path = folder.join("Cargo.toml");
        if !path.is_file() {
            continue;
        }
        crates += 1;
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        let manifest: Table =
            text.parse().with_context(|| format!("reading {}", path.display()))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        wrong.extend(complaints(&name, &manifest));
    }
    if !wrong.is_empty() {
        wrong.sort();
        bail!("{}", wrong.join("\n"));
    }
    Ok(crates)
}

/// What is wrong with the dependencies of the crate in folder `name`.
fn complaints(name: &str, manifest: &Table) -> Vec<String> {
    let Some(room) = HOUSE.iter().find(|room| room.name == name) else {
        return vec![format!(
            "crates/{name} has no place in the house, expected a line in xtask/src/ci/house.rs"
        )];
    };
    let mut wrong = Vec::new();
    for dependency in dependencies(manifest) {
        match dependency.strip_prefix(PREFIX) {
            Some(own) if !room.may_use.contains(&own) => wrong.push(format!(
                "crates/{name} depends on {own}, expected only: {}",
                room.may_use.join(", ")
            )),
            None if room.pure && IMPURE.contains(&dependency.as_str()) => wrong.push(format!(
                "crates/{name} depends on {dependency}, which a pure crate must not"
            )),
            _ => {}
        }
    }
    wrong
}

/// The packages that a crate or its build script depends on, for any target.
fn dependencies(manifest: &Table) -> Vec<String> {
    let mut found = sections(manifest);
    let targets = manifest.get("target").and_then(Value::as_table);
    for target in targets.into_iter().flat_map(Table::values).filter_map(Value::as_table) {
        found.extend(sections(target));
    }
    found
}

fn sections(table: &Table) -> Vec<String> {
    let section = |name: &str| table.get(name).and_then(Value::as_table);
    ["dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(section)
        .flatten()
        .map(|(name, spec)| {
            let package = spec.get("package").and_then(Value::as_str);
            package.unwrap_or(name).to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, manifest: &str) -> Vec<String> {
        complaints(name, &manifest.parse().unwrap())
    }

    #[test]
    fn the_house_has_no_cycle() {
        for (index, room) in HOUSE.iter().enumerate() {
            for used in room.may_use {
                assert!(HOUSE[..index].iter().any(|below| below.name == *used), "{used}");
                let below = HOUSE.iter().find(|room| room.name == *used).unwrap();
                assert!(below.pure || !room.pure, "{} uses {used}", room.name);
            }
        }
    }

    #[test]
    fn an_edge_may_only_point_down() {
        let down = "[dependencies]\noutlast-types.workspace = true\nserde = '1'";
        assert_eq!(check("job", down), Vec::<String>::new());
        assert_eq!(check("types", down).len(), 1);
        let aside = "[dependencies]\noutlast-verify.workspace = true";
        assert_eq!(check("broker", aside).len(), 1);
        assert_eq!(check("job", aside).len(), 0);
        assert_eq!(check("attic", down).len(), 1);
    }

    #[test]
    fn a_pure_crate_has_no_impure_dependency_under_any_name_or_target() {
        for manifest in [
            "[dependencies]\ntokio = '1'",
            "[dependencies]\nruntime = { package = 'tokio', version = '1' }",
            "[target.'cfg(unix)'.dependencies]\nlibc = '0.2'",
            "[build-dependencies]\nrand = '0.9'",
        ] {
            assert_eq!(check("job", manifest).len(), 1, "{manifest}");
            assert_eq!(check("node", manifest).len(), 0, "{manifest}");
        }
        assert_eq!(check("job", "[dev-dependencies]\ntokio = '1'").len(), 0);
    }
}
