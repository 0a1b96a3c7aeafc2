//! Hostile input for every parser, every frame, and every machine that hears others.
//!
//! ```text
//!  Target: seeds, words, run ─┐
//!  fuzz/corpus/NAME/*  ───────┴─▶ mutate (seeded) ──▶ check: run, and count what it allocates
//!                                                       │ panics, aborts, hangs
//!  test ── starts ──▶ itself as a child, which does that┘
//!    └── the child died: shrinks its input with more children, prints and saves it
//! ```
//!
//! A target takes any bytes. It panics if a property of what it looks at is broken, besides the one that every
//! target has: an input of n bytes doesn't make it allocate more than `Memory::per_byte * n + Memory::constant`
//! at a time. Time is bounded by the size of inputs, and by a deadline for one input, which only tells a hang.
//!
//! Without coverage to guide it, it lives from good seeds: encoders make them, so that they are never out of date.
//! `fuzz_targets/any.rs` is the same under libFuzzer, for whoever has a nightly compiler.
//!
//! # Environment
//! - `OUTLAST_FUZZ_SEED`: another seed than the fixed one.
//! - `OUTLAST_FUZZ_SECONDS`: so long, instead of a number of inputs.
//! - `OUTLAST_FUZZ_INPUT`: this input (hexadecimal) and nothing else.

mod bytes;
mod campaign;
mod dice;
mod memory;
mod mutate;
mod targets;

pub use campaign::test;
pub use memory::Memory;
pub use targets::TARGETS;

/// Something that is fed with hostile bytes.
pub struct Target {
    /// What it is called, and its folder in `fuzz/corpus/`.
    pub name: &'static str,
    /// Takes them. Panics if a property is broken.
    pub run: fn(&[u8]),
    /// Inputs that are well-formed, or nearly.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Texts that mean something to it.
    pub words: &'static [&'static str],
    /// Longer inputs are cut.
    pub max_bytes: usize,
    /// What an input may make it allocate.
    pub memory: Memory,
    /// Inputs of a short run.
    pub inputs: u64,
}

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Feeds a target once, and checks what it allocated.
///
/// # Panics
/// If a property is broken: that is its purpose.
pub fn check(target: &Target, input: &[u8]) {
    let input = &input[..input.len().min(target.max_bytes)];
    memory::bounded(target.memory, input.len(), || (target.run)(input));
}
