#!/usr/bin/env bash
# Installs what is missing, then runs all checks. Arguments are stages of `cargo xtask ci`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh

# Where rustup and `cargo install` put programs, if the shell was not told.
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
exec cargo xtask ci "$@"
