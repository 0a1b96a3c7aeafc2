//! Whatever fails, and whoever is killed in the middle: a checkpoint leaves the target running as if nothing had
//! happened, a restore leaves nothing.
//!
//! Each test has the machine's attention for itself: it looks for processes that are left.

#![expect(clippy::print_stderr, reason = "that is where people look for what was skipped")]

mod cycles;
mod faults;
mod images;
mod killed;
mod sockets;
mod support;
mod world;
