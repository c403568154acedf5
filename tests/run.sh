#!/usr/bin/env bash
# Runs all checks and tests, or only the parts named as arguments. Rust must be installed. Other
# missing tools are installed: packages of Debian, and Node.js from npm (into target/node) if the
# installed version is too old.
set -euo pipefail
cd "$(dirname "$0")/.."

parts=(prose fmt clippy test doc js browser)
least_rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
least_node=20

fail() { printf 'tests/run.sh: %s\n' "$1" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

needs_of() {
    case $1 in
    prose) ;;
    fmt) echo rust rustfmt ;;
    clippy) echo rust clippy cc certificates ;;
    # One test runs clippy, another runs a page's script in Node.js.
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

# Does not install Rust: the user chooses its version and its installer.
check_rust() {
    local rustup="see https://rustup.rs" found
    { has cargo && has rustc; } || fail "Rust $least_rust or newer is not installed; $rustup"
    found=$(rustc --version | cut -d' ' -f2)
    printf '%s\n' "$least_rust" "$found" | sort -C -V || fail "Rust $found is too old, $least_rust is needed; $rustup"
}

check_component() {
    cargo "${1#rust}" --version >/dev/null 2>&1 || fail "$1 is not installed; run: rustup component add $1"
}

# Prints the missing Debian packages of one need, one a line.
missing_for() {
    case $1 in
    cc) has cc || printf '%s\n' gcc libc6-dev ;;
    certificates)
        # For downloads by cargo, and for tests with the real URL of Mixpanel. Fedora has the second path.
        local files=(/etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt)
        [ -n "${SSL_CERT_FILE:-}" ] || [ -e "${files[0]}" ] || [ -e "${files[1]}" ] || echo ca-certificates ;;
    node) { has node && has npm; } || printf '%s\n' nodejs npm ;;
    chromium) [ -x "${CHROMIUM:-/usr/bin/chromium}" ] || echo chromium ;;
    redis) { has redis-server && has redis-cli; } || echo redis-server ;;
    # Debian installs nginx outside of the PATH of ordinary users.
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

# Puts Node.js in the PATH. The npm package `node` contains Node.js. Installs npm too, because
# Debian's npm works only with Debian's Node.js.
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
    # List each need once, in the order of the parts.
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

# Doc comments begin with a noun phrase or a verb; words that had several meanings name nothing.
run_prose() {
    local words='What|Who|Whose|Whether|It|Its|Of|As many|That one|Those|How many'
    local homonyms='Said|Taken|NotTaken|Asked|Means|Post|Aside|Hand|InHand|Turn|Left|Told|Kept|Round|Leave|Own|Past'
    homonyms+='|Desk|Found|Link|Keeper|Lanes|Unclaimed|Waiting|Shipment|Written|Seen|Place|Copy|Parcel'
    homonyms+='|said|taken|asked|seed|turn|lanes|not_taken|in_hand'
    local found
    found=$(
        grep -rnE --include='*.rs' --exclude-dir=target "^ *//[/!] ($words) " \
            mengpaneel mengpaneel-macros tests examples
        grep -rnE --include='*.rs' \
            "^ *(pub(\(crate\))? )?(struct|enum|union|trait|type|mod) +($homonyms)\\b" \
            mengpaneel/src mengpaneel-macros/src
    ) || true
    [ -n "$found" ] || return 0
    printf '%s\n' "$found" >&2
    fail "begin doc comments with a noun phrase or a verb, and use terms of the glossary in ARCHITECTURE.md"
}
run_fmt() {
    local manifest
    cargo fmt --all -- --check
    # Workspaces of their own.
    for manifest in tests/outside tests/benches/compare tests/benches/compare/peers; do
        cargo fmt --manifest-path "$manifest/Cargo.toml" -- --check
    done
}
run_clippy() { cargo clippy --workspace --all-targets --all-features -- -D warnings; }
run_doc() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features; }
run_test() {
    cargo test --workspace --all-features
    # A build of the whole workspace always enables the feature of this crate.
    cargo test -p mengpaneel-macros --no-default-features
    # Any crate of an application may enable this feature of serde_json, which serialises numbers
    # differently.
    cargo test -p mengpaneel --lib --features serde_json/arbitrary_precision
    # Program of the README, with the default features of actix-web.
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
