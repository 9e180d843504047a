#!/bin/bash
# The tests of what the packages do, on the oldest versions that their pyproject files allow and on Python 3.11
# (PYTHON= picks another). Twice, as CrewAI brings newer versions of what the core uses along.
# The versions are read from the lower bounds anew each time, so that no bound stands that nobody has tried.
set -euo pipefail
cd "$(dirname "$0")/.."

# Tests start interpreters that import a whole framework, and compiling is most of what each of them would do.
unset PYTHONDONTWRITEBYTECODE

PYTHON=$(PYTHON=${PYTHON:-python3.11} scripts/find-python.sh)
export PYTHON
versions=$(mktemp -d)
trap 'rm -rf "$versions"' EXIT
failed=()
# These want newer versions of OpenTelemetry than the packages do; the tests that need them are left out.
grep -v '^opentelemetry-' constraints/dev.in > "$versions/tools.in"
grep -E '^(redis|psycopg)' constraints/examples.in >> "$versions/tools.in" # of the sample plugins
export TOOLS=$versions/tools.in

run() { # a|crew VENV TESTS...: the tests in an environment of the oldest versions
    local name=$1 venv=$2 package packages=(core langgraph openai) quiet=()
    shift 2
    if [ "$name" = crew ]; then packages+=(crewai); else packages+=(pydantic-ai); fi
    for package in "${packages[@]}"; do quiet+=(--no-emit-package "civitas-$package"); done
    printf -- '-e ./packages/civitas-%s\n' "core[all]" "${packages[@]:1}" |
        scripts/uv.sh pip compile --quiet --python "$PYTHON" --resolution lowest-direct --no-header \
            --no-annotate "${quiet[@]}" --output-file "$versions/$name.txt" -
    CONSTRAINTS=$versions/$name.txt VENV=$venv scripts/environment.sh "$name"
    "$venv/bin/python" -m pytest -q -p no:cacheprovider "$@" || failed+=("$name")
}

left_out=(--ignore tests/langgraph/test_instrumentations.py --ignore tests/openai/test_instrumentations.py)
# It is about two versions of openai-agents beside each other. The oldest one is that of .venv-crew.
alike=(--deselect tests/core/cli/test_worker_processes.py::test_frameworks_that_cannot_be_installed_together_run_together)
run a .venv-oldest tests/core tests/langgraph tests/openai tests/pydantic_ai "${left_out[@]}" "${alike[@]}"
run crew .venv-oldest-crew tests/langgraph tests/openai tests/crewai "${left_out[@]}"

echo
echo "test-oldest: failed in ${failed[*]:-none}"
[ ${#failed[@]} -eq 0 ]
