#!/usr/bin/env bash
# scripts/guest/build.sh IMAGE   assembles echo.S into a bootable 1.44 MB floppy image for QEMU
set -euo pipefail

image=${1:?the image file to write}
source=$(dirname "$0")/echo.S
# Debian's names for the x86 assembler and linker, which exist on every architecture. Elsewhere the
# plain names.
as=$(command -v x86_64-linux-gnu-as || command -v as)
ld=$(command -v x86_64-linux-gnu-ld || command -v ld)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$as" --32 -o "$scratch/echo.o" "$source"
"$ld" -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$scratch/floppy" "$scratch/echo.o"
truncate --size 1440K "$scratch/floppy"
chmod 644 "$scratch/floppy"

mkdir -p "$(dirname "$image")"
mv "$scratch/floppy" "$image"
