#!/usr/bin/env bash
# scripts/setup.sh build|unit|test|check [--dry-run]
#
# Installs the missing requirements for building Transom, testing it or checking it. If all of them
# are present it changes nothing and ends at once. Rust and Node.js must be present already; the
# rest comes from Debian 12 packages, the npm lock file and cargo.
set -euo pipefail
cd "$(dirname "$0")/.."

NEXTEST_VERSION=0.9.143
DENY_VERSION=0.20.2

# Each line: the proof that a package is installed (a command, or a pattern of a file) · the Debian
# package.
BUILD_PACKAGES='
cc                                                  build-essential
'
CHECK_PACKAGES='
/usr/lib/python3*/ensurepip/__init__.py             python3-venv
'
TEST_PACKAGES='
openssl                                             openssl
chromium                                            chromium
/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf     fonts-dejavu-core
Xtigervnc                                           tigervnc-standalone-server
tigervncpasswd                                      tigervnc-tools
xtigervncviewer                                     tigervnc-viewer
x11vnc                                              x11vnc
xdotool                                             xdotool
xterm                                               xterm
websockify                                          websockify
xdpyinfo                                            x11-utils
xsetroot                                            x11-xserver-utils
qemu-system-x86_64                                  qemu-system-x86
/usr/share/seabios/vgabios-stdvga.bin               seabios
x86_64-linux-gnu-as                                 binutils-x86-64-linux-gnu
/usr/lib/postgresql/*/bin/initdb                    postgresql
/usr/lib/python3*/ensurepip/__init__.py             python3-venv
javac                                               default-jdk-headless
nginx                                               nginx-light
haproxy                                             haproxy
/usr/sbin/apache2                                   apache2
caddy                                               caddy
/sbin/ip                                            iproute2
/usr/sbin/nft                                       nftables
/usr/sbin/conntrack                                 conntrack
systemd-analyze                                     systemd
/usr/lib/*/faketime/libfaketime.so.1                libfaketime
go                                                  golang-go
/usr/share/gocode/src/github.com/gophercloud/gophercloud/*.go golang-github-gophercloud-gophercloud-dev
/usr/share/rubygems-integration/all/gems/fog-openstack-*/lib/fog/openstack.rb ruby-fog-openstack
'

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
run() { if [[ $dry_run ]]; then say "would run: $*"; else "$@"; fi; }

# at_least 20.19 20.9.0 → false
at_least() { printf '%s\n%s\n' "$1" "$2" | sort --version-sort --check=quiet; }

present() {
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

need_rust() {
  local pinned found
  pinned=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
  present cargo || fail "Rust $pinned is missing; install it with rustup, then run this again."
  found=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) || true
  [[ $found ]] || fail "The Rust toolchain $pinned is missing; run: rustup toolchain install $pinned"
  at_least "$pinned" "$found" || fail "Rust $found is too old, $pinned is needed; run: rustup toolchain install $pinned"
}

need_linters() {
  cargo fmt --version >/dev/null 2>&1 || fail "rustfmt is missing; run: rustup component add rustfmt"
  cargo clippy --version >/dev/null 2>&1 || fail "clippy is missing; run: rustup component add clippy"
}

need_node() {
  local oldest found
  oldest=$(sed -n 's/.*"node": ">=\([0-9.]*\)".*/\1/p' web/package.json)
  present node || fail "Node.js is missing; install version $oldest or newer, then run this again."
  found=$(node --version)
  at_least "$oldest" "${found#v}" || fail "Node.js ${found#v} is too old; install version $oldest or newer."
  present npm || fail "npm is missing; it comes with Node.js, and as Debian's package npm."
}

need_packages() {
  local proof package missing=() root=()
  while read -r proof package; do
    [[ -z $proof ]] || present "$proof" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  present apt-get || fail "Missing: ${missing[*]} (Debian's names); install them with this system's own package manager."
  if ((EUID != 0)); then
    present sudo || fail "Missing: ${missing[*]}; as root, run: apt-get install ${missing[*]}"
    root=(sudo)
  fi
  say "installing Debian packages: ${missing[*]}"
  run "${root[@]}" scripts/apt-install.sh "${missing[@]}" || fail "Debian packages could not be installed: ${missing[*]}"
}

# Installs the Node packages if the lock file has changed since their installation.
need_node_packages() {
  local wanted installed=web/node_modules/.installed-from
  [[ -e web/package-lock.json ]] || fail "web/package-lock.json is missing; restore it from the repository."
  wanted=$(cat web/package.json web/package-lock.json | sha256sum)
  [[ $(cat "$installed" 2>/dev/null) != "$wanted" ]] || return 0
  say "installing Node packages (web/package-lock.json)"
  run npm --prefix web ci --no-audit --no-fund || fail "The Node packages of web/package-lock.json could not be installed."
  [[ $dry_run ]] || printf '%s\n' "$wanted" >"$installed"
}

# need_cargo_tool NAME VERSION [FLAG…]   installs `cargo NAME`, compiled fast and without
# optimization, since it runs only for seconds.
need_cargo_tool() {
  local name=$1 version=$2
  shift 2
  ! cargo "$name" --version >/dev/null 2>&1 || return 0
  say "compiling cargo-$name $version (a few minutes, once)"
  run env CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install --locked "cargo-$name@$version" "$@" || fail "cargo-$name $version is missing and could not be compiled."
}

need_nextest() { need_cargo_tool nextest "$NEXTEST_VERSION" --no-default-features --features default-no-update; }

# need_python_packages LIST FOLDER   installs the packages of a list into a virtual environment if
# the list has changed.
need_python_packages() {
  local lock=$1 folder=$2 wanted
  wanted=$(sha256sum <"$lock")
  [[ $(cat "$folder/.installed-from" 2>/dev/null) != "$wanted" ]] || return 0
  say "installing Python packages ($lock)"
  run rm -rf "$folder"
  run python3 -m venv "$folder" || fail "The virtual environment $folder could not be created."
  # The list contains every dependency, so pip resolves no versions.
  run "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$lock" ||
    fail "The Python packages of $lock could not be installed."
  [[ $dry_run ]] || printf '%s\n' "$wanted" >"$folder/.installed-from"
}

# need_python_clients NAME   installs the packages of tests/clients/NAME.txt.
need_python_clients() { need_python_packages "tests/clients/$1.txt" "target/clients/$1"; }

# Compiles the client in Go, which depends only on Debian's package of the library.
need_go_client() {
  local source=tests/clients/gophercloud/main.go program=target/clients/gophercloud/consoles
  [[ $program -ot $source ]] || return 0
  say "compiling the client in Go ($source)"
  run env GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$PWD/target/clients/gophercloud/cache" go build -o "$program" "$source" ||
    fail "$source could not be compiled."
}

# Assembles the machine that QEMU boots in the tests.
need_guest() {
  local image=target/guests/echo.img
  [[ $image -ot scripts/guest/echo.S ]] || return 0
  say "assembling the QEMU guest ($image)"
  run scripts/guest/build.sh "$image" || fail "The QEMU guest $image could not be assembled."
}

purpose=${1:-}
dry_run=
[[ ${2:-} != --dry-run ]] || dry_run=yes

case $purpose in
  build | unit | test | check) ;;
  *) fail "usage: scripts/setup.sh build|unit|test|check [--dry-run]" ;;
esac
need_rust
need_node
need_packages <<<"$BUILD_PACKAGES"
need_node_packages
case $purpose in
  unit) need_nextest ;;
  test)
    need_packages <<<"$TEST_PACKAGES"
    need_nextest
    need_guest
    need_python_clients zenlayer
    need_python_clients openstack
    need_python_clients vncdotool
    need_python_clients schemathesis
    need_go_client
    ;;
  check)
    need_linters
    need_packages <<<"$CHECK_PACKAGES"
    need_cargo_tool deny "$DENY_VERSION"
    need_python_packages scripts/codespell.txt target/codespell
    ;;
esac
[[ $dry_run ]] || say "ready to $purpose"
