//! libFuzzer's entrance: one program for all targets, the environment says which.
//!
//! `OUTLAST_FUZZ_TARGET=join_ticket cargo +nightly fuzz run any --features libfuzzer -- fuzz/corpus/join_ticket`

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use outlast_fuzz::Target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("OUTLAST_FUZZ_TARGET").unwrap_or_default();
    outlast_fuzz::find(&name).expect("OUTLAST_FUZZ_TARGET names a target")
});

fuzz_target!(|bytes: &[u8]| outlast_fuzz::check(&TARGET, bytes));
