//! The `outlast` command; all of it is in the library beside.

mod embedded;

use std::process::ExitCode;

fn main() -> ExitCode {
    outlast_cli::main(&embedded::Here)
}
