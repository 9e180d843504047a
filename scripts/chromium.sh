#!/bin/bash
# Installs Debian's chromium, which the tests of the page use, where it is missing and may be installed.
set -euo pipefail
if command -v chromium >/dev/null; then exit 0; fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "  no chromium here: the tests of the page in a browser are skipped"
    exit 0
fi
started=$SECONDS
echo "Chromium, for the tests of the page ..."
export DEBIAN_FRONTEND=noninteractive
install=(apt-get install --quiet=2 --yes --no-install-recommends chromium)
if ! { "${install[@]}" || { apt-get update --quiet=2 && "${install[@]}"; }; } >/dev/null 2>&1; then
    echo "  chromium could not be installed: the tests of the page in a browser are skipped"
    exit 0
fi
echo "  ready in $((SECONDS - started)) s"
