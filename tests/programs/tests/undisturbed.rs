//! Every test program passes when nobody disturbs it: what fails later, fails because of the checkpoint.

use outlast_programs::batch;

/// At a time: most of them wait most of the time.
const AT_ONCE: usize = 6;

#[test]
fn every_program_passes_undisturbed() {
    let programs = batch::chosen(|_| true);
    batch::all_pass(&programs, AT_ONCE, |program| batch::run(program, |_| Ok(())));
}
