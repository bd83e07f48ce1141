#!/usr/bin/env bash
# scripts/dev.sh [ARGUMENT OF `transom demo`…]
#
# Runs the demo while you change sources: Vite builds the page at each change, and the program is built and started again at each
# change of a Rust source, a manifest or a migration. A build that fails leaves the running program alone. Ctrl-C stops all of it.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${CARGO_TARGET_DIR:-target}/debug/transom
built=$(mktemp)
page=
server=

stop() {
  [[ -n $1 ]] || return 0
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}
trap 'stop "$server"; stop "$page"; rm -f "$built"' EXIT
trap 'exit 0' INT TERM

changed() { [[ -n $(find crates Cargo.toml Cargo.lock \( -name '*.rs' -o -name '*.toml' -o -name '*.sql' -o -name '*.lock' \) -newer "$built" -print -quit) ]]; }

# A debug build reads web/dist while it runs, so a new page needs no new program.
(cd web && exec node_modules/.bin/vite build --watch --logLevel warn </dev/null) &
page=$!

while true; do
  touch "$built"
  # Vite empties the folder for a moment, and the server does not compile without its page.
  until [[ -e web/dist/console.html ]]; do sleep 0.2; done
  if cargo build -p transom-cli; then
    stop "$server"
    "$program" demo --no-open "$@" &
    server=$!
  fi
  until changed; do sleep 1; done
done
