#!/bin/bash
# What the last `COVERAGE=1 make test` reached, in both environments together; fails below the floor.
set -euo pipefail
cd "$(dirname "$0")/.."

floor=90
.venv/bin/python -m coverage combine --quiet
.venv/bin/python -m coverage report --fail-under "$floor"
