#!/usr/bin/env bash
# scripts/compat.sh [REF]
#
# Builds an earlier version of this repository beside today's, for `make compat`, and prints its
# program's path. Without REF it builds the last release in compat/releases.
set -euo pipefail
cd "$(dirname "$0")/.."
ref=${1:-$(grep -v '^#' compat/releases | awk 'NF { commit = $2 } END { print commit }')}
commit=$(git rev-parse --verify --quiet "$ref^{commit}") || { echo "compat: $ref is not a commit of this repository" >&2; exit 1; }
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/compat"
target=$(cd "$target" && pwd)
tree=$target/compat/tree
git worktree prune
if [ -d "$tree" ]; then
  git -C "$tree" checkout --quiet --detach --force "$commit"
else
  git worktree add --quiet --detach "$tree" "$commit" >&2
fi
# The page plays no part here, so today's serves for the earlier version as well.
mkdir -p "$tree/web/dist"
cp -r web/dist/. "$tree/web/dist/"
echo "compat: building $(git log -1 --format='%h %s' "$commit")" >&2
# The earlier version has its own target folder, since cargo would confuse the two in a common one.
CARGO_TARGET_DIR=$target/compat/build cargo build --manifest-path "$tree/Cargo.toml" --locked -p transom-cli >&2
echo "$target/compat/build/debug/transom"
