#!/usr/bin/env bash
# Runs every check and every test, or only the parts that are named as arguments.
# Needs Rust. Installs what else the parts need: Debian's packages, and Node.js from npm (into
# target/node) where the system's is too old.
set -euo pipefail
cd "$(dirname "$0")/.."

parts=(fmt clippy test doc js browser)
least_rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
least_node=20

fail() { printf 'tests/run.sh: %s\n' "$1" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

needs_of() {
    case $1 in
    fmt) echo rust rustfmt ;;
    clippy) echo rust clippy cc certificates ;;
    # One test asks clippy, one runs a page's script in Node.js.
    test) echo rust clippy cc certificates node redis nginx ;;
    doc) echo rust cc certificates ;;
    js) echo node chromium ;;
    browser) echo rust cc certificates node chromium ;;
    *) fail "no part is called \"$1\"; there are: ${parts[*]}" ;;
    esac
}

is_node_recent() {
    has node && has npm && [ "$(node -p 'parseInt(process.versions.node)')" -ge "$least_node" ]
}

# Rust is the user's to install: which one, and how, is not for a test to decide.
check_rust() {
    local rustup="see https://rustup.rs" found
    { has cargo && has rustc; } || fail "Rust $least_rust or newer is not installed; $rustup"
    found=$(rustc --version | cut -d' ' -f2)
    printf '%s\n' "$least_rust" "$found" | sort -C -V || fail "Rust $found is too old, $least_rust is needed; $rustup"
}

check_component() {
    cargo "${1#rust}" --version >/dev/null 2>&1 || fail "$1 is not installed; run: rustup component add $1"
}

# Prints the Debian packages that are missing for one need, one a line.
missing_for() {
    case $1 in
    cc) has cc || printf '%s\n' gcc libc6-dev ;;
    certificates)
        # Cargo's downloads, and the tests of Mixpanel's real address. The second is Fedora's.
        local files=(/etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt)
        [ -n "${SSL_CERT_FILE:-}" ] || [ -e "${files[0]}" ] || [ -e "${files[1]}" ] || echo ca-certificates ;;
    node) { has node && has npm; } || printf '%s\n' nodejs npm ;;
    chromium) [ -x "${CHROMIUM:-/usr/bin/chromium}" ] || echo chromium ;;
    redis) { has redis-server && has redis-cli; } || echo redis-server ;;
    # Debian has it outside of the PATH of a user who is not root.
    nginx) has nginx || [ -x /usr/sbin/nginx ] || echo nginx ;;
    esac
}

install_packages() {
    local as_root=() install="apt-get install -y --no-install-recommends $*"
    has apt-get || fail "these packages (by Debian's names) are not installed: $*"
    if [ "$(id -u)" != 0 ]; then
        has sudo || fail "root must run: apt-get update && $install"
        as_root=(sudo)
    fi
    echo "installing: $*"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -qq && $install -qq" ||
        fail "root must run: apt-get update && $install"
}

# npm's package `node` holds Node.js itself; npm comes along because Debian's works with Debian's Node.js only.
use_recent_node() {
    if ! is_node_recent && [ ! -x target/node/node_modules/.bin/node ]; then
        echo "installing: node and npm from npm, into target/node"
        npm install --prefix target/node --no-audit --no-fund --loglevel=error node@22 npm@10
    fi
    is_node_recent || PATH="$PWD/target/node/node_modules/.bin:$PATH"
    is_node_recent || fail "Node.js $least_node or newer with npm is needed, and could not be installed"
}

prepare() {
    local need part needed needs=() packages=()
    # Each need once, in the order of the first part that has it.
    for part in "$@"; do
        needed=$(needs_of "$part")
        for need in $needed; do
            [[ " ${needs[*]} " = *" $need "* ]] || needs+=("$need")
        done
    done
    echo "parts: $*"
    echo "needs: ${needs[*]}" | sed "s/rust\b/& >= $least_rust/; s/node/& >= $least_node/"
    for need in "${needs[@]}"; do
        case $need in
        rust) check_rust ;;
        rustfmt | clippy) check_component "$need" ;;
        *) mapfile -t -O "${#packages[@]}" packages < <(missing_for "$need") ;;
        esac
    done
    [ "${#packages[@]}" = 0 ] || install_packages "${packages[@]}"
    [[ " ${needs[*]} " != *" node "* ]] || use_recent_node
}

run_fmt() {
    cargo fmt --all -- --check
    cargo fmt --manifest-path tests/outside/Cargo.toml -- --check
}
run_clippy() { cargo clippy --workspace --all-targets --all-features -- -D warnings; }
run_doc() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features; }
run_test() {
    cargo test --workspace --all-features
    # Together with the others, the crate always has its feature.
    cargo test -p mengpaneel-macros --no-default-features
    # Any crate of an application may ask this of serde_json, whose numbers serialise otherwise then.
    cargo test -p mengpaneel --lib --features serde_json/arbitrary_precision written
    # The README's program, with the default features of actix-web.
    cargo test --manifest-path tests/outside/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}"
}
run_js() { (cd js && npm ci --no-audit --no-fund && npm test); }
run_browser() {
    cargo build --workspace --all-features --bins
    (cd tests/browser && npm ci --no-audit --no-fund && npm test)
}

[ "$#" = 0 ] && set -- "${parts[@]}"
prepare "$@"
for part in "$@"; do
    printf '\n== %s\n' "$part"
    "run_$part"
done
printf '\npassed: %s\n' "$*"
