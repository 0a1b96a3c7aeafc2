//! Applications and comparators with the real programs, and a worker of a few lines.

// A test fails by panicking, and says on standard error why it was skipped.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod compare;
mod ffmpeg;
mod grid;
mod manifest;
mod povray;
