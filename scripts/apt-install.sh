#!/usr/bin/env bash
# scripts/apt-install.sh PACKAGE…   (as root)
#
# Installs Debian packages without questions, and without starting the services that some of them
# include. The tests start their own PostgreSQL in a folder of their own.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

policy=/usr/sbin/policy-rc.d
policy_is_ours=
log=$(mktemp)
trap 'rm -f "$log" ${policy_is_ours:+"$policy"}' EXIT

# On a terminal apt shows its progress. Elsewhere its thousand lines appear only if it fails.
apt() {
  # Another process may be installing. Five minutes is longer than one large package takes.
  local run=(apt-get -o DPkg::Lock::Timeout=300 --quiet "$@")
  if [[ -t 1 ]]; then "${run[@]}"; else "${run[@]}" >"$log" 2>&1 </dev/null || { cat "$log" >&2; return 1; }; fi
}

# Debian asks this file before it starts a service; 101 is "no".
if [[ ! -e $policy ]]; then
  policy_is_ours=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi

apt update
apt install --yes --no-upgrade --no-install-recommends "$@"
