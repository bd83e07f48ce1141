#!/usr/bin/env bash
# bench/setup.sh [devices]
#
# Installs the gateways for the comparison: nginx with its stream module (Debian) and websockify (a
# Python environment below target/). For devices it installs rathole, compiled below target/, which
# takes some minutes the first time.
set -euo pipefail
cd "$(dirname "$0")/.."

WEBSOCKIFY_VERSION=0.13.0
VENV=${CARGO_TARGET_DIR:-target}/bench/venv

if [[ ${1:-} == devices ]]; then
  RATHOLE_VERSION=0.5.0
  RATHOLE=${CARGO_TARGET_DIR:-target}/bench/rathole
  [[ -x $RATHOLE/bin/rathole ]] && exit
  echo "setup: compiling rathole $RATHOLE_VERSION" >&2
  # Its own lock file no longer compiles. TLS and noise are left out, since they are not compared.
  exec cargo install --quiet "rathole@$RATHOLE_VERSION" --no-default-features --features server,client --root "$RATHOLE"
fi

missing=()
[[ -x /usr/sbin/nginx ]] || missing+=(nginx-light)
[[ -e /usr/lib/nginx/modules/ngx_stream_module.so ]] || missing+=(libnginx-mod-stream)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if ((${#missing[@]})); then
  echo "setup: installing Debian packages: ${missing[*]}" >&2
  root=()
  ((EUID == 0)) || root=(sudo)
  "${root[@]}" scripts/apt-install.sh "${missing[@]}"
fi

if [[ ! -x $VENV/bin/websockify ]]; then
  echo "setup: installing websockify $WEBSOCKIFY_VERSION" >&2
  python3 -m venv "$VENV"
  # With NumPy, as Debian packages it. Without it, websockify unmasks byte by byte.
  "$VENV/bin/pip" install --quiet "websockify==$WEBSOCKIFY_VERSION" numpy
fi
