//! The `outlast` command; all of it is in the library beside.

use std::process::ExitCode;

fn main() -> ExitCode {
    outlast_cli::capsule().unwrap_or_else(|| outlast_cli::main_with(outlast_node::apps::registry()))
}
