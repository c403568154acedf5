#!/usr/bin/env bash
# Every check and every test. Installs what a fresh Debian machine lacks. With an argument, one
# part alone: fmt, clippy, doc, test, js, browser.
set -euo pipefail
cd "$(dirname "$0")/.."

has() { command -v "$1" >/dev/null 2>&1; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_packages() {
    local missing=()
    has cc || missing+=(build-essential)
    has curl || missing+=(curl ca-certificates)
    has node || missing+=(nodejs)
    has npm || missing+=(npm)
    has chromium || missing+=(chromium)
    has redis-server || missing+=(redis-server)
    # Debian has it outside of the PATH of a user who is not root.
    has nginx || [ -x /usr/sbin/nginx ] || missing+=(nginx)
    if [ "${#missing[@]}" -gt 0 ]; then
        echo "installing: ${missing[*]}"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    fi
    if ! has cargo; then
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy
        # shellcheck disable=SC1091
        . "$HOME/.cargo/env"
    fi
}

part() { echo; echo "== $1"; }

fmt() { part "format"; cargo fmt --all -- --check; }
clippy() { part "clippy"; cargo clippy --workspace --all-targets --all-features -- -D warnings; }
doc() { part "docs"; RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features; }
test() {
    part "tests"
    cargo test --workspace --all-features
    # Any crate of an application may ask this of serde_json, whose numbers serialise otherwise then.
    cargo test -p mengpaneel --lib --features serde_json/arbitrary_precision written
}
js() { part "the script"; (cd js && npm ci --no-audit --no-fund && npm test); }
browser() {
    part "in a browser"
    cargo build --workspace --all-features --bins
    (cd tests/browser && npm ci --no-audit --no-fund && npm test)
}

install_packages
if [ "$#" -gt 0 ]; then
    for name in "$@"; do "$name"; done
else
    fmt; clippy; test; doc; js; browser
    echo; echo "all passed"
fi
