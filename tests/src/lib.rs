//! Support for the end-to-end tests: real processes of the real binary, and nodes that lie.
//!
//! ```text
//!  e2e test ──▶ World (temporary folder, logs) ──▶ Node: `outlast up`, or `outlast-rogue`
//!                  │                                 └─ Network: each in a namespace of its own
//!                  └──▶ Process: any client, watched against a deadline
//! ```
//!
//! - [`world`]: where a test lives. A test that fails prints what all its processes wrote.
//! - [`node`]: daemons: started, asked, killed, started again.
//! - [`process`]: any process, with its output in files and a deadline.
//! - [`network`]: hosts as network namespaces, whose links can be cut; and networks of them with NAT between.
//! - [`relay`]: a relay server of our own.
//! - [`picture`]: our own small scenes, and what POV-Ray itself makes of them.
//! - [`metrics`]: what `/metrics` says.
//! - [`clock`]: a clock that is wrong.
//! - [`gate`]: a program whose runs are counted, and end when the test says so.
//! - [`rogue`]: the executor of a node that lies, crashes or hangs. Never part of the product.
//!
//! Nothing here waits for a time to pass: [`until`] waits for a condition, and a deadline makes it a failure.
//! Processes are ended by their number when what holds them is dropped.

use std::time::{Duration, Instant};

pub mod binaries;
pub mod clock;
pub mod film;
pub mod gate;
pub mod metrics;
pub mod network;
pub mod node;
pub mod picture;
pub mod process;
pub mod relay;
pub mod rogue;
pub mod world;

pub use node::Node;
pub use process::{Process, Said};
pub use world::World;

/// For what takes a moment: a start, a message, a small job. Far more than it needs: other tests may take the cores, and
/// some of what is waited for comes by itself only every ten or thirty seconds.
pub const SOON: Duration = Duration::from_secs(120);

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits for a condition, for [`SOON`] at most.
///
/// # Panics
/// If it doesn't come true.
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < SOON, "not within {} s: {what}", SOON.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Says that a test can't run here, and why.
#[expect(clippy::print_stderr, reason = "that is where people look for it")]
pub fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}
