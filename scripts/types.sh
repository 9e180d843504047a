#!/bin/bash
# mypy --strict. The adapters are checked where their framework is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

.venv/bin/mypy --no-error-summary packages/civitas-{core,langgraph,openai}/src
.venv-crew/bin/mypy --no-error-summary --cache-dir .mypy_cache/crew packages/civitas-crewai/src
echo "types: clean"
