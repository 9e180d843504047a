#!/bin/bash
# Which packages can be installed from wheels on a Python that is later than those that are tested.
# Only CrewAI sets an upper bound, so it is not asked: uv does not heed upper bounds on Python.
set -euo pipefail
cd "$(dirname "$0")/.."

problem=$(mktemp)
trap 'rm -f "$problem"' EXIT
ours=()
for package in core langgraph openai pydantic-ai; do ours+=(--no-emit-package "civitas-$package"); done
for version in 3.14 3.15; do
    for package in "core[all]" langgraph openai pydantic-ai; do
        # nkeys is plain Python, and comes without a wheel for any version.
        if printf -- '-e ./packages/civitas-%s\n' core "$package" |
            scripts/uv.sh pip compile --quiet --python-version "$version" --only-binary :all: --no-binary nkeys \
                "${ours[@]}" - > /dev/null 2> "$problem"; then
            echo "Python $version: civitas-$package: wheels of everything it needs"
        else
            lacking=$(grep -o 'Wheels are required for `[^`]*`' "$problem" | cut -d '`' -f 2 | sort -u | paste -s -d ' ' || true)
            [ -n "$lacking" ] || { cat "$problem" >&2 && exit 1; }
            echo "Python $version: civitas-$package: no wheel of $lacking"
        fi
    done
done
