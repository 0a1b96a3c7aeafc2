//! What a target allocates. The allocator counts for the whole process; a campaign has one of its own.

use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTING: PeakAlloc = PeakAlloc;

/// What an input of n bytes may make a target allocate at a time: `per_byte * n + constant`.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Values are larger than what encodes them, and a target holds several.
    pub per_byte: usize,
    /// Whatever the input.
    pub constant: usize,
}

/// Runs something; panics if it held more memory than that at any time.
pub(crate) fn bounded(memory: Memory, bytes: usize, run: impl FnOnce()) {
    COUNTING.reset_peak_usage();
    let before = COUNTING.current_usage();
    run();
    let held = COUNTING.peak_usage().saturating_sub(before);
    let limit = memory.per_byte * bytes + memory.constant;
    assert!(
        held <= limit,
        "{bytes} bytes of input made it hold {held} bytes, expected at most {limit}"
    );
}
