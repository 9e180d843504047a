#!/bin/bash
# mypy --strict on the packages, a little less on the tests. CrewAI's are checked where it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

.venv/bin/mypy --no-error-summary --exclude 'alone/crewai' packages/civitas-{core,langgraph,openai}/src \
    benchmarks tests/{core,docs,house,langgraph,openai} tests/guards.py
.venv-crew/bin/mypy --no-error-summary --cache-dir .mypy_cache/crew packages/civitas-crewai/src \
    tests/crewai tests/house/alone/crewai.py
echo "types: clean"
