#!/bin/bash
# ruff's rules and format, then the import rules between rooms.
set -euo pipefail
cd "$(dirname "$0")/.."

.venv/bin/ruff check --quiet .
.venv/bin/ruff format --quiet --check --diff .
scripts/imports.sh
echo "lint: clean"
