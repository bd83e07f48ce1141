#!/usr/bin/env bash
# scripts/screenshots.sh [PROGRAM]
#
# Makes the pictures in docs/images with the program itself: a console of the test desktop on a wide
# screen (light and dark) and on a phone, and the console of a device that only an agent reaches. It
# uses free ports and a temporary folder, and removes everything at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

transom=$(realpath "${1:-target/release/transom}")
images=$PWD/docs/images
folder=$(mktemp --directory)
started=()
finish() {
  ((${#started[@]})) && kill "${started[@]}" 2>/dev/null && wait "${started[@]}" 2>/dev/null
  rm -rf "$folder"
}
trap finish EXIT

# Runs a command until it succeeds, for at most half a minute.
until_it_succeeds() {
  local end=$((SECONDS + 30))
  until "$@"; do
    ((SECONDS < end)) || { echo "screenshots: gave up waiting for: $*" >&2; return 1; }
    sleep 0.1
  done
}

# Takes a picture of a console: NAME URL [OPTION...]
picture() {
  local name=$1 url=$2
  shift 2
  node web/e2e/console.mjs "$url" --shot "$images/$name.png" "$@" >"$folder/$name.json" || { cat "$folder/$name.json" >&2; return 1; }
}

# Prints a member of the JSON document on standard input, by its path.
member() {
  node -e 'let value = JSON.parse(require("fs").readFileSync(0, "utf8"));
    for (const name of process.argv[1].split(".")) value = value[name];
    console.log(value)' "$1"
}

mkdir -p "$images"
TMPDIR=$folder "$transom" demo --no-open --listen 127.0.0.1:0 >"$folder/url" 2>"$folder/demo.log" &
started+=($!)
until_it_succeeds test -s "$folder/url"
console=$(cat "$folder/url")
data=$(echo "$folder"/transom-demo-*)
operate() { "$transom" --data "$data" --json "$@"; }

picture console-light "$console" --type 'Typed in a browser.' --key Enter
picture console-dark "$console" --theme dark
picture console-phone "$console" --device phone

# The device: a screen with a browser in it, an agent, and a VNC server that listens on loopback
# only.
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
Xtigervnc -displayfd 3 -rfbport "$port" -localhost -SecurityTypes None -geometry 1024x600 3>"$folder/display" 2>"$folder/screen.log" &
started+=($!)
until_it_succeeds test -s "$folder/display"
DISPLAY=:$(cat "$folder/display") "${CHROMIUM:-chromium}" --no-sandbox --disable-gpu --no-first-run --kiosk --window-position=0,0 --window-size=1024,600 \
  --user-data-dir="$folder/profile" "file://$PWD/scripts/screenshots/kiosk.html" >"$folder/browser.log" 2>&1 &
started+=($!)

key=$(operate key add --project demo --name devices | member id)
address=$(operate address add --key "$key" --action listen --name 'Ticket machine 14')
listen=$(member cloudAddress <<<"$address")
(umask 077 && member cloudPassword <<<"$address" >"$folder/password")
"$transom" --data "$folder/device" agent --server "${console%%/console*}" --address "$listen" --password-file "$folder/password" \
  --to "127.0.0.1:$port" >"$folder/agent.log" 2>&1 &
started+=($!)
until_it_succeeds grep -q Online "$folder/agent.log"
operate instance add kiosk --project demo --name 'Ticket machine 14' --endpoint "cloud:$listen" >/dev/null
device=$(operate console kiosk --project demo --uses 0 --ttl 10m | member url)
# An X server without a window shows one colour or two. The picture counts once the browser has
# drawn.
drawn() { picture device "$device" && [[ $(member picture.colours <"$folder/device.json") -ge 16 ]]; }
until_it_succeeds drawn

wc --bytes "$images"/*.png
