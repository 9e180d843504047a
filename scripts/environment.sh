#!/bin/bash
# Makes one of the environments, or brings it up to date, from its constraints.
#   scripts/environment.sh a       .venv        core, LangGraph, Pydantic AI and the newest openai-agents
#   scripts/environment.sh crew    .venv-crew   core, LangGraph, CrewAI, and the openai-agents that fits
#   scripts/environment.sh wild    .venv-wild   public agents that are packages, for `make test-wild`
# VENV= puts it elsewhere, PYTHON= picks the interpreter, CONSTRAINTS= other versions, TOOLS= what stands beside the packages.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(civitas-langgraph civitas-openai) more=() tools=${TOOLS:-constraints/dev.in}
case ${1:-} in
    a)
        venv=${VENV:-.venv} step='Environment A: core, LangGraph, OpenAI Agents SDK, Pydantic AI'
        packages+=(civitas-pydantic-ai)
        [ -n "${TOOLS:-}" ] || more=(--requirement constraints/deploy.in --requirement constraints/examples.in)
        ;;
    crew)
        venv=${VENV:-.venv-crew} step='Environment B: core, LangGraph, CrewAI (about 1 GB on disk)'
        packages+=(civitas-crewai)
        ;;
    wild)
        venv=${VENV:-.venv-wild} step='Environment W: public agents' tools=constraints/wild.in
        export UV_EXCLUDE=constraints/wild-without.in
        ;;
    *) echo "usage: scripts/environment.sh a|crew|wild" >&2 && exit 2 ;;
esac

echo "$step ..."
started=$SECONDS
python=$(scripts/find-python.sh)
wanted=$("$python" -c 'import platform; print(platform.python_version())')
present=$("$venv/bin/python" -c 'import platform; print(platform.python_version())' 2>/dev/null || true)
# Kept where it fits: whoever works in it at this moment loses nothing.
if [ "$present" != "$wanted" ]; then
    scripts/uv.sh venv --quiet --clear --python "$python" "$venv"
fi
rm -f "$venv/.ready"

ours=(--editable './packages/civitas-core[all]')
for package in "${packages[@]}"; do ours+=(--editable "./packages/$package"); done
scripts/uv.sh pip install --quiet --python "$venv/bin/python" --exact --requirement $tools "${more[@]}" "${ours[@]}" \
    --constraint "${CONSTRAINTS:-constraints/$1.txt}" --build-constraint "constraints/$1.txt"

touch "$venv/.ready"
echo "  ready in $((SECONDS - started)) s: $venv, Python $wanted"
