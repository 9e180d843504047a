#!/bin/bash
# The tests of the core on every supported Python of this machine, each in a venv of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

# The tests start many interpreters, and compiling is half of what each of them would do.
unset PYTHONDONTWRITEBYTECODE

missing=() tried=() failed=()
for version in 3.11 3.12 3.13; do
    python=$(scripts/find-version.sh "$version")
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
