#!/bin/bash
# mypy --strict on the packages and the examples, a little less on the tests. CrewAI's are checked where it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

.venv/bin/mypy --no-error-summary --exclude 'alone/crewai|benchmarks/(crews|peers/programs/(?!civitas|__init__)|wall/(crew|temporal_worker))|adapters/(crews|flows|hub/writer)|killed/crews|website/(__main__|conf|linking)' packages/civitas-{core,langgraph,openai,pydantic-ai}/src \
    benchmarks website tests/{benchmarks,core,docs,fire,house,integration,langgraph,openai,pydantic_ai} tests/guards.py tests/wild/{*.py,cases}
.venv-crew/bin/mypy --no-error-summary --cache-dir .mypy_cache/crew packages/civitas-crewai/src \
    tests/crewai tests/house/alone/crewai.py benchmarks/crews.py benchmarks/wall/crew.py tests/integration/{adapters/{crews,flows,hub/writer},killed/crews}.py
# One at a time: each stands alone, and their modules have the same names.
for example in examples/*/; do
    venv=.venv cache=.mypy_cache/examples
    if [ "$example" = examples/crewai/ ]; then venv=.venv-crew cache=.mypy_cache/crew; fi
    MYPYPATH=$example$([ ! -d "$example/src" ] || echo src) "$venv/bin/mypy" --no-error-summary --cache-dir "$cache" "$example"
done
echo "types: clean"
