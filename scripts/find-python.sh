#!/bin/sh
# Prints the path of a Python that Civitas runs on: $PYTHON if set, else the newest of 3.13 to 3.11.
# A name on PATH may be a pyenv shim of a version that is not active: it is tried, not trusted.
set -u

probe='
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(1)
import ensurepip, sqlite3, ssl, venv
print(sys.executable)
'

if [ -n "${PYTHON:-}" ]; then
    "$PYTHON" -c "$probe" 2>/dev/null && exit 0
    echo "PYTHON=$PYTHON is no Python 3.11, 3.12 or 3.13 with venv, ssl and sqlite3. Name another one." >&2
    exit 1
fi

for name in python3.13 python3.12 python3.11 python3 python; do
    "$name" -c "$probe" 2>/dev/null && exit 0
done

# No name on PATH will do: pyenv may still have one.
if command -v pyenv >/dev/null 2>&1; then
    root=$(pyenv root 2>/dev/null)
    for found in "$root"/versions/3.13.*/bin/python "$root"/versions/3.12.*/bin/python "$root"/versions/3.11.*/bin/python; do
        "$found" -c "$probe" 2>/dev/null && exit 0
    done
fi

echo "Civitas needs Python 3.11, 3.12 or 3.13 (with venv, ssl and sqlite3), and none was found." >&2
echo "Install one (on Debian: apt install python3 python3-venv), or say which: make PYTHON=/path/to/python" >&2
exit 1
