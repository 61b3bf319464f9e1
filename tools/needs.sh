#!/usr/bin/env bash
# Makes sure that the programs named are there: installs them where a package manager can, and names them otherwise.
set -euo pipefail

missing=()
for program in "$@"; do
  command -v "$program" >/dev/null || missing+=("$program")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "missing: ${missing[*]}"
if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }; then
  run=(env DEBIAN_FRONTEND=noninteractive apt-get)
  [ "$(id -u)" -eq 0 ] || run=(sudo "${run[@]}")
  "${run[@]}" update -qq
  "${run[@]}" install -y -qq "${missing[@]}"
elif command -v brew >/dev/null; then
  brew install "${missing[@]/npm/node}"
else
  echo "install them with your package manager, then run this again" >&2
  exit 1
fi
