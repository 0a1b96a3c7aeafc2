#!/usr/bin/env bash
# Installs what building, testing and measuring Outlast needs on Debian, and only what is missing:
# without anything to do it takes no time and no network.
#
#   OUTLAST_DENY=1   also builds cargo-deny (some minutes), which CI otherwise uses if it is there
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# Runs a command as root.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "need root or sudo to run: $*"
    fi
}

installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

packages=(
    build-essential # a linker, C parts of crates, the C programs that checkpoints are tested with
    pkg-config
    povray          # the application of the demo and of many tests
    povray-includes
    povray-examples
    ffmpeg          # the video application's tests split, encode and join real films
    imagemagick     # applications of manifests, and their tests
    flac
    xz-utils
    bzip2
    zstd
    parallel        # benchmarks compare with it
    iperf3          # benchmarks compare with it: what the network can
    rsync           # benchmarks compare with it
    socat           # benchmarks compare with files through one connection, plain and with TLS
    python3-venv    # benchmarks install HyperQueue into one
    iproute2        # end-to-end tests cut networks
    nftables        # end-to-end tests put nodes behind NAT
    openssl         # checkpoints are tested with real programs in the middle of their work: with this,
    nodejs          # with this,
    openjdk-17-jdk-headless # and with this
)

install_packages() {
    command -v dpkg-query >/dev/null || die "this is not Debian; install by hand: ${packages[*]}"
    local missing=() package
    for package in "${packages[@]}"; do
        installed "$package" || missing+=("$package")
    done
    if [ "${#missing[@]}" -eq 0 ]; then
        return
    fi
    say "installing ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

check_rust() {
    export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
    command -v cargo >/dev/null || die "cargo is missing, install Rust first (rustup)"
    local component
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 ||
            die "cargo $component is missing: rustup component add rustfmt clippy"
    done
}

install_cargo_tools() {
    if ! cargo nextest --version >/dev/null 2>&1; then
        say "building cargo-nextest (some minutes, once)"
        # Not fatal: `cargo xtask ci` falls back to `cargo test`.
        cargo install --locked --quiet cargo-nextest || say "cargo-nextest could not be installed"
    fi
    if ! command -v iroh-relay >/dev/null; then
        say "building iroh-relay (some minutes, once)"
        # Not fatal: end-to-end tests that need a relay say SKIPPED. The version of the workspace's iroh.
        cargo install --locked --quiet --version 1.4.1 --features server --debug iroh-relay ||
            say "iroh-relay could not be installed"
    fi
    if [ "${OUTLAST_DENY:-0}" = 1 ] && ! cargo deny --version >/dev/null 2>&1; then
        say "building cargo-deny (some minutes, once)"
        cargo install --locked --quiet cargo-deny
    fi
}

install_packages
check_rust
install_cargo_tools
