#!/bin/bash
# The tests of the core on every supported Python of this machine, each in a venv of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

find_version() { # 3.12: the path of one, from PATH, the usual folders or pyenv; nothing if there is none
    local candidate
    for candidate in "python$1" /usr/bin/"python$1" /usr/local/bin/"python$1" \
        "$(pyenv root 2>/dev/null || true)"/versions/"$1".*/bin/python; do
        "$candidate" -c "import sys, ensurepip, ssl, sqlite3
if sys.version_info[:2] != (${1/./, }): sys.exit(1)
print(sys.executable)" 2>/dev/null && return
    done
}

missing=() tried=() failed=()
for version in 3.11 3.12 3.13; do
    python=$(find_version "$version" || true)
    if [ -z "$python" ]; then
        missing+=("$version")
        continue
    fi
    venv=.venv-py$version
    VENV=$venv PYTHON=$python scripts/environment.sh a
    echo "Python $version ..."
    if "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/core "$@"; then
        tried+=("$version")
    else
        failed+=("$version")
    fi
done

echo
echo "test-pythons: passed on ${tried[*]:-none}; failed on ${failed[*]:-none}; not found here: ${missing[*]:-none}"
[ ${#failed[@]} -eq 0 ] && [ ${#tried[@]} -gt 0 ]
