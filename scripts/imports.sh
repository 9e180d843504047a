#!/bin/bash
# import-linter: imports go down only, one framework per adapter.
set -euo pipefail
cd "$(dirname "$0")/.."

# It reads source only: an adapter that is not installed here needs no framework for it.
report=$(PYTHONPATH=packages/civitas-crewai/src:packages/civitas-pydantic-ai/src .venv/bin/lint-imports --no-logo 2>&1) || { echo "$report"; exit 1; }
