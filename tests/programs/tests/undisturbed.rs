//! Every test program passes when nobody disturbs it: what fails later, fails because of the checkpoint.
//!
//! `OUTLAST_PROGRAM=files/` runs only those whose name contains that.

use outlast_programs::{batch, compile};

/// At a time: most of them wait most of the time.
const AT_ONCE: usize = 6;

#[test]
fn every_program_passes_undisturbed() {
    let programs = batch::chosen();
    compile::compile_all(&programs).unwrap_or_else(|wrong| panic!("{wrong}"));
    batch::all_passed(&batch::run_all(&programs, AT_ONCE, |_, _| Ok(())));
}
