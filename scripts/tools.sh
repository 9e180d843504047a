#!/bin/bash
# Makes the environment of tools that nothing of ours is installed beside: .venv-NAME, from constraints/NAME.in.
#   scripts/tools.sh build   what a release takes
#   scripts/tools.sh docs    what makes the site
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv-$1
scripts/uv.sh venv --quiet --clear --python "$(scripts/find-python.sh)" "$venv"
scripts/uv.sh pip install --quiet --python "$venv/bin/python" \
    --requirement "constraints/$1.in" --constraint "constraints/$1.txt"
touch "$venv/.ready"
