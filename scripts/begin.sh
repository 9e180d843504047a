#!/bin/bash
# Follows docs/begin.md word for word, and says how long it takes: in an empty folder with an empty home, with the packages
# of this checkout in the place of those that pip would find.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(scripts/find-python.sh)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
scripts/build.sh "$scratch/dist"
mkdir "$scratch/home"
# What this machine's pip is told about where packages are holds for the reader's, too.
index=$("$python" -m pip config get global.index-url 2>/dev/null || true)
links="${PIP_FIND_LINKS:-$("$python" -m pip config get global.find-links 2>/dev/null || true)}"
env -u PYTHONPATH -u VIRTUAL_ENV -u XDG_STATE_HOME ${index:+PIP_INDEX_URL="$index"} \
    PIP_FIND_LINKS="$scratch/dist $links" HOME="$scratch/home" PATH="$(dirname "$python"):/usr/bin:/bin" \
    .venv/bin/python -m tests.docs.following docs/begin.md "$scratch/home"
