//! Each real program has the same result twice when nobody disturbs it: what differs later, differs because of the checkpoint.

use outlast_programs::real;

#[test]
fn every_real_program_has_the_same_result_twice() {
    real::all_pass(|program| program.through(|_| Ok(())));
}
