#!/bin/bash
# Prints the path of a Python of one version, such as 3.12, from PATH, the usual folders or pyenv; nothing if there is none.
set -euo pipefail

for candidate in "python$1" /usr/bin/"python$1" /usr/local/bin/"python$1" \
    "$(pyenv root 2>/dev/null || true)"/versions/"$1".*/bin/python; do
    "$candidate" -c "import sys, ensurepip, ssl, sqlite3
if sys.version_info[:2] != (${1/./, }): sys.exit(1)
print(sys.executable)" 2>/dev/null && exit
done
exit 0
